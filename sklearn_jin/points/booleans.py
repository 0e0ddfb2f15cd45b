"""Rows of booleans, one bit a feature: scans and graphs on them.

Rows stay packed, and so do queries: both are uint8, where other rows are float32.  One
record serves all metrics of them, by a ``rule`` that is told at run time.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import UInt8
from sklearn_jin._jit import piece
from sklearn_jin._memory import lines_of, padded_bytes
from sklearn_jin._simd import bit_counts, differing_bits
from sklearn_jin.points import (
    Work,
    exact,
    new_scratch,
    pair_score,
    prefetch,
    ranges_of,
    rows_of,
    score,
    set_query,
    subset,
    work,
    zero_is_sure,
)
from sklearn_jin.points.rows import (
    prefetch_rows,
    set_query_rows,
    subset_rows,
    zero_of_rows_is_sure,
)

DIFFERING, JACCARD = range(2)
LOW = 0xFFFFFFFF  # the half of ``bit_counts`` that has the bits that differ


class RowsOfBits(NamedTuple):
    """Rows of bits whose score is by a ``rule``.

    ``DIFFERING`` counts the bits that differ, ``JACCARD`` is their share of those that
    either row has set.
    """

    X: UInt8[2]  # (n, stride): eight features a byte; rows end in zeros
    rule: int


set_query.register(RowsOfBits, set_query_rows)
prefetch.register(RowsOfBits, prefetch_rows)
subset.register(RowsOfBits, subset_rows)
zero_is_sure.register(RowsOfBits, zero_of_rows_is_sure)


@work.register(RowsOfBits)
def work_of_bits(points):
    # In the cache 5 ns for 2,048 bits.
    return Work(lines_of(points.X), 0.02 * points.X.shape[1])


@new_scratch.register(RowsOfBits)
def scratch_of_bits(points, n):
    return np.zeros((n, points.X.shape[1]), np.uint8)


@rows_of.register(RowsOfBits)
def rows_of_bits(points, ids):
    return points.X[ids]


@ranges_of.register(RowsOfBits)
def ranges_of_bits(points, n, d):
    yield np.array([points.X.shape[1]]), padded_bytes(d), padded_bytes(d)
    yield np.array([points.rule]), DIFFERING, JACCARD


@score.register(RowsOfBits)
def score_of_bits(points, scratch, v, i):
    return np.float32(share(points.X, i, scratch, v, points.rule))


@pair_score.register(RowsOfBits)
def pair_score_of_bits(points, i, j):
    return np.float32(share(points.X, i, points.X, j, points.rule))


@exact.register(RowsOfBits)
def exact_of_bits(points, queries, q, i):
    return share(points.X, i, queries, q, points.rule)


@piece
def share(X, i, Y, j, rule):
    """How far row ``i`` of ``X`` is from row ``j`` of ``Y``, in float64."""
    if rule == DIFFERING:
        return np.float64(differing_bits(X, i, Y, j))
    counts = bit_counts(X, i, Y, j)
    differing, either = counts & LOW, (counts & LOW) + (counts >> 32)
    return differing / either if either > 0 else 0.0
