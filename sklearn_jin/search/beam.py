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
    is_in,
    key_of,
    score_of,
)

LANES = 4  # queries walked at a time
COMPARED = 32  # scores that are compared with the worst of a pool at once
LOW_SIX = np.uint64(63)
SOON = 64  # hops after which it is told how many more a walk among allowed nodes takes
NO_END = np.float32(np.inf)  # gamma of a walk that ends when its pool does


def visited_words(n_nodes, n_queries):
    """Words of ``visited`` of a walk of ``n_queries`` among ``n_nodes``."""
    return min(LANES, n_queries) * ((n_nodes >> 6) + 1)


class Beam(NamedTuple):
    """How wide a walk is, and what ends it."""

    ef: int  # nodes in the pool
    rank: int  # the walk ends where the next score is above ``gamma`` times
    gamma: np.float32  # that of the ``rank``-th best: 1 + gamma in the paper


class Sieve(NamedTuple):
    """Which nodes a walk may find, where it passes by others too."""

    words: np.ndarray  # (n_nodes // 64 + 1,) uint64: a bit a node
    seeds: np.ndarray  # (n_seeds,) int32, allowed nodes that walks start from too
    width: int  # nodes of the pool that leads on
    effort: int  # allowed nodes that a walk expands, about
    most: int  # scores of a query; one that takes more is given up


