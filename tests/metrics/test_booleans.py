"""Metrics of booleans: those of scikit-learn, on bits that are packed or not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import DistanceMetric

import sklearn_jin
from sklearn_jin import FlatNeighbors, HNSWNeighbors, HNSWTransformer, ScalarQuantizer
from sklearn_jin.metrics import METRICS
from sklearn_jin.points import exact, new_scratch, pair_score, score, set_query
from sklearn_jin.points.kinds import points_of

PACKED = ["bit_hamming", "bit_jaccard"]
SPREAD = ["jaccard", "dice", "sokalsneath", "rogerstanimoto", "sokalmichener"]


@pytest.fixture(params=[*SPREAD, *PACKED])
def metric(request):
    return request.param


def booleans(n, d=70, seed=0, density=0.2):
    X = np.random.default_rng(seed).random((n, d)) < density
    X[1], X[2], X[n // 2] = False, True, X[0]
    return X


def given(X, metric):
    """The rows as the metric takes them."""
    return np.packbits(X, axis=1) if metric in PACKED else X


def expected(X, Q, metric):
    if metric == "bit_hamming":
        return (Q[:, None] ^ X).sum(axis=2)
    name = "jaccard" if metric == "bit_jaccard" else metric
    found = DistanceMetric.get_metric(name).pairwise(Q, X)
    return np.where(np.isnan(found), 0.0, found)  # 0 / 0, of rows that are equal


def every_distance(index, X, Q):
    distances, ids = index.fit(X).kneighbors(Q, len(X))
    return np.take_along_axis(distances, np.argsort(ids, axis=1), axis=1)


@pytest.mark.parametrize("d", [1, 8, 63, 70, 513, 1100])
def test_distances_are_those_of_scikit_learn(metric, d):
    X, Q = booleans(40, d), booleans(12, d, seed=1)
    Q[3] = X[7]
    index = FlatNeighbors(metric=metric)
    found = every_distance(index, given(X, metric), given(Q, metric))
    assert_allclose(found, expected(X, Q, metric), 1e-12)
    assert found[3, 7] == 0


@pytest.mark.parametrize("metric", SPREAD)
@pytest.mark.parametrize("dtype", [bool, "u1", "i1", "i8", "f2", "f4", "f8"])
def test_numbers_that_are_not_zero_are_true(metric, dtype):
    X = booleans(30)
    numbers = (X * (3 if dtype in (bool, "u1", "i1", "i8") else -0.5)).astype(dtype)
    for store in (True, "input"):
        index = FlatNeighbors(metric=metric, store_vectors=store)
        assert_allclose(every_distance(index, numbers, X), expected(X, X, metric))
        assert_allclose(index.kneighbors(numbers)[0], index.kneighbors(X)[0])


@pytest.mark.jit
def test_a_graph_answers_as_a_scan_does(metric):
    centers, rng = booleans(20, 300), np.random.default_rng(2)
    X = centers[rng.integers(0, 20, 1500)] ^ (rng.random((1500, 300)) < 0.03)
    X[500:520], X, Q = X[7], given(X[:1450], metric), given(X[1450:], metric)
    graph = HNSWNeighbors(metric=metric, random_state=0, n_neighbors=10).fit(X)
    scan = FlatNeighbors(metric=metric, n_neighbors=10).fit(X)
    true, found = scan.kneighbors(Q)[0], graph.kneighbors(Q)[0]
    assert np.mean(found == true) > 0.97
    for asked in (Q, None):
        within = (i.radius_neighbors(asked, true[0, 5], False) for i in (graph, scan))
        found, wanted = (sum(map(len, ids)) for ids in within)
        assert 0.97 * wanted < found <= wanted
    graph.partial_fit(X[:600]).remove(np.arange(400))  # both are built in
    assert_array_equal(graph.kneighbors(X[:5], 1)[1][:, 0], 1450 + np.arange(5))


def test_kernels_agree_with_each_other(metric):
    X, Q = booleans(20, 70), booleans(6, 70, seed=1)
    fitted = METRICS[metric]()
    points = points_of(fitted, given(X, metric))
    queries, finish = fitted.prepare_queries(given(Q, metric))
    own, _ = fitted.prepare_own(points.X)
    scratch = new_scratch(points, 1)
    for q in range(len(Q)):
        set_query(points, scratch, 0, queries, q)
        scores = np.array([[exact(points, queries, q, i) for i in range(len(X))]])
        assert_allclose(finish(scores), expected(X, Q[q : q + 1], metric))
        for i in range(len(X)):
            assert_allclose(score(points, scratch, 0, i), scores[0, i], 1e-7)
            assert_allclose(pair_score(points, q, i), exact(points, own, q, i), 1e-7)


def test_rows_are_kept_in_one_bit_a_feature(metric, tmp_path):
    X = given(booleans(100, 2048), metric)
    index = FlatNeighbors(metric=metric).fit(X)
    assert index.memory_usage()["points"] == 100 * 2048 // 8
    assert_array_equal(index._fit_X, X)
    index.save(tmp_path / "index")
    again = sklearn_jin.load(tmp_path / "index", mmap_mode="r")
    assert_array_equal(again.kneighbors(X)[0], index.kneighbors(X)[0])


def test_rows_come_and_go(metric):
    X = booleans(60, seed=3)
    index = FlatNeighbors(metric=metric).fit(given(X[:30], metric))
    index.partial_fit(given(X[30:], metric)).remove(np.arange(10))
    found, ids = index.kneighbors(given(X, metric), 50)
    true = np.sort(expected(X[10:], X, metric), axis=1)
    assert_allclose(found, true)
    assert ids.min() == 10


@pytest.mark.parametrize("metric", PACKED)
def test_other_numbers_than_bytes_are_no_packed_rows(metric):
    X = given(booleans(30), metric)
    assert_array_equal(
        *(FlatNeighbors(metric=metric).fit(Z).kneighbors()[0] for Z in (X, X.tolist()))
    )
    for wrong in (X - 0.5, X + 200.0, X * -1.0):
        with pytest.raises(ValueError, match=f"metric='{metric}' takes packed rows"):
            FlatNeighbors(metric=metric).fit(wrong)
        with pytest.raises(ValueError, match=r"give numpy\.packbits"):
            FlatNeighbors(metric=metric).fit(X).kneighbors(wrong)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"store_vectors": "float16"}, "'float16' rounds rows"),
        ({"store_vectors": "int8"}, "metric='jaccard': use store_vectors=True"),
        ({"quantizer": ScalarQuantizer(8)}, "not metric='jaccard'"),
        ({"metric_params": {"w": 1}}, "takes no parameters"),
    ],
)
def test_what_means_nothing_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        FlatNeighbors(metric="jaccard", **params).fit(booleans(30))


@pytest.mark.jit
def test_a_transformer_makes_a_graph_of_bits():
    X = booleans(40)
    index = HNSWTransformer(metric="jaccard", n_neighbors=3)
    graph = index.fit_transform(X)
    assert graph.shape == (40, 40) and graph.nnz == 160
    assert_allclose(
        graph.toarray().max(axis=1), np.sort(expected(X, X, "jaccard"))[:, 3]
    )
