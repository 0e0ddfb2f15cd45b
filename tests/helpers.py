"""What many tests need: rows, records of them, and how answers are compared."""

import numpy as np
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen, padded_width
from sklearn_jin.points.rows import ROWS


def normal(n, d, seed=0):
    """Normal numbers (n, d), float32."""
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def padded(X):
    """Rows as kernels take them: float32, padded with zeros, read-only."""
    n, d = np.shape(X)
    rows = np.zeros((n, padded_width(d)), np.float32)
    rows[:, :d] = X
    return frozen(rows)


def record(X, space="l2"):
    """Points of the rows ``X``."""
    return ROWS[space](padded(X))


def assert_same(answer, expected):
    """That two answers (distances, ids) are equal bit by bit."""
    assert_array_equal(answer[1], expected[1])
    assert_array_equal(answer[0], expected[0])


def share_found(found, wanted):
    """Share of the ids ``wanted`` (n, k) that are in the same row of ``found``."""
    hits = [
        len({*row.tolist()} & {*right.tolist()}) for row, right in zip(found, wanted)
    ]
    return sum(hits) / np.size(wanted)


def decaying(n, d, seed=0):
    """Rows whose features differ less and less, turned at random."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    rows = rng.standard_normal((n, d)) / np.arange(1, d + 1) + 3
    return (rows @ turn).astype(np.float32)
