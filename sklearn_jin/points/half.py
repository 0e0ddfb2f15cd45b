"""Vectors in 16-bit floats: half the memory, for exact scores, not to be walked on."""

import math
from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE, frozen
from sklearn_jin._simd import bits_float, prefetch_lines
from sklearn_jin.metrics import size_of
from sklearn_jin.points import exact, prefetch, ranges_of, rows_of, subset
from sklearn_jin.points.rows import ranges_of_rows

LARGEST = 15  # numbers are brought below 2**15 by a power of two,
LEAST = -126  # which is no smaller than that, for float32 to hold it
REBIASED = np.float32(2.0**112)  # the exponents of the two formats differ by 112


class HalfL2(NamedTuple):
    """Rows under squared L2."""

    H: np.ndarray  # (n, width) uint16: bits of float16 numbers
    scale: np.ndarray  # (1,) float32: a power of two, times the numbers


class HalfIP(NamedTuple):
    """Rows under minus the inner product."""

    H: np.ndarray  # as in HalfL2
    scale: np.ndarray


def half(X, space="l2"):
    """The record of float32 rows."""
    exponent = math.frexp(size_of(X))[1]
    scale = np.float32(2.0 ** max(exponent - LARGEST, LEAST))
    H = (X / scale).astype(np.float16).view(np.uint16)
    return {"l2": HalfL2, "ip": HalfIP}[space](frozen(H), frozen(np.array([scale])))


def rows_half(points, ids):
    X = points.H[ids].view(np.float16).astype(np.float32)
    return frozen(X * points.scale[0])


@kernel
def half_float(bits):
    """The float32 that the 16 bits of a finite float16 stand for."""
    size = bits_float(np.uint32(bits & 0x7FFF) << np.uint32(13)) * REBIASED
    return -size if bits & 0x8000 else size


@exact.register(HalfL2)
def exact_l2(points, queries, q, i):
    total, scale = 0.0, points.scale[0]
    for j in range(points.H.shape[1]):
        x = np.float64(scale * half_float(points.H[i, j]))
        total += (np.float64(queries[q, j]) - x) ** 2
    return total


@exact.register(HalfIP)
def exact_ip(points, queries, q, i):
    total, scale = 0.0, points.scale[0]
    for j in range(points.H.shape[1]):
        total -= np.float64(queries[q, j]) * scale * half_float(points.H[i, j])
    return total


def prefetch_half(points, i):
    prefetch_lines(points.H, i, (2 * points.H.shape[1] + LINE - 1) // LINE)


def subset_half(points, ids):
    return points._replace(H=frozen(points.H[ids]))


for kind in (HalfL2, HalfIP):
    ranges_of.register(kind, ranges_of_rows)
    prefetch.register(kind, prefetch_half)
    subset.register(kind, subset_half)
    rows_of.register(kind, rows_half)
