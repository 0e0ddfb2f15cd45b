"""Cells: products propose, and scores that do not depend on the batch choose."""

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._memory import frozen
from sklearn_jin.points.rows import ROWS
from sklearn_jin.search import cells as module
from sklearn_jin.search.cells import FEW, FIRST, first_mean, nearest_cells, weigh

D = 16


def uniform(n, seed=0):
    """Rows of length 1 at most, as they are where scores are inner products."""
    X = np.random.default_rng(seed).random((n, D), dtype=np.float32) - 0.5
    return frozen(X / 2)


def scores_of(space, centers, queries):
    """Scores (n_queries, n_cells), by definition."""
    if space == "ip":
        return 1 - queries.astype(np.float64) @ centers.T
    return naive.distances(centers, queries, "sqeuclidean")


CASES = [("l2", np.inf), ("l2", 1.5), ("ip", np.inf)]


@pytest.mark.parametrize("space, limit", CASES)
def test_products_propose_few_more_cells_than_are_wanted(space, limit):
    centers, queries = uniform(1200), uniform(60, 1)
    proposed = module._proposed_cells(
        weigh(ROWS[space](centers), D), queries, 64, limit
    )
    for row, own in zip(proposed, scores_of(space, centers, queries)):
        nearest = np.sort(own)
        last = limit * nearest[:FIRST].mean() if limit < np.inf else nearest[63]
        last = max(last, nearest[FIRST - 1])
        wanted = np.flatnonzero(own <= last - 1e-5 * abs(last))
        assert {*wanted} <= {*row[row >= 0]}
        assert (row >= 0).sum() < 2 * len(wanted) + 40


@pytest.mark.parametrize("space, limit", CASES)
@pytest.mark.parametrize("n_cells", [3, 90, 1200])
def test_the_nearest_cells_are_chosen_in_their_order(space, limit, n_cells):
    centers, queries, room = uniform(n_cells), uniform(FEW + 9, 1), 20
    cells, width = ROWS[space](centers), min(20, n_cells)
    ids, scores = nearest_cells(cells, queries, room, limit, weigh(cells, D))
    true = scores_of(space, centers, queries)
    order = np.argsort(true, axis=1)[:, :width]
    if limit == np.inf:
        assert_array_equal(ids[:, :width], order)
        wanted = np.take_along_axis(true, order, axis=1)
        assert_allclose(scores[:, :width], wanted, rtol=1e-4, atol=1e-5)
    else:  # those within the limit, and the first
        means = first_mean(scores)
        for row, own, best, mean in zip(ids, true, order, means):
            within = [i for i in best if own[i] <= limit * mean * (1 - 1e-5)]
            assert row[: len(within)].tolist() == within
    assert (scores[:, 1:] >= scores[:, :-1]).all()
    # One by one no product proposes.
    for q in range(0, len(queries), 9):
        alone = nearest_cells(cells, queries[[q]], room, limit)
        some = ids[q] >= 0
        assert_array_equal(alone[0][0, : some.sum()], ids[q][some])
        assert_array_equal(alone[1][0, : some.sum()], scores[q][some])


def test_a_limit_holds_as_many_lists_as_growth_says():
    growth = np.array([0.5, 1.0, 1.7])
    assert [module.limit_of(growth, p) for p in (1, 3, 9)] == [
        np.float32(0.5), np.float32(1.7), np.float32(1.7)
    ]  # fmt: skip


def test_first_means_are_those_of_the_nearest_cells():
    scores = np.sort(np.random.default_rng(0).random((4, 30), dtype=np.float32), 1)
    assert_allclose(first_mean(scores), scores[:, :FIRST].mean(axis=1), rtol=1e-6)
    assert first_mean(scores).dtype == np.float32
