"""Exact scores choose among proposals, in the order of (score, id)."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.points import raw
from sklearn_jin.search import rerank


def rows(X):
    """Rows as kernels take them."""
    n, d = np.shape(X)
    padded = np.zeros((n, padded_width(d)), np.float32)
    padded[:, :d] = X
    return frozen(padded)


def refine(X, Q, proposed, k):
    scores, ids = np.empty((len(Q), k)), np.empty((len(Q), k), np.int64)
    proposed = np.asarray(proposed, np.int32)
    rerank.refine(raw.Raw(rows(X)), rows(Q), proposed, scores, ids)
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
