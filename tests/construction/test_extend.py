"""Rows that come and go in a graph: what it holds and leads to afterwards."""

import naive
import numpy as np
import pytest
from helpers import padded, record
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen
from sklearn_jin.construction import extend as module
from sklearn_jin.construction import hnsw
from sklearn_jin.construction.grow import draw_order, grow
from sklearn_jin.metrics import METRICS
from sklearn_jin.search.answer import answer
from sklearn_jin.search.index import Index, Search
from sklearn_jin.search.layers import entry_of, with_landmarks


def rows(n, n_kinds=None, seed=0):
    """Normal rows, of which ``n_kinds`` differ."""
    X = np.random.default_rng(seed).standard_normal((n_kinds or n, 3))
    some = np.arange(n) if n_kinds is None else np.arange(n) * 7 % n_kinds
    return X[some].astype(np.float32)


def grown(X):
    rng, points = np.random.default_rng(0), record(X)
    plan = hnsw.plan(len(X), M=3, ef_construction=20, alpha=1.0)
    layers, missing = grow(points, draw_order(points, plan, rng), plan, rng, 1)
    assert missing == 0
    return points, layers, plan


def reached(layers):
    """Nodes that walks come to from the entry, copies of them included."""
    seen, queue = {int(entry_of(layers))}, [int(entry_of(layers))]
    firsts = layers.copies.firsts
    if len(firsts):
        seen = {int(firsts[node]) for node in seen}
        queue = [*seen]
    for node in queue:
        for other in layers.neighbors[node].tolist():
            if other >= 0 and other not in seen:
                seen.add(other)
                queue.append(other)
    if len(firsts):
        return {i for i in range(len(firsts)) if int(firsts[i]) in seen}
    return seen


def assert_leads_to_all(layers, X, missing):
    """That the graph is one of these rows, by which each query finds its nearest."""
    assert missing == 0 and len(layers.neighbors) == len(X)
    assert reached(layers) == {*range(len(X))}
    same = (X[:, None] == X).all(axis=2)
    if len(layers.copies.firsts):
        assert_array_equal(layers.copies.firsts, same.argmax(axis=1))
        follow = [
            min((j for j in np.flatnonzero(row) if j > i), default=-1)
            for i, row in enumerate(same)
        ]
        assert_array_equal(layers.copies.following, follow)
    else:
        assert same.sum() == len(X)
    for node, row in enumerate(layers.neighbors.tolist()):
        row = [i for i in row if i >= 0]
        assert node not in row and len({*row}) == len(row)
    points = record(X)
    metric = METRICS["euclidean"]()
    layers = with_landmarks(layers, points)
    index = Index(metric, points, None, layers)
    Q = rows(20, seed=5)
    _, ids = answer(index, frozen(padded(Q)), Search(5, 5, len(X) // 2))
    found = np.take_along_axis(naive.distances(X, Q), ids, axis=1)
    true = np.sort(naive.distances(X, Q), axis=1)[:, :5]
    assert (np.abs(found - true) < 1e-5).mean() > 0.95


@pytest.mark.parametrize("n_kinds", [None, 50])
def test_rows_are_inserted(n_kinds):
    X = rows(110, n_kinds)
    _, layers, plan = grown(X[:80])
    longer, missing = module.extend(record(X), layers, plan, 1)
    assert longer.upper is layers.upper and longer.members is layers.members
    assert longer.neighbors.shape[1] == layers.neighbors.shape[1]
    assert_leads_to_all(longer, X, missing)


def test_copies_alone_change_no_edges():
    X = rows(60)
    _, layers, plan = grown(X)
    more = np.vstack([X, X[:9]])
    longer, missing = module.extend(record(more), layers, plan, 1)
    assert_array_equal(longer.neighbors[:60], layers.neighbors)
    assert (longer.neighbors[60:] == -1).all()
    assert_leads_to_all(longer, more, missing)


def test_rows_far_from_all_others_lead_to_each_other():
    X = np.vstack([rows(80), 100 + rows(20, seed=3)])
    _, layers, plan = grown(X[:80])
    longer, missing = module.extend(record(X), layers, plan, 1)
    assert_leads_to_all(longer, X, missing)
    n_edges = (longer.neighbors[80:] >= 80).sum(axis=1)
    assert n_edges.min() >= 1 and n_edges.mean() > 2


@pytest.mark.parametrize("n_kinds", [None, 50])
@pytest.mark.parametrize("share", [0.9, 0.5])
def test_rows_are_taken_out(n_kinds, share):
    X = rows(120, n_kinds)
    points, layers, plan = grown(X)
    live = np.random.default_rng(1).random(120) < share
    live[layers.members[:2]] = False  # the entry, too
    less, missing = module.shrink(points, layers, live, plan, 1)
    n = np.count_nonzero(live)
    assert len(less.members) == len(layers.members)
    assert less.members.min() >= 0 and less.members.max() < n
    assert_leads_to_all(less, X[live], missing)


def test_a_near_row_stands_in_for_a_member_that_went():
    neighbors = np.array([[1, 2], [3, -1], [-1, -1], [4, 0], [5, -1], [0, 1]], np.int32)
    members, live = np.array([0, 2, 4], np.int32), np.zeros(6, bool)
    live[4] = True
    assert_array_equal(module._stand_ins(members, neighbors, live), [4, 4, 4])
    live[5] = True
    assert_array_equal(module._stand_ins(members, neighbors, live), [4, 5, 4])
    live[:] = [False, True, False, False, False, False]
    assert_array_equal(module._stand_ins(members, neighbors, live), [1, 1, 1])
    assert_array_equal(members, [0, 2, 4])
