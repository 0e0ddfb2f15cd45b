"""Codes of a few bits a number, each row with its own factors.

A code stands for ``y = c - middle`` in a space that queries are brought to by
``encode_queries``: there the score is ``add + scale <y, z> + const(query)``, where ``z``
is the query.  What the numbers, their bits, the factors and the space are, is
the quantizer's choice: RaBitQ, SAQ, scalar, binary and ternary codes are all
scored by the kernels of this file.

A number of ``b`` bits lies on planes of 8, 4, 2 and 1 bits, lowest bits first:
6 bits are a plane of 4 and one of 2.  So every plane is fields that divide a
word, and a product with a query is a few shifts and multiplications.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel, piece
from sklearn_jin._memory import aligned_codes, frozen
from sklearn_jin._simd import (
    float_at,
    products1,
    products2,
    products4,
    products8,
)
from sklearn_jin.points import (
    encode_queries,
    exact,
    fastscan_codes,
    fastscan_tables,
    lower_bound,
    new_scratch,
    prefetch,
    score,
    score_many,
    set_query,
    subset,
)
from sklearn_jin.points.codes import prefetch_codes, subset_codes
from sklearn_jin.points.rotation import multiply, rotate

TOP = 32767  # of a query as 16-bit integers
FLOAT = 4  # bytes


class PlanesL2(NamedTuple):
    """Rows whose score estimates the squared L2 distance."""

    codes: np.ndarray  # (n, stride) uint8: the planes, then the factors
    layout: np.ndarray  # (n_planes, 8) int64: see PLANE
    middles: np.ndarray  # (n_segments,) float32
    factors: np.ndarray  # (3,) int64: bytes of ``add``, the scales, ``err``, or -1s
    scales: np.ndarray  # (n_segments,) float32: of all rows; times their own, if any;
    # the first is times ``err`` too
    center: np.ndarray  # (d,) float32: taken from a query
    matrix: np.ndarray  # (d, D) float32: turns it; (0, 0) for none
    signs: np.ndarray  # (rounds, D) float32: of ``rotate``; (0, 0) for none
    weights: np.ndarray  # (D,) float32: times the turned query; (0,) for none


class PlanesIP(NamedTuple):
    """Rows whose score estimates two less the inner product; fields as in Planes."""

    codes: np.ndarray
    layout: np.ndarray
    middles: np.ndarray
    factors: np.ndarray
    scales: np.ndarray
    center: np.ndarray
    matrix: np.ndarray
    signs: np.ndarray
    weights: np.ndarray


# Columns of ``layout``: bits of a field, first byte in the row, words (in
# eights), first number of the plane's query, power of two, segment, and the
# segment's first number and how many it has.
PLANE = BITS, AT, WORDS, TO, POWER, SEGMENT, START, NUMBERS = range(8)


def split_bits(bits):
    """Bits of the planes of a number of ``bits`` bits, those of the lowest first."""
    return [plane for plane in (8, 4, 2, 1) if bits & plane]


def pack(numbers, bits):
    """Fields (n, D) of ``bits`` in {1, 2, 4, 8} as rows of bytes, first ones lowest."""
    per = 8 // bits
    n, d = numbers.shape
    fields = np.zeros((n, -(-d // per) * per), np.uint8)
    fields[:, :d] = numbers
    packed = fields[:, ::per].copy()
    for f in range(1, per):
        packed |= fields[:, f::per] << np.uint8(bits * f)
    return packed


def unpack(packed, bits, d):
    """The first ``d`` fields of rows of bytes: what ``pack`` was given."""
    per = 8 // bits
    fields = np.empty((len(packed), packed.shape[1] * per), np.uint8)
    for f in range(per):
        fields[:, f::per] = packed >> np.uint8(bits * f) & np.uint8((1 << bits) - 1)
    return fields[:, :d]


def pack_planes(numbers, bits):
    """Numbers (n, D) of ``bits`` bits, uint8, as their packed planes side by side."""
    parts, power = [], 0
    for plane in split_bits(bits):
        fields = numbers >> np.uint8(power) & np.uint8((1 << plane) - 1)
        parts.append(pack(fields, plane))
        power += plane
    return np.hstack(parts)


def unpack_planes(packed, bits, d):
    """What ``pack_planes`` was given."""
    numbers, power, at = np.zeros((len(packed), d), np.uint8), 0, 0
    for plane in split_bits(bits):
        size = plane_bytes(d, plane)
        fields = unpack(packed[:, at : at + size], plane, d)
        numbers |= fields << np.uint8(power)
        power, at = power + plane, at + size
    return numbers


def plane_bytes(d, bits):
    """Bytes of ``d`` numbers of ``bits`` bits on their planes."""
    return sum(-(-d * plane // 8) for plane in split_bits(bits))


def planes(codes, segments, center, space="l2", factors=(-1, -1, -1), **learned):
    """The record of compact ``codes`` (n, n_bytes).

    ``segments`` are pairs (numbers, bits), whose planes follow each other in a
    row, the lowest bits of the first segment first.  ``factors`` are the bytes
    where ``add``, the first of the scales (one a segment) and ``err`` stand in
    a row, -1 for what is not there.  What else is ``learned`` has the names of
    the fields of :class:`Planes` and may be left out.
    """
    layout = plan(segments)
    reach = max(plane[AT] + 2 * plane[WORDS] for plane in layout)
    some = {
        "middles": np.zeros(len(segments)),
        "scales": np.ones(len(segments)),
        "matrix": np.empty((0, 0)),
        "signs": np.empty((0, 0)),
        "weights": np.empty(0),
        **learned,
        "center": center,
    }
    return {"l2": PlanesL2, "ip": PlanesIP}[space](
        codes=aligned_codes(codes, reach),
        layout=frozen(np.array(layout, np.int64)),
        factors=frozen(np.array(factors, np.int64)),
        **{
            name: frozen(np.ascontiguousarray(array, np.float32))
            for name, array in some.items()
        },
    )


def plan(segments):
    """Rows of ``layout``."""
    layout, at, to, start = [], 0, 0, 0
    for segment, (d, bits) in enumerate(segments):
        power = 0
        for plane in split_bits(bits):
            size = plane_bytes(d, plane)
            words = -(-size // 16) * 8
            layout.append((plane, at, words, to, power, segment, start, d))
            at, to, power = at + size, to + words * (16 // plane), power + plane
        start += d
    return layout


def turn_queries(points, rows):
    """Rows of ``d`` features as vectors of the codes' space, without weights."""
    if points.matrix.size:
        rows = multiply(rows, points.matrix)
    if points.signs.size:
        D = points.signs.shape[1]
        rows = rotate(np.pad(rows, ((0, 0), (0, D - rows.shape[1]))), points.signs)
    return rows


