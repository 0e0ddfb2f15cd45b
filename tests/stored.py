"""What tests of files need: all that an estimator holds, to be compared bit by bit."""

import os

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_jin import FlatNeighbors, load
from sklearn_jin._memory import frozen
from sklearn_jin.metrics import Euclidean
from sklearn_jin.storage import manifest, publish

NOT_KEPT = ("_mapped",)  # where an index is, which a loaded one knows
ROWS = np.random.default_rng(0).random((300, 8))


def everything(part):
    """All of an estimator, or of a part of one, as what is equal bit by bit."""
    if isinstance(part, np.ndarray):
        order = part.flags.c_contiguous, part.flags.f_contiguous
        if part.dtype == object:
            return part.shape, part.tolist(), [type(x) for x in part.flat]
        return part.dtype.str, part.shape, order, part.tobytes()
    if isinstance(part, np.random.RandomState):
        return "RandomState", everything(part.get_state(legacy=False))
    if isinstance(part, np.generic):
        return type(part), part.tobytes()
    if isinstance(part, BaseEstimator | Euclidean):
        known = {k: v for k, v in vars(part).items() if k not in NOT_KEPT}
        return type(part), everything(known)
    if isinstance(part, dict):
        return {key: everything(value) for key, value in sorted(part.items())}
    if isinstance(part, list | tuple):
        return type(part), [everything(value) for value in part]
    return type(part), repr(part)


def rewritten(path, change):
    """Change the manifest of a folder, with a checksum that fits."""
    read = manifest.read(path)
    read["arrays"] = [{**s._asdict(), "shape": list(s.shape)} for s in read["arrays"]]
    change(read)
    for name in ("format", "version", "crc32", "identity"):
        read.pop(name, None)
    (path / manifest.NAME).write_bytes(manifest.as_bytes(read))


def files(path):
    """The files of arrays in a folder."""
    return sorted(path.glob("*.npy"))


def index_of(n):
    return FlatNeighbors(n_neighbors=n).fit(ROWS * n)


def regrown(n):
    """The index 1 with other ``n_neighbors``, and one array that is another."""
    index = index_of(1).set_params(n_neighbors=n)
    learned = index.index_.learned._replace(spread=frozen(np.full(n, 0.5)))
    index.index_ = index.index_._replace(learned=learned)
    return index


def saved(path, other=None):
    """Which of the indexes a folder holds, all of whose bytes are checked."""
    index = load(path, verify=True)
    n = index.n_neighbors
    expected = index_of(n) if n == 1 or other is None else other
    assert everything(index) == everything(expected)
    return n


def assert_tidy(path):
    """That there are the files of one index, and no other."""
    named = [stored.file for stored in manifest.read(path)["arrays"]]
    assert {file.name for file in path.iterdir()} == {
        *named,
        manifest.NAME,
        publish.LOCK,
    }


def written(index, path):
    """Sizes of the arrays that a save writes, which then holds the index."""
    before = set(os.listdir(path)) if path.exists() else set()
    index.save(path)
    assert everything(load(path, verify=True)) == everything(index)
    assert_tidy(path)
    return sorted(np.load(path / name).size for name in new_names(path, before))


def new_names(path, before):
    return {name for name in os.listdir(path) if name.endswith(".npy")} - before
