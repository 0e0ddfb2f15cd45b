"""Metrics that are Euclidean on images of rows: right wherever rows lie."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import NearestNeighbors

import sklearn_jin
from sklearn_jin import FlatNeighbors, HNSWNeighbors, IVFNeighbors
from sklearn_jin.metrics import METRICS

LEARNED = ["seuclidean", "mahalanobis"]


def mixed(n=80, seed=0):
    """Rows of correlated features of unlike sizes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)) @ (np.eye(4) + 0.4)
    return X * [1e-3, 1.0, 30.0, 1e4]


def expected(X, Q, metric):
    if metric == "haversine":
        return DistanceMetric.get_metric("haversine").pairwise(Q, X)
    if metric == "seuclidean":
        return cdist(Q, X, metric, V=np.var(X, axis=0, ddof=1))
    return cdist(Q, X, metric, VI=np.linalg.inv(np.cov(X.T)))


def every_distance(index, X, Q):
    """All distances, each row's in the order of ids."""
    distances, ids = index.fit(X).kneighbors(Q, len(X))
    return np.take_along_axis(distances, np.argsort(ids, axis=1), axis=1)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1e5])
@pytest.mark.parametrize("metric", LEARNED)
def test_distances_are_those_of_scipy_whatever_the_size(metric, scale, offset):
    whole, asked = mixed(), mixed(7, seed=1)
    X, Q = scale * (whole + offset), scale * (asked + offset)
    found = every_distance(FlatNeighbors(metric=metric), X, Q)
    assert_allclose(found, expected(whole, asked, metric), 1e-5)


