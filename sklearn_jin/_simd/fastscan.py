"""Scan of codes by tables in registers, 64 codes at a time (FastScan).

A register is a table of numbers of 8 bits, and the codes pick from it (Andre,
Kermarrec & Le Scouarnec 2015).  A nibble is half a byte of a code, and picks one of 16.
A row of ``tables``, which is a query's, has 16 numbers for the low nibble of the first
byte of a code, 16 for its high one, then those of the second byte, and so on.

Codes lie in blocks of 64, in one of two ways, which have the same sums.  ``blocks``
(n_blocks, n_bytes * 64) have the first bytes of 64 codes, then the second ones, and so
on.  Were sums of a byte's two numbers cut at 255, which no sum of four is, a scan would
take a tenth less by AVX2, and other CPUs would propose other codes.

``blocks`` (n_blocks, n_groups, 128) have groups of four nibbles, as many as a register
of 64 numbers serves.  They are for instructions that pick from all 64 and add up four
neighbours (``QUADS``), and take two thirds of the time.  In a group, bytes 0 to 63 are
four bytes for each of 16 lanes: their low nibbles are those of codes 0 to 15, their
high ones those of codes 16 to 31.  Bytes 64 to 127 hold codes 32 to 63 likewise.
"""

import numpy as np
from numba import types

from sklearn_jin._simd.cpu import LEVEL, LEVELS, cpu_features
from sklearn_jin._simd.emit import (
    ANY,
    F32,
    I8,
    I16,
    I32,
    I64,
    INDEX,
    emitted,
    vector,
)

BLOCK = 64  # codes that are looked up at once
QUADS = LEVELS["avx512"] | {"avx512vbmi", "avx512vnni"} <= cpu_features()
GROUP = 2 * BLOCK  # bytes of a group of four nibbles
SHUFFLES = {"avx512": (64, "avx512.pshuf.b.512"), "avx2": (32, "avx2.pshuf.b")}


def _plain_sums(blocks, b, tables, *queries_and_sums):
    *queries, sums = queries_and_sums
    codes = blocks[b].reshape(-1, BLOCK)
    for row, query in enumerate(queries):
        entries = tables[query].astype(np.uint16)
        if blocks.ndim == 3:
            sums[row] = _plain_quads(blocks[b], entries.reshape(-1, 4, 16))
            continue
        sums[row] = sum(
            pair[0][code & 15] + pair[1][code >> 4]
            for pair, code in zip(entries.reshape(-1, 2, 16), codes)
        )


def _plain_quads(codes, entries):
    total, place = np.zeros(BLOCK, np.uint16), np.arange(4)
    for group, four in zip(codes.reshape(-1, 2, 16, 4), entries):
        halves = np.stack([group & 15, group >> 4], axis=1).reshape(BLOCK, 4)
        total += four[place, halves].sum(axis=1, dtype=np.uint16)
    return total


@emitted(_plain_sums, types.void, ANY, INDEX, ANY, INDEX, ANY)
def sum_table(emit, blocks, b, tables, q, sums):
    """Fill ``sums[0]``, uint16, with those of the 64 codes of block ``b``.

    Row ``q`` of ``tables`` is what they pick from.
    """
    _sum_block(emit, blocks, b, [tables.row(q)], sums)


@emitted(_plain_sums, types.void, ANY, INDEX, ANY, INDEX, INDEX, ANY)
def sum_tables(emit, blocks, b, tables, q, r, sums):
    """Fill ``sums[0]`` and ``sums[1]``, as :func:`sum_table` does, for two queries.

    They share the codes and their nibbles, and so save a sixth of the time.
    """
    _sum_block(emit, blocks, b, [tables.row(q), tables.row(r)], sums)


