"""Rows turned to the directions in which they differ most, in lists."""

import numpy as np
import pytest
from helpers import decaying, record
from numpy.random import RandomState
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._simd.products import FOUR, ROWS
from sklearn_jin.construction.codes import hold_rows
from sklearn_jin.construction.components import SHARES
from sklearn_jin.construction.reduced import (
    FEWEST_FAR,
    FEWEST_RERANK,
    Plan,
    learn_rerank,
    reduce_rows,
)
from sklearn_jin.search.index import FEW, MANY, Learned, candidates_each
from sklearn_jin.search.probing import Probe
from sklearn_jin.search.reduced import MIDDLE, TOP, candidates, reduce


def reduced(X, space="l2", n_lists=7, n_components=10, n_threads=1):
    plan, rng, points = Plan(n_lists, n_components), RandomState(0), record(X, space)
    sample = hold_rows(points, X.shape[1], RandomState(1), n_threads)
    return reduce_rows(points, X.shape[1], plan, sample, rng)


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


@pytest.mark.parametrize("n_components", [6, 33])
def test_what_a_row_adds_makes_up_for_rounding_and_for_its_rest(n_components):
    X = decaying(500, 33)
    lists, _ = reduced(X, n_components=n_components)
    some = lists.ids >= 0
    Z = reduce(lists.basis, X)[:, :n_components]
    rows, cells = decoded(lists)
    gaps = (Z[lists.ids] - centers_of(lists)[cells])[some]
    near = rows[some][:, :n_components]
    rounded = np.square(gaps).sum(axis=1) - 2 * (gaps * (gaps - near)).sum(axis=1)
    added = lists.adds.ravel()[some] - rounded
    rest = np.square(X - X.mean(axis=0)).sum(axis=1) - np.square(Z).sum(axis=1)
    errors = [np.abs(added - share * rest[lists.ids[some]]).max() for share in SHARES]
    assert min(errors) < 1e-4 * np.square(gaps).sum(axis=1).max()


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
    lists, _ = reduced(X, n_lists=8, n_components=n_components)
    sample = hold_rows(record(X), X.shape[1], RandomState(0), 1)
    return *learn_rerank(lists, sample), lists, sample


def test_where_nothing_is_left_out_few_candidates_are_needed():
    assert learned(decaying(600, 12), 12)[0][0] == FEWEST_RERANK


@pytest.mark.parametrize("k", [FEW, MANY])
def test_candidates_are_as_many_as_hold_nearly_all_neighbours(k):
    X = np.random.default_rng(0).standard_normal((500, 20)).astype(np.float32)
    found, held, lists, sample = learned(X, 12)
    assert held >= 0.995
    each = candidates_each(found, k)
    assert FEWEST_FAR < found.far <= found.rerank <= 16
    near = sample.trial.ids[:, 1 : k + 1]
    shares = []
    for room in (int(k * each), int(k + k * (each - 1) / 4)):
        probe = Probe(8, False, room + 1)
        ids, _ = candidates(lists, sample.trial.queries, probe)
        shares.append((near[:, :, None] == ids[:, None]).any(axis=2).mean())
    assert shares[0] >= 0.995 > shares[1]


def test_candidates_go_over_from_few_to_many_neighbours():
    each = [
        candidates_each(Learned(4.0, far=2.0), k) for k in (1, 10, 11, 50, 100, 999)
    ]
    assert each[:2] == [4, 4] and each[4:] == [2, 2]
    assert 4 > each[2] > each[3] > 2
    assert candidates_each(Learned(4.0), 50) == 4


def test_of_one_row_there_is_nothing_to_learn():
    assert learned(np.ones((1, 4), np.float32), 4)[0][0] == FEWEST_RERANK
