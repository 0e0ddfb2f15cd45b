"""Codes of a few bits a number, each row with its own factors.

A code stands for ``y = c - middle`` in a space that queries are brought to by
``encode_queries``: there the score is ``add + scale <y, z> + const(query)``, where
``z`` is the query.  What the numbers, their bits, the factors and the space are, is
the quantizer's choice: RaBitQ, SAQ, scalar, binary and ternary codes are all
scored by the kernels of this file.  How the numbers lie in a code is told in
:mod:`sklearn_jin.points.packing`.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, Int64, UInt8
from sklearn_jin._jit import kernel, loop, piece
from sklearn_jin._memory import aligned_codes, frozen, lines_of
from sklearn_jin._simd import (
    float_at,
    products1,
    products2,
    products4,
    products8,
)
from sklearn_jin.points import (
    Work,
    encode_queries,
    exact,
    fastscan_codes,
    fastscan_tables,
    lower_bound,
    new_scratch,
    prefetch,
    ranges_of,
    score,
    score_many,
    set_query,
    subset,
    work,
)
from sklearn_jin.points.codes import prefetch_codes, subset_codes
from sklearn_jin.points.packing import FLOAT, Plane, plane_layout
from sklearn_jin.points.panels import PANEL, multiply, panels_of
from sklearn_jin.points.planes_fastscan import (
    fastscan_codes_planes,
    fastscan_tables_planes,
)
from sklearn_jin.points.rotation import rotate

TOP = 32767  # of a query as 16-bit integers
ADD, SCALES, ERR = range(3)  # of ``factors``

# Columns of the second array of a scratch: a query's constant, the unit of its
# integers and its norm; then for every segment its middle times the sum of the query.
CONSTANT, UNIT, NORM, MIDDLES = range(4)

NONE = np.empty((0, 0), np.float32)  # the matrix of queries that are not turned


class PlanesL2(NamedTuple):
    """Rows whose score estimates the squared L2 distance."""

    codes: UInt8[2]  # (n, stride): the planes, then the factors
    layout: Int64[2]  # (n_planes, 8): the fields of each Plane
    middles: Float32[1]  # (n_segments,)
    factors: Int64[1]  # (3,): bytes of ``add``, the scales, ``err``, or -1s
    scales: Float32[1]  # (n_segments,): of all rows; times their own, if any;
    # the first is times ``err`` too
    center: Float32[1]  # (d,): taken from a query
    panels: Float32[3]  # (n_panels, d, PANEL): turn it; (0, 0, PANEL) for none
    signs: Float32[2]  # (rounds, D): of ``rotate``; (0, 0) for none
    weights: Float32[1]  # (D,): times the turned query; (0,) for none


class PlanesIP(NamedTuple):
    """Rows whose score estimates two less the inner product; fields as in PlanesL2."""

    codes: UInt8[2]
    layout: Int64[2]
    middles: Float32[1]
    factors: Int64[1]
    scales: Float32[1]
    center: Float32[1]
    panels: Float32[3]
    signs: Float32[2]
    weights: Float32[1]


def planes(
    codes, segments, center, space="l2", factors=(-1, -1, -1), matrix=NONE, **learned
):
    """The record of compact ``codes`` (n, n_bytes).

    ``segments`` are pairs (numbers, bits), whose planes follow each other in a
    row, the lowest bits of the first segment first.  ``factors`` are the bytes
    where ``add``, the first of the scales (one a segment) and ``err`` stand in
    a row, -1 for what is not there.  ``matrix`` (d, D) turns queries.  What else is
    ``learned`` has the names of the fields of :class:`PlanesL2` and may be left out.
    """
    layout = plane_layout(segments)
    some = {
        "middles": np.zeros(len(segments)),
        "scales": np.ones(len(segments)),
        "signs": np.empty((0, 0)),
        "weights": np.empty(0),
        **learned,
        "center": center,
    }
    return {"l2": PlanesL2, "ip": PlanesIP}[space](
        codes=aligned_codes(codes, max(plane.at + 2 * plane.words for plane in layout)),
        layout=frozen(np.array(layout, np.int64)),
        factors=frozen(np.array(factors, np.int64)),
        panels=panels_of(matrix),
        **{
            name: frozen(np.ascontiguousarray(array, np.float32))
            for name, array in some.items()
        },
    )


def turn_queries(points, rows):
    """Rows of ``d`` features as vectors of the codes' space, without weights."""
    if points.panels.size:
        plane = plane_of(points.layout, len(points.layout) - 1)
        rows = multiply(rows, points.panels)[:, : plane.start + plane.size]
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
    rows = rows.astype(np.float32, copy=False)
    constants = np.einsum("ij,ij->i", rows, rows)
    return weigh(points, turn_queries(points, rows), constants)


