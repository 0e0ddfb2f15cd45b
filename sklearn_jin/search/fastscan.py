"""FastScan: codes that are nibbles are scanned by tables, 64 codes at a time.

What a nibble of a code adds to a score is one of 16 numbers, which a query
fixes.  As bytes they fill a register, so that one instruction looks up 64.
A query takes turns with runs of codes: with all of them, or with the lists that
it probes.  Two queries that are due with the same run share a pass over it.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, UInt8, UInt16
from sklearn_jin._jit import kernel, kernel_of_numbers, loop
from sklearn_jin._memory import LINE, aligned, frozen
from sklearn_jin._simd import (
    BLOCK,
    QUADS,
    add_share,
    at_most,
    factored,
    lowest,
    prefetch_lines,
    sum_table,
    sum_tables,
)
from sklearn_jin._threads import run
from sklearn_jin.points import count, encode_queries, fastscan_codes, fastscan_tables
from sklearn_jin.search import counters
from sklearn_jin.search.index import (
    codes_of,
    for_any_cpu,
    for_this_cpu,
    propose,
    ranges_of,
)
from sklearn_jin.search.keys import (
    NO_KEY,
    ONE,
    SAME_SCORE,
    key_of,
    score_of,
    split_keys,
)
from sklearn_jin.search.shortlist import push, shortlists, top_k

QUERIES_PER_TASK = 32
BLOCKS_OF_A_RUN = 32  # where there are no lists
SAMPLE_BLOCKS = 128  # of which a scan has a first look
TOP = 255  # of an entry
SUM_TOP = 65535
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
ALL = frozen(np.empty(0, np.uint64))  # stands for words of all codes of all blocks


class Blocks(NamedTuple):
    """Codes, turned so that a register has the same part of each of some."""

    blocks: UInt8[2, 3]  # as ``sum_tables`` takes it; the last ends in zeros
    factors: Float32[3]  # (2, n_blocks, 64): add and scale; or (2, 0, 64)
    adds: UInt16[2]  # (n_blocks, 64): see ``Turns``; or (0, 64)
    points: tuple  # the record of the codes, without rows: what makes the tables


class QueryTables(NamedTuple):
    """What queries look up; a query may have several rows, one for each middle."""

    entries: np.ndarray  # (n_rows, n_bytes * 32) uint8; may be longer
    inner: np.ndarray  # (n_rows,) float32, of codes with factors


class Turns(NamedTuple):
    """Which query is compared with which codes, in this order.

    With a code's ``sum`` of the entries that it chooses, ``add`` and ``scale``
    its factors, the score is ``offset + add + scale * (inner + unit * sum)``, or
    where there are no factors ``offset + unit * (sum + (adds * share >> 16))``.
    Turns with the same run of codes are adjacent, if they are to share a pass.
    """

    starts: np.ndarray  # (n_runs + 1,) int64, first code of every run
    runs: np.ndarray  # (n_turns,) int32
    queries: np.ndarray  # (n_turns,) int32, whose shortlist it is
    rows: np.ndarray  # (n_turns,) int32, the row of the query tables
    offsets: np.ndarray  # (n_turns,) float32
    units: np.ndarray  # (n_turns,) float32
    shares: np.ndarray  # (n_turns,) uint16
    lows: np.ndarray  # (n_turns,) float32 that no true score of the run is below
    words: np.ndarray = ALL  # (n_blocks,) uint64: a bit a code that may be found


def block(points, adds=None, scales=1):
    """``Blocks`` of the codes of ``points``, or None where these are no nibbles.

    ``adds`` are numbers of the codes: whole ones, or any where codes have factors,
    which the ``scales`` of the codes are part of then.
    """
    parts = fastscan_codes(points)
    if parts is None:
        return None
    codes, factors = parts
    n, n_blocks = len(codes), -(-len(codes) // BLOCK)
    turned = turn(codes)
    rows = np.zeros((2, 0 if factors is None else n_blocks * BLOCK), np.float32)
    more = np.zeros(0, np.uint16)
    if factors is not None:
        rows[:, :n] = factors
        rows[0, :n] += 0 if adds is None else adds
        rows[1, :n] *= scales
    elif adds is not None:
        more = np.zeros(n_blocks * BLOCK, np.uint16)
        more[:n] = np.where(adds > 0, adds, 0)  # nor NaN
    return Blocks(
        frozen(turned),
        frozen(rows.reshape(2, -1, BLOCK)),
        frozen(more.reshape(-1, BLOCK)),
        points._replace(codes=frozen(points.codes[:0].copy())),
    )


def turn(codes):
    """Blocks of ``codes`` (n, n_bytes) as this CPU scans them fastest."""
    return turn_fours(codes) if QUADS else turn_bytes(codes)


def turn_bytes(codes):
    """Blocks (n_blocks, n_bytes * 64) of ``codes`` (n, n_bytes)."""
    codes = _whole_blocks(codes, codes.shape[1])
    turned = codes.reshape(-1, BLOCK, codes.shape[1]).transpose(0, 2, 1)
    return aligned(turned.reshape(len(turned), -1))


def turn_fours(codes):
    """Blocks (n_blocks, n_groups, 128) of ``codes`` (n, n_bytes)."""
    codes = _whole_blocks(codes, codes.shape[1] + codes.shape[1] % 2)
    halves = np.stack([codes & 15, codes >> 4], axis=2)
    halves = halves.reshape(-1, 2, 2, 16, codes.shape[1] // 2, 4)
    turned = halves[:, :, 0] | halves[:, :, 1] << 4
    turned = turned.transpose(0, 3, 1, 2, 4)
    rows = aligned(turned.reshape(len(turned), -1))
    return rows.reshape(len(rows), -1, 2 * BLOCK)


def _whole_blocks(codes, width):
    """``codes``, and zeros behind them and to their right."""
    n, n_bytes = codes.shape
    padded = np.zeros((-(-n // BLOCK) * BLOCK, width), np.uint8)
    padded[:n, :n_bytes] = codes
    return padded


def compact_codes(blocks, n):
    """Codes (n, n_bytes) of a turned array of blocks: one form for every CPU."""
    n_bytes = fastscan_codes(blocks.points)[0].shape[1]
    turned = blocks.blocks
    if turned.ndim == 2:
        codes = turned.reshape(len(turned), -1, BLOCK).transpose(0, 2, 1)
    else:
        fours = turned.reshape(*turned.shape[:2], 2, 16, 4).transpose(0, 2, 3, 1, 4)
        halves = np.stack([fours & 15, fours >> 4], axis=2)
        halves = halves.reshape(len(turned) * BLOCK, -1, 2)
        codes = halves[..., 0] | halves[..., 1] << 4
    return np.ascontiguousarray(codes.reshape(-1, codes.shape[-1])[:n, :n_bytes])


@for_this_cpu.register(Blocks)
def blocks_for_this_cpu(blocks):
    return _turned(blocks, turn, 3 if QUADS else 2)


@for_any_cpu.register(Blocks)
def blocks_for_any_cpu(blocks):
    return _turned(blocks, turn_fours, 3)


def _turned(blocks, turn, ndim):
    """``blocks`` as ``turn`` makes them, of ``ndim`` dimensions."""
    if blocks.blocks.ndim == ndim:
        return blocks
    codes = compact_codes(blocks, len(blocks.blocks) * BLOCK)
    return blocks._replace(blocks=frozen(turn(codes)))


@codes_of.register(Blocks)
def codes_of_blocks(route):
    return tuple(route)


@ranges_of.register(Blocks)
def ranges_of_blocks(route, n, d):
    n_blocks = -(-n // BLOCK)
    sizes = [len(route.blocks), route.factors.shape[1], len(route.adds)]
    yield np.array(sizes[:1]), n_blocks, n_blocks
    yield np.array([size for size in sizes[1:] if size]), n_blocks, n_blocks
    yield from ranges_of(route.points, 0, d)


@propose.register(Blocks)
def propose_by_tables(route, index, queries, search, use):
    """Score all codes by tables, and pass the ``room`` nearest of each query."""
    n, sample = count(index.points), _sample(route, count(index.points))
    encoded = encode_queries(route.points, queries)
    counters.add(scores=len(queries) * n)

    def task(lo, hi):
        entries, outer, inner, far = fastscan_tables(route.points, encoded[lo:hi])
        rounded, unit, least = as_bytes(route.blocks, entries, far)
        tables = QueryTables(rounded, inner + least)
        if not route.factors.size:
            outer = outer + tables.inner
        lines = Lines(tables, outer, unit)
        keys = _nearest_codes(route, n, sample, lines, search.room, search.sieve)
        ids, estimates = split_keys(keys)
        use(np.arange(lo, hi), estimates, ids)

    run(task, len(queries), QUERIES_PER_TASK, search.n_threads)


class Lines(NamedTuple):
    """Queries of one task: a score is ``outer + unit * sum`` of the tables' entries."""

    tables: QueryTables
    outer: np.ndarray
    unit: np.ndarray


