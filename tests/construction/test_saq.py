"""SAQ: bits go where the variance is, and adjusted codes are nearer."""

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin.construction.saq import (
    ERRORS,
    LEFT_OUT,
    block_width,
    budget_bytes,
    components,
    encode,
    plan,
    squared_cosines,
    turned,
    values,
)
from sklearn_jin.points.packing import plane_bytes


def cost(segments):
    return sum(plane_bytes(*segment) + 4 for segment in segments) - 4


def error(segments, variances):
    """What a plan minimises, by its definition."""
    total, start = 0.0, 0
    for d, bits in segments:
        part = variances[start : start + d]
        total, start = total + ERRORS[bits - 1] * part.sum() ** 2 / d, start + d
    return total + LEFT_OUT * (variances[start:] ** 2).sum()


def plans(ends, start=0):
    """Every way to cut blocks into segments of 1 to 8 bits and a rest of none."""
    yield []
    for stop in range(start + 1, len(ends)):
        for bits in range(1, 9):
            for rest in plans(ends, stop):
                yield [(ends[stop] - ends[start], bits), *rest]


# The plan


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("d", [8, 64, 128, 384])
def test_equal_variances_are_one_segment(bits, d):
    assert plan(np.ones(d), block_width(d), budget_bytes(d, bits)) == [(d, bits)]


def test_larger_variances_have_more_bits():
    (first, more), *rest = plan(np.repeat([9.0, 1.0], 64), 32, budget_bytes(128, 4))
    assert first == 64 and more > 4 > max(bits for _, bits in rest)


@pytest.mark.parametrize("n_bits", [0.25, 0.5, 1, 1.7, 2.5, 4, 6.3, 8])
@pytest.mark.parametrize("d", [9, 33, 100, 128])
@pytest.mark.parametrize("power", [0, 0.5, 1, 3])
def test_the_budget_is_kept(n_bits, d, power):
    variances = np.arange(1.0, d + 1) ** -power
    segments = plan(variances, block_width(d), budget_bytes(d, n_bits))
    if segments is None:
        assert plane_bytes(block_width(d), 1) > budget_bytes(d, n_bits)
    else:
        assert cost(segments) <= budget_bytes(d, n_bits)
        assert sum(width for width, _ in segments) <= d


@pytest.mark.parametrize("n_bits", [1, 2.5, 5])
def test_no_plan_is_better(n_bits):
    variances = np.array([9.0, 8, 3, 3, 1, 0.9, 0.1])
    budget = budget_bytes(7, n_bits) + 6
    segments = plan(variances, 3, budget)
    fit = [p for p in plans([0, 3, 6, 7]) if p and cost(p) <= budget]
    best = min(error(p, variances) for p in fit)
    # Another segment has to be worth 1 % of the error.
    assert best <= error(segments, variances) <= best / 0.99**2


def test_what_does_not_vary_has_no_bits():
    variances = np.r_[np.ones(32), np.zeros(96)]
    assert plan(variances, 32, budget_bytes(128, 1)) == [(32, 4)]


def test_too_few_bytes_are_no_plan():
    assert plan(np.ones(64), 64, 7) is None


@pytest.mark.parametrize("d, width", [(1, 8), (16, 8), (128, 32), (960, 64)])
def test_blocks_are_a_quarter_and_64_at_most(d, width):
    assert block_width(d) == width


# The axes


def test_components_are_ordered_orthogonal_and_uncorrelated():
    X = normal(500, 6) @ normal(6, 6, seed=1)
    axes, variances = components(X, X.mean(axis=0))
    turned_rows = (X - X.mean(axis=0)) @ axes
    assert (np.diff(variances) <= 0).all()
    assert_allclose(axes.T @ axes, np.eye(6), atol=1e-12)
    covariance = turned_rows.T @ turned_rows / 500
    assert_allclose(covariance, np.diag(variances), atol=1e-4)


def test_axes_are_turned_within_their_segments():
    axes = np.eye(7)
    matrix = turned(axes, [(3, 4), (2, 1)], np.random.RandomState(0))
    assert matrix.shape == (7, 5)
    assert_allclose(matrix.T @ matrix, np.eye(5), atol=1e-12)
    assert not matrix[3:, :3].any() and not matrix[:3, 3:].any()


# The code


def cosines(rows, segments, n_rounds):
    y = values(encode(rows, segments, n_rounds)[0], segments)
    rows = rows.astype(np.float64)
    return (rows * y).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(y, axis=1)


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_round_comes_nearer(bits):
    rows = normal(30, 12)
    found = [cosines(rows, [(12, bits)], n) for n in (0, 1, 2, 6)]
    assert (np.diff(found, axis=0) >= -1e-12).all()
    assert bits == 1 or bits == 8 or (found[-1] > found[0]).any()


def test_one_bit_is_the_sign():
    rows = normal(30, 12)
    assert_array_equal(encode(rows, [(12, 1)], 6)[0], rows >= 0)


def test_adjusted_codes_cannot_be_bettered_by_one_move():
    rows, bits = normal(10, 5), 3
    numbers = encode(rows, [(5, bits)], 50)[0].astype(int)
    y = numbers - 3.5
    best = (rows * y).sum(1) ** 2 / (y**2).sum(1)
    for j in range(5):
        for s in (-1, 1):
            moved = y.copy()
            moved[:, j] += s
            inside = np.abs(moved[:, j]) < 4
            found = (rows * moved).sum(1) ** 2 / (moved**2).sum(1)
            assert (found <= best * (1 + 1e-6))[inside].all()


@pytest.mark.jit
def test_cosines_are_those_of_the_paper():
    rows = normal(1000, 128)
    for bits, plain, adjusted in PUBLISHED:
        segments = [(128, bits)]
        assert_allclose(cosines(rows, segments, 0).mean(), plain, atol=3e-3)
        assert_allclose(cosines(rows, segments, 6).mean(), adjusted, atol=1e-3)


PUBLISHED = [
    (2, 0.9185, 0.9403),
    (3, 0.9778, 0.98175),
    (4, 0.99431, 0.99476),
    (5, 0.99855, 0.9986),
    (6, 0.99964, 0.99965),
    (8, 0.99998, 0.99998),
]


def test_scales_are_those_of_the_definition():
    rows, segments = normal(20, 12), [(8, 3), (4, 1)]
    numbers, scales = encode(rows, segments, 6)
    y = values(numbers, segments)
    for s, part in enumerate([slice(0, 8), slice(8, 12)]):
        r = rows[:, part].astype(np.float64)
        expected = -2 * (r**2).sum(1) / (r * y[:, part]).sum(1)
        assert_allclose(scales[:, s], expected, rtol=1e-6)


def test_segments_of_zeros_have_no_scale():
    rows = np.hstack([normal(5, 8), np.zeros((5, 4), np.float32)])
    numbers, scales = encode(rows, [(8, 3), (4, 2)], 6)
    assert (scales[:, 0] < 0).all() and not scales[:, 1].any()
    assert squared_cosines(rows, numbers, scales, [(8, 3), (4, 2)])[1] == 1


def test_squared_cosines_are_means_over_the_rows():
    rows, segments = normal(50, 12), [(12, 2)]
    numbers, scales = encode(rows, segments, 6)
    found = squared_cosines(rows, numbers, scales, segments)
    assert_allclose(found, (cosines(rows, segments, 6) ** 2).mean(), rtol=1e-5)