@encode_queries.register(PlanesIP)
def encode_queries_ip(points, queries):
    rows = np.ascontiguousarray(queries[:, : len(points.center)], np.float32)
    constants = 2 - np.einsum("ij,j->i", rows, points.center)
    return weigh(points, turn_queries(points, rows), constants)


@loop
def plane_of(layout, p):
    """Row ``p`` of ``layout`` as a Plane."""
    return Plane(
        layout[p, 0],
        layout[p, 1],
        layout[p, 2],
        layout[p, 3],
        layout[p, 4],
        layout[p, 5],
        layout[p, 6],
        layout[p, 7],
    )


# Pieces are compiled into the loops: a scan that calls ``plane_products`` takes 67 ns
# a code, not 10.


@piece
def query_unit(queries, q, D):
    """What 1 of the query's integers stands for.

    The largest of them is 32767, or less where the sum of the products with ``D``
    fields of 8 bits would need more than 32 bits in a lane.
    """
    largest = np.float32(0)
    for j in range(D):
        largest = max(largest, abs(queries[q, j]))
    top = min(TOP, (1 << 33) // (255 * (D + 64)))
    return largest / np.float32(top) if largest > 0 else np.float32(1)


@piece
def plane_terms(terms, v, plane):
    """``unit`` and ``rest`` of a plane, which adds ``scale (unit products - rest)``."""
    unit = terms[v, UNIT] * np.float32(1 << plane.power)
    rest = terms[v, MIDDLES + plane.segment] if plane.power == 0 else np.float32(0)
    return unit, rest


@piece
def plane_products(codes, i, plane, numbers, v):
    """Sum of the products of a plane of row ``i`` with the integers of view ``v``."""
    if plane.bits == 4:
        return products4(codes, i, plane.at, plane.words, numbers, v, plane.to)
    if plane.bits == 1:
        return products1(codes, i, plane.at, plane.words, numbers, v, plane.to)
    if plane.bits == 2:
        return products2(codes, i, plane.at, plane.words, numbers, v, plane.to)
    return products8(codes, i, plane.at, plane.words, numbers, v, plane.to)


@piece
def scale_byte(points, segment):
    """Where rows have their own scale of a segment, or -1 where they have none."""
    first = points.factors[SCALES]
    return first + FLOAT * segment if first >= 0 else first


@piece
def factor_at(codes, i, at, otherwise):
    """The float32 at byte ``at`` of row ``i``, or ``otherwise`` where that is -1."""
    return float_at(codes, i, at) if at >= 0 else np.float32(otherwise)


def scratch_planes(points, n):
    last = plane_of(points.layout, len(points.layout) - 1)
    return (
        np.zeros((n, last.to + last.words * (16 // last.bits)), np.int16),
        np.zeros((n, MIDDLES + len(points.middles)), np.float32),
    )


def set_query_planes(points, scratch, v, queries, q):
    numbers, terms = scratch
    D = queries.shape[1] - 2
    unit = query_unit(queries, q, D)
    terms[v, CONSTANT], terms[v, NORM] = queries[q, D + 1], queries[q, D]
    terms[v, UNIT] = unit
    for p in range(len(points.layout)):
        plane = plane_of(points.layout, p)
        per, total = 16 // plane.bits, np.float32(0)
        for j in range(plane.size):
            number = queries[q, plane.start + j]
            total += number
            place = plane.to + (j % per) * plane.words + j // per
            numbers[v, place] = np.int16(np.rint(number / unit))
        terms[v, MIDDLES + plane.segment] = points.middles[plane.segment] * total


def score_planes(points, scratch, v, i):
    (numbers, terms), codes = scratch, points.codes
    estimate = terms[v, CONSTANT] + factor_at(codes, i, points.factors[ADD], 0)
    for p in range(len(points.layout)):
        plane = plane_of(points.layout, p)
        unit, rest = plane_terms(terms, v, plane)
        products = plane_products(codes, i, plane, numbers, v)
        scale = points.scales[plane.segment]
        scale *= factor_at(codes, i, scale_byte(points, plane.segment), 1)
        estimate += scale * (unit * products - rest)
    return max(estimate, np.float32(0))


def score_many_planes(points, scratch, v, ids, start, n, scores):
    # As score_planes, but plane by plane, so that a plane is looked up once.
    (numbers, terms), codes = scratch, points.codes
    constant, add = terms[v, CONSTANT], points.factors[ADD]
    for j in range(n):
        scores[j] = constant + factor_at(codes, ids[start + j], add, 0)
    for p in range(len(points.layout)):
        plane = plane_of(points.layout, p)
        unit, rest = plane_terms(terms, v, plane)
        shared = points.scales[plane.segment]
        own = scale_byte(points, plane.segment)
        for j in range(n):
            i = ids[start + j]
            products = plane_products(codes, i, plane, numbers, v)
            scale = shared * factor_at(codes, i, own, 1)
            scores[j] += scale * (unit * products - rest)
    for j in range(n):
        scores[j] = max(scores[j], np.float32(0))


def lower_bound_planes(points, scratch, v, i):
    estimate = score(points, scratch, v, i)
    if points.factors[ERR] < 0:
        return estimate
    gap = float_at(points.codes, i, points.factors[ERR]) * points.scales[0]
    gap *= scratch[1][v, NORM]
    return max(estimate - gap, np.float32(0))


@piece
def exact_products(codes, i, plane, middle, queries, q):
    """Sum of the products of a plane's numbers less their middle with a query."""
    products = 0.0
    if plane.bits == 8:  # whole bytes, of which the compiler makes vectors
        for j in range(plane.size):
            number = np.float64(codes[i, plane.at + j]) - middle
            products += number * np.float64(queries[q, plane.start + j])
        return products
    mask = (1 << plane.bits) - 1
    for j in range(plane.size):
        place = j * plane.bits
        byte = np.int64(codes[i, plane.at + (place >> 3)])
        number = ((byte >> (place & 7) & mask) << plane.power) - middle
        products += number * np.float64(queries[q, plane.start + j])
    return products


@kernel
def exact_planes(points, queries, q, i):
    codes, D = points.codes, queries.shape[1] - 2
    estimate = np.float64(queries[q, D + 1])
    estimate += np.float64(factor_at(codes, i, points.factors[ADD], 0))
    for p in range(len(points.layout)):
        plane = plane_of(points.layout, p)
        middle = np.float64(points.middles[plane.segment] if plane.power == 0 else 0)
        products = exact_products(codes, i, plane, middle, queries, q)
        scale = np.float64(points.scales[plane.segment])
        scale *= np.float64(factor_at(codes, i, scale_byte(points, plane.segment), 1))
        estimate += scale * products
    return estimate


@exact.register(PlanesL2)
def exact_l2(points, queries, q, i):
    return max(exact_planes(points, queries, q, i), 0.0)


@exact.register(PlanesIP)
def exact_ip(points, queries, q, i):
    """Minus the inner product, as of raw rows."""
    return exact_planes(points, queries, q, i) - 2.0


def ranges_of_planes(points, n, d):
    """The layout is that of its segments, which follow from it."""
    yield np.array([points.layout.ndim, points.layout.shape[-1]]), 2, len(Plane._fields)
    yield np.array([len(points.layout), points.layout.shape[1]]), 1, len(Plane._fields)
    yield points.layout, 0, points.layout.size * max(points.codes.shape[1], d) * 64
    sizes, bits = {}, {}
    for plane in (Plane(*row) for row in points.layout.tolist()):
        sizes[plane.segment] = plane.size
        bits[plane.segment] = bits.get(plane.segment, 0) + plane.bits
    yield np.array([*bits.values()]), 1, 8
    layout = np.array(plane_layout([(sizes[s], bits[s]) for s in bits]), np.int64)
    yield np.array([len(layout)]), len(points.layout), len(points.layout)
    yield layout - points.layout, 0, 0
    n_segments, D = len(bits), sum(sizes.values())
    yield np.array([len(points.middles), len(points.scales)]), n_segments, n_segments
    stride = points.codes.shape[1]
    yield layout[:, 1] + 2 * layout[:, 2], 0, stride
    yield np.array([len(points.factors)]), 3, 3
    yield points.factors, -1, stride - FLOAT
    yield points.factors[SCALES : SCALES + 1] + FLOAT * n_segments, 0, stride
    yield np.array([len(points.center)]), d, d
    for shape in (points.signs.shape[1:], points.weights.shape):
        yield np.array([shape[-1]]), D if shape[-1] else 0, D
    n_panels, features, width = points.panels.shape
    yield np.array([width]), PANEL, PANEL
    yield np.array([features]), d if n_panels else 0, d
    yield np.array([n_panels]), -(-D // PANEL) if n_panels else 0, -(-D // PANEL)
    turned = any(part.size for part in (points.panels, points.signs))
    yield np.array([D]), 1 if turned else d, 2**31 if turned else d


def work_of_planes(points):
    # Of a plane in the cache 4.5 to 11 ns for 32 numbers and 26 ns for 960.
    sizes = points.layout[:, Plane._fields.index("size")]
    return Work(lines_of(points.codes), 4.0 * len(sizes) + 0.025 * float(sizes.sum()))


for kind in (PlanesL2, PlanesIP):
    work.register(kind, work_of_planes)
    ranges_of.register(kind, ranges_of_planes)
    fastscan_codes.register(kind, fastscan_codes_planes)
    fastscan_tables.register(kind, fastscan_tables_planes)
    subset.register(kind, subset_codes)
    prefetch.register(kind, prefetch_codes)
    new_scratch.register(kind, scratch_planes)
    set_query.register(kind, set_query_planes)
    score.register(kind, score_planes)
    score_many.register(kind, score_many_planes)
    lower_bound.register(kind, lower_bound_planes)
