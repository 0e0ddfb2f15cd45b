"""The graph of near neighbours: as many lists, and candidates, as a recall takes."""

import indexes
import naive
import numpy as np
import pytest
from helpers import record
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._memory import frozen
from sklearn_jin.construction import knn
from sklearn_jin.construction.knn import neighbor_graph, own_neighbors, searches
from sklearn_jin.points import rows
from sklearn_jin.points.rows import RowsL2
from sklearn_jin.search.index import Learned


def drawn(X, k, target, n_threads=1):
    rng = np.random.RandomState(0)
    return neighbor_graph(record(X), X.shape[1], k, target, rng, n_threads)


def test_searches_take_more_lists_and_then_more_candidates():
    tried = list(searches(20, 11, 33, 500))
    n_probes, rooms = [s.effort for s in tried], [s.room for s in tried]
    assert n_probes[0] == knn.FEWEST and rooms[0] == 33
    all_lists = n_probes.index(20)
    assert (np.diff(n_probes[: all_lists + 1]) > 0).all()
    assert set(rooms[: all_lists + 1]) == {33}
    assert set(n_probes[all_lists:]) == {20} and rooms[all_lists:][-1] == 500
    assert (np.diff(rooms[all_lists:]) > 0).all()
    assert [s.adaptive for s in tried] == [p < 20 for p in n_probes]
    assert all(s.k == 11 for s in tried)


@pytest.mark.parametrize("n_lists, k, n", [(1, 1, 1), (1, 2, 2)])
def test_searches_of_few_rows_are_few(n_lists, k, n):
    tried = list(searches(n_lists, k, n, n))
    assert [(s.effort, s.room) for s in tried] == [(n_lists, n)]


def test_own_neighbors_are_the_nearest_others():
    X = indexes.rows(90, 4)
    scores, ids = own_neighbors(record(X), 5, 1.0, np.random.RandomState(0), 2)
    exact = naive.nearest_distances(X, X, 6, "sqeuclidean")[:, 1:]
    found = np.take_along_axis(naive.distances(X, X, "sqeuclidean"), ids, 1)
    assert not (ids == np.arange(90)[:, None]).any()
    assert_allclose(scores, found, rtol=1e-4)
    assert np.mean(scores <= exact[:, -1:] * (1 + 1e-5)) > 0.99


def test_own_neighbors_of_bytes_are_found_a_part_at_a_time(monkeypatch):
    X = np.random.default_rng(0).integers(0, 256, (90, 4)).astype(np.uint8)
    monkeypatch.setattr(rows, "QUERY_BYTES", 40 * 4 * 4)
    found = own_neighbors(RowsL2(frozen(X)), 5, 1.0, np.random.RandomState(0), 1)
    whole = own_neighbors(record(X), 5, 1.0, np.random.RandomState(0), 1)
    for a, b in zip(found, whole):
        assert_array_equal(a, b)


@pytest.mark.jit
@pytest.mark.parametrize("target", [0.6, 0.9])
def test_the_fewest_lists_that_are_enough_are_taken(target, monkeypatch):
    X, k = indexes.rows(3000, 64), 10
    _, search, recall = drawn(X, k, target)
    assert target <= recall < 1 and search.k == k
    some = searches(55, k + 1, search.room, 3000)
    tried = [s for s in some if s.effort < search.effort]
    assert tried
    for fewer in tried:
        monkeypatch.setattr(knn, "searches", lambda *_, fewer=fewer: iter([fewer]))
        assert drawn(X, k, target)[2] < target + 0.02  # whose lower bound is below it


def test_candidates_are_added_where_all_lists_do_not_reach_the_recall(monkeypatch):
    monkeypatch.setattr(knn, "learn_rerank", lambda *_: (Learned(1), 1))
    monkeypatch.setattr(knn, "LEAST_ROOM", 1)
    X = indexes.rows(400, 20)
    _, search, recall = drawn(X, 5, 1.0)
    assert recall == 1 and search.room > 6 and search.effort == 20


def test_copies_count_as_found():
    X = np.repeat(indexes.rows(8, 3), 12, axis=0)
    assert drawn(X, 5, 0.95)[2] == 1
