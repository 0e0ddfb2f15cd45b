"""Search in lists of rows that were reduced to a few directions, in bytes.

Rows are turned to the directions in which they differ most, and divided into cells
there.  A list holds the residuals ``r = x - c`` of its rows from the centre, 8 bits a
direction; and of every row one number, so that for a query ``z``, also reduced,

    |z - x|^2 + add = |z - c|^2 - 2 <z - c, r> + (|r|^2 + add)

takes one product of bytes, of ``r`` and of ``z - c`` in 8 bits.  For inner products it
is ``2 - 2 <z, c> - 2 <z, r>``, with ``z`` in 8 bits.  All queries of a batch that probe
a list are multiplied with it at once, which is why batches are fast: a row of 128 bytes
costs 0.5 ns (Zen 4), where a walk over a graph pays for the way to the memory.
Whatever else is in a batch, a query's products are the same: see
:mod:`sklearn_jin._simd.products`.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, Float64, Int32, Int64, UInt8
from sklearn_jin._jit import kernel, loop, piece
from sklearn_jin._memory import frozen
from sklearn_jin._simd import below, bits_float, lowest
from sklearn_jin._simd.products import (
    HALF,
    PANEL,
    QUERIES,
    ROWS,
    score_block,
    score_blocks,
    score_half,
)
from sklearn_jin._threads import run
from sklearn_jin.points import count
from sklearn_jin.points.panels import multiply
from sklearn_jin.search import counters
from sklearn_jin.search.cells import COMPARED, FIRST
from sklearn_jin.search.index import codes_of, propose, ranges_of
from sklearn_jin.search.keys import id_of, key_of, score_of, split_keys
from sklearn_jin.search.probing import (
    Probe,
    adapts,
    queries_per_task,
    reach_of,
    visits,
    within_share,
)
from sklearn_jin.search.shortlist import append_good, cut, shortlists, top_k

SHARED = 64  # queries that are compared with a block while it is in the nearest cache
LEAST_ROOM = 16  # so that a list has places for two blocks
TOP = 127  # of a byte with a sign
EVERY = np.uint32(0xFFFFFFFF)  # row of a block
ALL = frozen(np.empty(0, np.uint32))  # stands for words of all rows of all blocks
SIZE = np.int32(0x7FFFFFFF)  # bits of a float32 without its sign
MIDDLE = 128  # what the bytes of rows stand for 0 by


class Basis(NamedTuple):
    """Directions, as columns, and a place that they start from."""

    panels: Float32[3]  # (n_panels, d, PANEL)
    start: Float32[1]  # (n_panels * PANEL,), taken from products


class Reduced(NamedTuple):
    """Rows by cell."""

    basis: Basis  # turns and reduces queries as it did rows
    centers: Float32[3]  # (n_panels, s, PANEL), as columns
    squares: Float32[1]  # (n_lists,), squared lengths of the centres; or 1s
    starts: Int64[1]  # (n_lists + 1,), first block of every list
    blocks: UInt8[2]  # (n_blocks, s * ROWS)
    adds: Float32[2]  # (n_blocks, ROWS)
    middles: Float32[2]  # (n_lists, s), the centres as rows; or (0, s)
    scales: Float32[1]  # (n_lists,), what is 1 of the bytes of a list
    ids: Int32[1]  # (n_blocks * ROWS,), -1 at the end of a list
    growth: Float64[1]  # (n_lists,), as in Lists; or (0,) for inner products


@propose.register(Reduced)
def propose_reduced(route, index, queries, search, use):
    """Scan the lists of the nearest centres."""
    n = len(queries)
    room = min(search.room + (search.absent is not None), count(index.points))
    probe = Probe(search.effort, adapts(route.growth, search), room)
    order = rows_by_list(route) if search.own else np.arange(n)

    def task(lo, hi):
        part = order[lo:hi]
        some = frozen(queries[part])
        ids, estimates = candidates(route, some, probe, search.sieve)
        use(part, estimates, ids)

    run(task, n, queries_per_task(n, search.n_threads), search.n_threads)


def rows_by_list(route):
    """All rows, int32, those of a list side by side."""
    return route.ids[route.ids >= 0]


@codes_of.register(Reduced)
def codes_of_reduced(route):
    return route.blocks, route.adds


@ranges_of.register(Reduced)
def ranges_of_reduced(route, n, d):
    n_lists, n_blocks = len(route.starts) - 1, len(route.blocks)
    panels, features, width = route.basis.panels.shape
    yield np.array([width, route.centers.shape[2]]), PANEL, PANEL
    yield np.array([features]), d, d
    yield np.array([route.centers.shape[1]]), 1, panels * PANEL
    yield np.array([len(route.basis.start)]), panels * PANEL, panels * PANEL
    yield np.array([len(route.centers) * PANEL]), n_lists, n_lists + PANEL - 1
    yield np.array([len(route.squares), len(route.scales)]), n_lists, n_lists
    s = route.blocks.shape[1] // ROWS
    yield np.array([len(route.middles)]), n_lists if len(route.middles) else 0, n_lists
    yield np.array([route.middles.shape[1]]), s, s
    yield np.array([n_lists]), 1, n
    yield route.starts[[0, -1]] - [0, n_blocks], 0, 0
    yield np.diff(route.starts), 0, n_blocks
    yield np.array([len(route.adds), len(route.ids) // ROWS]), n_blocks, n_blocks
    yield np.array([route.adds.shape[1]]), ROWS, ROWS
    yield np.array([route.blocks.shape[1] // ROWS]), 1, panels * PANEL
    yield route.ids, -1, n - 1
    # A shortlist is cut by keys that differ, and keys of -1 name a row beyond all.
    ends = route.starts[1:][np.diff(route.starts) > 0] - 1
    yield np.delete(route.ids.reshape(-1, ROWS), ends, axis=0), 0, n - 1
    yield np.bincount(rows_by_list(route), minlength=n), 1, 1
    yield np.array([len(route.growth)]), n_lists if len(route.growth) else 0, n_lists


def reduce(basis, rows):
    """Rows (n, n_panels * PANEL) in the space of the directions; zeros follow."""
    reduced = multiply(rows, basis.panels)
    reduced -= basis.start
    return reduced


def candidates(route, queries, probe, sieve=None):
    """Ids (n_queries, room) of rows, -1 for none, and their estimates, ascending.

    ``sieve`` are the :class:`~sklearn_jin.search.filtered.Slots` that are allowed.
    """
    reduced = reduce(route.basis, queries)
    live, words = (None, ALL) if sieve is None else (sieve.live, sieve.words)
    probed, bases = nearest_lists(route, reduced, probe, live)
    if sieve is not None:
        probed, bases = within_share(sieve, probed, bases)
    turns = visits(probed, bases, len(route.starts) - 1)
    best = shortlists(len(queries), max(probe.room, LEAST_ROOM))
    n_blocks = scan_lists(route, reduced, turns, words, best)
    counters.add(scores=n_blocks * ROWS)
    return split_keys(np.ascontiguousarray(top_k(best)[:, : probe.room]))


def nearest_lists(route, reduced, probe, live=None):
    """Lists (n_queries, width) that are probed, nearest first, and their scores.

    They are among those numbered ``live``, or any.  Places without a list hold -1 and
    an infinite score.
    """
    n, squares, is_ip = len(reduced), route.squares, not len(route.middles)
    n_lists = len(squares) if live is None else len(live)
    if live is not None:  # no other is ever within reach
        squares = np.full(len(squares), np.inf, np.float32)
        squares[live] = route.squares[live]
    products = multiply(reduced, route.centers)
    q2 = np.ones(n, np.float32) if is_ip else np.einsum("ij,ij->i", reduced, reduced)
    reach = reach_of(route.growth, probe, n_lists)
    cells = np.empty((n, reach.width), np.int32)
    scores = np.empty((n, reach.width), np.float32)
    limit, first = np.float32(reach.limit), min(FIRST, n_lists)
    width = list_nearest(products, q2, frozen(squares), limit, first, cells, scores)
    return cells[:, :width], scores[:, :width]


@kernel
def list_nearest(products, q2, x2, limit, first, cells, scores):
    """Fill rows with the nearest cells, ascending; returns the longest row's length.

    None but the nearest is beyond ``limit`` times the mean of the ``first`` scores.
    ``products`` (n, n_cells or more) are those of queries and centres.
    """
    n_cells, room, width = len(x2), cells.shape[1], 1
    estimates = np.full(-(-n_cells // COMPARED) * COMPARED, np.inf, np.float32)
    keys = np.empty(n_cells, np.uint64)
    bits = estimates.view(np.int32)  # numbers that are not negative are in their order
    for q in range(len(products)):
        for c in range(n_cells):
            score = q2[q] + x2[c] - 2 * products[q, c]
            estimates[c] = max(score, np.float32(0))
        bound = np.float32(np.inf)
        if limit < np.inf:
            keys_within(estimates, rank_score(bits, first), keys)
            total = 0.0
            for j in range(first):
                total += np.float64(score_of(keys[j]))
            bound = limit * np.float32(total / first)
        bound = max(bound, least_score(bits))
        if count_within(estimates, bound) > room:
            bound = rank_score(bits, room)
        n = min(keys_within(estimates, bound, keys), room)
        for j in range(n):
            cells[q, j], scores[q, j] = id_of(keys[j]), score_of(keys[j])
        cells[q, n:], scores[q, n:] = -1, np.inf
        width = max(width, n)
    return width


@loop
def least_score(bits):
    least = bits[0]
    for c in range(len(bits)):
        least = min(least, bits[c])
    return bits_float(np.uint32(least))


@loop
def count_within(estimates, bound):
    count = np.int32(0)
    for c in range(len(estimates)):
        count += estimates[c] <= bound
    return count


@loop
def rank_score(bits, rank):
    """A score that as many as ``rank`` are not above, or that equal ones are.

    ``bits`` are those of scores; how many are below a number is counted by vectors.
    """
    low, high = bits[0], bits[0]
    for c in range(len(bits)):
        low, high = min(low, bits[c]), max(high, bits[c])
    low, high = np.int64(low), np.int64(high)
    while low < high:
        middle = np.int32((low + high) >> 1)
        count = np.int32(0)
        for c in range(len(bits)):
            count += bits[c] <= middle
        if count < rank:
            low = np.int64(middle) + 1
        else:
            high = np.int64(middle)
            if count == rank:
                break
    return bits_float(np.uint32(high))


@loop
def keys_within(estimates, bound, keys):
    """Keys of the numbers that are ``bound`` at most, ascending; returns how many."""
    n = 0
    for first in range(0, len(estimates), COMPARED):
        good = below(estimates, first, bound)
        while good != 0:
            c = first + lowest(good)
            good &= good - np.uint32(1)
            if c < len(keys):
                key, at = key_of(estimates[c], c), n
                while at > 0 and keys[at - 1] > key:
                    keys[at] = keys[at - 1]
                    at -= 1
                keys[at] = key
                n += 1
    return n


@kernel
def scan_lists(route, reduced, turns, words, best):
    """Append the rows of the lists of all turns; returns how many blocks it scored.

    Bits of ``words`` (n_blocks,), or (0,) for all, are the rows that may be found.
    """
    s, n = route.blocks.shape[1] // ROWS, len(turns.lists)
    gaps = np.empty((1, s), np.float32)
    rows, terms = np.zeros((SHARED, s), np.int8), np.zeros((3, SHARED), np.float32)
    scores, good = np.empty((QUERIES, ROWS), np.float32), np.empty(QUERIES, np.uint32)
    keys, filled, bounds, _, _ = best
    most = keys.shape[1] - ROWS
    first, scored = 0, 0
    while first < n:
        size = turns_of_a_list(turns, first)
        ask(route, reduced, turns, first, size, gaps, rows, terms)
        for j in range(size):
            terms[2, j] = score_of(bounds[turns.queries[first + j]])
        lo, hi = route.starts[turns.lists[first]], route.starts[turns.lists[first] + 1]
        for b in range(lo, hi):
            some = rows_of_block(route.ids, b) if b == hi - 1 else EVERY
            if len(words):
                some = some & words[b]
                if some == 0:
                    continue
            scored += size
            t = 0
            while t < size:
                n_asked, hits = score_tile(
                    route.blocks, b, rows, t, size, route.adds, terms, scores, good
                )
                while hits != 0:
                    j = lowest(hits)
                    hits &= hits - np.uint32(1)
                    q = turns.queries[first + t + j]
                    append_good(
                        good[j] & some, scores, j, route.ids, b * ROWS,
                        keys, filled, bounds, q,
                    )  # fmt: skip
                    if filled[q] > most:
                        cut(keys, filled, bounds, q)
                        terms[2, t + j] = score_of(bounds[q])
                t += n_asked
        for j in range(size):
            q = turns.queries[first + j]
            if filled[q] > keys.shape[1] // 2:
                cut(keys, filled, bounds, q)
        first += size
    return scored


@piece
def score_tile(blocks, b, rows, t, size, adds, terms, scores, good):
    """Score a block for as many queries from ``t`` on as a tile has; and which hit."""
    if size - t >= QUERIES:
        hits = score_blocks(blocks, b, rows, t, adds, terms, scores, good)
        return QUERIES, hits
    if size - t >= HALF:
        hits = score_half(blocks, b, rows, t, adds, terms, scores, good)
        return HALF, hits
    return 1, score_block(blocks, b, rows, t, adds, terms, scores, good)


@loop
def turns_of_a_list(turns, first):
    """How many turns from ``first`` on are with its list, ``SHARED`` at most."""
    size = 1
    while (
        size < SHARED
        and first + size < len(turns.lists)
        and turns.lists[first + size] == turns.lists[first]
    ):
        size += 1
    return size


@loop
def ask(route, reduced, turns, first, size, gaps, rows, terms):
    """Fill ``rows``, bytes, and their offsets and units with the queries of some turns.

    A query is asked for as what it lies from the centre, in bytes of its own unit:
    where that is short nothing else matters, and where it is long precision does not.
    """
    cell = turns.lists[first]
    is_ip = len(route.middles) == 0
    for t in range(size):
        z, base = reduced[turns.queries[first + t]], np.float32(0)
        for j in range(gaps.shape[1]):
            gaps[0, j] = z[j]
        if not is_ip:
            base = take_middle(route.middles, cell, gaps)
        unit, total = fill_bytes(gaps, rows, t)
        terms[1, t] = np.float32(2) * route.scales[cell] * unit
        base = turns.bases[first + t] if is_ip else base
        terms[0, t] = base + terms[1, t] * np.float32(MIDDLE * total)


@loop
def take_middle(middles, cell, gaps):
    """Subtract the middle of a cell from ``gaps``; returns their squared length."""
    total = np.float32(0)
    for j in range(gaps.shape[1]):
        gap = gaps[0, j] - middles[cell, j]
        gaps[0, j] = gap
        total += gap * gap
    return total


@loop
def fill_bytes(gaps, rows, t):
    """Fill row ``t`` with ``gaps`` as bytes; returns their unit and their sum."""
    half, largest, total = np.float32(0.5), np.int32(0), np.int32(0)
    bits = gaps.view(np.int32)  # of numbers without a sign the largest has the largest
    for j in range(gaps.shape[1]):
        largest = max(largest, bits[0, j] & SIZE)
    top = bits_float(np.uint32(largest))
    unit = top / np.float32(TOP) if top > 0 else np.float32(1)
    per = np.float32(1) / unit
    for j in range(gaps.shape[1]):
        number = np.int32(np.floor(gaps[0, j] * per + half))
        number = min(max(number, np.int32(-TOP)), np.int32(TOP))
        rows[t, j] = number
        total += number
    return unit, total


@loop
def rows_of_block(ids, b):
    """One bit for each row of block ``b``; those behind the last row are not set."""
    bits = np.uint32(0)
    for j in range(ROWS):
        if ids[b * ROWS + j] >= 0:
            bits |= np.uint32(1) << np.uint32(j)
    return bits
