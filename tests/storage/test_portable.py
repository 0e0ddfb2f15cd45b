"""One form on disk: what one CPU wrote another reads, and answers alike."""

import pytest
from child import FEATURES, python
from helpers import normal

from sklearn_jin import FlatNeighbors, IVFPQNeighbors, ScalarQuantizer, _simd, load
from sklearn_jin.search import fastscan
from sklearn_jin.storage import arrays, manifest

READ = """
from helpers import normal
from sklearn_jin import _simd, load
index = load({path!r}, mmap_mode="r")
ids = index.kneighbors(normal(20, 24, 1), return_distance=False)
print(_simd.LEVEL, index.index_.route.blocks.ndim, ids.tolist())
"""


@pytest.mark.jit
@pytest.mark.parametrize("level", [level for level in FEATURES if level != _simd.LEVEL])
def test_every_level_of_the_cpu_answers_alike(level, tmp_path):
    if not _simd.LEVELS[level] <= _simd.cpu_features():
        pytest.skip(f"this CPU has no {level}")
    index = FlatNeighbors(quantizer=ScalarQuantizer(4), rerank=2, n_jobs=1)
    index.fit(normal(700, 24)).save(tmp_path / "kept")
    _, ids = index.kneighbors(normal(20, 24, 1))
    cpu = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": FEATURES[level]}
    code = READ.format(path=str(tmp_path / "kept"))
    assert python(code, cwd=__file__.rpartition("/storage")[0], **cpu) == (
        f"{level} 2 {ids.tolist()}"
    )


LAYOUTS = {"fours": True, "bytes": False}


@pytest.mark.parametrize("written", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("read", LAYOUTS.values(), ids=LAYOUTS)
def test_files_are_the_same_whatever_the_layout(written, read, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "SMALL", 0)
    monkeypatch.setattr(fastscan, "QUADS", written)
    index = IVFPQNeighbors(exact_threshold=0, random_state=0, n_jobs=1)
    blocks = index.fit(normal(300, 6)).index_.route.codes.blocks
    assert blocks.ndim == (3 if written else 2)
    index.save(tmp_path / "kept")
    shapes = [stored.shape for stored in manifest.read(tmp_path / "kept")["arrays"]]
    assert sum(len(shape) == 3 and shape[2] == 128 for shape in shapes) == 1
    monkeypatch.setattr(fastscan, "QUADS", read)
    found = load(tmp_path / "kept", mmap_mode="r").index_.route.codes.blocks
    assert found.ndim == (3 if read else 2)
    known = fastscan.turn_fours if read else fastscan.turn_bytes
    codes = fastscan.compact_codes(index.index_.route.codes, 64 * len(blocks))
    assert found.tobytes() == known(codes).tobytes()
    assert (found.base is not None and not found.flags.writeable) or not read
