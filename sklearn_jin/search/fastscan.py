"""Scan of codes by tables: all codes that are nibbles, 64 at a time.

What a nibble of a code adds to a score is one of 16 numbers, which a query
fixes.  As bytes they fill a register, so that one instruction looks up 64.
A query takes turns with runs of codes: with all of them, or with the lists that
it probes.  Two queries that are due with the same run share a pass over it.
"""

from typing import NamedTuple

import numpy as np

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
from sklearn_jin.points import encode_queries, fastscan_codes, fastscan_tables
from sklearn_jin.search.beam import NO_KEY, ONE, key_of, score_of
from sklearn_jin.search.scan import choose
from sklearn_jin.search.shortlist import push, shortlists, top_k

CHUNK = 32  # queries a thread takes at a time
GROUP = 32  # blocks of a run, where there are no lists
SAMPLE_BLOCKS = 128  # of which a scan has a first look
SAME_SCORE = np.uint64(0xFFFFFFFF)  # the bits of a key below its score
TOP = 255  # of an entry
SUM_TOP = 65535
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Blocks(NamedTuple):
    """Codes, turned so that a register has the same part of each of some."""

    blocks: np.ndarray  # uint8, as ``sum_tables`` takes it; the last ends in zeros
    factors: np.ndarray  # (2, n_blocks, 64) float32: add and scale; or (2, 0, 64)
    adds: np.ndarray  # (n_blocks, 64) uint16: see ``Turns``; or (0, 64)
    points: tuple  # the record of the codes, without rows: what makes the tables


class Asked(NamedTuple):
    """What codes are asked; a query may ask in several ways."""

    tables: np.ndarray  # (n_asked, n_bytes * 32) uint8; may be longer
    inner: np.ndarray  # (n_asked,) float32, of codes with factors


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
    asked: np.ndarray  # (n_turns,) int32, the row of ``Asked``
    offsets: np.ndarray  # (n_turns,) float32
    units: np.ndarray  # (n_turns,) float32
    shares: np.ndarray  # (n_turns,) uint16
    lows: np.ndarray  # (n_turns,) float32 that no true score of the run is below


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
    turned = turn_fours(codes) if QUADS else turn_bytes(codes)
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


def search(blocks, n, second, queries, k, rerank, overestimate, n_threads):
    """Exact scores (n_queries, k), float64, and ids, int64, of the nearest met.

    All ``n`` codes are scored by tables, and the ``rerank >= k`` nearest are
    scored exactly as points of ``second``, as far as ``overestimate`` does not end it:
    see :func:`sklearn_jin.search.rerank.refine`.
    """
    n_queries = len(queries)
    scores, ids = np.empty((n_queries, k)), np.empty((n_queries, k), np.int64)
    asked, exact_queries = (
        encode_queries(blocks.points, queries),
        frozen(encode_queries(second, queries)),
    )
    sample = _sample(blocks, n)

    def task(lo, hi):
        entries, outer, inner, far = fastscan_tables(blocks.points, asked[lo:hi])
        rounded, unit, least = as_bytes(blocks.blocks, entries, far)
        asking = Asked(rounded, inner + least)
        if not blocks.factors.size:
            outer = outer + asking.inner
        keys = _nearest_codes(blocks, n, sample, asking, outer, unit, rerank)
        choose(second, exact_queries, keys, overestimate, scores, ids, lo, hi)

    run(task, n_queries, CHUNK, n_threads)
    return scores, ids


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


def _nearest_codes(blocks, n, sample, asking, outer, unit, room):
    """Keys of the ``room`` nearest codes, ascending, of the queries of ``asking``.

    A sample tells beforehand about how near they are, lest hundreds be listed
    only because they are met first.
    """
    best = shortlists(len(outer), room)
    if sample is not None:
        some, every = sample
        expected = room / every
        sampled = shortlists(len(best.keys), int(expected + 4 * expected**0.5 + 4))
        n_some = (len(some.blocks) - 1) * BLOCK
        propose(some, asking, _all_turns(n_some, outer, unit), sampled)
        best.bounds[:] = top_k(sampled)[:, -1] | SAME_SCORE
    propose(blocks, asking, _all_turns(n, outer, unit), best)
    keys = top_k(best)
    short = np.flatnonzero(keys[:, min(room, n) - 1] == NO_KEY)
    if len(short):  # the sample was too good
        again = shortlists(len(short), room)
        some = Asked(*(part[short] for part in asking))
        propose(blocks, some, _all_turns(n, outer[short], unit[short]), again)
        keys[short] = top_k(again)
    return keys


def _all_turns(n, outer, unit):
    """Turns of every query with all ``n`` codes; ``outer`` and ``unit`` are its own."""
    starts = np.append(np.arange(0, n, GROUP * BLOCK), n)
    n_runs, n_queries = len(starts) - 1, len(outer)
    queries = np.tile(np.arange(n_queries, dtype=np.int32), n_runs)
    return Turns(
        starts,
        np.repeat(np.arange(n_runs, dtype=np.int32), n_queries),
        queries,
        queries,
        np.tile(outer, n_runs),
        np.tile(unit, n_runs),
        np.zeros(n_runs * n_queries, np.uint16),
        np.zeros(n_runs * n_queries, np.float32),
    )


