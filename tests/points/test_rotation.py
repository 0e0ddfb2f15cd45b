"""Rotations are rotations, and a row's does not depend on its batch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin.points.rotation import (
    draw_signs,
    multiply,
    rotate,
    rotation_matrix,
    turned_width,
)

WIDTHS = [1, 2, 4, 6, 100, 128, 300]


def signs_of(D, seed=0):
    return draw_signs(D, np.random.RandomState(seed))


@pytest.mark.parametrize(
    "D", WIDTHS[:4] + [pytest.param(D, marks=pytest.mark.jit) for D in WIDTHS[4:]]
)
def test_the_matrix_is_orthogonal(D):
    R = rotation_matrix(signs_of(D)).astype(np.float64)
    assert_allclose(R @ R.T, np.eye(D), atol=2e-6)


@pytest.mark.parametrize("D", [1, 2, 6, 20])
def test_rows_are_turned_by_the_matrix(D):
    rows = np.random.default_rng(0).standard_normal((70, D)).astype(np.float32)
    expected = rows.astype(np.float64) @ rotation_matrix(signs_of(D))
    assert_allclose(rotate(rows, signs_of(D)), expected, atol=1e-5)


@pytest.mark.parametrize("D", [1, 2, 6, 20])
def test_the_batch_changes_nothing(D):
    rows = np.random.default_rng(0).standard_normal((70, D)).astype(np.float32)
    for turn, by in [(rotate, signs_of(D)), (multiply, rotation_matrix(signs_of(D)))]:
        whole = turn(rows, by)
        for n in (1, 7):
            assert_array_equal(turn(rows[:n], by), whole[:n])
            assert_array_equal(turn(rows[50 : 50 + n], by), whole[50 : 50 + n])


@pytest.mark.jit
@pytest.mark.parametrize("D", [96, 100, 128])
def test_a_unit_vector_is_spread_over_all_numbers(D):
    """As of a random direction, whose numbers are 1 / sqrt(D) on average."""
    R = np.concatenate([rotation_matrix(signs_of(D, seed)) for seed in range(5)])
    assert_allclose((R**4).mean() * D**2, 3, atol=0.3)
    assert np.abs(R).max() < 7 / np.sqrt(D)


def test_other_signs_are_another_rotation():
    assert (rotation_matrix(signs_of(6)) != rotation_matrix(signs_of(6, 1))).any()


@pytest.mark.parametrize("d, D", [(1, 1), (2, 2), (3, 4), (100, 100), (101, 102)])
def test_turned_rows_are_even(d, D):
    assert turned_width(d) == D


def test_products_of_many_rows_are_made_in_parts():
    rows = np.random.default_rng(0).random((5000, 3), dtype=np.float32)
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert_allclose(multiply(rows, matrix), rows @ matrix, rtol=1e-6)
