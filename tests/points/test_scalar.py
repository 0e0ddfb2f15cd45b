"""Codes on one grid: scores are squared distances to the levels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scored import scores_of

from sklearn_jin import points
from sklearn_jin.points.packing import pack_planes
from sklearn_jin.points.scalar import REACH, scalar

WIDTHS = [1, 3, 47, 48, 100, 128]
LOW, STEP = np.float32(-1.5), np.float32(0.25)


def record(n, d, bits, seed=0):
    """Rows on the grid, and the record of their codes."""
    levels = np.random.default_rng(seed).integers(0, 1 << bits, (n, d), np.uint8)
    low = np.full(d, LOW)
    return LOW + STEP * levels, scalar(pack_planes(levels, bits), bits, low, STEP)


def squared(X, Q):
    return ((np.asarray(Q, np.float64)[:, None] - X) ** 2).sum(axis=2)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("d", WIDTHS)
def test_queries_on_the_grid_are_scored_exactly(bits, d):
    X, rows = record(9, d, bits)
    Q = record(4, d, bits, seed=1)[0]
    scores, exact = scores_of(rows, Q)
    assert_allclose(scores, squared(X, Q), rtol=1e-6)
    assert_allclose(exact, squared(X, Q), rtol=1e-12)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("d", WIDTHS)
def test_queries_off_the_grid_are_rounded_to_a_level(bits, d):
    X, rows = record(9, d, bits)
    Q = np.random.default_rng(0).normal(5, 20, (4, d)).astype(np.float32)
    scores, exact = scores_of(rows, Q)
    level = STEP if bits == 8 else STEP / 16  # those of 4 bits are 16 apart
    rounded = LOW + level * np.clip(np.rint((Q - LOW) / level), -REACH, 255 + REACH)
    assert_allclose(scores, squared(X, rounded), rtol=1e-5)
    assert_allclose(exact, squared(X, Q), rtol=1e-6)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("far", [1e6, -1e30, 3e38])
def test_queries_far_off_the_grid_have_finite_scores(bits, far):
    X, rows = record(9, 128, bits)
    scores, _ = scores_of(rows, np.full((1, 128), far))
    level = STEP if bits == 8 else STEP / 16
    end = LOW + level * (255 + REACH if far > 0 else -REACH)
    assert_allclose(scores, squared(X, np.full((1, 128), end)), rtol=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
def test_padded_queries_are_asked_alike(bits):
    _, rows = record(9, 20, bits)
    Q = np.random.default_rng(0).standard_normal((3, 20)).astype(np.float32)
    padded = np.pad(Q, ((0, 0), (0, 12)), constant_values=9)
    assert_array_equal(points.encode_queries(rows, padded), Q)


@pytest.mark.parametrize("bits", [4, 8])
def test_taken_points_are_of_the_same_kind(bits):
    X, rows = record(9, 20, bits)
    some = points.subset(rows, np.array([7, 0]))
    assert type(some) is type(rows) and not some.codes.flags.writeable
    assert_array_equal(scores_of(some, X)[0], scores_of(rows, X)[0][:, [7, 0]])
