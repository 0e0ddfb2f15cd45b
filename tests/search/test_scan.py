"""A scan is exact, whatever the batch, the blocks and the threads."""

import answers
import naive
import numpy as np
import pytest
from answers import scan
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from sklearn_jin import ScalarQuantizer
from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS, RowsL2
from sklearn_jin.search import scan as module
from sklearn_jin.search.index import Search
from sklearn_jin.search.keys import NO_KEY, split_keys
from sklearn_jin.search.scan import FEW, push_products
from sklearn_jin.search.shortlist import shortlists, top_k

METRIC = {
    "l2": "sqeuclidean",
    "l1": "manhattan",
    "linf": "chebyshev",
    "ip": "inner_product",
}


def prepared(space, X, Q):
    """Points and queries as a metric prepares them."""
    metric = METRICS[METRIC[space]]().fit(X)
    return ROWS[space](metric.rows(X)), metric.prepare_queries(Q)[0]


def expected(space, points, queries, k):
    """Ids of the nearest of the prepared rows."""
    return naive.nearest(points.X, queries, k, METRIC[space])


def integers(n, d=4, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, (n, d)).astype(float)


@pytest.fixture(params=METRIC)
def space(request):
    return request.param


@pytest.mark.parametrize("n_queries", [1, FEW, FEW + 1, 40])
@pytest.mark.parametrize("k", [1, 7, 90])
def test_scan_finds_the_nearest(space, n_queries, k):
    points, queries = prepared(space, integers(90), integers(n_queries, seed=1))
    scores, ids = scan(points, queries, k, 1)
    assert_array_equal(ids, expected(space, points, queries, k))
    assert scores.dtype == np.float64 and ids.dtype == np.int64
    assert (np.diff(scores) >= 0).all()


def test_scores_are_exact(space):
    points, queries = prepared(space, integers(90), integers(20, seed=1))
    scores, ids = scan(points, queries, 3, 1)
    for q, i in np.ndindex(scores.shape):
        x, query = points.X[ids[q, i]].astype(float), queries[q].astype(float)
        exact = naive.DISTANCES[METRIC[space]](x[None], query)[0]
        assert_allclose(scores[q, i], exact, 1e-14)


@pytest.mark.parametrize("n_copies", [2, 20, 80])
def test_duplicates_come_in_the_order_of_ids(space, n_copies):
    X = np.repeat(integers(4), n_copies, axis=0)
    points, queries = prepared(space, X, integers(12, seed=1))
    _, ids = scan(points, queries, 5, 1)
    assert_array_equal(ids, expected(space, points, queries, 5))


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_an_offset_hides_no_neighbour(offset):
    # Prepared rows never look like this; the scan does not rely on it.
    X = frozen((offset + integers(300, 8)).astype(np.float32))
    queries = frozen((offset + integers(40, 8, seed=1)).astype(np.float32))
    _, ids = scan(RowsL2(X), queries, 5, 1)
    assert_array_equal(ids, naive.nearest(X, queries, 5))


def test_near_ties_are_decided_in_float64():
    # All points are on a circle round the query, but for the last bits.
    angles = np.linspace(0, 2 * np.pi, 200)
    points = frozen(np.c_[np.cos(angles), np.sin(angles), 0 * angles, 0 * angles])
    points, queries = points.astype(np.float32), np.zeros((20, 4), np.float32)
    _, ids = scan(RowsL2(points), queries, 5, 1)
    assert_array_equal(ids, naive.nearest(points, queries, 5))


def test_an_answer_does_not_depend_on_its_batch(space):
    rng = np.random.default_rng(0)
    points, queries = prepared(
        space, rng.normal(size=(90, 6)), rng.normal(size=(25, 6))
    )
    scores, ids = scan(points, queries, 4, 1)
    for q in range(25):
        alone = scan(points, queries[q : q + 1], 4, 1)
        assert_array_equal(alone[0][0], scores[q])
        assert_array_equal(alone[1][0], ids[q])


