"""What older versions saved is loaded and answers as it did: see ``golden/make.py``."""

import json
import sys
import zipfile
from pathlib import Path

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import load

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import make  # noqa: E402

FILES = sorted(GOLDEN.glob("*/*.zip"))


def test_there_is_one_of_every_class():
    kept = {file.stem for file in FILES}
    assert {kind.__name__ for kind in make.exported()} <= kept


@pytest.mark.parametrize(
    "file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_a_file_of_an_older_version_answers_as_it_did(file, tmp_path):
    with zipfile.ZipFile(file) as golden:
        golden.extractall(tmp_path)
    known = json.loads((tmp_path / "answers.json").read_text())
    for mmap_mode in (None, "r"):
        loaded = load(tmp_path, mmap_mode=mmap_mode, verify=True)
        assert type(loaded).__name__ == file.stem
        for name, found in make.answers(loaded).items():
            if name in ("ids", "codes"):
                assert_array_equal(found, known[name])
            else:
                assert_allclose(found, known[name], rtol=1e-6)
    loaded.fit(make.rows(make.SAMPLES, 2))
