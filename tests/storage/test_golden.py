"""What older versions saved is loaded and answers as it did: see ``golden/make.py``."""

import json
import sys
import zipfile
from itertools import product
from pathlib import Path

import pytest
from numpy.testing import assert_allclose, assert_array_equal
from stored import rewritten

from sklearn_jin import load
from sklearn_jin.storage import manifest
from sklearn_jin.storage.objects import ESTIMATORS

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))
import make  # noqa: E402

FILES = sorted(GOLDEN.glob("*/*.zip"))


def unpack(file, path):
    with zipfile.ZipFile(file) as packed:
        packed.extractall(path)


def test_there_is_one_of_every_class():
    kept = {file.stem for file in FILES}
    assert {kind.__name__ for kind in make.exported()} <= kept


golden = pytest.mark.parametrize(
    "file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}"
)


@golden
def test_a_file_of_an_older_version_answers_as_it_did(file, tmp_path):
    unpack(file, tmp_path)
    known = json.loads((tmp_path / "answers.json").read_text())
    for mmap_mode in (None, "r"):
        loaded = load(tmp_path, mmap_mode=mmap_mode, verify=True)
        assert type(loaded).__name__ == file.stem
        for name, found in make.answers(loaded).items():
            if name in ("ids", "codes"):
                assert_array_equal(found, known[name])
            else:
                assert_allclose(found, known[name], rtol=1e-6)
    make.fit(loaded, 2)


@golden
def test_what_lacks_an_attribute_or_has_another_is_no_estimator(file, tmp_path):
    unpack(file, tmp_path)
    whole = (tmp_path / manifest.NAME).read_bytes()
    names = manifest.read(tmp_path)["objects"][-1]["fitted"]
    learned = ESTIMATORS[file.stem]._learned
    assert names.keys() - {"_built_by", "_drift"} == learned.keys()

    def lacks(fitted, name):
        del fitted[name]

    def has_another(fitted, name):
        fitted[name] = []

    for name, change in product(learned, (lacks, has_another)):
        rewritten(tmp_path, lambda m: change(m["objects"][-1]["fitted"], name))  # noqa: B023
        with pytest.raises(ValueError, match="can not be loaded"):
            load(tmp_path)
        (tmp_path / manifest.NAME).write_bytes(whole)
