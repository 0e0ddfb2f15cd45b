"""Beam search: the one walk over a graph, for every graph and kind of points.

Several queries are walked at a time in one thread.  Each takes a step and
asks the memory for what its next step will read; while that arrives, the
others take theirs.  A query's answer depends on the index and on the query
alone: not on its batch, on the lanes or on the threads.
"""

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._simd import LINE, bits_float, float_bits, prefetch, shift_right
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
    """Number of the ``size`` keys from ``base`` on that are smaller than ``key``."""
    low, n = base, size
    while n > 1:
        half = n >> 1
        low = low + half if pool[low + half - 1] < key else low
        n -= half
    if n == 1 and pool[low] < key:
        low += 1
    return low - base


@kernel
def walk(neighbors, points, queries, entries, lo, hi, k, ef, scores, ids, counts):
    """Fill rows ``lo`` to ``hi`` of ``scores`` and ``ids`` with the ``k <= ef`` nearest met.

    Malkov & Yashunin 2020, algorithm 2 (SEARCH-LAYER), from node
    ``entries[q]`` for query ``q``.  The candidate heap ``C`` and the result
    heap ``W`` are one ascending row of keys, as in DiskANN.  Rows of
    ``neighbors`` (n, width) end in -1s.  Places without a node, or whose score
    is not finite, hold an infinite score and id -1.  ``counts`` grows by the
    numbers of hops and of scores.
    """
    lanes = min(LANES, hi - lo)
    n_nodes, width = neighbors.shape
    words = (n_nodes >> 6) + 1
    row_lines = (4 * width + LINE - 1) // LINE
    views = view(points, lanes)
    pool = np.empty(lanes * ef, np.uint64)
    met = np.empty(lanes * words, np.uint64)  # a bit a node
    todo = np.empty(lanes * width, np.int32)  # asked for, to be scored
    near = np.empty(width, np.float32)
    n_todo = np.zeros(lanes, np.int64)
    size = np.zeros(lanes, np.int64)  # keys in the pool
    at = np.zeros(lanes, np.int64)  # keys before it are expanded
    query = np.full(lanes, -1, np.int64)
    upcoming, live, hops, n_scores = lo, lanes, 0, 0
    for lane in range(lanes):
        query[lane] = upcoming
        upcoming += 1
        _enter(points, queries, query[lane], views, lane, met, words, todo, width, entries)
        n_todo[lane] = 1
    while live > 0:
        for lane in range(lanes):
            if query[lane] < 0:
                continue
            base, first, marks = lane * ef, lane * width, lane * words
            n = n_todo[lane]
            if n >= 0:
                # The nodes that were asked for have arrived: keep those that are near.
                filled, least = size[lane], at[lane]
                score_many(points, views, lane, todo, first, n, near)
                n_scores += n
                worst = pool[base + ef - 1] if filled == ef else NO_KEY
                for j in range(n):
                    key = key_of(near[j], todo[first + j])
                    if key >= worst:
                        continue
                    spot = place(pool, base, filled, key)
                    if filled < ef:
                        filled += 1
                    shift_right(pool, base + spot, filled - 1 - spot)
                    pool[base + spot] = key
                    least = min(least, spot)
                    if filled == ef:
                        worst = pool[base + ef - 1]
                while least < filled and pool[base + least] & EXPANDED:
                    least += 1
                size[lane], at[lane] = filled, least
                if least < filled:
                    prefetch(neighbors, id_of(pool[base + least]), row_lines)
                    n_todo[lane] = -1
                    if lanes > 1:
                        continue
                else:
                    _report(pool, base, filled, k, query[lane], scores, ids)
                    size[lane], at[lane], query[lane] = 0, 0, -1
                    if upcoming < hi:
                        query[lane] = upcoming
                        upcoming += 1
                        _enter(
                            points, queries, query[lane], views, lane, met, words, todo, width,
                            entries,
                        )  # fmt: skip
                        n_todo[lane] = 1
                    else:
                        live -= 1
                    continue
            # The row of the nearest node has arrived: ask for those not met before.
            spot = base + at[lane]
            key = pool[spot]
            pool[spot] = key | EXPANDED
            node, n = id_of(key), 0
            hops += 1
            for j in range(width):
                neighbor = neighbors[node, j]
                if neighbor < 0:
                    break
                word = marks + (np.int64(neighbor) >> 6)
                bit = ONE << (np.uint64(neighbor) & LOW_SIX)
                if met[word] & bit:
                    continue
                met[word] |= bit
                todo[first + n] = neighbor
                n += 1
            for j in range(n):
                fetch(points, todo[first + j])
            n_todo[lane] = n
    counts[0] += hops
    counts[1] += n_scores


@kernel
def _enter(points, queries, q, views, lane, met, words, todo, width, entries):
    """Start query ``q`` in ``lane``: its entry is all that has been met."""
    look(points, views, lane, queries, q)
    entry = entries[q]
    met[lane * words : (lane + 1) * words] = 0
    met[lane * words + (np.int64(entry) >> 6)] = ONE << (np.uint64(entry) & LOW_SIX)
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
