"""What the exact index promises beyond what every index does: exactness."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestNeighbors

from sklearn_jin import FlatNeighbors


@pytest.fixture(params=indexes.COMMON)
def metric(request):
    return request.param


def positive(n, seed=0):
    return np.random.default_rng(seed).gamma(0.5, size=(n, 9)).astype(np.float32)


@pytest.mark.jit
@pytest.mark.parametrize("k", [1, 10, 500])
def test_answers_are_exact(metric, k):
    X, Q = positive(5000), positive(100, seed=1)
    distances, _ = FlatNeighbors(metric=metric).fit(X).kneighbors(Q, k)
    exact = naive.nearest_distances(X, Q, k, metric)
    assert_allclose(distances, exact, 1e-5, 1e-6)


@pytest.mark.jit
def test_copies_are_found_in_the_order_of_rows():
    X = np.repeat(np.random.default_rng(0).integers(0, 9, (100, 5)), 50, axis=0)
    ids = FlatNeighbors().fit(X).kneighbors(X[::50], 50)[1]
    assert_array_equal(ids, np.arange(5000).reshape(100, 50))


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
def test_answers_are_those_of_scikit_learn(metric, X, Q):
    ours = FlatNeighbors(metric=metric).fit(X).kneighbors(Q)
    theirs = NearestNeighbors(metric=metric, algorithm="brute").fit(X).kneighbors(Q)
    assert_array_equal(ours[1], theirs[1])
    assert_allclose(ours[0], theirs[0], 1e-5, 1e-7)


@pytest.mark.jit
def test_radius_answers_are_those_of_scikit_learn():
    X = np.random.default_rng(0).random((2000, 3)).astype(np.float32)
    ours = FlatNeighbors(radius=0.1).fit(X).radius_neighbors(sort_results=True)
    theirs = NearestNeighbors(radius=0.1).fit(X).radius_neighbors(sort_results=True)
    for found, wanted in zip(ours[0], theirs[0]):
        assert_allclose(found, wanted, 1e-5)
    for found, wanted in zip(ours[1], theirs[1]):
        assert_array_equal(np.sort(found), np.sort(wanted))


def test_rows_are_all_that_is_kept(X):
    usage = FlatNeighbors().fit(X).memory_usage()
    assert usage == {"points": 60 * 8 * 4, "codes": 0, "index": 0}
