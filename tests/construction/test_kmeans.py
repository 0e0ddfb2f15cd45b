"""k-means: exact labels, repeatable centres, no surprises with few rows."""

import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from sklearn_jin.construction import kmeans as module
from sklearn_jin.construction.kmeans import CELLS, assign, kmeans, means, sample


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def nearest(X, centroids):
    """The oracle: by definition, in float64; argmin takes the first of equals."""
    gaps = X[:, None].astype(np.float64) - centroids
    return np.square(gaps).sum(axis=2).argmin(axis=1)


def inertia(X, centroids):
    return np.square(X - centroids[assign(X, centroids)]).sum(dtype=np.float64)


def fitted(X, k, seed=0, **options):
    return kmeans(X, k, np.random.RandomState(seed), **options)


@pytest.mark.parametrize("d", [1, 2, 7, 40])
@pytest.mark.parametrize("far", [0, 1000])
def test_labels_are_those_of_the_definition(d, far):
    X = rows(300, d) + np.float32(far)
    labels = assign(X, X[:20])
    assert labels.dtype == np.int32
    assert_array_equal(labels, nearest(X, X[:20]))


def test_of_equal_centres_the_first_is_nearest():
    X = rows(50, 3)
    centroids = np.vstack([X[:8], X[:8], X[:8]])
    assert_array_equal(assign(X, centroids), nearest(X, X[:8]))
    middle = np.array([[0.5], [1.5]], np.float32)
    assert_array_equal(assign(middle, np.array([[1], [0], [2]], np.float32)), [0, 0])


def test_close_calls_are_decided_in_float64():
    centroids = np.array([[1], [1 + 2.0**-23], [-40]], np.float32)
    X = np.linspace(0.9, 1.1, 1001, dtype=np.float32)[:, None]
    assert_array_equal(assign(X, centroids), nearest(X, centroids))


@pytest.mark.parametrize("noise", [0, 1e-7, 1e-3])
@pytest.mark.parametrize("apart", [0, 1])
def test_labels_of_nearly_equal_rows_are_those_of_the_definition(noise, apart):
    X = np.repeat(apart * rows(3, 20), 60, axis=0) + np.float32(noise) * rows(180, 20)
    centroids = X[np.random.default_rng(0).permutation(180)[:60]]
    for some in (centroids, np.round(4 * centroids), np.zeros((40, 20), np.float32)):
        labels = assign(X, some)
        assert_array_equal(labels, nearest(X, some))
        assert_array_equal(labels, assign(X, some, n_threads=3))


def test_zeros_of_both_signs_are_equal_centres():
    centroids = np.zeros((6, 12), np.float32)
    centroids[::2] = -0.0
    assert_array_equal(assign(rows(50, 12), centroids), np.zeros(50))


@pytest.mark.jit
@pytest.mark.parametrize("noise", [0, 1e-6])
def test_equal_rows_take_no_more_memory_than_others(noise):
    some = np.repeat(rows(2, 300), 1000, axis=0) + np.float32(noise) * rows(2000, 300)
    peaks = []
    for X in (rows(2000, 300), some):
        tracemalloc.start()
        assign(X, X[::16].copy())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 3 * peaks[0] + 2**24


def test_a_label_does_not_depend_on_the_batch_or_the_threads():
    X = rows(CELLS // 256 + 77, 5)  # more than a block
    centroids = rows(256, 5, seed=1)
    labels = assign(X, centroids)
    assert_array_equal(labels[-80:], assign(X[-80:], centroids))
    assert_array_equal(labels[3:4], assign(X[3:4], centroids))
    with threadpool_limits(2):
        assert_array_equal(labels, assign(X, centroids))


def test_centres_are_means_of_their_rows():
    X = rows(200, 4)
    labels = assign(X, X[:6])
    expected = [X[labels == c].mean(axis=0, dtype=np.float64) for c in range(6)]
    assert_allclose(means(X, labels, X[:6]), expected, rtol=1e-6)


def test_a_centre_without_rows_takes_the_farthest_row():
    X = np.array([[0], [1], [9]], np.float32)
    moved = means(X, np.zeros(3, np.int32), np.array([[0], [7]], np.float32))
    assert_allclose(moved, [[10 / 3], [9]], rtol=1e-6)


def test_no_round_raises_the_inertia():
    X = rows(400, 3)
    centroids, before = X[:12], np.inf
    for _ in range(8):
        centroids = fitted(X, 12, n_iter=1, init=centroids)
        after = inertia(X, centroids)
        assert after <= before * (1 + 1e-6)
        before = after


def test_rounds_that_change_no_label_end_it():
    X = rows(200, 2)
    centroids = fitted(X, 5, n_iter=1000)
    assert_array_equal(centroids, fitted(X, 5, n_iter=2000))
    assert_array_equal(centroids, fitted(X, 5, n_iter=1, init=centroids))


@pytest.mark.parametrize("spread_cells", [0, 2**27])
def test_same_seed_same_centres(monkeypatch, spread_cells):
    monkeypatch.setattr(module, "SPREAD_CELLS", spread_cells)
    X = rows(500, 4)
    assert_array_equal(fitted(X, 9), fitted(X, 9))
    assert not np.array_equal(fitted(X, 9), fitted(X, 9, seed=1))


def test_no_more_rows_than_centres():
    X = rows(3, 4)
    assert_array_equal(fitted(X, 7), X[[0, 1, 2, 0, 1, 2, 0]])


@pytest.mark.parametrize("spread_cells", [0, 2**27])
def test_fewer_distinct_rows_than_centres(monkeypatch, spread_cells):
    monkeypatch.setattr(module, "SPREAD_CELLS", spread_cells)
    X = np.repeat(rows(5, 3), 40, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        centroids = fitted(X, 16)
    assert centroids.shape == (16, 3) and inertia(X, centroids) < 1e-9


def test_a_sample_has_distinct_rows_in_their_order():
    X = np.arange(100)[:, None]
    some = sample(X, 30, np.random.RandomState(0))
    assert len(some) == 30 and (np.diff(some[:, 0]) > 0).all()
    assert sample(X, 100, np.random.RandomState(0)) is X


@pytest.mark.parametrize("d", [2, 32])
def test_as_good_as_scikit_learn(d):
    X = rows(2000, d) + 3 * rows(20, d, seed=1)[np.arange(2000) % 20]
    peer = KMeans(32, n_init=1, max_iter=20, init="random", random_state=0).fit(X)
    assert inertia(X, fitted(X, 32)) < 1.05 * peer.inertia_
