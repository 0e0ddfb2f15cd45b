"""Every public index, for the tests of what all indexes promise."""

import os

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import sklearn_jin
from sklearn_jin import IVFNeighbors, RaBitQ, ScalarQuantizer
from sklearn_jin.metrics import METRICS
from sklearn_jin.neighbors._partition import PartitionNeighbors


def classes():
    """Public estimators with ``kneighbors``: a new index is tested once exported."""
    exported = (getattr(sklearn_jin, name) for name in sklearn_jin.__all__)
    return [
        c
        for c in exported
        if isinstance(c, type)
        and issubclass(c, BaseEstimator)
        and hasattr(c, "kneighbors")
    ]


# Few rows are found exactly on codes too, if all of them are candidates.
# Not where kernels are plain Python, which takes minutes: test_codes.py does then.
PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
CODES = [] if PLAIN else ["auto", ScalarQuantizer(n_bits=4)]
ALL = 1000
CODED = {"euclidean", "cosine", "inner_product"}  # and others are prepared alike


# Graphs that differ from those of HNSW by how they are built, and by nothing else.
ALIKE = ("Vamana", "NSW", "SNG", "DualBranchHNSW")

# Where kernels are plain Python, which takes minutes, one graph and one partition show
# the kernels of all, and two transformers what these add.
REPEATED = {
    *(f"{kind}{what}" for kind in ALIKE for what in ("Neighbors", "Transformer")),
    *("IVFPQNeighbors", "ScaNNNeighbors", "HNSWTransformer"),
    *("IVFTransformer", "IVFPQTransformer", "ScaNNTransformer"),
}


def settings():
    """One estimator of every class, and one that does not scan even the fewest rows.

    And, where there are codes, such as search on them.
    """
    for c in classes():
        if PLAIN and c.__name__ in REPEATED:
            continue
        if issubclass(c, PartitionNeighbors):
            yield from map(repeatable, in_lists(c))
            continue
        params = c().get_params()
        graph = {"exact_threshold": 0} if "exact_threshold" in params else {}
        if graph:
            yield repeatable(c(**graph))
        if c.__name__.startswith(ALIKE):
            continue
        yield repeatable(c())
        if "build" in params and not PLAIN:
            yield repeatable(c(build="partition", **graph))
        if "quantizer" in params:
            for quantizer in CODES:
                yield repeatable(c(quantizer=quantizer, rerank=ALL, **graph))


def in_lists(c):
    """Estimators of a class of partitions, which differ by their codes alone."""
    if PLAIN:  # no codes, which test_partitions.py tests then
        yield c(exact_threshold=0, quantizer=None)
        return
    yield c(exact_threshold=0, rerank=ALL)
    if c is IVFNeighbors:
        yield c()
        yield c(exact_threshold=0, quantizer=None)
        yield c(exact_threshold=0, quantizer=RaBitQ(n_bits=4), rerank=ALL)


def measured():
    """Of those that are no transformers, for these inherit it, one for every metric."""
    for index in settings():
        if hasattr(index, "transform"):
            continue
        if isinstance(index, PartitionNeighbors) and index.exact_threshold:
            continue  # so few rows are scanned, as by others
        for metric in metrics(index):
            if getattr(index, "quantizer", True) and metric not in CODED:
                continue
            yield type(index)(**{**index.get_params(deep=False), "metric": metric})


def transformers():
    return (index for index in settings() if hasattr(index, "transform"))


def plain():
    return (repeatable(c()) for c in classes() if not hasattr(c, "transform"))


def repeatable(index):
    return index.set_params(random_state=0)


def metrics(index):
    """Names of the metrics that ``index`` serves, with codes if it has a quantizer."""
    served = index._parameter_constraints["metric"][0].options
    squared = getattr(index, "quantizer", "own") not in (None, "auto")
    squared |= getattr(index, "build", None) == "partition"
    return [
        name
        for name in METRICS
        if name in served and (not squared or METRICS[name].space in ("l2", "ip"))
    ]


def under(index, metric):
    """``index`` with ``metric``; a test is skipped that asks for one it lacks."""
    if metric not in metrics(index):
        pytest.skip(f"{name(index)} does not serve metric={metric!r}")
    return index.set_params(metric=metric)


def name(index):
    """Short and unique among the above."""
    params = index.get_params()
    kind = "lists" if isinstance(index, PartitionNeighbors) else "graph"
    words = [] if params.get("exact_threshold", 1) else [kind]
    words += ["cells"] if params.get("build") == "partition" else []
    codes = params.get("quantizer")
    if codes != getattr(type(index)(), "quantizer", None):
        words += [f"{codes.n_bits}bits" if hasattr(codes, "n_bits") else str(codes)]
    words += [params["metric"]] if params["metric"] != "minkowski" else []
    return "-".join([type(index).__name__, *words])


def rows(n=60, d=8, seed=0, metric=None):
    """Normal numbers, none of them negative for the metric that forbids it."""
    X = np.random.default_rng(seed).standard_normal((n, d))
    return np.abs(X) if metric == "hellinger" else X
