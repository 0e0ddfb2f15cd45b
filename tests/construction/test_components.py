"""Principal components: which they are, and how many of them lists take."""

import numpy as np
import pytest
from helpers import decaying, normal, record
from numpy.random import RandomState
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin.construction import components
from sklearn_jin.construction.codes import NEAR, hold_rows
from sklearn_jin.construction.components import (
    SHARES,
    Tries,
    Wish,
    principal,
    ranks_by_size,
    reduction,
    turned,
    work_ns,
)
from sklearn_jin.construction.reduced import Plan


def held(X, space="l2", seed=1):
    return hold_rows(record(X, space), X.shape[1], RandomState(seed), 1)


def reduced(X, n_components="auto", from_origin=False):
    sample = held(X, "ip" if from_origin else "l2")
    return reduction(X, Plan(9, n_components), sample, RandomState(0), from_origin)


# Which they are.


def test_directions_hold_as_much_variance_as_principal_components():
    X = decaying(3000, 40)
    mean, directions = principal(X, Wish((10,)), np.random.RandomState(0))
    assert_allclose(mean, X.mean(axis=0), atol=1e-5)
    assert_allclose(directions.T @ directions, np.eye(10), atol=1e-5)
    spans = turned(directions, np.random.RandomState(1))
    assert_allclose(spans @ spans.T, directions @ directions.T, atol=1e-5)
    values = np.linalg.eigvalsh(np.cov(X.T))
    spread = np.cov(spans.T @ X.T)
    assert np.trace(spread) > 0.999 * values[-10:].sum()
    assert np.diag(spread).max() < 10 * np.diag(spread).min()  # as they are turned


def test_directions_from_the_origin_hold_the_mean():
    X = decaying(3000, 40)
    mean, directions = principal(
        X, Wish((1,)), np.random.RandomState(0), from_origin=True
    )
    assert not mean.any()
    middle = X.mean(axis=0) / np.linalg.norm(X.mean(axis=0))
    assert abs(directions[:, 0] @ middle) > 0.99


SIZES = Wish((4, 8, 16), held=0.9)


@pytest.mark.parametrize("power, n", [(3, 4), (1, 4), (0.5, 8), (0.25, 16), (0, 16)])
def test_the_least_size_that_holds_the_variance_is_taken_or_else_the_last(power, n):
    X = normal(3000, 20) / np.arange(1, 21, dtype=np.float32) ** (2 * power)
    values = np.sort(X.var(axis=0))[::-1].cumsum() / X.var(axis=0).sum()
    want = next((size for size in (4, 8, 16) if values[size - 1] >= 0.9), 16)
    assert want == n
    assert principal(X, SIZES, np.random.RandomState(0))[1].shape == (20, n)


def test_all_are_taken_where_those_that_are_fewer_do_not_hold_the_variance():
    wish = Wish((4, 8, 32), held=0.9)
    assert principal(normal(300, 20), wish, RandomState(0))[1].shape == (20, 20)


def test_rows_that_are_far_off_move_neither_mean_nor_directions():
    X = normal(1000, 8) @ normal(8, 40, seed=1)
    far = X.copy()
    far[:9] += 1e6
    mean, U = principal(far, Wish((8,)), RandomState(0))
    assert np.linalg.norm(mean - X.mean(axis=0)) < 1
    assert_allclose(X @ U @ U.T, X, atol=0.01)


def test_no_more_directions_than_features_are_taken():
    _, directions = principal(normal(50, 3), SIZES, np.random.RandomState(0))
    assert_allclose(directions.T @ directions, np.eye(3), atol=1e-6)


def test_directions_are_learned_from_as_many_rows_as_wished():
    X = normal(300, 20)
    few, all_of_them, enough = (
        principal(X, Wish((2,), n_train=n), np.random.RandomState(0))
        for n in (30, 300, None)
    )
    assert_allclose(enough[0], X.mean(axis=0), atol=1e-6)
    assert_array_equal(enough[0], all_of_them[0])
    assert np.abs(few[0] - X.mean(axis=0)).max() > 0.1


# How many are taken.


@pytest.mark.parametrize("from_origin", [False, True])
def test_few_are_taken_where_few_directions_tell(from_origin):
    X = normal(600, 10) @ normal(10, 100, seed=1) + normal(600, 100, seed=2) / 100 + 3
    X /= np.linalg.norm(X, axis=1).max()
    assert reduced(X, from_origin=from_origin).directions.shape[1] == 16


@pytest.mark.parametrize("d", [1, 12, 130])
def test_all_are_taken_where_features_are_alike(d):
    assert_array_equal(reduced(normal(600, d)).directions.shape, (d, d))


