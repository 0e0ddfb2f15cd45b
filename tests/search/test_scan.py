"""A scan is exact, whatever the batch, the blocks and the threads."""

import time

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from sklearn_jin import ScalarQuantizer
from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS, RowsL2
from sklearn_jin.search import scan as module
from sklearn_jin.search.answer import answer
from sklearn_jin.search.index import FLAT, Index, Search, propose
from sklearn_jin.search.keys import NO_KEY, split_keys
from sklearn_jin.search.scan import FEW, INSERTED, MORE, push_products, scan_each
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


def scan(points, queries, k, n_threads=1):
    index = Index(None, points, None, FLAT)
    return answer(index, queries, Search(k, n_threads=n_threads))


@pytest.fixture(params=METRIC)
def space(request):
    return request.param


@pytest.mark.parametrize("n_queries", [1, FEW, FEW + 1, 40])
def test_scan_finds_the_nearest(space, n_queries):
    points, queries = prepared(space, integers(90), integers(n_queries, seed=1))
    for k in (1, 7, INSERTED, INSERTED + 1, 90):
        scores, ids = scan(points, queries, k)
        assert_array_equal(ids, expected(space, points, queries, k))
        assert scores.dtype == np.float64 and ids.dtype == np.int64
        exact = naive.nearest_distances(points.X, queries, k, METRIC[space])
        assert_allclose(scores, exact, 1e-14)


@pytest.mark.parametrize("n_copies", [2, 20, 80])
def test_duplicates_come_in_the_order_of_ids(space, n_copies):
    X = np.repeat(integers(4), n_copies, axis=0)
    points, queries = prepared(space, X, integers(12, seed=1))
    _, ids = scan(points, queries, 5)
    assert_array_equal(ids, expected(space, points, queries, 5))


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_an_offset_hides_no_neighbour(offset):
    # Prepared rows never look like this; the scan does not rely on it.
    X = frozen((offset + integers(300, 8)).astype(np.float32))
    queries = frozen((offset + integers(40, 8, seed=1)).astype(np.float32))
    _, ids = scan(RowsL2(X), queries, 5)
    assert_array_equal(ids, naive.nearest(X, queries, 5))


def test_near_ties_are_decided_in_float64():
    # All points are on a circle round the query, but for the last bits.
    angles = np.linspace(0, 2 * np.pi, 200)
    points = frozen(np.c_[np.cos(angles), np.sin(angles), 0 * angles, 0 * angles])
    points, queries = points.astype(np.float32), np.zeros((20, 4), np.float32)
    _, ids = scan(RowsL2(points), queries, 5)
    assert_array_equal(ids, naive.nearest(points, queries, 5))


def test_an_answer_does_not_depend_on_its_batch(space):
    rng = np.random.default_rng(0)
    points, queries = prepared(
        space, rng.normal(size=(90, 6)), rng.normal(size=(25, 6))
    )
    scores, ids = scan(points, queries, 4)
    for q in range(25):
        alone = scan(points, queries[q : q + 1], 4)
        assert_array_equal(alone[0][0], scores[q])
        assert_array_equal(alone[1][0], ids[q])


@pytest.mark.parametrize("size", [1, 16, 50])
def test_blocks_and_little_memory_change_nothing(space, size, monkeypatch):
    points, queries = prepared(space, integers(90), integers(30, seed=1))
    monkeypatch.setattr(module, "ROW_BLOCK", size)
    monkeypatch.setattr(module, "QUERY_BLOCK", 7)
    wanted = expected(space, points, queries, 4)
    assert_array_equal(scan(points, queries, 4)[1], wanted)
    with config_context(working_memory=1e-6):
        assert_array_equal(scan(points, queries, 4)[1], wanted)


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
    for k in (60, 59):
        _, ids = scan(points._replace(X=frozen(X)), frozen(queries), k)
        assert all(len({*row}) == k for row in ids)
        found = np.delete(ids, 3, axis=0)
        assert (found[:, -1] == 7).all() if k == 60 else not (found == 7).any()


def test_as_few_points_as_proposals_are_scanned():
    for n_points in (FEW, MORE, MORE + 1, MORE + 9, 65):
        X = np.random.default_rng(n_points).random((n_points, 4), dtype=np.float32)
        for k in {1, 9, min(25, n_points), n_points} & {*range(n_points + 1)}:
            _, ids = scan(RowsL2(frozen(X)), frozen(X[:12]), k)
            assert_array_equal(ids, naive.nearest(X, X[:12], k, "euclidean"))


