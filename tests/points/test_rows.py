"""Scores of vectors: squared L2, L1, L-infinity and inner product."""

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import points
from sklearn_jin._arrays import wrong_arrays
from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE, frozen
from sklearn_jin.metrics import METRICS
from sklearn_jin.points import rows as module
from sklearn_jin.points.kinds import points_of
from sklearn_jin.points.rows import (
    ROWS,
    RowsIP,
    RowsL2,
    float_rows,
    query_parts,
)

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


# Rows in other types than float32.

TYPES = pytest.mark.parametrize("dtype", ["uint8", "int8", "float16"])


def typed(space, dtype, n=7, d=20):
    """Points of rows as they come, the rows, and prepared queries."""
    rng = np.random.default_rng(0)
    ends = {"uint8": (0, 256), "int8": (-128, 128), "float16": (-2048, 2049)}[dtype]
    X, Q = (rng.integers(*ends, (m, d)).astype(dtype) for m in (n, 5))
    metric = METRICS[METRIC[space]]()
    record = points_of(metric, X, "input")
    return record, X, metric.prepare_queries(Q.astype(np.float32))[0], metric


@TYPES
@pytest.mark.parametrize("space", METRIC)
def test_rows_of_any_type_score_as_float32_rows_do(space, dtype):
    record, X, queries, metric = typed(space, dtype)
    assert record.X.itemsize == X.itemsize and record.X.shape == (7, 20)
    rows = points.rows_of(record, slice(None))
    assert rows.dtype == np.float32
    assert_array_equal(metric.restore(rows), X)
    found = all_scores(record, queries)
    expected = all_scores(ROWS[space](frozen(rows)), queries)
    for some, other in zip(found[:3], expected[:3]):
        assert_allclose(some, other, 1e-5, 1e-6)
    assert_allclose(found[3], expected[3], 1e-12)


@pytest.mark.parametrize("space", METRIC)
def test_halves_are_as_exact_as_their_digits(space):
    X = np.random.default_rng(0).standard_normal((9, 20)) * 1e5
    metric = METRICS[METRIC[space]]()
    record = points_of(metric, X, "float16")
    back = metric.restore(points.rows_of(record, slice(None)))
    # Numbers far below the largest are subnormal: as exact as these allow.
    size = np.linalg.norm(X, axis=1).max() if space == "ip" else np.abs(X).max()
    assert_allclose(back, X, rtol=2**-11, atol=2**-38 * size)


@TYPES
def test_other_rows_are_queries_a_part_at_a_time(dtype, monkeypatch):
    record, X, _, _ = typed("l2", dtype, 9)
    ids = np.array([3, 8, 1, 1, 0])
    monkeypatch.setattr(module, "QUERY_BYTES", 2 * 4 * 20)
    parts = list(query_parts(record, ids))
    assert [first for first, _, _ in parts] == [0, 2, 4]
    asked = np.vstack([queries[rows] for _, queries, rows in parts])
    assert_array_equal(asked, X[ids])
    rows = RowsL2(frozen(asked))
    (part,) = query_parts(rows, ids)
    assert part[1] is rows.X and part[2] is ids


@TYPES
def test_float_rows_stand_for_an_array(dtype):
    record, X, _, _ = typed("l2", dtype, 9)
    rows = float_rows(record, 17)
    assert len(rows) == 9 and rows.shape == (9, 17)
    assert_array_equal(rows[2:5], X[2:5, :17])
    some = rows.taken(np.array([7, 2, 5]))
    assert some.shape == (3, 17)
    assert_array_equal(some[1:], X[[2, 5], :17])


def test_rows_of_no_known_type_are_damaged():
    record, _, _, _ = typed("ip", "uint8")
    assert wrong_arrays(record) == []
    assert wrong_arrays(record._replace(X=record.X.astype(np.float64))) == ["RowsIP.X"]
