"""Shares, scores and bits of 64 codes at once are those of one code at a time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import _simd
from sklearn_jin._jit import kernel


@kernel
def add_share(sums, row, adds, b, share):
    _simd.add_share(sums, row, adds, b, share)


@pytest.mark.parametrize("share", [0, 1, 700, 65535])
def test_a_share_of_numbers_is_added_to_one_row_of_sums(share):
    rng = np.random.default_rng(share)
    sums, adds = rng.integers(0, 30000, (2, 3, 64)).astype(np.uint16)
    adds[1, :2] = 0, 32767  # as large as they may be
    wanted = sums.copy()
    wanted[2] += (adds[1].astype(np.int64) * share // 65536).astype(np.uint16)
    add_share(sums, 2, adds, 1, np.uint16(share))
    assert_array_equal(sums, wanted)


@kernel
def factored(sums, row, factors, b, offset, inner, unit, bound, scores):
    return _simd.factored(sums, row, factors, b, offset, inner, unit, bound, scores)


@pytest.mark.parametrize("bound", [-1, 0, 40, np.inf, np.nan])
def test_scores_of_codes_with_factors_are_compared_with_a_bound(bound):
    rng = np.random.default_rng(0)
    sums = rng.integers(0, 65536, (2, 64)).astype(np.uint16)
    factors = rng.standard_normal((2, 3, 64)).astype(np.float32)
    factors[0, 2, :4] = np.inf, -np.inf, np.nan, -1e6
    scores = np.empty(64, np.float32)
    offset, inner, unit, bound = np.float32([10, -30, 1e-3, bound])
    bits = factored(sums, 1, factors, 2, offset, inner, unit, bound, scores)
    near = -30 + 1e-3 * sums[1].astype(np.float64)
    exact = 10 + factors[0, 2] + factors[1, 2] * near
    assert_allclose(scores, np.maximum(exact, 0), rtol=1e-5, atol=1e-4)
    wanted = [not score > bound for score in scores]
    assert [bool(int(bits) >> j & 1) for j in range(64)] == wanted
    assert np.isnan(scores[2]) and scores[1] == scores[3] == 0
