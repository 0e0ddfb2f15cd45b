"""Codes of one bit a feature, compared by the bits that differ."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, UInt8
from sklearn_jin._memory import aligned_codes, frozen, lines_of
from sklearn_jin._simd import differing_bits
from sklearn_jin.points import (
    Work,
    encode_queries,
    exact,
    new_scratch,
    prefetch,
    ranges_of,
    score,
    set_query,
    subset,
    work,
)
from sklearn_jin.points.codes import prefetch_codes, subset_codes
from sklearn_jin.points.packing import pack


class Bits(NamedTuple):
    """Rows whose score is how many bits differ from those of the query."""

    codes: UInt8[2]  # (n, stride): eight features a byte; rows end in zeros
    center: Float32[1]  # (d,): above it a feature's bit is 1


def bits(codes, center):
    """The record of compact ``codes`` (n, ceil(d / 8))."""
    return Bits(aligned_codes(codes), frozen(np.asarray(center, np.float32)))


@encode_queries.register(Bits)
def encode_queries_bits(points, queries):
    packed = pack(queries[:, : len(points.center)] > points.center, 1)
    asked = np.zeros((len(queries), points.codes.shape[1]), np.uint8)
    asked[:, : packed.shape[1]] = packed
    return frozen(asked)


@ranges_of.register(Bits)
def ranges_of_bits(points, n, d):
    yield np.array([len(points.center)]), d, d
    yield np.array([8 * points.codes.shape[1]]), d, 2**31


subset.register(Bits, subset_codes)
prefetch.register(Bits, prefetch_codes)


@work.register(Bits)
def work_of_bits(points):
    # As of rows of as many bytes, of which a feature of float32 has four.
    return Work(lines_of(points.codes), 0.011 * points.codes.shape[1])


@new_scratch.register(Bits)
def scratch_bits(points, n):
    return np.zeros((n, points.codes.shape[1]), np.uint8)


@set_query.register(Bits)
def set_query_bits(points, scratch, v, queries, q):
    for j in range(queries.shape[1]):
        scratch[v, j] = queries[q, j]


@score.register(Bits)
def score_bits(points, scratch, v, i):
    return np.float32(differing_bits(points.codes, i, scratch, v))


@exact.register(Bits)
def exact_bits(points, queries, q, i):
    return np.float64(differing_bits(points.codes, i, queries, q))
