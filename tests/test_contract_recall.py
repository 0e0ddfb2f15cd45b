"""How many of the true neighbours an index finds with its defaults.

Floors are below what every seed gave when they were written, so that a fall
is a fault and not chance.
"""

import indexes
import naive
import numpy as np
import pytest
from sklearn.datasets import make_blobs

pytestmark = pytest.mark.jit

N, K = 3000, 10


def blobs(rng):
    return make_blobs(N + 200, 16, centers=30, random_state=int(rng.integers(99)))[0]


def uniform(rng):
    return rng.random((N + 200, 10))


def duplicates(rng):
    return np.repeat(rng.random((N // 20 + 10, 10)), 20, axis=0)


def two_islands(rng):
    return rng.random((N + 200, 8)) + np.repeat([0, 1000], (N + 200) // 2)[:, None]


def many_islands(rng):
    return rng.random((N + 200, 8)) + 100 * rng.integers(0, 300, (N + 200, 1))


def unequal_islands(rng):
    X = rng.random((N + 200, 8))
    X[:7] += 1000
    return X


def whole_numbers(rng):
    return rng.integers(0, 4, (N + 200, 6)).astype(float)


DATA = [
    blobs,
    uniform,
    duplicates,
    two_islands,
    many_islands,
    unequal_islands,
    whole_numbers,
]


def split(make):
    X = make(np.random.default_rng(0)).astype(np.float32)
    queries = np.random.default_rng(1).choice(len(X), 200, replace=False)
    return np.delete(X, queries, axis=0), X[queries]


@pytest.mark.parametrize("make", DATA, ids=lambda make: make.__name__)
def test_most_neighbours_are_found(neighbors, make):
    X, Q = split(make)
    distances, _ = neighbors.fit(X).kneighbors(Q, K)
    assert naive.recall(distances, naive.nearest_distances(X, Q, K)) >= 0.99


@pytest.mark.parametrize("metric", ["cosine", "correlation", "manhattan", "chebyshev"])
def test_most_neighbours_are_found_under_other_metrics(neighbors, metric):
    X, Q = split(uniform)
    distances, _ = indexes.under(neighbors, metric).fit(X).kneighbors(Q, K)
    exact = naive.nearest_distances(X, Q, K, metric)
    assert naive.recall(distances, exact) >= 0.97


def test_most_of_the_largest_inner_products_are_found(neighbors):
    X, Q = split(lambda rng: rng.standard_normal((N + 200, 10)))
    neighbors.set_params(metric="inner_product")
    distances, _ = neighbors.fit(X).kneighbors(Q, K)
    exact = naive.nearest_distances(X, Q, K, "inner_product")
    assert np.mean(distances <= exact[:, -1:] * (1 - 1e-6)) >= 0.97


@pytest.mark.parametrize("seed", range(3))
def test_rows_find_themselves(neighbors, many, seed):
    ids = neighbors.set_params(random_state=seed).fit(many).kneighbors(many, 1)[1]
    assert np.mean(ids[:, 0] == np.arange(len(many))) >= 0.999


def test_every_query_finds_its_island(neighbors):
    X, Q = split(two_islands)
    ids = neighbors.fit(X).kneighbors(Q, K)[1]
    assert ((X[ids][:, :, 0] > 500) == (Q[:, :1] > 500)).all()