def test_little_working_memory_changes_nothing(space):
    points, queries = prepared(space, integers(90), integers(30, seed=1))
    expected = scan(points, queries, 4, 1)
    with config_context(working_memory=1e-6):
        for found, wanted in zip(scan(points, queries, 4, 1), expected):
            assert_array_equal(found, wanted)


@pytest.mark.parametrize("size", [1, 16, 50])
def test_blocks_change_nothing(space, size, monkeypatch):
    points, queries = prepared(space, integers(90), integers(30, seed=1))
    monkeypatch.setattr(module, "ROW_BLOCK", size)
    monkeypatch.setattr(module, "QUERY_BLOCK", 7)
    ids = scan(points, queries, 4, 1)[1]
    assert_array_equal(ids, expected(space, points, queries, 4))


@pytest.mark.jit
def test_threads_and_blocks_change_nothing(space):
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(5000, 6)), rng.normal(size=(1100, 6))  # two blocks of each
    points, queries = prepared(space, X, Q)
    one, two = (scan(points, queries, 4, n_threads) for n_threads in (1, 2))
    assert_array_equal(one[0], two[0])
    assert_array_equal(one[1], two[1])
    assert_array_equal(one[1][::50], expected(space, points, queries[::50], 4))


def test_a_nan_is_farther_than_all_else(space):
    points, queries = prepared(space, integers(60), integers(20, seed=1))
    X, queries = points.X.copy(), queries.copy()
    X[7], queries[3] = np.nan, np.nan
    _, ids = scan(points._replace(X=frozen(X)), frozen(queries), 60, 1)
    assert_array_equal(np.sort(ids), np.tile(np.arange(60), (20, 1)))
    assert_array_equal(np.delete(ids, 3, axis=0)[:, -1], 7)


@pytest.mark.parametrize("n_points", range(40, 66))
def test_as_few_points_as_proposals_are_scanned(n_points):
    X = np.random.default_rng(n_points).random((n_points, 4), dtype=np.float32)
    for k in (1, 9, 25, n_points):
        _, ids = scan(RowsL2(frozen(X)), frozen(X[:12]), min(k, n_points), 1)
        assert_array_equal(ids, naive.nearest(X, X[:12], min(k, n_points), "euclidean"))


def ids_of(keys):
    return split_keys(keys)[0]


def scan_codes(codes, points, queries, k, room, overestimate, n_threads):
    search = Search(k, room, overestimate=overestimate, n_threads=n_threads)
    return answers.scan_codes(codes, points, queries, k, search)


# Proposals by products


def proposed(estimates, ids, room, blocks=(None,), lo=0, hi=None):
    """Settled keys of proposals whose estimates are as given, a row a query."""
    estimates = np.asarray(estimates, np.float32)
    best, ids = shortlists(len(estimates), room), np.asarray(ids, np.int32)
    for part in map(slice, (0, *blocks[:-1]), blocks):
        x2 = np.full(len(ids[part]), 2, np.float32)
        q2 = np.full(len(estimates), 3, np.float32)
        products = np.ascontiguousarray((5 - estimates[:, part]) / 2)
        hi = len(estimates) if hi is None else hi
        push_products(products, q2, x2, ids[part], lo, hi, best)
    return top_k(best)


def nearest_ids(estimates, ids, room):
    """Ids by (estimate, id), of those below 0 as if they were 0."""
    order = [np.lexsort((ids, row)) for row in np.maximum(estimates, 0)]
    return np.asarray(ids)[np.array(order)[:, :room]]


@pytest.mark.parametrize("n", range(1, 71))
def test_the_nearest_of_any_number_are_proposed_by_their_ids(n):
    # Halves, so that no step is rounded; some are equal and some below 0.
    rng = np.random.default_rng(n)
    estimates = rng.integers(-3, 40, (3, n)) / 2
    ids = rng.permutation(2**31 - 1 - np.arange(n))
    for room in {1, min(5, n), n}:
        found = ids_of(proposed(estimates, ids, room))
        assert found.dtype == np.int32
        assert_array_equal(found, nearest_ids(estimates, ids, room))


