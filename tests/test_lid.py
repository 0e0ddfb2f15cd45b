"""Intrinsic dimension, hubness and difficulty, against what theory says of them."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    LocalIntrinsicDimensionality,
    TwoNN,
    describe_difficulty,
    hubness,
    k_occurrence,
    relative_contrast,
)
from sklearn_jin import lid as module

ESTIMATORS = [LocalIntrinsicDimensionality, TwoNN]
POWERS = [-70, -3, 1, 60]


def normal(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def sphere(n, m, d):
    """Rows on a sphere of ``m`` dimensions, turned into a space of ``d``."""
    X = normal(n, m + 1)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    turn, _ = np.linalg.qr(normal(d, d, seed=1))
    return X @ turn[: m + 1]


def neighbourhoods(n, m, k):
    """Ascending distances (n, k) from the middle of balls of ``m`` dimensions."""
    return np.sort(np.random.default_rng(0).random((n, k)) ** (1 / m), axis=1)


def line(*numbers):
    return np.array(numbers, dtype=float)[:, None]


def lid_of(X, n_neighbors=20, **params):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_neighbors=")
        return LocalIntrinsicDimensionality(n_neighbors, **params).fit(X)


# What scikit-learn promises.


@parametrize_with_checks([c() for c in ESTIMATORS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:n_neighbors=")
@pytest.mark.parametrize("c", ESTIMATORS)
def test_checks_of_scikit_learn_for_itself(c):
    checks.check_param_validation(c.__name__, c())
    checks.check_dataframe_column_names_consistency(c.__name__, c())


@pytest.mark.parametrize("c", ESTIMATORS)
def test_parameters_are_kept_and_copied(c):
    index = HNSWNeighbors(M=7)
    estimator = clone(c(index=index).set_params(confidence=0.5, index__M=9))
    assert estimator.get_params()["index__M"] == 9
    assert estimator.get_params()["confidence"] == 0.5
    assert index.M == 9 and estimator.index is not index


@pytest.mark.parametrize("c", ESTIMATORS)
def test_fitting_leaves_the_index_and_the_rows_alone(c):
    X = normal(60, 3)
    before, index = X.copy(), FlatNeighbors()
    c(index=index).fit(X)
    assert_array_equal(X, before)
    assert not hasattr(index, "points_")


# Maximum likelihood: the law of the sum.


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


def test_a_row_by_hand():
    lid = lid_of(line(0, 1, 2, 4), 3)
    assert_allclose(lid.lid_[0], (3 - 2) / (np.log(4 / 1) + np.log(4 / 2)))
    plain = lid_of(line(0, 1, 2, 4), 3, unbiased=False)
    assert_allclose(plain.lid_, 2 * lid.lid_)


def test_the_global_dimension_is_the_harmonic_mean_of_likelihood():
    lid = lid_of(normal(50, 4), 10, unbiased=False)
    assert_allclose(lid.dimension_, 1 / np.mean(1 / lid.lid_))
    assert lid.aggregate() == lid.dimension_


def test_intervals_hold_the_estimates():
    lid = lid_of(normal(50, 4), 10, confidence=0.8)
    wide = lid_of(normal(50, 4), 10, confidence=0.9)
    for narrow, wider, value in [
        (lid.intervals_.T, wide.intervals_.T, lid.lid_),
        (lid.confidence_interval_, wide.confidence_interval_, lid.dimension_),
    ]:
        assert np.all(wider[0] < narrow[0]) and np.all(narrow[0] < value)
        assert np.all(value < narrow[1]) and np.all(narrow[1] < wider[1])


# Known dimensions.


@pytest.mark.jit
@pytest.mark.parametrize("m, error", [(2, 0.05), (5, 0.08), (10, 0.2)])
def test_spheres_have_their_dimension(m, error):
    # A ball of many dimensions with few rows in it is as large as the sphere, of
    # which it sees the end: the estimate is too low, and never too high.
    lid = lid_of(sphere(2000, m, 20))
    assert m * (1 - error) < lid.dimension_ < m * 1.03
    assert abs(np.median(lid.lid_) / lid.dimension_ - 1) < 0.1


@pytest.mark.jit
@pytest.mark.parametrize("method", ["mle", "fit"])
@pytest.mark.parametrize("m, error", [(2, 0.08), (5, 0.08), (10, 0.12)])
def test_two_neighbours_tell_the_dimension_of_spheres(m, error, method):
    two = TwoNN(method=method).fit(sphere(2000, m, 20))
    assert_allclose(two.dimension_, m, rtol=error)


@pytest.mark.parametrize("c", ESTIMATORS)
def test_a_line_has_one_dimension_in_any_space(c):
    X = np.random.default_rng(0).random((100, 1)) * np.arange(1.0, 31.0)
    assert 0.8 < c().fit(X).dimension_ < 1.25


@pytest.mark.jit
@pytest.mark.parametrize("c", [LocalIntrinsicDimensionality, TwoNN])
def test_global_intervals_hold_the_dimension_as_often_as_they_say(c):
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        # A ring has no ends and one dimension, at any scale far below its radius.
        angles = 2 * np.pi * rng.random(400)
        X = np.column_stack([np.cos(angles), np.sin(angles)])
        low, high = c(n_jobs=1).fit(X).confidence_interval_
        held += low < 1 < high
    assert 0.92 < held / 200 < 1  # 0.86 and 0.88 if taken for independent


# Nothing but ratios counts.


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize(
    "index", [None, HNSWNeighbors(exact_threshold=0, random_state=0)]
)
def test_scaling_by_a_power_of_two_changes_no_digit(power, index):
    X = normal(80, 5) + 3
    a, b = (lid_of(rows, index=index) for rows in (X, X * 2.0**power))
    for name in ("lid_", "intervals_", "dimension_", "confidence_interval_"):
        assert_array_equal(getattr(a, name), getattr(b, name))
    assert_array_equal(a.outlier_scores(), b.outlier_scores())
    assert_array_equal(a.score_samples(X[:9]), b.score_samples(X[:9] * 2.0**power))


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("method", ["mle", "fit"])
def test_two_neighbours_do_not_know_the_scale(power, method):
    X = normal(80, 5) + 3
    a, b = (TwoNN(method=method).fit(rows) for rows in (X, X * 2.0**power))
    assert_array_equal(a.mu_, b.mu_)
    assert a.dimension_ == b.dimension_


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contrast_and_report_do_not_know_the_scale(power, dtype):
    X = normal(80, 5).astype(dtype)
    scaled = X * dtype(2.0**power)
    assert relative_contrast(X, random_state=0) == relative_contrast(
        scaled, random_state=0
    )
    a, b = (describe_difficulty(rows, random_state=0) for rows in (X, scaled))
    assert a == b


def test_numbers_whose_squares_vanish_are_compared_all_the_same():
    X = normal(80, 5)
    a, b = (describe_difficulty(rows, random_state=0) for rows in (X, X * 2.0**-600))
    assert_allclose(b.contrast, a.contrast, rtol=1e-5)
    assert_allclose(b.norm_spread, a.norm_spread)
    assert_allclose(b.lid, a.lid, rtol=1e-5)


# Duplicates, ties, few rows.


def test_duplicates_of_a_row_are_left_out():
    X = line(0, 0, 1, 2, 4)
    lid = lid_of(X, 4)
    assert_allclose(lid.lid_[0], (3 - 2) / np.log(8))
    assert lid.lid_[0] == lid.lid_[1]


def test_rows_without_three_other_places_have_no_dimension():
    lid = lid_of(line(0, 0, 0, 1, 2), 4)
    assert_array_equal(np.isnan(lid.lid_), [True, True, True, False, False])
    assert_array_equal(np.isnan(lid.intervals_).any(axis=1), np.isnan(lid.lid_))
    alone = lid_of(line(0, 0, 0, 1, 2)[3:].repeat(3, axis=0), 4)
    assert np.isnan(alone.dimension_) and np.isnan(alone.confidence_interval_).all()


def test_equal_distances_are_of_infinite_dimension():
    lid = lid_of(np.eye(6), 5)
    assert np.isinf(lid.lid_).all() and np.isinf(lid.dimension_)
    assert np.isinf(lid.intervals_).all()


def test_some_equal_distances_are_nothing_special():
    lid = lid_of(line(0, 1, -1, 2), 3)
    assert_allclose(lid.lid_[0], 1 / np.log(4))


def test_one_row_is_refused():
    for c in ESTIMATORS:
        with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
            c().fit([[1.0, 2.0]])
    for function in (relative_contrast, describe_difficulty):
        with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
            function([[1.0, 2.0]])


@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_rows_have_no_local_dimension(n):
    lid = lid_of(line(*range(n)) ** 2)
    assert lid.lid_.shape == (n,) and np.isnan(lid.lid_).all()
    assert np.isnan([lid.dimension_, *lid.confidence_interval_]).all()
    assert np.isnan([lid.aggregate(how) for how in ("mean", "median")]).all()
    assert np.isnan(lid.outlier_scores()).all()


def test_fewer_rows_than_neighbours_are_warned_of():
    with pytest.warns(UserWarning, match="n_neighbors=20 is not below n_samples=9"):
        lid = LocalIntrinsicDimensionality().fit(normal(9, 2))
    assert lid.n_neighbors_ == 8
    assert_array_equal(lid.lid_, lid_of(normal(9, 2), 8).lid_)


# Policies.


def mixed():
    """A fit whose dimensions are NaN, infinite and finite."""
    lid = lid_of(normal(40, 3), 8)
    lid.lid_[:5], lid.lid_[5:9] = np.nan, np.inf
    return lid


def test_the_mean_leaves_out_nan_and_infinity():
    lid = mixed()
    assert_allclose(lid.aggregate("mean"), lid.lid_[9:].mean())


def test_the_median_leaves_out_nan_and_counts_infinity():
    lid = mixed()
    assert_allclose(lid.aggregate("median"), np.median(lid.lid_[5:]))
    lid.lid_[9:] = np.inf
    assert lid.aggregate("median") == np.inf
    assert np.isnan(lid.aggregate("mean"))


def test_the_pool_leaves_out_nan_and_counts_infinity():
    # counts 19 and 1 logarithm, a sum of 0 (equal distances), and a usual one
    counts, sums = np.array([1, 19, 19]), np.array([0.5, 0.0, 2.0])
    assert module.pool(counts, sums) == (38, 2)


def test_means_are_ordered():
    lid = lid_of(normal(60, 4), 10, unbiased=False)
    assert lid.aggregate() <= lid.aggregate("mean")
    assert lid.lid_.min() <= lid.aggregate("median") <= lid.lid_.max()


def test_an_unknown_mean_is_refused():
    with pytest.raises(ValueError, match=r"how='mode' must be .*'harmonic'"):
        lid_of(normal(30, 2)).aggregate("mode")


# New rows and outliers.


def test_a_copy_of_a_fitted_row_is_left_out_by_new_rows():
    X = normal(40, 3)
    assert_allclose(lid_of(X, 9).score_samples(X), lid_of(X, 8).lid_)


def test_new_rows_are_seen_from_the_fitted_ones():
    X, q = normal(40, 3), normal(1, 3, seed=1)
    distances = np.sort(np.linalg.norm(X - q, axis=1))[:10]
    expected = 8 / np.log(distances[-1] / distances[:-1]).sum()
    assert_allclose(lid_of(X, 10).score_samples(q), [expected], rtol=1e-5)


def test_rows_off_a_plane_are_outlying():
    X = np.zeros((103, 6))
    X[:100, :2] = np.random.default_rng(0).random((100, 2))
    X[100:, :2], X[100:, 3:] = 0.5, 0.5 * np.eye(3)
    scores = lid_of(X, 15).outlier_scores()
    assert_array_equal(np.sort(np.argsort(scores)[-3:]), [100, 101, 102])
    assert 0.7 < np.median(scores) < 1.4
    assert lid_of(X[:100], 15).outlier_scores(X[100:]).min() > 1.5


def test_an_outlier_score_is_a_ratio_to_the_neighbours():
    X = normal(30, 3)
    lid = lid_of(X, 6)
    ids = lid.index_.kneighbors(n_neighbors=6, return_distance=False)
    theirs = 1 / (1 / lid.lid_[ids]).mean(axis=1)
    assert_allclose(lid.outlier_scores(), lid.lid_ / theirs)


def test_unknown_neighbours_are_left_out_of_outlier_scores():
    lid = mixed()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = lid.outlier_scores()
    assert np.isnan(scores[:5]).all() and np.isfinite(scores[9:]).all()


@pytest.mark.parametrize("method", ["score_samples", "outlier_scores"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(LocalIntrinsicDimensionality(), method)(normal(5, 2))


def test_new_rows_must_be_given_to_score_samples():
    with pytest.raises(ValueError, match="Expected 2D array"):
        lid_of(normal(30, 2)).score_samples(None)


# Two neighbours.


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


def test_two_neighbours_by_hand():
    two = TwoNN().fit(line(0, 1, 3))
    assert_allclose(two.mu_, [3, 2, 1.5])
    assert_allclose(two.dimension_, 2 / np.log(9))


def test_duplicates_count_once_for_two_neighbours():
    X = line(0, 1, 3)
    two = TwoNN().fit(X.repeat(3, axis=0))
    assert_allclose(two.mu_, TwoNN().fit(X).mu_.repeat(3))


def test_many_duplicates_are_passed_by():
    X = normal(8, 3).repeat(7, axis=0)  # the two nearest are behind the first 4
    assert_allclose(TwoNN().fit(X).mu_, TwoNN().fit(X[::7]).mu_.repeat(7))


def test_rows_without_two_distances_are_left_out():
    two = TwoNN().fit(np.vstack([np.zeros((70, 1)), line(1, 3, 7)]))
    assert np.isnan(two.mu_[:70]).all() and np.isnan(two.mu_[70])
    assert_allclose(two.mu_[71:], [3 / 2, 6 / 4])
    assert_allclose(two.dimension_, 1 / (2 * np.log(1.5)))


@pytest.mark.parametrize("X", [np.zeros((5, 2)), np.eye(2), np.eye(4)])
@pytest.mark.parametrize("method", ["mle", "fit"])
def test_where_no_row_has_two_distances_the_dimension_is_unknown(X, method):
    two = TwoNN(method=method).fit(X)
    assert np.isnan([two.dimension_, *two.confidence_interval_, *two.mu_]).all()


# Indexes.


@pytest.mark.jit
@pytest.mark.parametrize("c", ESTIMATORS)
def test_an_approximate_index_tells_nearly_the_same(c):
    X = normal(3000, 8)
    index = HNSWNeighbors(random_state=0, n_jobs=1)
    exact, found = c().fit(X), c(index=index).fit(X)
    assert_allclose(found.dimension_, exact.dimension_, rtol=0.01)


@pytest.mark.parametrize("c", ESTIMATORS)
@pytest.mark.parametrize("metric", ["euclidean", "l2", "minkowski"])
def test_every_name_of_the_euclidean_metric_will_do(c, metric):
    X, index = normal(50, 3), FlatNeighbors(metric=metric)
    assert c(index=index).fit(X).dimension_ == c().fit(X).dimension_


OTHERS = {"sqeuclidean": 2, "cosine": 2, "inner_product": 2, "manhattan": 2}


@pytest.mark.parametrize("metric, p", [*OTHERS.items(), ("minkowski", 1)])
def test_other_metrics_are_refused_by_name(metric, p):
    X, index = normal(30, 3), HNSWNeighbors(metric=metric, p=p)
    name = "manhattan" if p == 1 else metric
    for use in (
        LocalIntrinsicDimensionality(index=index).fit,
        TwoNN(index=index).fit,
        lambda X: relative_contrast(X, index=index),
        lambda X: describe_difficulty(X, index=index),
    ):
        with pytest.raises(ValueError, match=f"'{name}'.*use metric='euclidean'"):
            use(X)


def test_estimated_distances_are_refused():
    index = FlatNeighbors(quantizer="auto", store_vectors=False)
    with pytest.raises(ValueError, match=r"store_vectors=False.*store_vectors=True"):
        lid_of(normal(30, 3), index=index)


def test_n_jobs_is_passed_on_where_it_is_given():
    index = FlatNeighbors(n_jobs=1)
    assert lid_of(normal(30, 2), index=index).index_.n_jobs == 1
    assert lid_of(normal(30, 2), index=index, n_jobs=2).index_.n_jobs == 2


# Hubness.


def test_occurrences_are_counted():
    assert_array_equal(k_occurrence([[1, 2], [2, 0], [1, 0]]), [2, 2, 2])
    assert_array_equal(k_occurrence([[4], [4]], 6), [0, 0, 0, 0, 2, 0])


def test_the_mean_occurrence_is_the_number_of_neighbours():
    found = hubness(FlatNeighbors().fit(normal(70, 6)), n_neighbors=7)
    assert found.counts.mean() == 7 and found.counts.dtype == np.int64


@pytest.mark.parametrize(
    "ids, n, error, words",
    [
        ([[0.5]], None, TypeError, "must be integers"),
        ([[3]], None, ValueError, "ids holds 3.*n - 1 = 0"),
        ([[-1]], 4, ValueError, "ids holds -1"),
        ([0, 1], None, ValueError, "1D array"),
        ([[0]], 0, ValueError, "'n' parameter"),
    ],
)
def test_what_are_no_neighbours_is_refused(ids, n, error, words):
    with pytest.raises(error, match=words):
        k_occurrence(ids, n)


def test_hubness_by_hand():
    ids = np.array([[1], [0], [0], [0], [0], [0], [0], [0]])
    found = hubness(ids)
    assert_array_equal(found.counts, [7, 1, 0, 0, 0, 0, 0, 0])
    assert found.antihub_share == 6 / 8 and found.hub_share == 1 / 8
    assert_array_equal(found.hubs, [0])
    pairs = np.abs(found.counts[:, None] - found.counts).sum()
    assert_allclose(found.gini, pairs / (2 * 8 * found.counts.sum()))
    z = (found.counts - 1) / found.counts.std()
    assert_allclose(found.skewness, (z**3).mean())


def test_hubs_are_named_by_their_count():
    ids = np.repeat([5, 9, 5, 9, 9], [9, 9, 3, 3, 3])[:, None]
    assert_array_equal(hubness(ids, 100).hubs, [9, 5])


def test_where_all_are_alike_there_is_no_hubness():
    found = hubness([[1], [2], [0]])
    assert found.skewness == found.gini == found.antihub_share == 0
    assert len(found.hubs) == 0


def test_an_index_and_its_neighbours_have_the_same_hubness():
    index = FlatNeighbors(metric="cosine").fit(normal(50, 5))
    ids = index.kneighbors(n_neighbors=4, return_distance=False)
    assert_array_equal(hubness(index, n_neighbors=4).counts, hubness(ids).counts)


def test_what_has_no_neighbours_has_no_hubness():
    with pytest.raises(TypeError, match=r"TwoNN.*has no kneighbors"):
        hubness(TwoNN())
    with pytest.raises(NotFittedError):
        hubness(FlatNeighbors())


@pytest.mark.jit
@pytest.mark.parametrize(
    "d, skewness, antihubs", [(3, -0.28, 0.001), (20, 2.25, 0.05), (50, 6.2, 0.15)]
)
def test_hubness_of_normal_rows_grows_with_their_dimension(d, skewness, antihubs):
    found = hubness(FlatNeighbors().fit(normal(4000, d)), n_neighbors=10)
    assert_allclose(found.skewness, skewness, rtol=0.25, atol=0.15)
    assert_allclose(found.antihub_share, antihubs, atol=0.05)


# Relative contrast.


def test_contrast_by_hand():
    assert_allclose(relative_contrast(line(0, 1, 5)), (10 / 3) / (6 / 3))


def test_contrast_falls_with_the_dimension():
    low, middle, high = (relative_contrast(normal(300, d)) for d in (2, 10, 100))
    assert low > 2 * middle > 2 * high > 2


def test_a_duplicate_is_not_the_nearest():
    X = normal(40, 4)
    twice = X.repeat(2, axis=0)
    pairs = 80 * 79 / (80 * 78)  # of equal rows are among all pairs
    assert_allclose(relative_contrast(twice) * pairs, relative_contrast(X), rtol=1e-6)
    assert np.isnan(relative_contrast(np.ones((5, 2))))


def test_contrast_of_some_rows_depends_on_the_seed_alone():
    X = normal(300, 5)
    some = [relative_contrast(X, n_samples=40, random_state=s) for s in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    assert_allclose(some, relative_contrast(X), rtol=0.2)


# The report.


def test_a_report_agrees_with_its_parts():
    X = normal(90, 4)
    report = describe_difficulty(X, random_state=0)
    lid = lid_of(X, 10)
    assert (report.n_samples, report.n_features, report.n_sampled) == (90, 4, 90)
    assert_allclose(report.lid, lid.dimension_)
    quantiles = np.quantile(lid.lid_, [0.1, 0.5, 0.9], method="lower")
    assert_allclose(report.lid_quantiles, quantiles)
    assert_allclose(report.two_nn, TwoNN().fit(X).dimension_)
    assert_allclose(report.contrast, relative_contrast(X))
    found = hubness(FlatNeighbors().fit(X), n_neighbors=10)
    assert_allclose(report.skewness, found.skewness)
    assert report.antihub_share == found.antihub_share
    lengths = np.linalg.norm(X, axis=1)
    assert_allclose(report.norm_spread, lengths.std() / lengths.mean())
    assert report.duplicate_share == 0


def test_a_report_depends_on_the_seed_alone():
    X = normal(300, 5)
    a, b, c = (describe_difficulty(X, 10, 50, random_state=s) for s in (0, 0, 1))
    assert a == b != c and a.n_sampled == 50


def test_a_report_counts_duplicates():
    X = normal(60, 4)
    X[:20] = X[40]
    report = describe_difficulty(X)
    assert report.duplicate_share == 21 / 60
    assert any("35.0% of the rows" in reason for reason in report.reasons)


@pytest.mark.parametrize("X", [line(0, 1), line(0, 1, 3), np.ones((50, 3))])
def test_a_report_says_what_cannot_be_told(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module=r"sklearn_jin\.search")  # plain Python
        report = describe_difficulty(X)
    assert np.isnan([report.lid, *report.lid_quantiles]).all()
    assert "cannot be told" in str(report) and "nan" in str(report)


def test_a_report_of_rows_of_zeros_and_of_equal_distances():
    assert describe_difficulty(np.zeros((9, 2))).norm_spread == 0
    assert describe_difficulty(np.eye(30)).lid == np.inf


def test_a_report_is_for_people():
    report = describe_difficulty(normal(90, 4), random_state=0)
    text = str(report)
    for words in ("90 of 4 features", "intrinsic dimension", "FlatNeighbors()"):
        assert words in text
    assert max(map(len, text.split("\n")[:8])) < 80
    assert repr(report).startswith("Difficulty(n_samples=90, ")
    assert "\n" not in repr(report)


def test_a_report_is_not_changed():
    report = describe_difficulty(normal(30, 4))
    with pytest.raises(AttributeError):
        report.lid = 3


@pytest.mark.parametrize(
    "params, words",
    [({"n_neighbors": 2}, "n_neighbors"), ({"n_samples": 1}, "n_samples")],
)
def test_a_report_refuses_parameters_by_name(params, words):
    with pytest.raises(ValueError, match=f"'{words}' parameter of describe_difficulty"):
        describe_difficulty(normal(30, 4), **params)


def recommended(n, d, m, **seen):
    easy = {"contrast": 3, "skewness": 0, "antihub_share": 0, "duplicate_share": 0}
    seen = {"lid": m, "lid_quantiles": (m, m, m), **easy, **seen}
    return module._recommend(n, d, 10, seen)


def test_few_rows_are_scanned():
    assert recommended(5000, 100, 30)[0] is None
    assert recommended(5001, 100, 30)[0] is not None


def test_easy_rows_take_the_defaults():
    settings, _ = recommended(20_000, 10, 6)
    defaults = HNSWNeighbors().get_params()
    assert settings == {name: defaults[name] for name in settings}


def test_edges_grow_with_the_dimension():
    chosen = [recommended(10_000, 99, m)[0]["M"] for m in (1, 16, 16.1, 40, 41, 99)]
    assert chosen == [16, 16, 24, 40, 48, 48]
    assert recommended(10_000, 99, 40)[0]["ef_construction"] == 400


def test_beams_grow_with_the_dimension_and_the_rows():
    def ef(n, m):
        return recommended(n, 10, m)[0]["ef_search"]

    assert ef(10_000, 10) is None
    assert ef(10_000, 20) == ef(100_000, 20) == 100
    assert ef(1_000_000, 20) == 200 and ef(10_000_000, 20) == 300
    assert ef(10_000, np.inf) == 1000


def test_many_bytes_are_searched_as_codes():
    assert recommended(2**18, 64, 10)[0]["quantizer"] == "auto"
    assert recommended(2**18 - 1, 64, 10)[0]["quantizer"] is None


def test_the_higher_of_two_dimensions_counts():
    settings, _ = recommended(10_000, 99, 30, lid_quantiles=(5, 12, 20))
    assert settings["M"] == 32


def test_recommendations_say_why():
    _, reasons = recommended(
        10_000, 99, 30, contrast=1.2, skewness=4, antihub_share=0.2, duplicate_share=0.1
    )
    text = " ".join(reasons)
    for words in (
        "30.0 dimensions",
        "M=32",
        "1.20",
        "20% of none",
        "10.0% of the rows",
    ):
        assert words in text
    assert len(recommended(10_000, 99, 30)[1]) == len(reasons) - 3
    assert reasons[-1] == module.ADVICE not in recommended(50, 99, 30)[1]


@pytest.mark.jit
def test_the_recommended_index_finds_most_neighbours():
    X = np.random.default_rng(0).random((6000, 24), dtype=np.float32)
    report = describe_difficulty(X, random_state=0)
    index = report.index.set_params(random_state=0).fit(X)
    exact = FlatNeighbors().fit(X).kneighbors(X[:300], 10)[0]
    found = index.kneighbors(X[:300], 10)[0]
    assert index.index_ is not None
    assert np.mean(found <= exact[:, -1:]) > 0.95