def as_bytes(blocks, entries, far, most=SUM_TOP):
    """Tables (n, n_bytes, 2, 16) as bytes, the unit of a byte, and what they lack.

    As ``blocks`` need them: ``unit * sum of bytes + least`` is the sum of the entries,
    up to rounding; no sum of bytes is above ``most``.  Entries above ``far`` times the
    mean are cut, and pairs may be: for squared distances, whose near codes have no
    such entries.  If ``far`` is infinite nothing is.
    """
    n, n_bytes = entries.shape[:2]
    fours = blocks.ndim == 3
    if fours and n_bytes % 2:
        entries = np.concatenate([entries, np.zeros((n, 1, 2, 16), np.float32)], axis=1)
    flat = np.ascontiguousarray(entries).reshape(n, -1, 16)
    # Of a pair of halves the sum is a byte, of four it is not.
    top = TOP if fours or np.isfinite(far) else TOP // 2
    parts = flat.shape[1] if fours else flat.shape[1] / 2
    if TOP * parts > most:  # so many that their sum could be too large
        top = min(top, most // flat.shape[1])
    rounded = np.empty((n, flat[0].size), np.uint8)
    unit, least = np.empty((2, n), np.float32)
    levels = rounded.reshape(flat.shape)
    round_entries(flat, np.float32(far), top, levels, unit, least)
    return rounded, unit, least


@kernel_of_numbers
def round_entries(entries, far, top, rounded, unit, least):
    """Fill ``rounded``, ``unit`` and ``least``: see :func:`as_bytes`."""
    n, n_tables, _ = entries.shape
    lows = np.empty(n_tables, np.float32)
    for q in range(n):
        total, most = np.float32(0), np.float32(0)
        for t in range(n_tables):
            low, high, here = entries[q, t, 0], entries[q, t, 0], np.float32(0)
            for c in range(16):
                low, high = min(low, entries[q, t, c]), max(high, entries[q, t, c])
                here += entries[q, t, c]
            lows[t] = low
            total += here
            most = max(most, high - low)
        least[q] = lows.sum()
        if far < np.inf:
            mean = (total / np.float32(16) - least[q]) / np.float32(n_tables)
            most = min(most, far * mean)
        unit[q] = most / np.float32(top) if most > 0 else np.float32(1)
        times = np.float32(1) / unit[q]
        for t in range(n_tables):
            for c in range(16):
                level = (entries[q, t, c] - lows[t]) * times + np.float32(0.5)
                rounded[q, t, c] = np.uint8(min(level, np.float32(top)))


def propose(blocks, asked, turns, lists):
    """Offer codes to the shortlists of the queries whose turns they are."""
    scan_turns(blocks.blocks, blocks.factors, blocks.adds, asked, turns, lists)


@kernel
def scan_turns(codes, factors, adds, asked, turns, lists):
    """As :func:`propose`, with the arrays of the blocks."""
    some, met = np.empty(2, np.int64), np.empty(BLOCK, np.uint64)
    sums, scores = np.empty((2, BLOCK), np.uint16), np.empty(BLOCK, np.float32)
    go_round(codes, factors, adds, asked, turns, lists, some, met, sums, scores)


@loop
def go_round(codes, factors, adds, asked, turns, lists, some, met, sums, scores):
    """As :func:`take_turns`.  The last four arguments are room to work in.

    Sums are compared with the bound as integers, unless codes have factors, and only
    those that may be near enough become scores.
    """
    keys, filled, bounds, marks, bins = lists
    n, t = pick(turns, np.int64(0), bounds, some)
    while n > 0:
        run, q, r = turns.runs[some[0]], turns.asked[some[0]], turns.asked[some[n - 1]]
        first, last = turns.starts[run], turns.starts[run + 1]
        fetch_next(codes, turns, run, t)
        for b in range(first // BLOCK, (last + BLOCK - 1) // BLOCK):
            if n == 2:
                sum_tables(codes, b, asked.tables, q, r, sums)
            else:
                sum_table(codes, b, asked.tables, q, sums)
            inside = within(first, last, b * BLOCK)
            for i in range(n):
                turn = some[i]
                own, unit, offset = (
                    turns.queries[turn],
                    turns.units[turn],
                    turns.offsets[turn],
                )
                if factors.size:
                    inner, bound = asked.inner[turns.asked[turn]], score_of(bounds[own])
                    good = factored(
                        sums, i, factors, b, offset, inner, unit, bound, scores
                    )
                else:
                    most = highest_sum(bounds[own], offset, unit)
                    good = near_sums(sums, i, adds, b, turns.shares[turn], most)
                good &= inside
                n_met = 0
                while good != 0:
                    c = lowest(good)
                    good &= good - ONE
                    if factors.size:
                        score = scores[c]
                    else:
                        score = max(
                            offset + unit * np.float32(sums[i, c]), np.float32(0)
                        )
                    met[n_met] = key_of(score, b * BLOCK + c)
                    n_met += 1
                if n_met > 0:
                    push(met, n_met, keys, filled, bounds, marks, bins, own)
        n, t = pick(turns, t, bounds, some)


@loop
def pick(turns, t, bounds, some):
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
def fetch_next(codes, turns, run, t):
    """Ask the memory for the codes of turn ``t``, unless they are those of ``run``."""
    if t < len(turns.runs) and turns.runs[t] != run:
        first, last = turns.starts[turns.runs[t]], turns.starts[turns.runs[t] + 1]
        end = min((last + BLOCK - 1) // BLOCK, first // BLOCK + GROUP)
        for b in range(first // BLOCK, end):
            prefetch_lines(codes, b, codes.size // len(codes) // LINE)


@loop
def within(first, last, start):
    """Bit ``j`` of 64 tells whether ``start + j`` is from ``first`` to ``last - 1``.

    Some are.
    """
    bits = ALL << np.uint64(max(first - start, 0))
    return bits & (ALL >> np.uint64(max(start + BLOCK - last, 0)))


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
