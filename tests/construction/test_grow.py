"""A graph: bounded, whole, and the same for any number of threads, however grown."""

from contextlib import contextmanager

import indexes
import naive
import numpy as np
import pytest
from answers import search_route
from numpy.testing import assert_array_equal

from sklearn_jin import _numbers
from sklearn_jin._memory import frozen
from sklearn_jin.construction import grow as module
from sklearn_jin.construction import hnsw, lists
from sklearn_jin.construction import plan as plans
from sklearn_jin.construction.grow import STEPS, grow
from sklearn_jin.construction.plan import Plan, ever_kept, fixed
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS, RowsL2
from sklearn_jin.search import beam as beams
from sklearn_jin.search.beam import NO_END
from sklearn_jin.search.index import Search

METRIC = {
    "l2": "euclidean",
    "l1": "manhattan",
    "linf": "chebyshev",
    "ip": "inner_product",
}


def record(X, space="l2"):
    metric = METRICS[METRIC[space]]().fit(X)
    return ROWS[space](metric.rows(X))


def shuffled(n, seed=0):
    return np.random.default_rng(seed).permutation(n).astype(np.int32)


def build(X, plan, partition=False, n_threads=1, space="l2", order=None, seed=0):
    """Graph of the rows ``X``, and the number of its unreachable nodes."""
    order, rng = shuffled(len(X)) if order is None else order, np.random.RandomState
    return grow(record(X, space), order, plan, rng(seed), n_threads, partition)


def layered(n, M=2, ef=30, alpha=1.1):
    return hnsw.plan(n, M, ef, alpha**0.5)


def flat(n, width=8, ef=30, alphas=(1.1,), beam=fixed):
    return Plan(width, beam(ef), alphas)