# What the flat route knows of what it did not propose


def limits_of(points, queries, k, allowed=None):
    """The ids that are proposed of every query, and its limit."""
    proposed = [None] * len(queries)

    def use(part, estimates, ids):
        assert not (np.diff(estimates, axis=1) < 0).any()
        for q, row in zip(part, ids):
            assert proposed[q] is None
            proposed[q] = row[row >= 0]

    search = Search(k, allowed=allowed)
    limits = propose(FLAT, Index(None, points, None, FLAT), queries, search, use)
    return proposed, limits


@pytest.mark.parametrize("space", ["l2", "ip"])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_no_point_below_its_limit_is_left_out(space, scale):
    rng = np.random.default_rng(0)
    X, Q = scale * rng.normal(size=(150, 6)), scale * rng.normal(size=(20, 6))
    points, queries = prepared(space, X, Q)
    proposed, limits = limits_of(points, queries, 4)
    gaps, some = naive.distances(points.X, queries, METRIC[space]), 0
    for row, own, limit in zip(proposed, gaps, limits):
        assert len({*row.tolist()}) == 4 + MORE
        assert np.delete(own, row).min() >= limit
        some += limit > np.sort(own)[4]
    assert some > 15  # most are sure, or all would be scanned


def test_only_allowed_points_are_proposed():
    points, queries = prepared("l2", integers(150, 6), integers(20, 6, seed=1))
    allowed = np.random.default_rng(0).random(150) < 0.5
    proposed, limits = limits_of(points, queries, 4, allowed)
    gaps = naive.distances(points.X, queries, "sqeuclidean")
    for row, own, limit in zip(proposed, gaps, limits):
        assert allowed[row].all()
        assert np.delete(np.where(allowed, own, np.inf), row).min() >= limit


def test_limits_know_the_longest_row_of_all_blocks(monkeypatch):
    monkeypatch.setattr(module, "ROW_BLOCK", 8)
    X = np.random.default_rng(0).standard_normal((40, 4), np.float32)
    X[11] *= 1000
    points = RowsL2(frozen(X))
    products = module.Products(points, points.X[:12], np.arange(40, dtype=np.int32), 5)
    products.propose(0, lambda *_: None, 1)
    gaps = points.X.astype(np.float64) - products.center
    assert_allclose(products.longest, (gaps**2).sum(axis=1).max(), rtol=1e-5)


def test_all_that_are_proposed_have_no_limit():
    points, queries = prepared("l2", integers(30), integers(20, seed=1))
    proposed, limits = limits_of(points, queries, 4)
    assert all(len(row) == 30 for row in proposed)
    assert_array_equal(limits, np.inf)


def test_few_queries_and_other_distances_are_scanned_by_exact_scores(space):
    points, queries = prepared(space, integers(90), integers(20, seed=1))
    if space in ("l1", "linf"):
        assert limits_of(points, queries, 4)[1] is None
    assert limits_of(points, queries[:FEW], 4)[1] is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of plain Python alone
@pytest.mark.parametrize("size", [1e20, 3e38, np.nan])
def test_a_query_whose_products_overflow_is_never_sure(size):
    rng = np.random.default_rng(0)
    X = (1e14 * rng.standard_normal((100, 4))).astype(np.float32)
    Q = rng.standard_normal((20, 4))
    Q = (size * Q / np.abs(Q).max(axis=1, keepdims=True)).astype(np.float32)
    _, limits = limits_of(RowsL2(frozen(X)), frozen(Q), 3)
    assert_array_equal(limits, -np.inf)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("space", ["l2", "ip"])
def test_far_queries_are_answered_in_a_batch_as_one_by_one(space):
    rng = np.random.default_rng(0)
    X, Q = 1e14 * rng.standard_normal((100, 4)), 1e20 * rng.standard_normal((20, 4))
    points, queries = prepared(space, X, Q)
    ids = scan(points, queries, 3)[1]
    assert_array_equal(ids, expected(space, points, queries, 3))
    alone = [scan(points, queries[[q]], 3)[1] for q in range(20)]
    assert_array_equal(ids, np.vstack(alone))


@pytest.mark.jit
def test_k_near_n_takes_no_longer_than_a_sort():
    # One insertion after another would take a second a query.
    X = np.random.default_rng(0).random((20_000, 8), dtype=np.float32)
    points, queries = RowsL2(frozen(X)), frozen(X[:10])
    scan(points, queries[:9], 100)  # compiles
    for k in (20_000, 19_990, 19_900):
        start = time.perf_counter()
        _, ids = scan(points, queries, k)
        assert time.perf_counter() - start < 2
        assert_array_equal(ids[:, 0], np.arange(10))
        assert all(len(np.unique(row)) == k for row in ids)


