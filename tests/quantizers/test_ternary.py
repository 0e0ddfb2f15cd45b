"""Ternary codes: -1, 0 and +1, with the best threshold of every row."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scored import scores_of

from sklearn_jin import TernaryQuantizer


def normal(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def error(quantizer, X):
    """Share of the variance that is lost."""
    lost = X - quantizer.inverse_transform(quantizer.transform(X))
    return (lost**2).sum() / ((X - quantizer.center_) ** 2).sum()


@pytest.mark.parametrize("d", [1, 4, 5, 33])
def test_codes_have_the_promised_size(d):
    assert TernaryQuantizer().fit(normal(20, d)).n_bytes_ == -(-d // 4) + 8


def test_no_code_of_a_row_is_nearer():
    X = normal(20, 5) * [1, 2, 0.5, 1, 3]
    quantizer = TernaryQuantizer().fit(X)
    rows = X - quantizer.center_
    back = quantizer.inverse_transform(quantizer.transform(X)) - quantizer.center_
    found = ((rows - back) ** 2).sum(axis=1)
    codes = np.array([c for c in product((-1, 0, 1), repeat=5) if any(c)])
    y = codes * quantizer.scale_
    kept = np.maximum(rows @ y.T, 0) ** 2 / (y**2).sum(axis=1)
    best = (rows**2).sum(axis=1) - kept.max(axis=1)
    assert_allclose(found, best, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1e-3, 50])
def test_thresholds_are_those_of_the_very_rows(size):
    """Rows on another scale than the fitted ones would else be all 0 or all 1."""
    X = normal(50, 12)
    quantizer = TernaryQuantizer().fit(X)
    center = quantizer.center_
    scaled = center + np.float32(size) * (X - center)
    assert_allclose(error(quantizer, scaled), error(quantizer, X), rtol=1e-3)
    found, expected = (quantizer._split(quantizer.transform(x))[0] for x in (scaled, X))
    assert (found == expected).mean() > 0.99  # but for rounding
    assert {*found.ravel()} == {0, 1, 2}


def test_a_row_has_the_same_code_whatever_else_there_is():
    X = normal(100, 33)
    quantizer = TernaryQuantizer().fit(X)
    codes = quantizer.transform(X)
    for n in (1, 7):
        assert_array_equal(quantizer.transform(X[-n:]), codes[-n:])
        strange = np.vstack([1000 * X[:50], X[-n:]])
        assert_array_equal(quantizer.transform(strange)[50:], codes[-n:])


def test_most_of_the_variance_is_kept():
    X = normal(2000, 64)
    heavy = np.random.default_rng(0).standard_t(3, (2000, 64)).astype(np.float32)
    falling = X / np.arange(1, 65, dtype=np.float32)
    for rows, lost in [(X, 0.19), (heavy, 0.3), (falling, 0.1)]:
        assert error(TernaryQuantizer().fit(rows), rows) < lost


def test_scores_are_products_with_the_decoded_row():
    X, Q = normal(30, 20) / 5, normal(5, 20, seed=1)
    quantizer = TernaryQuantizer().fit(X + 0.1)
    codes = quantizer.transform(X)
    back = quantizer.inverse_transform(codes)
    products = scores_of(quantizer.points(codes, "ip"), Q)[1]
    assert_allclose(products, -Q @ back.T, rtol=1e-4, atol=1e-5)
    near, asked = back - quantizer.center_, Q - quantizer.center_
    lengths = ((X - quantizer.center_) ** 2).sum(1) + (asked**2).sum(1)[:, None]
    scores = scores_of(quantizer.points(codes), Q)[1]
    assert_allclose(scores, lengths - 2 * asked @ near.T, rtol=1e-4, atol=1e-5)


def test_the_centre_itself_is_exact():
    X = np.repeat(normal(1, 6), 9, axis=0)
    quantizer = TernaryQuantizer().fit(X)
    codes, Q = quantizer.transform(X), normal(4, 6, seed=1)
    assert_array_equal(quantizer.inverse_transform(codes), X)
    true = ((Q[:, None].astype(np.float64) - X) ** 2).sum(axis=2)
    assert_allclose(scores_of(quantizer.points(codes), Q)[1], true, rtol=1e-5)
