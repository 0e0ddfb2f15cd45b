"""Doors: how a query finds its way into a graph of rows that lie in clusters.

A descent through the layers goes to the nearer of the nodes that a node leads to, and
where rows lie in clusters that are far apart it ends in the wrong one: of 300 clusters
in 512 features an eighth of the queries were lost at ``ef_search=10``, and some at 480.
Doors are landmarks in cells.  The heads of the cells are as spread out as the landmarks
are, every cluster having one, and all of them are looked at.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Int32, Int64
from sklearn_jin._jit import kernel, loop
from sklearn_jin._memory import frozen
from sklearn_jin.points import new_scratch, prefetch, score_many, set_query
from sklearn_jin.search.beam import places, put
from sklearn_jin.search.keys import NO_KEY, id_of, key_of

ENTRIES = 4  # nodes of the lowest layer that a walk starts from
OPENED = 4  # cells whose landmarks are looked at; with 8 as many queries are lost
STEP = 32  # landmarks that the memory is asked for at once


class Doors(NamedTuple):
    """Landmarks by cell, or empty arrays where descents lose no query."""

    heads: Int32[1]  # (n_cells,), the rank of a landmark
    starts: Int64[1]  # (n_cells + 1,), first member of every cell; or (0,)
    ranks: Int32[1]  # (n_ranks,), the members


NO_DOORS = Doors(*(frozen(np.empty(0, t)) for t in (np.int32, np.int64, np.int32)))


def ranges_of_doors(doors, n_ranks):
    """As :func:`sklearn_jin.points.ranges_of`, of doors among ``n_ranks`` landmarks."""
    n_cells = len(doors.heads)
    some = n_cells > 0
    yield np.array([n_cells]), 0, n_ranks
    yield doors.heads, 0, n_ranks - 1
    yield np.array([len(doors.ranks)]), n_ranks * some, n_ranks * some
    yield np.array([len(doors.starts)]), (n_cells + 1) * some, (n_cells + 1) * some
    if some:
        yield doors.starts[[0, -1]] - [0, n_ranks], 0, 0
        yield np.diff(doors.starts), 0, n_ranks
    yield doors.ranks, 0, n_ranks - 1


@kernel
def enter_by_doors(layers, queries, rows):
    """Ranks to sort by, (n_rows, 2), entries of the lowest layer, and the work.

    Of the ``OPENED`` cells whose heads are nearest the nearest landmarks are entered.
    """
    doors, landmarks, n = layers.doors, layers.landmarks, len(rows)
    ranks = np.zeros((n, 2), np.int32)
    entries = np.zeros((n, min(ENTRIES, layers.neighbors.shape[1])), np.int32)
    scratch, scores = new_scratch(landmarks, 1), np.empty(STEP, np.float32)
    cells, near = np.empty((2, places(max(OPENED, ENTRIES))), np.uint64)
    n_heads, n_scores = len(doors.heads), 0
    for i in range(n):
        set_query(landmarks, scratch, 0, queries, rows[i])
        cells[:], near[:] = NO_KEY, NO_KEY
        keep_nearest(
            landmarks, scratch, doors.heads, 0, n_heads, scores, cells, OPENED, True
        )
        n_scores += n_heads
        for key in cells[:OPENED]:
            if key == NO_KEY:
                continue
            first, last = doors.starts[id_of(key)], doors.starts[id_of(key) + 1]
            keep_nearest(
                landmarks, scratch, doors.ranks, first, last, scores, near, ENTRIES,
                False,
            )  # fmt: skip
            n_scores += last - first
        if cells[0] != NO_KEY:
            ranks[i, 0] = id_of(cells[0])
        for j in range(entries.shape[1]):
            rank = id_of(near[j]) if near[j] != NO_KEY else np.int64(0)
            ranks[i, 1] = rank if j == 0 else ranks[i, 1]
            entries[i, j] = layers.members[rank]
    return ranks, entries, (0, n_scores, 0)


@loop
def keep_nearest(
    landmarks, scratch, ranks, first, last, scores, keys, room, by_place
):  # fmt: skip
    """Keep in ``keys``, ascending, the ``room`` nearest of ``ranks[first:last]``.

    They are known by their rank, or ``by_place`` by their place among ``ranks``.
    """
    for lo in range(first, last, STEP):
        n = min(STEP, last - lo)
        for j in range(n):
            prefetch(landmarks, ranks[lo + j])
        score_many(landmarks, scratch, 0, ranks, lo, n, scores)
        for j in range(n):
            key = key_of(scores[j], lo + j if by_place else ranks[lo + j])
            if key < keys[room - 1]:
                put(keys, 0, room, room, key)
