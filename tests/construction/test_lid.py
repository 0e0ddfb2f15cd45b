"""Dimensions from distances, against the laws that these obey."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_jin.construction import lid as module


def neighbourhoods(n, m, k):
    """Ascending distances (n, k) from the middle of balls of ``m`` dimensions."""
    return np.sort(np.random.default_rng(0).random((n, k)) ** (1 / m), axis=1)


def test_the_unbiased_estimate_has_the_right_mean_and_variance():
    estimates = module.dimensions(*module.log_sums(neighbourhoods(20_000, 8, 20)))
    assert_allclose(estimates.mean(), 8, rtol=0.006)
    assert_allclose(estimates.std(), 8 / np.sqrt(17), rtol=0.04)


def test_the_maximum_of_likelihood_is_too_large():
    counts, sums = module.log_sums(neighbourhoods(20_000, 8, 20))
    estimates = module.dimensions(counts, sums, unbiased=False)
    assert_allclose(estimates.mean(), 8 * 19 / 18, rtol=0.006)


def test_pooling_has_next_to_no_bias():
    counts, sums = module.log_sums(neighbourhoods(20_000, 8, 20))
    for unbiased in (True, False):
        pooled = module.dimensions(*module.pool(counts, sums), unbiased)
        assert_allclose(pooled, 8, rtol=0.005)


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_intervals_of_rows_hold_the_dimension_as_often_as_they_say(confidence):
    laws = module.log_sums(neighbourhoods(20_000, 8, 20))
    low, high = module.gamma_intervals(*laws, confidence).T
    assert_allclose(((low < 8) & (8 < high)).mean(), confidence, atol=0.012)


def test_squared_distances_halve_the_dimension():
    distances = neighbourhoods(100, 8, 20)
    once = module.dimensions(*module.log_sums(distances))
    assert_allclose(module.dimensions(*module.log_sums(distances**2)), once / 2)


def test_the_pool_leaves_out_nan_and_counts_infinity():
    # counts 19 and 1 logarithm, a sum of 0 (equal distances), and a usual one
    counts, sums = np.array([1, 19, 19]), np.array([0.5, 0.0, 2.0])
    assert module.pool(counts, sums) == (38, 2)


def repeated(n, m, repetitions=4000):
    """Number and sums of the logarithms of ``n`` ratios in ``m`` dimensions."""
    ratios = np.random.default_rng(0).random((repetitions, n)) ** (-1 / m)
    return np.full(repetitions, n), np.log(ratios).sum(axis=1)


def test_the_estimate_of_two_neighbours_is_unbiased():
    found = module.dimensions(*repeated(20, 8))
    assert_allclose(found.mean(), 8, rtol=0.015)
    assert_allclose(found.mean() * 20 / 19, 8 * 20 / 19, rtol=0.015)
    assert_allclose(found.std(), 8 / np.sqrt(18), rtol=0.06)


def test_its_interval_holds_the_dimension_as_often_as_it_says():
    low, high = module.gamma_intervals(*repeated(20, 8), 0.95).T
    assert_allclose(((low < 8) & (8 < high)).mean(), 0.95, atol=0.012)


def test_the_line_goes_through_the_quantiles():
    n = 1000  # ratios where the distribution function is i / n exactly
    mu = (1 - np.arange(1, n) / n) ** (-1 / 6)
    for discard in (0, 0.1, 0.5):
        found = module.slope(np.log(np.append(mu, 1e9)), discard)
        assert_allclose(found, 6)


def test_ranks_are_those_before_the_largest_are_discarded():
    logs = np.sort(np.random.default_rng(0).exponential(1 / 6, 20_000))
    assert_allclose(module.slope(logs, 0.5), 6, rtol=0.03)