def _sum_block(emit, blocks, b, tables, sums):
    codes, out = blocks.row(b), sums.data
    if blocks.ndim == 3:
        add_up = _permuted_sums if QUADS else _listed_quads
        return add_up(emit, codes, tables, out, blocks.row_bytes // GROUP)
    add_up = _shuffled_sums if LEVEL in SHUFFLES else _listed_sums
    return add_up(emit, codes, tables, out, blocks.row_bytes // BLOCK)


def _sums_at(out, row, code):
    """Where the sum of a code of the block stands in the data of ``sums``."""
    return out + (code + BLOCK * row) * 2


def _permuted_sums(emit, codes, tables, out, n_groups):
    """Sums of numbers that are picked from registers of 64."""
    ints = vector(I32, 16)  # sums of 16 codes
    ones = emit.constant(vector(I8, 64), 1).cast("bitcast", ints)
    totals = [[emit.variable(ints) for _ in range(4)] for _ in tables]
    with emit.loop(n_groups) as (group, _):
        entries = [(table + group * 64).load(vector(I8, 64)) for table in tables]
        for part, places in enumerate(_quad_places(emit, codes + group * GROUP)):
            for some, total in zip(entries, (own[part] for own in totals)):
                picked = emit.call(
                    "llvm.x86.avx512.permvar.qi.512", some.kind, some, places
                ).cast("bitcast", ints)
                total.value = emit.call(
                    "llvm.x86.avx512.vpdpbusd.512", ints, total.value, picked, ones
                )
    for row, own in enumerate(totals):
        for part, total in enumerate(own):
            sums = total.value.cast("trunc", vector(I16, 16))
            _sums_at(out, row, 16 * part).store(sums)


def _quad_places(emit, group):
    """Where codes 0 to 15 of a group pick from 64 numbers, then the next 16, ..."""
    bytes_of_64, words = vector(I8, 64), vector(I16, 32)
    table = emit.constant(bytes_of_64, [0, 16, 32, 48] * 16)  # of the lane's nibble
    for side in range(2):
        low = (group + 64 * side).load(bytes_of_64)
        high = (low.cast("bitcast", words) >> 4).cast("bitcast", bytes_of_64)
        for nibbles in (low, high):
            yield (nibbles & 15) | table


def _listed_quads(emit, codes, tables, out, n_groups):
    """The same, code by code, where the CPU has no such instructions."""
    with emit.loop(emit.constant(I64, BLOCK)) as (code, _):
        lane, side, is_high = code & 15, code >> 5, code >> 4 & 1
        first = (side << 6) + (lane << 2)
        shift = (is_high << 2).cast("trunc", I8)
        totals = [emit.variable(I16) for _ in tables]
        with emit.loop(n_groups) as (group, _):
            for s in range(4):
                byte = (codes + (group * GROUP + first + s)).load(I8)
                nibble = (byte >> shift & 15).cast("zext", I64)
                for table, total in zip(tables, totals):
                    entry = (table + (group * 64 + 16 * s + nibble)).load(I8)
                    total.value += entry.cast("zext", I16)
        for row, total in enumerate(totals):
            _sums_at(out, row, code).store(total.value)


def _listed_sums(emit, codes, tables, out, n_bytes):
    """Sums of looked up numbers, code by code, where the CPU can not shuffle bytes."""
    with emit.loop(emit.constant(I64, BLOCK)) as (code, _):
        totals = [emit.variable(I16) for _ in tables]
        with emit.loop(n_bytes) as (place, _):
            byte = (codes + (place * BLOCK + code)).load(I8).cast("zext", I64)
            low, high = place * 32 + (byte & 15), place * 32 + ((byte >> 4) + 16)
            for table, total in zip(tables, totals):
                for at in (low, high):
                    total.value += (table + at).load(I8).cast("zext", I16)
        for row, total in enumerate(totals):
            _sums_at(out, row, code).store(total.value)


def _shuffled_sums(emit, codes, tables, out, n_bytes):
    """Sums of numbers that are picked from registers of 16.

    Two codes share each word of 16 bits.  One total adds up the words as they are,
    which is even + 256 * odd modulo 2**16, and another the odd codes alone.
    """
    width, _ = SHUFFLES[LEVEL]
    words = vector(I16, width // 2)
    for first in range(0, BLOCK, width):
        totals = [[emit.variable(words) for _ in ("both", "odd")] for _ in tables]
        with emit.loop(n_bytes) as (place, _):
            some = (codes + (place * BLOCK + first)).load(words)
            nibbles = some & 0x0F0F, (some >> 4) & 0x0F0F
            for table, (both, odd) in zip(tables, totals):
                for picked in _shuffled_pair(emit, table + place * 32, nibbles):
                    both.value += picked
                    odd.value += picked >> 8
        for row, (both, odd) in enumerate(totals):
            odds = odd.value
            evens = both.value - (odds << 8)
            in_turns = [x for j in range(width // 2) for x in (j, j + width // 2)]
            _sums_at(out, row, first).store(evens.shuffle(in_turns, odds))


def _shuffled_pair(emit, table, nibbles):
    """Words of what low nibbles pick, and of what high ones do."""
    width, shuffle = SHUFFLES[LEVEL]
    lanes = vector(I8, width)
    for at, places in zip((0, 16), nibbles):
        some = (table + at).load(vector(I8, 16))
        entries = some.shuffle([*range(16)] * (width // 16))
        places = places.cast("bitcast", lanes)
        picked = emit.call(f"llvm.x86.{shuffle}", lanes, entries, places)
        yield picked.cast("bitcast", nibbles[0].kind)


def _plain_add_share(sums, row, adds, b, share):
    sums[row] += (adds[b].astype(np.uint32) * int(share) >> 16).astype(np.uint16)


@emitted(_plain_add_share, types.void, ANY, INDEX, ANY, INDEX, types.uint16)
def add_share(emit, sums, row, adds, b, share):
    """Add ``adds[b] * share // 65536`` to ``sums[row]``, all uint16."""
    words, wide = vector(I16, BLOCK), vector(I32, BLOCK)
    place = sums.row(row)
    more = adds.row(b).load(words).cast("zext", wide)
    high = more * share.splat(BLOCK).cast("zext", wide) >> 16
    place.store(place.load(words) + high.cast("trunc", words))


def _plain_factored(sums, row, factors, b, offset, inner, unit, bound, scores):
    near = inner + unit * sums[row].astype(np.float32)
    scores[:BLOCK] = np.maximum(offset + factors[0, b] + factors[1, b] * near, 0)
    good = np.flatnonzero(~(scores[:BLOCK] > bound))
    return np.uint64(sum(1 << int(j) for j in good))


@emitted(
    _plain_factored, types.uint64, ANY, INDEX, ANY, INDEX, *4 * [types.float32], ANY
)
def factored(emit, sums, row, factors, b, offset, inner, unit, bound, scores):
    """Scores of 64 codes; bit ``j`` tells whether ``scores[j]`` is not above ``bound``.

    ``factors`` (2, n_blocks, 64) are what is added and what scales, float32, and the
    score is ``offset + added + scale * (inner + unit * sums[row])``, or 0 if less.
    """
    lanes, at = vector(F32, BLOCK), b * (4 * BLOCK)
    added, scale = ((factors.row(k) + at).load(lanes) for k in (0, 1))
    total = sums.row(row).load(vector(I16, BLOCK)).cast("uitofp", lanes)
    offset, inner, unit, bound = (x.splat(BLOCK) for x in (offset, inner, unit, bound))
    near = emit.fused(unit, total, inner)
    score = emit.fused(scale, near, offset + added)
    score = score.compare(">=", 0).choose(score, emit.constant(lanes, 0))
    scores.data.store(score)
    return score.compare("<=", bound).cast("bitcast", I64)


def _plain_at_most(sums, row, most):
    bits = (1 << int(j) for j in np.flatnonzero(sums[row, :BLOCK] <= most))
    return np.uint64(sum(bits))


@emitted(_plain_at_most, types.uint64, ANY, INDEX, types.uint16)
def at_most(emit, sums, row, most):
    """Bit ``j`` of 64 tells whether uint16 ``sums[row, j]`` is at most ``most``."""
    some = sums.row(row).load(vector(I16, BLOCK))
    return some.compare("<=", most.splat(BLOCK)).cast("bitcast", I64)
