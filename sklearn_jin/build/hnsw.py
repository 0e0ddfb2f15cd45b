"""Hierarchical navigable small world graphs, inserted batch by batch."""

from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from sklearn_jin._memory import aligned, aligned_empty, frozen
from sklearn_jin._threads import run
from sklearn_jin.build.link import add_edges, bound_degrees, connect, merge, reverse
from sklearn_jin.build.prune import prune_rows
from sklearn_jin.points import spaces, take
from sklearn_jin.search.layers import NO_END, Layers, visit

BATCH_SHARE = 50  # a batch holds at most one 50th of the rows: larger ones cost recall
MIN_BATCH = 32
CHUNK = 256  # rows a thread links at a time


@contextmanager
def silent(n_steps):
    """Progress that nobody watches."""
    yield lambda: None


def layer_sizes(n, M):
    """Numbers of nodes of the upper layers, the top first: each 1 / (2 M) of the next.

    The paper draws levels so that the expected sizes fall by the factor
    ``1 / M``; a beam of ten or more on the lowest layer needs no closer entry.
    """
    sizes = []
    while n // (2 * M) > 1:
        n //= 2 * M
        sizes.append(n)
    return sizes[::-1]


def batch_stops(n, sizes):
    """Where insertion pauses to link: after 1, 2, 4, ... rows, and at every layer."""
    most, stops = max(n // BATCH_SHARE, MIN_BATCH), [1]
    while stops[-1] < n:
        lo = stops[-1]
        stops.append(min(2 * lo, lo + most, *(s for s in (*sizes, n) if s > lo)))
    return stops


def build(points, M, ef_construction, alpha, order, n_threads, progress=silent):
    """HNSW graph of all ``points``, inserted in ``order``, and its unreachable nodes.

    ``progress(n_steps)`` is a context that gives a function to be called after
    every batch.  Where points have several spaces, each one's graph gets an
    equal share of the edges; ``alpha`` is for distances, so for the first.
    """
    n, parts = len(order), spaces(points)
    sizes = layer_sizes(n, M)
    stops = batch_stops(n, sizes)
    share = max(1, M // len(parts))
    with progress(len(parts) * (len(stops) - 1)) as step:
        graphs = [
            _grow(
                part, share, ef_construction, 1.0 if i else alpha, order, sizes, stops,
                n_threads, step,
            )
            for i, part in enumerate(parts)
        ]  # fmt: skip
    neighbors = graphs[0].neighbors
    for other in graphs[1:]:
        neighbors = merge(neighbors, other.neighbors)
    n_unreachable = connect(neighbors, order[0])
    landmarks = take(points, graphs[0].members)
    neighbors = frozen(aligned(neighbors))
    graph = graphs[0]._replace(neighbors=neighbors, landmarks=landmarks)
    return graph, n_unreachable


def _grow(points, M, ef_construction, alpha, order, sizes, stops, n_threads, step):
    """Layers of the graph on one kind of ``points``, whose lowest may be changed.

    Malkov & Yashunin 2020, algorithm 1 (INSERT), with four departures.  Rows
    are inserted in batches: each of a batch is searched in the graph as it was
    before, then all are linked, grouped by target; so the graph depends on
    ``order`` alone and not on the number of threads (as in ParlayANN).  The
    number of nodes of a layer is fixed, not drawn.  An upper layer is the graph
    as it was when its last node was inserted, pruned to ``M`` edges: every
    node is searched once, not once a level.  A new node may have ``2 M`` edges
    on the lowest layer at once, not ``M``: fewer hops for the same recall.
    """
    n, width, alpha = len(order), 2 * M, np.float32(alpha)
    # Room for M edges more than allowed, so that few rows are pruned often.
    neighbors = np.full((n, width + M), -1, np.int32)
    degrees = np.zeros(n, np.int32)
    starts = frozen(np.cumsum([0, *sizes]))
    members = frozen(order[: sizes[-1] if sizes else 1])
    upper = np.full((starts[-1], M), -1, np.int32)
    landmarks, ready = take(points, members), 0
    for lo, hi in pairwise(stops):
        if ready < len(sizes) and sizes[ready] == lo:
            layer = slice(starts[ready], starts[ready + 1])
            upper[layer] = _snapshot(points, neighbors, order[:lo], M, alpha)
            ready += 1
        layers = Layers(
            frozen(neighbors), frozen(upper), starts[: ready + 1], members, landmarks
        )
        ef = min(ef_construction, lo)
        _insert(
            layers, points, neighbors, degrees, order[lo:hi], M, ef, alpha, n_threads
        )
        step()
    bounded = aligned_empty(n, width, np.int32)
    nodes = np.arange(n, dtype=np.int32)

    def bound(lo, hi):
        bound_degrees(points, neighbors, nodes, width, alpha, bounded, lo, hi)

    run(bound, n, CHUNK, n_threads)
    return Layers(bounded, frozen(upper), starts, members, landmarks)


def _insert(layers, points, neighbors, degrees, nodes, M, ef, alpha, n_threads):
    """Search ``nodes`` in ``layers``, then link them in ``neighbors``."""
    rows = np.empty((len(nodes), 2 * M), np.int32)
    counts = np.empty(len(nodes), np.int32)

    def select(chunk, scores, ids):
        kept = np.empty((len(chunk), 2 * M), np.int32)
        n_kept = np.empty(len(chunk), np.int32)
        prune_rows(points, nodes[chunk], ids, scores, 2 * M, alpha, kept, n_kept)
        rows[chunk], counts[chunk] = kept, n_kept

    visit(layers, points, points.X, nodes, ef, (ef, 1, NO_END), n_threads, select)
    neighbors[nodes, : 2 * M], degrees[nodes] = rows, counts
    sources, starts, targets = reverse(nodes, rows)

    def link(lo, hi):
        add_edges(
            points, neighbors, degrees, sources, starts, targets, 2 * M, alpha, lo, hi
        )

    run(link, len(sources), CHUNK, n_threads)


def _snapshot(points, neighbors, members, M, alpha):
    """Edges among ``members``, all that are inserted yet, as ranks: an upper layer."""
    rows = np.empty((len(members), M), np.int32)
    bound_degrees(points, neighbors, members, M, alpha, rows, 0, len(members))
    rank = np.full(len(neighbors) + 1, -1, np.int32)  # the last is the rank of -1
    rank[members] = np.arange(len(members))
    return rank[rows]
