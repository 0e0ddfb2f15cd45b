"""Edges back, the bound on degrees, and a way to every node."""

import naive
import numpy as np
import pytest
from helpers import record
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin.construction import link

seeds = st.integers(0, 10**6)
quick = settings(max_examples=60)


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


# grouped and edges


def naive_grouped(keys, values, n):
    """Values and where they start, by definition."""
    groups = [[v for k, v in zip(keys, values) if k == key] for key in range(n)]
    return [v for group in groups for v in group], np.cumsum([0, *map(len, groups)])


pairs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2**31 - 1)), max_size=60)


@given(pairs, st.sampled_from([np.int32, np.int64]))
@quick
def test_values_are_grouped_by_key_in_their_order(pairs, dtype):
    keys, values = np.array(pairs, np.int64).reshape(-1, 2).T
    groups, starts = link.grouped(keys.astype(dtype), values.astype(np.int32), 9)
    wanted, wanted_starts = naive_grouped(keys.tolist(), values.tolist(), 9)
    assert_array_equal(groups, wanted)
    assert_array_equal(starts, wanted_starts)
    assert groups.dtype == np.int32


@pytest.mark.parametrize("n", [1, 5])
def test_no_values_are_grouped_into_nothing(n):
    groups, starts = link.grouped(np.empty(0, np.int32), np.empty(0, np.int32), n)
    assert len(groups) == 0
    assert_array_equal(starts, np.zeros(n + 1))


def test_edges_are_grouped_by_their_source():
    heads = np.array([5, 2, 2, 2, 5, 9], np.int32)
    tails = np.array([7, 7, 8, 3, 3, 3], np.int32)
    sources, starts, targets = link.edges(heads, tails, 11)
    assert_array_equal(sources, [2, 5, 9])
    assert_array_equal(starts, [0, 3, 5, 6])
    assert_array_equal(targets, [7, 8, 3, 7, 3, 3])
    assert sources.dtype == targets.dtype == np.int32


@given(seeds)
@quick
def test_grouped_edges_are_the_same_edges(seed):
    graph = random_graph(12, 4, seed)
    heads, columns = np.nonzero(graph >= 0)
    tails = graph[heads, columns]
    sources, starts, targets = link.edges(heads, tails, 12)
    assert len(starts) == len(sources) + 1
    spans = zip(sources, starts[:-1], starts[1:])
    found = [(int(s), int(t)) for s, lo, hi in spans for t in targets[lo:hi]]
    assert found == [*zip(heads.tolist(), tails.tolist())]
    assert (np.diff(starts) > 0).all()


def test_no_edges_have_no_sources():
    none = np.empty(0, np.int32)
    sources, starts, targets = link.edges(none, none, 3)
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


def test_an_edge_that_is_there_is_not_added_again():
    graph = np.array([[1, 2, -1, -1], [0, -1, -1, -1], [-1] * 4], np.int32)
    found = add(graph, integers(6), [0, 1], [[2, 4, 1], [0]], 2)
    assert_array_equal(found, [[1, 2, 4, -1], [0, -1, -1, -1], [-1] * 4])


def test_an_edge_that_is_given_twice_is_added_once():
    found = add(np.full((6, 4), -1, np.int32), integers(6), [0], [[3, 5, 3, 3, 5]], 2)
    assert_array_equal(found[0], [3, 5, -1, -1])


def test_a_row_overflows_by_new_edges_alone():
    # Of nine targets two are new: there is room, so none is pruned.
    graph = np.full((9, 4), -1, np.int32)
    graph[0, :2] = [1, 2]
    found = add(graph, np.ones((9, 3)), [0], [[2, 1, 2, 1, 7, 1, 8, 7, 2]], 2)
    assert_array_equal(found[0], [1, 2, 7, 8])


