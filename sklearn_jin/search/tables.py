"""Scan of codes by tables: all codes that are nibbles, 64 at a time.

What a nibble of a code adds to a score is one of 16 numbers, which a query
fixes.  As bytes they fill a register, so that one instruction looks up 64.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import aligned, frozen
from sklearn_jin._simd import BLOCK, at_most, below, lowest, sum_tables
from sklearn_jin._threads import run
from sklearn_jin.points import ask, nibbles, tables
from sklearn_jin.search.beam import NO_KEY, key_of, score_of
from sklearn_jin.search.scan import choose
from sklearn_jin.search.shortlist import offer, settle, shorten, shortlists

CHUNK = 32  # queries a thread takes at a time
GROUP = 32  # blocks that every query of a chunk is compared with in turn
SAMPLE_BLOCKS = 128  # of which a scan has a first look
SAME_SCORE = np.uint64(0xFFFFFFFF)  # the bits of a key below its score
TOP = 255  # of an entry
SUM_TOP = 65535


class Blocks(NamedTuple):
    """Codes, turned so that a byte of 64 of them is one register."""

    blocks: np.ndarray  # (n_blocks, n_bytes * 64) uint8; the last ends in zeros
    factors: np.ndarray  # (2, n_blocks, 64) float32: add and scale; or (2, 0, 64)
    points: tuple  # the record of the codes, without rows: what makes the tables


def block(points):
    """``Blocks`` of the codes of ``points``, or None where these are no nibbles."""
    parts = nibbles(points)
    if parts is None:
        return None
    codes, factors = parts
    n, n_bytes = codes.shape
    n_blocks = -(-n // BLOCK)
    padded = np.zeros((n_blocks * BLOCK, n_bytes), np.uint8)
    padded[:n] = codes
    turned = padded.reshape(n_blocks, BLOCK, n_bytes).transpose(0, 2, 1)
    rows = np.zeros((2, 0 if factors is None else n_blocks * BLOCK), np.float32)
    if factors is not None:
        rows[:, :n] = factors
    turned = np.ascontiguousarray(turned).reshape(n_blocks, n_bytes * BLOCK)
    empty = points._replace(codes=frozen(points.codes[:0].copy()))
    factors = frozen(rows.reshape(2, -1, BLOCK))
    return Blocks(frozen(aligned(turned)), factors, empty)


def search(blocks, n, second, queries, k, rerank, slack, n_threads):
    """Exact scores (n_queries, k), float64, and ids, int64, of the nearest met.

    All ``n`` codes are scored by tables, and the ``rerank >= k`` nearest are
    scored exactly as points of ``second``, as far as ``slack`` does not end it:
    see :func:`sklearn_jin.search.rerank.refine`.
    """
    n_queries = len(queries)
    scores, ids = np.empty((n_queries, k)), np.empty((n_queries, k), np.int64)
    asked, exactly = ask(blocks.points, queries), frozen(ask(second, queries))
    sample = _sample(blocks, n)

    def task(lo, hi):
        entries, outer, inner, far = tables(blocks.points, asked[lo:hi])
        entries, unit, least = as_bytes(entries, far)
        asking = entries, unit, inner + least, outer
        keys = _nearest_codes(blocks, n, sample, asking, rerank)
        choose(second, exactly, keys, slack, scores, ids, lo, hi)

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
    return Blocks(frozen(some), frozen(factors), blocks.points), every


def _nearest_codes(blocks, n, sample, asking, room):
    """Keys of the ``room`` nearest codes, ascending, of the queries of ``asking``.

    A sample tells beforehand about how near they are, lest hundreds be listed
    only because they are met first.
    """
    best = shortlists(len(asking[0]), room)
    if sample is not None:
        some, every = sample
        expected = room / every
        sampled = shortlists(len(best.keys), int(expected + 4 * expected**0.5 + 4))
        _propose(some, (len(some.blocks) - 1) * BLOCK, asking, sampled)
        best.bounds[:] = settle(sampled)[:, -1] | SAME_SCORE
    _propose(blocks, n, asking, best)
    keys = settle(best)
    short = np.flatnonzero(keys[:, min(room, n) - 1] == NO_KEY)
    if len(short):  # the sample was too good
        again = shortlists(len(short), room)
        _propose(blocks, n, [part[short] for part in asking], again)
        keys[short] = settle(again)
    return keys


def _propose(blocks, n, asking, lists):
    """Offer all codes to the shortlists of the queries of ``asking``."""
    entries, units, inner, outer = asking
    if blocks.factors.size:
        factors = blocks.factors.reshape(2, -1)
        propose_factors(blocks.blocks, factors, n, *asking, *lists)
    else:
        propose_sums(blocks.blocks, n, entries, units, inner + outer, *lists)


def as_bytes(entries, far):
    """Tables (n, n_bytes, 2, 16) as bytes, the unit of a byte, and what they lack.

    ``unit * sum of bytes + least`` is the sum of the entries, up to rounding.
    Entries above ``far`` times the mean are cut, and pairs may be: for squared
    distances, whose near codes have no such entries.  If ``far`` is infinite
    nothing is.
    """
    n = len(entries)
    flat = entries.reshape(n, -1, 16)
    lows = flat.min(axis=2, keepdims=True)
    flat = flat - lows
    top, most = TOP // 2, flat.max(axis=(1, 2))
    if np.isfinite(far):
        top, most = TOP, np.minimum(most, np.float32(far) * flat.mean(axis=(1, 2)))
    if TOP * flat.shape[1] > 2 * SUM_TOP:  # so many that their sum could overflow
        top = min(top, SUM_TOP // flat.shape[1])
    unit = np.where(most > 0, most, np.float32(top)) / np.float32(top)
    rounded = np.minimum(np.rint(flat / unit[:, None, None]), top).astype(np.uint8)
    return rounded.reshape(n, -1), unit, lows.sum(axis=(1, 2))


@kernel
def propose_sums(blocks, n, tables, units, offsets, keys, filled, bounds):
    """Offer all codes to the shortlists of the queries: scores are sums.

    A score is ``offset + unit * sum``.  Sums are compared as integers, and only
    those that may be near enough become scores.
    """
    n_queries, width = keys.shape
    sums, most = np.empty((2, BLOCK), np.uint16), np.empty(2, np.uint16)
    for lo in range(0, len(blocks), GROUP):
        for q in range(0, n_queries, 2):
            last = min(q + 1, n_queries - 1)
            for r in range(q, last + 1):
                most[r - q] = highest_sum((score_of(bounds[r]) - offsets[r]) / units[r])
            for b in range(lo, min(lo + GROUP, len(blocks))):
                sum_tables(blocks, b, tables, q, last, sums)
                for r in range(q, last + 1):
                    for half in range(0, BLOCK, 32):
                        good = at_most(sums, r - q, half, most[r - q])
                        while good != 0:
                            j = half + lowest(good)
                            good &= good - np.uint32(1)
                            if b * BLOCK + j >= n:  # zeros behind the last code
                                break
                            score = offsets[r] + units[r] * sums[r - q, j]
                            key = key_of(max(score, np.float32(0)), b * BLOCK + j)
                            keys[r, filled[r]] = key
                            filled[r] += 1
                            if filled[r] == width:
                                filled[r] = shorten(keys, bounds, r)
                                most[r - q] = highest_sum(
                                    (score_of(bounds[r]) - offsets[r]) / units[r]
                                )


@kernel
def highest_sum(most):
    """``most`` as a sum that is not passed over; NaN is no bound."""
    if not most < SUM_TOP:
        return np.uint16(SUM_TOP)
    return np.uint16(max(most, np.float32(0)))


@kernel
def propose_factors(
    blocks, factors, n, tables, units, inner, outer, keys, filled, bounds
):  # fmt: skip
    """Offer all codes to the shortlists of the queries: codes have factors.

    A score is ``outer + add + scale * (inner + unit * sum)``.
    """
    n_queries = len(keys)
    sums, scores = np.empty((2, BLOCK), np.uint16), np.empty(BLOCK, np.float32)
    for lo in range(0, len(blocks), GROUP):
        for q in range(0, n_queries, 2):
            last = min(q + 1, n_queries - 1)
            for b in range(lo, min(lo + GROUP, len(blocks))):
                sum_tables(blocks, b, tables, q, last, sums)
                add = factors[0, b * BLOCK : (b + 1) * BLOCK]
                scale = factors[1, b * BLOCK : (b + 1) * BLOCK]
                for r in range(q, last + 1):
                    for j in range(BLOCK):
                        near = inner[r] + units[r] * np.float32(sums[r - q, j])
                        score = outer[r] + add[j] + scale[j] * near
                        scores[j] = max(score, np.float32(0))
                    for half in range(0, BLOCK, 32):
                        good = below(scores, half, score_of(bounds[r]))
                        while good != 0:
                            j = half + lowest(good)
                            good &= good - np.uint32(1)
                            key = key_of(scores[j], b * BLOCK + j)
                            if key < bounds[r] and b * BLOCK + j < n:
                                offer(keys, filled, bounds, r, key)
