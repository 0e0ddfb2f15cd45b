"""An HNSW graph: bounded, whole, and the same for any number of threads."""

from contextlib import contextmanager

import naive
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen
from sklearn_jin.build import hnsw
from sklearn_jin.metrics import METRICS
from sklearn_jin.points import raw

METRIC = {
    "Raw": "euclidean",
    "Manhattan": "manhattan",
    "Chebyshev": "chebyshev",
    "Dot": "inner_product",
}


def record(X, kind="Raw"):
    metric = METRICS[METRIC[kind]]().fit(X)
    return raw.KINDS[kind](metric.rows(X))


def build(X, M=2, ef=30, alpha=1.1, n_threads=1, kind="Raw", seed=0):
    order = np.random.default_rng(seed).permutation(len(X)).astype(np.int32)
    return hnsw.build(record(X, kind), M, ef, alpha, order, n_threads)


def normal(n, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


SHAPES = {
    "few": normal(70),
    "one": normal(1),
    "two": normal(2),
    "a line": normal(50, d=1),
    "copies": np.ones((60, 3)),
    "pairs": np.repeat(normal(30), 2, axis=0),
    "islands": normal(60) + 1e3 * (np.arange(60) % 3)[:, None],
    "outliers": np.vstack([normal(55), 1e4 * normal(5)]),
}


@pytest.fixture(params=SHAPES)
def X(request):
    return SHAPES[request.param]


@pytest.fixture(params=[(2, 1.0), (2, 1.1), (3, 1.5), (100, 1.1)])
def graph(request, X):
    M, alpha = request.param
    return build(X, M, 30, alpha)[0]


def layers_of(graph):
    spans = zip(graph.starts[:-1], graph.starts[1:])
    return [graph.upper[lo:hi] for lo, hi in spans]


# Sizes of layers and batches


@pytest.mark.parametrize("n", [1, 2, 63, 64, 1000, 10**6])
@pytest.mark.parametrize("M", [2, 16, 100])
def test_each_layer_has_a_2m_th_of_the_nodes_of_the_next(n, M):
    sizes = hnsw.layer_sizes(n, M)
    for upper, lower in zip(sizes, [*sizes[1:], n]):
        assert 1 < upper == lower // (2 * M)
    assert min([n, *sizes]) // (2 * M) <= 1


@pytest.mark.parametrize("n", [1, 2, 3, 100, 5000])
@pytest.mark.parametrize("sizes", [[], [2], [3, 77]])
def test_batches_cover_all_rows_and_end_at_every_layer(n, sizes):
    sizes = [size for size in sizes if size < n]
    stops = hnsw.batch_stops(n, sizes)
    assert stops[0] == 1 and stops[-1] == n and {*sizes} <= {*stops}
    steps = np.diff(stops)
    assert (steps > 0).all() and (steps <= stops[:-1]).all()
    assert (steps <= max(n // hnsw.BATCH_SHARE, hnsw.MIN_BATCH)).all()


# The graph


def test_every_node_can_be_reached_from_the_first(graph, X):
    reached = naive.reachable(graph.neighbors, graph.members[0])
    assert reached == set(range(len(X)))


def test_no_node_is_left_unreachable(X):
    assert build(X)[1] == 0


def test_degrees_are_at_most_2m_and_m_above():
    graph, _ = build(normal(200), M=3)
    assert graph.neighbors.shape[1] == 6 and graph.upper.shape[1] == 3
    assert (graph.neighbors >= 0).sum(axis=1).max() > 3  # the lowest has more than M


def test_edges_lead_to_other_nodes_and_once(graph, X):
    for node, row in enumerate(graph.neighbors):
        edges = row[row >= 0]
        assert node not in edges and len(set(edges)) == len(edges)
        assert (edges < len(X)).all() and (row[len(edges) :] == -1).all()


def test_edges_above_lead_to_other_ranks_of_their_layer(graph):
    for layer in layers_of(graph):
        for rank, row in enumerate(layer):
            edges = row[row >= 0]
            assert rank not in edges and len(set(edges)) == len(edges)
            assert (edges < len(layer)).all() and (row[len(edges) :] == -1).all()


def test_layers_hold_the_first_of_the_order():
    points = record(normal(70))
    order = np.random.default_rng(3).permutation(70).astype(np.int32)
    graph, _ = hnsw.build(points, 2, 30, 1.1, order, 1)
    assert_array_equal(np.diff(graph.starts), hnsw.layer_sizes(70, 2))
    assert_array_equal(graph.members, order[: len(graph.members)])
    assert_array_equal(graph.landmarks.X, points.X[graph.members])


def test_arrays_cannot_be_written():
    graph, _ = build(normal(70))
    for array in (graph.neighbors, graph.upper, graph.members):
        assert not array.flags.writeable


@pytest.mark.parametrize("kind", METRIC)
def test_every_kind_of_points_is_linked(kind):
    graph, n_unreachable = build(normal(60), M=3, kind=kind)
    assert n_unreachable == 0
    assert len(naive.reachable(graph.neighbors, graph.members[0])) == 60


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_change_nothing(X, n_threads):
    one, several = (build(X, n_threads=n)[0] for n in (1, n_threads))
    assert_array_equal(one.neighbors, several.neighbors)
    assert_array_equal(one.upper, several.upper)


@pytest.mark.jit
def test_threads_change_nothing_where_batches_are_large():
    X = normal(8000, d=6)
    one, several = (build(X, M=8, n_threads=n)[0] for n in (1, 4))
    assert_array_equal(one.neighbors, several.neighbors)
    assert_array_equal(one.upper, several.upper)


def test_the_order_of_insertion_is_all_that_chance_decides():
    X = normal(70)
    assert_array_equal(build(X)[0].neighbors, build(X)[0].neighbors)
    assert (build(X)[0].neighbors != build(X, seed=1)[0].neighbors).any()


@pytest.mark.parametrize("kind", ["Raw", "Dot"])
def test_progress_is_told_how_many_batches_there_are_and_of_each(kind):
    told = []

    @contextmanager
    def progress(n_steps):
        yield lambda: told.append("step")
        assert len(told) == n_steps > 1

    order = np.arange(70, dtype=np.int32)
    hnsw.build(record(normal(70), kind), 2, 30, 1.1, order, 1, progress)
    assert told


def test_rows_of_missing_numbers_leave_no_node_unreachable():
    X = normal(60).astype(np.float32)
    X[::6] = np.nan
    points = raw.Raw(frozen(X))
    graph, n = hnsw.build(points, 2, 30, 1.1, np.arange(60, dtype=np.int32), 1)
    assert n == 0
    assert naive.reachable(graph.neighbors, graph.members[0]) == set(range(60))
