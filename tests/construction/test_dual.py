"""Two branches: rows by local dimension, in turn, the largest highest."""

import indexes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin.construction import dual
from sklearn_jin.construction.grow import layer_sizes
from sklearn_jin.points.rows import RowsIP, RowsL2


def record(X):
    return RowsL2(np.ascontiguousarray(X, np.float32))


def test_rows_are_ordered_by_descending_dimension_those_without_last():
    lid = np.array([3.0, np.nan, 7.0, 3.0, 0.5])
    order, ranks = dual.order_by_dimension(lid, np.random.RandomState(0))
    assert order[0] == 2 and {*order[1:3]} == {0, 3} and [*order[3:]] == [4, 1]
    assert_array_equal(ranks[order], np.arange(5, 0, -1) / 5)
    drawn = {
        dual.order_by_dimension(lid, np.random.RandomState(seed))[0][1]
        for seed in range(20)
    }
    assert drawn == {0, 3}  # equal ones as they are drawn


@pytest.mark.parametrize("n", [1, 2, 20, 300])
def test_branches_share_the_first_rows_in_turn(n):
    order, sizes = np.random.default_rng(0).permutation(n), layer_sizes(n, 2)
    (first, upper), (second, other) = dual.share_out(order, sizes)
    most = sizes[-1] if sizes else min(2, n)
    assert_array_equal(first, order[:most:2])
    assert_array_equal(second, order[1:most:2] if n > 1 else order)
    for size, one, two in zip(sizes, upper, other):
        assert one + two == size and 0 <= one - two <= 1
        assert {*first[:one], *second[:two]} == {*order[:size]}


@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_every_row_has_a_dimension_and_bridges_a_radius(n):
    X = indexes.rows(n, 4)
    lid, radius = dual.local_dimensions(record(X), np.random.RandomState(0), 1)
    assert lid.shape == (n,)
    if n < 2:
        assert np.isnan(lid).all() and radius == -1
        return
    assert radius > 0
    product = RowsIP(record(X).X)
    assert dual.local_dimensions(product, np.random.RandomState(0), 1)[1] == -1
