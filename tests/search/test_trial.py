"""What fit learns of its own quality, against its definitions."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.points import subset
from sklearn_jin.points.rows import RowsL2
from sklearn_jin.search.layers import Layers
from sklearn_jin.search.trial import (
    LEAST_SPREAD,
    SPREAD_RANKS,
    SURE,
    Trial,
    hold,
    overestimate,
    ranks,
    recall,
    share_found,
    spread,
)


def record(X):
    n, d = X.shape
    rows = np.zeros((n, padded_width(d)), np.float32)
    rows[:, :d] = X
    return RowsL2(frozen(rows))


def trial_of(scores, ids=None):
    scores = np.asarray(scores, float)
    ids = np.arange(scores.size).reshape(scores.shape) if ids is None else ids
    return Trial(None, scores, np.asarray(ids, np.int64))


def test_a_trial_holds_the_exact_neighbours():
    points = record(indexes.rows(60, 4))
    queries = record(indexes.rows(15, 4, seed=1)).X
    trial = hold(points, queries, 7, 2)
    assert trial.queries is queries
    assert_array_equal(trial.ids, naive.nearest(points.X, queries, 7))
    exact = naive.nearest_distances(points.X, queries, 7, "sqeuclidean")
    assert_allclose(trial.scores, exact, 1e-13)
    assert hold(points, queries, 99, 1).ids.shape == (15, 60)


def test_recall_counts_what_is_as_near_and_leaves_out_the_query_itself():
    trial = trial_of([[0, 1, 2], [0, 4, 4]])
    assert recall(trial, np.float32([[0, 1, 2], [0, 4, 4]])) == 1
    assert recall(trial, np.float32([[9, 1, 2], [9, 4, 4]])) == 1
    assert recall(trial, np.float32([[0, 2, 3], [0, 4, np.inf]])) == 0.5
    assert recall(trial_of([[0, 0, 0]]), np.zeros((1, 3), np.float32)) == 1
    assert recall(trial, np.float32([[0, 1, 2 + 1e-6], [0, 4, 4.1]])) == 0.75


def test_a_share_is_that_of_the_neighbours_among_the_candidates():
    trial = trial_of(np.zeros((2, 3)), [[5, 6, 7], [1, 2, 3]])
    proposed = np.array([[7, 5, 0, -1], [3, 2, 1, -1]])
    assert share_found(trial, proposed) == 5 / 6
    assert share_found(trial, proposed, 1) == 0.75
    assert share_found(trial, proposed, 3) == 1  # of nothing


def test_an_overestimate_is_a_quantile_of_estimates_by_exact_scores():
    rng = np.random.default_rng(0)
    ids = np.array([rng.permutation(90)[:30] for _ in range(40)])
    exact = np.sort(rng.random((40, 20)), axis=1) + 0.1
    trial = trial_of(exact, ids[:, :20])
    ratios = rng.lognormal(size=(40, 30))
    estimates = np.full((40, 30), 1e9)  # of those that are no neighbours
    estimates[:, :20] = ratios[:, :20] * exact
    order = rng.permuted(np.tile(np.arange(30), (40, 1)), axis=1)
    given = np.take_along_axis(estimates, order, 1), np.take_along_axis(ids, order, 1)
    wanted = np.quantile(ratios[:, :20], SURE)
    assert_allclose(overestimate(trial, *given), wanted, rtol=1e-6)
    wanted = np.quantile(ratios[:, 5:20], SURE)
    assert_allclose(overestimate(trial, *given, 5), wanted, rtol=1e-6)


def test_an_overestimate_leaves_out_what_is_at_the_query():
    trial = trial_of([[0, 2.0], [0, 0]], [[3, 4], [5, 6]])
    ids, estimates = np.array([[3, 4], [5, 6]]), np.array([[1.0, 3], [1, 1]])
    assert overestimate(trial, estimates, ids) == 1.5
    assert overestimate(trial_of([[0, 0]], [[3, 4]]), estimates, ids) == np.inf
    assert overestimate(trial, estimates, np.full((2, 2), 9)) == np.inf


def test_ranks_are_places_in_the_order_of_estimates_and_ids():
    estimates = np.array([[3, 1, 2, 0.5], [1, 1, 1, 1]], np.float32)
    ids = np.array([[4, 5, 6, 7], [9, 8, 2, 1]])
    assert_array_equal(ranks(estimates, ids, 3), [[4, 2, 3], [4, 3, 2]])
    assert ranks(estimates, ids, 0).shape == (2, 0)


# How scores grow with rank


def complete(points):
    """Layers without upper ones, in which every node leads to all others."""
    n = len(points.X)
    rows = np.tile(np.arange(n, dtype=np.int32), (n, 1))
    rows = rows[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    members = np.zeros(1, np.int32)
    nothing = frozen(np.empty((0, 1), np.int32)), np.zeros(1, np.int64)
    return Layers(frozen(rows), *nothing, members, subset(points, members))


def spread_of(X, n_queries, n_threads=1):
    points = record(X)
    return spread(complete(points), points, points.X[:n_queries], n_threads)


def test_a_spread_is_the_mean_of_the_logarithms_of_scores():
    X = indexes.rows(60, 3)
    scores = np.log(naive.nearest_distances(X, X[:25], 60, "sqeuclidean")[:, 1:])
    assert_allclose(spread_of(X, 25), scores.mean(axis=0), rtol=1e-4, atol=1e-5)
    assert_array_equal(spread_of(X, 25, 3), spread_of(X, 25))


@pytest.mark.jit
@pytest.mark.parametrize("d", [1, 4])
def test_scores_grow_with_rank_by_the_dimension(d):
    # On the sides of the data neighbours are missing: ask for those in the middle.
    X = np.random.default_rng(0).uniform(-1, 1, (1500, d))
    X = X[np.argsort(np.abs(X).max(axis=1))]
    found = spread_of(X, 1500 // 3**d + 10)
    assert len(found) == SPREAD_RANKS - 1
    ranks = np.log(np.arange(1, len(found) + 1)[5:64])
    assert_allclose(np.polyfit(ranks, found[5:64], 1)[0], 2 / d, rtol=0.1)


def test_too_few_points_tell_nothing():
    X = indexes.rows(50, 3)
    n_queries = LEAST_SPREAD // 50
    assert len(spread_of(X, n_queries)) == 49
    assert len(spread_of(X, n_queries - 1)) == 0


def test_copies_tell_nothing():
    X = indexes.rows(50, 3)
    assert len(spread_of(np.repeat(X[:25], 2, axis=0), 50)) == 0
    assert len(spread_of(np.ones((50, 3)), 50)) == 0


def test_queries_with_copies_are_left_out():
    X = indexes.rows(60, 3)
    copies = X.copy()
    copies[59] = X[0]  # of the first query, so that one is left out
    scores = np.log(naive.nearest_distances(copies, X[1:30], 60, "sqeuclidean")[:, 1:])
    assert_allclose(spread_of(copies, 30), scores.mean(axis=0), rtol=1e-4, atol=1e-5)
