"""Rows of known dimension, and the fit of one estimator without its warning."""

import warnings

import numpy as np

from sklearn_jin import LocalIntrinsicDimensionality


def normal(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def sphere(n, m, d):
    """Rows on a sphere of ``m`` dimensions, turned into a space of ``d``."""
    X = normal(n, m + 1)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    turn, _ = np.linalg.qr(normal(d, d, seed=1))
    return X @ turn[: m + 1]


def line(*numbers):
    return np.array(numbers, dtype=float)[:, None]


def lid_of(X, n_neighbors=20, **params):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_neighbors=")
        return LocalIntrinsicDimensionality(n_neighbors, **params).fit(X)
