"""Queries that are limited to some rows: against brute force on these rows."""

from functools import partial

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indexes import repeatable
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

import sklearn_jin
from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    IVFPCANeighbors,
    ScalarQuantizer,
)
from sklearn_jin._memory import Remembered
from sklearn_jin.search import filtered

K = 5


def nearest(X, Q, masks, k, groups=None, most=None):
    """Ids of the ``k`` nearest of the rows that ``masks`` (n_queries, n) allow.

    Of a group no more than ``most``.
    """
    found = []
    for gaps, mask in zip(naive.distances(X, Q), masks):
        order = [i for i in np.argsort(gaps, kind="stable") if mask[i]]
        if most is not None:
            ranks = [
                sum(groups[j] == groups[i] for j in order[:r])
                for r, i in enumerate(order)
            ]
            order = [i for i, rank in zip(order, ranks) if rank < most]
        found.append(order[:k])
    return np.array(found)


def masks_of(n, m=None, share=0.5, seed=3):
    shape = (n,) if m is None else (m, n)
    return np.random.default_rng(seed).random(shape) < share


def assert_finds(index, X, Q, masks, **where):
    """That the answer is that of brute force, and equal for one query at a time."""
    wanted = nearest(X, Q, np.broadcast_to(masks, (len(Q), len(X))), K)
    distances, ids = index.kneighbors(Q, K, **where)
    assert_array_equal(ids, wanted)
    true = np.take_along_axis(naive.distances(X, Q), wanted, axis=1)
    assert_allclose(distances, true, rtol=1e-6)
    assert distances.dtype == np.float64 and ids.dtype == np.int64


def test_a_filter_is_a_mask_or_ids_or_a_function(index, X, Q):
    X = X.astype(np.float32)
    mask = masks_of(60)
    index.fit(X)
    ids = np.flatnonzero(mask)
    for where in (mask, mask.tolist(), ids, ids[::-1].repeat(2).tolist()):
        assert_finds(index, X, Q, mask, where=where)
    calls = []

    def allows(ids):
        calls.append(ids)
        return mask[ids]

    assert_finds(index, X, Q, mask, where=allows)
    assert len(calls) == 1 and calls[0].dtype == np.int64


def test_each_query_may_have_a_filter(shell, X, Q):
    X = X.astype(np.float32)
    shell.fit(X)
    masks = masks_of(60, 15)
    masks[3] = masks[0]
    masks[4:8] = masks_of(60, 4, 0.95)  # are answered together
    masks[8] = True
    numbers = sparse.csr_matrix(masks * 2.0)
    zeros = sparse.csr_array(np.ones(masks.shape))  # which are stored
    zeros.data[:] = masks.ravel()
    for where in (masks, sparse.csr_array(masks), numbers, numbers.tocsc(), zeros):
        assert_finds(shell, X, Q, masks, where=where)


def test_a_mask_may_be_changed_by_its_owner(shell, X, Q):
    """Though what the last one made is remembered, by every index."""
    X, mask = X.astype(np.float32), masks_of(60)
    shell.fit(X)
    other = clone(shell).fit(X[::-1])
    for _ in range(4):
        assert_finds(shell, X, Q, mask, where=mask)
        assert_finds(other, X[::-1], Q, mask, where=mask)
        mask[:] = np.roll(mask, 7)  # which allows as many


def test_filters_do_not_depend_on_the_batch_or_the_threads(shell, X, Q):
    shell.fit(X)
    masks = masks_of(60, 15)
    whole = shell.kneighbors(Q, K, where=masks)
    shell.set_params(n_jobs=3)
    for q in range(0, 15, 4):
        for where in (masks[q], masks[q : q + 1]):
            for one, all_ in zip(shell.kneighbors(Q[q : q + 1], K, where=where), whole):
                assert_array_equal(one[0], all_[q])


def test_a_filter_that_allows_all_changes_nothing(shell, X, Q):
    wanted = shell.fit(X).kneighbors(Q, K)
    for where in (np.ones(60, bool), np.arange(60), np.ones((15, 60), bool)):
        for found, right in zip(shell.kneighbors(Q, K, where=where), wanted):
            assert_array_equal(found, right)


def test_rows_are_not_in_their_own_answers(shell, X):
    X = X.astype(np.float32)
    shell.fit(X)
    shared, each = masks_of(60), masks_of(60, 60)
    for masks in (shared, each):
        every = np.broadcast_to(masks, (60, 60)) & ~np.eye(60, dtype=bool)
        ids = shell.kneighbors(None, K, False, where=masks)
        assert_array_equal(ids, nearest(X, X, every, K))


