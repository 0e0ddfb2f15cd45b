"""What every quantizer promises, whatever its codes are."""

import inspect
import pickle
import warnings

import coders
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_jin import (
    SAQ,
    AnisotropicQuantizer,
    BinaryQuantizer,
    HNSWNeighbors,
    IVFNeighbors,
    OptimizedProductQuantizer,
    PCAQuantizer,
    ProductQuantizer,
    RaBitQ,
    ScalarQuantizer,
)


@pytest.fixture(params=coders.classes(), ids=lambda c: c.__name__)
def quantizer(request):
    return coders.repeatable(request.param())


@parametrize_with_checks([coders.repeatable(c()) for c in coders.classes()])
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


@pytest.mark.parametrize("size", [1e-41, 1e-38, 1e-30, 1e-12, 1e12, 1e20, 5e37])
def test_the_size_of_numbers_is_nothing_to_the_error(quantizer, size):
    Z = np.random.default_rng(0).uniform(-1, 1, (200, 24)) + np.linspace(0, 3, 24)
    X = (size * Z).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = quantizer.fit(X).inverse_transform(quantizer.transform(X))
        plain = clone(quantizer).fit(Z)
    assert back.dtype == np.float32 and np.isfinite(back).all()
    error = np.square(back / size - Z.astype(np.float64)).sum()
    least = np.square(plain.inverse_transform(plain.transform(Z)) - Z).sum()
    # The data themselves are rounded, and subnormal numbers have few digits.
    rounding = (1e-14 if size > 2e-38 else 1e-6) * np.square(Z).sum()
    assert error <= 1.001 * least + rounding


@pytest.mark.parametrize("size", [1e9, 1e38])
def test_rows_far_beyond_those_of_fit_stand_for_finite_rows(quantizer, size):
    Z = np.random.default_rng(0).standard_normal((50, 24)).clip(-3, 3)
    for fitted in (1e-30, 1.0):
        quantizer.fit(fitted * Z)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            back = quantizer.inverse_transform(quantizer.transform(size * Z))
        assert np.isfinite(back).all()


def test_ordinary_rows_have_exponent_0(quantizer):
    Z = np.random.default_rng(0).standard_normal((50, 8))
    for size in (1e-8, 1, 1000, 1e8):
        assert quantizer.fit(size * Z).exponent_ == 0
    assert quantizer.fit(np.zeros((5, 3))).exponent_ == 0
    assert 90 < quantizer.fit(1e-30 * Z).exponent_ < 100


INVALID = [
    (ScalarQuantizer(n_bits=5), "n_bits"),
    (ScalarQuantizer(range="x"), "range"),
    (RaBitQ(n_bits=9), "n_bits"),
    (SAQ(n_bits=-1), "n_bits"),
    (SAQ(n_rounds=-1), "n_rounds"),
    (PCAQuantizer(0), "n_components"),
    (PCAQuantizer(n_bits=6), "n_bits"),
    (PCAQuantizer(max_train=0), "max_train"),
    (BinaryQuantizer("x"), "scores"),
    (ProductQuantizer(max_train=0), "max_train"),
    (ProductQuantizer(n_bits=5), "n_bits"),
    (OptimizedProductQuantizer(n_rotations=-1), "n_rotations"),
    (AnisotropicQuantizer(threshold=1.0), "threshold"),
]


@pytest.mark.parametrize("invalid, name", INVALID, ids=str)
@pytest.mark.parametrize(
    "index", [HNSWNeighbors(), IVFNeighbors(exact_threshold=0)], ids=str
)
def test_an_index_refuses_invalid_parameters_of_its_quantizer(index, invalid, name):
    X = np.random.default_rng(0).standard_normal((60, 8))
    named = f"'{name}' parameter of {type(invalid).__name__}"
    with pytest.raises(InvalidParameterError, match=named):
        clone(index).set_params(quantizer=invalid).fit(X)
    with pytest.raises(InvalidParameterError, match=named), skipped_validation():
        clone(invalid).fit(X)


def skipped_validation():
    return config_context(skip_parameter_validation=True)


def test_constructors_take_what_was_positional_and_copy_nothing(quantizer):
    names = list(inspect.signature(type(quantizer)).parameters)
    assert sorted(names) == sorted(quantizer.get_params())
    values = {name: object() for name in names}
    made = type(quantizer)(**values)
    assert all(getattr(made, name) is value for name, value in values.items())
    assert quantizer != type(quantizer)() and hash(quantizer)
    copy = pickle.loads(pickle.dumps(quantizer))
    assert repr(copy) == repr(clone(quantizer)) == repr(quantizer)


def test_only_the_first_parameters_are_positional():
    assert ProductQuantizer(3, 4).get_params()["n_subvectors"] == 3
    assert AnisotropicQuantizer().n_bits == 4 and SAQ(2).n_bits == 2
    for make in (RaBitQ, ScalarQuantizer, SAQ, PCAQuantizer):
        with pytest.raises(TypeError):
            make(4, 0)
    with pytest.raises(TypeError):
        ProductQuantizer(3, 4, 5)
