"""RaBitQ: unbiased, within its bound, near."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scored import bounds_of, recall, scores_of

from sklearn_jin import RaBitQ


def normal(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def squared(X, Q):
    return ((Q[:, None].astype(np.float64) - X) ** 2).sum(axis=2)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("d", [1, 7, 16, 33])
def test_codes_have_the_promised_size(bits, d):
    planes = sum(-(-(d + d % 2 * (d > 1)) * b // 8) for b in (8, 4, 2, 1) if bits & b)
    quantizer = RaBitQ(bits, random_state=0).fit(normal(20, d))
    assert quantizer.n_bytes_ == planes + 12


@pytest.mark.jit
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_estimates_are_unbiased_and_within_the_bound(bits):
    X, Q = normal(500, 256), normal(200, 256, seed=1)
    quantizer = RaBitQ(bits, random_state=0).fit(X)
    codes, true = quantizer.transform(X), squared(X, Q)
    estimates = scores_of(quantizer.points(codes), Q)[1]
    bounds = quantizer.lower_bound(codes, Q)
    error, allowed = estimates - true, estimates - bounds
    assert abs(error.mean()) < 1e-3 * true.mean()
    # Published for epsilon_0 = 1.9: 93.8 % on both sides, 96.9 % on one.
    assert_allclose((np.abs(error) <= allowed).mean(), 0.938, atol=0.012)
    assert_allclose((bounds <= true).mean(), 0.969, atol=0.008)
    slope = np.polyfit(true.ravel(), estimates.ravel(), 1)[0]
    assert_allclose(slope, 1, atol=0.02)


@pytest.mark.jit
def test_errors_of_products_are_those_of_the_paper():
    X, Q = (
        x / np.linalg.norm(x, axis=1)[:, None]
        for x in (normal(500, 256), normal(99, 256, 1))
    )
    quantizer = RaBitQ(random_state=0).fit(np.zeros((1, 256)))
    estimates = scores_of(quantizer.points(quantizer.transform(X), "ip"), Q)[1]
    error = -estimates - Q @ X.T
    assert_allclose(error.std() * np.sqrt(255), 0.755, atol=0.02)


@pytest.mark.jit
def test_four_bits_find_the_nearest():
    X, Q = normal(3000, 128), normal(100, 128, seed=1)
    quantizer = RaBitQ(4, random_state=0).fit(X)
    scores, _ = scores_of(quantizer.points(quantizer.transform(X)), Q)
    assert recall(scores, squared(X, Q)) >= 0.85


@pytest.mark.parametrize("bits", [1, 4])
def test_bounds_of_the_record_are_those_of_the_method(bits):
    X, Q = normal(30, 20), normal(4, 20, seed=1)
    quantizer = RaBitQ(bits, random_state=0).fit(X)
    codes = quantizer.transform(X)
    found = bounds_of(quantizer.points(codes), Q)
    assert_allclose(found, quantizer.lower_bound(codes, Q), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("power", [-120, -60, 60])
def test_bounds_are_in_the_unit_of_the_data(power):
    X, Q = normal(30, 20), normal(4, 20, seed=1)
    size = np.float32(2.0**power)
    plain, sized = (RaBitQ(4, random_state=0).fit(part) for part in (X, size * X))
    expected = plain.lower_bound(plain.transform(X), Q).astype(np.float64)
    found = sized.lower_bound(sized.transform(size * X), size * Q)
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    assert_allclose(found, expected * 4.0**power, 1e-5, smallest)


def test_products_are_half_of_what_is_taken_from_the_squares():
    X, Q = normal(30, 20) / 9, normal(4, 20, seed=1)
    quantizer = RaBitQ(4, random_state=0).fit(X)
    codes, center = quantizer.transform(X), quantizer.center_
    lengths = ((X - center) ** 2).sum(axis=1)
    # Of the query less the centre, which under L2 the query itself would be.
    taken = lengths + (Q**2).sum(1)[:, None] - estimated(quantizer, codes, Q + center)
    expected = taken / 2 + (Q @ center)[:, None]
    found = -scores_of(quantizer.points(codes, "ip"), Q)[1]
    assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def estimated(quantizer, codes, Q):
    return scores_of(quantizer.points(codes), Q)[1]


def test_the_centre_itself_is_exact():
    X = np.repeat(normal(1, 6), 9, axis=0)
    quantizer = RaBitQ(2, random_state=0).fit(X)
    codes, Q = quantizer.transform(X), normal(4, 6, seed=1)
    assert_array_equal(quantizer.inverse_transform(codes), X)
    assert_allclose(scores_of(quantizer.points(codes), Q)[1], squared(X, Q), rtol=1e-5)
    assert_allclose(quantizer.lower_bound(codes, Q), squared(X, Q), rtol=1e-5)
    products = scores_of(quantizer.points(codes, "ip"), Q)[1]
    assert_allclose(products, -Q @ X.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("d", [5, 33, pytest.param(128, marks=pytest.mark.jit)])
def test_the_batch_changes_no_code(d):
    X = normal(100, d)
    quantizer = RaBitQ(4, random_state=0).fit(X)
    codes = quantizer.transform(X)
    for n in (1, 7):
        assert_array_equal(quantizer.transform(X[:n]), codes[:n])
        assert_array_equal(quantizer.transform(X[-n:]), codes[-n:])


def test_codes_of_another_width_have_no_bound():
    X = normal(9, 4)
    quantizer = RaBitQ(random_state=0).fit(X)
    with pytest.raises(ValueError, match="n_bytes_=13"):
        quantizer.lower_bound(quantizer.transform(X)[:, 1:], X)


@pytest.mark.parametrize("n_bits", [0, 9, 1.5])
def test_bits_are_1_to_8(n_bits):
    with pytest.raises(ValueError, match="n_bits"):
        RaBitQ(n_bits).fit(normal(9, 4))
