"""What tests of files need: all that an estimator holds, to be compared bit by bit."""

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_jin.metrics import Euclidean
from sklearn_jin.storage import manifest

NOT_KEPT = ("_mapped",)  # where an index is, which a loaded one knows


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
