"""Binary codes: above the mean or not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scored import scores_of

from sklearn_jin import BinaryQuantizer, IVFNeighbors


def normal(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def squared(X, Q):
    return ((Q[:, None].astype(np.float64) - X) ** 2).sum(axis=2)


@pytest.mark.parametrize("d", [1, 8, 9, 33])
def test_codes_have_the_promised_size(d):
    X = normal(20, d)
    assert BinaryQuantizer("hamming").fit(X).n_bytes_ == -(-d // 8)
    assert BinaryQuantizer().fit(X).n_bytes_ == -(-d // 8) + 8


def test_bits_say_which_features_are_above_the_mean():
    X = normal(50, 9) + 3
    codes = BinaryQuantizer("hamming").fit_transform(X)
    bits = np.unpackbits(codes, axis=1, bitorder="little")
    assert_array_equal(bits[:, :9], X > X.mean(axis=0))
    assert not bits[:, 9:].any()


def test_hamming_scores_count_what_differs():
    X, Q = normal(30, 20), normal(5, 20, seed=1)
    quantizer = BinaryQuantizer("hamming").fit(X)
    above = X > quantizer.center_, Q > quantizer.center_
    expected = (above[1][:, None] != above[0]).sum(axis=2)
    found = scores_of(quantizer.points(quantizer.transform(X)), Q)
    assert_array_equal(found[0], expected)
    assert_array_equal(found[1], expected)


def test_hamming_serves_no_products():
    quantizer = BinaryQuantizer("hamming").fit(normal(30, 20))
    with pytest.raises(ValueError, match="scores='hamming'"):
        quantizer.points(quantizer.transform(normal(3, 20)), "ip")


def test_hamming_codes_serve_no_lists():
    index = IVFNeighbors(quantizer=BinaryQuantizer("hamming"), exact_threshold=0)
    way_out = "lists: these hold residuals.*inner products.*use scores='asymmetric'"
    with pytest.raises(ValueError, match=way_out):
        index.fit(normal(60, 8))


def test_asymmetric_scores_are_products_with_the_decoded_row():
    X, Q = normal(30, 20) / 5, normal(5, 20, seed=1)
    quantizer = BinaryQuantizer().fit(X + 0.1)
    codes = quantizer.transform(X)
    back = quantizer.inverse_transform(codes)
    products = scores_of(quantizer.points(codes, "ip"), Q)[1]
    assert_allclose(products, -Q @ back.T, rtol=1e-4, atol=1e-5)
    near, asked = back - quantizer.center_, Q - quantizer.center_
    lengths = ((X - quantizer.center_) ** 2).sum(1) + (asked**2).sum(1)[:, None]
    scores = scores_of(quantizer.points(codes), Q)[1]
    assert_allclose(scores, lengths - 2 * asked @ near.T, rtol=1e-4, atol=1e-5)


def test_no_multiple_of_a_code_is_nearer():
    X = normal(60, 12) * np.arange(1, 13)
    quantizer = BinaryQuantizer().fit(X)
    back = quantizer.inverse_transform(quantizer.transform(X)) - quantizer.center_
    # The error is orthogonal to what a code stands for.
    gaps = ((X - quantizer.center_ - back) * back).sum(axis=1)
    assert_allclose(gaps / (back**2).sum(axis=1), 0, atol=1e-5)


def test_the_spreads_of_features_cost_no_variance():
    X = normal(2000, 32)
    for spread in (np.ones(32), 1 / np.arange(1, 33)):
        rows = X * spread.astype(np.float32)
        quantizer = BinaryQuantizer().fit(rows)
        back = quantizer.inverse_transform(quantizer.transform(rows))
        assert ((rows - back) ** 2).sum() < 0.4 * (rows**2).sum()


@pytest.mark.jit
@pytest.mark.parametrize("scores, floor", [("asymmetric", 0.55), ("hamming", 0.2)])
def test_the_nearest_are_among_the_first(scores, floor):
    X, Q = normal(2000, 256), normal(100, 256, seed=1)
    quantizer = BinaryQuantizer(scores).fit(X)
    found, _ = scores_of(quantizer.points(quantizer.transform(X)), Q)
    nearest = np.argsort(squared(X, Q), axis=1)[:, :10]
    first = np.argsort(found, axis=1, kind="stable")[:, :40]
    share = np.mean([len({*a} & {*b}) / 10 for a, b in zip(first, nearest)])
    assert share > floor


@pytest.mark.parametrize("scores", ["asymmetric", "hamming"])
def test_the_batch_changes_no_code(scores):
    X = normal(100, 33)
    quantizer = BinaryQuantizer(scores).fit(X)
    codes = quantizer.transform(X)
    for n in (1, 7):
        assert_array_equal(quantizer.transform(X[-n:]), codes[-n:])


def test_the_centre_itself_is_exact():
    X = np.repeat(normal(1, 6), 9, axis=0)
    quantizer = BinaryQuantizer().fit(X)
    codes, Q = quantizer.transform(X), normal(4, 6, seed=1)
    assert_allclose(scores_of(quantizer.points(codes), Q)[1], squared(X, Q), rtol=1e-5)