def normal(n, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


SHAPES = {
    "few": normal(70),
    "one": normal(1),
    "two": normal(2),
    "three": normal(3),
    "twelve": normal(12),  # fewer neighbours than a first graph has edges
    "a line": normal(50, d=1),
    "copies": np.ones((60, 3)),
    "pairs": np.repeat(normal(30), 2, axis=0),
    "islands": normal(60) + 1e3 * (np.arange(60) % 3)[:, None],
    "outliers": np.vstack([normal(55), 1e4 * normal(5)]),
}
PLANS = {
    "layered": lambda n: layered(n),
    "far": lambda n: layered(n, 3, alpha=1.5),
    "wide": lambda n: layered(n, 100),
    "one edge": lambda n: flat(n, 1, 1),
    "two passes": lambda n: flat(n, 6, alphas=(1.0, 1.44)),
    "all met": lambda n: flat(n, 6, 10, alphas=(1.0, 1.44), beam=ever_kept),
}
ways = pytest.mark.parametrize("partition", [False, True], ids=["inserted", "parted"])


N_PROBES = lists.N_PROBES


@pytest.fixture(scope="module", autouse=True)
def few_lists():
    """Lists so few that a row is not told of all others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "N_PROBES", 3)
        yield


@pytest.fixture
def many_lists(monkeypatch):
    monkeypatch.setattr(lists, "N_PROBES", N_PROBES)


@pytest.fixture(scope="module", params=PLANS)
def plan(request):
    return PLANS[request.param]


@pytest.fixture(scope="module")
def grown(plan, shape, way):
    """Of every shape by every plan and in both ways, a graph and how many it lost."""
    X = SHAPES[shape]
    return build(X, plan(len(X)), way)


@pytest.fixture
def graph(grown):
    return grown[0]


@pytest.fixture(scope="module", params=SHAPES)
def shape(request):
    return request.param


@pytest.fixture(scope="module", params=[False, True], ids=["inserted", "parted"])
def way(request):
    return request.param


def layers_of(graph):
    spans = zip(graph.starts[:-1], graph.starts[1:])
    return [graph.upper[lo:hi] for lo, hi in spans]


def assert_same(graph, other):
    for part, wanted in zip(graph[:4], other[:4]):
        assert_array_equal(part, wanted)


def assert_rows_of_edges(rows):
    """Of other nodes, each once, and with -1s behind."""
    for node, row in enumerate(rows):
        edges = row[row >= 0]
        assert node not in edges and len(set(edges)) == len(edges)
        assert (edges < len(rows)).all() and (row[len(edges) :] == -1).all()


def n_edges(graph):
    return (graph.neighbors >= 0).sum()


# Sizes of layers and batches


@pytest.mark.parametrize("n", [1, 2, 63, 64, 1000, 10**6])
@pytest.mark.parametrize("M", [2, 16, 100])
def test_each_layer_has_a_2m_th_of_the_nodes_of_the_next(n, M):
    sizes = plans.layer_sizes(n, M)
    assert isinstance(sizes, tuple)
    for upper, lower in zip(sizes, [*sizes[1:], n]):
        assert 1 < upper == lower // (2 * M)
    assert min([n, *sizes]) // (2 * M) <= 1


@pytest.mark.parametrize("n", [1, 2, 3, 100, 5000])
@pytest.mark.parametrize("sizes", [(), (2,), (3, 77)])
def test_batches_cover_all_rows_and_end_at_every_layer(n, sizes):
    sizes = [size for size in sizes if size < n]
    stops = plans.batch_stops(n, sizes)
    assert stops[0] == 1 and stops[-1] == n and {*sizes} <= {*stops}
    steps = np.diff(stops)
    assert (steps > 0).all() and (steps <= stops[:-1]).all()
    assert (steps <= max(n // plans.BATCH_SHARE, plans.MIN_BATCH)).all()


# The graph


def firsts_of(shape):
    """The first rows of every place: only they are linked."""
    return np.unique(SHAPES[shape], axis=0, return_index=True)[1]


def test_every_node_but_copies_can_be_reached_from_the_first(graph, shape):
    reached = naive.reachable(graph.neighbors, graph.members[0])
    assert reached == set(firsts_of(shape).tolist())


def test_no_node_is_left_unreachable(grown):
    assert grown[1] == 0


def test_degrees_are_bounded(graph, plan, shape):
    wanted = plan(len(firsts_of(shape)))
    assert graph.neighbors.shape == (len(SHAPES[shape]), wanted.width)
    assert graph.upper.shape == (sum(wanted.sizes), wanted.M)
    assert len(graph.members) == max([1, *wanted.sizes])


@ways
def test_the_lowest_layer_has_more_edges_than_those_above(partition):
    graph, _ = build(normal(200), layered(200, 3), partition)
    assert graph.neighbors.shape[1] == 6 and graph.upper.shape[1] == 3
    assert (graph.neighbors >= 0).sum(axis=1).max() == 6


def test_edges_lead_to_other_nodes_and_once(graph):
    assert_rows_of_edges(graph.neighbors)


def test_edges_above_lead_to_other_ranks_of_their_layer(graph):
    for layer in layers_of(graph):
        assert_rows_of_edges(layer)


@ways
def test_layers_hold_the_first_of_the_order(partition):
    points, order = record(normal(70)), shuffled(70, 3)
    rng = np.random.RandomState(0)
    graph, _ = grow(points, order, layered(70), rng, 1, partition)
    sizes = plans.layer_sizes(70, 2)
    assert len(sizes) > 1 and len(graph.members) == sizes[-1]
    assert_array_equal(np.diff(graph.starts), sizes)
    assert_array_equal(graph.members, order[: len(graph.members)])
    assert_array_equal(graph.landmarks.X, points.X[graph.members])
    assert all((layer >= 0).any() for layer in layers_of(graph))


@ways
def test_arrays_cannot_be_written_and_start_at_a_line(partition):
    graph, _ = build(normal(70), layered(70), partition)
    for array in (graph.neighbors, graph.upper, graph.starts, graph.members):
        assert not array.flags.writeable
    assert graph.neighbors.ctypes.data % 64 == 0


@pytest.mark.parametrize("space", METRIC)
@pytest.mark.parametrize("plan", [layered(60, 3), flat(60, 6)])
def test_every_kind_of_points_is_linked(space, plan):
    graph, n_unreachable = build(normal(60), plan, space=space)
    assert n_unreachable == 0 and graph.neighbors.shape == (60, 6)
    assert len(naive.reachable(graph.neighbors, graph.members[0])) == 60


@pytest.mark.parametrize("space", ["l1", "linf"])
def test_points_of_other_distances_are_always_inserted(space):
    X, plan = normal(60), layered(60, 3)
    inserted, parted = (build(X, plan, way, space=space)[0] for way in (False, True))
    assert_same(inserted, parted)


def test_of_inner_products_only_the_graph_of_distances_is_parted(monkeypatch):
    X, plan, grown = normal(90), layered(90, 4), []

    def watched(points, order, plan, partition, *rest):
        grown.append((type(points).__name__, plan.width, plan.alphas, partition))
        return original(points, order, plan, partition, *rest)

    original = module._grow
    monkeypatch.setattr(module, "_grow", watched)
    graph, n_unreachable = build(X, plan, True, space="ip")
    near = "RowsL2", 4, (pytest.approx(1.1),), True
    assert grown == [near, ("RowsIP", 4, (1.0,), False)]
    assert n_unreachable == 0
    assert len(naive.reachable(graph.neighbors, graph.members[0])) == 90
    assert_rows_of_edges(graph.neighbors)


def test_threads_change_nothing(graph, plan, shape, way):
    X = SHAPES[shape]
    assert_same(build(X, plan(len(X)), way, n_threads=5)[0], graph)


@pytest.mark.jit
@ways
@pytest.mark.parametrize("space", ["l2", "ip"])
@pytest.mark.parametrize(
    "plan", [layered(8000, 8), flat(8000, 16, 20, (1.0, 1.44), ever_kept)]
)
def test_threads_change_nothing_where_batches_are_large(
    space, plan, partition, many_lists
):
    X = normal(8000, d=6)
    one, several = (
        build(X, plan, partition, n_threads=n, space=space)[0] for n in (1, 2)
    )
    assert_same(one, several)


@ways
def test_the_order_and_the_random_state_decide_all(partition):
    X, plan = normal(70), layered(70)
    graph, _ = build(X, plan, partition)
    assert_same(graph, build(X, plan, partition)[0])
    other, _ = build(X, plan, partition, order=shuffled(70, 1))
    assert (graph.neighbors != other.neighbors).any()


def test_chance_decides_only_where_rows_are_parted():
    X, plan = normal(150, d=16), layered(150, ef=10)
    graph, other = (build(X, plan, seed=seed)[0] for seed in (0, 1))
    assert_same(graph, other)
    graph, again, other = (build(X, plan, True, seed=seed)[0] for seed in (0, 0, 1))
    assert_same(graph, again)
    assert (graph.neighbors != other.neighbors).any()


@ways
@pytest.mark.parametrize("space", METRIC)
@pytest.mark.parametrize("n", [1, 2, 70])
@pytest.mark.parametrize("name", ["layered", "two passes", "wide"])
def test_progress_is_told_how_many_steps_there_are_and_of_each(
    space, n, name, partition
):
    told = []

    @contextmanager
    def progress(n_steps):
        yield lambda: told.append("step")
        told.append(n_steps)

    points, order, rng = record(normal(n), space), shuffled(n), np.random.RandomState(0)
    grow(points, order, PLANS[name](n), rng, 1, partition, progress)
    *steps, n_steps = told
    assert len(steps) == n_steps
    assert n_steps > 1 or n < 3


@ways
def test_later_passes_take_ten_steps_each_and_lists_one_more(partition):
    n_steps = []

    @contextmanager
    def progress(n):
        n_steps.append(n)
        yield lambda: None

    plan, rng = flat(200, 6, 5, alphas=(1.0, 1.2, 1.44)), np.random.RandomState(0)
    grow(record(normal(200)), shuffled(200), plan, rng, 1, partition, progress)
    stops = module._stops(200, plan, partition)
    assert n_steps == [len(stops) - 1 + (STEPS + 1 if partition else 2 * STEPS)]
    assert (stops[-1] == 200) != partition


@ways
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("n", [60, 200])
@pytest.mark.parametrize("make", [layered, flat])
def test_rows_of_missing_numbers_leave_no_node_unreachable(n, make, partition):
    X = normal(n).astype(np.float32)
    X[::6] = np.nan
    order, rng = np.arange(n, dtype=np.int32), np.random.RandomState(0)
    graph, n_lost = grow(RowsL2(frozen(X)), order, make(n), rng, 1, partition)
    assert n_lost == 0
    assert naive.reachable(graph.neighbors, graph.members[0]) == set(range(n))
    assert_rows_of_edges(graph.neighbors)


@ways
@pytest.mark.filterwarnings("ignore:(overflow|invalid):RuntimeWarning")
def test_rows_too_long_for_a_finite_score_leave_no_node_unreachable(partition):
    X = normal(90).astype(np.float32)
    X[::6] *= 1e30
    order, rng = np.arange(90, dtype=np.int32), np.random.RandomState(0)
    graph, n_lost = grow(RowsL2(frozen(X)), order, layered(90), rng, 1, partition)
    assert n_lost == 0
    assert naive.reachable(graph.neighbors, 0) == set(range(90))


# Alphas


@ways
@pytest.mark.parametrize("make", [layered, flat])
@pytest.mark.parametrize("d", [2, 8])
def test_a_larger_alpha_gives_no_fewer_edges(make, d, partition):
    X, size = normal(120, d), 8
    counts = []
    for alpha in (1.0, 1.1, 1.44, 2.0, 4.0):
        alphas = {"alphas": (alpha,)} if make is flat else {"alpha": alpha}
        plan = make(120, size, 16, **alphas)
        counts.append(n_edges(build(X, plan, partition)[0]))
    assert counts == sorted(counts) and counts[-1] > 1.1 * counts[0]


@ways
def test_the_last_alpha_is_the_one_that_counts(partition):
    X = normal(120, 8)
    one, large, both = (
        n_edges(build(X, flat(120, 16, 16, alphas=alphas), partition)[0])
        for alphas in ((1.0,), (2.0,), (1.0, 2.0))
    )
    assert one < 0.8 * both and abs(both - large) < 0.1 * large


def test_lists_are_pruned_by_the_last_alpha_alone():
    X = normal(120, 8)
    one, both = (
        build(X, flat(120, 8, 10, alphas), True)[0] for alphas in ((2.0,), (1.0, 2.0))
    )
    assert_same(one, both)


def test_a_second_pass_finds_the_first_rows_their_neighbours():
    # When they were inserted there were few.
    X, order = normal(300, 6), shuffled(300)
    points = record(X)
    nearest = naive.nearest(points.X, points.X[order[:40]], 2)[:, 1]
    once, twice = (
        build(X, flat(300, 3, 10, alphas), order=order)[0].neighbors[order[:40]]
        for alphas in ((1.0,), (1.0, 1.0))
    )
    found = [(rows == nearest[:, None]).any(axis=1).mean() for rows in (once, twice)]
    assert found[1] > found[0] + 0.2


# Flat graphs


@ways
def test_a_flat_graph_has_one_member_the_first_of_the_order(partition):
    points, order = record(normal(70)), shuffled(70, 3)
    graph, _ = grow(points, order, flat(70), np.random.RandomState(0), 1, partition)
    assert_array_equal(graph.members, order[:1])
    assert_array_equal(graph.landmarks.X, points.X[order[:1]])
    assert_array_equal(graph.starts, [0])
    assert len(graph.upper) == 0


def islands(n, n_islands, d=6, gap=100, seed=0):
    rng, centers = np.random.default_rng(seed), np.random.default_rng(99)
    centers = gap * centers.standard_normal((n_islands, d))
    return centers[np.arange(n) % n_islands] + rng.standard_normal((n, d))


def recall(graph, points, Q, k=10, ef=64):
    """Share of the ``k`` nearest that walks of a fixed beam find."""
    scores, _ = search_route(graph, points, Q, Search(k, k, ef))
    nearest = naive.nearest_distances(points.X, Q, k, "sqeuclidean")
    return naive.recall(scores, nearest)


@pytest.mark.parametrize("alphas", [(1.2,), (1.0, 1.44)])
@pytest.mark.parametrize(
    "n_islands, partition",
    [(2, False), (3, False), (12, False), (2, True), (3, True), (12, True)],
)
def test_walks_of_a_flat_graph_find_the_right_island(n_islands, alphas, partition):
    X = islands(240, n_islands)
    order = module.entry_first(record(X), shuffled(240))
    plan = plans.flat(240, 12, fixed(20), alphas)
    graph, _ = build(X, plan, partition, order=order)
    points = record(X)
    assert recall(graph, points, points.X[::7], 1, 12) > 0.98


@ways
@pytest.mark.parametrize("make", [layered, flat])
def test_walks_find_the_nearest(make, partition):
    points, plan = record(normal(300, 6)), make(300, 6, 20)
    graph, _ = build(normal(300, 6), plan, partition)
    assert recall(graph, points, points.X[::9], 5, 30) > 0.98


def test_an_entry_is_the_row_nearest_to_the_mean():
    X, order = normal(301, 5) ** 3, shuffled(301)
    found = module.entry_first(record(X), order)
    gaps = naive.distances(X, [X.mean(axis=0)])[0]
    assert found[0] == gaps.argmin() and found.dtype == np.int32
    assert_array_equal(found[1:], order[order != found[0]])


def test_an_entry_is_found_in_any_block(monkeypatch):
    X, order = normal(50), shuffled(50)
    whole = module.entry_first(record(X), order)
    monkeypatch.setattr(_numbers, "BLOCK", 7)
    assert_array_equal(module.entry_first(record(X), order), whole)


@pytest.mark.parametrize("space", ["l1", "linf", "ip"])
def test_without_squared_distances_the_order_stays(space):
    order = shuffled(50)
    assert_array_equal(module.entry_first(record(normal(50), space), order), order)


# Beams


def expanded(neighbors, gaps, ef):
    """Nodes that a fixed beam expands from node 0, and the best it has met."""
    order = lambda i: (gaps[i], i)  # noqa: E731
    seen, done = {0}, set()
    while True:
        best = sorted(seen, key=order)[:ef]
        rest = [i for i in best if i not in done]
        if not rest:
            return done, best
        done.add(rest[0])
        seen |= {int(i) for i in neighbors[rest[0]] if i >= 0}


@pytest.mark.parametrize("ef", [1, 4, 10])
def test_a_met_beam_proposes_all_that_a_fixed_one_expands(ef):
    points, Q = record(normal(200)), normal(9, seed=1).astype(np.float32)
    graph = np.random.default_rng(0).integers(0, 200, (200, 5)).astype(np.int32)
    beam = ever_kept(ef)
    scores, ids = (np.empty((9, beam.ef), kind) for kind in (np.float32, np.int32))
    beams.walk(
        frozen(graph), points, frozen(Q), np.arange(9), np.zeros((9, 1), np.int32),
        beam, None, np.empty(0, np.uint64), scores, ids,
    )  # fmt: skip
    n_more = 0
    for gaps, row in zip(naive.distances(points.X, Q, "sqeuclidean"), ids):
        done, best = expanded(graph, gaps, ef)
        assert_array_equal(row[:ef], best)
        nearest = sorted(done, key=lambda i: gaps[i])[: beam.ef]
        assert {*nearest} <= {*row.tolist()}
        n_more += len({*nearest}) - ef
    assert n_more > 0


def test_beams_are_narrowed_to_what_there_is():
    assert plans.narrowed(fixed(100), 30) == (30, 1, NO_END)
    assert plans.narrowed(fixed(100), 300) == (100, 1, NO_END)
    assert plans.narrowed(ever_kept(100), 60) == (60, 60, 1)


def test_beams_are_shortened_to_a_third_but_hold_twice_the_edges():
    assert plans.shortened(fixed(300), 8) == (101, 1, NO_END)
    assert plans.shortened(ever_kept(90), 8) == (121, 30, 1)
    assert plans.shortened(fixed(60), 16) == (33, 1, NO_END)
    assert plans.shortened(fixed(10), 16) == (11, 1, NO_END)
    assert plans.shortened(fixed(1), 16) == (2, 1, NO_END)


# Quality


def clustered(n, seed=0, d=16, gap=1.0):
    """Normal groups of various widths."""
    centers = gap * np.random.default_rng(1).standard_normal((100, d))
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 100, n)
    widths = 0.3 + 0.7 * which[:, None] / 100
    return centers[which] + widths * rng.standard_normal((n, d))


def apart(n, seed=0):
    """Groups far from each other."""
    return clustered(n, seed, gap=3.0)


SETS = {"normal": lambda n, seed=0: normal(n, 16, seed), "clustered": clustered}
BOTH = {
    "layered": layered(20_000, 16, 200),
    "flat": plans.flat(20_000, 32, fixed(200), (1.1,)),
    "met": plans.flat(20_000, 32, ever_kept(100), (1.0, 1.44)),
}


def grown_both_ways():
    """Data and plans: each occurs, and in full all of one meet all of the other."""
    every = {**SETS, "apart": apart}
    for i, (name, data) in enumerate(every.items()):
        for j, (kind, plan) in enumerate(BOTH.items()):
            if indexes.FULL or i == j or j == 0:
                yield pytest.param(data, plan, id=f"{name}-{kind}")


@pytest.mark.jit
@pytest.mark.parametrize("data, plan", [*grown_both_ways()])
def test_parted_rows_are_found_as_well_as_inserted_ones(data, plan, many_lists):
    X = data(20_000)
    metric = METRICS["euclidean"]().fit(X)
    points, Q = RowsL2(metric.rows(X)), metric.prepare_queries(data(300, seed=7))[0]
    order = shuffled(20_000)
    order = order if plan.sizes else module.entry_first(points, order)
    inserted, parted = (
        recall(
            grow(points, order, plan, np.random.RandomState(0), 1, way)[0], points, Q
        )
        for way in (False, True)
    )
    assert parted >= inserted - 0.005 and parted > 0.9
