"""What every quantizer promises, whatever its codes are."""

import warnings

import coders
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import estimator_checks_generator


@pytest.fixture(params=coders.classes(), ids=lambda c: c.__name__)
def quantizer(request):
    return coders.repeatable(request.param())


def checks():
    for c in coders.classes():
        yield from estimator_checks_generator(coders.repeatable(c()))


@pytest.mark.parametrize("estimator, check", list(checks()), ids=str)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_codes_are_rows_of_as_many_bytes_as_promised(quantizer):
    X = np.random.default_rng(0).standard_normal((200, 24))
    codes = quantizer.fit(X).transform(X)
    assert codes.dtype == np.uint8 and codes.flags.c_contiguous
    assert codes.shape == (200, quantizer.n_bytes_)
    back = quantizer.inverse_transform(codes)
    assert back.shape == X.shape and back.dtype == np.float32


def test_codes_keep_some_of_the_variance(quantizer):
    X = np.random.default_rng(0).standard_normal((500, 16)) + 3
    back = quantizer.fit(X).inverse_transform(quantizer.transform(X))
    assert ((X - back) ** 2).sum() < 0.75 * ((X - X.mean(axis=0)) ** 2).sum()


@pytest.mark.parametrize("n", [1, 2, 3, 17])
@pytest.mark.parametrize("d", [1, 2, 3, 7, 33])
def test_few_rows_and_few_features(quantizer, n, d):
    X = np.random.default_rng(n + d).standard_normal((n, d))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing was asked for that cannot be had
        codes = quantizer.fit(X).transform(X)
    assert np.isfinite(quantizer.inverse_transform(codes)).all()


def test_constant_features_and_equal_rows(quantizer):
    X = np.random.default_rng(0).standard_normal((50, 8))
    X[:, 2], X[:, 5] = 0, 7
    back = quantizer.fit(X).inverse_transform(quantizer.transform(X))
    assert np.isfinite(back).all()
    same = np.full((20, 5), 3.0)
    back = quantizer.fit(same).inverse_transform(quantizer.transform(same))
    assert_allclose(back, same, rtol=1e-5)


def test_same_seed_same_codes(quantizer):
    X = np.random.default_rng(0).standard_normal((300, 12))
    codes = clone(quantizer).fit(X).transform(X)
    assert_array_equal(codes, clone(quantizer).fit(X).transform(X))
    assert_array_equal(codes[:7], clone(quantizer).fit(X).transform(X[:7]))


def test_codes_of_another_width_are_refused(quantizer):
    X = np.random.default_rng(0).standard_normal((30, 12))
    codes = quantizer.fit(X).transform(X)
    with pytest.raises(ValueError, match="n_bytes_"):
        quantizer.inverse_transform(np.hstack([codes, codes]))


def test_not_fitted(quantizer):
    with pytest.raises(NotFittedError):
        quantizer.inverse_transform(np.zeros((1, 1), np.uint8))
