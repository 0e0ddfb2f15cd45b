"""What a beam walk promises, whatever the graph and whatever the points."""

import naive
import numpy as np
import pytest
from helpers import normal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.points.rows import ROWS
from sklearn_jin.search import beam
from sklearn_jin.search.keys import NO_KEY, words_of


def record(X, space="l2"):
    """Points of the rows ``X``, padded."""
    n, d = np.shape(X)
    rows = np.zeros((n, padded_width(d)), np.float32)
    rows[:, :d] = X
    return ROWS[space](frozen(rows))


def walk(
    neighbors, X, Q, k, ef, entries=None, space="l2", end=(1, np.inf), which=None,
    allowed=None,
):  # fmt: skip
    """Scores, ids and work of a walk for every query, from node 0 or its entries.

    ``end`` is the rank and the gamma of the beam, ``which`` numbers the rows of
    ``Q`` that are queries, and ``allowed`` is a sieve.
    """
    rank, gamma = end
    which = np.arange(len(Q)) if which is None else np.asarray(which)
    n = len(which)
    scores, ids = np.full((n, k), 7, np.float32), np.full((n, k), 7, np.int32)
    entries = np.zeros(n) if entries is None else np.asarray(entries)
    entries = entries.reshape(n, -1)  # one, or a row of them
    # Half of the tests walk with zeros that were used before.
    visited = np.zeros(n % 2 * (beam.visited_words(len(X), n) + 1), np.uint64)
    work = beam.walk(
        frozen(np.asarray(neighbors, np.int32)),
        record(X, space),
        record(Q).X,
        which,
        entries.astype(np.int32),
        beam.Beam(ef, rank, np.float32(gamma)),
        allowed,
        visited,
        scores,
        ids,
    )
    assert not visited.any()
    return scores, ids, work


def line(n):
    """Graph of ``n`` nodes in a row, each joined to the next and the last."""
    i = np.arange(n)
    return np.stack([i + 1, i - 1], axis=1) % n


def complete(n):
    """Graph of ``n`` nodes, each joined to all others."""
    others = np.tile(np.arange(n), (n, 1))
    return others[~np.eye(n, dtype=bool)].reshape(n, n - 1)


def rows(n, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, (n, 5))


@pytest.mark.parametrize("space", ["l2", "l1", "linf"])
def test_full_beam_on_a_connected_graph_is_exact(space):
    X, Q = rows(70), rows(9, seed=1)
    metric = {"l2": "sqeuclidean", "l1": "manhattan", "linf": "chebyshev"}[space]
    scores, ids, _ = walk(line(70), X, Q, 10, 70, space=space)
    assert_array_equal(ids, naive.nearest(X, Q, 10, metric))
    assert_array_equal(scores, naive.nearest_distances(X, Q, 10, metric))


def test_any_number_of_queries_is_answered():
    X = rows(30)
    for n_queries in (1, 3, 4, 5, 9):  # fewer and more than the lanes
        Q = rows(n_queries, seed=1)
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
    hops, n_scores, _ = walk(line(40), rows(40), rows(6, seed=1), 5, 40)[2]
    assert hops == n_scores == 6 * 40


def test_queries_are_those_of_the_numbered_rows():
    X, Q = rows(60), rows(13, seed=1)
    scores, ids, _ = walk(line(60), X, Q, 4, 6)
    for which in ([3], [12, 0, 7], [5, 5, 5, 5, 5, 1], np.arange(13)[::-1]):
        found = walk(line(60), X, Q, 4, 6, which=which)
        assert_array_equal(found[0], scores[which])
        assert_array_equal(found[1], ids[which])


@pytest.mark.parametrize("width", [1, 31, 32, 33, 65, 199])
def test_rows_of_any_width_are_compared_whole(width):
    X, Q, i = rows(200), rows(5, seed=1), np.arange(200)
    graph = (i[:, None] + np.arange(1, width + 1)) % 200
    ids = walk(graph, X, Q, 7, 200)[1]
    assert_array_equal(ids, naive.nearest(X, Q, 7))


def test_every_query_starts_from_its_own_entry():
    ids = walk(np.full((4, 1), -1), rows(4), rows(6), 1, 1, [3, 0, 2, 1, 1, 3])[1]
    assert_array_equal(ids[:, 0], [3, 0, 2, 1, 1, 3])


