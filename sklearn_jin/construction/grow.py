"""Growing a graph: rows are inserted batch by batch, or linked all at once.

Both ways end in the same step: for every node a walk proposes neighbours, the
one pruning rule chooses among them, and the edges are made in both directions,
grouped by their source.  So a graph depends on the order of its rows and on the
random state alone, and not on the number of threads (as in ParlayANN).
"""

from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from sklearn_jin._memory import aligned, aligned_empty, frozen
from sklearn_jin._numbers import blocks, squares
from sklearn_jin._threads import run
from sklearn_jin.construction.copies import chained, distinct
from sklearn_jin.construction.link import (
    add_edges,
    bound_degrees,
    connect,
    edges,
    lift_in_degrees,
    merge,
)
from sklearn_jin.construction.lists import look_up, near_rows
from sklearn_jin.construction.plan import (
    batch_stops,
    fixed,
    layer_sizes,
    narrowed,
    shortened,
)
from sklearn_jin.construction.prune import prune_rows
from sklearn_jin.points import (
    count,
    encode_queries,
    insertion_order,
    rows_of,
    spaces,
    subset,
)
from sklearn_jin.points.rows import RowsL2, float_rows, query_parts
from sklearn_jin.search.index import NO_COPIES
from sklearn_jin.search.layers import Layers, Walks, visit
from sklearn_jin.search.trial import spread

NO_EDGES = np.empty(0, np.int32), np.empty(0, np.int32)
CHUNK = 256  # rows a thread links at a time
FAR = 8  # inserted rows that are proposed besides: they lead to other clusters
FEW = 2  # rows that are inserted though others are not, by ``n`` over the width
IN_SHARE = 4  # as many edges as this share of its places lead to every node
FAR_SHARE = 4  # of the places of inserted nodes are for edges made by insertion
SPREAD_ROWS = 256  # rows whose neighbours tell how scores grow
LEAST_ROWS = 1000  # of fewer they would tell little, and every beam is wide
STEPS = 10  # of progress, of the lists and of every pass over all nodes


@contextmanager
def silent(n_steps):
    """Progress that nobody watches."""
    yield lambda: None


def entry_first(points, order):
    """``order`` beginning with the entry of a flat graph.

    That is the row nearest to the mean, for squared distances; for others the
    order stays, which for inner products begins with the longest row.
    """
    if not isinstance(spaces(points)[-1], RowsL2):
        return order
    X, gaps = float_rows(points), np.empty(len(order))
    mean = sum(X[part].sum(axis=0, dtype=np.float64) for part in blocks(X)) / len(X)
    for part in blocks(X):
        gaps[part] = squares(X[part] - mean)
    entry = gaps.argmin()
    return np.concatenate([[entry], order[order != entry]]).astype(np.int32)


def draw_order(points, plan, rng):
    """Rows in the order of insertion; the first is the entry of the graph."""
    order = rng.permutation(count(points)).astype(np.int32)
    order = insertion_order(points, order)
    return entry_first(points, order) if plan.is_flat else order


def learn_spread(graph, points, searched, rng, n_threads):
    """How scores grow with rank around some rows; empty where rows are few.

    ``searched`` are the points that walks are on: see
    :func:`sklearn_jin.search.trial.spread`.
    """
    n = count(points)
    if n < LEAST_ROWS:
        return np.empty(0)
    some = np.sort(rng.choice(n, min(n, SPREAD_ROWS), replace=False))
    encoded = frozen(encode_queries(searched, rows_of(points, some)))
    return spread(graph, searched, encoded, n_threads)


