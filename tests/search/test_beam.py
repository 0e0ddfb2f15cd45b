"""What a beam walk promises, whatever the graph and whatever the points."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.points import raw
from sklearn_jin.search import beam


def record(X, kind="Raw"):
    """Points of the rows ``X``, padded."""
    n, d = np.shape(X)
    rows = np.zeros((n, padded_width(d)), np.float32)
    rows[:, :d] = X
    return raw.KINDS[kind](frozen(rows))


def walk(neighbors, X, Q, k, ef, entries=None, kind="Raw"):
    """Scores, ids and work of a walk for every query, from node 0 or its entry."""
    scores, ids = np.full((len(Q), k), 7, np.float32), np.full((len(Q), k), 7, np.int32)
    entries = np.zeros(len(Q)) if entries is None else np.asarray(entries)
    graph = frozen(np.asarray(neighbors, np.int32))
    work = beam.walk(
        graph, record(X, kind), record(Q).X, entries.astype(np.int32), ef, scores, ids
    )
    return scores, ids, work


def line(n):
    """Graph of ``n`` nodes in a row, each joined to the next and the last."""
    i = np.arange(n)
    return np.stack([i + 1, i - 1], axis=1) % n


def rows(n, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, (n, 5))


@pytest.mark.parametrize("kind", ["Raw", "Manhattan", "Chebyshev"])
def test_full_beam_on_a_connected_graph_is_exact(kind):
    X, Q = rows(70), rows(9, seed=1)
    metric = {"Raw": "sqeuclidean"}.get(kind, kind.lower())
    scores, ids, _ = walk(line(70), X, Q, 10, 70, kind=kind)
    assert_array_equal(ids, naive.nearest(X, Q, 10, metric))
    assert_array_equal(scores, naive.nearest_distances(X, Q, 10, metric))


@pytest.mark.parametrize("n_queries", range(1, 10))
def test_any_number_of_queries_is_answered(n_queries):
    X, Q = rows(30), rows(n_queries, seed=1)
    assert_array_equal(walk(line(30), X, Q, 3, 30)[1], naive.nearest(X, Q, 3))


def test_unreached_places_are_empty():
    scores, ids, _ = walk(np.full((3, 1), -1), np.eye(3), np.eye(3)[:1], 3, 3, [2])
    assert_array_equal(ids, [[2, -1, -1]])
    assert_array_equal(scores, [[2, np.inf, np.inf]])


def test_a_row_of_edges_ends_at_the_first_gap():
    graph = [[1, -1, 2], [-1, -1, -1], [-1, -1, -1]]
    assert_array_equal(walk(graph, np.eye(3), np.eye(3), 3, 3)[1][:, 2], [-1, -1, -1])


def test_a_beam_of_one_walks_downhill():
    X = np.arange(50)[:, None]
    scores, ids, _ = walk(line(50)[:, :1], X, [[40.25]], 1, 1)
    assert ids == 40 and scores == 0.0625


def test_a_beam_of_one_stops_in_a_hollow():
    X = np.array([[4], [2], [3], [0]])
    assert walk(line(4)[:, :1], X, [[0]], 1, 1)[1] == 1
    assert walk(line(4)[:, :1], X, [[0]], 1, 2)[1] == 3


def test_a_near_node_met_late_still_enters_a_full_beam():
    # 0 leads to 1 and 2, which fill the beam; only 1 leads on to 3, and 3 to 4.
    X = np.array([[10], [8], [9], [1], [0]])
    graph = [[1, 2], [3, -1], [-1, -1], [4, -1], [-1, -1]]
    assert_array_equal(walk(graph, X, [[0]], 2, 2)[1], [[4, 3]])


def test_every_node_of_a_full_beam_is_expanded_and_scored_once():
    hops, n_scores = walk(line(40), rows(40), rows(6, seed=1), 5, 40)[2]
    assert hops == n_scores == 6 * 40


def test_an_answer_does_not_depend_on_the_other_queries():
    X, Q = rows(60), rows(13, seed=1)
    alone = np.vstack([walk(line(60), X, Q[q : q + 1], 4, 6)[1] for q in range(13)])
    assert_array_equal(walk(line(60), X, Q, 4, 6)[1], alone)


def test_every_query_starts_from_its_own_entry():
    ids = walk(np.full((4, 1), -1), rows(4), rows(6), 1, 1, [3, 0, 2, 1, 1, 3])[1]
    assert_array_equal(ids[:, 0], [3, 0, 2, 1, 1, 3])


def test_equally_near_nodes_come_in_the_order_of_ids():
    X = np.zeros((20, 2))
    assert_array_equal(walk(line(20), X, X[:1], 20, 20)[1], [np.arange(20)])


def test_nodes_of_no_finite_score_are_no_answer():
    X = np.array([[0.0], [np.nan], [np.inf], [3.0]])
    scores, ids, _ = walk(line(4), X, [[0.0], [np.nan]], 4, 4)
    assert_array_equal(ids, [[0, 3, -1, -1], [-1] * 4])
    assert_array_equal(scores, [[0, 9, np.inf, np.inf], [np.inf] * 4])


@kernel
def opened(key):
    return beam.score_of(key), beam.id_of(key)


floats = st.floats(0, allow_nan=False, width=32)


@given(floats, st.integers(0, 2**31 - 1))
@settings(max_examples=50)
def test_a_key_gives_back_what_it_was_made_of(score, i):
    assert opened(beam.key_of(np.float32(score), i)) == (score, i)


@given(st.lists(st.tuples(floats, st.integers(0, 2**31 - 1)), min_size=2, max_size=2))
@settings(max_examples=50)
def test_keys_are_ordered_as_scores_and_ids_are(pair):
    keys = [beam.key_of(np.float32(score), i) for score, i in pair]
    assert (keys[0] < keys[1]) == (pair[0] < pair[1])


def test_a_nan_is_ordered_last():
    assert beam.key_of(np.float32(np.nan), 0) > beam.key_of(np.float32(np.inf), 9)


numbers = st.lists(st.integers(0, 99), max_size=200)


@given(numbers, st.integers(0, 99), st.integers(0, 3))
@settings(max_examples=100)
def test_place_counts_the_smaller_keys(keys, key, base):
    rest = [beam.NO_KEY] * 8
    pool = np.array([99] * base + sorted(keys) + rest, np.uint64)
    found = beam.place(pool, base, len(keys), np.uint64(key))
    assert found == sum(other < key for other in keys)


@given(numbers, st.integers(1, 100))
@settings(max_examples=100)
def test_put_keeps_the_smallest_keys_in_order(keys, room):
    pool, filled = np.full(room + 8, beam.NO_KEY), 0
    for key in np.array(keys, np.uint64):
        if key < pool[room - 1]:
            rank = beam.put(pool, 0, filled, room, key)
            filled = min(filled + 1, room)
            assert pool[rank] == key
    assert pool[:filled].tolist() == sorted(keys)[:room][:filled]
    assert filled == min(len(keys), room)
    assert (pool[room:] == beam.NO_KEY).all()
