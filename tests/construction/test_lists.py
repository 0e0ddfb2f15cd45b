"""Lists of near neighbours: near, of other rows, the same for any number of threads."""

from itertools import pairwise

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._memory import LINE, frozen, padded_width
from sklearn_jin.construction import lists as module
from sklearn_jin.construction.lists import (
    CELL,
    FANOUT,
    MOST,
    assign_cells,
    gather,
    neighbor_lists,
    used_width,
    without,
)

ONE_CELL = 2 * CELL - 1  # as many rows are in one


@pytest.fixture
def small_cells(monkeypatch):
    """Cells so small that few rows do not visit them all."""
    monkeypatch.setattr(module, "CELL", 20)


def padded(X):
    """Rows as kernels take them."""
    rows = np.zeros((len(X), padded_width(X.shape[1])), np.float32)
    rows[:, : X.shape[1]] = X
    return frozen(rows)


def normal(n, d=6, seed=0):
    return padded(np.random.default_rng(seed).standard_normal((n, d)))


def integers(n, d=3, seed=0):
    return padded(np.random.default_rng(seed).integers(0, 9, (n, d)))


def clustered(n, d=16, seed=0):
    centers = 3 * np.random.default_rng(1).standard_normal((100, d))
    rng = np.random.default_rng(seed)
    return centers[rng.integers(0, 100, n)] + rng.standard_normal((n, d))


def listed(X, k, seed=0, n_threads=1):
    return neighbor_lists(X, k, np.random.RandomState(seed), n_threads)


def others_nearest(X, k, rows=None):
    """Ids of the ``k`` nearest other rows by (distance, id), of some ``rows``."""
    rows = np.arange(len(X)) if rows is None else rows
    gaps = naive.distances(X, X[rows], "sqeuclidean")
    gaps[np.arange(len(rows)), rows] = np.inf
    return np.argsort(gaps, axis=1, kind="stable")[:, :k]


def recall(X, k=10):
    """Share of the ``k`` nearest that are told of, of some rows."""
    lists, _ = listed(X, k)
    rows = np.random.default_rng(3).permutation(len(X))[:300]
    nearest = others_nearest(X, k, rows)
    return np.mean([len({*a} & {*b}) for a, b in zip(nearest, lists[rows])]) / k


def assert_lists(lists):
    """Of other rows, each once, and with -1s behind."""
    present = lists >= 0
    assert (lists < len(lists)).all() and (lists >= -1).all()
    assert not (lists == np.arange(len(lists))[:, None]).any()
    assert (np.diff(present.astype(int), axis=1) <= 0).all()
    for row, some in zip(lists, present):
        assert len({*row[some].tolist()}) == some.sum()


# Lists


@pytest.mark.parametrize("n", [2, 3, 50, ONE_CELL])
def test_one_cell_tells_of_the_nearest(n):
    X, k = normal(n), min(10, n - 1)
    lists, by_cell = listed(X, k)
    assert lists.dtype == by_cell.dtype == np.int32
    assert_array_equal(lists, others_nearest(X, k))
    assert_array_equal(by_cell, np.arange(n))


def gaps_of(X, lists):
    """Squared distances from every row to those of its list."""
    pairs = zip(X.astype(float), lists)
    return np.array([naive.DISTANCES["sqeuclidean"](X[row], x) for x, row in pairs])


def test_one_cell_tells_of_none_that_is_farther_than_another():
    X = integers(90)  # with many ties, which rounding may order
    lists, _ = listed(X, 10)
    assert_lists(lists)
    assert_array_equal(gaps_of(X, lists), gaps_of(X, others_nearest(X, 10)))


def test_copies_come_in_the_order_of_ids():
    X = padded(np.ones((40, 3)))
    assert_array_equal(listed(X, 5)[0], others_nearest(X, 5))


def test_a_row_alone_has_no_neighbours():
    lists, by_cell = listed(normal(1), 0)
    assert lists.shape == (1, 0)
    assert_array_equal(by_cell, [0])
    assert_array_equal(listed(normal(1), 3)[0], [[-1, -1, -1]])


@pytest.mark.parametrize("n", [2, 7])
def test_a_short_list_ends_in_places_without_a_row(n):
    lists, _ = listed(integers(n), 9)
    assert_array_equal(lists[:, : n - 1], others_nearest(integers(n), n - 1))
    assert_array_equal(lists[:, n - 1 :], np.full((n, 10 - n), -1))


@pytest.mark.parametrize("n", [40, 400])
def test_lists_of_many_cells_are_of_other_rows_nearest_first(n, small_cells):
    X = normal(n)
    lists, _ = listed(X, 12)
    assert_lists(lists)
    assert (lists >= 0).all()
    assert (np.diff(gaps_of(X, lists), axis=1) > -1e-5).all()


