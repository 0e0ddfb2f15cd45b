"""Product quantizers: sizes, codes and how well they recall."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from sklearn_jin import (
    AnisotropicQuantizer,
    OptimizedProductQuantizer,
    ProductQuantizer,
)
from sklearn_jin.construction.product import anisotropic_loss
from sklearn_jin.points import encode_queries

CLASSES = [ProductQuantizer, OptimizedProductQuantizer, AnisotropicQuantizer]


@pytest.fixture(params=CLASSES, ids=lambda c: c.__name__)
def make(request):
    """Make a quantizer of every class, quick and seeded."""

    def make(*args, **options):
        return request.param(*args, **{"n_iter": 5, "random_state": 0, **options})

    return make


def rows(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def round_trip(quantizer, X):
    return quantizer.inverse_transform(quantizer.transform(X))


def error(quantizer, X):
    return np.square(X - round_trip(quantizer, X)).mean()


@pytest.mark.parametrize("n_bits, m", [(8, 3), (4, 5)])
def test_auto_takes_a_byte_for_four_features(make, n_bits, m):
    quantizer = make(n_bits=n_bits).fit(rows(40, 10))
    assert quantizer.n_subvectors_ == m and quantizer.n_bytes_ == 3
    assert quantizer.codebooks_.shape == (m, 2**n_bits, 4 if n_bits == 8 else 2)
    assert quantizer.codebooks_.dtype == np.float32


@pytest.mark.parametrize("m, n_bytes", [(1, 1), (2, 1), (7, 4), (10, 5)])
def test_bytes_of_4_bits(make, m, n_bytes):
    X = rows(40, 10)
    codes = make(m, 4).fit(X).transform(X)
    assert codes.shape == (40, n_bytes)
    if m % 2:
        assert (codes[:, -1] < 16).all()


def test_more_sub_vectors_than_features_are_cut_with_a_warning(make):
    X = rows(40, 3)
    with pytest.warns(UserWarning, match="n_subvectors=5 is more than n_features=3"):
        quantizer = make(5).fit(X)
    assert quantizer.n_subvectors_ == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("auto").fit(X)


@pytest.mark.parametrize("n_bits", [2, 5, 16, "8"])
def test_bits_are_4_or_8(make, n_bits):
    with pytest.raises(ValueError, match="n_bits"):
        make(n_bits=n_bits).fit(rows(40, 3))


def test_no_more_rows_than_centroids_are_kept_exactly(make):
    X = rows(16, 6)
    quantizer = make(1, 8).fit(X)
    assert_allclose(round_trip(quantizer, X), X, atol=1e-5)


def test_more_bytes_lower_the_error(make):
    X = rows(600, 12)
    errors = [error(make(m, 4).fit(X), X) for m in (2, 4, 12)]
    assert errors[0] > errors[1] > errors[2]


def test_max_train_draws_rows(make):
    X = rows(300, 6)
    few = make(max_train=50).fit(X)
    assert_array_equal(few.codebooks_, make(max_train=50).fit(X).codebooks_)
    assert not np.array_equal(few.codebooks_, make().fit(X).codebooks_)
    other = make(max_train=50, random_state=1).fit(X)
    assert not np.array_equal(few.codebooks_, other.codebooks_)


@pytest.mark.jit
def test_threads_do_not_change_the_codebooks(make):
    X = rows(1500, 16)
    with threadpool_limits(1):
        one = make().fit(X)
    with threadpool_limits(2):
        two = make().fit(X)
    assert_array_equal(one.codebooks_, two.codebooks_)


@pytest.mark.parametrize("n_bits", [4, 8])
@pytest.mark.parametrize("space", ["l2", "ip"])
def test_points_hold_the_codes(make, n_bits, space):
    X = rows(40, 10)
    quantizer = make(n_bits=n_bits).fit(X)
    codes = quantizer.transform(X)
    made = quantizer.points(codes, space)
    name = f"Product{n_bits}{space.upper()}"
    assert type(made).__name__ == name
    assert_array_equal(made.codes[:, : quantizer.n_bytes_], codes)
    assert not any(array.flags.writeable for array in made)
    assert encode_queries(made, X).shape == X.shape


def test_a_rotation_helps_where_features_correlate():
    axes, _ = np.linalg.qr(rows(16, 16, seed=1))
    X = (rows(600, 16) * np.geomspace(5, 0.2, 16, dtype=np.float32)) @ axes
    plain = ProductQuantizer(4, 4, random_state=0).fit(X)
    turned = OptimizedProductQuantizer(4, 4, random_state=0).fit(X)
    assert error(turned, X) < 0.8 * error(plain, X)
    rotation = turned.rotation_
    assert_allclose(rotation.T @ rotation, np.eye(16), atol=1e-5)
    assert len(turned.errors_) == 21
    assert_allclose(turned.errors_[-1] / 16, error(turned, X), rtol=1e-3)


def test_threshold_is_a_share_of_the_length_of_short_rows():
    X = rows(200, 32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    one = AnisotropicQuantizer(threshold=0.4, random_state=0).fit(X)
    assert_allclose([one.threshold_, one.length_], [0.4, 1], rtol=1e-6)
    ten = AnisotropicQuantizer(threshold=0.4, random_state=0).fit(8 * X)
    assert_allclose([ten.threshold_, ten.length_], [3.2, 8], rtol=1e-6)
    assert_array_equal(one.transform(X), ten.transform(8 * X))


def test_the_default_threshold_falls_beyond_128_features():
    for d, threshold in (64, 0.2), (128, 0.2), (256, 0.2 / 2**0.75):
        X = rows(20, d)
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        quantizer = AnisotropicQuantizer(n_updates=0, n_iter=1).fit(X)
        assert_allclose(quantizer.threshold_, threshold, rtol=1e-5)


def test_a_small_threshold_gives_plain_codes():
    X = rows(300, 12)
    plain = ProductQuantizer(n_bits=4, random_state=0).fit_transform(X)
    same = AnisotropicQuantizer(threshold=0.01, n_updates=0, random_state=0)
    assert_array_equal(same.fit_transform(X), plain)


def test_rows_of_length_0():
    X = rows(60, 8)
    X[::3] = 0
    assert np.isfinite(round_trip(AnisotropicQuantizer().fit(X), X)).all()
    zeros = np.zeros((20, 8))
    assert_array_equal(round_trip(AnisotropicQuantizer().fit(zeros), zeros), zeros)


def clustered(n, d, seed=0):
    """Rows of length 1 around 100 places."""
    X = rows(n, d, seed) + 1.5 * rows(100, d, seed=9)[np.arange(n) % 100]
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def recall(quantizer, X, Q, k=10):
    """Share of the ``k`` largest inner products that codes find."""
    found = np.argsort(-(Q @ round_trip(quantizer.fit(X), X).T), axis=1)[:, :k]
    right = np.argsort(-(Q @ X.T), axis=1)[:, :k]
    return np.mean([len(set(a) & set(b)) for a, b in zip(found, right)]) / k


@pytest.mark.jit
def test_score_aware_codes_recall_more_inner_products():
    X, Q = clustered(4000, 96), clustered(300, 96, seed=2)
    plain = ProductQuantizer(n_bits=4, n_iter=10, random_state=0)
    aware = AnisotropicQuantizer(n_iter=10, random_state=0)
    assert recall(aware, X, Q) > recall(plain, X, Q) + 0.03  # 0.68, 0.61


def loss(quantizer, X):
    """Mean score-aware loss of the rows."""
    decoded = round_trip(quantizer.fit(X), X)
    return anisotropic_loss(X, *quantizer._aim(X), decoded).mean()


@pytest.mark.jit
@pytest.mark.parametrize("seed", range(3))
def test_updated_codebooks_have_a_smaller_loss(seed):
    X = clustered(4000, 96)
    first = AnisotropicQuantizer(12, n_updates=0, n_iter=10, random_state=seed)
    updated = AnisotropicQuantizer(12, n_iter=10, random_state=seed)
    assert loss(updated, X) < 0.95 * loss(first, X)
