"""Near rows of all rows: near, exact in their order, the same for any threads."""

import naive
import numpy as np
import pytest
from helpers import record
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin.construction import lists as module
from sklearn_jin.construction.lists import N_PROBES, look_up, near_rows


def normal(n, d=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def listed(X, k, nodes=None, n_threads=1, seed=0):
    """Scores and ids (n, k) of the near rows of ``nodes``; all rows by cell."""
    near = look_up(record(X), k, np.random.RandomState(seed), n_threads)
    nodes = near.by_cell if nodes is None else nodes
    scores, ids = np.full((len(nodes), k), 7.0), np.full((len(nodes), k), 7)
    seen = []

    def use(part, some_scores, some_ids):
        scores[part], ids[part] = some_scores, some_ids
        seen.append(part)

    near_rows(near, nodes, use)
    assert_array_equal(np.sort(np.concatenate(seen)), np.arange(len(nodes)))
    return nodes, scores, ids


def recall(X, k):
    nodes, _, ids = listed(X, k)
    nearest = naive.nearest(X, X[nodes], k)
    return np.mean([len({*a} & {*b}) for a, b in zip(ids, nearest)]) / k


@pytest.mark.parametrize("n", [1, 2, 3, 50, N_PROBES**2])
def test_rows_that_are_in_few_lists_are_told_of_the_nearest(n):
    X, k = normal(n), min(10, n)
    nodes, _, ids = listed(X, k)
    assert_array_equal(np.sort(nodes), np.arange(n))
    assert_array_equal(ids[:, 0], nodes)
    assert recall(X, k) > 0.96  # for bytes are off by little


@pytest.mark.jit
@pytest.mark.parametrize("d, least", [(4, 0.95), (20, 0.95), (80, 0.7)])
@pytest.mark.parametrize("offset", [0, 1e3])
def test_most_near_rows_are_told_of(d, least, offset):
    centers = 3 * normal(100, d, 1)
    X = centers[np.random.default_rng(2).integers(0, 100, 4000)] + normal(4000, d)
    assert recall((X + offset).astype(np.float32), 10) > least


def test_fewer_lists_tell_of_fewer_rows(monkeypatch):
    X = normal(600, 8)
    monkeypatch.setattr(module, "N_PROBES", 1)
    few = recall(X, 10)
    monkeypatch.setattr(module, "N_PROBES", 12)
    assert few < recall(X, 10) - 0.1


def test_scores_are_exact_and_ascend(monkeypatch):
    monkeypatch.setattr(module, "N_PROBES", 2)
    X = normal(300)
    nodes, scores, ids = listed(X, 8, np.arange(0, 300, 3))
    assert len(nodes) == 100
    for node, row, near in zip(nodes, scores, ids):
        n = np.count_nonzero(near >= 0)
        assert (near[n:] == -1).all() and len({*near[:n]}) == n
        gaps = np.square(X[near[:n]].astype(float) - X[node]).sum(axis=1)
        assert_allclose(row[:n], gaps, rtol=1e-5)
        assert (np.diff(row[:n]) >= 0).all()


def test_rows_by_cell_lie_side_by_side():
    X = normal(800, 3)
    near = look_up(record(X), 5, np.random.RandomState(0), 1)
    gaps = np.linalg.norm(np.diff(X[near.by_cell], axis=0), axis=1).mean()
    assert gaps < 0.6 * np.linalg.norm(np.diff(X, axis=0), axis=1).mean()


@pytest.mark.jit
def test_threads_change_nothing_and_chance_does():
    X = normal(3000, 20)
    one, two, other = (listed(X, 9, None, *way) for way in ((1,), (2,), (1, 1)))
    for some, wanted in zip(two, one):
        assert_array_equal(some, wanted)
    assert (one[0] != other[0]).any()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_rows_of_missing_numbers_are_listed_like_any():
    X = normal(200)
    X[::6] = np.nan
    nodes, _, ids = listed(X, 5)
    assert_array_equal(np.sort(nodes), np.arange(200))
    assert (ids < 200).all() and (ids >= -1).all()
