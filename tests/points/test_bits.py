"""Bits: as many as differ."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scored import scores_of

from sklearn_jin import points
from sklearn_jin.points.bits import bits
from sklearn_jin.points.packing import pack

WIDTHS = [1, 7, 8, 65, 128, 376, 512, 700, 1200]


def record(n, d, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    center = np.full(d, 0.1, np.float32)
    return X, bits(pack(X > center, 1), center)


@pytest.mark.parametrize("d", WIDTHS)
def test_scores_count_the_bits_that_differ(d):
    X, rows = record(9, d)
    Q = record(4, d, seed=1)[0]
    expected = ((Q > rows.center)[:, None] != (X > rows.center)).sum(axis=2)
    scores, exact = scores_of(rows, Q)
    assert_array_equal(scores, expected)
    assert_array_equal(exact, expected)


@pytest.mark.parametrize("d", WIDTHS)
def test_every_bit_counts_once(d):
    rows = bits(pack(np.eye(d, dtype=bool), 1), np.zeros(d))
    assert_array_equal(scores_of(rows, np.zeros((1, d)))[0], np.ones((1, d)))


def test_padded_queries_are_asked_alike():
    _, rows = record(9, 20)
    Q = np.random.default_rng(0).standard_normal((3, 20)).astype(np.float32)
    padded = np.pad(Q, ((0, 0), (0, 12)), constant_values=9)
    assert_array_equal(
        points.encode_queries(rows, padded), points.encode_queries(rows, Q)
    )


def test_taken_points_are_of_the_same_kind():
    X, rows = record(9, 20)
    some = points.subset(rows, np.array([7, 0]))
    assert type(some) is type(rows) and not some.codes.flags.writeable
    assert_array_equal(scores_of(some, X)[0], scores_of(rows, X)[0][:, [7, 0]])
