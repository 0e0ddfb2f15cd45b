"""Small integers as bytes: fields that divide a byte, and planes of such fields.

A number of ``b`` bits lies on planes of 8, 4, 2 and 1 bits, lowest bits first:
6 bits are a plane of 4 and one of 2.  So every plane is fields that divide a
word, and a product with a query is a few shifts and multiplications.
"""

from typing import NamedTuple

import numpy as np

FLOAT = 4  # bytes


class Plane(NamedTuple):
    """Where a plane of a segment stands in a code and in a query."""

    bits: int  # of a field
    at: int  # first byte in the code
    words: int  # of 16 bits that hold the fields, in eights
    to: int  # where the query's integers for these fields start
    power: int  # of two that a field counts: numbers are sums of field << power
    segment: int
    start: int  # first number of the segment
    size: int  # numbers of the segment


def split_bits(bits):
    """Bits of the planes of a number of ``bits`` bits, those of the lowest first."""
    return [plane for plane in (8, 4, 2, 1) if bits & plane]


def plane_bytes(d, bits):
    """Bytes of ``d`` numbers of ``bits`` bits on their planes."""
    return sum(-(-d * plane // 8) for plane in split_bits(bits))


def plane_layout(segments):
    """The planes of segments, pairs (numbers, bits), which follow each other."""
    layout, at, to, start = [], 0, 0, 0
    for segment, (d, bits) in enumerate(segments):
        power = 0
        for plane in split_bits(bits):
            size = plane_bytes(d, plane)
            words = -(-size // 16) * 8
            layout.append(Plane(plane, at, words, to, power, segment, start, d))
            at, to, power = at + size, to + words * (16 // plane), power + plane
        start += d
    return layout


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


def float_column(codes, at):
    """The float32 whose bytes stand from ``at`` on in every row of ``codes``."""
    return np.ascontiguousarray(codes[:, at : at + FLOAT]).view(np.float32)[:, 0]
