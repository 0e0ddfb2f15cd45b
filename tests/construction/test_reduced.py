"""Rows turned to the directions in which they differ most, in lists."""

import numpy as np
import pytest
from helpers import normal, record
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._simd.products import FOUR, ROWS
from sklearn_jin.construction.codes import NEAR, hold_rows
from sklearn_jin.construction.reduced import (
    FEWEST_RERANK,
    LEAST,
    Plan,
    Wish,
    learn_rerank,
    principal,
    reduce_rows,
)
from sklearn_jin.metrics import METRICS
from sklearn_jin.search.probing import Probe
from sklearn_jin.search.reduced import MIDDLE, TOP, candidates, reduce


def decaying(n, d, seed=0):
    """Rows whose features differ less and less, turned at random."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    rows = rng.standard_normal((n, d)) / np.arange(1, d + 1) + 3
    return (rows @ turn).astype(np.float32)


def reduced(X, space="l2", n_lists=7, n_components=10, n_threads=1):
    plan, rng = Plan(n_lists, n_components), np.random.RandomState(0)
    return reduce_rows(record(X, space), X.shape[1], plan, rng, n_threads)


def decoded(lists):
    """Rows by slot, less their centres, that the bytes stand for."""
    n_blocks, s = len(lists.blocks), lists.blocks.shape[1] // ROWS
    rows = lists.blocks.reshape(n_blocks, s // FOUR, ROWS, FOUR).transpose(0, 2, 1, 3)
    cells = np.repeat(np.arange(len(lists.scales)), np.diff(lists.starts) * ROWS)
    rows = rows.reshape(-1, s).astype(np.float64) - MIDDLE
    return rows * lists.scales[cells, None], cells


def centers_of(lists):
    panels, s, width = lists.centers.shape
    columns = lists.centers.transpose(1, 0, 2).reshape(s, panels * width)
    return columns[:, : len(lists.scales)].T


def test_directions_hold_as_much_variance_as_principal_components():
    X = decaying(3000, 40)
    mean, directions = principal(X, Wish((10,)), np.random.RandomState(0))
    assert_allclose(mean, X.mean(axis=0), atol=1e-5)
    assert_allclose(directions.T @ directions, np.eye(10), atol=1e-5)
    values = np.linalg.eigvalsh(np.cov(X.T))
    spread = np.cov(directions.T @ X.T)
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


@pytest.mark.parametrize("d, n", [(200, LEAST), (30, 30)])
def test_auto_takes_few_directions_where_features_decay(d, n):
    assert reduced(decaying(2000, d), n_components="auto")[0].centers.shape[1] == n


@pytest.mark.parametrize("d", [130, 400])
def test_auto_takes_nearly_all_directions_where_features_are_alike(d):
    lists, _ = reduced(normal(2000, d), n_components="auto")
    assert lists.centers.shape[1] > 0.85 * d


@pytest.mark.parametrize("n_components", [1, 6, 10, 33])
def test_every_row_is_in_the_list_of_its_cell(n_components):
    X = decaying(500, 33)
    lists, sizes = reduced(X, n_components=n_components)
    some = lists.ids >= 0
    assert_array_equal(np.sort(lists.ids[some]), np.arange(len(X)))
    rows, cells = decoded(lists)
    assert_array_equal(np.bincount(cells[some], minlength=7), sizes)
    for cell in range(7):  # what is no row comes last
        own = some[lists.starts[cell] * ROWS : lists.starts[cell + 1] * ROWS]
        assert (
            not np.diff(own.astype(int)).any() or np.diff(own.astype(int)).sum() == -1
        )
    assert np.isinf(lists.adds.ravel()[~some]).all()
    Z = reduce(lists.basis, X)[:, :n_components]
    gaps = Z[lists.ids[some]] - centers_of(lists)[cells[some]]
    near = rows[some][:, :n_components]
    assert (np.abs(near - gaps) <= 0.51 * lists.scales[cells[some], None]).all()
    assert np.abs(gaps / lists.scales[cells[some], None]).max() <= TOP + 0.01
    distances = ((Z[:, None] - centers_of(lists)) ** 2).sum(axis=2)
    least = distances[lists.ids[some], cells[some]]
    assert_allclose(least, distances.min(axis=1)[lists.ids[some]], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("space", ["l2", "ip"])
def test_lists_do_not_depend_on_threads(space):
    X = decaying(2000, 40)
    X /= np.linalg.norm(X, axis=1).max()
    one, other = (reduced(X, space, 20, 24, threads)[0] for threads in (1, 3))
    for a, b in zip(one.basis + one[1:], other.basis + other[1:]):
        assert_array_equal(a, b)


def test_equal_rows_lie_at_their_centre():
    lists, sizes = reduced(np.full((100, 20), 2, np.float32), n_lists=3)
    assert sizes.sum() == 100
    some = lists.ids >= 0
    assert (decoded(lists)[0][some] == 0).all()
    assert np.isfinite(lists.adds.ravel()[some]).all()


def learned(X, n_components, n_queries=64):
    metric = METRICS["euclidean"]().fit(X)
    lists, _ = reduced(X, n_lists=8, n_components=n_components)
    sample = hold_rows(record(X), metric, np.random.RandomState(0), 1)
    return learn_rerank(lists, sample), lists, sample


def test_where_nothing_is_left_out_few_candidates_are_needed():
    assert learned(decaying(600, 12), 12)[0] == FEWEST_RERANK


def test_candidates_are_as_many_as_hold_nearly_all_neighbours():
    X = np.random.default_rng(0).standard_normal((500, 20)).astype(np.float32)
    rerank, lists, sample = learned(X, 12)
    assert FEWEST_RERANK < rerank <= 16
    near = sample.trial.ids[:, 1 : NEAR + 1]
    shares = []
    for room in (int(NEAR * rerank), int(NEAR * rerank / 3)):
        probe = Probe(8, False, room + 1)
        found, _ = candidates(lists, sample.trial.queries, probe)
        shares.append((near[:, :, None] == found[:, None]).any(axis=2).mean())
    assert shares[0] >= 0.995 > shares[1]


def test_of_one_row_there_is_nothing_to_learn():
    assert learned(np.ones((1, 4), np.float32), 4)[0] == FEWEST_RERANK