@pytest.mark.parametrize("stops", [(1,), (31,), (32,), (33,), (5, 40, 69)])
def test_proposals_of_several_blocks_are_those_of_one(stops):
    rng = np.random.default_rng(0)
    estimates, ids = rng.integers(0, 40, (3, 70)) / 2, rng.permutation(70)
    found = ids_of(proposed(estimates, ids, 9, (*stops, 70)))
    assert_array_equal(found, nearest_ids(estimates, ids, 9))


def test_fewer_points_than_room_leave_places_without_a_key():
    keys = proposed([[3, 1, 2]], [7, 8, 9], 5)
    assert_array_equal(ids_of(keys), [[8, 9, 7, -1, -1]])
    assert (keys[0, 3:] == NO_KEY).all() and (keys[0, :3] < NO_KEY).all()


def test_proposals_are_made_to_the_queries_asked_for():
    found = ids_of(proposed(np.ones((4, 3)), [7, 8, 9], 2, lo=1, hi=3))
    assert_array_equal(found, [[-1, -1], [7, 8], [7, 8], [-1, -1]])


@pytest.mark.parametrize("n", [4, 31, 32, 33, 64, 70])
def test_estimates_that_are_no_numbers_come_after_all_others(n):
    # The last are in the tail or, of whole vectors, are not.
    estimates = np.arange(n, dtype=float)[None]
    estimates[0, [0, n - 1]] = np.inf, np.nan
    estimates[0, n - 2] = np.inf
    found = ids_of(proposed(estimates, np.arange(n), n))[0]
    assert_array_equal(found[: n - 3], np.arange(1, n - 2))
    kept = found[found >= 0]
    assert len({*kept.tolist()}) == len(kept)
    room = n - 3
    assert_array_equal(
        ids_of(proposed(estimates, np.arange(n), room))[0], np.arange(1, n - 2)
    )


def test_a_query_that_is_no_number_is_proposed_distinct_points():
    estimates = np.full((2, 40), np.nan)
    estimates[1] = np.arange(40)
    found = ids_of(proposed(estimates, np.arange(40), 6))
    assert len({*found[0].tolist()}) == 6 and (found[0] < 40).all()
    assert_array_equal(found[1], np.arange(6))


def test_products_that_overflow_propose_what_is_finite():
    huge = np.float32(3e38)
    products = np.array([[-huge, 1, -huge, 0]], np.float32)
    q2, x2, ids = np.float32([2]), np.float32([2] * 4), np.arange(4, dtype=np.int32)
    best = shortlists(1, 2)
    push_products(products, q2, x2, ids, 0, 1, best)
    assert_array_equal(ids_of(top_k(best)), [[1, 3]])


# Codes


def raw_rows(X):
    """Rows as kernels take them."""
    rows = np.zeros((len(X), padded_width(X.shape[1])), np.float32)
    rows[:, : X.shape[1]] = X
    return frozen(rows)


def coded(n, d=6, seed=0):
    """Codes of normal rows, the rows themselves as points, and queries."""
    rng = np.random.default_rng(seed)
    X, Q = (rng.standard_normal((m, d)).astype(np.float32) for m in (n, 150))
    quantizer = ScalarQuantizer(8)
    codes = quantizer.points(quantizer.fit_transform(X))
    return codes, RowsL2(raw_rows(X)), raw_rows(Q)


def estimates_of(codes, queries):
    """Scores of all codes by the definition of their grid, float64."""
    low, step, d = codes.grid.astype(np.float64)
    d = int(d)
    levels = np.clip(np.rint((queries[:, :d] - low) / step), -1024, 255 + 1024)
    gaps = levels[:, None] - codes.codes[:, :d].astype(np.float64)
    return step**2 * (gaps**2).sum(axis=2)