def test_every_row_belongs_to_one_cell(small_cells):
    _, by_cell = listed(normal(400), 5)
    assert_array_equal(np.sort(by_cell), np.arange(400))
    assert (by_cell != np.arange(400)).any()


@pytest.mark.jit
@pytest.mark.parametrize("n", [MOST, MOST + 1, 2500])
def test_of_copies_each_is_compared_with_a_share(n, monkeypatch):
    sizes, compared = [], module._compare

    def watched(X, visitors, size, *rest):
        sizes.append((size, len(visitors)))
        return compared(X, visitors, size, *rest)

    monkeypatch.setattr(module, "_compare", watched)
    lists, by_cell = listed(padded(np.ones((n, 5))), 12)
    assert_lists(lists)
    assert (lists >= 0).all()
    assert_array_equal(np.sort(by_cell), np.arange(n))
    n_own, n_visitors = np.transpose(sizes)
    assert n_own.sum() == n and n_own.max() <= MOST
    # All are in one cell: a share of them is compared with as many.
    assert n_visitors.max() <= -(-n // -(-n // MOST))


def test_shares_of_a_cell_tell_of_the_nearest_of_each_share(monkeypatch):
    monkeypatch.setattr(module, "MOST", 25)
    X = normal(100)  # one cell and four shares
    lists, _ = listed(X, 6)
    for share in range(4):
        rows = np.arange(share, 100, 4)
        assert_array_equal(lists[rows], rows[others_nearest(X[rows], 6)])


@pytest.mark.parametrize("columns", [1, 7, 100])
def test_products_in_parts_change_nothing(columns, monkeypatch):
    X = normal(150)
    monkeypatch.setattr(module, "COLUMNS", columns)
    assert_array_equal(listed(X, 6)[0], others_nearest(X, 6))


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_change_nothing(n_threads, small_cells, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 100)
    X = normal(400)
    for one, several in zip(listed(X, 8), listed(X, 8, n_threads=n_threads)):
        assert_array_equal(one, several)


@pytest.mark.jit
def test_threads_change_nothing_of_realistic_lists():
    X = padded(clustered(3000))
    for one, several in zip(listed(X, 8), listed(X, 8, n_threads=3)):
        assert_array_equal(one, several)


def test_chance_decides_and_it_alone(small_cells):
    X = normal(400)
    lists, by_cell = listed(X, 8)
    for found, wanted in zip(listed(X, 8), (lists, by_cell)):
        assert_array_equal(found, wanted)
    other, other_by_cell = listed(X, 8, seed=1)
    assert (other != lists).any() and (other_by_cell != by_cell).any()


@pytest.mark.parametrize("n", [1, 400])
@pytest.mark.parametrize("n_steps", [1, 10])
def test_progress_takes_as_many_steps_as_asked(n, n_steps, small_cells):
    told, X = [], normal(n)
    step = lambda: told.append("step")  # noqa: E731
    found = neighbor_lists(X, 1, np.random.RandomState(0), 1, n_steps, step)
    assert len(told) == n_steps
    for part, wanted in zip(found, listed(X, 1)):
        assert_array_equal(part, wanted)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("n", [30, 400])
def test_rows_of_missing_numbers_are_listed_like_any(n, small_cells):
    X = normal(n).copy()
    X[::6] = np.nan
    lists, by_cell = listed(X, 5)
    assert_lists(lists)
    assert_array_equal(np.sort(by_cell), np.arange(n))


@pytest.mark.parametrize("offset", [0, 1e3])
@pytest.mark.parametrize("spread", [1, 0.1])
def test_the_nearest_are_told_of_wherever_rows_lie(offset, spread, small_cells):
    # Measured: 0.97.  By products far from the middle of the data it would be 0.5.
    assert recall(padded(offset + spread * normal(600, 4))) > 0.95


@pytest.mark.jit
@pytest.mark.parametrize("offset", [0, 1e3])
@pytest.mark.parametrize("spread", [1, 0.05])
def test_of_many_rows_in_groups_nearly_all_are_told_of(offset, spread):
    # Measured: 0.97.
    assert recall(padded(offset + spread * clustered(8000))) > 0.95


@pytest.mark.jit
def test_of_many_rows_without_groups_most_are_told_of():
    # Measured: 0.75.
    assert recall(normal(8000, 16)) > 0.72


# Cells


@pytest.mark.parametrize("n, n_cells", [(1, 1), (39, 1), (40, 2), (170, 8), (230, 11)])
def test_every_row_visits_its_nearest_cells(n, n_cells, small_cells):
    X = normal(n)
    cells = assign_cells(X, np.random.RandomState(0), 1)
    assert len(cells.sizes) == len(cells.centers) == n_cells
    assert cells.starts[0] == 0 and cells.starts[-1] == len(cells.visitors)
    assert cells.sizes.sum() == n
    assert len(cells.visitors) == n * min(FANOUT, n_cells)
    nearest = naive.nearest(cells.centers, X[:, :6], min(FANOUT, n_cells))
    for c, (lo, hi) in enumerate(pairwise(cells.starts)):
        visitors, own = cells.visitors[lo:hi], cells.visitors[lo : lo + cells.sizes[c]]
        assert_array_equal(own, np.flatnonzero(nearest[:, 0] == c))
        assert_array_equal(
            np.sort(visitors), np.flatnonzero((nearest == c).any(axis=1))
        )


def test_copies_visit_as_many_cells_as_any_row(small_cells):
    cells = assign_cells(padded(np.ones((400, 3))), np.random.RandomState(0), 1)
    which = np.repeat(np.arange(len(cells.sizes)), np.diff(cells.starts))
    pairs = {*zip(cells.visitors.tolist(), which.tolist())}
    assert len(pairs) == len(cells.visitors) == 400 * FANOUT
    assert_array_equal(np.bincount(cells.visitors), np.full(400, FANOUT))
    assert cells.sizes.sum() == 400


def test_cells_are_the_same_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 100)
    one, several = (
        assign_cells(normal(700), np.random.RandomState(0), n) for n in (1, 3)
    )
    for part, wanted in zip(several, one):
        assert_array_equal(part, wanted)


