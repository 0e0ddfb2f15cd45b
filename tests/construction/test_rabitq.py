"""RaBitQ codes: as near the row's direction as codes can be, and what follows."""

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin.construction.rabitq import ADD, ERR, SCALE, decode, encode


def middle(bits):
    return ((1 << bits) - 1) / 2


def cosines(rows, y):
    rows = rows.astype(np.float64)
    return (rows * y).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(y, axis=1)


def best_cosine(row, bits):
    """The largest of all steps at which a number of the code changes."""
    sizes, top = np.abs(row.astype(np.float64)), (1 << (bits - 1)) - 1
    steps = (np.arange(1, top + 1)[:, None] / sizes).ravel() * (1 + 1e-12)
    levels = np.minimum(np.floor(np.r_[0, steps][:, None] * sizes), top) + 0.5
    return cosines(sizes[None], levels).max()


@pytest.mark.parametrize("bits", range(1, 9))
def test_numbers_have_as_many_bits(bits):
    numbers, factors = encode(normal(20, 6), bits)
    assert numbers.dtype == np.uint8 and numbers.max() < 1 << bits
    assert factors.shape == (20, 3) and factors.dtype == np.float32


def test_one_bit_is_the_sign():
    rows = normal(20, 7)
    assert_array_equal(encode(rows, 1)[0], rows > 0)


@pytest.mark.parametrize("bits", range(1, 9))
def test_signs_are_those_of_the_row(bits):
    rows = normal(20, 6)
    assert_array_equal(encode(rows, bits)[0] > middle(bits), rows > 0)


@pytest.mark.jit
@pytest.mark.parametrize("bits, worse", [(2, 1e-3), (4, 2e-3), (6, 0.01), (8, 0.2)])
@pytest.mark.parametrize("d", [16, 64, 128])
def test_no_step_is_much_better(bits, worse, d):
    rows = normal(40, d)
    found = cosines(rows, encode(rows, bits)[0] - middle(bits))
    best = np.array([best_cosine(row, bits) for row in rows])
    assert (1 - found**2).mean() <= (1 + worse) * (1 - best**2).mean()


@pytest.mark.jit
def test_cosines_are_those_of_the_papers():
    rows = normal(2000, 128)
    for bits, cosine in zip((1, 2, 3, 4, 5, 6, 8), PUBLISHED):
        found = cosines(rows, encode(rows, bits)[0] - middle(bits)).mean()
        assert_allclose(found, cosine, atol=1e-3)
        if bits > 1:  # the error falls as 2**-bits
            assert 1.4 < np.sqrt(found**-2 - 1) * 2**bits < 1.75


PUBLISHED = (0.7987, 0.9404, 0.98216, 0.99499, 0.99864, 0.99965, 0.99998)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_factors_are_those_of_the_definition(bits):
    rows = 5 * normal(20, 10)
    numbers, factors = encode(rows, bits)
    y, r = numbers - middle(bits), rows.astype(np.float64)
    squares, products = (r**2).sum(1), (r * y).sum(1)
    tangent = squares * (y**2).sum(1) / products**2 - 1
    assert_allclose(factors[:, ADD], squares, rtol=1e-6)
    assert_allclose(factors[:, SCALE], -2 * squares / products, rtol=1e-6)
    expected = 2 * 1.9 * np.sqrt(squares * tangent / 9)
    assert_allclose(factors[:, ERR], expected, rtol=1e-5)


@pytest.mark.parametrize("bits", [1, 4])
def test_decoded_rows_err_by_the_sine_of_the_angle(bits):
    rows = normal(20, 10)
    numbers, factors = encode(rows, bits)
    error = ((rows - decode(numbers, bits, factors)) ** 2).sum(1)
    cosine = cosines(rows, numbers - middle(bits))
    assert_allclose(error, (rows**2).sum(1) * (1 - cosine**2), rtol=1e-4)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_row_of_zeros_has_no_factors(bits):
    numbers, factors = encode(np.zeros((2, 5), np.float32), bits)
    assert_array_equal(factors, np.zeros((2, 3)))
    assert_array_equal(decode(numbers, bits, factors), np.zeros((2, 5)))


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_one_number_is_exact(bits):
    rows = normal(20, 1)
    numbers, factors = encode(rows, bits)
    assert_allclose(decode(numbers, bits, factors), rows, rtol=1e-6)
    assert_allclose(factors[:, ERR], 0, atol=1e-6)


@pytest.mark.parametrize("size", [1e-15, 1e15])
def test_the_size_of_a_row_does_not_matter(size):
    rows = normal(20, 6)
    assert_array_equal(encode(rows * np.float32(size), 4)[0], encode(rows, 4)[0])
