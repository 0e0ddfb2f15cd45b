"""Exact scores choose among proposals, in the order of (score, id)."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.points.rows import ROWS
from sklearn_jin.search import rerank


def rows(X):
    """Rows as kernels take them."""
    n, d = np.shape(X)
    padded = np.zeros((n, padded_width(d)), np.float32)
    padded[:, :d] = X
    return frozen(padded)


def refine(
    X, Q, proposed, k, estimates=None, overestimate=np.inf, which=None, space="l2"
):
    """Scores and ids of the best of ``proposed``, each row for one of ``which``."""
    # Rows come uninitialised: 0 would end them, were it taken for a score.
    scores, ids = np.zeros((len(Q), k)), np.full((len(Q), k), 7, np.int64)
    proposed = np.asarray(proposed, np.int32)
    which = np.arange(len(proposed)) if which is None else np.asarray(which)
    estimates = np.zeros(proposed.shape) if estimates is None else estimates
    points, estimates = ROWS[space](rows(X)), np.asarray(estimates, np.float32)
    n_exact = rerank.refine(
        points, rows(Q), which, proposed, estimates, overestimate, scores, ids
    )
    assert n_exact <= (proposed >= 0).sum()
    return scores, ids


def data(n, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, (n, 3))


@pytest.mark.parametrize("k", [1, 5, 30])
def test_of_all_points_the_nearest_are_kept(k):
    X, Q = data(30), data(4, seed=1)
    anyhow = np.random.default_rng(2).permuted(np.tile(np.arange(30), (4, 1)), axis=1)
    scores, ids = refine(X, Q, anyhow, k)
    assert_array_equal(ids, naive.nearest(X, Q, k))
    assert_array_equal(scores, naive.nearest_distances(X, Q, k, "sqeuclidean"))


def test_only_proposals_are_kept():
    X = np.arange(6)[:, None]
    assert_array_equal(refine(X, [[0]], [[5, 3, 4]], 2)[1], [[3, 4]])


def test_places_without_a_proposal_end_the_row():
    scores, ids = refine(np.arange(4)[:, None], [[0]], [[-1, 3, -1, 1]], 3)
    assert_array_equal(ids, [[1, 3, -1]])
    assert_array_equal(scores, [[1, 9, np.inf]])


def test_scores_that_float32_cannot_tell_apart_are_ordered_by_float64():
    # squares of neighbours in float32 near 2**20: their float32 sums are equal
    X = np.array([[2.0**20, 1.5], [2.0**20, 1.25]])
    assert_array_equal(refine(X, [[0, 0]], [[0, 1]], 2)[1], [[1, 0]])


def test_a_row_of_nan_is_kept_last():
    X = np.array([[np.nan], [2.0], [np.nan], [1.0]])
    assert_array_equal(refine(X, [[0]], [[0, 1, 2, 3]], 4)[1], [[3, 1, 0, 2]])


def test_rows_are_those_of_their_queries():
    X, Q = data(30), data(5, seed=1)
    anyhow = np.random.default_rng(2).permuted(np.tile(np.arange(30), (5, 1)), axis=1)
    order = np.array([3, 0, 4, 2, 1])
    scores, ids = refine(X, Q, anyhow, 4, which=order)
    assert_array_equal(ids, naive.nearest(X, Q, 4))
    assert_array_equal(scores, naive.nearest_distances(X, Q, 4, "sqeuclidean"))


def test_rows_of_other_queries_are_left_alone():
    scores, ids = refine(data(9), data(5, seed=1), [[0, 1], [2, -1]], 2, which=[4, 1])
    assert_array_equal(ids[[0, 2, 3]], 7)
    assert_array_equal(scores[[0, 2, 3]], 0)
    assert {*ids[4]} == {0, 1} and ids[1].tolist() == [2, -1]


def test_no_proposals_are_no_answer():
    for proposed in (np.empty((3, 0)), np.full((3, 4), -1)):
        scores, ids = refine(data(4), data(3), proposed, 2)
        assert_array_equal(ids, np.full((3, 2), -1))
        assert_array_equal(scores, np.full((3, 2), np.inf))


# What is estimated above the end, the overestimate times the k-th score, is not scored:
# here it would be the nearest.

LINE = np.array([[6], [5], [4], [3], [2], [1]])  # scores 36, 25, 16, ... from 0


@pytest.mark.parametrize(
    "overestimate, kept",
    [
        (0.9, [1, 0]),  # 36 is the second score: above 32.4 the third ends it
        (1, [2, 1]),  # 33 is not above 36, but 34 above 25
        (1.4, [3, 2]),
        (2.1, [3, 2]),
        (2.2, [4, 3]),
        (3.8, [4, 3]),
        (3.9, [5, 4]),
        (np.inf, [5, 4]),
    ],
)
def test_proposals_above_the_end_are_never_scored(overestimate, kept):
    # The estimates ascend, unlike the scores.
    estimates = [[31, 32, 33, 34, 35, 35]]
    ids = refine(LINE, [[0]], [np.arange(6)], 2, estimates, overestimate)[1]
    assert_array_equal(ids, [kept])


def test_a_proposal_at_the_end_is_scored():
    for estimate, kept in ((50, 2), (np.nextafter(np.float32(50), 99), 1)):
        estimates = [[1, 1, estimate]]
        ids = refine(LINE, [[0]], [[0, 1, 2]], 1, estimates, 2)[1]
        assert ids == kept


def test_nothing_ends_a_row_that_is_short():
    ids = refine(LINE, [[0]], [[-1, 0, -1, 1, 2]], 3, [[99] * 5], 0)[1]
    assert_array_equal(ids, [[2, 1, 0]])


def test_the_end_is_that_of_each_query():
    # For the second query, at 6, the first proposal is the nearest.
    estimates = [[1, 2, 3], [1, 2, 3]]
    proposed = [[0, 1, 5], [0, 1, 5]]
    ids = refine(LINE, [[0], [6.5]], proposed, 1, estimates, 0.15)[1]
    assert_array_equal(ids, [[5], [0]])


def test_a_score_of_0_ends_what_is_estimated_above_it():
    estimates = [[0, 0, 0.1, 0.1]]
    ids = refine(LINE * 0, [[0]], [[3, 2, 1, 0]], 1, estimates, 1000)[1]
    assert ids == 2


@pytest.mark.parametrize("n", [3, 20])
def test_an_infinite_overestimate_ends_nothing(n):
    X = np.linspace(0, 1, n)[:, None]
    estimates = np.geomspace(1, 3e38, n)[None]
    for space, query in (("l2", 1.0), ("ip", 1.0), ("ip", 0.0), ("ip", -1.0)):
        metric = {"l2": "sqeuclidean", "ip": "inner_product"}[space]
        found = refine(X, [[query]], [np.arange(n)], 2, estimates, np.inf, space=space)
        assert_array_equal(found[1], naive.nearest(X, [[query]], 2, metric))


def test_negative_scores_end_by_a_finite_overestimate_only():
    # Minus the inner product: -0.1, -0.2, ...; each is nearer than the last.
    X, estimates = np.linspace(0.1, 0.9, 9)[:, None], [np.linspace(1, 2, 9)]
    ended, whole = (
        refine(X, [[1]], [np.arange(9)], 2, estimates, overestimate, space="ip")[1]
        for overestimate in (5, np.inf)
    )
    assert_array_equal(ended, [[1, 0]])
    assert_array_equal(whole, [[8, 7]])


def naive_refine(gaps, proposed, estimates, k, overestimate):
    """The nearest of those proposed before the overestimate ends it."""
    kept = []
    for i, estimate in zip(proposed, estimates):
        if len(kept) == k and estimate > overestimate * gaps[kept[-1]]:
            break
        if i >= 0:
            kept = sorted([*kept, i], key=lambda i: (gaps[i], i))[:k]
    return kept + [-1] * (k - len(kept))


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.3, 1, 1.7, np.inf]))
@settings(max_examples=60)
def test_rows_are_refined_by_the_definition(seed, k, overestimate):
    rng = np.random.default_rng(seed)
    X, Q, which = data(20, seed), data(6, seed + 1), rng.permutation(6)[:4]
    proposed = rng.permuted(np.tile(np.arange(20), (4, 1)), axis=1)[:, :12]
    gaps = naive.distances(X, Q[which], "sqeuclidean")
    estimates = np.take_along_axis(gaps, proposed, axis=1) * rng.uniform(
        0.5, 2, (4, 12)
    )
    estimates = np.sort(estimates.astype(np.float32), axis=1)
    proposed[rng.random((4, 12)) < 0.2] = -1
    ids = refine(X, Q, proposed, k, estimates, overestimate, which)[1][which]
    wanted = [
        naive_refine(*row, k, overestimate) for row in zip(gaps, proposed, estimates)
    ]
    assert_array_equal(ids, wanted)


# Estimates


@pytest.mark.parametrize("space", ["l2", "ip", "l1"])
def test_estimates_are_scores_of_the_points_named(space):
    X, Q = data(20) / 20, data(5, seed=1) / 20
    ids = np.random.default_rng(0).integers(0, 20, (5, 7))
    scores = np.full((5, 7), 7, np.float32)
    rerank.estimate(ROWS[space](rows(X)), rows(Q), ids, scores)
    metric = {"l2": "sqeuclidean", "ip": "inner_product", "l1": "manhattan"}[space]
    wanted = np.take_along_axis(naive.distances(X, Q, metric), ids, axis=1)
    np.testing.assert_allclose(scores, wanted + (space == "ip"), rtol=1e-5, atol=1e-6)


# Rows of the best


@given(
    st.lists(st.floats(-5, 5) | st.just(math.nan) | st.just(math.inf), max_size=12),
    st.integers(1, 6),
)
@settings(max_examples=100)
def test_keep_sorts_by_score_and_id_with_nan_last(offered, k):
    scores, ids, filled = np.empty((1, k)), np.empty((1, k), np.int64), np.int64(0)
    for i in np.random.default_rng(0).permutation(len(offered)):
        filled = rerank.keep(scores, ids, 0, filled, offered[i], i)
    numbers = [i for i, score in enumerate(offered) if not math.isnan(score)]
    best = sorted(numbers, key=lambda i: (offered[i], i))[:k]
    assert filled == min(k, len(offered))
    assert_array_equal(ids[0, : len(best)], best)
    assert np.isnan(scores[0, len(best) : filled]).all()


# Copies


CHAIN = np.array([2, -1, 4, 5, -1, -1], np.int32)  # 0, 2, 4 and 3, 5 are at one place


def listed(ids, allowed=()):
    """What :func:`list_copies` makes of a row of ``ids`` with scores 0, 1, 2 ..."""
    scores, ids = np.arange(float(len(ids)))[None], np.array([ids])
    rerank.list_copies(scores, ids, frozen(CHAIN), frozen(np.array(allowed, bool)))
    return [*zip(ids[0].tolist(), scores[0].tolist())]


NOTHING = (-1, np.inf)


def test_copies_stand_behind_their_first_row():
    assert listed([1, 0, 3, -1, -1]) == [(1, 0), (0, 1), (2, 1), (4, 1), (3, 2)]
    assert listed([0, 3]) == [(0, 0), (2, 0)]
    found = listed([3, 1, -1, -1])
    assert found == [(3, 0), (5, 0), (1, 1), NOTHING]


def test_copies_that_are_not_allowed_are_left_out():
    found = listed([1, 0, 3, -1, -1], [0, 1, 0, 1, 1, 0])
    assert found == [(1, 0), (4, 1), (3, 2), NOTHING, NOTHING]
    assert listed([0, 3], [0] * 6) == [NOTHING, NOTHING]


@given(st.integers(0, 10**6))
def test_the_best_of_two_answers_are_merged(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    scores = rng.integers(0, 4, (3, n + m)).astype(float)
    ids = rng.permuted(np.tile(np.arange(n + m), (3, 1)), axis=1)
    for part in (slice(n), slice(n, None)):
        order = np.lexsort((ids[:, part], scores[:, part]))
        for array in (scores, ids):
            array[:, part] = np.take_along_axis(array[:, part], order, axis=1)
    k = rng.integers(1, n + m + 1)
    found = np.empty((3, k)), np.full((3, k), -7)
    rerank.merge(scores[:, :n], ids[:, :n], scores[:, n:], ids[:, n:], *found)
    order = np.lexsort((ids, scores))[:, :k]
    assert_array_equal(found[0], np.take_along_axis(scores, order, axis=1))
    assert_array_equal(found[1], np.take_along_axis(ids, order, axis=1))
