"""Search in lists of reduced rows."""

import numpy as np
import pytest
from answers import scan, search_route
from helpers import assert_same, normal, padded, record
from numpy.random import RandomState
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import ScalarQuantizer
from sklearn_jin.construction.codes import hold_rows
from sklearn_jin.construction.reduced import Plan, reduce_rows
from sklearn_jin.search import counters
from sklearn_jin.search.index import Search, _is_beyond, ranges_of
from sklearn_jin.search.reduced import (
    ROWS,
    SHARED,
    TOP,
    Probe,
    candidates,
    fill_bytes,
    nearest_lists,
    reduce,
)
from sklearn_jin.search.rerank import sift

N, D = 400, 24


def rows(space="l2"):
    X = normal(N, D) / np.arange(1, D + 1, dtype=np.float32)
    return X / np.linalg.norm(X, axis=1).max() if space == "ip" else X


def lists_of(X, space="l2", n_components=D, n_lists=9):
    plan, rng, points = Plan(n_lists, n_components), RandomState(0), record(X, space)
    sample = hold_rows(points, X.shape[1], RandomState(1), 1)
    return reduce_rows(points, X.shape[1], plan, sample, rng)[0]


def asked(n, space="l2"):
    Q = rows(space)[:n] + normal(n, D, seed=1) / 50
    if space == "ip":
        Q /= np.linalg.norm(Q, axis=1, keepdims=True)
    return padded(Q)


def scores(X, Q, space):
    """What a route of rows estimates, in float64."""
    X, Q = X.astype(np.float64), Q[:, : X.shape[1]].astype(np.float64)
    if space == "ip":
        return 2 - 2 * Q @ X.T
    return np.square(Q[:, None] - X).sum(axis=2)


@pytest.mark.parametrize("n_components", [D, 9])
@pytest.mark.parametrize("space", ["l2", "ip"])
def test_estimates_are_near_the_scores(space, n_components):
    X, Q = rows(space), asked(20, space)
    lists = lists_of(X, space, n_components)
    ids, estimates = candidates(lists, Q, Probe(9, False, N))
    assert_array_equal(np.sort(ids, axis=1), np.tile(np.arange(N), (20, 1)))
    assert (np.diff(estimates) >= 0).all()
    want = np.take_along_axis(scores(X, Q, space), ids.astype(np.intp), axis=1)
    error = np.sqrt(np.square(estimates - want).mean())
    assert error < (0.005 if n_components == D else 0.1) * want.std()
    if space == "l2" and n_components == D:  # near rows lose least by rounding
        assert np.abs(estimates - want)[want < 0.02].max() < 0.02


@pytest.mark.parametrize("space", ["l2", "ip"])
@pytest.mark.parametrize("coded", [False, True])
def test_all_lists_and_all_candidates_are_an_exact_search(space, coded):
    X, Q = rows(space), asked(30, space)
    points, codes = record(X, space), None
    if coded:
        quantizer = ScalarQuantizer(8).fit(X)
        codes = quantizer.points(quantizer.transform(X), space)
    search = Search(5, N, effort=9)
    found = search_route(lists_of(X, space, 6), points, Q, search, finer=codes)
    assert_same(found, scan(points, Q, 5))


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_query_has_the_same_candidates_alone_as_among_others(adaptive):
    X = rows()
    lists, Q = lists_of(X, n_components=10), asked(2 * SHARED + 7)
    probe = Probe(3, adaptive, 12)
    ids, estimates = candidates(lists, Q, probe)
    for q in range(0, len(Q), 5):
        one, alone = candidates(lists, Q[q : q + 1], probe)
        assert_array_equal(one[0], ids[q])
        assert_array_equal(alone[0], estimates[q])


