"""Products of many rows at once: of float32 rows with panels, of bytes with blocks.

Both keep a tile of results in registers and pass over what they share only once.  The
order of the terms of a sum is that of the features, whatever else is in the batch: so a
row has the same products alone as among others.

``panels`` (n_panels, d, ``PANEL``) float32 are the columns of a matrix, ``PANEL`` at a
time.  ``blocks`` (n_blocks, s * ``ROWS``) uint8 are ``ROWS`` rows of ``s`` bytes each:
four bytes of the first row, four of the second, and so on, then the next four of each.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from sklearn_jin._simd.cpu import LANES, LEVEL, LEVELS, cpu_features
from sklearn_jin._simd.emit import (
    ANY,
    F32,
    I8,
    I16,
    I32,
    INDEX,
    emitted,
    vector,
)

PANEL = 64  # columns of a panel
TALL = 6  # rows of a tile of floats; with four registers of columns 24 sums
WIDE = {"avx512": 4, "avx2": 2, "portable": 2}[LEVEL] * LANES  # its columns
ROWS = 32  # rows of a block of bytes
QUERIES = 8  # queries of a tile of bytes; with two registers of rows 16 sums
HALF = 4  # queries of a smaller tile
FOUR = 4  # bytes of a row that lie together


class _Bytes(NamedTuple):
    """How bytes are multiplied."""

    span: int  # rows of a register
    registers: int  # that are under way at once, for every query of a tile
    instruction: str | None  # four products a lane, or None: words are multiplied


def _bytes_of(features):
    """The best way with the ``features`` of a CPU."""
    if LEVELS["avx512"] | {"avx512vnni"} <= features:
        return _Bytes(16, 2, "llvm.x86.avx512.vpdpbusd.512")
    if {"avx2", "avxvnni"} <= features:
        return _Bytes(8, 1, "llvm.x86.avx512.vpdpbusd.256")
    return _Bytes(LANES // 2, 1, None)


BYTES = _bytes_of(cpu_features())


def _plain_tile(n):
    def plain(rows, q, panels, p, out):
        d = panels.shape[1]
        total = np.zeros((n, PANEL), np.float32)
        for k in range(d):
            total += rows[q : q + n, k, None] * panels[p, k]
        out[q : q + n, PANEL * p : PANEL * (p + 1)] = total

    return plain


def _fill_tile(emit, rows, q, panels, p, d, out, n):
    lanes = vector(F32, LANES)
    panel, size = panels.row(p), FOUR * PANEL
    for first in range(0, PANEL, WIDE):
        columns = range(first, first + WIDE, LANES)
        totals = [[emit.variable(lanes) for _ in columns] for _ in range(n)]
        with emit.loop(d) as (k, _):
            some = [(panel + (k * size + FOUR * c)).load(lanes) for c in columns]
            for j, own in enumerate(totals):
                number = (rows.row(q + j) + k * FOUR).load(F32).splat(LANES)
                for part, total in zip(some, own):
                    total.value = emit.fused(number, part, total.value)
        for j, own in enumerate(totals):
            for c, total in zip(columns, own):
                (out.row(q + j) + (p * size + FOUR * c)).store(total.value)


def _plain_row(rows, q, panels, p, d, out):
    _plain_tile(1)(rows, q, panels, p, out)


def _plain_rows(rows, q, panels, p, d, out):
    _plain_tile(TALL)(rows, q, panels, p, out)


@emitted(_plain_row, types.void, ANY, INDEX, ANY, INDEX, INDEX, ANY)
def multiply_row(emit, rows, q, panels, p, d, out):
    """Fill columns ``PANEL * p`` on of row ``q`` of ``out``: the row times a panel."""
    _fill_tile(emit, rows, q, panels, p, d, out, 1)


@emitted(_plain_rows, types.void, ANY, INDEX, ANY, INDEX, INDEX, ANY)
def multiply_rows(emit, rows, q, panels, p, d, out):
    """The same for ``TALL`` rows from ``q`` on."""
    _fill_tile(emit, rows, q, panels, p, d, out, TALL)


def _plain_scores(n):
    def plain(blocks, b, queries, t, adds, terms, scores, good):
        s = queries.shape[1]
        codes = blocks[b].reshape(s // FOUR, ROWS, FOUR).transpose(1, 0, 2)
        codes = codes.reshape(ROWS, s).astype(np.int32)
        for j in range(n):
            offset, unit, bound = terms[:, t + j]
            sums = (codes @ queries[t + j].astype(np.int32)).astype(np.float32)
            scores[j] = (offset - unit * sums) + adds[b]
            bits = (1 << int(i) for i in np.flatnonzero(~(scores[j] > bound)))
            good[j] = np.uint32(sum(bits))
        return np.uint32(sum(1 << j for j in range(n) if good[j]))

    return plain


def _fill_scores(emit, blocks, b, queries, t, adds, terms, scores, good, n):
    span, groups = BYTES.span, queries.row_bytes // FOUR
    asked = [queries.row(t + j) for j in range(n)]
    offsets, units, bounds = (
        [
            (terms.data + (terms.row_bytes * i + (t + j) * FOUR)).load(F32)
            for j in range(n)
        ]
        for i in range(3)
    )
    floats, masks = vector(F32, span), [emit.variable(I32) for _ in range(n)]
    for first in range(0, ROWS, span * BYTES.registers):
        rows = range(first, first + span * BYTES.registers, span)
        sums = _byte_sums(emit, blocks.row(b), asked, groups, rows)
        for j, own in enumerate(sums):
            for row, total in zip(rows, own):
                more = (adds.row(b) + FOUR * row).load(floats)
                unit, offset = units[j].splat(span), offsets[j].splat(span)
                score = offset - unit * total.cast("sitofp", floats) + more
                (scores.data + FOUR * (ROWS * j + row)).store(score)
                bits = score.compare("<=", bounds[j].splat(span))
                bits = bits.cast("bitcast", ir.IntType(span)).cast("zext", I32)
                masks[j].value |= bits << row
    found = emit.variable(I32)
    for j, some in enumerate(masks):
        (good.data + FOUR * j).store(some.value)
        found.value |= some.value.compare("!=", 0).cast("zext", I32) << j
    return found.value


def _byte_sums(emit, block, asked, groups, rows):
    """Of every query the sums of its products with the ``rows`` of a block."""
    span = BYTES.span
    kind = vector(I32, span if BYTES.instruction else 2 * span)
    add = _add_fours if BYTES.instruction else _add_pairs
    totals = [[emit.variable(kind) for _ in rows] for _ in asked]
    with emit.loop(groups) as (group, _):
        places = [block + (group * (FOUR * ROWS) + FOUR * row) for row in rows]
        codes = [place.load(vector(I8, FOUR * span)) for place in places]
        for query, own in zip(asked, totals):
            four = (query + group * FOUR).load(I32).splat(span)
            for code, total in zip(codes, own):
                total.value = add(emit, total.value, code, four)
    sums = [[total.value for total in own] for own in totals]
    if BYTES.instruction:
        return sums
    return [[_add_neighbors(total) for total in own] for own in sums]


def _add_fours(emit, total, codes, four):
    """``total`` and the products of four bytes a lane."""
    codes = codes.cast("bitcast", total.kind)
    return emit.call(BYTES.instruction, total.kind, total, codes, four)


def _add_pairs(emit, total, codes, four):
    """``total`` and the products of two bytes a lane, as words: pmaddwd on x86."""
    words = vector(I16, codes.kind.count)
    codes, four = codes.cast("zext", words), four.cast("bitcast", codes.kind)
    pairs = [
        [
            some.shuffle(range(i, words.count, 2)).cast("sext", total.kind)
            for i in (0, 1)
        ]
        for some in (codes, four.cast("sext", words))
    ]
    (a, b), (c, d) = pairs
    return total + (a * c + b * d)


def _add_neighbors(x):
    """Sums of two neighbouring lanes."""
    even, odd = (x.shuffle(range(i, x.kind.count, 2)) for i in (0, 1))
    return even + odd


@emitted(_plain_scores(1), types.uint32, ANY, INDEX, ANY, INDEX, *4 * [ANY])
def score_block(emit, blocks, b, queries, t, adds, terms, scores, good):
    """Score the rows of block ``b`` for query ``t``.

    ``queries`` (n, s) are int8, ``terms`` (3, n) their offsets, units and bounds,
    ``adds`` (n_blocks, ROWS) numbers of the rows.  ``scores[0]`` (ROWS,) is filled with
    ``offset - unit * product + add``, and bit ``j`` of ``good[0]``, uint32, tells
    whether ``scores[0, j]`` is not above the bound.  Returns 1 if any is not.
    """
    return _fill_scores(emit, blocks, b, queries, t, adds, terms, scores, good, 1)


@emitted(_plain_scores(QUERIES), types.uint32, ANY, INDEX, ANY, INDEX, *4 * [ANY])
def score_blocks(emit, blocks, b, queries, t, adds, terms, scores, good):
    """The same for ``QUERIES`` queries from ``t`` on, in as many rows of ``scores``.

    Bit ``j`` of what is returned tells whether ``good[j]`` is not 0.
    """
    return _fill_scores(emit, blocks, b, queries, t, adds, terms, scores, good, QUERIES)


@emitted(_plain_scores(HALF), types.uint32, ANY, INDEX, ANY, INDEX, *4 * [ANY])
def score_half(emit, blocks, b, queries, t, adds, terms, scores, good):
    """The same for ``HALF`` queries."""
    return _fill_scores(emit, blocks, b, queries, t, adds, terms, scores, good, HALF)
