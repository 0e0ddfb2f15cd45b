"""Rows in types of their own: answers are those of the numbers that are kept."""

import os
import pickle

import indexes
import naive
import numpy as np
import pytest
from child import python
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import (
    DualBranchHNSWNeighbors,
    FlatNeighbors,
    HNSWNeighbors,
    HNSWTransformer,
    IVFNeighbors,
    IVFPCANeighbors,
    NSWNeighbors,
    ScalarQuantizer,
    SNGNeighbors,
    VamanaNeighbors,
)
from sklearn_jin.metrics import METRICS
from sklearn_jin.points import rows
from sklearn_jin.quantizers import _base

TYPES = ["uint8", "int8", "float16"]
ENDS = {"uint8": (0, 255), "int8": (-128, 127), "float16": (-65504, 65504)}
OWN = ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "inner_product"]
EVERY = 10**6
ROUTES = {
    "flat": FlatNeighbors(),
    "hnsw": HNSWNeighbors(exact_threshold=0),
    "cells": HNSWNeighbors(exact_threshold=0, build="partition"),
    "lists": IVFNeighbors(exact_threshold=0, quantizer=None, n_probes=EVERY),
}
GRAPHS = {
    "nsw": NSWNeighbors(exact_threshold=0),
    "vamana": VamanaNeighbors(exact_threshold=0),
    "sng": SNGNeighbors(exact_threshold=0),
    "dual": DualBranchHNSWNeighbors(exact_threshold=0),
}
CODED = {
    "flat-codes": FlatNeighbors(quantizer=ScalarQuantizer(4)),
    "hnsw-codes": HNSWNeighbors(exact_threshold=0, quantizer=ScalarQuantizer(8)),
    "auto": HNSWNeighbors(exact_threshold=0, quantizer="auto"),
    "ivf": IVFNeighbors(exact_threshold=0),
    "ivfpca": IVFPCANeighbors(exact_threshold=0),
}
few = pytest.mark.parametrize("route", ["flat", "hnsw"])
every_type = pytest.mark.parametrize("dtype", TYPES)


def index_of(name, **params):
    """The index of a name; if it walks, it does so until it has met all rows."""
    index = {**ROUTES, **GRAPHS, **CODED}[name]
    index = type(index)(**{**index.get_params(deep=False), **params, "random_state": 0})
    if getattr(index, "quantizer", "own") is None:
        return index
    return index.set_params(rerank=EVERY)


def typed(dtype, n=150, d=20, seed=0):
    """Rows of numbers all over the type."""
    rng = np.random.default_rng(seed)
    if dtype == "float16":
        return (10 ** rng.uniform(-2, 2) * rng.standard_normal((n, d))).astype(dtype)
    return rng.integers(*ENDS[dtype], (n, d), endpoint=True).astype(dtype)


def assert_found(index, X, Q, metric, k=10, rtol=1e-12, share=1.0):
    """Distances are those of the numbers, and as good as a share of the best."""
    distances, ids = index.kneighbors(Q, k)
    every = naive.distances(X.astype(np.float64), Q.astype(np.float64), metric)
    true = np.take_along_axis(every, ids, axis=1)
    size = np.abs(every).max()
    assert_allclose(distances, true, rtol=rtol, atol=1e-14 * size)
    best = np.sort(every, axis=1)[:, :k]
    assert np.mean(distances <= best + 1e-9 * size) >= share


def metrics_of(name):
    served = [metric for metric in OWN if metric in indexes.metrics(index_of(name))]
    squared = name == "cells"
    return [m for m in served if not squared or METRICS[m].space in ("l2", "ip")]


def crossed(names, types=TYPES):
    """Routes, metrics and types: kernels of other pairs differ in their loads alone."""
    for name in names:
        for metric in metrics_of(name):
            for dtype in types:
                squared = METRICS[metric].space in ("l2", "ip")
                own = squared or (name == "hnsw" and dtype == "uint8")
                if name == "flat" or own or indexes.FULL:
                    yield name, metric, dtype


CASES = pytest.mark.parametrize("name, metric, dtype", [*crossed(ROUTES)])


