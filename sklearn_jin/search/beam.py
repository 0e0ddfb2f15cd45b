"""Beam search: the one walk over a graph, for every graph and kind of points.

Several queries are walked at a time in one thread.  Each takes a step and
asks the memory for what its next step will read; while that arrives, the
others take theirs.  A query's answer depends on the index and on the query
alone: not on its batch, on the lanes or on the threads.
"""

import numpy as np

from sklearn_jin._jit import kernel, piece
from sklearn_jin._memory import LINE
from sklearn_jin._simd import bits_float, count_below, float_bits, prefetch, shift_right
from sklearn_jin.points import fetch, look, score_many, view

LANES = 4  # queries walked at a time

# A place of the pool is one uint64: 32 bits of the score, 31 of the id, a flag.
# Scores are not negative, so keys are ordered as (score, id) are.
EXPANDED = np.uint64(1)
ID_BITS = np.uint64(0x7FFFFFFF)
NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)
INFINITE = np.uint64(0x7F800000 << 32)  # no key of a finite score is larger
ONE, SIX, THIRTY_TWO = np.uint64(1), np.uint64(6), np.uint64(32)
LOW_SIX = np.uint64(63)

COUNTED = 64  # keys of a pool that are compared all at once


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
def place(pool, base, size, key):
    """Number of the ``size`` ascending keys from ``base`` on that are below ``key``.

    Up to seven places beyond the last key are read: they must exist and hold
    ``NO_KEY``.
    """
    low, n = base, size
    while n > COUNTED:
        half = (n >> 4) << 3
        low = low + half if pool[low + half - 1] < key else low
        n -= half
    return low - base + count_below(pool, low, (n + 7) & -8, key)


@piece
def put(pool, base, filled, room, key):
    """Insert ``key`` into the ascending pool of ``filled`` keys; return its rank.

    The pool holds at most ``room`` keys: of as many the last drops out.
    """
    rank = place(pool, base, filled, key)
    shift_right(pool, base + rank, min(filled, room - 1) - rank)
    pool[base + rank] = key
    return rank


@kernel
def walk(neighbors, points, queries, entries, ef, scores, ids):
    """Fill ``scores`` and ``ids``, (n_queries, k), with the ``k`` nearest met.

    Malkov & Yashunin 2020, algorithm 2 (SEARCH-LAYER), from node
    ``entries[q]`` for query ``q``.  The candidate heap ``C`` and the result
    heap ``W`` are one ascending row of ``ef >= k`` keys, as in DiskANN.  Rows
    of ``neighbors`` (n, width) end in -1s.  Places without a node, or whose
    score is not finite, hold an infinite score and id -1.  Returns the numbers
    of hops and of scores.
    """
    n_queries, k = ids.shape
    n_nodes, width = neighbors.shape
    lanes = min(LANES, n_queries)
    words, stride = (n_nodes >> 6) + 1, (ef + 7) & -8
    row_lines = (4 * width + LINE - 1) // LINE
    views = view(points, lanes)
    pool = np.empty(lanes * stride, np.uint64)
    met = np.empty(lanes * words, np.uint64)  # a bit a node
    todo = np.empty(lanes * width, np.int32)  # asked for, to be scored
    near = np.empty(width, np.float32)
    n_todo = np.zeros(lanes, np.int64)  # -1: a row of neighbours was asked for
    size = np.zeros(lanes, np.int64)  # keys in the pool
    at = np.zeros(lanes, np.int64)  # keys before it are expanded
    query = np.arange(lanes)
    upcoming, live, hops, n_scores = lanes, lanes, 0, 0
    for lane in range(lanes):
        _enter(points, queries, query[lane], views, lane, entries, pool, met, todo)
        n_todo[lane] = 1
    while live > 0:
        for lane in range(lanes):
            if query[lane] < 0:
                continue
            base, first = lane * stride, lane * width
            if n_todo[lane] >= 0:
                n_scores += n_todo[lane]
                size[lane], at[lane] = _keep_near(
                    points, views, lane, todo, first, n_todo[lane], near,
                    pool, base, size[lane], ef, at[lane],
                )  # fmt: skip
                if at[lane] < size[lane]:
                    prefetch(neighbors, id_of(pool[base + at[lane]]), row_lines)
                    n_todo[lane] = -1
                    if lanes > 1:
                        continue
                else:
                    _report(pool, base, size[lane], k, query[lane], scores, ids)
                    size[lane], at[lane], query[lane] = 0, 0, -1
                    if upcoming < n_queries:
                        query[lane] = upcoming
                        upcoming += 1
                        _enter(
                            points, queries, query[lane], views, lane, entries,
                            pool, met, todo,
                        )  # fmt: skip
                        n_todo[lane] = 1
                    else:
                        live -= 1
                    continue
            key = pool[base + at[lane]]
            pool[base + at[lane]] = key | EXPANDED
            hops += 1
            n = _gather(neighbors, id_of(key), met, lane * words, todo, first)
            for j in range(n):
                fetch(points, todo[first + j])
            n_todo[lane] = n
    return hops, n_scores


@piece
def _keep_near(
    points, views, v, todo, first, n, near, pool, base, filled, ef, least
):  # fmt: skip
    """Score the nodes that have arrived and keep those that are near enough.

    Returns the number of keys in the pool, and that of the first ones which
    are expanded.
    """
    score_many(points, views, v, todo, first, n, near)
    for j in range(n):
        key = key_of(near[j], todo[first + j])
        if key < pool[base + ef - 1]:
            least = min(least, put(pool, base, filled, ef, key))
            filled = min(filled + 1, ef)
    while least < filled and pool[base + least] & EXPANDED:
        least += 1
    return filled, least


@piece
def _gather(neighbors, node, met, marks, todo, first):
    """List the neighbours of ``node`` that were not met before; return their number.

    Without a branch: whether a neighbour is new can not be foretold.
    """
    n = 0
    for j in range(neighbors.shape[1]):
        neighbor = neighbors[node, j]
        if neighbor < 0:
            break
        word = marks + (np.int64(neighbor) >> 6)
        shift = np.uint64(neighbor) & LOW_SIX
        bits = met[word]
        met[word] = bits | (ONE << shift)
        todo[first + n] = neighbor
        n += np.int64(ONE - ((bits >> shift) & ONE))
    return n


@kernel
def _enter(points, queries, q, views, lane, entries, pool, met, todo):
    """Start query ``q`` in ``lane``: its entry is all that has been met."""
    look(points, views, lane, queries, q)
    lanes = len(views)
    words, stride, width = len(met) // lanes, len(pool) // lanes, len(todo) // lanes
    pool[lane * stride : (lane + 1) * stride] = NO_KEY
    met[lane * words : (lane + 1) * words] = 0
    entry = np.int64(entries[q])
    met[lane * words + (entry >> 6)] = ONE << (np.uint64(entry) & LOW_SIX)
    todo[lane * width] = entry
    fetch(points, entry)


@kernel
def _report(pool, base, filled, k, q, scores, ids):
    """Write the ``k`` best keys of a pool as row ``q``."""
    for j in range(k):
        if j < filled and pool[base + j] < INFINITE:
            scores[q, j], ids[q, j] = score_of(pool[base + j]), id_of(pool[base + j])
        else:
            scores[q, j], ids[q, j] = np.inf, -1