@given(seeds, st.integers(1, 5))
@quick
def test_added_edges_are_those_of_both_pruned_where_they_are_many(seed, width):
    X, rng = integers(12, seed), np.random.default_rng(seed)
    graph = random_graph(12, width + 2, seed)
    targets = [rng.integers(0, 12, 5) for _ in range(12)]
    targets = [row[row != node] for node, row in enumerate(targets)]
    some = [node for node in range(12) if len(targets[node])]
    found = add(graph, X, some, [targets[node] for node in some], width)
    for node, row in enumerate(found):
        edges = [*dict.fromkeys([*graph[node][graph[node] >= 0], *targets[node]])]
        many = len(edges) > width + 2
        expected = naive.prune(X, node, edges, width, 1) if many else edges
        assert_array_equal(row[row >= 0], expected)


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


@pytest.mark.parametrize("breadth", [1, 3])
def test_a_row_narrower_than_the_bound_is_filled_up(breadth):
    graph = np.array([[1], [2], [0]], np.int32).repeat(breadth, axis=1)
    graph[:, 1:] = -1
    rows = np.full((3, 5), 7, np.int32)
    nodes = np.arange(3, dtype=np.int32)
    link.bound_degrees(record(integers(3)), graph, nodes, 5, np.float32(1), rows, 0, 3)
    assert_array_equal(rows, [[1, *[-1] * 4], [2, *[-1] * 4], [0, *[-1] * 4]])


# heal


@given(seeds, st.integers(1, 5), st.sampled_from([1, 1.25]))
@quick
def test_nodes_take_over_the_edges_of_those_that_went(seed, width, alpha):
    X, graph = integers(14, seed), random_graph(14, width, seed, 0.8)
    live = np.random.default_rng(seed).random(14) < 0.6
    rows = np.full((14, width), 7, np.int32)
    lo, hi = 1, 13
    link.heal(record(X), graph, live, np.float32(alpha), rows, lo, hi)
    assert (rows[[0, 13]] == 7).all()
    for node in range(lo, hi):
        edges = graph[node][graph[node] >= 0]
        more = [i for gone in edges[~live[edges]] for i in graph[gone]]
        more = [i for i in more if i >= 0 and live[i] and i != node]
        edges = [*dict.fromkeys([*edges[live[edges]], *more])] * bool(live[node])
        long = len(edges) > width
        expected = naive.prune(X, node, edges, width, alpha) if long else edges
        assert_array_equal(rows[node, : len(expected)], expected)
        assert_array_equal(rows[node, len(expected) :], -1)


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


def test_another_orphan_is_joined_where_it_leads_to_by_the_same_nodes():
    graph = np.full((6, 2), -1, np.int32)
    graph[[0, 1, 2, 4, 5], 0] = [1, 2, 3, 2, 2]
    link.connect(graph, 0)
    assert_array_equal(graph[2], [3, 4])
    assert_array_equal(graph[3], [5, -1])


def test_a_node_that_leads_nowhere_is_joined_to_any():
    graph = np.full((3, 1), -1, np.int32)
    assert link.connect(graph, 1) == 0
    assert naive.reachable(graph, 1) == {0, 1, 2}


def test_edges_to_a_node_that_went_are_replaced_by_those_it_made_needless():
    # 0 chose 1, which made 2 and 3 needless; 4 is linked by 1, and so lost nothing.
    X = np.array([[0, 0], [1, 0], [2, 0.1], [2, -0.1], [0, 1]], float)
    neighbors = np.full((5, 4), -1, np.int32)
    neighbors[0, 0], neighbors[4, 0], neighbors[2, 0] = 1, 1, 3
    neighbors[1, :3] = 2, 3, 4
    live = np.array([True, False, True, True, True])
    rows = np.empty_like(neighbors)
    link.replace_edges(record(X), neighbors, live, np.float32(1), rows, 0, 5)
    assert_array_equal(rows[0], [4, 2, -1, -1])  # of 2 and 3 one makes the other so
    assert_array_equal(rows[4], [-1] * 4)
    assert_array_equal(rows[1:4], neighbors[1:4])