# Exact scores of all


@pytest.mark.parametrize("space", ["l2", "ip"])
def test_many_neighbours_are_selected_as_few_are_inserted(space):
    points, queries = prepared(space, integers(400), integers(5, seed=1))
    some = np.random.default_rng(0).permutation(400)[:300].astype(np.int32)
    some.sort()
    gaps = naive.distances(points.X[some], queries, METRIC[space])
    order = np.argsort(gaps, axis=1, kind="stable")  # with many ties
    for k in (1, INSERTED, INSERTED + 1, 70, 75, 300):
        scores, ids = scan_each(points, queries, some, k, 2)
        assert_array_equal(ids, some[order[:, :k]])
        assert_allclose(scores, np.take_along_axis(gaps, order[:, :k], axis=1), 1e-14)


@pytest.mark.parametrize("k", [1, INSERTED + 1, 299])
def test_points_that_are_no_numbers_are_selected_last(k):
    X = integers(300).astype(np.float32)
    X[::2] = np.nan
    scores, ids = scan_each(RowsL2(frozen(X)), frozen(X[[1, 0]]), np.arange(300), k, 1)
    finite = min(k, 150)
    assert np.isfinite(scores[0, :finite]).all() and (ids[0, :finite] % 2 == 1).all()
    assert np.isnan(scores[0, finite:]).all() and np.isnan(scores[1]).all()
    assert all(len({*row}) == k for row in ids)


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


def ids_of(keys):
    return split_keys(keys)[0]


def nearest_ids(estimates, ids, room):
    """Ids by (estimate, id), of those below 0 as if they were 0."""
    order = [np.lexsort((ids, row)) for row in np.maximum(estimates, 0)]
    return np.asarray(ids)[np.array(order)[:, :room]]


@pytest.mark.parametrize("n", [1, 5, 31, 32, 33, 64, 70])
def test_the_nearest_of_any_number_are_proposed_by_their_ids(n):
    # Halves, so that no step is rounded; some are equal and some below 0.
    rng = np.random.default_rng(n)
    estimates = rng.integers(-3, 40, (3, n)) / 2
    ids = rng.permutation(2**31 - 1 - np.arange(n))
    for room in {1, min(5, n), n}:
        found = ids_of(proposed(estimates, ids, room))
        assert_array_equal(found, nearest_ids(estimates, ids, room))


def test_proposals_of_several_blocks_are_those_of_one():
    rng = np.random.default_rng(0)
    estimates, ids = rng.integers(0, 40, (3, 70)) / 2, rng.permutation(70)
    for stops in ((1,), (32,), (33,), (5, 40, 69)):
        found = ids_of(proposed(estimates, ids, 9, (*stops, 70)))
        assert_array_equal(found, nearest_ids(estimates, ids, 9))


def test_fewer_points_than_room_leave_places_without_a_key():
    keys = proposed([[3, 1, 2]], [7, 8, 9], 5)
    assert_array_equal(ids_of(keys), [[8, 9, 7, -1, -1]])
    assert (keys[0, 3:] == NO_KEY).all() and (keys[0, :3] < NO_KEY).all()


def test_proposals_are_made_to_the_queries_asked_for():
    found = ids_of(proposed(np.ones((4, 3)), [7, 8, 9], 2, lo=1, hi=3))
    assert_array_equal(found, [[-1, -1], [7, 8], [7, 8], [-1, -1]])


@pytest.mark.parametrize("n", [4, 32, 33, 70])
def test_estimates_that_are_no_numbers_come_after_all_others(n):
    # The last are in the tail or, of whole vectors, are not.
    estimates = np.arange(n, dtype=float)[None]
    estimates[0, [0, n - 1]] = np.inf, np.nan
    estimates[0, n - 2] = np.inf
    found = ids_of(proposed(estimates, np.arange(n), n))[0]
    assert_array_equal(found[: n - 3], np.arange(1, n - 2))
    kept = found[found >= 0]
    assert len({*kept.tolist()}) == len(kept)
    found = ids_of(proposed(estimates, np.arange(n), n - 3))[0]
    assert_array_equal(found, np.arange(1, n - 2))


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
    """An index on codes of normal rows, and queries."""
    rng = np.random.default_rng(seed)
    X, Q = (rng.standard_normal((m, d)).astype(np.float32) for m in (n, 150))
    return index_of(X), raw_rows(Q)