@pytest.mark.parametrize(
    "where, message",
    [
        (np.ones(59, bool), "a mask of 59 rows, but 60"),
        (np.ones((15, 59), bool), r"\(15, 59\).*\(15, 60\)"),
        (np.ones((15, 60)), "a matrix of float64"),
        ([0, 60], "the id 60"),
        ([-1, 3], "the id -1"),
        ([0.0, np.nan], "an array of float64"),
        (["a"], "an array of <U1"),
        ([[True], [True, False]], "no array"),
        ([[True, False]], "a list of lists"),
        (3, r"of shape \(\)"),
        (lambda ids: ids, "returned an array of int64"),
        (lambda ids: ids[:3] > 0, r"of shape \(3,\)"),
        (sparse.csr_array(np.full((15, 60), np.nan)), "no number"),
        ([], "0 are allowed for query 0"),
        (np.zeros(60, bool), "0 are allowed for query 0"),
        ([1, 2, 3, 3, 3], "n_neighbors = 5, and 3 are allowed.*ragged=True"),
        (np.arange(60) < np.repeat([5, 3, 5], 5)[:, None], "3 are allowed for query 5"),
    ],
)
def test_bad_filters_are_refused(X, Q, where, message):
    index = FlatNeighbors().fit(X)
    with pytest.raises(ValueError, match=message):
        index.kneighbors(Q, K, where=where)


def test_own_rows_need_one_row_more(X):
    index = FlatNeighbors().fit(X)
    with pytest.raises(ValueError, match="4 others are allowed for query 7"):
        index.kneighbors(None, K, where=np.arange(7, 12))
    ids = index.kneighbors(None, K, False, where=np.arange(7, 12), ragged=True)
    assert [*map(len, ids)] == [5] * 7 + [4] * 5 + [5] * 48


def test_ragged_answers_have_as_many_as_there_are(shell, X, Q):
    shell.fit(X)
    masks = np.arange(60) < np.arange(15)[:, None]
    distances, ids = shell.kneighbors(Q, K, where=masks, ragged=True)
    assert distances.dtype == ids.dtype == object and ids[0].dtype == np.int64
    for q, (gaps, row) in enumerate(zip(distances, ids)):
        right = nearest(X.astype(np.float32), Q[[q]], masks[[q]], K)[0]
        assert_array_equal(row, right)
        assert len(gaps) == min(q, K) and (np.diff(gaps) >= 0).all()
    ids = shell.kneighbors(Q, 99, False, ragged=True)
    assert all(len(row) == 60 for row in ids)
    assert not any(map(len, shell.kneighbors(Q, K, False, where=[], ragged=True)))


def test_a_radius_has_a_filter(shell, X, Q):
    X = X.astype(np.float32)
    shell.fit(X)
    gaps, radius = naive.distances(X, Q), 3.0
    for masks in (masks_of(60), masks_of(60, 15), np.zeros(60, bool)):
        distances, ids = shell.radius_neighbors(Q, radius, where=masks)
        inside = (gaps <= radius) & masks
        for q in range(15):
            assert {*ids[q]} == {*np.flatnonzero(inside[q])}
            assert_allclose(distances[q], np.sort(gaps[q][inside[q]]), rtol=1e-6)
    own = shell.radius_neighbors(None, 9.0, False, where=[3, 7])
    assert [*own[3]] == [7] and {*own[0]} == {3, 7}


def test_graphs_have_filters(X, Q):
    index, mask = FlatNeighbors(n_neighbors=3).fit(X), masks_of(60)
    for mode in ("connectivity", "distance"):
        graph = index.kneighbors_graph(Q, mode=mode, where=mask)
        distances, ids = index.kneighbors(Q, where=mask)
        assert_array_equal(graph.indices.reshape(ids.shape), ids)
        if mode == "distance":
            assert_array_equal(graph.data.reshape(ids.shape), distances)
        few = index.kneighbors_graph(Q, mode=mode, where=[2], ragged=True)
        assert few.shape == (15, 60) and few.nnz == 15 and not (few.indices - 2).any()
    graph = index.radius_neighbors_graph(Q, 3.0, where=mask)
    wanted = index.radius_neighbors(Q, 3.0, where=mask)[1]
    assert_array_equal(np.diff(graph.indptr), [*map(len, wanted)])
    assert mask[graph.indices].all()
    assert index.kneighbors_graph(mode="distance").nnz == 180  # as scikit-learn's


