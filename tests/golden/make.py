"""Golden files: ``python tests/golden/make.py FOLDER`` makes those of this version.

Each holds a small estimator as this version saves it, and what it answered.  They are
made once a version of the format, and never again: every later version must load them
and answer alike.
"""

import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

import sklearn_jin
from sklearn_jin.storage.objects import ESTIMATORS

SAMPLES, QUERIES, FEATURES = 60, 6, 5


def rows(n, seed):
    """Whole numbers of two digits, negative ones too, the same on every machine."""
    return np.random.RandomState(seed).randint(-99, 100, (n, FEATURES)).astype(float)


def holed(X):
    """``X`` with a number missing of every row."""
    X = X.copy()
    X[np.arange(len(X)), np.arange(len(X)) % FEATURES] = np.nan
    return X


def fit(estimator, seed):
    """Fit to some rows, and to whole numbers where it predicts."""
    X = rows(SAMPLES, seed)
    if hasattr(estimator, "missing_values"):
        return estimator.fit(holed(X))
    return estimator.fit(X, np.arange(SAMPLES) % 3)


def exported():
    """Every class that is saved."""
    classes = (getattr(sklearn_jin, name) for name in sklearn_jin.__all__)
    return [c for c in classes if c in ESTIMATORS.values()]


def estimators():
    """One of every class, with parameters that are no JSON where it takes them."""
    for c in exported():
        known = c().get_params()
        some = {
            "random_state": 0,
            "exact_threshold": 0,
            "rerank": 60,
            "target_recall": 1.0,
        }
        some |= {"radius": np.inf, "n_neighbors": np.int64(4)}
        if known.get("quantizer", 0) is None:
            some["quantizer"] = sklearn_jin.ScalarQuantizer(n_bits=4)
        some |= {"radius": 200.0} if hasattr(c, "predict") else {}
        if c.__name__ != "KNNGraphTransformer":
            some.pop("target_recall")
        if c is sklearn_jin.LocalIntrinsicDimensionality:
            some["index"] = sklearn_jin.HNSWNeighbors(random_state=0)
        yield c(**{name: value for name, value in some.items() if name in known})


def answers(estimator):
    """What a fitted estimator tells of the queries, as lists."""
    queries = rows(QUERIES, 1)
    if hasattr(estimator, "predict"):
        return {"rows": np.asarray(estimator.predict(queries), float).tolist()}
    if hasattr(estimator, "missing_values"):
        return {"rows": estimator.transform(holed(queries)).tolist()}
    if hasattr(estimator, "kneighbors"):
        distances, ids = estimator.kneighbors(queries)
        return {"ids": ids.tolist(), "distances": distances.tolist()}
    if hasattr(estimator, "inverse_transform"):
        codes = estimator.transform(queries)
        back = estimator.inverse_transform(codes)
        return {"codes": codes.tolist(), "rows": back.tolist()}
    return {"dimension": estimator.dimension_}


def make(folder):
    """Write a zip of every estimator to ``folder``."""
    for estimator in estimators():
        fit(estimator, 0)
        with tempfile.TemporaryDirectory() as path:
            estimator.save(path)
            name = f"{type(estimator).__name__}.zip"
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as golden:
                for file in sorted(Path(path).iterdir()):
                    if file.name != ".lock":
                        golden.write(file, file.name)
                golden.writestr("answers.json", json.dumps(answers(estimator)))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
