"""The types in which rows keep their numbers, and how each is read as float32.

Rows are float32, uint8, int8, or uint16, which stands for the bits of float16 numbers:
Numba knows no such type.  Each of these has its float32 exactly, so that no kernel need
know more of a row than how to load some of its numbers.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import overload

from sklearn_jin._jit import FLAGS, kernel
from sklearn_jin._simd.cpu import LEVEL, cpu_features
from sklearn_jin._simd.emit import F32, I8, I16, I32, vector
from sklearn_jin._simd.pool import bits_float

F16 = ir.HalfType()
REBIASED = 2.0**112  # the exponents of float16 and float32 differ by 112
# Without the instruction LLVM would call a function that a process may not have.
READS_HALVES = LEVEL == "avx512" or "f16c" in cpu_features()


def floats(rows):
    """``rows`` as float32: themselves if they are."""
    if rows.dtype == np.uint16:
        rows = rows.view(np.float16)
    return rows.astype(np.float32, copy=False)


@kernel
def half_float(bits):
    """The float32 that the 16 bits of a finite float16 stand for."""
    size = bits_float(np.uint32(bits & 0x7FFF) << np.uint32(13)) * np.float32(REBIASED)
    return -size if bits & 0x8000 else size


def number(x):
    """A number of rows, as they keep it, in float64."""
    return np.float64(half_float(x)) if type(x) is np.uint16 else np.float64(x)


@overload(number, jit_options={"fastmath": FLAGS}, inline="always")
def _compiled_number(x):
    return _number_of_half if x == types.uint16 else _number_as_it_is


def _number_of_half(x):
    return np.float64(half_float(x))


def _number_as_it_is(x):
    return np.float64(x)


def load_floats(place, dtype, n):
    """``n`` numbers that stand at ``place`` in rows of a ``dtype`` of Numba."""
    return LOADS[dtype](place, vector(F32, n))


def _load(place, floats):
    return place.load(floats)


def _load_unsigned(place, floats):
    whole = place.load(vector(I8, floats.count)).cast("zext", vector(I32, floats.count))
    return whole.cast("sitofp", floats)  # AVX2 has no instruction for unsigned ones


def _load_signed(place, floats):
    whole = place.load(vector(I8, floats.count)).cast("sext", vector(I32, floats.count))
    return whole.cast("sitofp", floats)


def _load_halves(place, floats):
    if READS_HALVES:
        return place.load(vector(F16, floats.count)).cast("fpext", floats)
    bits = place.load(vector(I16, floats.count)).cast("zext", vector(I32, floats.count))
    size = ((bits & 0x7FFF) << 13).cast("bitcast", floats) * REBIASED
    signed = size.cast("bitcast", bits.kind) | (bits & 0x8000) << 16
    return signed.cast("bitcast", floats)


LOADS = {
    types.float32: _load,
    types.uint8: _load_unsigned,
    types.int8: _load_signed,
    types.uint16: _load_halves,
}
