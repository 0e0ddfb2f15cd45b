"""Rows that come and go in a graph that is there."""

from itertools import pairwise

import numpy as np

from sklearn_jin._memory import aligned, frozen
from sklearn_jin._threads import run
from sklearn_jin.construction.copies import chained, distinct
from sklearn_jin.construction.grow import (
    CHUNK,
    IN_SHARE,
    NO_EDGES,
    bounded_edges,
    choose_edges,
    link_edges,
    searching,
    spread_out,
)
from sklearn_jin.construction.link import connect, heal, lift_in_degrees
from sklearn_jin.construction.plan import batch_stops, narrowed
from sklearn_jin.points import count, subset
from sklearn_jin.points.rows import float_rows
from sklearn_jin.search.index import NO_COPIES
from sklearn_jin.search.layers import entry_of

STEPS_TO_STAND_IN = 3  # from a node that went to a live one near it


def extend(points, layers, plan, n_threads):
    """``layers`` that lead to all ``points``, of which they hold the first.

    And the number of unreachable nodes.  The others are inserted as
    :func:`sklearn_jin.construction.grow.grow` inserts rows, batches of one, two, four
    and so on, so that those that lie together, far from all others, are linked to each
    other.  The upper layers stay as they are.  ``plan`` is that of the graph; of its
    alphas the last counts.
    """
    n, n_old, width = count(points), *layers.neighbors.shape
    firsts, owners = distinct(float_rows(points))
    neighbors = np.full((n, width + max(1, width // 2)), -1, np.int32)
    neighbors[:n_old, :width] = layers.neighbors
    graph = neighbors, (neighbors >= 0).sum(axis=1, dtype=np.int32)
    nodes, alpha = firsts[firsts >= n_old], np.float32(plan.alphas[-1])
    growing = layers._replace(neighbors=frozen(neighbors))
    for lo, hi in pairwise([0, *batch_stops(len(nodes), ())] if len(nodes) else []):
        part, beam = nodes[lo:hi], narrowed(plan.beam, n_old)
        propose = searching(growing, points, beam, n_threads)
        rows = choose_edges(points, part, width, alpha, propose)
        link_edges(points, graph, part, rows, NO_EDGES, width, alpha, n_threads)
    every = np.arange(n, dtype=np.int32)
    neighbors = bounded_edges(points, neighbors, every, width, alpha, n_threads)
    return _finished(layers, neighbors, firsts, owners)


def shrink(points, layers, live, plan, n_threads):
    """``layers`` that lead to the ``live`` ones of ``points`` alone, by their rank.

    And the number of unreachable nodes.  Those that were linked to a node that went are
    linked to its neighbours, see :func:`sklearn_jin.construction.link.heal`.  For
    members of the upper layers that went a neighbour stands in.
    """
    neighbors, live = layers.neighbors.copy(), live.copy()
    heirs = np.arange(len(live), dtype=np.int32)
    if len(layers.copies.firsts):
        gone, first_left = _heirs(layers.copies.firsts, live)
        heirs[gone] = first_left
        neighbors[heirs[gone]] = neighbors[gone]
        neighbors = np.where(neighbors >= 0, heirs[neighbors], -1)
    rows, alpha = np.empty_like(neighbors), np.float32(plan.alphas[-1])

    def task(lo, hi):
        heal(points, neighbors, live, alpha, rows, lo, hi)

    run(task, len(rows), CHUNK, n_threads)
    left = np.flatnonzero(live).astype(np.int32)
    rank = np.full(len(live) + 1, -1, np.int32)  # the last is the rank of -1
    rank[left] = np.arange(len(left))
    members = _stand_ins(heirs[layers.members], neighbors, live)
    layers = layers._replace(members=frozen(rank[members]))
    points = subset(points, left)
    rows = aligned(rank[rows[left]])
    return _finished(layers, rows, *distinct(float_rows(points)))


def _heirs(firsts, live):
    """Linked rows that went though copies of them are left; and the first of these."""
    copies = np.flatnonzero(live & ~live[firsts])
    gone, at = np.unique(firsts[copies], return_index=True)
    return gone, copies[at]


def _stand_ins(members, neighbors, live):
    """``members``, and in the place of those that went a live node near them."""
    members, anyone = members.copy(), np.flatnonzero(live)
    for i in np.flatnonzero(~live[members]):
        near = neighbors[members[i]]
        for _ in range(STEPS_TO_STAND_IN):
            near = near[near >= 0]
            if live[near].any():
                break
            near = np.unique(neighbors[near])
        near = near[live[near]] if len(near) else near
        members[i] = near[0] if len(near) else anyone[i % len(anyone)]
    return members


def _finished(layers, neighbors, firsts, owners):
    """``layers`` of these edges, made to lead to every node; and what they miss.

    Copies of the ``firsts`` are linked to nothing, and are not to be.
    """
    n, entry, copies = len(neighbors), entry_of(layers), NO_COPIES
    if len(firsts) == n:
        missing = _reached(neighbors, entry)
    else:
        rank = np.full(n + 1, -1, np.int32)  # the last is the rank of -1
        rank[firsts] = np.arange(len(firsts))
        near = rank[neighbors[firsts]]
        missing = _reached(near, rank[firsts[owners[entry]]])
        neighbors = aligned(spread_out(near, firsts, n))
        copies = chained(firsts, owners)
    return layers._replace(neighbors=frozen(neighbors), copies=copies), missing


def _reached(neighbors, entry):
    """Change edges until every node is reached; return how many are not."""
    lift_in_degrees(neighbors, neighbors.shape[1] // IN_SHARE)
    return connect(neighbors, entry)