@pytest.mark.parametrize("n, n_cells", [(1000, 50), (3200, 160), (9800, 280)])
def test_of_many_rows_cells_grow_with_their_number(
    n, n_cells, small_cells, monkeypatch
):
    # A row's centres then cost as much to find as its neighbours.
    monkeypatch.setattr(module, "_nearest", lambda X, *_: np.zeros((len(X), 1), int))
    cells = assign_cells(np.zeros((n, 4), np.float32), np.random.RandomState(0), 1)
    assert len(cells.sizes) == n_cells


# Rows, widths and ids


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 10**6))
@settings(max_examples=50)
def test_gathered_rows_are_copied_less_a_center(n, d, seed):
    rng = np.random.default_rng(seed)
    X = padded(rng.integers(-9, 9, (50, d)))
    ids = rng.integers(0, 50, n).astype(np.int32)
    center = rng.integers(-9, 9, d).astype(np.float32)
    rows, squares = np.full((n, d), 7, np.float32), np.full(n, 7, np.float32)
    gather(X, ids, center, rows, squares)
    assert_array_equal(rows, X[ids, :d] - center)
    assert_array_equal(squares, (rows**2).sum(axis=1))


def test_squares_of_gathered_rows_are_as_exact_as_floats():
    X, center = normal(30, 100), normal(1, 100, seed=1)[0, :100].copy()
    rows, squares = np.empty((30, 100), np.float32), np.empty(30, np.float32)
    gather(X, np.arange(30, dtype=np.int32), center, rows, squares)
    assert_allclose(squares, naive.distances(X[:, :100], [center])[0] ** 2, rtol=1e-5)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 13, 16, 17, 47, 48, 49, 97, 100, 112])
def test_a_width_that_is_used_is_that_without_the_padding(d):
    X = padded(np.ones((3, d)))
    assert used_width(X) == d
    last = np.zeros((5, d))
    last[3, -1] = -1e-30  # one number of one row
    assert used_width(padded(last)) == d


@pytest.mark.parametrize("width", [1, 4, 16, 48, 112])
def test_rows_of_zeros_use_no_more_than_padding_leaves(width):
    used = used_width(np.zeros((5, width), np.float32))
    assert 1 <= used <= width and width - used < LINE // 4
    if width <= LINE // 4:
        assert used == 1


@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 10**6))
@settings(max_examples=50)
def test_without_itself_or_the_last_a_row_stays_in_order(n, k, seed):
    rng = np.random.default_rng(seed)
    ids = np.array([rng.permutation(12)[: k + 1] for _ in range(n)], np.int32)
    own = rng.integers(0, 12, n).astype(np.int32)
    found = without(ids, own)
    assert found.shape == (n, k) and found.dtype == np.int32
    for row, i, left in zip(ids.tolist(), own.tolist(), found.tolist()):
        assert left == [j for j in row if j != i][:k]


def test_places_without_a_row_stay_behind():
    ids = np.array([[3, 1, -1, -1], [0, -1, -1, -1]], np.int32)
    assert_array_equal(without(ids, np.array([3, 5])), [[1, -1, -1], [0, -1, -1]])