@CASES
def test_rows_are_kept_as_they_came(name, metric, dtype):
    X, Q = typed(dtype), typed(dtype, 12, seed=1)
    index = index_of(name, store_vectors="input", metric=metric).fit(X)
    kept = index.index_.points.X
    own = kept.view(np.float16) if dtype == "float16" else kept
    assert own.dtype == dtype
    assert_array_equal(own[:, :20], X)
    assert_found(index, X, Q, metric, share=1.0 if name in ("flat", "lists") else 0.98)


@pytest.mark.parametrize("name", [*GRAPHS, *CODED])
@pytest.mark.parametrize("dtype, metric", [("uint8", "euclidean"), ("float16", "ip")])
def test_every_index_takes_them(name, dtype, metric):
    metric = {"ip": "inner_product"}.get(metric, metric)
    X, Q = typed(dtype), typed(dtype, 12, seed=1)
    index = index_of(name, store_vectors="input", metric=metric).fit(X)
    assert index.index_.points.X.itemsize == X.itemsize
    assert_found(index, X, Q, metric, share=0.97)


@pytest.mark.parametrize("name, metric, dtype", [*crossed(ROUTES, ["float16"])])
@pytest.mark.parametrize("size", [1, 2.0**-100, 2.0**100])
def test_halves_are_searched_without_codes(name, metric, dtype, size):
    X, Q = indexes.rows(150, 20), indexes.rows(12, 20, seed=1)
    X = X.astype(np.float16).astype(np.float64)  # so that nothing is rounded
    index = index_of(name, store_vectors="float16", metric=metric).fit(size * X)
    assert index.index_.points.X.dtype == np.uint16
    distances, ids = index.kneighbors(size * Q, 10)
    every = naive.distances(size * X, size * Q, metric)
    true = np.take_along_axis(every, ids, axis=1)
    assert_allclose(distances, true, rtol=1e-5, atol=1e-6 * np.abs(every).max())
    assert np.mean(
        distances <= (1 + 1e-6) * np.sort(every, axis=1)[:, :10]
    ) >= 0.98 or (metric == "inner_product")


@few
@pytest.mark.parametrize("metric", ["cosine", "angular", "correlation", "hellinger"])
def test_halves_serve_every_metric(route, metric):
    X = indexes.rows(150, 20, metric=metric)
    Q = indexes.rows(12, 20, 1, metric)
    index = index_of(route, store_vectors="float16", metric=metric).fit(X)
    assert index.index_.points.X.dtype == np.uint16
    distances, ids = index.kneighbors(Q, 10)
    every = naive.distances(X, Q, metric)
    assert_allclose(distances, np.take_along_axis(every, ids, axis=1), atol=2e-3)
    best = np.sort(every, axis=1)[:, :10]
    assert np.mean(distances <= best + 2e-3) >= 0.98


@pytest.mark.parametrize("route, metric, dtype", [*crossed(["flat", "hnsw"])])
def test_the_ends_of_a_type_are_numbers_as_others_are(route, metric, dtype):
    rng = np.random.default_rng(0)
    X, Q = (rng.choice(ENDS[dtype], (n, 300)).astype(dtype) for n in (60, 5))
    X[3], X[4] = ENDS[dtype][0], ENDS[dtype][1]
    index = index_of(route, store_vectors="input", metric=metric).fit(X)
    share = 0.9 if (route, metric) == ("hnsw", "chebyshev") else 0.98
    assert_found(index, X, Q, metric, 5, share=share)


@pytest.mark.parametrize(
    "route, metric", [("flat", m) for m in OWN] + [("hnsw", OWN[0])]
)
def test_subnormal_halves_are_numbers_as_others_are(route, metric):
    rng = np.random.default_rng(0)
    X, Q = (
        (2.0**-24 * rng.integers(-1000, 1001, (n, 20))).astype(np.float16)
        for n in (80, 5)
    )
    X[:9, :5] = 1.5  # among others
    index = index_of(route, store_vectors="input", metric=metric).fit(X)
    assert_found(index, X, Q, metric, 5, rtol=1e-9, share=0.9)