def test_lists_are_those_of_the_nearest_centres():
    lists, Q = lists_of(rows(), n_components=D), asked(25)
    reduced = reduce(lists.basis, Q)
    cells, bases = nearest_lists(lists, reduced, Probe(4, False, 10))
    columns = lists.centers.transpose(1, 0, 2).reshape(D, -1)[:, :9]
    want = np.square(reduced[:, :D, None] - columns).sum(axis=1)
    assert_array_equal(cells, np.argsort(want, axis=1)[:, :4])
    assert_allclose(bases, np.sort(want, axis=1)[:, :4], rtol=1e-3, atol=1e-5)


def test_an_adaptive_search_probes_as_many_lists_on_the_average():
    X = rows()
    lists = lists_of(X, n_components=D, n_lists=40)
    reduced = reduce(lists.basis, padded(X))
    cells, bases = nearest_lists(lists, reduced, Probe(12, True, 10))
    assert 10 < (cells >= 0).sum(axis=1).mean() < 14
    assert (bases[:, 1:] >= bases[:, :-1]).all()
    narrow = (cells >= 0).sum(axis=1)
    assert narrow.min() < 10 and narrow.max() > 14  # and so some are easy


def test_a_query_at_a_centre_and_one_far_away_are_answered():
    X = rows()
    lists, points = lists_of(X, n_components=8), record(X)
    Q = padded(np.vstack([X.mean(axis=0), X[3], np.zeros(D), np.full(D, 1e6)]))
    found = search_route(lists, points, Q, Search(3, N, effort=9))
    assert_same(found, scan(points, Q, 3))


def test_the_work_is_counted():
    lists, Q = lists_of(rows()), asked(4)
    with counters.counting() as work:
        candidates(lists, Q, Probe(9, False, 5))
    assert work[1] == 4 * len(lists.ids)


@pytest.mark.parametrize("gaps", [[0, 0], [1, -2], [1e-30, 0], [-3e30, 2]])
def test_numbers_become_bytes(gaps):
    gaps = np.array([gaps], np.float32)
    rows = np.zeros((2, 2), np.int8)
    unit, total = fill_bytes(gaps, rows, 1)
    assert_array_equal(rows[0], 0)
    assert np.abs(rows[1].astype(int)).max() == (TOP if gaps.any() else 0)
    assert total == rows[1].sum()
    assert_allclose(rows[1] * unit, gaps[0], atol=0.51 * unit)


def test_candidates_are_sifted_by_codes():
    X, Q = rows(), asked(6)
    quantizer = ScalarQuantizer(8).fit(X)
    codes = quantizer.points(quantizer.transform(X), "l2")
    ids = np.tile(np.arange(30, dtype=np.int32), (6, 1))
    ids[1, 10:] = -1
    found, estimates = sift(codes, Q[:, :D].copy(), ids)
    assert_array_equal(np.sort(found[1]), [-1] * 20 + [*range(10)])
    assert (found[1, 10:] == -1).all()
    near = np.square(Q[:, None, :D] - quantizer.inverse_transform(codes.codes[:30, :D]))
    want = near.sum(axis=2)
    assert_allclose(estimates[0], np.sort(want[0]), rtol=0.05, atol=0.01)
    assert_array_equal(np.sort(found[0]), np.arange(30))


@pytest.mark.parametrize("damage", ["gone", "all gone", "twice", "behind"])
def test_lists_without_every_row_once_are_damaged(damage):
    lists = lists_of(rows(), n_lists=3)
    ids = lists.ids.copy()
    assert np.diff(lists.starts).max() > 1  # blocks of one list
    first = lists.starts[np.argmax(np.diff(lists.starts))] * ROWS
    if damage == "gone":  # within a list, where the kernel does not look for an end
        ids[first] = -1
    elif damage == "all gone":  # whose keys are equal, and fill a shortlist for ever
        ids[:] = -1
    elif damage == "twice":
        ids[first] = ids[first + 1]
    else:
        ids[lists.starts[-1] * ROWS - 1] = ids[first]
    assert not any(map(_is_beyond, ranges_of(lists, N, D)))
    assert any(map(_is_beyond, ranges_of(lists._replace(ids=ids), N, D)))
