"""Scores of vectors: squared L2, L1, L-infinity and inner product."""

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import points
from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE, frozen
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS, RowsIP, RowsL2

METRIC = {
    "l2": "sqeuclidean",
    "l1": "manhattan",
    "linf": "chebyshev",
    "ip": "inner_product",
}


@kernel
def scores(points_, queries, out, many, gaps, exact):
    """Every score of the contract: of queries, in one go, between points, exact."""
    n = len(out[0])
    scratch = points.new_scratch(points_, 2)
    ids = np.arange(n).astype(np.int32)
    for q in range(len(queries)):
        points.set_query(points_, scratch, 1, queries, q)  # not the first of the views
        for i in range(n):
            points.prefetch(points_, i)
            out[q, i] = points.score(points_, scratch, 1, i)
            exact[q, i] = points.exact(points_, queries, q, i)
        points.score_many(points_, scratch, 1, ids, 2, n - 2, many[q])
    for i in range(n):
        for j in range(n):
            gaps[i, j] = points.pair_score(points_, i, j)


def prepared(space, n, d, seed=0):
    """Points and queries as a metric prepares them: padded, for Dot of length 1."""
    X = np.random.default_rng(seed).standard_normal((n, d))
    metric = METRICS[METRIC[space]]().fit(X)
    return ROWS[space](metric.rows(X)), metric.prepare_queries(X)[0]


def all_scores(record, queries):
    n, m = len(record.X), len(queries)
    out = [np.empty((m, n), np.float32), np.empty((m, n - 2), np.float32)]
    out += [np.empty((n, n), np.float32), np.empty((m, n))]
    scores(record, queries, *out)
    return out


def expected(space, X, Q):
    """Scores by their definitions: never negative, though inner products may be."""
    return naive.distances(X, Q, METRIC[space]) + (space == "ip")


@pytest.mark.parametrize("space", METRIC)
@pytest.mark.parametrize("d", [1, 3, 4, 5, 15, 33, 47, 48, 63, 80])
def test_scores_are_those_of_the_definition(space, d):
    record, queries = prepared(space, 7, d)
    out, many, gaps, _ = all_scores(record, queries)
    # float32: a sum of d terms errs by no more than d roundings of 2**-24
    assert_allclose(out, expected(space, record.X, queries), 80 * 2.0**-24, 1e-6)
    assert_allclose(gaps, expected(space, record.X, record.X), 80 * 2.0**-24, 1e-6)
    assert_array_equal(many, out[:, 2:])


@pytest.mark.parametrize("space", METRIC)
def test_exact_scores_are_those_of_float64(space):
    record, queries = prepared(space, 7, 33)
    exact = all_scores(record, queries)[3]
    expected = naive.distances(record.X, queries, METRIC[space])
    assert_allclose(exact, expected, 1e-12, 1e-14)


def test_dot_ranks_by_the_inner_product():
    record, queries = prepared("ip", 20, 6)
    out, _, _, exact = all_scores(record, queries)
    assert_array_equal(np.argsort(out, axis=1), np.argsort(exact, axis=1))


@pytest.mark.parametrize("space", METRIC)
def test_points_score_alike_as_queries_and_as_points(space):
    record, _ = prepared(space, 9, 20)
    out, _, gaps, _ = all_scores(record, record.X)
    assert_array_equal(out, gaps)
    assert_array_equal(gaps, gaps.T)


@pytest.mark.parametrize("space", METRIC)
def test_a_nan_makes_the_exact_score_nan(space):
    record, queries = prepared(space, 4, 3)
    X = record.X.copy()
    X[1, 0], X[2, 2] = np.nan, np.nan
    assert np.isnan(all_scores(record._replace(X=frozen(X)), queries)[3][:, 1:3]).all()


@pytest.mark.parametrize("space", METRIC)
def test_taken_points_are_of_the_same_kind(space):
    record, _ = prepared(space, 9, 5)
    some = points.subset(record, np.array([7, 0, 3]))
    assert type(some) is type(record) and not some.X.flags.writeable
    assert some.X.ctypes.data % LINE == 0
    assert_array_equal(some.X, record.X[[7, 0, 3]])


def test_points_have_one_space_and_take_any_order():
    record, order = prepared("l2", 9, 5)[0], np.arange(9)[::-1]
    assert points.spaces(record) == (record,)
    assert points.insertion_order(record, order) is order


def test_dot_is_linked_by_distance_and_by_product():
    record, _ = prepared("ip", 9, 5)
    near, large = points.spaces(record)
    assert type(near) is RowsL2 and large is record
    assert_array_equal(near.X, record.X)


def test_long_rows_are_inserted_first_for_dot():
    X = np.array([[0.5], [1], [0.25], [0.5]], np.float32)
    rows = RowsIP(frozen(np.pad(X, [(0, 0), (0, 3)])))
    assert_array_equal(
        points.insertion_order(rows, np.array([2, 3, 0, 1])), [1, 3, 0, 2]
    )


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(TypeError, match="tuple has no registered subset"):
        points.subset((), np.array([0]))
