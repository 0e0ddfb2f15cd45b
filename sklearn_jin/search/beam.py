"""Beam search: the one walk over a graph, for every graph and kind of points.

Several queries are walked at a time in one thread.  Each takes a step and
asks the memory for what its next step will read; while that arrives, the
others take theirs.  A query's answer depends on the index and on the query
alone: not on its batch, on the lanes or on the threads.
"""

import numpy as np

from sklearn_jin._jit import kernel, piece
from sklearn_jin._memory import LINE
from sklearn_jin._simd import (
    below,
    bits_float,
    float_bits,
    insert,
    list_new,
    lowest,
    prefetch_lines,
)
from sklearn_jin.points import new_scratch, prefetch, score_many, set_query

LANES = 4  # queries walked at a time

# A place of the pool is one uint64: 32 bits of the score, 31 of the id, a flag.
# Scores are not negative, so keys are ordered as (score, id) are.
EXPANDED = np.uint64(1)
ID_BITS = np.uint64(0x7FFFFFFF)
NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)
INFINITE = np.uint64(0x7F800000 << 32)  # no key of a finite score is larger
ONE, THIRTY_TWO = np.uint64(1), np.uint64(32)
LOW_SIX = np.uint64(63)

COMPARED = 32  # scores that are compared with the worst of a pool at once


@kernel
def key_of(score, i):
    """Key of node ``i``, not expanded yet."""
    return (np.uint64(float_bits(score)) << THIRTY_TWO) | (np.uint64(i) << ONE)


@kernel
def id_of(key):
    return np.int64((key >> ONE) & ID_BITS)


@kernel
def score_of(key):
    return bits_float(np.uint32(key >> THIRTY_TWO))


@kernel
def end_of(key, reach):
    """Score at which a walk ends: ``reach`` times that of ``key``, if there is one.

    Of an estimate of 0 it is not known how small it is: it ends nothing.
    """
    score = score_of(key)
    return reach * score if score > 0 else np.float32(np.inf)


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
def walk(neighbors, points, queries, rows, entries, ef, near, reach, scores, ids):
    """Fill ``scores`` and ``ids``, (n_rows, k), with the ``k`` nearest met.

    Malkov & Yashunin 2020, algorithm 2 (SEARCH-LAYER), for query
    ``queries[rows[q]]`` from the nodes ``entries[q]``, which are no more than a
    row of ``neighbors`` holds.  The candidate heap ``C`` and the result heap
    ``W`` are one ascending row of ``ef >= k`` keys, as in
    DiskANN.  A walk also ends when the next node's score is above ``reach``
    times that of the ``near``-th best (adaptive beam search, Al-Jazzazi et al.
    2025), for which ``reach`` may be infinite.  Rows of ``neighbors``
    (n, width) end in -1s.  Places without a node, or whose score is not finite,
    hold an infinite score and id -1.  Returns the numbers of hops, of scores and
    of insertions into the pools.
    """
    n_queries, k = ids.shape
    n_nodes, width = neighbors.shape
    lanes = min(LANES, n_queries)
    words, stride = (n_nodes >> 6) + 1, places(ef)
    row_lines = (4 * width + LINE - 1) // LINE
    scratch = new_scratch(points, lanes)
    pool = np.empty(lanes * stride, np.uint64)
    met = np.empty(lanes * words, np.uint64)  # a bit a node
    todo = np.empty(lanes * width, np.int32)  # asked for, to be scored
    arrived = np.empty((width + COMPARED - 1) // COMPARED * COMPARED, np.float32)
    n_todo = np.zeros(lanes, np.int64)  # -1: a row of neighbours was asked for
    size = np.zeros(lanes, np.int64)  # keys in the pool
    at = np.zeros(lanes, np.int64)  # keys before it are expanded
    query = np.arange(lanes)
    upcoming, live, hops, n_scores, n_kept = lanes, lanes, 0, 0, 0
    for lane in range(lanes):
        n_todo[lane] = _enter(
            points, queries, rows, query[lane], scratch, lane, lanes, entries,
            pool, met, todo,
        )  # fmt: skip
    while live > 0:
        for lane in range(lanes):
            if query[lane] < 0:
                continue
            base, first = lane * stride, lane * width
            if n_todo[lane] >= 0:
                n_scores += n_todo[lane]
                size[lane], at[lane], kept = _keep_near(
                    points, scratch, lane, todo, first, n_todo[lane], arrived,
                    pool, base, size[lane], ef, near, reach, at[lane],
                )  # fmt: skip
                n_kept += kept
                next_score = score_of(pool[base + at[lane]])
                far = end_of(pool[base + near - 1], reach)
                if at[lane] < size[lane] and not next_score > far:
                    prefetch_lines(neighbors, id_of(pool[base + at[lane]]), row_lines)
                    n_todo[lane] = -1
                    if lanes > 1:
                        continue
                else:
                    _report(pool, base, size[lane], k, query[lane], scores, ids)
                    size[lane], at[lane], query[lane] = 0, 0, -1
                    if upcoming < n_queries:
                        query[lane] = upcoming
                        upcoming += 1
                        n_todo[lane] = _enter(
                            points, queries, rows, query[lane], scratch, lane,
                            lanes, entries, pool, met, todo,
                        )  # fmt: skip
                    else:
                        live -= 1
                    continue
            key = pool[base + at[lane]]
            pool[base + at[lane]] = key | EXPANDED
            hops += 1
            n = list_new(neighbors, id_of(key), met, lane * words, todo, first)
            for j in range(n):
                prefetch(points, todo[first + j])
            n_todo[lane] = n
    return hops, n_scores, n_kept


@piece
def _keep_near(
    points, scratch, v, todo, first, n, scores, pool, base, filled, ef, near, reach, least
):  # fmt: skip
    """Score the nodes that have arrived and keep those that are near enough.

    Returns the number of keys in the pool, that of the first ones which are
    expanded, and that of those that were inserted.
    """
    kept = 0
    score_many(points, scratch, v, todo, first, n, scores)
    for start in range(0, n, COMPARED):
        # Neither what the pool has no room for nor what will not be expanded.
        worst = score_of(pool[base + ef - 1])  # NaN while the pool is short
        far = end_of(pool[base + near - 1], reach)
        good = below(scores, start, worst if worst <= far else far)
        if n - start < COMPARED:
            good &= (np.uint32(1) << np.uint32(n - start)) - np.uint32(1)
        while good != 0:
            j = start + lowest(good)
            good &= good - np.uint32(1)
            key = key_of(scores[j], todo[first + j])
            if key < pool[base + ef - 1]:  # which may be nearer by now
                least = min(least, put(pool, base, filled, ef, key))
                filled, kept = min(filled + 1, ef), kept + 1
    while least < filled and pool[base + least] & EXPANDED:
        least += 1
    return filled, least, kept


@kernel
def _enter(points, queries, rows, q, scratch, lane, lanes, entries, pool, met, todo):
    """Start query ``q`` in ``lane``: its entries, whose number is returned, are met."""
    set_query(points, scratch, lane, queries, rows[q])
    words, stride, width = len(met) // lanes, len(pool) // lanes, len(todo) // lanes
    pool[lane * stride : (lane + 1) * stride] = NO_KEY
    met[lane * words : (lane + 1) * words] = 0
    n = 0
    for entry in entries[q]:
        word, bit = lane * words + (entry >> 6), ONE << (np.uint64(entry) & LOW_SIX)
        if not met[word] & bit:
            met[word] |= bit
            todo[lane * width + n] = entry
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
