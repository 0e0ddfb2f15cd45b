"""Rows of numbers: how far two of them are apart, and a prefetch.

Numbers may be of any type of ``numbers``.  What is computed of them is float32.
"""

import numpy as np
from numba import types

from sklearn_jin._memory import LINE
from sklearn_jin._simd.cpu import LANES
from sklearn_jin._simd.emit import ANY, F32, I8, I32, INDEX, VOID, emitted, vector
from sklearn_jin._simd.numbers import floats, load_floats


def _plain_prefetch(array, i, lines):
    return None


@emitted(_plain_prefetch, types.void, ANY, INDEX, INDEX)
def prefetch_lines(emit, array, i, lines):
    """Ask for the first ``lines`` cache lines of row ``i`` of ``array``.

    They go into the second-level cache: the first keeps only about 14 requests in
    flight.  Random rows of 512 bytes arrive every 50 ns so, 100 ns otherwise
    (Zen 4, rows beyond the third level).
    """
    row = array.row(i)
    to_read, second_level, data = I32(0), I32(2), I32(1)
    with emit.loop(lines) as (line, _):
        place = (row + line * LINE).of(I8)
        emit.call("llvm.prefetch.p0", VOID, place, to_read, second_level, data)


def _plain_squared_l2(X, i, Y, j):
    return np.float32(((floats(X[i]) - floats(Y[j])) ** 2).sum(dtype=np.float32))


def _plain_dot(X, i, Y, j):
    return np.float32((floats(X[i]) * floats(Y[j])).sum(dtype=np.float32))


def _plain_l1(X, i, Y, j):
    return np.float32(np.abs(floats(X[i]) - floats(Y[j])).sum(dtype=np.float32))


def _plain_largest(X, i, Y, j):
    return np.float32(np.abs(floats(X[i]) - floats(Y[j])).max(initial=0))


def _add_product(emit, x, y, total):
    return emit.fused(x, y, total)


def _add_square(emit, x, y, total):
    gap = x - y
    return emit.fused(gap, gap, total)


def _add_size(emit, x, y, total):
    return emit.absolute(x - y) + total


def _max_size(emit, x, y, total):
    return emit.larger(emit.absolute(x - y), total)


def _sum_of_all(emit, even, odd, rest):
    return emit.sum_lanes(even + odd) + emit.sum_lanes(rest)


def _largest_of_all(emit, even, odd, rest):
    whole = emit.largest_lane(emit.larger(even, odd))
    tail = emit.largest_lane(rest)
    return tail.compare(">", whole).choose(tail, whole)


def _over_two_rows(plain, step, finish=_sum_of_all):
    """Emit a loop over two rows: whole pairs of registers, then fours.

    ``step`` adds what some numbers of the rows contribute to a running total.  Two
    totals take turns, which hides the latency of the addition.  Rows are padded with
    zeros to a multiple of four numbers, so that no number is left over.
    """

    @emitted(plain, types.float32, ANY, INDEX, ANY, INDEX)
    def over_two_rows(emit, X, i, Y, j):
        x, y = X.row(i), Y.row(j)
        wide = vector(F32, LANES)
        even, odd = emit.variable(wide), emit.variable(wide)
        rest = emit.variable(vector(F32, 4))

        def add_to(total, at):
            n = total.kind.count
            a = load_floats(x + at * X.itemsize, X.dtype, n)
            b = load_floats(y + at * Y.itemsize, Y.dtype, n)
            total.value = step(emit, a, b, total.value)

        def add_pair(at):
            add_to(even, at)
            add_to(odd, at + LANES)

        def add_four(at):
            add_to(rest, at)

        width = X.row_bytes // X.itemsize
        emit.cover(width, (2 * LANES, add_pair), (4, add_four))
        return finish(emit, even.value, odd.value, rest.value)

    return over_two_rows


# Each takes (X, i, Y, j) and tells how row i of X and row j of Y, padded to the same
# width, differ.
dot = _over_two_rows(_plain_dot, _add_product)
squared_l2 = _over_two_rows(_plain_squared_l2, _add_square)
l1 = _over_two_rows(_plain_l1, _add_size)
largest = _over_two_rows(_plain_largest, _max_size, _largest_of_all)
