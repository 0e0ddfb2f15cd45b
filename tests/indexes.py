"""Public indexes, for the tests of what all indexes promise.

By default a test meets every code path once: indexes that differ only in code which
another setting runs too are left to ``pytest --full``, which crosses them all.
"""

import os

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

import sklearn_jin
from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    HNSWTransformer,
    IVFNeighbors,
    IVFTransformer,
    KNNGraphTransformer,
    RaBitQ,
    ScalarQuantizer,
)
from sklearn_jin.metrics import METRICS
from sklearn_jin.neighbors._partition import PartitionNeighbors

FULL = False  # whether every setting is crossed with every metric: set by ``--full``

# Few rows are found exactly on codes too, if all of them are candidates.
# Not where kernels are plain Python, which takes minutes: test_codes.py does then.
PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
ALL = 1000
CODED = ["euclidean", "cosine", "inner_product"]  # and others are prepared alike

# Metrics that rows of any width have, and whose tests are crossed with every index.
# Those of tests/metrics/ are Euclidean on other rows, or have tests of their own.
COMMON = [
    *("euclidean", "sqeuclidean", "cosine", "angular", "correlation", "hellinger"),
    *("inner_product", "manhattan", "chebyshev"),
]

# Where kernels are plain Python one graph and one partition show the kernels of all.
REPEATED = {
    *(f"{name}Neighbors" for name in ("Vamana", "NSW", "SNG", "DualBranchHNSW")),
    *("IVFPCANeighbors", "IVFPQNeighbors", "ScaNNNeighbors"),
}


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


def is_transformer(index):
    return hasattr(index, "transform")


# Settings: unfitted estimators.


def settings():
    """One estimator for every path that code takes, or in full every combination."""
    return map(repeatable, every_setting() if FULL else paths())


def paths():
    """Every index made to search few rows as it does many, and variants of three."""
    for c in classes():
        if is_transformer(c) and c not in (HNSWTransformer, KNNGraphTransformer):
            continue  # test_contract_graphs.py tries each
        if not (PLAIN and (c.__name__ in REPEATED or c is IVFNeighbors)):
            yield indexing(c)
    yield HNSWNeighbors()  # few rows are scanned
    yield indexing(IVFNeighbors, quantizer=None)
    if not PLAIN:
        yield indexing(HNSWNeighbors, build="partition")
        yield indexing(HNSWNeighbors, quantizer="auto")
        yield indexing(FlatNeighbors, quantizer=ScalarQuantizer(n_bits=4))
        yield indexing(IVFNeighbors, quantizer=RaBitQ(n_bits=4))


def indexing(c, **params):
    """An estimator of the class that builds an index of the fewest rows, too.

    On codes, if it has any, all rows are candidates.
    """
    known = c().get_params()
    if "exact_threshold" in known:
        params["exact_threshold"] = 0
    if c is KNNGraphTransformer:
        params["target_recall"] = 1.0
    coded = params.get("quantizer", known.get("quantizer")) is not None
    if "rerank" in known and (coded or issubclass(c, PartitionNeighbors)):
        params["rerank"] = ALL
    return c(**params)


def every_setting():
    """Every class, with and without a scan of few rows, and on several codes."""
    for c in classes():
        known = c().get_params()
        yield from [c(), indexing(c)] if "exact_threshold" in known else [c()]
        if "build" in known:
            yield indexing(c, build="partition")
        if "quantizer" in known and not (PLAIN or issubclass(c, TransformerMixin)):
            for quantizer in (None, "auto", ScalarQuantizer(n_bits=4), RaBitQ(4)):
                if quantizer != known["quantizer"]:
                    yield indexing(c, quantizer=quantizer)


def shells():
    """Five estimators that show what all take, refuse and answer, whatever they do."""
    kinds = (FlatNeighbors, HNSWNeighbors, KNNGraphTransformer, HNSWTransformer)
    few = [*map(indexing, kinds), indexing(IVFNeighbors, quantizer=None)]
    return settings() if FULL else map(repeatable, few)


def measured():
    """Indexes under metrics: all on a scan, a graph and lists, on others one each.

    Not transformers, for these inherit it.
    """
    searching = [index for index in settings() if not is_transformer(index)]
    for i, index in enumerate(searching):
        served = metrics(index)
        if quantized(index):
            served = [metric for metric in CODED if metric in served]
        if not FULL and name(index) not in CROSSED:
            served = [served[i % len(served)]]
        for metric in served:
            yield type(index)(**{**index.get_params(deep=False), "metric": metric})


def transformers():
    """Of transformers one a route, or in full all."""
    if FULL:
        return (index for index in settings() if is_transformer(index))
    kinds = (HNSWTransformer, KNNGraphTransformer, *(() if PLAIN else [IVFTransformer]))
    return map(repeatable, map(indexing, kinds))


def every_transformer():
    """Each public transformer, made to index the fewest rows."""
    return (repeatable(indexing(c)) for c in classes() if is_transformer(c))


def plain():
    """Each public index that is no transformer, with its defaults."""
    return (repeatable(c()) for c in classes() if not is_transformer(c))


def checked():
    """Each public class with its defaults, and made to index the fewest rows."""
    for c in classes():
        if PLAIN and c.__name__.replace("Transformer", "Neighbors") in REPEATED:
            continue
        yield repeatable(c())
        if "exact_threshold" in c().get_params():
            yield repeatable(indexing(c))


def repeatable(index):
    return index.set_params(random_state=0)


# Of an estimator.


def quantized(index):
    """Whether the index searches on codes; those of IVFPQ and ScaNN are their own."""
    return getattr(index, "quantizer", "own") is not None


def metrics(index):
    """Names of the metrics that ``index`` serves, with codes if it has a quantizer."""
    served = index._parameter_constraints["metric"][0].options
    squared = getattr(index, "quantizer", "own") not in (None, "auto")
    squared |= getattr(index, "build", None) == "partition"
    return [
        name
        for name in COMMON
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
        kind = type(codes).__name__.removesuffix("Quantizer")
        words += [f"{kind}{codes.n_bits}" if hasattr(codes, "n_bits") else str(codes)]
    words += [params["metric"]] if params["metric"] != "minkowski" else []
    return "-".join([type(index).__name__, *words])


# The scan, the graph and the lists that are tried under every metric.
CROSSED = ["FlatNeighbors", "HNSWNeighbors-graph", "IVFNeighbors-lists-None"]


def rows(n=60, d=8, seed=0, metric=None):
    """Normal numbers, none of them negative for the metric that forbids it."""
    X = np.random.default_rng(seed).standard_normal((n, d))
    return np.abs(X) if metric == "hellinger" else X
