"""Halves: float16 numbers, read by their bits."""

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import points
from sklearn_jin._jit import kernel
from sklearn_jin.points.half import half, half_float


def whole(record):
    """All rows as float32."""
    return points.rows_of(record, slice(None))


@kernel
def fill(bits, numbers):
    for i in range(len(bits)):
        numbers[i] = half_float(bits[i])


@kernel
def fill_exact(record, queries, scores):
    for q in range(len(queries)):
        for i in range(scores.shape[1]):
            scores[q, i] = points.exact(record, queries, q, i)


def exact_of(record, Q):
    scores = np.empty((len(Q), len(record.H)))
    fill_exact(record, Q, scores)
    return scores


def test_bits_are_read_as_numpy_reads_them():
    bits = np.arange(2**16).astype(np.uint16)
    expected = bits.view(np.float16).astype(np.float32)
    bits, expected = bits[np.isfinite(expected)], expected[np.isfinite(expected)]
    found = np.empty(len(bits), np.float32)
    fill(bits, found)
    assert_array_equal(found, expected)
    assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("d", [1, 3, 48, 100])
@pytest.mark.parametrize("size", [1, 1e-30, 1e30])
def test_rows_are_kept_to_11_bits_whatever_their_size(d, size):
    X = normal(20, d) * np.float32(size)
    back = whole(half(X))
    assert back.dtype == np.float32
    # Numbers far below the largest are denormal: as exact as these allow.
    assert_allclose(back, X, rtol=2**-11, atol=2**-38 * np.abs(X).max())


@pytest.mark.parametrize("size", [2.0**-149, 2.0**-130, 2.0**-126, 2.0**127])
def test_rows_at_the_ends_of_float32_are_kept(size):
    X = np.array([[1, -1], [0, 1]], np.float32) * np.float32(size)
    assert_array_equal(whole(half(X)), X)


def test_rows_of_zeros_are_rows():
    assert_array_equal(whole(half(np.zeros((3, 4), np.float32))), np.zeros((3, 4)))


@pytest.mark.parametrize("d", [1, 3, 48, 100])
@pytest.mark.parametrize("size", [1, 1e-9, 1e9])
def test_scores_are_those_of_the_rounded_rows(d, size):
    X, Q = (np.float32(size) * normal(n, d, n) for n in (20, 4))
    rounded, asked = whole(half(X)).astype(np.float64), Q.astype(np.float64)
    squares = ((asked[:, None] - rounded) ** 2).sum(axis=2)
    assert_allclose(exact_of(half(X), Q), squares, rtol=1e-9)
    products = asked @ rounded.T
    found = exact_of(half(X, "ip"), Q)
    assert_allclose(found, -products, rtol=1e-5, atol=1e-6 * np.abs(products).max())


@pytest.mark.parametrize("space", ["l2", "ip"])
def test_taken_points_are_of_the_same_kind(space):
    record, Q = half(normal(9, 5), space), normal(2, 5, 1)
    some = points.subset(record, np.array([7, 0]))
    assert type(some) is type(record) and not some.H.flags.writeable
    assert_array_equal(exact_of(some, Q), exact_of(record, Q)[:, [7, 0]])
