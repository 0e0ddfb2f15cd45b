"""What a walk does at every step: its pool of keys, and the nodes that are new."""

import numpy as np
from numba import types

from sklearn_jin._simd.emit import (
    ANY,
    F32,
    I1,
    I8,
    I32,
    I64,
    INDEX,
    VOID,
    emitted,
    vector,
)

EIGHT = vector(I64, 8)
LARGEST_INT32 = 0x7FFFFFFF


def _plain_insert(keys, start, filled, key):
    row = keys[start : start + filled + 1]
    rank = int((row[:filled] <= key).sum())
    row[rank + 1 :] = row[rank:filled].copy()
    row[rank] = key
    return rank


@emitted(_plain_insert, types.int64, ANY, INDEX, INDEX, types.uint64)
def insert(emit, keys, start, filled, key):
    """Put ``key`` among the ``filled`` ascending uint64 keys from ``start`` on.

    Returns its rank, behind equal ones.  Keys above it move up by one place,
    from the last on, eight at a time; up to eight places behind the last key
    are written to, which must hold nothing below it.
    """
    first, keys_of_8 = keys.data.at(start), key.splat(8)
    last_eight = filled & -8
    rank = emit.variable(I64)
    with emit.loop((filled >> 3) + 1) as (eight, stop):
        here = last_eight - eight * 8
        place = first.at(here)
        some = place.load(EIGHT)
        above = some.compare(">", keys_of_8)
        bits = above.cast("bitcast", I8)
        with emit.when(bits.compare("!=", -1)):
            moved = (place + 8).of(EIGHT)
            emit.call("llvm.masked.store.v8i64.p0", VOID, some, moved, I32(8), above)
            n_below = emit.count_ones(bits ^ -1).cast("zext", I64)
            rank.value = here + n_below
            stop()
        (place + 8).store(some)
    first.at(rank.value).store(key)
    return rank.value


def _plain_below(scores, start, bound):
    some = scores[start : start + 32]
    return np.uint32(sum(1 << j for j in np.flatnonzero(~(some > bound)).tolist()))


@emitted(_plain_below, types.uint32, ANY, INDEX, types.float32)
def below(emit, scores, start, bound):
    """Bit ``j`` of 32 tells whether ``scores[start + j]`` is not above ``bound``.

    So every bit is set where ``bound`` is NaN.
    """
    some = scores.data.at(start).load(vector(F32, 32))
    return some.compare("<=", bound.splat(32)).cast("bitcast", I32)


def _plain_lowest(bits):
    return (int(bits) & -int(bits)).bit_length() - 1


@emitted(_plain_lowest, types.int64, ANY)
def lowest(emit, bits):
    """Number of the lowest bit that is set in a uint32 or uint64 other than 0."""
    place = emit.call(f"llvm.cttz.i{bits.kind.width}", bits.kind, bits, I1(1))
    return place if bits.kind == I64 else place.cast("zext", I64)


def _plain_list_new(rows, i, met, start, found, first):
    n = 0
    for j in rows[i]:
        if j < 0:
            break
        word, bit = start + (int(j) >> 6), np.uint64(1) << np.uint64(int(j) & 63)
        if not met[word] & bit:
            met[word] |= bit
            found[first + n] = j
            n += 1
    return n


@emitted(_plain_list_new, types.int64, ANY, INDEX, ANY, INDEX, ANY, INDEX)
def list_new(emit, rows, i, met, start, found, first):
    """List the numbers of row ``i`` up to the first -1 that were not met before.

    Number ``j`` was met if bit ``j`` of the uint64 words of ``met`` from
    ``start`` on is set; it is set now.  The new ones stand in ``found`` from
    ``first`` on, which has room for the row.  Returns how many they are.
    No branch depends on whether a number is new, which no CPU foretells, and no
    references are counted, which cost a tenth of a search.
    """
    row, words, room = rows.row(i), met.data.at(start), found.data.at(first)
    n = emit.variable(I64)
    with emit.loop(rows.row_bytes >> 2) as (place, stop):
        j = row.at(place).load(I32)
        with emit.when(j.compare(">", LARGEST_INT32), likely=False):
            stop()
        j64 = j.cast("zext", I64)
        word, shift = words.at(j64 >> 6), j64 & 63
        bits, n_found = word.load(I64), n.value
        word.store(bits | emit.constant(I64, 1) << shift)
        room.at(n_found).store(j)
        was_met = bits >> shift & 1
        n.value = n_found + (was_met ^ 1)
    return n.value


def _plain_float_bits(x):
    return np.float32(x).view(np.uint32)


@emitted(_plain_float_bits, types.uint32, types.float32)
def float_bits(emit, x):
    """The 32 bits of a float32; of two that are not negative the larger has more."""
    return x.cast("bitcast", I32)


def _plain_bits_float(bits):
    return np.uint32(bits).view(np.float32)


@emitted(_plain_bits_float, types.float32, types.uint32)
def bits_float(emit, bits):
    """The float32 of 32 bits."""
    return bits.cast("bitcast", F32)
