"""Pruned neighbours are near and diverse, in every graph alike."""

import naive
import numpy as np
import pytest
from helpers import record
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin.construction import prune as module
from sklearn_jin.search.beam import places

seeds = st.integers(0, 10**6)
alphas = st.sampled_from([1.0, 1.25, 2.0, 1e30])  # exact in float32
quick = settings(max_examples=50)


def integers(n, seed=0, high=9):
    return np.random.default_rng(seed).integers(0, high, (n, 3))


def ranked(X, node, candidates):
    """Ids and scores of ``candidates``, nearest to ``node`` first."""
    n = len(candidates)
    ids, scores = np.empty(n, np.int32), np.empty(n, np.float32)
    keys = np.empty(places(n), np.uint64)
    candidates = np.asarray(candidates, np.int32)
    module.rank_candidates(record(X), node, candidates, n, keys, ids, scores)
    return ids, scores


def prune(X, node, candidates, width, alpha):
    """Row that is left of ``candidates``."""
    row = np.full(width, 7, np.int32)
    ids, scores = ranked(X, node, candidates)
    kept = module.prune(record(X), ids, scores, len(ids), width, np.float32(alpha), row)
    assert_array_equal(row[kept:], -1)
    return row[:kept]


@given(seeds, alphas, st.integers(1, 30))
@quick
def test_prune_keeps_what_the_definition_keeps(seed, alpha, width):
    X, candidates = integers(30, seed), np.arange(1, 30)
    expected = naive.prune(X, 0, candidates, width, alpha)
    assert_array_equal(prune(X, 0, candidates, width, alpha), expected)


@given(seeds, alphas)
@quick
def test_no_kept_neighbour_is_nearer_to_another_than_to_the_node(seed, alpha):
    X = integers(30, seed)
    kept = prune(X, 0, np.arange(1, 30), 30, alpha)
    for near, far in zip(*np.triu_indices(len(kept), 1)):
        gap = ((X[kept[near]] - X[kept[far]]) ** 2).sum()
        assert alpha * gap >= ((X[0] - X[kept[far]]) ** 2).sum()


@given(seeds, alphas)
@quick
def test_whoever_is_dropped_is_nearer_to_a_kept_neighbour(seed, alpha):
    X = integers(30, seed)
    kept = prune(X, 0, np.arange(1, 30), 30, alpha)
    for i in set(range(1, 30)) - set(kept):
        gaps = ((X[kept] - X[i]) ** 2).sum(axis=1)
        assert (alpha * gaps < ((X[0] - X[i]) ** 2).sum()).any()


@given(seeds, alphas)
@quick
def test_the_nearest_candidate_is_kept_first(seed, alpha):
    X, candidates = integers(30, seed), np.arange(1, 30)
    assert prune(X, 0, candidates, 5, alpha)[0] == ranked(X, 0, candidates)[0][0]


@given(seeds, alphas, st.integers(1, 29))
@quick
def test_a_narrower_row_is_the_beginning_of_a_wider_one(seed, alpha, width):
    X, candidates = integers(30, seed), np.arange(1, 30)
    wide = prune(X, 0, candidates, 30, alpha)
    assert_array_equal(prune(X, 0, candidates, width, alpha), wide[:width])


def test_a_huge_alpha_keeps_the_nearest_of_distinct_points():
    X = np.arange(12)[:, None] ** 2
    assert_array_equal(prune(X, 0, np.arange(1, 12), 5, 1e30), [1, 2, 3, 4, 5])


def test_an_alpha_of_one_keeps_one_of_a_line():
    X = np.arange(12)[:, None]
    assert_array_equal(prune(X, 0, np.arange(1, 12), 5, 1), [1])
    assert_array_equal(prune(X, 6, np.delete(np.arange(12), 6), 5, 1), [5, 7])


def test_copies_of_the_node_are_kept():
    # None is nearer to another than to the node, for all are in one place.
    assert_array_equal(
        prune(np.ones((9, 2)), 0, np.arange(1, 9), 5, 1), [1, 2, 3, 4, 5]
    )


def test_of_copies_of_another_row_one_is_kept():
    # Two candidates in one place: the second is nearer to the first.
    assert_array_equal(prune(np.array([[0], [2], [2], [2]]), 0, [1, 2, 3], 3, 1), [1])


def test_no_candidates_leave_an_empty_row():
    assert len(prune(integers(3), 0, [], 4, 1)) == 0


@pytest.mark.parametrize("n", [1, 3, 8, 63, 64, 65, 200])
def test_candidates_are_ranked_by_score_and_id(n):
    X = integers(n + 1, high=4)
    ids, scores = ranked(X, 0, np.random.default_rng(0).permutation(n) + 1)
    gaps = ((X[1:] - X[0]) ** 2).sum(axis=1)
    assert_array_equal(ids, np.argsort(gaps, kind="stable") + 1)
    assert_array_equal(scores, np.sort(gaps))


def test_rows_are_pruned_without_themselves_and_without_gaps():
    X, nodes = integers(20), np.array([3, 11], np.int32)
    ids = np.full((2, 9), -1, np.int32)
    ids[0, :6], ids[1, :8] = [3, 0, 1, 2, 4, 5], [0, 2, 4, 6, 8, 10, 11, 12]
    ranks = [ranked(X, node, row[row >= 0]) for node, row in zip(nodes, ids)]
    scores = np.full((2, 9), np.inf, np.float32)
    for row, (sorted_ids, sorted_scores) in enumerate(ranks):
        ids[row, : len(sorted_ids)] = sorted_ids
        scores[row, : len(sorted_ids)] = sorted_scores
    rows = np.full((2, 4), 7, np.int32)
    module.prune_rows(record(X), nodes, ids, scores, 4, np.float32(1), rows)
    for node, row, given_ids in zip(nodes, rows, ids):
        others = [i for i in given_ids if i >= 0 and i != node]
        expected = naive.prune(X, node, others, 4, 1)
        assert_array_equal(row[: len(expected)], expected)
        assert_array_equal(row[len(expected) :], -1)