def _sample(blocks, n):
    """Some ``SAMPLE_BLOCKS`` of the blocks, and how many codes one of them stands for.

    None where there are too few codes to be worth a first look.
    """
    every = n // (SAMPLE_BLOCKS * BLOCK)
    if every <= 1:
        return None
    some = np.ascontiguousarray(blocks.blocks[::every])
    factors = np.ascontiguousarray(blocks.factors[:, ::every])
    return blocks._replace(blocks=frozen(some), factors=frozen(factors)), every


def _nearest_codes(blocks, n, sample, lines, room, sieve=None):
    """Keys of the ``room`` nearest codes, ascending, of the queries of ``lines``.

    They are among the :class:`~sklearn_jin.search.filtered.Codes` of ``sieve``, or any.
    A sample tells about how near they are, lest hundreds be listed that are met first.
    """
    best = shortlists(len(lines.outer), room)
    n_allowed, words = (n, ALL) if sieve is None else (sieve.n, sieve.words)
    if sample is not None:
        some, every = sample
        expected = room / every
        sampled = shortlists(len(best.keys), int(expected + 4 * expected**0.5 + 4))
        n_some = (len(some.blocks) - 1) * BLOCK
        turns = _all_turns(n_some, lines, frozen(words[::every].copy()))
        push_by_tables(some, lines.tables, turns, sampled)
        best.bounds[:] = top_k(sampled)[:, -1] | SAME_SCORE
    push_by_tables(blocks, lines.tables, _all_turns(n, lines, words), best)
    keys = top_k(best)
    short = np.flatnonzero(keys[:, min(room, n_allowed) - 1] == NO_KEY)
    if len(short):  # the sample was too good
        again = shortlists(len(short), room)
        tables = QueryTables(*(part[short] for part in lines.tables))
        left = Lines(tables, lines.outer[short], lines.unit[short])
        push_by_tables(blocks, tables, _all_turns(n, left, words), again)
        keys[short] = top_k(again)
    return keys