class Ends(NamedTuple):
    """What ends a walk, and how wide its pools are."""

    width: int  # nodes of the pool that leads on
    ef: int  # of that which is found; the same pool, where all nodes are allowed
    rank: int  # as in Beam, among those that are found
    gamma: np.float32
    zero_ends: bool


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
def far_of(found, at, ends):
    """Score beyond which no node of a lane is expanded, by those found ``at`` it."""
    worst = score_of(found[at + ends.ef - 1])  # NaN while the pool is short
    far = end_of(found[at + ends.rank - 1], ends.gamma, ends.zero_ends)
    return worst if worst <= far else far


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
def walk(
    neighbors, points, queries, rows, entries, beam, allowed, visited, scores, ids
):  # fmt: skip
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

    Where ``allowed`` is a :class:`Sieve`, and not None, ``W`` is a row of its own, of
    allowed nodes, and tells what ends the walk; ``C`` holds those of ``allowed.width``
    nodes that lead on.  A walk that was too long or for which ``C`` was too short finds
    nothing, rather than what may not be the nearest.

    The first of the entries of a query may be ``absent(node)``: that node is walked as
    if it were not there.
    """
    n_queries, k = ids.shape
    n_nodes, width = neighbors.shape
    ef, gamma = beam.ef, beam.gamma
    lanes, zero_ends = min(LANES, n_queries), zero_is_sure(points) and gamma < np.inf
    room = np.int64(ef)
    if allowed is not None:
        room = np.int64(allowed.width)
    ends = Ends(room, np.int64(ef), np.int64(beam.rank), gamma, zero_ends)
    words, stride, found_stride = (n_nodes >> 6) + 1, places(room), places(ef)
    if len(visited) < lanes * words:
        visited = np.zeros(lanes * words, np.uint64)
    visited = visited[: lanes * words]  # a bit a node
    row_lines = (4 * width + LINE - 1) // LINE
    scratch = new_scratch(points, lanes)
    pool = np.empty(lanes * stride, np.uint64)
    found = pool
    if allowed is not None:
        found = np.full(lanes * found_stride, NO_KEY)
    pending = np.empty(lanes * width, np.int32)  # asked for, to be scored
    arrived = np.empty((width + COMPARED - 1) // COMPARED * COMPARED, np.float32)
    noted = np.empty(lanes * words, np.int32)  # nodes whose bits are set, by lane
    n_noted = np.zeros(lanes, np.int64)  # or more than ``words``, if all are to be
    n_pending = np.zeros(lanes, np.int64)  # -1: a row of neighbours was asked for
    size = np.zeros(lanes, np.int64)  # keys in the pool
    n_found = np.zeros(lanes, np.int64)  # and of allowed nodes, where others lead on
    cursor = np.zeros(lanes, np.int64)  # keys before it are expanded
    spent = np.zeros((3, lanes), np.int64)  # hops, scores, and hops to allowed nodes
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
                state, kept = _keep_near(
                    pending, first, n, arrived, pool, found, lane,
                    (size[lane], n_found[lane], cursor[lane]), ends, allowed,
                )  # fmt: skip
                size[lane], n_found[lane], cursor[lane] = state
                n_kept += kept
                next_score = score_of(pool[base + cursor[lane]])
                far = far_of(found, lane * found_stride, ends)
                goes_on = cursor[lane] < size[lane] and not next_score > far
                if allowed is not None:
                    spent[1, lane] += n
                    # Of nodes that the pool had no room for, some may be nearer.
                    last = score_of(pool[base + room - 1])
                    short = cursor[lane] == room and room < n_nodes and last < far
                    if short or (goes_on and _is_hopeless(spent, lane, allowed)):
                        goes_on, n_found[lane] = False, 0
                if goes_on:
                    node = id_of(pool[base + cursor[lane]])
                    prefetch_lines(neighbors, node, row_lines)
                    n_pending[lane] = -1
                    if lanes > 1:
                        continue
                else:
                    if allowed is None:
                        _report(pool, base, size[lane], k, query[lane], scores, ids)
                    else:
                        at = lane * found_stride
                        _report(found, at, n_found[lane], k, query[lane], scores, ids)
                        found[at : at + found_stride] = NO_KEY
                        spent[:, lane] = 0
                    size[lane], n_found[lane], cursor[lane] = 0, 0, 0
                    _clear(entries, query[lane], visited, lane * words)
                    query[lane] = -1
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
            if allowed is not None:
                spent[0, lane] += 1
                spent[2, lane] += is_in(allowed.words, id_of(key))
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
def _keep_near(
    pending, first, n, scores, pool, found, lane, state, ends, allowed
):  # fmt: skip
    """Keep those of the nodes that have arrived which are near enough.

    The ``state`` of a lane is the number of keys in its pool, that of the keys of
    allowed nodes where others lead on, and that of the first keys which are expanded.
    Returns it, and the number of keys that were inserted into the pool.
    """
    filled, n_found, cursor = state
    base, at, room = lane * places(ends.width), lane * places(ends.ef), ends.width
    kept = 0
    for start in range(0, n, COMPARED):
        # Neither what the pool has no room for nor what will not be expanded.
        good = below(scores, start, far_of(found, at, ends))
        if n - start < COMPARED:
            good &= (np.uint32(1) << np.uint32(n - start)) - np.uint32(1)
        while good != 0:
            j = start + lowest(good)
            good &= good - np.uint32(1)
            key = key_of(scores[j], pending[first + j])
            if key < pool[base + room - 1]:  # which may be nearer by now
                cursor = min(cursor, put(pool, base, filled, room, key))
                filled, kept = min(filled + 1, room), kept + 1
            if allowed is not None:
                if is_in(allowed.words, pending[first + j]):
                    if key < found[at + ends.ef - 1]:
                        put(found, at, n_found, ends.ef, key)
                        n_found = min(n_found + 1, ends.ef)
    if allowed is not None:  # what will not be expanded would only be moved around
        far = far_of(found, at, ends)
        while filled > cursor and score_of(pool[base + filled - 1]) > far:
            filled -= 1
            pool[base + filled] = NO_KEY
    while cursor < filled and pool[base + cursor] & EXPANDED:
        cursor += 1
    return (filled, n_found, cursor), kept


@piece
def _is_hopeless(spent, lane, allowed):
    """Whether a walk takes more scores than it may, or will by what it met so far."""
    hops, scores, met = spent[0, lane], spent[1, lane], spent[2, lane]
    if met >= allowed.effort or hops < SOON:
        return scores > allowed.most
    return scores * allowed.effort > met * allowed.most


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


@piece
def absent(node):
    """The entry that tells of a ``node`` that a walk is to do without."""
    return -1 - node


@loop
def _clear(entries, q, visited, base):
    """Clear the bit of the absent node of a lane, which is not noted."""
    if entries.shape[1] > 0 and entries[q, 0] < 0:
        node = absent(entries[q, 0])
        visited[base + (node >> 6)] &= ~(ONE << (np.uint64(node) & LOW_SIX))


@kernel
def _enter(points, queries, row, entries, scratch, lane, lanes, pool, visited, pending):
    """Begin the walk of a query in ``lane``; return how many ``entries`` it visits.

    An entry that is named twice is visited once.  One that is absent counts as visited
    before, so it is neither scored nor expanded.
    """
    set_query(points, scratch, lane, queries, row)
    words, stride = len(visited) // lanes, len(pool) // lanes
    width = len(pending) // lanes
    pool[lane * stride : (lane + 1) * stride] = NO_KEY
    n = 0
    for entry in entries:
        if entry < 0:
            node = absent(entry)
            word, bit = lane * words + (node >> 6), ONE << (np.uint64(node) & LOW_SIX)
            visited[word] |= bit
            continue
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
