"""Vectors on one grid of 256 or 16 levels, under squared L2.

All features share the grid, so the score is a sum of squared integers and a
code needs no factors: 128 features of 4 bits are one cache line.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, UInt8
from sklearn_jin._jit import kernel
from sklearn_jin._memory import aligned_codes, frozen, lines_of
from sklearn_jin._simd import gaps4, gaps8
from sklearn_jin.points import (
    Work,
    encode_queries,
    exact,
    fastscan_codes,
    fastscan_tables,
    new_scratch,
    prefetch,
    ranges_of,
    score,
    set_query,
    subset,
    work,
)
from sklearn_jin.points.codes import prefetch_codes, subset_codes

FAR = 4.0  # times the mean of its table is no entry of a near code
REACH = 1024  # levels that a query may lie beyond the grid; farther is cut
SQUARES = 2.0**33  # sum of squared gaps that 32 bits hold, in four parts at least


class Scalar8(NamedTuple):
    """Codes of 8 bits a feature."""

    codes: UInt8[2]  # (n, stride): two features a word, rows end in zeros
    grid: Float32[1]  # (3,): level 0, the gap to the next, the features


class Scalar4(NamedTuple):
    """Codes of 4 bits a feature, which stand for every 16th of 256 levels."""

    codes: UInt8[2]  # as in Scalar8, four features a word
    grid: Float32[1]


def scalar(codes, bits, low, step):
    """The record of compact ``codes`` of 4 or 8 bits; all of ``low`` are equal."""
    kind, level_step = (Scalar8, step) if bits == 8 else (Scalar4, step / 16)
    grid = np.array([low[0], level_step, len(low)], np.float32)
    return kind(aligned_codes(codes), frozen(grid))


def encode_queries_features(points, queries):
    return frozen(np.ascontiguousarray(queries[:, : int(points.grid[2])]))


def ranges_of_scalar(points, n, d):
    yield np.array([len(points.grid)]), 3, 3
    yield points.grid[2:], d, d
    per = 1 + isinstance(points, Scalar4)  # features of a byte
    yield np.array([points.codes.shape[1] * per]), d, 2**31


for kind in (Scalar8, Scalar4):
    ranges_of.register(kind, ranges_of_scalar)
    encode_queries.register(kind, encode_queries_features)
    subset.register(kind, subset_codes)
    prefetch.register(kind, prefetch_codes)


@work.register(Scalar8)
def work8(points):
    # In the cache 4.6 ns for 128 features, 13 ns for 512 and 22 ns for 960; on a walk
    # 30 to 40 ns for the last.
    return Work(lines_of(points.codes), 0.03 * float(points.grid[2]))


@work.register(Scalar4)
def work4(points):
    # In the cache 4.8 ns for 128 features, 17 ns for 512 and 34 ns for 960.
    return Work(lines_of(points.codes), 0.035 * float(points.grid[2]))


@new_scratch.register(Scalar8)
def scratch8(points, n):
    return np.zeros((n, points.codes.shape[1]), np.int16)


@new_scratch.register(Scalar4)
def scratch4(points, n):
    return np.zeros((n, 2 * points.codes.shape[1]), np.int16)


@kernel
def reach_of(d):
    """Levels that a query of ``d`` features may lie beyond the grid."""
    return np.float32(max(0.0, min(np.sqrt(SQUARES / d) - 256, np.float64(REACH))))


@kernel
def set_query_levels(grid, words, per, queries, q, scratch, v):
    """Lay the levels of a query as fields of ``per`` features a word are laid."""
    low, step, reach = grid[0], grid[1], reach_of(queries.shape[1])
    for j in range(queries.shape[1]):
        level = min(max((queries[q, j] - low) / step, -reach), 255 + reach)
        scratch[v, (j % per) * words + j // per] = np.int16(np.rint(level))


@set_query.register(Scalar8)
def set_query8(points, scratch, v, queries, q):
    set_query_levels(points.grid, points.codes.shape[1] >> 1, 2, queries, q, scratch, v)


@set_query.register(Scalar4)
def set_query4(points, scratch, v, queries, q):
    set_query_levels(points.grid, points.codes.shape[1] >> 1, 4, queries, q, scratch, v)


@score.register(Scalar8)
def score8(points, scratch, v, i):
    gaps = gaps8(points.codes, i, 0, points.codes.shape[1] >> 1, scratch, v, 0)
    return points.grid[1] * points.grid[1] * gaps


@score.register(Scalar4)
def score4(points, scratch, v, i):
    gaps = gaps4(points.codes, i, 0, points.codes.shape[1] >> 1, scratch, v, 0)
    return points.grid[1] * points.grid[1] * gaps


@fastscan_codes.register(Scalar4)
def fastscan_codes4(points):
    return points.codes[:, : (int(points.grid[2]) + 1) // 2], None


@fastscan_tables.register(Scalar4)
def fastscan_tables4(points, queries):
    (low, step, d), n = points.grid, len(queries)
    entries = np.zeros((n, -(-int(d) // 2) * 2, 16), np.float32)
    levels = low + 16 * step * np.arange(16, dtype=np.float32)
    queries = np.clip(queries, low - REACH * step, low + (255 + REACH) * step)
    entries[:, : int(d)] = (queries[:, :, None] - levels) ** 2
    zeros = np.zeros(n, np.float32)
    return entries.reshape(n, -1, 2, 16), zeros, zeros, FAR


@exact.register(Scalar8)
def exact8(points, queries, q, i):
    low, step, total = np.float64(points.grid[0]), np.float64(points.grid[1]), 0.0
    for j in range(queries.shape[1]):
        gap = np.float64(queries[q, j]) - low - step * points.codes[i, j]
        total += gap * gap
    return total


@exact.register(Scalar4)
def exact4(points, queries, q, i):
    low, step, total = np.float64(points.grid[0]), np.float64(points.grid[1]), 0.0
    for j in range(queries.shape[1]):
        level = (points.codes[i, j >> 1] >> (4 * (j & 1)) & 15) << 4
        gap = np.float64(queries[q, j]) - low - step * level
        total += gap * gap
    return total
