"""SAQ: as RaBitQ where features are alike, far better where they are not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scored import recall, scores_of

from sklearn_jin import SAQ, RaBitQ


def normal(n, d, power=0.0, seed=0):
    """Rows whose spreads fall as a power of the feature."""
    X = np.random.default_rng(seed).standard_normal((n, d))
    return (X * np.arange(1, d + 1) ** -power).astype(np.float32)


def squared(X, Q):
    return ((Q[:, None].astype(np.float64) - X) ** 2).sum(axis=2)


def relative_error(quantizer, X, Q):
    codes, true = quantizer.fit(X).transform(X), squared(X, Q)
    error = scores_of(quantizer.points(codes), Q)[1] - true
    return np.sqrt((error**2).mean()) / true.mean()


@pytest.mark.parametrize("n_bits", [0.5, 1, 2.5, 4, 8])
@pytest.mark.parametrize("d", [8, 33, 64])
def test_codes_have_the_promised_size(n_bits, d):
    quantizer = SAQ(n_bits, random_state=0).fit(normal(60, d, 1.0))
    planes = [
        -(-n * b // 8)
        for n, bits in quantizer.segments_
        for b in (8, 4, 2, 1)
        if bits & b
    ]
    assert quantizer.n_bytes_ == sum(planes) + 4 + 4 * len(quantizer.segments_)
    rounded = 0 if d % 8 == 0 else 2
    assert quantizer.n_bytes_ <= np.ceil(n_bits * d / 8) + 8 + rounded


@pytest.mark.jit
@pytest.mark.parametrize("n_bits", [1, 2, 4])
def test_errors_are_a_fraction_of_rabitqs_where_spreads_fall(n_bits):
    X, Q = normal(2000, 128, 0.5), normal(50, 128, 0.5, seed=1)
    found = relative_error(SAQ(n_bits, random_state=0), X, Q)
    assert found < 0.75 * relative_error(RaBitQ(n_bits, random_state=0), X, Q)


@pytest.mark.jit
@pytest.mark.parametrize("n_bits", [1, 2, 4])
def test_errors_are_rabitqs_where_features_are_alike(n_bits):
    X, Q = normal(4000, 128), normal(50, 128, seed=1)
    found = relative_error(SAQ(n_bits, random_state=0), X, Q)
    assert found < 1.05 * relative_error(RaBitQ(n_bits, random_state=0), X, Q)


@pytest.mark.jit
def test_the_nearest_are_found():
    X, Q = normal(3000, 128, 0.5), normal(100, 128, 0.5, seed=1)
    quantizer = SAQ(4, random_state=0).fit(X)
    scores, _ = scores_of(quantizer.points(quantizer.transform(X)), Q)
    assert recall(scores, squared(X, Q)) >= 0.88


def test_products_are_estimated():
    X, Q = normal(100, 16, 0.5) / 5, normal(9, 16, 0.5, seed=1)
    quantizer = SAQ(6, random_state=0).fit(X + 0.1)
    record = quantizer.points(quantizer.transform(X), "ip")
    assert_allclose(-scores_of(record, Q)[1], Q @ X.T, atol=0.05)


def test_the_length_without_bits_is_not_lost():
    """Far rows stay far, though all that they are far in is left out."""
    X = np.hstack([normal(200, 16), normal(200, 16) / 50])
    quantizer = SAQ(1, random_state=0).fit(X)
    assert quantizer.segments_[:, 0].sum() < 32
    X[:, 16:] *= 500
    codes, Q = quantizer.transform(X), np.zeros((1, 32))
    true = ((X - quantizer.center_) ** 2).sum(axis=1)
    found = scores_of(quantizer.points(codes), Q + quantizer.center_)[1]
    assert_allclose(found[0], true, rtol=1e-5)


@pytest.mark.parametrize("n_bits", [1, 2, 4])
def test_decoded_rows_are_the_nearest_multiples(n_bits):
    X = normal(300, 16)
    quantizer = SAQ(n_bits, random_state=0).fit(X)
    codes = quantizer.transform(X)
    found = ((X - quantizer.inverse_transform(codes)) ** 2).sum()
    for times in (0.9, 1.1):
        back = quantizer.inverse_transform(codes) - quantizer.center_
        assert found < ((X - quantizer.center_ - times * back) ** 2).sum()


def test_the_centre_itself_is_exact():
    X = np.repeat(normal(1, 12), 9, axis=0)
    quantizer = SAQ(2, random_state=0).fit(X)
    codes, Q = quantizer.transform(X), normal(4, 12, seed=1)
    assert_array_equal(quantizer.inverse_transform(codes), X)
    assert_allclose(scores_of(quantizer.points(codes), Q)[1], squared(X, Q), rtol=1e-5)


@pytest.mark.parametrize("d", [5, 33, pytest.param(128, marks=pytest.mark.jit)])
def test_the_batch_changes_no_code(d):
    X = normal(100, d, 0.5)
    quantizer = SAQ(3, random_state=0).fit(X)
    codes = quantizer.transform(X)
    for n in (1, 7):
        assert_array_equal(quantizer.transform(X[:n]), codes[:n])
        assert_array_equal(quantizer.transform(X[-n:]), codes[-n:])


def test_rows_unlike_equal_ones_have_codes():
    quantizer = SAQ(4, random_state=0).fit(np.ones((3, 16)))
    X = normal(50, 16)
    error = X - quantizer.inverse_transform(quantizer.transform(X))
    assert (error**2).mean() < 0.05


def test_too_few_bits_are_refused_with_the_least_that_do():
    with pytest.raises(ValueError, match=r"n_bits=0\.1 .* use at least 0\.25"):
        SAQ(0.1).fit(normal(9, 128))
    assert SAQ(0.25, random_state=0).fit(normal(9, 128)).n_bytes_ == 4 + 8


@pytest.mark.parametrize("n_bits", [0, 8.5, -1])
def test_bits_are_up_to_8(n_bits):
    with pytest.raises(ValueError, match="n_bits"):
        SAQ(n_bits).fit(normal(9, 4))