# Groups.


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(60) % 7,
        (np.arange(60) % 7).astype(str),
        np.arange(60) % 7 / 4,
        np.arange(60) < 9,
        [f"{i % 7}" if i % 2 else i % 7 for i in range(60)],  # which have no order
    ],
    ids=["integers", "texts", "floats", "bool", "mixed"],
)
def test_groups_are_labels_of_any_kind(labels, X, Q, tmp_path):
    index = FlatNeighbors().fit(X, groups=labels)
    labels = np.array(labels, object)
    assert index.groups_.dtype == np.int64
    assert_array_equal(index.group_labels_[index.groups_] == labels, True)
    asked = labels[:15]
    ids = index.kneighbors(Q, K, False, exclude_groups=asked)
    masks = labels != asked[:, None]
    assert_array_equal(ids, nearest(X.astype(np.float32), Q, masks, K))
    if {type(label) for label in labels} != {str, int}:
        index.save(tmp_path / "index")
        again = sklearn_jin.load(tmp_path / "index")
        assert_array_equal(again.kneighbors(Q, K, False, exclude_groups=asked), ids)


@pytest.mark.parametrize("n_groups", [2, 9, 60])
def test_groups_are_left_out(shell, n_groups, X, Q):
    X = X.astype(np.float32)
    groups = np.arange(60) % n_groups
    shell.fit(X, groups=groups)
    asked = np.append(np.arange(14) % n_groups, 99)  # which is no group
    different = groups != asked[:, None]
    ids = shell.kneighbors(Q, K, False, exclude_groups=asked)
    assert_array_equal(ids, nearest(X, Q, different, K))
    mask = masks_of(60, share=0.7)
    ids = shell.kneighbors(Q, K, False, exclude_groups=asked, where=mask)
    assert_array_equal(ids, nearest(X, Q, different & mask, K))
    ids = shell.kneighbors(None, K, False, exclude_groups=True)
    assert_array_equal(ids, nearest(X, X, groups != groups[:, None], K))


def test_rows_that_went_are_in_no_group(X, Q):
    X, groups = X.astype(np.float32), np.arange(60) % 5 % 3  # two fifths, one
    index = FlatNeighbors().fit(X[:50], groups=groups[:50]).remove(np.arange(9))
    index.partial_fit(X[50:], groups=groups[50:])
    masks = (groups != groups[:15, None]) & (np.arange(60) >= 9)
    ids = index.kneighbors(Q, 60, False, exclude_groups=groups[:15], ragged=True)
    for row, mask, q in zip(ids, masks, range(15)):
        assert_array_equal(row, nearest(X, Q[[q]], [mask], 60)[0])


@pytest.mark.parametrize("most", [1, 2])
def test_groups_have_a_limit(shell, most, X, Q):
    X = X.astype(np.float32)
    groups = np.sort(np.arange(60) % 6)
    shell.fit(X, groups=groups)
    ids = shell.kneighbors(Q, K, False, max_per_group=most)
    assert_array_equal(ids, nearest(X, Q, np.ones((15, 60), bool), K, groups, most))
    masks = masks_of(60, 15, 0.6)
    asked = np.arange(15) % 6
    ids = shell.kneighbors(
        Q, K, False, max_per_group=most, where=masks, exclude_groups=asked
    )
    masks &= groups != asked[:, None]
    assert_array_equal(ids, nearest(X, Q, masks, K, groups, most))
    others = ~np.eye(60, dtype=bool)
    ids = shell.kneighbors(None, K, False, max_per_group=most)
    assert_array_equal(ids, nearest(X, X, others, K, groups, most))


def test_groups_with_too_few_rows_are_told(X, Q):
    groups = np.r_[np.zeros(57), 1, 2, 3]
    index = FlatNeighbors().fit(X, groups=groups)
    with pytest.raises(ValueError, match="4 are allowed for query 0"):
        index.kneighbors(Q, K, max_per_group=1)
    with pytest.raises(ValueError, match="3 are allowed for query 2"):
        index.kneighbors(Q, K, exclude_groups=[1, 1] + [0] * 13)
    with pytest.raises(ValueError, match="3 others are allowed for query 57"):
        index.kneighbors(None, K - 1, max_per_group=1)
    ids = index.kneighbors(None, 3, False, exclude_groups=True)
    assert all({*row} == {57, 58, 59} for row in ids[:57])
    ids = index.kneighbors(Q, K, False, exclude_groups=[0] * 15, ragged=True)
    assert all({*row} == {57, 58, 59} for row in ids)
    ids = index.kneighbors(None, K, False, max_per_group=1, ragged=True)
    assert [*map(len, ids)] == [4] * 57 + [3] * 3


