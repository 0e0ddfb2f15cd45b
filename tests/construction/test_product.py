"""Codebooks, rotations and codes: what the papers say of them."""

from itertools import pairwise

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._memory import frozen
from sklearn_jin.construction import product


def units(n, d, seed=0):
    X = normal(n, d, seed)
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def correlated(n, d, seed=0):
    """Rows whose principal axes differ in variance, in a random order."""
    axes, _ = np.linalg.qr(normal(d, d, seed + 1))
    return (normal(n, d, seed) * np.geomspace(5, 0.2, d, dtype=np.float32)) @ axes


def seeded():
    return np.random.RandomState(0)


def error(X, Y):
    return np.square(X - Y, dtype=np.float64).sum(axis=1).mean()


# Plain product quantization.


@pytest.mark.parametrize("d, m", [(8, 2), (10, 4), (5, 5), (7, 1)])
def test_runs_are_those_of_array_split(d, m):
    parts = np.array_split(np.arange(d), m)
    assert_array_equal(product.cut(d, m), [part[0] for part in parts] + [d])


@pytest.mark.parametrize("d, m", [(8, 2), (10, 4), (3, 3), (1, 1)])
def test_codes_name_the_nearest_centroids(d, m):
    X, starts = normal(200, d), product.cut(d, m)
    codebooks = product.train(X, starts, 16, seeded(), 5)
    codes = product.encode(X, codebooks, starts)
    assert codes.dtype == np.uint8 and codes.shape == (200, m)
    for s, (lo, hi) in enumerate(pairwise(starts)):
        gaps = X[:, None, lo:hi].astype(np.float64) - codebooks[s, :, : hi - lo]
        assert_array_equal(codes[:, s], np.square(gaps).sum(axis=2).argmin(axis=1))
        assert not codebooks[s, :, hi - lo :].any()


def test_centroids_decode_to_themselves():
    X, starts = normal(300, 10), product.cut(10, 4)
    codebooks = product.train(X, starts, 16, seeded(), 5)
    codes = np.repeat(np.arange(16, dtype=np.uint8)[:, None], 4, axis=1)
    decoded = product.decode(codes, codebooks, starts)
    assert_array_equal(product.encode(decoded, codebooks, starts), codes)


def test_more_centroids_or_sub_vectors_lower_the_error():
    X = normal(600, 12)

    def of(m, K):
        starts = product.cut(12, m)
        books = product.train(X, starts, K, seeded(), 10)
        return error(X, product.decode(product.encode(X, books, starts), books, starts))

    assert of(2, 64) < of(2, 16) and of(6, 16) < of(3, 16) < of(2, 16)


# The rotation.


def rotated(X, m, K=16, n_rotations=6):
    starts = product.cut(X.shape[1], m)
    return product.train_rotated(X, starts, K, seeded(), 10, n_rotations)


@pytest.mark.parametrize("d, m", [(12, 3), (10, 4), (5, 5), (2, 1), (1, 1)])
def test_the_rotation_is_orthogonal(d, m):
    _, rotation, _ = rotated(correlated(300, d), m)
    assert rotation.dtype == np.float32
    assert_allclose(rotation.T @ rotation, np.eye(d), atol=1e-5)


def test_errors_never_increase():
    _, _, errors = rotated(correlated(500, 12), 4, n_rotations=10)
    assert len(errors) == 11
    assert (np.diff(errors) <= 1e-6 * errors[0]).all() and errors[-1] < errors[0]


@pytest.mark.parametrize("n_rotations", [0, 6])
def test_the_error_is_below_that_without_rotation(n_rotations):
    X, starts = correlated(500, 12), product.cut(12, 4)
    books = product.train(X, starts, 16, seeded(), 16)
    plain = error(X, product.decode(product.encode(X, books, starts), books, starts))
    assert rotated(X, 4, n_rotations=n_rotations)[2][-1] < 0.9 * plain


def test_one_sub_vector_gains_nothing_by_a_rotation():
    X, starts = correlated(400, 4), product.cut(4, 1)
    books = product.train(X, starts, 16, seeded(), 60)
    plain = error(X, product.decode(product.encode(X, books, starts), books, starts))
    _, _, errors = product.train_rotated(X, starts, 16, seeded(), 60, 4)
    assert_allclose(errors, plain, rtol=0.02)  # another local minimum of k-means


def test_eigenvalues_are_shared_out_evenly():
    values = np.sort(np.exp(3 * normal(24, 1)[:, 0].astype(np.float64)))[::-1]
    buckets = product.share_out(values, [6, 6, 6, 6])
    assert_array_equal(np.sort(np.concatenate(buckets)), np.arange(24))
    sums = [np.log(values[bucket]).sum() for bucket in buckets]
    assert np.ptp(sums) < np.log(values[0] / values[-1])
    again = product.share_out(1e-6 * values, [6, 6, 6, 6])
    assert_array_equal(buckets, again)  # the unit does not matter


@pytest.mark.parametrize("values", [np.zeros(5), np.array([3.0, 1, 0, 0, 0])])
def test_directions_without_variance_are_shared_out_too(values):
    buckets = product.share_out(values, [2, 2, 1])
    assert [len(bucket) for bucket in buckets] == [2, 2, 1]
    assert_array_equal(np.sort(np.concatenate(buckets)), np.arange(5))


def test_procrustes_finds_a_rotation():
    X = normal(50, 6)
    turn, _ = np.linalg.qr(normal(6, 6, seed=1))
    assert_allclose(product.procrustes(X, X @ turn), turn, atol=1e-5)


# The score-aware loss.


