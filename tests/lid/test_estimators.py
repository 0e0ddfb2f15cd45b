"""Estimators of intrinsic dimension, against what theory says of it."""

import warnings

import numpy as np
import pytest
from dimensional import lid_of, line, normal, sphere
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
    relative_contrast,
)

ESTIMATORS = [LocalIntrinsicDimensionality, TwoNN]
POWERS = [-70, -3, 1, 60]


@pytest.mark.filterwarnings("ignore:n_neighbors=20 is not below")  # of few rows
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
    assert vars(index) == vars(FlatNeighbors())


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


def test_means_are_ordered():
    lid = lid_of(normal(60, 4), 10, unbiased=False)
    assert lid.aggregate() <= lid.aggregate("mean")
    assert lid.lid_.min() <= lid.aggregate("median") <= lid.lid_.max()


def test_an_unknown_mean_is_refused():
    with pytest.raises(ValueError, match=r"how='mode' must be .*'harmonic'"):
        lid_of(normal(30, 2)).aggregate("mode")


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