def weigh(points, rows, constants):
    """Queries for ``set_query``: numbers in the codes' space, norm, constant."""
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    if points.weights.size:
        rows = rows * points.weights
    return frozen(np.hstack([rows, norms, constants[:, None]]).astype(np.float32))


@encode_queries.register(PlanesL2)
def encode_queries_l2(points, queries):
    rows = queries[:, : len(points.center)] - points.center
    constants = np.einsum("ij,ij->i", rows, rows)
    return weigh(points, turn_queries(points, rows), constants)


@encode_queries.register(PlanesIP)
def encode_queries_ip(points, queries):
    rows = np.ascontiguousarray(queries[:, : len(points.center)])
    constants = 2 - np.einsum("ij,j->i", rows, points.center)
    return weigh(points, turn_queries(points, rows), constants)


def scratch_planes(points, n):
    last = points.layout[-1]
    width = last[TO] + last[WORDS] * (16 // last[BITS])
    return (
        np.zeros((n, width), np.int16),
        np.zeros((n, 3 + len(points.middles)), np.float32),
    )


def set_query_planes(points, scratch, v, queries, q):
    # As integers, whose products with a field of 8 bits add up within 32 bits.
    numbers, terms = scratch
    D = queries.shape[1] - 2
    largest = np.float32(0)
    for j in range(D):
        largest = max(largest, abs(queries[q, j]))
    top = min(TOP, (1 << 33) // (255 * (D + 64)))
    unit = largest / np.float32(top) if largest > 0 else np.float32(1)
    terms[v, 0], terms[v, 1], terms[v, 2] = queries[q, D + 1], unit, queries[q, D]
    for p in range(len(points.layout)):
        words, to = points.layout[p, WORDS], points.layout[p, TO]
        per, start = 16 // points.layout[p, BITS], points.layout[p, START]
        total = np.float32(0)
        for j in range(points.layout[p, NUMBERS]):
            number = queries[q, start + j]
            total += number
            numbers[v, to + (j % per) * words + j // per] = np.int16(
                np.rint(number / unit)
            )
        segment = points.layout[p, SEGMENT]
        terms[v, 3 + segment] = points.middles[segment] * total


@piece
def plane_products(codes, i, bits, at, words, numbers, v, to):
    """Sum of the products of a plane of row ``i`` with the numbers of view ``v``.

    Compiled into the loops: a scan that calls it takes 67 ns a code, not 10.
    """
    if bits == 4:
        return products4(codes, i, at, words, numbers, v, to)
    if bits == 1:
        return products1(codes, i, at, words, numbers, v, to)
    if bits == 2:
        return products2(codes, i, at, words, numbers, v, to)
    return products8(codes, i, at, words, numbers, v, to)


def score_planes(points, scratch, v, i):
    numbers, terms = scratch
    add, scales = points.factors[0], points.factors[1]
    estimate = terms[v, 0]
    if add >= 0:
        estimate += float_at(points.codes, i, add)
    for p in range(len(points.layout)):
        bits, at = points.layout[p, BITS], points.layout[p, AT]
        words, to = points.layout[p, WORDS], points.layout[p, TO]
        power, segment = points.layout[p, POWER], points.layout[p, SEGMENT]
        products = plane_products(points.codes, i, bits, at, words, numbers, v, to)
        scale = points.scales[segment]
        if scales >= 0:
            scale *= float_at(points.codes, i, scales + FLOAT * segment)
        products *= terms[v, 1] * np.float32(1 << power)
        if power == 0:
            products -= terms[v, 3 + segment]
        estimate += scale * products
    return max(estimate, np.float32(0))


def score_many_planes(points, scratch, v, ids, start, n, scores):
    # Plane by plane, so that what a plane is like is looked up once.
    numbers, terms = scratch
    codes, add, scales = points.codes, points.factors[0], points.factors[1]
    for j in range(n):
        scores[j] = terms[v, 0]
        if add >= 0:
            scores[j] += float_at(codes, ids[start + j], add)
    for p in range(len(points.layout)):
        bits, at = points.layout[p, BITS], points.layout[p, AT]
        words, to = points.layout[p, WORDS], points.layout[p, TO]
        power, segment = points.layout[p, POWER], points.layout[p, SEGMENT]
        unit = terms[v, 1] * np.float32(1 << power)
        rest = terms[v, 3 + segment] if power == 0 else np.float32(0)
        shared, own = points.scales[segment], scales + FLOAT * segment
        for j in range(n):
            i = ids[start + j]
            products = plane_products(codes, i, bits, at, words, numbers, v, to)
            scale = shared * float_at(codes, i, own) if scales >= 0 else shared
            scores[j] += scale * (unit * products - rest)
    for j in range(n):
        scores[j] = max(scores[j], np.float32(0))


def lower_bound_planes(points, scratch, v, i):
    estimate = score(points, scratch, v, i)
    if points.factors[2] < 0:
        return estimate
    gap = float_at(points.codes, i, points.factors[2]) * points.scales[0]
    gap *= scratch[1][v, 2]
    return max(estimate - gap, np.float32(0))


@kernel
def exact_planes(points, queries, q, i):
    D, add, scales = queries.shape[1] - 2, points.factors[0], points.factors[1]
    estimate = np.float64(queries[q, D + 1])
    if add >= 0:
        estimate += np.float64(float_at(points.codes, i, add))
    for p in range(len(points.layout)):
        bits, at = points.layout[p, BITS], points.layout[p, AT]
        power, segment = points.layout[p, POWER], points.layout[p, SEGMENT]
        start, mask = points.layout[p, START], (1 << bits) - 1
        middle = np.float64(points.middles[segment]) if power == 0 else 0.0
        products = 0.0
        if bits == 8:  # plain bytes
            for j in range(points.layout[p, NUMBERS]):
                number = np.float64(points.codes[i, at + j]) - middle
                products += number * np.float64(queries[q, start + j])
        for j in range(0 if bits == 8 else points.layout[p, NUMBERS]):
            place = j * bits
            byte = np.int64(points.codes[i, at + (place >> 3)])
            field = byte >> (place & 7) & mask
            products += ((field << power) - middle) * np.float64(queries[q, start + j])
        scale = np.float64(points.scales[segment])
        if scales >= 0:
            scale *= np.float64(float_at(points.codes, i, scales + FLOAT * segment))
        estimate += scale * products
    return estimate


@exact.register(PlanesL2)
def exact_l2(points, queries, q, i):
    return max(exact_planes(points, queries, q, i), 0.0)


@exact.register(PlanesIP)
def exact_ip(points, queries, q, i):
    """Minus the inner product, as of raw rows."""
    return exact_planes(points, queries, q, i) - 2.0


def fastscan_codes_planes(points):
    """Bytes of the planes, unless one has fields of 8 bits or scales differ."""
    layout, n = points.layout, len(points.codes)
    if len(points.middles) > 1 or (layout[:, BITS] == 8).any():
        return None
    size = [plane_bytes(plane[NUMBERS], plane[BITS]) for plane in layout]
    parts = [points.codes[:, at : at + wide] for at, wide in zip(layout[:, AT], size)]
    add, scale = points.factors[0], points.factors[1]
    factors = np.zeros((2, n), np.float32)
    if add >= 0:
        factors[0] = float_column(points.codes, add)
    factors[1] = points.scales[0]
    if scale >= 0:
        factors[1] *= float_column(points.codes, scale)
    return np.hstack(parts), factors


def float_column(codes, at):
    """The float32 whose bytes stand from ``at`` on in every row of ``codes``."""
    return np.ascontiguousarray(codes[:, at : at + FLOAT]).view(np.float32)[:, 0]


def fastscan_tables_planes(points, queries):
    n, D = len(queries), points.layout[0, NUMBERS]
    numbers, outer = queries[:, :D], queries[:, -1].copy()
    parts = []
    for plane in points.layout:
        per = 4 // plane[BITS]  # fields of a nibble
        size = 2 * plane_bytes(D, plane[BITS])
        padded = np.zeros((n, size * per), np.float32)
        padded[:, :D] = numbers
        shifts = plane[BITS] * np.arange(per)[:, None]
        fields = np.arange(16) >> shifts & ((1 << plane[BITS]) - 1)
        fields = (fields << plane[POWER]).astype(np.float32)
        parts.append(np.einsum("nsp,pc->nsc", padded.reshape(n, size, per), fields))
    entries = np.concatenate(parts, axis=1).reshape(n, -1, 2, 16)
    return entries, outer, -points.middles[0] * numbers.sum(axis=1), np.inf


for kind in (PlanesL2, PlanesIP):
    fastscan_codes.register(kind, fastscan_codes_planes)
    fastscan_tables.register(kind, fastscan_tables_planes)
    subset.register(kind, subset_codes)
    prefetch.register(kind, prefetch_codes)
    new_scratch.register(kind, scratch_planes)
    set_query.register(kind, set_query_planes)
    score.register(kind, score_planes)
    score_many.register(kind, score_many_planes)
    lower_bound.register(kind, lower_bound_planes)