@pytest.mark.parametrize("store", ["input", "float16"])
def test_zeros_of_both_signs_are_one_place(store):
    X = typed("float16", 60)
    X[7:10, 3:] = 0
    X[7:10, :3] = 0
    X[8] = -X[8]
    index = index_of("hnsw", store_vectors=store).fit(X)
    distances, ids = index.kneighbors(X[7:8], 3)
    assert_array_equal(ids, [[7, 8, 9]])
    assert_array_equal(distances, np.zeros((1, 3)))


@few
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint16", "bool"])
def test_other_types_are_kept_as_float32(route, dtype):
    X = np.random.default_rng(0).integers(0, 2, (60, 9)).astype(dtype)
    kept = index_of(route, store_vectors="input").fit(X).index_.points.X
    assert kept.dtype == np.float32
    assert_array_equal(kept[:, :9], X)


@every_type
@pytest.mark.parametrize("metric", ["cosine", "angular", "correlation", "hellinger"])
def test_rows_that_a_metric_changes_are_refused(dtype, metric):
    index = index_of("flat", store_vectors="input", metric=metric)
    message = f"store_vectors='input' does not keep {dtype} rows for metric='{metric}'"
    X = np.abs(typed(dtype).astype(np.float32)).clip(0, 100)
    with pytest.raises(ValueError, match=message):
        index.fit(X.astype(dtype))
    index.fit(X).kneighbors()


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
@pytest.mark.parametrize("name", ["hnsw", "cells", "dual", "ivf", "ivfpca"])
@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_threads_do_not_change_anything(name, dtype, metric):
    X, Q = typed(dtype, 400), typed(dtype, 30, seed=1)
    one, two = (
        index_of(name, store_vectors="input", metric=metric, n_jobs=n).fit(X)
        for n in (1, 2)
    )
    for a, b in zip(one.kneighbors(Q), two.kneighbors(Q)):
        assert_array_equal(a, b)
    alone = np.vstack([one.kneighbors(q[None])[1] for q in Q])
    assert_array_equal(alone, one.kneighbors(Q, return_distance=False))


@every_type
@pytest.mark.parametrize("name", ["flat", "hnsw", "lists", "hnsw-codes"])
@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_pickles_answer_alike(name, dtype, metric):
    X, Q = typed(dtype), typed(dtype, 9, seed=1)
    index = index_of(name, store_vectors="input", metric=metric).fit(X)
    again = pickle.loads(pickle.dumps(index))
    assert again.index_.points.X.dtype == index.index_.points.X.dtype
    for a, b in zip(index.kneighbors(Q), again.kneighbors(Q)):
        assert_array_equal(a, b)


@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_a_damaged_pickle_is_refused(metric):
    index = index_of("hnsw", store_vectors="input", metric=metric).fit(typed("uint8"))
    points = index.index_.points
    damaged = [points._replace(X=points.X[:, :16]), points._replace(X=points.X[:9])]
    damaged.append(points._replace(X=points.X.astype(np.float64)))
    if metric == "inner_product":
        damaged.append(points._replace(scale=points.scale[:0]))
    for other in damaged:
        index.index_ = index.index_._replace(points=other)
        with pytest.raises(ValueError, match="the index is damaged"):
            pickle.loads(pickle.dumps(index))


@few
@every_type
def test_own_rows_are_found_without_themselves(route, dtype):
    X = typed(dtype)
    for metric in ("euclidean", "inner_product"):
        index = index_of(route, store_vectors="input", metric=metric).fit(X)
        distances, ids = index.kneighbors(n_neighbors=5)
        assert not (ids == np.arange(150)[:, None]).any()
        every = naive.distances(X.astype(float), X.astype(float), metric)
        assert_allclose(distances, np.take_along_axis(every, ids, axis=1), rtol=1e-12)


@every_type
def test_rows_are_returned_as_they_were(dtype):
    X = typed(dtype)
    for metric in ("euclidean", "inner_product"):
        index = index_of("flat", store_vectors="input", metric=metric).fit(X)
        assert_array_equal(index._fit_X, X.astype(np.float32))


