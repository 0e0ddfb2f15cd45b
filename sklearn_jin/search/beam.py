"""Beam search: the one walk over a graph, for every graph and kind of points.

Several queries are walked at a time in one thread.  Each takes a step and
asks the memory for what its next step will read; while that arrives, the
others take theirs.  A query's answer depends on the index and on the query
alone: not on its batch, on the lanes or on the threads.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel, loop, piece
from sklearn_jin._memory import LINE
from sklearn_jin._simd import below, insert, list_new, lowest, prefetch_lines
from sklearn_jin.points import (
    new_scratch,
    prefetch,
    score_many,
    set_query,
    zero_is_sure,
)
from sklearn_jin.search.keys import (
    EXPANDED,
    INFINITE,
    NO_KEY,
    ONE,
    id_of,
    key_of,
    score_of,
)

LANES = 4  # queries walked at a time
COMPARED = 32  # scores that are compared with the worst of a pool at once
LOW_SIX = np.uint64(63)
NO_END = np.float32(np.inf)  # gamma of a walk that ends when its pool does


def visited_words(n_nodes, n_queries):
    """Words of ``visited`` of a walk of ``n_queries`` among ``n_nodes``."""
    return min(LANES, n_queries) * ((n_nodes >> 6) + 1)


class Beam(NamedTuple):
    """How wide a walk is, and what ends it."""

    ef: int  # nodes in the pool
    rank: int  # the walk ends where the next score is above ``gamma`` times
    gamma: np.float32  # that of the ``rank``-th best: 1 + gamma in the paper


@kernel
def end_of(key, gamma, zero_ends):
    """Score at which a walk ends: ``gamma`` times that of ``key``, if there is one.

    Of an estimate of 0 it is not known how small it is: it ends nothing.  An exact
    score of 0 does, where ``zero_ends``: else a query that is a row would be walked to
    the last place of the pool, 209 hops instead of 12 for 20,000 rows of 32.
    """
    score = score_of(key)
    if score > 0 or (score == 0 and zero_ends):
        return gamma * score
    return np.float32(np.inf)


@piece
def put(pool, base, filled, room, key):
    """Insert ``key`` into the ascending pool of ``filled`` keys; return its rank.

    The pool holds at most ``room`` keys: of as many the last drops out.  It has
    ``places(room)`` places, those without a key holding ``NO_KEY``.
    """
    return insert(pool, base, min(filled, room - 1), key)


@kernel
def places(room):
    """Places of a pool of ``room`` keys: whole eights, and eight more to move into."""
    return ((room + 7) & -8) + 8


@kernel
def walk(neighbors, points, queries, rows, entries, beam, visited, scores, ids):
    """Fill ``scores`` and ``ids``, (n_rows, k), with the ``k`` nearest met.

    Malkov & Yashunin 2020, algorithm 2 (SEARCH-LAYER), for query
    ``queries[rows[q]]`` from the nodes ``entries[q]``, which are no more than a
    row of ``neighbors`` holds.  The candidate heap ``C`` and the result heap
    ``W`` are one ascending row of ``beam.ef >= k`` keys, as in
    DiskANN.  A walk also ends when the next node's score is above ``beam.gamma``
    times that of the ``beam.rank``-th best (adaptive beam search, Al-Jazzazi et
    al. 2025), for which ``gamma`` may be infinite.  Rows of ``neighbors``
    (n, width) end in -1s.  Places without a node, or whose score is not finite,
    hold an infinite score and id -1.  ``visited`` holds zeros, before and after; where
    it has less than ``visited_words`` others take its place.  Returns the numbers of
    hops, of scores and of insertions into the pools.
    """
    n_queries, k = ids.shape
    n_nodes, width = neighbors.shape
    ef, gamma = beam.ef, beam.gamma
    lanes, zero_ends = min(LANES, n_queries), zero_is_sure(points) and gamma < np.inf
    words, stride = (n_nodes >> 6) + 1, places(ef)
    if len(visited) < lanes * words:
        visited = np.zeros(lanes * words, np.uint64)
    visited = visited[: lanes * words]  # a bit a node
    row_lines = (4 * width + LINE - 1) // LINE
    scratch = new_scratch(points, lanes)
    pool = np.empty(lanes * stride, np.uint64)
    pending = np.empty(lanes * width, np.int32)  # asked for, to be scored
    arrived = np.empty((width + COMPARED - 1) // COMPARED * COMPARED, np.float32)
    noted = np.empty(lanes * words, np.int32)  # nodes whose bits are set, by lane
    n_noted = np.zeros(lanes, np.int64)  # or more than ``words``, if all are to be
    n_pending = np.zeros(lanes, np.int64)  # -1: a row of neighbours was asked for
    size = np.zeros(lanes, np.int64)  # keys in the pool
    cursor = np.zeros(lanes, np.int64)  # keys before it are expanded
    query = np.arange(lanes)
    upcoming, live, hops, n_scores, n_kept = lanes, lanes, 0, 0, 0
    for lane in range(lanes):
        q = query[lane]
        n_pending[lane] = _enter(
            points, queries, rows[q], entries[q], scratch, lane, lanes, pool, visited,
            pending,
        )  # fmt: skip
        _note(pending, lane * width, n_pending[lane], noted, n_noted, lane)
    while live > 0:
        for lane in range(lanes):
            if query[lane] < 0:
                continue
            base, first = lane * stride, lane * width
            if n_pending[lane] >= 0:
                n = n_pending[lane]
                n_scores += n
                score_many(points, scratch, lane, pending, first, n, arrived)
                size[lane], cursor[lane], kept = _keep_near(
                    pending, first, n, arrived, pool, base, size[lane], cursor[lane],
                    beam, zero_ends,
                )  # fmt: skip
                n_kept += kept
                next_score = score_of(pool[base + cursor[lane]])
                far = end_of(pool[base + beam.rank - 1], gamma, zero_ends)
                if cursor[lane] < size[lane] and not next_score > far:
                    node = id_of(pool[base + cursor[lane]])
                    prefetch_lines(neighbors, node, row_lines)
                    n_pending[lane] = -1
                    if lanes > 1:
                        continue
                else:
                    _report(pool, base, size[lane], k, query[lane], scores, ids)
                    size[lane], cursor[lane], query[lane] = 0, 0, -1
                    _forget(visited, words, noted, n_noted, lane)
                    if upcoming < n_queries:
                        q = upcoming
                        query[lane], upcoming = q, q + 1
                        n_pending[lane] = _enter(
                            points, queries, rows[q], entries[q], scratch, lane, lanes,
                            pool, visited, pending,
                        )  # fmt: skip
                        _note(pending, first, n_pending[lane], noted, n_noted, lane)
                    else:
                        live -= 1
                    continue
            key = pool[base + cursor[lane]]
            pool[base + cursor[lane]] = key | EXPANDED
            hops += 1
            n = list_new(neighbors, id_of(key), visited, lane * words, pending, first)
            for j in range(n):
                prefetch(points, pending[first + j])
            _note(pending, first, n, noted, n_noted, lane)
            n_pending[lane] = n
            if lanes == 1 and cursor[lane] + 1 < size[lane]:  # the next one, as a rule
                node = id_of(pool[base + cursor[lane] + 1])
                prefetch_lines(neighbors, node, row_lines)
    return hops, n_scores, n_kept


@piece
def _keep_near(pending, first, n, scores, pool, base, filled, cursor, beam, zero_ends):
    """Keep those of the nodes that have arrived which are near enough.

    Returns the number of keys in the pool, that of the first ones which are
    expanded, and that of those that were inserted.
    """
    kept = 0
    for start in range(0, n, COMPARED):
        # Neither what the pool has no room for nor what will not be expanded.
        worst = score_of(pool[base + beam.ef - 1])  # NaN while the pool is short
        far = end_of(pool[base + beam.rank - 1], beam.gamma, zero_ends)
        good = below(scores, start, worst if worst <= far else far)
        if n - start < COMPARED:
            good &= (np.uint32(1) << np.uint32(n - start)) - np.uint32(1)
        while good != 0:
            j = start + lowest(good)
            good &= good - np.uint32(1)
            key = key_of(scores[j], pending[first + j])
            if key < pool[base + beam.ef - 1]:  # which may be nearer by now
                cursor = min(cursor, put(pool, base, filled, beam.ef, key))
                filled, kept = min(filled + 1, beam.ef), kept + 1
    while cursor < filled and pool[base + cursor] & EXPANDED:
        cursor += 1
    return filled, cursor, kept


@loop
def _note(pending, first, n, noted, n_noted, lane):
    """Note ``n`` nodes whose bits were set; but not more than there are words."""
    words, filled = len(noted) // len(n_noted), n_noted[lane]
    n_noted[lane] = filled + n
    if filled + n <= words:
        for j in range(n):
            noted[lane * words + filled + j] = pending[first + j]


@loop
def _forget(visited, words, noted, n_noted, lane):
    """Clear the bits of a lane.

    All of them, for a million nodes, would take 10 us, a sixth of the walk.
    """
    base = lane * words
    if n_noted[lane] <= words:
        for j in range(n_noted[lane]):
            visited[base + (noted[base + j] >> 6)] = 0
    else:
        visited[base : base + words] = 0
    n_noted[lane] = 0


@kernel
def _enter(points, queries, row, entries, scratch, lane, lanes, pool, visited, pending):
    """Begin the walk of a query in ``lane``; return how many ``entries`` it visits.

    An entry that is named twice is visited once.
    """
    set_query(points, scratch, lane, queries, row)
    words, stride = len(visited) // lanes, len(pool) // lanes
    width = len(pending) // lanes
    pool[lane * stride : (lane + 1) * stride] = NO_KEY
    n = 0
    for entry in entries:
        word, bit = lane * words + (entry >> 6), ONE << (np.uint64(entry) & LOW_SIX)
        if not visited[word] & bit:
            visited[word] |= bit
            pending[lane * width + n] = entry
            prefetch(points, entry)
            n += 1
    return n


@kernel
def _report(pool, base, filled, k, q, scores, ids):
    """Write the ``k`` best keys of a pool as row ``q``."""
    for j in range(k):
        if j < filled and pool[base + j] < INFINITE:
            scores[q, j], ids[q, j] = score_of(pool[base + j]), id_of(pool[base + j])
        else:
            scores[q, j], ids[q, j] = np.inf, -1