# Several entries


def assert_same(found, wanted):
    for part, other in zip(found, wanted):
        assert_array_equal(part, other)


@pytest.mark.parametrize("gamma", [1.5, np.inf])
def test_an_entry_that_is_given_often_counts_once(gamma):
    X, Q, graph = rows(60), rows(9, seed=1), random_graph(60, 5, 0)
    entry, end = np.random.default_rng(0).integers(0, 60, 9), (3, gamma)
    one = walk(graph, X, Q, 4, 8, entry, end=end)
    assert_same(walk(graph, X, Q, 4, 8, np.tile(entry, (5, 1)).T, end=end), one)


def test_entries_of_two_islands_lead_to_both():
    # Two rings of 20 nodes; node 20 is the first of the second.
    graph = np.vstack([line(20), 20 + line(20)])
    X = np.vstack([rows(20), 100 + rows(20)])
    Q = np.vstack([X[3], X[33]])
    for entry in (0, 20):
        ids = walk(graph, X, Q, 5, 40, [entry] * 2)[1]
        assert (ids // 20 == entry // 20).all()
    ids = walk(graph, X, Q, 5, 40, [[0, 20]] * 2)[1]
    assert_array_equal(ids, naive.nearest(X, Q, 5))


@pytest.mark.parametrize("width", [1, 2, 31, 32, 33, 70])
def test_entries_may_be_as_many_as_a_row_is_wide(width):
    X, Q = rows(200), rows(7, seed=1)
    graph = np.full((200, width), -1)
    entries = [np.random.default_rng(q).permutation(200)[:width] for q in range(7)]
    scores, ids, work = walk(graph, X, Q, 3, 100, entries)
    for some, q, found, gaps in zip(entries, Q, ids, scores):
        some = np.sort(some)
        wanted = some[naive.nearest(X[some], [q], 3)[0]]
        assert_array_equal(found[: len(wanted)], wanted)
        assert (found[len(wanted) :] == -1).all()
        assert_array_equal(gaps[: len(wanted)], ((X[wanted] - q) ** 2).sum(axis=1))
    assert work[1] == 7 * width  # each is scored, once


def test_of_more_entries_than_a_beam_holds_the_nearest_are_walked_from():
    X, path = np.arange(50)[:, None], line(50)[:, :1]
    entries = [[40, 3, 30, 20]]
    scores, ids, work = walk(np.c_[path, -np.ones((50, 3))], X, [[5.25]], 1, 1, entries)
    assert ids == 5 and scores == 0.0625
    assert work[1] == 4 + 3  # 4, 5 and 6


def test_the_order_of_entries_does_not_matter(entry_rows=5):
    X, Q, graph = rows(60), rows(9, seed=1), random_graph(60, entry_rows, 0)
    entries = np.random.default_rng(1).integers(0, 60, (9, entry_rows))
    assert_same(
        walk(graph, X, Q, 4, 60, entries), walk(graph, X, Q, 4, 60, entries[:, ::-1])
    )


def test_an_answer_from_several_entries_does_not_depend_on_the_other_queries():
    X, Q, graph = rows(60), rows(13, seed=1), random_graph(60, 5, 0)
    entries = np.random.default_rng(1).integers(0, 60, (13, 3))
    together = walk(graph, X, Q, 4, 6, entries)
    alone = [walk(graph, X, Q[[q]], 4, 6, entries[[q]]) for q in range(13)]
    assert_array_equal(together[0], np.vstack([scores for scores, *_ in alone]))
    assert_array_equal(together[1], np.vstack([ids for _, ids, _ in alone]))
    assert_array_equal(together[2], np.sum([work for *_, work in alone], axis=0))


def test_an_entry_of_no_finite_score_is_passed_over():
    X = np.array([[np.nan], [1.0], [2.0]])
    graph = np.array([[1, -1], [2, -1], [-1, -1]])
    ids = walk(graph, X, [[0.0]], 3, 3, [[0, 2]])[1]
    assert_array_equal(ids, [[1, 2, -1]])


# Answers


def test_equally_near_nodes_come_in_the_order_of_ids():
    X = np.zeros((20, 2))
    assert_array_equal(walk(line(20), X, X[:1], 20, 20)[1], [np.arange(20)])


def test_nodes_of_no_finite_score_are_no_answer():
    X = np.array([[0.0], [np.nan], [np.inf], [3.0]])
    scores, ids, _ = walk(line(4), X, [[0.0], [np.nan]], 4, 4)
    assert_array_equal(ids, [[0, 3, -1, -1], [-1] * 4])
    assert_array_equal(scores, [[0, 9, np.inf, np.inf], [np.inf] * 4])


# A walk that ends where scores are large


def adaptive(neighbors, gaps, k, ef, rank, gamma, entry=0):
    """Ids and hops of one walk by its rule; ``gaps`` are the scores of all nodes.

    What it met is kept in full, so nothing can be lost that the rule wants.
    """
    order = lambda i: (gaps[i], i)  # noqa: E731
    met, expanded = {entry}, set()
    while True:
        best = sorted(met, key=order)[:ef]
        far = np.inf
        if len(best) >= rank and gaps[best[rank - 1]] > 0:
            far = np.float32(gamma) * gaps[best[rank - 1]]
        rest = [i for i in best if i not in expanded]
        if not rest or gaps[rest[0]] > far:
            return best[:k], len(expanded)
        expanded.add(rest[0])
        met |= {int(i) for i in neighbors[rest[0]] if i >= 0}


def random_graph(n, degree, seed):
    """Rows of some other nodes, joined in a ring."""
    rng = np.random.default_rng(seed)
    return np.c_[line(n), rng.integers(0, n, (n, degree - 2))]


def real(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)


def gaps_of(X, Q):
    """Scores as a kernel finds them, float32."""
    n = len(X)
    scores, ids, _ = walk(complete(n), X, Q, n, n)
    gaps = np.empty((len(Q), n), np.float32)
    np.put_along_axis(gaps, ids.astype(int), scores, axis=1)
    return gaps


GRAPHS = {"line": line(60), "complete": complete(60), "random": random_graph(60, 5, 0)}
GAMMAS = [1, 1.3, 4, np.inf]


@pytest.fixture(params=GRAPHS)
def graph(request):
    return GRAPHS[request.param]


@pytest.mark.parametrize("data", [real, rows], ids=["floats", "integers"])
def test_a_walk_ends_by_the_rule(graph, data):
    X, Q = data(60), data(7, seed=1)
    gaps = gaps_of(X, Q)
    for gamma in GAMMAS:
        for rank, ef in ((1, 60), (4, 60), (4, 9), (9, 9)):
            ids, total = walk(graph, X, Q, rank, ef, end=(rank, gamma))[1:]
            wanted = [adaptive(graph, g, rank, ef, rank, gamma) for g in gaps]
            assert_array_equal(ids, [best for best, _ in wanted])
            assert total[0] == sum(hops for _, hops in wanted)


@pytest.mark.parametrize("far, hops", [(24.9, 4), (25, 5), (25.1, 5), (36, 6)])
@pytest.mark.parametrize("rank", [1, 2])
def test_a_node_whose_score_is_the_end_is_expanded(far, hops, rank):
    # The scores are 1, 4, 9, ...; gamma is of the second where the rank is 2.
    X, end = np.arange(1, 13)[:, None], (rank, far / rank**2)
    path = np.arange(1, 13)[:, None] % 12
    path[-1] = -1
    for edges in (path, complete(12)):
        assert walk(edges, X, [[0]], rank, 12, end=end)[2][0] == max(hops, rank)


def test_a_larger_gamma_takes_no_fewer_hops(graph):
    X, Q = real(60), real(5, seed=1)
    for q in range(5):
        hops = [
            walk(graph, X, Q, 3, 60, end=(3, gamma), which=[q])[2][0]
            for gamma in (1, 1.001, 1.3, 2, 4, 9, 1e6, np.inf)
        ]
        assert hops == sorted(hops)
        assert hops[-1] == 60


def test_a_short_pool_ends_no_walk():
    # Seven nodes on a path, each nearer; fewer than the rank are ever met.
    X = np.arange(7)[::-1, None]
    ids = walk(line(7)[:, :1], X, [[0]], 7, 9, end=(8, 1))[1]
    assert_array_equal(ids, [[6, 5, 4, 3, 2, 1, 0]])


def test_a_score_of_0_ends_a_walk_where_it_is_exact():
    X = np.zeros((30, 2))
    X[20:] = 1
    _, ids, work = walk(complete(30), X, [[0, 0]], 20, 30, end=(3, 1.5))
    assert_array_equal(ids, [np.arange(20)])
    assert work[0] == 20  # those of score 0, and none beyond


def test_an_estimate_of_0_ends_no_walk():
    # Of inner products, which are cut at 0, it is not known how small they are.
    X = np.zeros((30, 2))
    X[:, 0] = 1
    X[20:] = 0.5
    _, ids, work = walk(complete(30), X, [[1, 0]], 20, 30, space="ip", end=(3, 1.5))
    assert_array_equal(ids, [np.arange(20)])
    assert work[0] == 30


def test_a_walk_of_full_width_is_not_ended_by_0():
    X = np.zeros((30, 2))
    X[20:] = 1
    work = walk(complete(30), X, [[0, 0]], 20, 30, end=(3, np.inf))[2]
    assert work[0] == 30


def test_an_adaptive_answer_does_not_depend_on_the_other_queries(graph):
    X, Q, end = real(60), real(13, seed=1), (4, 1.5)
    together = walk(graph, X, Q, 4, 30, end=end)
    alone = [walk(graph, X, Q, 4, 30, end=end, which=[q]) for q in range(13)]
    assert_array_equal(together[1], np.vstack([ids for _, ids, _ in alone]))
    assert_array_equal(together[2], np.sum([work for *_, work in alone], axis=0))


def test_adaptive_walks_among_missing_numbers_end():
    X = np.array([[0.0], [np.nan], [np.inf], [3.0], [1.0]])
    Q = [[0.0], [np.nan], [2.5]]
    ids = walk(complete(5), X, Q, 5, 5, end=(2, 1e9))[1]
    assert_array_equal(ids, [[0, 4, 3, -1, -1], [-1] * 5, [3, 4, 0, -1, -1]])


# Pools


numbers = st.lists(st.integers(0, 99), max_size=200)


@kernel
def put(pool, base, filled, room, key):
    return beam.put(pool, base, filled, room, key)


def test_pools_have_whole_eights_and_eight_more():
    for room in range(1, 40):
        assert room + 8 <= beam.places(room) < room + 16
        assert beam.places(room) % 8 == 0


@given(numbers, st.integers(1, 100))
@settings(max_examples=100)
def test_put_keeps_the_smallest_keys_in_order(keys, room):
    places = beam.places(room)
    pool, filled = np.full(3 * places, NO_KEY), 0
    for key in np.array(keys, np.uint64):
        if key < pool[places + room - 1]:
            rank = put(pool, places, filled, room, key)
            filled = min(filled + 1, room)
            assert pool[places + rank] == key
    found = pool[places : 2 * places]
    assert found[:filled].tolist() == sorted(keys)[:room]
    assert filled == min(len(keys), room)
    # What dropped out stands behind, and nothing of that in the other pools.
    assert (found[filled:] >= max([*sorted(keys)[:room], 0])).all()
    others = np.concatenate([pool[:places], pool[2 * places :]])
    assert (others == NO_KEY).all()


# Walks among allowed nodes.


def sieve(mask, width=None, effort=10, most=10**9, seeds=()):
    n = len(mask)
    return beam.Sieve(
        frozen(words_of(mask)), np.array(seeds, np.int32), width or n, effort, most
    )


def half(n, seed=0):
    return np.random.default_rng(seed).random(n) < 0.5


def test_a_full_beam_finds_the_nearest_allowed():
    X, Q, mask = rows(70), rows(9, seed=1), half(70)
    ids = walk(line(70), X, Q, 10, 70, allowed=sieve(mask))[1]
    gaps = np.where(mask, naive.distances(X, Q, "sqeuclidean"), np.inf)
    assert_array_equal(ids, np.argsort(gaps, axis=1, kind="stable")[:, :10])


def test_a_walk_that_allows_all_is_one_without_a_sieve():
    X, Q = rows(80), rows(11, seed=1)
    graph = np.random.default_rng(0).integers(0, 80, (80, 6))
    for ef, end in ((8, (1, np.inf)), (30, (4, 1.3))):
        plain = walk(graph, X, Q, 4, ef, end=end)
        for width in (ef, 80):
            every = sieve(np.ones(80, bool), width, ef)
            among = walk(graph, X, Q, 4, ef, end=end, allowed=every)
            assert_same(among[:2], plain[:2])
            assert among[2][:2] == plain[2][:2]


def walked(graph, gaps, mask, ef):
    """Allowed nodes, nearest first, of a walk from node 0 with a pool of all nodes."""
    seen, done = {0}, set()

    def order(i):
        return (np.float32(gaps[i]), i)

    while True:
        best = sorted((i for i in seen if mask[i]), key=order)[:ef]
        far = order(best[-1])[0] if len(best) == ef else np.inf
        left = [i for i in seen - done if order(i)[0] <= far]
        if not left:
            return best
        node = min(left, key=order)
        done.add(node)
        seen |= {int(i) for i in graph[node] if i >= 0}


def test_a_walk_ends_where_the_allowed_are_nearer_than_the_next_node():
    X, Q = normal(150, 5), normal(9, 5, seed=1)
    graph = np.random.default_rng(0).integers(0, 150, (150, 6))
    for share in (0.1, 0.5):
        mask = np.random.default_rng(3).random(150) < share
        for ef in (3, 10):
            ids = walk(graph, X, Q, ef, ef, allowed=sieve(mask, effort=ef))[1]
            for gaps, row in zip(naive.distances(X, Q, "sqeuclidean"), ids):
                right = walked(graph, gaps, mask, ef)
                assert row[row >= 0].tolist() == right


def test_a_walk_that_may_have_missed_allowed_nodes_finds_nothing():
    X, mask = np.arange(60)[:, None], np.arange(60) > 50
    assert (walk(line(60), X, [[0]], 3, 3, allowed=sieve(mask, 60))[1] > 50).all()
    assert (walk(line(60), X, [[0]], 3, 3, allowed=sieve(mask, 20))[1] == -1).all()
    few = sieve(mask, 60, most=20)  # scores
    _, ids, work = walk(line(60), X, [[0]], 3, 3, allowed=few)
    assert (ids == -1).all() and work[1] < 25


def test_a_walk_that_meets_hardly_any_allowed_nodes_ends_soon():
    n = 40 * beam.SOON
    X, mask = np.arange(n)[:, None], np.arange(n) > n - 9
    far = sieve(mask, n, effort=5, most=n // 2)
    _, ids, work = walk(line(n), X, [[0]], 3, 5, allowed=far)
    assert (ids == -1).all() and work[0] == beam.SOON
    near = walk(line(n), X, [[n - 2]], 3, 5, [n - 3], allowed=far)[1]
    assert_array_equal(near, [[n - 2, n - 3, n - 1]])


def test_walks_among_allowed_nodes_do_not_depend_on_the_batch():
    X, Q, mask = normal(300, 6), normal(13, 6, seed=1), half(300)
    graph = np.random.default_rng(0).integers(0, 300, (300, 8))
    for end in ((1, np.inf), (4, 1.4)):
        few = sieve(mask, 60, 8, 400)
        together = walk(graph, X, Q, 4, 30, end=end, allowed=few)
        for q in range(13):
            one = walk(graph, X, Q, 4, 30, end=end, which=[q], allowed=few)
            assert_array_equal(one[1][0], together[1][q])
            assert_array_equal(one[0][0], together[0][q])


# Nodes that a walk does without.


def test_an_absent_node_is_neither_found_nor_walked_over():
    X = np.arange(9.0)[:, None]
    entries = [[-1 - 4, 0], [-1 - 0, 0], [0, 0]]
    scores, ids, _ = walk(line(9), X, [[8], [8], [8]], 9, 9, entries)
    assert_array_equal(ids[0], [8, 7, 6, 5, 3, 2, 1, 0, -1])
    assert_array_equal(ids[1], [-1] * 9) and np.isinf(scores[1]).all()
    assert_array_equal(ids[2], np.arange(9)[::-1])  # and is there for the next query
    together = walk(line(9), X, [[8]] * 6, 9, 9, entries * 2)[1]
    assert_array_equal(together, np.vstack([ids, ids]))