def test_frames_keep_their_types():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(typed("int8"), columns=[f"f{j}" for j in range(20)])
    index = index_of("flat", store_vectors="input").fit(X)
    assert index.index_.points.X.dtype == np.int8
    assert_array_equal(index.kneighbors(X, 1)[0], np.zeros((150, 1)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("store", ["input", "float16"])
def test_halves_that_are_not_finite_are_refused(bad, store):
    X = typed("float16")
    X[3, 4] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        index_of("flat", store_vectors=store).fit(X)


def test_transformers_take_them():
    X = typed("uint8")
    index = HNSWTransformer(n_neighbors=4, store_vectors="input", exact_threshold=0)
    graph = index.fit_transform(X)
    expected = np.sort(naive.distances(X.astype(float), X.astype(float)), axis=1)
    assert_allclose(graph.data.reshape(150, 5), expected[:, :5], rtol=1e-12)


@pytest.mark.parametrize("name", ["hnsw", "cells", "dual", "hnsw-codes", "ivf"])
@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_blocks_of_rows_do_not_change_the_index(name, metric, monkeypatch):
    X, Q = typed("uint8", 300), typed("uint8", 9, seed=1)

    def answers():
        index = index_of(name, store_vectors="input", metric=metric)
        return index.fit(X).kneighbors(Q)

    whole = answers()
    monkeypatch.setattr(rows, "QUERY_BYTES", 30 * 4 * 20)
    monkeypatch.setattr(_base, "MOST", 50 * 20)
    for a, b in zip(whole, answers()):
        assert_array_equal(a, b)


# Memory.


def test_narrow_rows_take_their_own_memory():
    X = typed("uint8", 200, 64)
    sizes = {
        store: index_of("flat", store_vectors=store).fit(X).memory_usage()["points"]
        for store in (True, "float16", "input")
    }
    assert sizes == {True: 200 * 256, "float16": 200 * 128, "input": 200 * 64}


PEAK = """
import numpy as np
from sklearn_jin import {c}

def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(x.split()[1]) << 10 for x in lines if x.startswith(name))

def rows(n):
    X = np.empty((n, {d}), np.{dtype})
    for lo in range(0, n, 4096):
        part = X[lo : lo + 4096]
        part[...] = np.random.default_rng(lo).integers(0, 100, part.shape)
    return X

index = {c}(**{params})
index.fit(rows({sizes}[-1])).kneighbors(rows(100))  # all kernels
index.fit(rows(2000))
for n in {sizes}:
    X = rows(n)
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = status("VmRSS")
    index.fit(X)
    print(status("VmHWM") - before, sum(index.memory_usage().values()))
"""


def beyond_index(c, params, dtype, d, sizes):
    """Bytes that fits of so many rows take at their peaks beyond input and index."""
    params = {"store_vectors": "input", "random_state": 0, "n_jobs": 1, **params}
    told = python(PEAK.format(c=c, d=d, dtype=dtype, params=params, sizes=sizes))
    lines = [line.split() for line in told.splitlines()]
    return [int(grown) - int(index) for grown, index in lines]


linux = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are told by Linux"
)


@pytest.mark.jit
@linux
@pytest.mark.parametrize("dtype", ["uint8", "float16"])
@pytest.mark.parametrize(
    "c, params",
    [
        ("FlatNeighbors", {}),
        ("HNSWNeighbors", {"ef_construction": 20, "build": "insert"}),
        ("IVFNeighbors", {"quantizer": None, "n_lists": 50}),
    ],
)
def test_fit_makes_no_float32_copy_of_all_rows(c, params, dtype):
    d, n = 784, 30_000
    assert 4 * d * n > 64 << 20  # which a copy would take
    assert beyond_index(c, params, dtype, d, [n])[0] <= 64 << 20


@pytest.mark.jit
@linux
@pytest.mark.parametrize(
    "c, params",
    [
        ("HNSWNeighbors", {"ef_construction": 20, "build": "partition"}),
        ("IVFNeighbors", {"n_lists": 50}),
    ],
)
def test_what_fit_learns_from_is_no_copy_of_all_rows_either(c, params):
    few, many = beyond_index(c, params, "uint8", 784, [20_000, 40_000])
    assert many - few <= 4 * 784 * 20_000 / 2
