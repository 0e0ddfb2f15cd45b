"""Upper layers lead every query to a near entry; the lowest holds the answer."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.construction import hnsw
from sklearn_jin.construction.grow import grow
from sklearn_jin.points import subset
from sklearn_jin.points.rows import RowsL2
from sklearn_jin.search import answer as module
from sklearn_jin.search import counters
from sklearn_jin.search.answer import answer
from sklearn_jin.search.beam import NO_END, Beam
from sklearn_jin.search.index import Index, Learned, Search, propose
from sklearn_jin.search.layers import (
    ENTRIES,
    LEAST_RANK,
    WIDEST,
    Layers,
    Walks,
    adaptive_beam,
    descend,
    revisit,
    visit,
)
from sklearn_jin.search.trial import spread


def record(X):
    n, d = X.shape
    rows = np.zeros((n, padded_width(d)), np.float32)
    rows[:, :d] = X
    return RowsL2(frozen(rows))


def complete(n, width):
    """Graph in which every one of ``n`` nodes leads to all others."""
    rows = np.tile(np.arange(n, dtype=np.int32), (n, 1))
    rows = rows[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    return np.pad(rows, [(0, 0), (0, width - n + 1)], constant_values=-1)


def layered(points, sizes):
    """Complete graphs over the first ``sizes`` of shuffled members, and over all."""
    n, members = len(points.X), np.random.default_rng(0).permutation(len(points.X))
    members = members[: max(sizes, default=1)].astype(np.int32)
    width = max(sizes, default=1) - 1
    upper = [complete(m, width) for m in sizes] or [np.empty((0, width), np.int32)]
    graph, upper = frozen(complete(n, n - 1)), frozen(np.vstack(upper))
    starts = np.cumsum([0, *sizes])
    return Layers(graph, upper, starts, members, subset(points, members))


def every(queries):
    return np.arange(len(queries))


def fixed(ef):
    """A beam of ``ef`` that ends by itself."""
    return Beam(ef, 1, NO_END)


def found(layers, points, queries, k=5, ef=39, room=None, codes=None, n_threads=1):
    """Scores and ids of a search, by a beam that is narrower than the data."""
    index = Index(None, points, codes, layers)
    search = Search(k, k if room is None else room, ef, n_threads=n_threads)
    return answer(index, queries, search)


@pytest.fixture
def points():
    return record(indexes.rows(40, 4))


@pytest.fixture
def queries():
    return record(indexes.rows(11, 4, seed=1)).X


def test_every_layer_is_entered_at_the_nearest_of_the_last(points, queries):
    layers = layered(points, [2, 6, 20])
    ranks, _ = descend(layers, queries, every(queries))
    assert_array_equal(ranks[:, 0], 0)
    for t, size in enumerate([2, 6, 20]):
        members = points.X[layers.members[:size]]
        assert_array_equal(ranks[:, t + 1], naive.nearest(members, queries, 1)[:, 0])


def test_a_query_without_a_finite_score_takes_the_first_entry(points, queries):
    queries = queries.copy()
    queries[0] = np.nan
    layers = layered(points, [2, 6])
    ranks, entries = descend(layers, frozen(queries), every(queries))
    assert_array_equal(ranks[0], [0, 0, 0])
    assert_array_equal(entries[0], np.full(ENTRIES, layers.members[0]))


def test_queries_descend_by_the_numbers_of_their_rows(points, queries):
    layers, rows = layered(points, [2, 6, 20]), np.array([7, 0, 7, 10])
    ranks, entries = descend(layers, queries, every(queries))
    for found, wanted in zip(descend(layers, queries, rows), (ranks, entries)):
        assert_array_equal(found, wanted[rows])


def test_the_nearest_of_the_last_layer_are_entries(points, queries):
    layers = layered(points, [2, 6, 20])
    _, entries = descend(layers, queries, every(queries))
    nearest = naive.nearest(points.X[layers.members], queries, ENTRIES)
    assert_array_equal(entries, layers.members[nearest])


@pytest.mark.parametrize("own", [False, True])
def test_walks_start_from_the_entry_too(points, own, monkeypatch):
    """Else those among nodes that lead to no others would be caught there."""
    layers = layered(points, [2, 6])
    neighbors = np.array(layers.neighbors)
    entry = layers.members[0]
    neighbors[np.arange(40) != entry] = -1
    layers = layers._replace(neighbors=frozen(neighbors))
    monkeypatch.setattr(module, "_scan", None)  # of queries short of neighbours
    search = Search(3, 3, 39, own=own)
    ids = answer(Index(None, points, None, layers), points.X, search)[1]
    nearest = naive.nearest(points.X, points.X, 4)
    assert_array_equal(ids, nearest[:, 1:] if own else nearest[:, :3])


@pytest.mark.parametrize("sizes", [[], [5], [2, 6, 20]])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_search_of_complete_layers_is_exact(points, queries, sizes, n_threads):
    scores, ids = found(layered(points, sizes), points, queries, n_threads=n_threads)
    assert_array_equal(ids, naive.nearest(points.X, queries, 5))
    assert scores.dtype == np.float64 and ids.dtype == np.int64


def test_scores_are_exact(points, queries):
    scores, _ = found(layered(points, [5]), points, queries)
    expected = naive.nearest_distances(points.X, queries, 5, "sqeuclidean")
    assert_allclose(scores, expected, 1e-13)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_query_is_visited_once(points, dtype, n_threads):
    queries, visited = frozen(np.tile(points.X, (2, 1))), []
    rows = np.random.default_rng(0).permutation(70).astype(dtype)

    def use(part, scores, ids):
        assert_array_equal(ids[:, 0], rows[part] % 40)  # each finds itself
        assert_array_equal(scores, np.zeros((len(part), 1)))
        visited.extend(part)

    walks = Walks(points, queries, 1, fixed(40), n_threads)
    visit(layered(points, [5]), walks, rows, use)
    assert_array_equal(np.sort(visited), np.arange(70))


# Walks from where they are to end


def revisited(neighbors, points, nodes, k, beam, n_threads=1):
    """Scores and ids of walks from ``nodes``, and the parts in which they came."""
    scores, parts = np.full((len(nodes), k), 7, np.float32), []
    ids = np.full((len(nodes), k), 7, np.int32)

    def use(part, some_scores, some_ids):
        scores[part], ids[part] = some_scores, some_ids
        parts.append(part)

    walks = Walks(points, frozen(points.X[nodes]), k, beam, n_threads)
    revisit(neighbors, walks, nodes[:, None], use)
    return scores, ids, parts


def ring(n):
    i = np.arange(n)
    return frozen((np.stack([i + 1, i - 1], axis=1) % n).astype(np.int32))


def nodes_of(n, seed=0):
    return np.random.default_rng(seed).permutation(n).astype(np.int32)


def test_a_node_that_is_revisited_finds_itself_first(points):
    for nodes in (nodes_of(40), nodes_of(40)[:13], np.int32([5, 5, 2])):
        scores, ids, _ = revisited(ring(40), points, nodes, 3, fixed(4))
        assert_array_equal(ids[:, 0], nodes)
        assert_array_equal(scores[:, 0], np.zeros(len(nodes)))


def test_a_walk_begins_at_the_node_itself(points):
    # Without an edge there is nothing else to find.
    alone, nodes = frozen(np.full((40, 1), -1, np.int32)), nodes_of(40)
    _, ids, _ = revisited(alone, points, nodes, 2, fixed(2))
    assert_array_equal(ids, np.c_[nodes, np.full(40, -1)])


def test_revisits_of_a_connected_graph_are_exact_if_the_beam_is_wide(points):
    nodes = nodes_of(40)
    scores, ids, _ = revisited(ring(40), points, nodes, 6, fixed(40))
    assert_array_equal(ids, naive.nearest(points.X, points.X[nodes], 6))
    exact = naive.nearest_distances(points.X, points.X[nodes], 6, "sqeuclidean")
    assert_allclose(scores, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_revisit_alike(points, n_threads):
    nodes = nodes_of(40)
    one = revisited(ring(40), points, nodes, 5, fixed(9))
    several = revisited(ring(40), points, nodes, 5, fixed(9), n_threads)
    for part, wanted in zip(several[:2], one[:2]):
        assert_array_equal(part, wanted)


@pytest.mark.parametrize("n", [1, 2, 600])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_parts_of_a_revisit_cover_all_once_and_are_in_order(n, n_threads):
    X = record(np.random.default_rng(0).random((n, 3)))
    *_, parts = revisited(ring(n), X, nodes_of(n), 1, fixed(2), n_threads)
    assert all((np.diff(part) == 1).all() for part in parts)
    assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    if n_threads == 1:  # side by side as they were given
        assert_array_equal(np.concatenate(parts), np.arange(n))


def test_revisits_meet_little_but_what_is_near():
    X = record(np.arange(300)[:, None])
    with counters.counting() as tally:
        revisited(ring(300), X, nodes_of(300), 3, fixed(3))
    assert tally[1] <= 6 * 300


def test_the_work_of_revisits_is_counted(points):
    with counters.counting() as tally:
        revisited(ring(40), points, nodes_of(40), 1, fixed(40))
    assert_array_equal(tally[:3], [40 * 40] * 3)


def test_a_walk_may_start_from_other_nodes_at_the_same_place(points):
    nodes, entries, starts = nodes_of(40)[:9], nodes_of(40, 1)[:9], []
    alone = frozen(np.full((40, 1), -1, np.int32))
    walks = Walks(points, frozen(points.X[nodes]), 1, fixed(1), 1)
    revisit(alone, walks, entries[:, None], lambda _, __, ids: starts.append(ids))
    assert_array_equal(np.concatenate(starts)[:, 0], entries)


# What is proposed


def proposed(index, queries, search):
    """Estimates and ids of the candidates of every query, and the limits."""
    kept = [None] * len(queries)

    def use(part, estimates, ids):
        for q, *row in zip(part, estimates, ids):
            assert kept[q] is None
            kept[q] = row

    limits = propose(index.route, index, queries, search, use)
    return kept, limits


@pytest.mark.parametrize("n_threads", [1, 3])
def test_walks_propose_the_nearest_codes_that_they_met(points, queries, n_threads):
    rough = record(np.round(points.X[:, :4] / 2))
    index = Index(None, points, rough, layered(rough, []))
    kept, limits = proposed(index, queries, Search(5, 9, 39, n_threads=n_threads))
    assert limits is None
    nearest = naive.nearest(rough.X, queries, 9)
    gaps = naive.nearest_distances(rough.X, queries, 9, "sqeuclidean")
    for (estimates, ids), wanted, gap in zip(kept, nearest, gaps):
        assert_array_equal(ids, wanted)
        assert_allclose(estimates, gap, rtol=1e-5)


def test_a_beam_as_wide_as_the_data_proposes_nothing(points, queries):
    index = Index(None, points, None, layered(points, [5]))
    for ef in (40, 2**62):
        kept, limits = proposed(index, queries, Search(5, 5, ef))
        assert limits is None and not any(kept)


def test_of_what_is_proposed_the_nearest_points_are_found(points, queries):
    # The walk is on other points, by which the nearest are hard to tell.
    rough = record(np.round(points.X[:, :4] / 2))
    layers, gaps = layered(rough, []), naive.distances(points.X, queries)
    for room in (9, 39):
        _, ids = found(layers, points, queries, room=room, codes=rough)
        for own, row, near in zip(gaps, ids, naive.nearest(rough.X, queries, room)):
            assert_array_equal(row, sorted(near, key=lambda i: (own[i], i))[:5])


# How much work that is


def test_counting_adds_up_the_work_of_searches(points, queries):
    layers = layered(points, [])
    with counters.counting() as tally:
        found(layers, points, queries)
        once = tally.copy()
        found(layers, points, queries)
    # Every node is scored, all but one are kept, and those that are returned exactly.
    assert once[1] == 11 * 40 and once[3] == 11 * 5
    assert (11 * 39 <= once[[0, 2]]).all() and (once[[0, 2]] <= 11 * 40).all()
    assert_array_equal(tally, 2 * once)


def test_nothing_is_counted_afterwards(points, queries):
    with counters.counting() as tally:
        pass
    found(layered(points, []), points, queries)
    assert not tally.any()


# Beams that follow how scores grow


def reach(spread, k, ef, n=10**6):
    return adaptive_beam(spread, k, ef, n).gamma


def powers(d, n=511):
    """The spread of points of ``d`` dimensions."""
    return 2 / d * np.log(np.arange(1, n + 1))


@pytest.mark.parametrize("k, ef", [(10, 10), (10, 3), (1, 1), (1, LEAST_RANK)])
def test_a_beam_of_no_more_than_k_is_fixed(k, ef):
    assert adaptive_beam(powers(4), k, ef, 1000) == (ef, k, NO_END)


def test_a_beam_is_fixed_where_nothing_was_learned():
    assert adaptive_beam(np.empty(0), 10, 200, 1000) == (200, 10, NO_END)


def test_a_beam_is_no_wider_than_there_are_nodes():
    assert adaptive_beam(powers(4), 10, 200, 300).ef == 300


@pytest.mark.parametrize("d", [2, 8, 24])
@pytest.mark.parametrize("k", [1, 10, 400, 600])
def test_gamma_is_the_growth_of_scores_from_the_rank_on(d, k):
    # 600 and what is beyond are not learned but follow from what is.
    wanted = max(k, LEAST_RANK)
    for ef in (wanted + 1, 2 * wanted, 511, 800, 5000):
        if ef > wanted:
            width, rank, gamma = adaptive_beam(powers(d), k, ef, 10**6)
            assert (width, rank) == (WIDEST * ef, wanted)
            assert gamma.dtype == np.float32
            grown = ((rank + 0.75 * (ef - rank)) / rank) ** (2 / d)
            assert_allclose(gamma, max(grown, 1 + 1e-5), rtol=1e-4)


@pytest.mark.parametrize("d", [2, 24])
@pytest.mark.parametrize("k", [1, 100])
def test_gamma_grows_with_ef(d, k):
    gammas = [reach(powers(d), k, ef) for ef in range(max(k, LEAST_RANK) + 1, 3000, 97)]
    assert (np.diff(gammas) > 0).all() and gammas[0] > 1


@pytest.mark.parametrize("k", [1, 10, 700])
def test_gamma_is_above_1_where_scores_do_not_grow(k):
    assert reach(np.zeros(511), k, 800) > 1


@pytest.mark.parametrize("n", [3, 9, 31])
def test_a_short_spread_is_one(n):
    for ef in (LEAST_RANK + 1, 50):
        assert 1 < reach(powers(2, n), 1, ef) < np.inf


def crowded(n, d=24, seed=0):
    """Normal groups, of which some are a hundredth as wide as others."""
    rng = np.random.default_rng(seed)
    centers = 2 * np.random.default_rng(1).standard_normal((30, d))
    which = rng.integers(0, 30, n)
    X = centers[which] + 10 ** (-which / 15)[:, None] * rng.standard_normal((n, d))
    return X.astype(np.float32)


def normal(n, d=24, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.fixture(scope="module", params=[crowded, normal], ids=["crowded", "normal"])
def large(request):
    """A graph of realistic size, queries and the scores of the nearest."""
    points, Q = record(request.param(5000)), record(request.param(400, seed=2)).X
    order = np.random.default_rng(0).permutation(5000).astype(np.int32)
    plan = hnsw.plan(5000, 12, 60, 1.1)
    graph, _ = grow(points, order, plan, np.random.RandomState(0), 1)
    learned = Learned(spread=spread(graph, points, points.X[order[:256]], 1))
    nearest = naive.nearest_distances(points.X, Q, 10, "sqeuclidean")
    return Index(None, points, None, graph, learned), Q, nearest


def recall_and_hops(large, ef, adaptive):
    index, Q, nearest = large
    with counters.counting() as tally:
        scores, _ = answer(index, Q, Search(10, 10, ef, adaptive))
    return naive.recall(scores, nearest), tally[0] / len(Q)


@pytest.mark.jit
@pytest.mark.parametrize("ef", [20, 60])
def test_at_equal_work_an_adaptive_beam_finds_no_less(large, ef):
    fixed_recall, fixed_hops = recall_and_hops(large, ef, False)
    lo, hi = 11, 8 * ef
    while hi - lo > 1:  # the widest that takes no more hops
        middle = (lo + hi) // 2
        hops = recall_and_hops(large, middle, True)[1]
        lo, hi = (middle, hi) if hops <= fixed_hops else (lo, middle)
    recall, hops = recall_and_hops(large, lo, True)
    assert 0.85 * fixed_hops <= hops <= fixed_hops
    assert recall >= fixed_recall - 0.002
