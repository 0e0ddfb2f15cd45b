"""Upper layers lead every query to a near entry; the lowest holds the answer."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.points import raw, take
from sklearn_jin.search import counters
from sklearn_jin.search.layers import Layers, descend, search, visit


def record(X):
    n, d = X.shape
    rows = np.zeros((n, padded_width(d)), np.float32)
    rows[:, :d] = X
    return raw.Raw(frozen(rows))


def complete(n, width):
    """Graph in which every one of ``n`` nodes leads to all others."""
    rows = np.tile(np.arange(n, dtype=np.int32), (n, 1))
    rows = rows[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    return np.pad(rows, [(0, 0), (0, width - n + 1)], constant_values=-1)


def layered(points, sizes):
    """Complete graphs over the first ``sizes`` of shuffled members, and over all."""
    n, members = len(points.X), np.random.default_rng(0).permutation(len(points.X))
    members = members[: max(sizes, default=1)].astype(np.int32)
    width = max(sizes, default=1) - 1
    upper = [complete(m, width) for m in sizes] or [np.empty((0, width), np.int32)]
    graph, upper = frozen(complete(n, n - 1)), frozen(np.vstack(upper))
    starts = np.cumsum([0, *sizes])
    return Layers(graph, upper, starts, members, take(points, members))


@pytest.fixture
def points():
    return record(indexes.rows(40, 4))


@pytest.fixture
def queries():
    return record(indexes.rows(11, 4, seed=1)).X


def test_every_layer_is_entered_at_the_nearest_of_the_last(points, queries):
    layers = layered(points, [2, 6, 20])
    ranks = descend(layers, queries)
    assert_array_equal(ranks[:, 0], 0)
    for t, size in enumerate([2, 6, 20]):
        members = points.X[layers.members[:size]]
        assert_array_equal(ranks[:, t + 1], naive.nearest(members, queries, 1)[:, 0])


def test_a_query_without_a_finite_score_takes_the_first_entry(points, queries):
    queries = queries.copy()
    queries[0] = np.nan
    assert_array_equal(descend(layered(points, [2, 6]), frozen(queries))[0], [0, 0, 0])


@pytest.mark.parametrize("sizes", [[], [5], [2, 6, 20]])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_search_of_complete_layers_is_exact(points, queries, sizes, n_threads):
    scores, ids = search(layered(points, sizes), points, queries, 5, 40, n_threads)
    assert_array_equal(ids, naive.nearest(points.X, queries, 5))
    assert scores.dtype == np.float64 and ids.dtype == np.int64


def test_scores_are_exact(points, queries):
    scores, _ = search(layered(points, [5]), points, queries, 5, 40, 1)
    expected = naive.nearest_distances(points.X, queries, 5, "sqeuclidean")
    np.testing.assert_allclose(scores, expected, 1e-13)


def test_every_query_is_visited_once(points):
    queries, visited = np.tile(points.X, (4, 1)), []

    def use(rows, chunk, scores, ids):
        assert_array_equal(chunk, queries[rows])
        visited.extend(rows)

    visit(layered(points, [5]), points, queries, 1, 1, 2, use)
    assert_array_equal(np.sort(visited), np.arange(160))


def test_counting_adds_up_the_work_of_searches(points, queries):
    layers = layered(points, [])
    with counters.counting() as tally:
        search(layers, points, queries, 5, 40, 1)
        once = tally.copy()
        search(layers, points, queries, 5, 40, 1)
    assert_array_equal(once, [11 * 40, 11 * 40])  # every node, expanded and scored
    assert_array_equal(tally, 2 * once)


def test_nothing_is_counted_afterwards(points, queries):
    with counters.counting() as tally:
        pass
    search(layered(points, []), points, queries, 5, 40, 1)
    assert_array_equal(tally, [0, 0])
