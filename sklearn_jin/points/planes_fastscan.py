"""Codes on planes as nibbles with tables, for FastScan.

A nibble holds one field of 4 bits, two of 2 or four of 1, so its share of the product
of a code and a query is one of 16 numbers.  Fields of 8 bits are no such codes.
"""

import numpy as np

from sklearn_jin.points.packing import Plane, float_column, plane_bytes

NIBBLE = 4  # bits


def fastscan_codes_planes(points):
    """Bytes of the planes, or None where fields have 8 bits or scales differ."""
    layout = [Plane(*plane) for plane in points.layout]
    if len(points.middles) > 1 or any(plane.bits > NIBBLE for plane in layout):
        return None
    ends = [plane.at + plane_bytes(plane.size, plane.bits) for plane in layout]
    parts = [points.codes[:, plane.at : end] for plane, end in zip(layout, ends)]
    return np.hstack(parts), _added_and_scales(points)


def _added_and_scales(points):
    """What is added to the score of each code, and what scales its product."""
    add, scale, _ = points.factors
    factors = np.zeros((2, len(points.codes)), np.float32)
    if add >= 0:
        factors[0] = float_column(points.codes, add)
    factors[1] = points.scales[0]
    if scale >= 0:
        factors[1] *= float_column(points.codes, scale)
    return factors


def fastscan_tables_planes(points, queries):
    """Tables of the queries, with ``outer``, ``inner`` and no bound for an entry."""
    layout = [Plane(*plane) for plane in points.layout]
    numbers, outer = queries[:, : layout[0].size], queries[:, -1].copy()
    parts = [_plane_tables(plane, numbers) for plane in layout]
    entries = np.concatenate(parts, axis=1).reshape(len(queries), -1, 2, 16)
    return entries, outer, -points.middles[0] * numbers.sum(axis=1), np.inf


def _plane_tables(plane, numbers):
    """Products (n_queries, n_nibbles, 16) of the nibbles of a plane with queries."""
    n, D = numbers.shape
    per = NIBBLE // plane.bits  # fields of a nibble
    n_nibbles = 2 * plane_bytes(D, plane.bits)
    padded = np.zeros((n, n_nibbles * per), np.float32)
    padded[:, :D] = numbers
    shifts = plane.bits * np.arange(per)[:, None]
    fields = np.arange(16) >> shifts & ((1 << plane.bits) - 1)
    fields = (fields << plane.power).astype(np.float32)  # (per, 16)
    return np.einsum("nsp,pc->nsc", padded.reshape(n, n_nibbles, per), fields)
