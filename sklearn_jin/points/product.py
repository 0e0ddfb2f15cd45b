"""Product codes: a byte, or half of one, for each of ``m`` sub-vectors.

A row is stood for by a centroid per sub-vector.  A query is turned into a
table, what each centroid would add to the score, and a score is the sum of
``m`` of its entries (Jegou, Douze & Schmid 2011, asymmetric distance): of
float32, and the same whatever the batch.  Product8L2 and Product4L2 estimate the
squared L2 distance, the others 2 less the inner product with rows of length 1
at most.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, Int64, UInt8
from sklearn_jin._jit import kernel, piece
from sklearn_jin._memory import frozen, lines_of
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
from sklearn_jin.points.rotation import multiply

FAR = 4.0  # times the mean of its table is no entry of a near code


class Product8L2(NamedTuple):
    """Codes of a byte a sub-vector, under squared L2."""

    codes: UInt8[2]  # (n, stride), a sub-vector a byte; rows end in zeros
    codebooks: Float32[3]  # (m, sub_width, K); short sub-vectors end in zeros
    starts: Int64[1]  # (m + 1,), first feature of each; the last is d
    rotation: Float32[2]  # (d, d), rows times it are coded; or (0, 0)


class Product4L2(NamedTuple):
    """Codes of half a byte a sub-vector, under squared L2.

    Byte ``t`` has sub-vector ``t`` in its low half and ``t + ceil(m / 2)`` in
    its high one, which is 0 where there is no such sub-vector.
    """

    codes: UInt8[2]  # (n, stride), two sub-vectors a byte; rows end in zeros
    codebooks: Float32[3]  # as in Product8L2, with K = 16
    starts: Int64[1]
    rotation: Float32[2]


class Product8IP(NamedTuple):
    """As Product8L2, under the inner product."""

    codes: UInt8[2]
    codebooks: Float32[3]
    starts: Int64[1]
    rotation: Float32[2]


class Product4IP(NamedTuple):
    """As Product4L2, under the inner product."""

    codes: UInt8[2]
    codebooks: Float32[3]
    starts: Int64[1]
    rotation: Float32[2]


KINDS = {
    (8, "l2"): Product8L2,
    (4, "l2"): Product4L2,
    (8, "ip"): Product8IP,
    (4, "ip"): Product4IP,
}


def pack(codes):
    """Bytes (n, ceil(m / 2)) of codes (n, m) below 16, as Product4L2 has them."""
    half = (codes.shape[1] + 1) // 2
    packed = codes[:, :half].copy()
    packed[:, : codes.shape[1] - half] |= codes[:, half:] << 4
    return packed


def unpack(packed, m):
    """Codes (n, m) of bytes that ``pack`` made."""
    return np.hstack([packed & 15, packed >> 4])[:, :m]


@fastscan_codes.register(Product4L2)
@fastscan_codes.register(Product4IP)
def fastscan_codes_product(points):
    return points.codes[:, : (len(points.codebooks) + 1) // 2], None


@fastscan_tables.register(Product4L2)
@fastscan_tables.register(Product4IP)
def fastscan_tables_product(points, queries):
    n, is_ip = len(queries), isinstance(points, Product4IP)
    half = (len(points.codebooks) + 1) // 2
    # Halves of a byte are neighbours; an even number of bytes, as scans like it.
    entries = np.zeros((n, half + half % 2, 2, 16), np.float32)
    rows = entries.reshape(n, -1)
    fill_all(points.codebooks, points.starts, half, queries, rows, is_ip)
    outer, inner = np.full(n, 2.0 * is_ip, np.float32), np.zeros(n, np.float32)
    return entries, outer, inner, np.inf if is_ip else FAR


def encode_queries_rotated(points, queries):
    queries = queries[:, : points.starts[-1]]
    if points.rotation.size:
        return frozen(multiply(queries, points.rotation))
    return frozen(np.ascontiguousarray(queries))


def scratch_tables(points, n):
    """Tables of an even number of sub-vectors: what is not there adds 0."""
    m, _, K = points.codebooks.shape
    return np.zeros((n, ((m + 1) & -2) * K), np.float32)


def set_query_l2(points, scratch, v, queries, q):
    m = len(points.codebooks)
    fill_l2(points.codebooks, points.starts, m, queries, q, scratch, v)


def set_query_ip(points, scratch, v, queries, q):
    m = len(points.codebooks)
    fill_ip(points.codebooks, points.starts, m, queries, q, scratch, v)


@kernel
def fill_all(codebooks, starts, half, queries, scratch, is_ip):
    for q in range(len(queries)):
        if is_ip:
            fill_ip(codebooks, starts, half, queries, q, scratch, q)
        else:
            fill_l2(codebooks, starts, half, queries, q, scratch, q)


@kernel
def place_of(s, half, m):
    """Place of the table of sub-vector ``s``: behind that of ``s - half``, if any."""
    return s if half == m else 2 * (s % half) + s // half


@kernel
def fill_l2(codebooks, starts, half, queries, q, scratch, v):
    """Squared distances of the sub-vectors of a query to their centroids.

    Centroid by centroid the compiler makes no vectors: 35 us instead of 4.5
    for 32 sub-vectors of 4 features and 256 centroids each.
    """
    m, _, K = codebooks.shape
    for s in range(m):
        place = place_of(s, half, m)
        table = scratch[v, place * K : (place + 1) * K]
        table[:] = 0
        for j in range(starts[s], starts[s + 1]):
            feature, places = queries[q, j], codebooks[s, j - starts[s]]
            for c in range(K):
                gap = feature - places[c]
                table[c] += gap * gap


@kernel
def fill_ip(codebooks, starts, half, queries, q, scratch, v):
    """Inner products of the sub-vectors of a query with their centroids, negated."""
    m, _, K = codebooks.shape
    for s in range(m):
        place = place_of(s, half, m)
        table = scratch[v, place * K : (place + 1) * K]
        table[:] = 0
        for j in range(starts[s], starts[s + 1]):
            feature, places = queries[q, j], codebooks[s, j - starts[s]]
            for c in range(K):
                table[c] -= feature * places[c]


def work_of_product(points):
    # In the cache 10 ns for 8 sub-vectors and 39 ns for 32.
    return Work(lines_of(points.codes), 1.2 * len(points.codebooks))


def ranges_of_product(points, n, d):
    m, sub_width, K = points.codebooks.shape
    halves = isinstance(points, Product4L2 | Product4IP)
    yield np.array([K]), 16 if halves else 256, 16 if halves else 256
    yield np.array([m]), 1, points.codes.shape[1] * (1 + halves)
    yield np.array([len(points.starts)]), m + 1, m + 1
    yield points.starts[[0, -1]] - [0, d], 0, 0
    yield np.diff(points.starts), 0, sub_width
    yield np.array(points.rotation.shape), d if points.rotation.size else 0, d


for kind in (Product8L2, Product4L2, Product8IP, Product4IP):
    work.register(kind, work_of_product)
    ranges_of.register(kind, ranges_of_product)
    encode_queries.register(kind, encode_queries_rotated)
    subset.register(kind, subset_codes)
    prefetch.register(kind, prefetch_codes)
    new_scratch.register(kind, scratch_tables)

for kind in (Product8L2, Product4L2):
    set_query.register(kind, set_query_l2)

for kind in (Product8IP, Product4IP):
    set_query.register(kind, set_query_ip)


# Four sums, so that no addition waits for the one before.
@piece
def _sum8(codes, i, m, scratch, v):
    a = b = c = d = np.float32(0)
    for t in range(0, m - 3, 4):
        a += scratch[v, 256 * t + np.int64(codes[i, t])]
        b += scratch[v, 256 * t + 256 + np.int64(codes[i, t + 1])]
        c += scratch[v, 256 * t + 512 + np.int64(codes[i, t + 2])]
        d += scratch[v, 256 * t + 768 + np.int64(codes[i, t + 3])]
    for t in range(m & -4, m):
        a += scratch[v, 256 * t + np.int64(codes[i, t])]
    return (a + b) + (c + d)


@piece
def _sum4(codes, i, m, scratch, v):
    a = b = c = d = np.float32(0)
    half = (m + 1) >> 1
    high = 16 * half  # where the table of the high halves starts
    for t in range(0, half - 1, 2):
        one, two = np.int64(codes[i, t]), np.int64(codes[i, t + 1])
        a += scratch[v, 16 * t + (one & 15)]
        b += scratch[v, high + 16 * t + (one >> 4)]
        c += scratch[v, 16 * t + 16 + (two & 15)]
        d += scratch[v, high + 16 * t + 16 + (two >> 4)]
    for t in range(half & -2, half):
        one = np.int64(codes[i, t])
        a += scratch[v, 16 * t + (one & 15)]
        b += scratch[v, high + 16 * t + (one >> 4)]
    return (a + b) + (c + d)


@score.register(Product8L2)
def score8(points, scratch, v, i):
    return max(_sum8(points.codes, i, len(points.codebooks), scratch, v), np.float32(0))


@score.register(Product4L2)
def score4(points, scratch, v, i):
    return max(_sum4(points.codes, i, len(points.codebooks), scratch, v), np.float32(0))


@score.register(Product8IP)
def score8_ip(points, scratch, v, i):
    return np.float32(2) + _sum8(points.codes, i, len(points.codebooks), scratch, v)


@score.register(Product4IP)
def score4_ip(points, scratch, v, i):
    return np.float32(2) + _sum4(points.codes, i, len(points.codebooks), scratch, v)


@piece
def _code(points, i, s):
    """The centroid of sub-vector ``s`` of row ``i``."""
    if points.codebooks.shape[2] == 16:
        half = (len(points.codebooks) + 1) >> 1
        byte = np.int64(points.codes[i, s % half])
        return byte >> 4 if s >= half else byte & 15
    return np.int64(points.codes[i, s])


def exact_l2(points, queries, q, i):
    total = 0.0
    for s in range(len(points.codebooks)):
        c, first = _code(points, i, s), points.starts[s]
        for j in range(first, points.starts[s + 1]):
            place = np.float64(points.codebooks[s, j - first, c])
            gap = np.float64(queries[q, j]) - place
            total += gap * gap
    return total


def exact_ip(points, queries, q, i):
    """Minus the inner product: the only score that may be negative."""
    total = 0.0
    for s in range(len(points.codebooks)):
        c, first = _code(points, i, s), points.starts[s]
        for j in range(first, points.starts[s + 1]):
            place = np.float64(points.codebooks[s, j - first, c])
            total -= np.float64(queries[q, j]) * place
    return total


for kind in (Product8L2, Product4L2):
    exact.register(kind, exact_l2)

for kind in (Product8IP, Product4IP):
    exact.register(kind, exact_ip)
