"""Fields and planes: what is packed comes out, and planes do not overlap."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin.points.packing import (
    FLOAT,
    float_column,
    pack,
    pack_planes,
    plane_bytes,
    plane_layout,
    split_bits,
    unpack,
    unpack_planes,
)


@pytest.mark.parametrize("bits", range(1, 9))
def test_bits_are_powers_of_two_that_add_up(bits):
    assert sum(split_bits(bits)) == bits
    assert {*split_bits(bits)} <= {8, 4, 2, 1}


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 40])
def test_packed_numbers_come_out(bits, d):
    numbers = np.random.default_rng(d).integers(0, 1 << bits, (5, d), np.uint8)
    packed = pack_planes(numbers, bits)
    assert packed.shape == (5, plane_bytes(d, bits))
    assert_array_equal(unpack_planes(packed, bits, d), numbers)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 40])
def test_packed_fields_come_out(bits, d):
    fields = np.random.default_rng(d).integers(0, 1 << bits, (5, d), np.uint8)
    packed = pack(fields, bits)
    assert packed.shape == (5, -(-d * bits // 8))
    assert_array_equal(unpack(packed, bits, d), fields)


@pytest.mark.parametrize("bits", range(1, 9))
def test_planes_follow_each_other_in_codes_and_queries(bits):
    at = to = 0
    for plane in plane_layout([(33, bits), (8, 5)]):
        assert (plane.at, plane.to) == (at, to)
        assert 2 * plane.words >= plane_bytes(plane.size, plane.bits)
        assert plane.words % 8 == 0
        at += plane_bytes(plane.size, plane.bits)
        to += plane.words * (16 // plane.bits)
    assert at == plane_bytes(33, bits) + plane_bytes(8, 5)


def test_floats_of_a_column_are_those_of_the_rows():
    floats = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    codes = np.hstack([np.full((5, 3), 255, np.uint8), floats.view(np.uint8)])
    for column in range(3):
        assert_array_equal(float_column(codes, 3 + FLOAT * column), floats[:, column])