def _all_turns(n, lines, words):
    """Turns of every query of ``lines`` with all ``n`` codes that are in ``words``."""
    starts = np.append(np.arange(0, n, BLOCKS_OF_A_RUN * BLOCK), n)
    n_runs, n_queries = len(starts) - 1, len(lines.outer)
    queries = np.tile(np.arange(n_queries, dtype=np.int32), n_runs)
    return Turns(
        starts,
        np.repeat(np.arange(n_runs, dtype=np.int32), n_queries),
        queries,
        queries,
        np.tile(lines.outer, n_runs),
        np.tile(lines.unit, n_runs),
        np.zeros(n_runs * n_queries, np.uint16),
        np.zeros(n_runs * n_queries, np.float32),
        words,
    )


def as_bytes(blocks, entries, far, most=SUM_TOP):
    """Tables (n, n_bytes, 2, 16) as bytes, the unit of a byte, and what they lack.

    The same for every CPU, with zeros behind them where its ``blocks`` need some:
    ``unit * sum of bytes + least`` is the sum of the entries, up to rounding; no sum of
    bytes is above ``most``.  Entries above ``far`` times the mean are cut: for squared
    distances, whose near codes have no such entries.  If ``far`` is infinite none is.
    """
    flat = np.ascontiguousarray(entries).reshape(len(entries), -1, 16)
    n, n_tables = flat.shape[:2]
    top = min(TOP, most // n_tables)  # so many that their sum could be too large
    n_more = n_tables % 4 if blocks.ndim == 3 else 0
    rounded = np.zeros((n, n_tables + n_more, 16), np.uint8)
    unit, least = np.empty((2, n), np.float32)
    round_entries(flat, np.float32(far), top, rounded, unit, least)
    return rounded.reshape(n, -1), unit, least


@kernel_of_numbers
def round_entries(entries, far, top, rounded, unit, least):
    """Fill ``rounded``, ``unit`` and ``least``: see :func:`as_bytes`."""
    n, n_tables, _ = entries.shape
    lows = np.empty(n_tables, np.float32)
    for q in range(n):
        # Sums and products in float64, lest their order and fused ones change a byte.
        total, below, most = 0.0, 0.0, np.float32(0)
        for t in range(n_tables):
            low, high, here = entries[q, t, 0], entries[q, t, 0], 0.0
            for c in range(16):
                low, high = min(low, entries[q, t, c]), max(high, entries[q, t, c])
                here += entries[q, t, c]
            lows[t] = low
            total += here
            below += low
            most = max(most, high - low)
        least[q] = below
        if far < np.inf:
            mean = np.float32((total / 16 - below) / n_tables)
            most = min(most, far * mean)
        unit[q] = most / np.float32(top) if most > 0 else np.float32(1)
        times = np.float64(np.float32(1) / unit[q])
        for t in range(n_tables):
            for c in range(16):
                level = np.float64(entries[q, t, c] - lows[t]) * times + 0.5
                rounded[q, t, c] = np.uint8(min(level, np.float64(top)))


def push_by_tables(blocks, tables, turns, lists):
    """Push codes to the shortlists of the queries whose turns they are."""
    scan_with_room(blocks.blocks, blocks.factors, blocks.adds, tables, turns, lists)


@kernel
def scan_with_room(codes, factors, adds, tables, turns, lists):
    """As :func:`push_by_tables`, with the arrays of the blocks."""
    some, found = np.empty(2, np.int64), np.empty(BLOCK, np.uint64)
    sums, scores = np.empty((2, BLOCK), np.uint16), np.empty(BLOCK, np.float32)
    scan_runs(codes, factors, adds, tables, turns, lists, some, found, sums, scores)


@loop
def scan_runs(codes, factors, adds, tables, turns, lists, some, found, sums, scores):
    """As :func:`scan_with_room`.  The last four arguments are room to work in.

    Sums are compared with the bound as integers, unless codes have factors, and only
    those that may be near enough become scores.
    """
    bounds, words = lists.bounds, turns.words
    n, t = pick_turns(turns, np.int64(0), bounds, some)
    while n > 0:
        run, q, r = turns.runs[some[0]], turns.rows[some[0]], turns.rows[some[n - 1]]
        first, last = turns.starts[run], turns.starts[run + 1]
        prefetch_next(codes, turns, run, t)
        for b in range(first // BLOCK, (last + BLOCK - 1) // BLOCK):
            inside = inside_bits(first, last, b * BLOCK)
            if len(words):
                inside &= words[b]
                if inside == 0:
                    continue
            if n == 2:
                sum_tables(codes, b, tables.entries, q, r, sums)
            else:
                sum_table(codes, b, tables.entries, q, sums)
            for i in range(n):
                turn = some[i]
                own, unit = turns.queries[turn], turns.units[turn]
                offset = turns.offsets[turn]
                if factors.size:
                    inner = tables.inner[turns.rows[turn]]
                    bound = score_of(bounds[own])
                    good = factored(
                        sums, i, factors, b, offset, inner, unit, bound, scores
                    )
                else:
                    most = highest_sum(bounds[own], offset, unit)
                    good = near_sums(sums, i, adds, b, turns.shares[turn], most)
                good &= inside
                n_found = 0
                while good != 0:
                    c = lowest(good)
                    good &= good - ONE
                    if factors.size:
                        score = scores[c]
                    else:
                        score = offset + unit * np.float32(sums[i, c])
                        score = max(score, np.float32(0))
                    found[n_found] = key_of(score, b * BLOCK + c)
                    n_found += 1
                if n_found > 0:
                    push(found, n_found, lists, own)
        n, t = pick_turns(turns, t, bounds, some)


@loop
def pick_turns(turns, t, bounds, some):
    """Numbers of the next turns that may find a nearer code, two if they share a run.

    They are written to ``some``.  Returns their count, and the turn after them.
    """
    n = 0
    while t < len(turns.runs) and n < 2:
        if n == 1 and turns.runs[t] != turns.runs[some[0]]:
            break
        if not turns.lows[t] > score_of(bounds[turns.queries[t]]):
            some[n] = t
            n += 1
        t += 1
    return n, t


@loop
def prefetch_next(codes, turns, run, t):
    """Ask the memory for the codes of turn ``t``, unless they are those of ``run``."""
    if t < len(turns.runs) and turns.runs[t] != run:
        first, last = turns.starts[turns.runs[t]], turns.starts[turns.runs[t] + 1]
        end = min((last + BLOCK - 1) // BLOCK, first // BLOCK + BLOCKS_OF_A_RUN)
        for b in range(first // BLOCK, end):
            prefetch_lines(codes, b, codes.size // len(codes) // LINE)


@loop
def inside_bits(first, last, start):
    """Bit ``j`` of 64 tells whether ``start + j`` is from ``first`` to ``last - 1``.

    Some are.
    """
    bits = ALL_BITS << np.uint64(max(first - start, 0))
    return bits & (ALL_BITS >> np.uint64(max(start + BLOCK - last, 0)))


@loop
def highest_sum(bound, offset, unit):
    """The largest sum whose score may be within the key ``bound``; NaN is no bound."""
    most = (score_of(bound) - offset) / unit
    if not most < SUM_TOP:
        return np.uint16(SUM_TOP)
    return np.uint16(max(most, np.float32(0)))


@loop
def near_sums(sums, i, adds, b, share, most):
    """Which of row ``i`` of ``sums`` are, with their ``adds``, at most ``most``."""
    if len(adds):
        add_share(sums, i, adds, b, share)
    return at_most(sums, i, most)
