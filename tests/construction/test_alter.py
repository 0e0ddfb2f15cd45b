"""When rows are built in and left out, and which ids are those of places."""

import numpy as np
import pytest
from helpers import record
from numpy.testing import assert_array_equal

from sklearn_jin import ScalarQuantizer
from sklearn_jin.construction import alter
from sklearn_jin.metrics import METRICS
from sklearn_jin.search.index import FLAT, Index, live_ids


def index_of(n, d=3):
    X = np.random.default_rng(0).standard_normal((n, d))
    return Index(METRICS["euclidean"](), record(X), None, FLAT)


@pytest.mark.parametrize(
    "ids, n_ids, is_plain",
    [([0, 1, 2], 3, True), ([0, 1, 2], 4, False), ([0, 2, 1], 3, False)],
)
def test_places_are_ids_where_none_is_missing(ids, n_ids, is_plain):
    index = alter.identified(index_of(3), np.array(ids), n_ids)
    assert (index.changes is None) == is_plain


def test_rows_that_came_may_go_again():
    index = alter.with_later(index_of(5), record(np.ones((2, 3))), np.arange(5, 7))
    index = alter.without(index, np.array([1, 5]), 7)
    assert_array_equal(live_ids(index), [0, 2, 3, 4, 6])
    assert_array_equal(alter.rows_left(index)[1], [0, 2, 3, 4, 6])
    index = alter.without(index, np.array([6]), 7)
    assert index.changes.later is None and index.changes.n_live == 4


def test_rows_are_left_in_the_order_of_their_ids():
    index = alter.without(index_of(3), np.array([0]), 3)
    index = alter.with_later(index, record([[7, 7, 7]]), np.array([0]))
    points, ids = alter.rows_left(index)
    assert_array_equal(ids, [0, 1, 2])
    assert_array_equal(points.X[0, :3], [7, 7, 7])


@pytest.mark.parametrize("n", [1000, 100_000])
def test_changes_are_built_in_when_they_are_more_than_a_share(n):
    index, least = index_of(n), max(alter.LEAST_LATER, n // 32)
    for n_later, is_many in ((least, False), (least + 1, True)):
        later = alter.with_later(
            index, record(np.ones((n_later, 3))), n + np.arange(n_later)
        )
        assert alter.has_many_later(later, 32) == is_many
        gone = alter.without(index, np.arange(n_later), n)
        assert alter.has_many_gone(gone, 32) == is_many
        assert not alter.has_many_later(gone, 32)


def test_long_rows_are_built_in_sooner(monkeypatch):
    monkeypatch.setattr(alter, "LEAST_LATER", 1)
    monkeypatch.setattr(alter, "LATER_BYTES", 4 * 16 * 10)  # ten rows
    index = index_of(1000)
    for n_later, is_many in ((10, False), (41, True)):
        later = record(np.ones((n_later, 3)))
        index = alter.with_later(index_of(1000), later, 1000 + np.arange(n_later))
        assert alter.has_many_later(index, 2) == is_many


@pytest.mark.parametrize("times, least, most", [(1, 0.5, 2), (4, 3, np.inf)])
def test_drift_tells_of_rows_unlike_those_before(times, least, most):
    X = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    grid = ScalarQuantizer(8).fit(X)
    later = times * X[::5]
    far = alter.drift(grid, X, grid.transform(X), later, grid.transform(later))
    assert least < far < most


def test_drift_tells_of_a_row_alone():
    X = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    grid = ScalarQuantizer(8).fit(X)
    later = X.copy()
    later[7] *= 3  # of 500 the mean hardly tells
    codes = grid.transform(X), grid.transform(later)
    assert alter.drift(grid, X, codes[0], X, codes[0]) == 1
    assert alter.drift(grid, X, codes[0], later, codes[1]) > 10
