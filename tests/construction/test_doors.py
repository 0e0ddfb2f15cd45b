"""Doors are learned where rows lie in clusters, and lead to each of them."""

import numpy as np
import pytest
from helpers import normal, record
from numpy.testing import assert_array_equal

from sklearn_jin import HNSWNeighbors
from sklearn_jin.construction.doors import draw_heads, learn_doors
from sklearn_jin.search.doors import NO_DOORS

N_ISLANDS = 300


def islands(n, d=64, seed=0):
    """Rows of clusters that are far apart, one after another."""
    centers = 20 * normal(N_ISLANDS, d, 99)
    return centers[np.arange(n) % N_ISLANDS] + normal(n, d, seed)


def test_heads_are_drawn_in_proportion_to_their_scores():
    X, draws = normal(60, 3), np.random.default_rng(1).random(9)
    heads, cells = np.empty(9, np.int32), np.zeros(60, np.int32)
    gaps = np.full(60, np.inf, np.float32)
    assert draw_heads(record(X), draws, heads, cells, gaps) == 9
    every = np.square(X[:, None] - X[heads]).sum(axis=2)
    assert heads[0] == int(60 * draws[0])
    for h in range(1, 9):
        total = np.cumsum(every[:, :h].min(axis=1), dtype=np.float64)
        at = np.searchsorted(total, draws[h] * total[-1], side="right")
        assert abs(heads[h] - at) <= 1  # of sums that are rounded otherwise
    assert_array_equal(cells, every.argmin(axis=1))
    np.testing.assert_allclose(gaps, every.min(axis=1), rtol=1e-5)


def test_copies_are_heads_once():
    X = np.repeat(normal(3, 4), 30, axis=0)
    doors = learn_doors(record(X), np.random.RandomState(0))
    assert len(doors.heads) == 3 and doors.starts.tolist() == [0, 30, 60, 90]
    assert_array_equal(np.sort(doors.ranks), np.arange(90))


@pytest.mark.jit
@pytest.mark.parametrize("quantizer", [None, "auto"])
def test_queries_among_islands_are_not_lost(quantizer):
    index = HNSWNeighbors(quantizer=quantizer, ef_search=10, random_state=0)
    index.fit(islands(24_000))

    def share_lost():
        found = index.kneighbors(islands(1500, seed=1), 1)[1][:, 0]
        return np.mean(found % N_ISLANDS != np.arange(1500) % N_ISLANDS)

    assert share_lost() < 0.03
    route = index.index_.route._replace(doors=NO_DOORS)
    index.index_ = index.index_._replace(route=route)
    assert share_lost() > 0.05  # what doors are for


@pytest.mark.jit
def test_rows_without_clusters_have_no_doors():
    index = HNSWNeighbors(random_state=0).fit(normal(12_000, 16))
    assert not len(index.index_.route.doors.heads)