def naive_scan(codes, points, queries, k, rerank):
    """Of the ``rerank`` best by code the ``k`` nearest."""
    exact = naive.distances(points.X, queries, "sqeuclidean")
    estimates = estimates_of(codes, queries).astype(np.float32)
    best = np.argsort(estimates, axis=1, kind="stable")[:, :rerank]
    order = [sorted(row, key=lambda i: (gaps[i], i)) for row, gaps in zip(best, exact)]
    return np.array(order)[:, :k]


@pytest.mark.parametrize("k, rerank", [(1, 1), (1, 8), (5, 5), (5, 17), (7, 100)])
def test_codes_propose_and_points_decide(k, rerank):
    codes, points, queries = coded(100)
    queries = frozen(queries[:20])
    scores, ids = scan_codes(codes, points, queries, k, rerank, np.inf, 1)
    assert_array_equal(ids, naive_scan(codes, points, queries, k, rerank))
    exact = naive.distances(points.X, queries, "sqeuclidean")
    assert_allclose(scores, np.take_along_axis(exact, ids, axis=1), 1e-13)
    assert scores.dtype == np.float64 and ids.dtype == np.int64


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 64, 65])
def test_all_codes_proposed_are_an_exact_scan(n):
    codes, points, queries = coded(n)
    queries = frozen(queries[:15])
    for k in {1, min(5, n), n}:
        found = scan_codes(codes, points, queries, k, n, np.inf, 1)
        for part, wanted in zip(found, scan(points, queries, k, 1)):
            assert_array_equal(part, wanted)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("n_queries", [1, 3, 64, 65, 150])
def test_a_scan_of_codes_does_not_depend_on_batch_and_threads(n_queries, n_threads):
    codes, points, queries = coded(70)
    whole = scan_codes(codes, points, queries, 4, 9, 1.2, 1)
    part = frozen(queries[:n_queries])
    found = scan_codes(codes, points, part, 4, 9, 1.2, n_threads)
    for some, wanted in zip(found, whole):
        assert_array_equal(some, wanted[:n_queries])


@pytest.mark.parametrize("size", [1, 16, 33])
def test_blocks_of_codes_change_nothing(size, monkeypatch):
    codes, points, queries = coded(70)
    whole = scan_codes(codes, points, queries, 4, 9, np.inf, 1)
    monkeypatch.setattr(module, "CODE_BLOCK", size)
    monkeypatch.setattr(module, "QUERIES_PER_TASK", 7)
    found = scan_codes(codes, points, queries, 4, 9, np.inf, 1)
    for some, wanted in zip(found, whole):
        assert_array_equal(some, wanted)


def test_equal_codes_come_in_the_order_of_ids():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((4, 6)), 10, axis=0).astype(np.float32)
    quantizer = ScalarQuantizer(8)
    codes = quantizer.points(quantizer.fit_transform(X))
    points, queries = RowsL2(raw_rows(X)), raw_rows(X[::10])
    ids = scan_codes(codes, points, queries, 3, 5, np.inf, 1)[1]
    assert_array_equal(ids, 10 * np.arange(4)[:, None] + np.arange(3))


def test_an_overestimate_ends_what_codes_propose():
    # By its code the first row is the nearest; as a point it is the last.
    X = np.linspace(1, 2, 40)[:, None].repeat(6, axis=1).astype(np.float32)
    quantizer = ScalarQuantizer(8)
    codes = quantizer.points(quantizer.fit_transform(X))
    points, queries = RowsL2(raw_rows(X[::-1])), raw_rows(np.zeros((2, 6)))
    for overestimate, nearest in ((0, 0), (np.inf, 39)):
        ids = scan_codes(codes, points, queries, 1, 40, overestimate, 1)[1]
        assert_array_equal(ids, [[nearest]] * 2)


@pytest.mark.jit
def test_many_codes_are_scanned_alike():
    codes, points, queries = coded(9000, 24)  # two blocks, and a rest
    one, two = (
        scan_codes(codes, points, queries, 10, 9000, np.inf, n_threads)
        for n_threads in (1, 2)
    )
    for part, other, wanted in zip(one, two, scan(points, queries, 10, 1)):
        assert_array_equal(part, other)
        assert_array_equal(part, wanted)