def _stops(n, plan, partition):
    """Where insertion pauses; the last is the number of rows that are inserted."""
    if not partition:
        return batch_stops(n, plan.sizes)
    few = min(n, max(1, FEW * n // plan.width, *plan.sizes))
    stops = batch_stops(n, (*plan.sizes, few))
    return stops[: stops.index(few) + 1]


def _count_steps(n, plan, partition):
    more = 1 + STEPS if partition else STEPS * (len(plan.alphas) - 1)
    return len(_stops(n, plan, partition)) - 1 + more


def grow(points, order, plan, rng, n_threads, partition=False, progress=silent):
    """Layers of the graph of all ``points``, and the number of unreachable nodes.

    Rows are inserted in ``order``, one batch after another; with ``partition``
    only the first few are, and all are then linked by lists of near neighbours,
    which only points of squared distances have.  Of equal rows only the first is
    linked.  Where points have several spaces, each one's graph gets an equal share
    of the edges; alphas are for distances, so for the first.  ``progress(n_steps)``
    is a context that gives a function to be called after every step.
    """
    firsts, owners = distinct(float_rows(points))
    if len(firsts) == len(order):
        layers, missing = _grow_spaces(
            points, order, plan, rng, n_threads, partition, progress
        )
        neighbors, copies = layers.neighbors, NO_COPIES
    else:
        sizes = _fewer(plan, len(firsts))
        layers, missing = _grow_spaces(
            subset(points, firsts), _ranks(order, firsts), plan._replace(sizes=sizes),
            rng, n_threads, partition, progress,
        )  # fmt: skip
        neighbors = spread_out(layers.neighbors, firsts, len(order))
        copies = chained(firsts, owners)
    layers = layers._replace(
        neighbors=frozen(aligned(neighbors)),
        members=frozen(firsts[layers.members]),
        copies=copies,
    )
    return layers._replace(landmarks=subset(points, layers.members)), missing


def spread_out(near, firsts, n):
    """Edges (n, width) of nodes, of which only the ``firsts`` are linked, by ranks."""
    neighbors = np.full((n, near.shape[1]), -1, np.int32)
    neighbors[firsts] = np.where(near >= 0, firsts[near], -1)
    return neighbors


def _fewer(plan, n):
    """The sizes of the upper layers of ``plan`` where there are only ``n`` nodes."""
    if plan.is_flat:
        return tuple(min(size, n // 4) for size in plan.sizes if n // 4 > 1)
    return layer_sizes(n, plan.M) if plan.sizes else ()


def _ranks(order, firsts):
    """The ``firsts``, which ascend, as ranks in the sequence of ``order``."""
    ranks = np.searchsorted(firsts, order).astype(np.int32)
    ranks[ranks == len(firsts)] = 0
    return ranks[firsts[ranks] == order]


def _grow_spaces(points, order, plan, rng, n_threads, partition, progress):
    """Layers of the merged graphs of the spaces of ``points``; what is unreachable."""
    kinds = spaces(points)
    plan = plan._replace(
        width=max(1, plan.width // len(kinds)),
        M=plan.M if plan.is_flat else max(1, plan.M // len(kinds)),
    )
    plans = [plan, *[plan._replace(alphas=(1.0,) * len(plan.alphas))] * len(kinds[1:])]
    ways = [partition and isinstance(kind, RowsL2) and len(order) > 1 for kind in kinds]
    with progress(sum(_count_steps(len(order), *w) for w in zip(plans, ways))) as step:
        graphs = [
            _grow(kind, order, *way, rng, n_threads, step)
            for kind, *way in zip(kinds, plans, ways)
        ]
    neighbors = graphs[0].neighbors
    if len(graphs) == 1:  # of inner products it is the long rows that are looked for
        lift_in_degrees(neighbors, plan.width // IN_SHARE)
    for other in graphs[1:]:
        neighbors = merge(neighbors, other.neighbors)
    return graphs[0]._replace(neighbors=neighbors), connect(neighbors, order[0])


def _grow(points, order, plan, partition, rng, n_threads, step):
    """Layers of the graph on one kind of ``points``, whose lowest may be changed."""
    n, width = len(order), plan.width
    # Room for half as many edges more, so that few rows are pruned often.
    neighbors = np.full((n, width + max(1, width // 2)), -1, np.int32)
    graph = neighbors, np.zeros(n, np.int32)
    layers = _insert(points, graph, order, plan, partition, n_threads, step)
    if partition:
        inserted = order[: _stops(n, plan, partition)[-1]]
        _partition(points, graph, layers, inserted, plan, rng, n_threads, step)
    else:
        for alpha in plan.alphas[1:]:
            _improve(points, graph, layers, order, plan, alpha, n_threads, step)
    nodes, alpha = np.arange(n, dtype=np.int32), plan.alphas[-1]
    bounded = bounded_edges(points, neighbors, nodes, width, alpha, n_threads)
    return layers._replace(neighbors=bounded)


def _insert(points, graph, order, plan, partition, n_threads, step):
    """Insert rows in ``order``, all or the first few; return the layers.

    Malkov & Yashunin 2020, algorithm 1 (INSERT), with four departures.  Rows
    are inserted in batches: each of a batch is searched in the graph as it was
    before, then all are linked.  The number of nodes of a layer is fixed, not
    drawn.  An upper layer is the graph as it was when its last node was
    inserted, pruned to ``M`` edges: every node is searched once, not once a
    level.  A new node may have as many edges on the lowest layer as any other:
    fewer hops for the same recall.  Without upper layers this is the insertion
    of a flat graph.
    """
    sizes, M = plan.sizes, plan.M
    starts = frozen(np.cumsum([0, *sizes]))
    members = frozen(order[: sizes[-1] if sizes else 1])
    upper = np.full((starts[-1], M), -1, np.int32)
    layers = Layers(
        frozen(graph[0]), frozen(upper), starts[:1], members, subset(points, members)
    )
    # In a later pass over all rows alpha will be larger.
    alpha = np.float32(plan.alphas[-1 if partition else 0])
    for lo, hi in pairwise(_stops(len(order), plan, partition)):
        nodes, beam = order[lo:hi], narrowed(plan.beam, lo)
        propose = searching(layers, points, beam, n_threads)
        rows = choose_edges(points, nodes, plan.width, alpha, propose)
        link_edges(points, graph, nodes, rows, NO_EDGES, plan.width, alpha, n_threads)
        if hi in sizes:
            t = sizes.index(hi)
            layer = slice(starts[t], starts[t + 1])
            if plan.is_flat:
                upper[0, : hi - 1] = np.arange(
                    1, hi
                )  # one hop tells which is the nearest
            else:
                upper[layer] = _snapshot(
                    points, graph[0], order[:hi], M, alpha, n_threads
                )
            layers = layers._replace(starts=starts[: t + 2])
        step()
    return layers


def _partition(points, graph, layers, inserted, plan, rng, n_threads, step):
    """Link all points, of which the ``inserted`` ones, the first few, are linked.

    The near neighbours that lists tell of are pruned to edges.  The nearest of the
    inserted nodes are proposed too, for a cluster may hold none of them: else no edge
    would lead there.  A share of the inserted nodes' places is kept for the edges that
    insertion made, which lead far: near ones would take all.
    """
    neighbors, degrees = graph
    n, width, alpha = len(neighbors), plan.width, np.float32(plan.alphas[-1])
    far = bounded_edges(points, neighbors, inserted, width, alpha, n_threads)
    near = look_up(points, min(n, shortened(plan.beam, width).ef), rng, n_threads)
    step()

    def propose(part, choose):
        entries = np.empty((len(part), FAR), np.int32)
        gaps = np.empty((len(part), FAR), np.float32)

        def note(chunk, scores, ids):
            gaps[chunk], entries[chunk] = scores, ids

        def choose_of_both(chunk, scores, ids):
            reach = np.where(ids >= 0, scores, 0).max(axis=1, keepdims=True)
            farther = np.where(gaps[chunk] > reach, entries[chunk], -1)
            scores = np.hstack([scores, gaps[chunk]])
            choose(chunk, scores, np.hstack([ids, farther]))

        _visit(layers, points, part, fixed(FAR), n_threads, note)
        near_rows(near, part, choose_of_both)

    nodes = near.by_cell
    rows = choose_edges(points, nodes, width, alpha, propose, STEPS, step)
    neighbors[inserted], degrees[:] = -1, 0
    link_edges(points, graph, nodes, rows, NO_EDGES, width, alpha, n_threads)
    n_near = width - width // FAR_SHARE
    kept = bounded_edges(points, neighbors, inserted, n_near, alpha, n_threads)
    neighbors[inserted] = -1
    neighbors[inserted, :width] = merge(kept, far)[:, :width]


def bounded_edges(points, neighbors, nodes, width, alpha, n_threads):
    """At most ``width`` edges (n, width) of each of the ``nodes``."""
    rows, alpha = aligned_empty(len(nodes), width, np.int32), np.float32(alpha)

    def bound(lo, hi):
        bound_degrees(points, neighbors, nodes, width, alpha, rows, lo, hi)

    run(bound, len(nodes), CHUNK, n_threads)
    return rows


def _improve(points, graph, layers, order, plan, alpha, n_threads, step):
    """Let all nodes, which are linked already, look for edges once more."""
    neighbors, degrees = graph
    beam, alpha = narrowed(plan.beam, len(order)), np.float32(alpha)

    propose = searching(layers, points, beam, n_threads)
    rows = choose_edges(points, order, plan.width, alpha, propose, STEPS, step)
    old = _edges_of(neighbors, order)
    neighbors[:], degrees[:] = -1, 0
    link_edges(points, graph, order, rows, old, plan.width, alpha, n_threads)


def searching(layers, points, beam, n_threads):
    """What proposes edges by walks from the entry of ``layers``."""

    def propose(nodes, choose):
        _visit(layers, points, nodes, beam, n_threads, choose)

    return propose


def _visit(layers, points, nodes, beam, n_threads, use):
    """``use(part, scores, ids)`` what walks find for ``nodes``, numbered ``part``."""
    for first, queries, asked in query_parts(points, nodes):
        walks = Walks(points, queries, beam.ef, beam, n_threads)

        def use_part(part, scores, ids, first=first):
            use(first + part, scores, ids)

        visit(layers, walks, asked, use_part)


def choose_edges(points, nodes, width, alpha, propose, n_steps=1, step=lambda: None):
    """Edges (n, width) of the ``nodes`` among those that ``propose`` finds for them."""
    rows = np.empty((len(nodes), width), np.int32)
    for lo, hi in pairwise(np.linspace(0, len(nodes), n_steps + 1).astype(int)):
        part, kept = nodes[lo:hi], rows[lo:hi]

        def choose(chunk, scores, ids, part=part, kept=kept):
            best = np.empty((len(chunk), width), np.int32)
            prune_rows(points, part[chunk], ids, scores, width, alpha, best)
            kept[chunk] = best

        if len(part):
            propose(part, choose)
        step()
    return rows


def _edges_of(neighbors, nodes):
    """Heads and tails of all edges that leave the ``nodes``."""
    rows = neighbors[nodes]
    present = rows >= 0
    return np.broadcast_to(nodes[:, None], rows.shape)[present], rows[present]


def link_edges(points, graph, nodes, rows, more, width, alpha, n_threads):
    """Give ``nodes`` the edges ``rows``, then those back and ``more``, pruned."""
    neighbors, degrees = graph
    neighbors[nodes, : rows.shape[1]] = rows
    degrees[nodes] = (rows >= 0).sum(axis=1)
    tails, heads = _edges_of(rows, np.arange(len(rows), dtype=np.int32))
    heads = np.concatenate([heads, more[0]])
    tails = np.concatenate([nodes[tails], more[1]])
    sources, starts, targets = edges(heads, tails, len(neighbors))

    def link(lo, hi):
        add_edges(
            points, neighbors, degrees, sources, starts, targets, width, alpha, lo, hi
        )

    run(link, len(sources), CHUNK, n_threads)


def _snapshot(points, neighbors, members, M, alpha, n_threads):
    """Edges among ``members``, all that are inserted yet, as ranks: an upper layer."""
    rows = bounded_edges(points, neighbors, members, M, alpha, n_threads)
    rank = np.full(len(neighbors) + 1, -1, np.int32)  # the last is the rank of -1
    rank[members] = np.arange(len(members))
    return rank[rows]