@pytest.mark.parametrize(
    "groups, message",
    [
        (np.zeros(59), r"\(59,\).*60 rows"),
        (np.zeros((60, 1)), "one label for each"),
        (np.r_[np.zeros(59), np.nan], "NaN"),
        ([*"a" * 59, float("nan")], None),
    ],
)
def test_bad_groups_are_refused(X, groups, message):
    index = FlatNeighbors().fit(X, groups=np.zeros(60))
    if message is None:
        groups, message = np.array(groups, object), "NaN"
    with pytest.raises(ValueError, match=message):
        index.fit(X, groups=groups)
    assert not index.groups_.any()  # as it was
    assert not hasattr(index.fit(X), "groups_")


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"exclude_groups": [0] * 14}, r"\(14,\).*15 queries"),
        ({"exclude_groups": True}, "X=None"),
        ({"max_per_group": 0}, "max_per_group=0"),
        ({"max_per_group": 1.5}, "max_per_group=1.5"),
    ],
)
def test_what_is_asked_of_groups_is_checked(X, Q, asked, message):
    with pytest.raises(ValueError, match="fit"):
        FlatNeighbors().fit(X).kneighbors(Q, exclude_groups=[0] * 15)
    index = FlatNeighbors().fit(X, groups=np.zeros(60))
    with pytest.raises(ValueError, match=message):
        index.kneighbors(Q, K, **asked)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_limits_combine(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 40), rng.integers(1, 8)
    X, Q = rng.integers(0, 5, (n, 2)) * 1.0, rng.integers(0, 5, (m, 2)) * 1.0
    groups, asked = rng.integers(0, 4, n), rng.integers(0, 5, m)
    masks = rng.random((m, n)) < rng.random()
    k, most = rng.integers(1, 6), rng.integers(1, 4)
    index = FlatNeighbors().fit(X, groups=groups)
    ids = index.kneighbors(
        Q, k, False, where=masks, exclude_groups=asked, max_per_group=most, ragged=True
    )
    masks &= groups != asked[:, None]
    for q in range(m):
        wanted = nearest(X, Q[[q]], masks[[q]], k, groups, most)[0]
        assert_array_equal(ids[q], wanted)


# Recall, where there are many rows.

SEARCHED = {
    "scan": FlatNeighbors(quantizer=ScalarQuantizer(4)),
    "graph": HNSWNeighbors(ef_search=40),
    "graph of codes": HNSWNeighbors(quantizer=ScalarQuantizer(8), ef_search=40),
    "lists of codes": IVFNeighbors(
        quantizer=ScalarQuantizer(4), rerank=10, n_lists=60, n_probes=20
    ),
    "lists of rows": IVFNeighbors(quantizer=None, n_lists=60, n_probes=12),
    "lists of components": IVFPCANeighbors(n_lists=50, n_probes=12),
}


def some_of(many, Q, kind):
    """Masks that allow half, few, those of one place, or those away from a query."""
    rng, n = np.random.default_rng(5), len(many)
    if kind in ("half", "tenth", "hundredth"):
        return rng.random(n) < {"half": 0.5, "tenth": 0.1, "hundredth": 0.01}[kind]
    gaps = ((many - Q[0]) ** 2).sum(axis=1)
    place = ((many - many[7]) ** 2).sum(axis=1)
    return (
        place < np.quantile(place, 0.2) if kind == "place" else gaps > np.median(gaps)
    )


@pytest.mark.jit
@pytest.mark.parametrize("name", SEARCHED)
def test_recall_is_kept(name, many, monkeypatch):
    index = repeatable(clone(SEARCHED[name])).fit(many)
    Q = np.random.default_rng(1).random((60, 10), dtype=np.float32)
    gaps = naive.distances(many, Q)
    unlimited = np.sort(gaps, axis=1)[:, 9:10]
    assert np.mean(index.kneighbors(Q, 10)[0] <= unlimited * 1.00001) > 0.95
    work = filtered.scan_work
    for times in (1, 50):  # so dear that routes serve few rows too
        dear = partial(dearer, work, times)
        monkeypatch.setattr(filtered, "scan_work", dear)
        monkeypatch.setattr(filtered, "_plans", Remembered())
        for kind in ("half", "tenth", "hundredth", "place", "away"):
            mask = some_of(many, Q, kind)
            distances, ids = index.kneighbors(Q, 10, where=mask)
            assert mask[ids].all() and (np.diff(distances, axis=1) >= 0).all()
            assert all(len({*row}) == 10 for row in ids.tolist())
            limit = np.sort(np.where(mask, gaps, np.inf), axis=1)[:, 9:10]
            assert np.mean(distances <= limit * 1.00001) >= 0.95, (kind, times)
            one = index.kneighbors(Q[5:6], 10, where=mask)[1]
            assert_array_equal(one[0], ids[5])


def dearer(work, times, *points):
    return times * work(*points)