def index_of(X, codes_of=None):
    quantizer = ScalarQuantizer(8)
    codes = quantizer.points(quantizer.fit_transform(X))
    rows = raw_rows(X if codes_of is None else codes_of)
    return Index(None, RowsL2(rows), codes, FLAT)


def scan_codes(index, queries, k, room, overestimate=np.inf, n_threads=1):
    search = Search(k, room, overestimate=overestimate, n_threads=n_threads)
    return answer(index, queries, search)


def estimates_of(codes, queries):
    """Scores of all codes by the definition of their grid, float64."""
    low, step, d = codes.grid.astype(np.float64)
    d = int(d)
    levels = np.clip(np.rint((queries[:, :d] - low) / step), -1024, 255 + 1024)
    gaps = levels[:, None] - codes.codes[:, :d].astype(np.float64)
    return step**2 * (gaps**2).sum(axis=2)


def naive_scan(index, queries, k, room):
    """Of the ``room`` best by code the ``k`` nearest."""
    exact = naive.distances(index.points.X, queries, "sqeuclidean")
    estimates = estimates_of(index.codes, queries).astype(np.float32)
    best = np.argsort(estimates, axis=1, kind="stable")[:, :room]
    order = [sorted(row, key=lambda i: (gaps[i], i)) for row, gaps in zip(best, exact)]
    return np.array(order)[:, :k]


@pytest.mark.parametrize("k, room", [(1, 1), (1, 8), (5, 5), (5, 17), (7, 100)])
def test_codes_propose_and_points_decide(k, room):
    index, queries = coded(100)
    queries = frozen(queries[:20])
    scores, ids = scan_codes(index, queries, k, room)
    assert_array_equal(ids, naive_scan(index, queries, k, room))
    exact = naive.distances(index.points.X, queries, "sqeuclidean")
    assert_allclose(scores, np.take_along_axis(exact, ids, axis=1), 1e-13)


@pytest.mark.parametrize("n", [1, 2, 8, 64, 65])
def test_all_codes_proposed_are_an_exact_scan(n):
    index, queries = coded(n)
    queries = frozen(queries[:15])
    for k in {1, min(5, n), n}:
        found = scan_codes(index, queries, k, n)
        for part, wanted in zip(found, scan(index.points, queries, k)):
            assert_array_equal(part, wanted)


def test_a_scan_of_codes_does_not_depend_on_batch_blocks_and_threads(monkeypatch):
    index, queries = coded(70)
    whole = scan_codes(index, queries, 4, 9, 1.2)
    for n_queries, n_threads in ((1, 1), (64, 2), (65, 1), (150, 5)):
        part = frozen(queries[:n_queries])
        found = scan_codes(index, part, 4, 9, 1.2, n_threads)
        for some, wanted in zip(found, whole):
            assert_array_equal(some, wanted[:n_queries])
    monkeypatch.setattr(module, "QUERIES_PER_TASK", 7)
    with config_context(working_memory=1e-6):
        for some, wanted in zip(scan_codes(index, queries, 4, 9, 1.2), whole):
            assert_array_equal(some, wanted)


def test_equal_codes_come_in_the_order_of_ids():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((4, 6)), 10, axis=0).astype(np.float32)
    ids = scan_codes(index_of(X), raw_rows(X[::10]), 3, 5)[1]
    assert_array_equal(ids, 10 * np.arange(4)[:, None] + np.arange(3))


def test_an_overestimate_ends_what_codes_propose():
    # By its code the first row is the nearest; as a point it is the last.
    X = np.linspace(1, 2, 40)[:, None].repeat(6, axis=1).astype(np.float32)
    index, queries = index_of(X, X[::-1]), raw_rows(np.zeros((2, 6)))
    for overestimate, nearest in ((0, 0), (np.inf, 39)):
        ids = scan_codes(index, queries, 1, 40, overestimate)[1]
        assert_array_equal(ids, [[nearest]] * 2)


@pytest.mark.jit
def test_many_codes_are_scanned_alike():
    index, queries = coded(9000, 24)  # two blocks, and a rest
    one, two = (scan_codes(index, queries, 10, 9000, n_threads=n) for n in (1, 2))
    for part, other, wanted in zip(one, two, scan(index.points, queries, 10)):
        assert_array_equal(part, other)
        assert_array_equal(part, wanted)
