"""Codes: rows of bytes whose 16-bit words hold fields, and what a query makes of them.

Every 16 bits of a row, little-endian, hold as many fields of ``bits`` bits as fit.  A
query is 16-bit integers: those of all first fields, then those of all second ones, and
so on.  Each of these sections has ``lanes`` integers, a multiple of eight.
"""

from operator import and_, xor

import numpy as np
from numba import types

from sklearn_jin._simd.cpu import LANES, LEVEL
from sklearn_jin._simd.emit import ANY, F32, I16, I32, I64, INDEX, emitted, vector


def _plain_fields(bits, codes, i, at, lanes):
    """Fields of row ``i`` from byte ``at`` on, as sections of ``lanes``."""
    words = codes[i, at : at + 2 * lanes].view(np.uint16).astype(np.int64)
    shifts = np.arange(0, 16, bits)[:, None]
    return (words >> shifts) & ((1 << bits) - 1)


def _plain_products(bits):
    def plain(codes, i, at, lanes, query, v, to):
        fields = _plain_fields(bits, codes, i, at, lanes).ravel()
        return np.float32((fields * query[v, to : to + len(fields)]).sum())

    return plain


def _plain_gaps(bits):
    def plain(codes, i, at, lanes, query, v, to):
        fields = _plain_fields(bits, codes, i, at, lanes).ravel() << (8 - bits)
        return np.float32(((fields - query[v, to : to + len(fields)]) ** 2).sum())

    return plain


# The CPU's own instructions for sums of two neighbouring products, by the number of
# int16 lanes: LLVM makes them of generic IR at best, and ten instructions at worst.
PAIRED = {
    "avx512": {32: "avx512.pmaddw.d.512", 16: "avx2.pmadd.wd", 8: "sse2.pmadd.wd"},
    "avx2": {16: "avx2.pmadd.wd", 8: "sse2.pmadd.wd"},
    "portable": {},
}[LEVEL]


def _paired_products(emit, a, b):
    """Sums of two neighbouring products, int32, of vectors of int16."""
    n = a.kind.count
    half = vector(I32, n // 2)
    if n in PAIRED:
        return emit.call(f"llvm.x86.{PAIRED[n]}", half, a, b)
    even, odd = (
        [x.shuffle(range(first, n, 2)).cast("sext", half) for x in (a, b)]
        for first in (0, 1)
    )
    return even[0] * even[1] + odd[0] * odd[1]


def _field(words, f, bits, room):
    """Field ``f`` of every word, with ``room`` zeros below it."""
    shift = bits * f - room
    moved = words >> shift if shift >= 0 else words << -shift
    return moved & (((1 << bits) - 1) << room)


def _exact_sum(emit, wide, rest):
    """Sum of the lanes of two vectors of int32, as float32.

    Every lane is exact as an integer of 32 bits.  All of them together may not fit,
    so they are added up as floats.
    """
    total = rest.cast("sitofp", vector(F32, 4))
    lanes = wide.cast("sitofp", vector(F32, LANES))
    for first in range(0, LANES, 4):
        total = total + lanes.shuffle(range(first, first + 4))
    return emit.sum_lanes(total)


def _over_fields(plain, bits, gaps=False):
    """Emit a sum over all fields of a row.

    It is of field * query, or with ``gaps`` of (field << (8 - bits) - query)**2.
    """
    room = 8 - bits if gaps else 0

    @emitted(plain, types.float32, ANY, INDEX, INDEX, INDEX, ANY, INDEX, INDEX)
    def over_fields(emit, codes, i, at, lanes, query, v, to):
        row, asked = codes.row(i) + at, query.row(v) + to * 2
        section = lanes * 2  # in bytes
        wide, rest = (emit.variable(vector(I32, n)) for n in (LANES, 4))

        def add_to(total):
            words = vector(I16, 2 * total.kind.count)

            def add_words(at):
                some = (row + at).load(words)
                for f in range(16 // bits):
                    value = _field(some, f, bits, room)
                    other = (asked + (at + section * f)).load(words)
                    if gaps:
                        value = other = value - other
                    total.value += _paired_products(emit, value, other)

            return add_words

        emit.cover(section, (4 * LANES, add_to(wide)), (4 * 4, add_to(rest)))
        return _exact_sum(emit, wide.value, rest.value)

    return over_fields


# Each takes (codes, i, at, lanes, query, v, to): ``lanes`` words from byte ``at`` on of
# row ``i`` of ``codes``, and the integers from ``to`` on of row ``v`` of ``query``.
products1, products2, products4, products8 = (
    _over_fields(_plain_products(bits), bits) for bits in (1, 2, 4, 8)
)
gaps4, gaps8 = (_over_fields(_plain_gaps(bits), bits, True) for bits in (4, 8))


def _plain_float_at(codes, i, at):
    return codes[i, at : at + 4].view(np.float32)[0]


@emitted(_plain_float_at, types.float32, ANY, INDEX, INDEX)
def float_at(emit, codes, i, at):
    """The float32 whose bytes stand from ``at`` on in row ``i`` of ``codes``."""
    return (codes.row(i) + at).load(F32)


def _plain_differing_bits(codes, i, query, v):
    return int(np.unpackbits(codes[i] ^ query[v]).sum())


def _plain_bit_counts(codes, i, query, v):
    common = int(np.unpackbits(codes[i] & query[v]).sum())
    return common << 32 | _plain_differing_bits(codes, i, query, v)


def _over_bits(plain, *joins):
    """Emit a count of the bits of two rows as each of ``joins`` combines them.

    Both are rows of bytes of the same length, a multiple of eight.  The first count is
    the lower half of the int64 that comes out, the second is the upper one.
    """

    @emitted(plain, types.int64, ANY, INDEX, ANY, INDEX)
    def over_bits(emit, codes, i, query, v):
        row, asked = codes.row(i), query.row(v)
        wide = [emit.variable(vector(I64, 8)) for _ in joins]
        rest = [emit.variable(I64) for _ in joins]

        def add_to(totals):
            def add_bits(at):
                kind = totals[0].kind
                pair = (row + at).load(kind), (asked + at).load(kind)
                for join, total in zip(joins, totals):
                    total.value += emit.count_ones(join(*pair))

            return add_bits

        emit.cover(codes.row_bytes, (64, add_to(wide)), (8, add_to(rest)))
        counts = [emit.sum_lanes(x.value) + y.value for x, y in zip(wide, rest)]
        return counts[0] if len(counts) == 1 else counts[1] << 32 | counts[0]

    return over_bits


# Each takes (codes, i, query, v), row ``i`` of codes and row ``v`` of query, and tells
# how many bits differ; the second also, in the upper half, how many both have set.
differing_bits = _over_bits(_plain_differing_bits, xor)
bit_counts = _over_bits(_plain_bit_counts, xor, and_)
