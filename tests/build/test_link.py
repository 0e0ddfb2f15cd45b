"""Edges back, the bound on degrees, and a way to every node."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.build import link
from sklearn_jin.points import raw

seeds = st.integers(0, 10**6)
quick = settings(max_examples=60)


def record(X):
    n, d = X.shape
    rows = np.zeros((n, padded_width(d)), np.float32)
    rows[:, :d] = X
    return raw.Raw(frozen(rows))


def integers(n, seed=0):
    return np.random.default_rng(seed).integers(0, 9, (n, 3))


def random_graph(n, width, seed, density=0.5):
    """Rows of distinct other nodes that end in -1s."""
    rng, graph = np.random.default_rng(seed), np.full((n, width), -1, np.int32)
    for node in range(n):
        degree = rng.binomial(min(width, n - 1), density)
        others = np.delete(np.arange(n), node)
        graph[node, :degree] = rng.choice(others, degree, replace=False)
    return graph


def degrees(graph):
    return (graph >= 0).sum(axis=1)


# reverse


def test_edges_are_turned_round_and_grouped():
    rows = np.array([[5, 2, -1], [2, -1, -1], [-1, -1, -1], [2, 5, 9]], np.int32)
    nodes = np.array([7, 8, 1, 3], np.int32)
    sources, starts, targets = link.reverse(nodes, rows)
    assert_array_equal(sources, [2, 5, 9])
    assert_array_equal(starts, [0, 3, 5, 6])
    assert_array_equal(targets, [7, 8, 3, 7, 3, 3])


@given(seeds)
@quick
def test_turned_edges_are_the_same_edges(seed):
    rows, nodes = random_graph(12, 4, seed), np.arange(12, dtype=np.int32)
    sources, starts, targets = link.reverse(nodes, rows)
    edges = {(i, int(j)) for i in range(12) for j in rows[i] if j >= 0}
    spans = zip(sources, starts[:-1], starts[1:])
    assert {(int(t), int(s)) for s, lo, hi in spans for t in targets[lo:hi]} == edges
    assert len(targets) == len(edges)


def test_no_edges_turned_round_are_none():
    sources, starts, targets = link.reverse(np.arange(3), np.full((3, 2), -1))
    assert len(sources) == len(targets) == 0
    assert_array_equal(starts, [0])


# add_edges


def add(graph, X, sources, targets, width, alpha=1):
    """Graph with the new ``targets``, a list for each of ``sources``."""
    graph, counts = graph.copy(), degrees(graph).astype(np.int32)
    starts = np.cumsum([0, *map(len, targets)])
    link.add_edges(
        record(X), graph, counts, np.array(sources, np.int32), starts,
        np.concatenate(targets).astype(np.int32), width, np.float32(alpha), 0,
        len(sources),
    )  # fmt: skip
    assert_array_equal(counts, degrees(graph))
    return graph


def test_edges_are_added_while_there_is_room():
    graph = np.array([[1, 2, -1, -1], [0, -1, -1, -1], [-1] * 4], np.int32)
    found = add(graph, integers(6), [0, 2], [[4, 5], [3]], 2)
    assert_array_equal(found, [[1, 2, 4, 5], [0, -1, -1, -1], [3, -1, -1, -1]])


@pytest.mark.parametrize("alpha", [1, 1.25])
@pytest.mark.parametrize("n_new", [2, 30])
def test_a_row_that_overflows_is_pruned(alpha, n_new):
    X, graph = integers(40), np.full((40, 4), -1, np.int32)
    graph[0, :3] = [1, 2, 3]
    found = add(graph, X, [0], [np.arange(5, 5 + n_new)], 3, alpha)
    candidates = [1, 2, 3, *range(5, 5 + n_new)]
    expected = naive.prune(X, 0, candidates, 3, alpha)
    assert_array_equal(found[0, : len(expected)], expected)
    assert_array_equal(found[0, len(expected) :], -1)


def test_only_the_sources_asked_for_are_changed():
    graph, counts = np.full((4, 3), -1, np.int32), np.zeros(4, np.int32)
    sources, starts = np.arange(3, dtype=np.int32), np.arange(4)
    link.add_edges(
        record(integers(4)), graph, counts, sources, starts,
        np.full(3, 3, np.int32), 2, np.float32(1), 1, 2,
    )  # fmt: skip
    assert_array_equal(degrees(graph), [0, 1, 0, 0])


# bound_degrees


@given(seeds, st.integers(1, 8))
@quick
def test_degrees_are_bounded_by_pruning(seed, width):
    X, graph = integers(12, seed), random_graph(12, 8, seed)
    nodes = np.random.default_rng(seed).permutation(12)[:7].astype(np.int32)
    rows = np.full((7, width), 7, np.int32)
    link.bound_degrees(record(X), graph, nodes, width, np.float32(1), rows, 0, 7)
    for node, row in zip(nodes, rows):
        edges = graph[node][graph[node] >= 0]
        long = len(edges) > width
        expected = naive.prune(X, node, edges, width, 1) if long else edges
        assert_array_equal(row[row >= 0], expected)
        assert_array_equal(row[len(expected) :], -1)


# merge


@given(seeds, st.integers(1, 6), st.integers(1, 6))
@quick
def test_merged_rows_hold_every_edge_once_the_first_first(seed, width, other_width):
    rows, others = random_graph(9, width, seed), random_graph(9, other_width, seed + 1)
    merged = link.merge(rows, others)
    for row, first, second in zip(merged, rows, others):
        edges = dict.fromkeys([*first[first >= 0], *second[second >= 0]])
        assert_array_equal(row[: len(edges)], [*edges])
        assert_array_equal(row[len(edges) :], -1)


# connect


@given(seeds, st.integers(1, 40), st.integers(1, 5), st.floats(0, 1))
@settings(max_examples=200)
def test_every_node_can_be_reached(seed, n, width, density):
    graph = random_graph(n, width, seed, density)
    entry = seed % n
    assert link.connect(graph, entry) == 0
    assert naive.reachable(graph, entry) == set(range(n))


@given(seeds, st.integers(1, 40), st.integers(1, 5), st.floats(0, 1))
@quick
def test_connecting_takes_no_edge_away_but_for_another(seed, n, width, density):
    graph = random_graph(n, width, seed, density)
    before = graph.copy()
    link.connect(graph, seed % n)
    assert (degrees(graph) >= degrees(before)).all()
    ends = np.arange(width) < degrees(graph)[:, None]
    assert_array_equal(graph >= 0, ends)  # rows still end in -1s
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in graph)
    assert not (graph == np.arange(n)[:, None]).any()


@given(seeds, st.integers(1, 40), st.integers(1, 5))
@quick
def test_what_was_reached_is_still_reached_when_all_rows_are_full(seed, n, width):
    graph = random_graph(n, width, seed, density=1)
    link.connect(graph, 0)
    assert naive.reachable(graph, 0) == set(range(n))


@given(seeds, st.integers(1, 40), st.integers(1, 5))
@quick
def test_a_connected_graph_is_left_alone(seed, n, width):
    graph = random_graph(n, width, seed)
    link.connect(graph, 0)
    before = graph.copy()
    assert link.connect(graph, 0) == 0
    assert_array_equal(graph, before)


def test_an_orphan_is_joined_where_it_leads_to():
    # 0 -> 1 -> 2 -> 3 have room; nothing leads to 4, which leads to 2.
    graph = np.array([[1, -1], [2, -1], [3, -1], [-1, -1], [2, -1]], np.int32)
    link.connect(graph, 0)
    assert_array_equal(graph[2], [3, 4])


def test_a_node_that_leads_nowhere_is_joined_to_any():
    graph = np.full((3, 1), -1, np.int32)
    assert link.connect(graph, 1) == 0
    assert naive.reachable(graph, 1) == {0, 1, 2}