def test_weight_of_the_papers_example():
    assert_allclose(product.parallel_weight(np.ones(1), 0.2, 100), 4.125)
    assert_allclose(product.parallel_weight(np.full(1, 5.0), 1.0, 100), 4.125)
    assert_array_equal(product.parallel_weight(np.ones(2), 0.1, 16), 1)
    lengths, eta = np.array([0.7, 1, 3]), None
    eta = product.parallel_weight(lengths, 0.5, 200)
    assert_allclose(lengths * np.sqrt(eta / (199 + eta)), 0.5)  # the inverse


def anisotropic(n=60, d=12, m=4, K=16, eta=4.0):
    X, starts = units(n, d), product.cut(d, m)
    books = product.train(X, starts, K, seeded(), 5)
    return X, np.full(n, eta), books, starts


def test_weight_1_gives_plain_codes():
    X, eta, books, starts = anisotropic(eta=1.0)
    assert_array_equal(
        product.encode_anisotropic(X, X, eta, books, starts),
        product.encode(X, books, starts),
    )


def test_descent_lowers_the_loss_and_never_raises_the_parallel_error():
    X, eta, books, starts = anisotropic()
    before = product.encode(X, books, starts)
    after = product.encode_anisotropic(X, X, eta, books, starts)
    assert (before != after).any()

    def measures(codes):
        Y = product.decode(codes, books, starts)
        along = np.einsum("ij,ij->i", X.astype(np.float64) - Y, X)
        return product.anisotropic_loss(X, X, eta, Y), np.abs(along)

    (old_loss, old_along), (loss, along) = measures(before), measures(after)
    changed = (before != after).any(axis=1)
    assert (loss[changed] < old_loss[changed]).all()
    assert (along <= old_along + 1e-12).all()


def test_no_single_change_would_improve_a_code():
    X, eta, books, starts = anisotropic(n=15)
    codes = product.encode_anisotropic(X, X, eta, books, starts)

    def measures(codes):
        Y = product.decode(codes, books, starts)
        along = np.einsum("ij,ij->i", X.astype(np.float64) - Y, X)
        return product.anisotropic_loss(X, X, eta, Y), np.abs(along)

    loss, along = measures(codes)
    for s in range(codes.shape[1]):
        for c in range(16):
            other = codes.copy()
            other[:, s] = c
            other_loss, other_along = measures(other)
            assert ((other_loss >= loss - 1e-9) | (other_along > along)).all()


def test_descent_has_a_code_of_its_own_for_every_row():
    X, eta, books, starts = anisotropic()
    codes = product.encode_anisotropic(X, X, eta, books, starts)
    some = product.encode_anisotropic(X[5:8], X[5:8], eta[5:8], books, starts)
    assert_array_equal(codes[5:8], some)


def test_rows_of_weight_1_or_length_0_are_left():
    X, eta, books, starts = anisotropic()
    eta[::2], X[1] = 1, 0
    codes = product.encode_anisotropic(X, X, eta, books, starts)
    plain = product.encode(X, books, starts)
    assert_array_equal(codes[::2], plain[::2])
    assert_array_equal(codes[1], plain[1])


def loss_of(books, X, U, eta, codes, starts):
    Y = product.decode(codes, books, starts)
    return product.anisotropic_loss(X, U, eta, Y).sum()


def test_refitted_codebooks_are_a_minimum():
    X, eta, books, starts = anisotropic(n=200, d=6, m=3, K=4)
    U, X = X, X + 0.1 * normal(200, 6, seed=7)  # residuals have directions of others
    codes = product.encode_anisotropic(X, U, eta, books, starts)
    best = product.refit(X, U, eta, codes, books, starts).astype(np.float64)
    least = loss_of(best, X, U, eta, codes, starts)
    assert least < loss_of(books, X, U, eta, codes, starts)
    for at in np.ndindex(best.shape):
        for step in (-0.01, 0.01):
            moved = best.copy()
            moved[at] += step
            assert loss_of(moved, X, U, eta, codes, starts) > least


def test_refitting_with_weight_1_gives_means():
    X, eta, books, starts = anisotropic(n=200, d=6, m=3, K=4, eta=1.0)
    codes = product.encode(X, books, starts)
    refitted = product.refit(X, X, eta, codes, books, starts)
    for s, (lo, hi) in enumerate(pairwise(starts)):
        for c in range(4):
            expected = X[codes[:, s] == c, lo:hi].mean(axis=0)
            assert_allclose(refitted[s, c], expected, atol=1e-4)


def test_centroids_without_rows_stay():
    X, eta, books, starts = anisotropic(n=200, d=6, m=3, K=4)
    codes = np.minimum(product.encode(X, books, starts), 2)
    refitted = product.refit(X, X, eta, codes, books, starts)
    assert_array_equal(refitted[:, 3], books[:, 3])


def test_updates_lower_the_loss_of_training_rows():
    X, eta, _, starts = anisotropic(n=300)
    given = X, (X, eta), starts, 16, seeded(), 5
    plain = product.train(X, starts, 16, seeded(), 5)
    better = product.train_anisotropic(*given, 2)

    def loss(books):
        codes = product.encode_anisotropic(X, X, eta, books, starts)
        return loss_of(books, X, X, eta, codes, starts)

    assert loss(better) < loss(plain)


def test_rows_may_be_read_only():
    X, eta, books, starts = anisotropic()
    codes = product.encode_anisotropic(
        frozen(X), frozen(X), frozen(eta), frozen(books), frozen(starts)
    )
    assert_array_equal(codes, product.encode_anisotropic(X, X, eta, books, starts))