@pytest.mark.parametrize("metric", LEARNED)
def test_far_queries_are_as_far_as_they_are(metric):
    X, Q = mixed(), np.vstack([1e30 * mixed(3, seed=1), mixed(2, seed=2)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = every_distance(FlatNeighbors(metric=metric), X, Q)
    assert_allclose(found, expected(X, Q, metric), 1e-5)


@pytest.mark.parametrize(
    "metric, params",
    [
        ("seuclidean", {"V": [1e-6, 1.0, 900.0, 1e8]}),
        ("mahalanobis", {"VI": np.linalg.inv(np.cov(mixed().T))}),
        ("minkowski", {"w": [1e6, 0.0, 1e-3, 1e-8]}),
    ],
)
def test_parameters_mean_what_they_do_in_scikit_learn(metric, params):
    X, Q = mixed(), mixed(9, seed=1)
    search = dict(metric=metric, metric_params=params, n_neighbors=80)
    theirs = NearestNeighbors(**search, algorithm="brute").fit(X).kneighbors(Q)[0]
    graph = HNSWNeighbors(**search, exact_threshold=0, ef_search=80, random_state=0)
    for index in (FlatNeighbors(**search), graph):
        assert_allclose(index.fit(X).kneighbors(Q)[0], theirs, 1e-5)


PLACES = {
    "all": lambda rng, n: np.c_[rng.uniform(-90, 90, n), rng.uniform(-180, 180, n)],
    "town": lambda rng, n: [48.1, 11.6] + 1e-2 * rng.standard_normal((n, 2)),
    "house": lambda rng, n: [48.1, 11.6] + 1e-6 * rng.standard_normal((n, 2)),
    "pole": lambda rng, n: [90.0, 0.0] + rng.standard_normal((n, 2)) * [1e-3, 90],
    "dateline": lambda rng, n: np.c_[rng.normal(0, 9, n), rng.choice([-180, 180], n)],
}


def test_covariances_are_as_good_as_their_inverse():
    X, Q = mixed(), mixed(9, seed=1)
    index = FlatNeighbors(metric="mahalanobis", metric_params={"V": np.cov(X.T)})
    assert_allclose(every_distance(index, X, Q), expected(X, Q, "mahalanobis"), 1e-5)


@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("index", [FlatNeighbors(), IVFNeighbors(quantizer=None)])
def test_arcs_are_those_of_scikit_learn(places, index):
    X = np.radians(places(np.random.default_rng(0), 60))
    found = every_distance(index.set_params(metric="haversine"), X, X)
    arcs = expected(X, X, "haversine")
    # Rows are float32: of their spread they keep 2**-24, of an arc near pi less.
    spread = min(arcs.max(), 1.0)
    atol = np.where(arcs > 3.0, 3e-4, 2e-7 * spread)
    assert (np.abs(found - arcs) <= atol + 1e-5 * arcs).all()
    assert_array_equal(np.diagonal(found), 0)


def test_a_place_and_its_antipode_are_pi_apart():
    X = np.radians([[48.1, 11.6], [-48.1, -168.4], [90.0, 0.0], [-90.0, 17.0]])
    found = every_distance(FlatNeighbors(metric="haversine"), X, X)
    assert_allclose(found[[0, 1, 2, 3], [1, 0, 3, 2]], np.pi, atol=5e-4)
    assert found.max() <= np.pi


def test_a_radius_is_an_arc():
    X = np.radians([[0.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    index = FlatNeighbors(metric="haversine", radius=np.radians(2.5)).fit(X)
    assert [ids.tolist() for ids in index.radius_neighbors()[1]] == [[1], [0, 2], [1]]


@pytest.mark.parametrize("metric", [*LEARNED, "haversine"])
def test_later_rows_are_measured_by_what_the_first_told(metric):
    X = mixed()[:, :2] if metric == "haversine" else mixed()
    index = FlatNeighbors(metric=metric).fit(X[:40])
    learned = index.effective_metric_params_
    found = every_distance(index, X[:40], 3 * X)
    index.partial_fit(1e6 * X[40:])  # beyond the scale of the first: fitted anew
    for name, value in index.effective_metric_params_.items():
        assert_allclose(value, learned[name], 1e-12)
    distances, ids = index.kneighbors(3 * X, 80)
    again = np.take_along_axis(distances, np.argsort(ids, axis=1), axis=1)
    size = 1e-6 if metric == "haversine" else 1e-7 * again.max()
    assert_allclose(again[:, :40], found, 1e-5, size)


@pytest.mark.parametrize("metric", [*LEARNED, "haversine"])
def test_restored_rows_are_the_data(metric):
    X = mixed()[:, 1:3] if metric == "haversine" else mixed()
    X = X % 1 if metric == "haversine" else X
    fitted = METRICS[metric]().fit(X)
    assert_allclose(fitted.restore(fitted.rows(X)), X, 1e-3, 1e-6 * np.abs(X).max())


@pytest.mark.parametrize("metric", [*LEARNED, "haversine"])
def test_what_is_learned_is_kept_on_disk(metric, tmp_path):
    X = mixed()[:, :2] if metric == "haversine" else mixed()
    index = FlatNeighbors(metric=metric).fit(X)
    index.save(tmp_path / "index")
    again = sklearn_jin.load(tmp_path / "index", mmap_mode="r")
    assert_array_equal(again.kneighbors(X)[0], index.kneighbors(X)[0])
    for name, value in index.effective_metric_params_.items():
        assert_array_equal(again.effective_metric_params_[name], value)


SQUARE = np.eye(4)
BAD = {
    "haversine": ({}, "4 features, but metric='haversine' takes 2"),
    "seuclidean": ({"V": [1, 2, 3]}, "params are for 3 features, but X has 4"),
    "seuclidean ": ({"V": [1, 2, 0, 3]}, "must be numbers above 0"),
    "seuclidean  ": ({"VI": SQUARE}, "takes 'V', not 'VI'"),
    "mahalanobis": ({"VI": SQUARE[:3]}, r"shape \(3, 4\): give a square"),
    "mahalanobis ": ({"VI": -SQUARE}, "VI is not positive definite"),
    "mahalanobis  ": ({"VI": np.triu(SQUARE + 1)}, "not symmetric"),
    "mahalanobis   ": ({"V": SQUARE, "VI": SQUARE}, "hold V and VI"),
    "minkowski": ({"w": [1, 2, 3]}, "params are for 3 features, but X has 4"),
    "minkowski ": ({"w": [1, 2, -1, 3]}, "must be numbers from 0 on"),
}


@pytest.mark.parametrize("metric", BAD)
def test_parameters_that_mean_nothing_are_refused(metric):
    params, message = BAD[metric]
    index = FlatNeighbors(metric=metric.strip(), metric_params=params)
    with pytest.raises(ValueError, match=message):
        index.fit(mixed())


@pytest.mark.parametrize("metric", LEARNED)
def test_rows_that_tell_no_variance_are_refused(metric):
    message = {"seuclidean": "feature 1 of X is constant", "mahalanobis": "definite"}
    with pytest.raises(ValueError, match=message[metric]):
        FlatNeighbors(metric=metric).fit(mixed() * [1, 0, 1, 1])
    with pytest.raises(ValueError, match="X has 1 row, of which"):
        FlatNeighbors(metric=metric).fit(mixed(1))


def test_one_query_is_as_far_as_it_is_in_a_batch():
    X = np.ones((260, 6))  # which are shifted, so that float32 rounds nothing away
    VI = np.cov(np.random.default_rng(1).standard_normal((6, 40)))
    index = FlatNeighbors(metric="mahalanobis", metric_params={"VI": VI}).fit(X)
    for n in (1, 2, 9):
        assert_array_equal(index.kneighbors(X[:n], 3)[0], np.zeros((n, 3)))
