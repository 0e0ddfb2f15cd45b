"""A scan is exact, whatever the batch, the blocks and the threads."""

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from sklearn_jin._memory import frozen
from sklearn_jin.metrics import METRICS
from sklearn_jin.points import raw
from sklearn_jin.search import scan as module
from sklearn_jin.search.scan import FEW, scan

METRIC = {
    "Raw": "sqeuclidean",
    "Manhattan": "manhattan",
    "Chebyshev": "chebyshev",
    "Dot": "inner_product",
}


def prepared(kind, X, Q):
    """Points and queries as a metric prepares them."""
    metric = METRICS[METRIC[kind]]().fit(X)
    return raw.KINDS[kind](metric.rows(X)), metric.ask(Q)[0]


def expected(kind, points, queries, k):
    """Ids of the nearest of the prepared rows."""
    return naive.nearest(points.X, queries, k, METRIC[kind])


def integers(n, d=4, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, (n, d)).astype(float)


@pytest.fixture(params=METRIC)
def kind(request):
    return request.param


@pytest.mark.parametrize("n_queries", [1, FEW, FEW + 1, 40])
@pytest.mark.parametrize("k", [1, 7, 90])
def test_scan_finds_the_nearest(kind, n_queries, k):
    points, queries = prepared(kind, integers(90), integers(n_queries, seed=1))
    scores, ids = scan(points, queries, k, 1)
    assert_array_equal(ids, expected(kind, points, queries, k))
    assert scores.dtype == np.float64 and ids.dtype == np.int64
    assert (np.diff(scores) >= 0).all()


def test_scores_are_exact(kind):
    points, queries = prepared(kind, integers(90), integers(20, seed=1))
    scores, ids = scan(points, queries, 3, 1)
    for q, i in np.ndindex(scores.shape):
        x, query = points.X[ids[q, i]].astype(float), queries[q].astype(float)
        exact = naive.DISTANCES[METRIC[kind]](x[None], query)[0]
        assert_allclose(scores[q, i], exact, 1e-14)


@pytest.mark.parametrize("n_copies", [2, 20, 80])
def test_duplicates_come_in_the_order_of_ids(kind, n_copies):
    X = np.repeat(integers(4), n_copies, axis=0)
    points, queries = prepared(kind, X, integers(12, seed=1))
    _, ids = scan(points, queries, 5, 1)
    assert_array_equal(ids, expected(kind, points, queries, 5))


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_an_offset_hides_no_neighbour(offset):
    # Prepared rows never look like this; the scan does not rely on it.
    X = frozen((offset + integers(300, 8)).astype(np.float32))
    queries = frozen((offset + integers(40, 8, seed=1)).astype(np.float32))
    _, ids = scan(raw.Raw(X), queries, 5, 1)
    assert_array_equal(ids, naive.nearest(X, queries, 5))


def test_near_ties_are_decided_in_float64():
    # All points are on a circle round the query, but for the last bits.
    angles = np.linspace(0, 2 * np.pi, 200)
    points = frozen(np.c_[np.cos(angles), np.sin(angles), 0 * angles, 0 * angles])
    points, queries = points.astype(np.float32), np.zeros((20, 4), np.float32)
    _, ids = scan(raw.Raw(points), queries, 5, 1)
    assert_array_equal(ids, naive.nearest(points, queries, 5))


def test_an_answer_does_not_depend_on_its_batch(kind):
    rng = np.random.default_rng(0)
    points, queries = prepared(kind, rng.normal(size=(90, 6)), rng.normal(size=(25, 6)))
    scores, ids = scan(points, queries, 4, 1)
    for q in range(25):
        alone = scan(points, queries[q : q + 1], 4, 1)
        assert_array_equal(alone[0][0], scores[q])
        assert_array_equal(alone[1][0], ids[q])


def test_little_working_memory_changes_nothing(kind):
    points, queries = prepared(kind, integers(90), integers(30, seed=1))
    expected = scan(points, queries, 4, 1)
    with config_context(working_memory=1e-6):
        for found, wanted in zip(scan(points, queries, 4, 1), expected):
            assert_array_equal(found, wanted)


@pytest.mark.parametrize("size", [1, 16, 50])
def test_blocks_change_nothing(kind, size, monkeypatch):
    points, queries = prepared(kind, integers(90), integers(30, seed=1))
    monkeypatch.setattr(module, "ROW_BLOCK", size)
    monkeypatch.setattr(module, "QUERY_BLOCK", 7)
    ids = module.scan(points, queries, 4, 1)[1]
    assert_array_equal(ids, expected(kind, points, queries, 4))


@pytest.mark.jit
def test_threads_and_blocks_change_nothing(kind):
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(5000, 6)), rng.normal(size=(1100, 6))  # two blocks of each
    points, queries = prepared(kind, X, Q)
    one, two = (scan(points, queries, 4, n_threads) for n_threads in (1, 2))
    assert_array_equal(one[0], two[0])
    assert_array_equal(one[1], two[1])
    assert_array_equal(one[1][::50], expected(kind, points, queries[::50], 4))


def test_a_nan_is_farther_than_all_else(kind):
    points, queries = prepared(kind, integers(60), integers(20, seed=1))
    X, queries = points.X.copy(), queries.copy()
    X[7], queries[3] = np.nan, np.nan
    _, ids = scan(points._replace(X=frozen(X)), frozen(queries), 60, 1)
    assert_array_equal(np.sort(ids), np.tile(np.arange(60), (20, 1)))
    assert_array_equal(np.delete(ids, 3, axis=0)[:, -1], 7)


@pytest.mark.parametrize("n_points", range(40, 66))
def test_as_few_points_as_proposals_are_scanned(n_points):
    X = np.random.default_rng(n_points).random((n_points, 4), dtype=np.float32)
    for k in (1, 9, 25, n_points):
        _, ids = scan(raw.Raw(frozen(X)), frozen(X[:12]), min(k, n_points), 1)
        assert_array_equal(ids, naive.nearest(X, X[:12], min(k, n_points), "euclidean"))