def test_so_many_are_taken_as_are_asked_for():
    assert reduced(normal(100, 20), 7).directions.shape == (20, 7)


def clustered(n=2000, d=64, n_clusters=10):
    """Rows whose rest is that of their cluster."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((n_clusters, d))
    noise = rng.standard_normal((n, d)) / np.arange(1, d + 1)
    return (centers[rng.integers(0, n_clusters, n)] + noise).astype(np.float32)


def test_rests_that_near_rows_share_are_not_added():
    assert reduced(clustered(), 5).share == 0


def test_rests_that_have_nothing_to_do_with_each_other_are_added():
    X = normal(600, 40) * np.repeat([2, 1], [8, 32]).astype(np.float32)
    X[:, 8:] *= np.random.default_rng(1).uniform(0, 1, (600, 1))  # and differ
    assert reduced(X.astype(np.float32), 8).share >= 0.5


def test_inner_products_have_no_rest():
    X = clustered()
    X /= np.linalg.norm(X, axis=1).max()
    assert reduced(X, 5, from_origin=True).share == 0


def true_ranks(X, mean, U, tries, sample):
    """Ranks of the neighbours by definition, in float64."""
    X, U = X.astype(np.float64) - mean, U.astype(np.float64)
    Q = sample.trial.queries[:, : X.shape[1]].astype(np.float64) - mean
    near = sample.trial.ids[:, sample.own : sample.own + NEAR]
    ranks = np.empty((len(tries.sizes), len(tries.shares), *near.shape))
    for s, size in enumerate(tries.sizes):
        Z, Y = Q @ U[:, :size], X @ U[:, :size]
        rest = np.square(X).sum(axis=1) - np.square(Y).sum(axis=1)
        gaps = np.square(Z[:, None] - Y).sum(axis=2)
        for j, share in enumerate(tries.shares):
            scores = gaps + share * rest if tries.space == "l2" else -Z @ Y.T
            own = np.take_along_axis(scores, near, axis=1)
            before = (scores[:, None] < own[:, :, None] - 1e-9).sum(axis=2)
            ranks[s, j] = np.maximum(before + 1 - sample.own, 1)
    return ranks.reshape(len(tries.sizes), len(tries.shares), -1)


@pytest.mark.parametrize("n, space", [(1, "l2"), (2, "l2"), (300, "l2"), (300, "ip")])
def test_ranks_are_those_among_all_rows(n, space):
    X, tries = clustered(n, 24), Tries((3, 8, 20), SHARES, space)
    X /= np.linalg.norm(X, axis=1).max()
    sample, wish = held(X, space), Wish((20,))
    mean, U = principal(X, wish, RandomState(0), space == "ip")
    ranks = ranks_by_size(X, (mean, U), tries, sample, RandomState(0))
    expected = true_ranks(X, mean, U, tries, sample)
    assert ranks.shape == expected.shape
    assert np.count_nonzero(np.abs(ranks - expected) > 1) <= 0.01 * ranks.size


def test_some_rows_stand_for_all(monkeypatch):
    X, tries = normal(3000, 24), Tries((4,), SHARES)
    sample = held(X)
    axes = principal(X, Wish((4,)), RandomState(0))
    every = ranks_by_size(X, axes, tries, sample, RandomState(0))
    monkeypatch.setattr(components, "SEEN", 100)
    some = ranks_by_size(X, axes, tries, sample, RandomState(0))
    assert not np.array_equal(some, every)
    assert_allclose(some.mean(axis=2), every.mean(axis=2), rtol=0.1)


def test_ranks_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(components, "PART", 64)
    X, tries = clustered(500), Tries((4, 9), SHARES)
    axes = principal(X, Wish((9,)), RandomState(0))
    one, three = (
        ranks_by_size(X, axes, tries, held(X)._replace(n_threads=n), RandomState(0))
        for n in (1, 3)
    )
    assert_array_equal(one, three)


def test_a_query_is_more_work_by_more_components_and_candidates():
    shape, n_lists = (10_000, 300), 100
    assert work_ns(32, 20, shape, n_lists) < work_ns(64, 20, shape, n_lists)
    assert work_ns(32, 20, shape, n_lists) < work_ns(32, 40, shape, n_lists)
    assert work_ns(32, 20, shape, n_lists) > work_ns(32, 20, shape, 4 * n_lists)
    assert work_ns(32, 1e9, shape, n_lists) == np.inf


def test_rows_that_nobody_checked_end():
    X = normal(300, 40)
    X[::7] = np.nan
    assert np.isfinite(reduced(X).directions).all()
