"""Numbers of every type that rows keep are read as the float32 that they stand for."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin import _simd
from sklearn_jin._jit import kernel
from sklearn_jin._simd.numbers import half_float

EVERY = {
    "uint8": np.arange(256).astype(np.uint8),
    "int8": np.arange(-128, 128).astype(np.int8),
    "float16": np.arange(2**16).astype(np.uint16).view(np.float16),
    "float32": np.array([0, -0.0, 2.0**-149, -2.5, 3e38], np.float32),
}


def bits_of(name):
    """All finite numbers of a type, in columns of four as rows keep them."""
    numbers = EVERY[name]
    numbers = numbers[np.isfinite(numbers)]
    rows = np.zeros((len(numbers), 4), numbers.dtype)
    rows[:, 0] = numbers
    return rows.view(np.uint16) if name == "float16" else rows


@kernel
def read(rows, numbers):
    for i in range(len(rows)):
        numbers[i] = _simd.number(rows[i, 0])


@kernel
def load(rows, ones, numbers):
    for i in range(len(rows)):
        numbers[i] = _simd.dot(rows, i, ones, 0)


@kernel
def read_halves(bits, numbers):
    for i in range(len(bits)):
        numbers[i] = half_float(bits[i])


@pytest.mark.parametrize("name", EVERY)
def test_every_number_is_read_as_numpy_reads_it(name):
    rows = bits_of(name)
    expected = _simd.floats(rows)[:, 0]
    own = rows.view(np.float16) if name == "float16" else rows
    assert_array_equal(expected, own[:, 0].astype(np.float32))
    found = np.empty(len(rows))
    read(rows, found)
    assert_array_equal(found, expected.astype(np.float64))
    found, ones = np.empty(len(rows), np.float32), np.ones((1, 4), np.float32)
    load(rows, ones, found)
    assert_array_equal(found, expected)


def test_signs_of_halves_are_kept():
    bits = bits_of("float16")[:, 0].copy()
    found = np.empty(len(bits), np.float32)
    read_halves(bits, found)
    assert_array_equal(np.signbit(found), np.signbit(bits.view(np.float16)))


def test_float32_rows_are_no_copy():
    rows = np.ones((2, 4), np.float32)
    assert _simd.floats(rows) is rows
