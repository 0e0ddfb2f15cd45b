"""Distances of float32 rows are those of their definitions, for every width."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import _simd
from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen

WIDTHS = range(4, 84, 4)


@kernel
def squared_l2(X, i, Y, j):
    return _simd.squared_l2(X, i, Y, j)


@kernel
def dot(X, i, Y, j):
    return _simd.dot(X, i, Y, j)


@kernel
def l1(X, i, Y, j):
    return _simd.l1(X, i, Y, j)


@kernel
def largest(X, i, Y, j):
    return _simd.largest(X, i, Y, j)


@kernel
def prefetch_lines(array, i, lines):
    _simd.prefetch_lines(array, i, lines)
    return array[i, 0]


def gaps(X, i, Y, j):
    return np.abs(X[i].astype(np.float64) - Y[j])


DISTANCES = [
    (dot, lambda X, i, Y, j: X[i].astype(np.float64) @ Y[j]),
    (squared_l2, lambda *rows: (gaps(*rows) ** 2).sum()),
    (l1, lambda *rows: gaps(*rows).sum()),
    (largest, lambda *rows: gaps(*rows).max()),
]


@pytest.fixture(params=DISTANCES, ids=["dot", "squared_l2", "l1", "largest"])
def distance(request):
    return request.param


def rows(n, width, seed=0):
    """Whole numbers, whose sums are exact in float32, in an array not to be written."""
    X = np.random.default_rng(seed).integers(-99, 99, (n, width))
    return frozen(X.astype(np.float32))


@pytest.mark.parametrize("width", WIDTHS)
def test_distances_of_rows(distance, width):
    (found, expected), X, Y = distance, rows(3, width), rows(2, width, seed=1)
    for i, j in np.ndindex(3, 2):
        assert found(X, i, Y, j) == expected(X, i, Y, j)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_of_a_row_counts_once(distance, width):
    (found, _), X = distance, frozen(np.eye(width, dtype=np.float32))
    other = frozen(np.full((1, width), float(found is dot), np.float32))
    assert_array_equal([found(X, i, other, 0) for i in range(width)], np.ones(width))


def test_rows_need_no_alignment(distance):
    (found, expected), room = distance, rows(1, 1000)[0]
    for start in range(1, 20):
        X = frozen(room[start : start + 360].reshape(5, 72))
        assert found(X, 1, X, 4) == expected(X, 1, X, 4)


def test_sums_are_as_good_as_those_of_float32(distance):
    found, expected = distance
    X = frozen(np.random.default_rng(0).random((9, 512), dtype=np.float32))
    for i, j in np.ndindex(9, 9):
        # 512 / 8 terms in each of at least 8 sums: as many roundings at most
        assert_allclose(found(X, i, X, j), expected(X, i, X, j), 80 * 2.0**-24)


@pytest.mark.parametrize("at", [0, 5, 33, 47, 50])
@pytest.mark.parametrize("distance", DISTANCES[:3], ids=["dot", "squared_l2", "l1"])
def test_a_nan_makes_the_sum_nan(distance, at):
    X = rows(2, 52).copy()
    X[1, at] = np.nan
    assert np.isnan(distance[0](frozen(X), 0, frozen(X), 1))


def test_an_infinite_gap_is_infinite(distance):
    X = rows(2, 52).copy()
    X[1, 7] = np.inf
    assert abs(distance[0](frozen(X), 0, frozen(X), 1)) == np.inf


def test_prefetch_may_be_asked_for_more_lines_than_there_are():
    assert prefetch_lines(rows(3, 4), 2, 16) == rows(3, 4)[2, 0]
