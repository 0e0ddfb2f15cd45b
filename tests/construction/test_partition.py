"""Cells: each row in its list, and codes of what it lies away from the centre."""

from itertools import pairwise

import numpy as np
import probed
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import (
    SAQ,
    AnisotropicQuantizer,
    IVFNeighbors,
    PCAQuantizer,
    ProductQuantizer,
    RaBitQ,
    ScalarQuantizer,
    ScaNNNeighbors,
)
from sklearn_jin._simd import QUADS
from sklearn_jin.construction import partition

SPILLS = [None, 0, 1, 1.5]

QUANTIZERS = {
    "product4": ProductQuantizer(6, 4),
    "product8": ProductQuantizer(3, 8),
    "anisotropic": AnisotropicQuantizer(),
    "rabitq1": RaBitQ(1),
    "rabitq4": RaBitQ(4),
    "saq": SAQ(4),
    "pca": PCAQuantizer(n_bits=4),
    "scalar8": ScalarQuantizer(8),
}
BYTES = ["product8", "scalar8"]  # whose codes are scored one by one


def divided(X, n_lists, spill=None, n_threads=1):
    rng = np.random.RandomState(0)
    return partition.partition_rows(X, n_lists, rng, n_threads, spill=spill)


def gaps_of(X, centers):
    """Squared distances (n, n_lists) from all centres, in float64."""
    return np.square(X[:, None].astype(np.float64) - centers).sum(axis=2)


def assert_whole(division, n, n_lists, n_copies=1):
    """Lists that hold every row as often as they should, and say so alike."""
    centers, starts, ids, labels = division
    assert len(centers) == n_lists and np.isfinite(centers).all()
    assert starts[0] == 0 and len(starts) == n_lists + 1
    assert_array_equal(np.repeat(np.arange(n_lists), np.diff(starts)), labels)
    assert_array_equal(np.bincount(ids, minlength=n), n_copies)
    assert (starts.dtype, ids.dtype, labels.dtype) == (np.int64, np.int32, np.int32)


# Cells.


@pytest.mark.parametrize("spill", SPILLS)
@pytest.mark.parametrize(
    "n, d, n_lists", [(300, 5, 20), (200, 1, 9), (90, 3, 2), (3, 4, 7), (1, 2, 3)]
)
def test_every_row_is_in_as_many_lists_as_it_should_be(n, d, n_lists, spill):
    division = divided(normal(n, d), n_lists, spill)
    assert_whole(division, n, n_lists, 1 if spill is None else 2)


@pytest.mark.parametrize("spill", SPILLS)
def test_one_list_holds_every_row_once(spill):
    division = divided(normal(40, 3), 1, spill)
    assert_whole(division, 40, 1)
    assert_array_equal(division.ids, np.arange(40))


@pytest.mark.parametrize("spill", SPILLS[1:])
@pytest.mark.parametrize("n, n_lists", [(300, 20), (3, 7), (40, 2)])
def test_no_list_holds_a_row_twice(n, n_lists, spill):
    _, starts, ids, _ = divided(normal(n, 4), n_lists, spill)
    for lo, hi in pairwise(starts):
        assert len({*ids[lo:hi]}) == hi - lo


@pytest.mark.parametrize("d", [1, 2, 9])
@pytest.mark.parametrize("far", [0, 1000])
def test_the_list_of_a_row_is_that_of_the_nearest_centre(d, far):
    X = normal(300, d) + np.float32(far)
    centers, _, ids, labels = divided(X, 16)
    assert_array_equal(labels, gaps_of(X[ids], centers).argmin(axis=1))


def test_rows_of_a_list_are_in_their_order():
    _, starts, ids, _ = divided(normal(300, 4), 20)
    for lo, hi in pairwise(starts):
        assert (np.diff(ids[lo:hi]) > 0).all()


@pytest.mark.parametrize("spill", [None, 1])
def test_equal_rows_share_a_list(spill):
    division = divided(np.full((30, 3), 7, np.float32), 5, spill)
    assert_whole(division, 30, 5, 1 if spill is None else 2)
    assert len({*division.labels}) == (1 if spill is None else 2)
    assert_array_equal(division.centers, 7)


def test_centres_are_learned_from_as_many_rows_as_asked_for():
    X = normal(400, 4)
    few, all_rows = (
        partition.partition_rows(X, 8, np.random.RandomState(0), 1, n_train=n)
        for n in (20, 400)
    )
    assert_whole(few, 400, 8)
    inertia = [gaps_of(X, d.centers).min(axis=1).sum() for d in (few, all_rows)]
    assert inertia[1] < inertia[0]


@pytest.mark.jit
@pytest.mark.parametrize("spill", [None, 1])
def test_threads_do_not_change_the_lists(spill):
    X = normal(3000, 4)  # several blocks for each of these steps
    one, two = (divided(X, 300, spill, n_threads) for n_threads in (1, 2))
    for part, other in zip(one, two):
        assert_array_equal(part, other)


# The second list.


def second_costs(X, centers, labels, weight):
    """Costs (n, n_lists) by definition; infinite for the first list."""
    r = X - centers[labels].astype(np.float64)
    lengths = np.linalg.norm(r, axis=1, keepdims=True)
    u = np.divide(r, lengths, out=np.zeros_like(r), where=lengths > 0)
    others = X[:, None].astype(np.float64) - centers
    costs = np.square(others).sum(axis=2)
    costs += weight * np.square(np.einsum("icj,ij->ic", others, u))
    costs[np.arange(len(X)), labels] = np.inf
    return costs


@pytest.mark.parametrize("weight", [0, 1, 1.5, 1e6])
@pytest.mark.parametrize("d", [1, 2, 12])
def test_the_second_list_has_the_least_cost(d, weight):
    X = normal(400, d)
    centers, _, ids, labels = divided(X, 25)
    labels = labels[np.argsort(ids)]
    second = partition.second_labels(X, centers, labels, weight, 1)
    assert second.dtype == np.int32 and (second != labels).all()
    costs = second_costs(X, centers, labels, weight)
    found = np.take_along_axis(costs, second[:, None], axis=1)[:, 0]
    assert_allclose(found, costs.min(axis=1), rtol=1e-4, atol=1e-5)


def test_without_weight_the_second_list_is_the_second_nearest():
    X = normal(400, 6)
    centers, _, ids, labels = divided(X, 25)
    labels = labels[np.argsort(ids)]
    second = partition.second_labels(X, centers, labels, 0, 1)
    assert_array_equal(second, np.argsort(gaps_of(X, centers), axis=1)[:, 1])


def test_residuals_are_the_more_orthogonal_the_larger_the_weight():
    X = normal(600, 8)
    centers, _, ids, labels = divided(X, 30)
    labels, cosines = labels[np.argsort(ids)], []
    r = X - centers[labels]
    for weight in (0, 1.5, 1e6):
        other = X - centers[partition.second_labels(X, centers, labels, weight, 1)]
        lengths = np.linalg.norm(r, axis=1) * np.linalg.norm(other, axis=1)
        cosines.append(np.abs(np.einsum("ij,ij->i", r, other) / lengths).mean())
    assert cosines[0] > cosines[1] > cosines[2]


def test_a_row_at_its_centre_has_a_second_list():
    X = np.array([[0.0], [2.0], [5.0]], np.float32)
    second = partition.second_labels(X, X, np.arange(3), 1.5, 1)
    assert_array_equal(second, [1, 0, 1])


# What lists know of their rows.


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner_product"])
def test_no_row_is_beyond_the_reach_of_its_list(metric):
    index = fitted(None, metric, normal(200, 6))
    gaps = np.linalg.norm(
        probed.rows_of(index)[index.index_.route.ids]
        - probed.centers_of(index)[probed.labels_of(index)],
        axis=1,
    )
    for c in np.flatnonzero(index.list_sizes_):
        own = gaps[probed.labels_of(index) == c]
        assert own.max() <= index.index_.route.radii[c] <= 1.0001 * own.max() + 1e-6


@pytest.mark.parametrize(
    "metric, order", [("manhattan", 1), ("chebyshev", np.inf)], ids=str
)
def test_reach_is_in_the_unit_of_the_metric(metric, order):
    index = fitted(None, metric, normal(200, 6))
    apart = (
        probed.rows_of(index)[index.index_.route.ids]
        - probed.centers_of(index)[probed.labels_of(index)]
    )
    gaps = np.linalg.norm(apart, order, axis=1)
    assert (gaps <= index.index_.route.radii[probed.labels_of(index)]).all()


# Codes of residuals.


def fitted(quantizer, metric, X, **params):
    params = {"n_lists": 6, "exact_threshold": 0, "random_state": 0, **params}
    return IVFNeighbors(quantizer=quantizer, metric=metric, **params).fit(X)


def expected(index, Q):
    """Estimates by their definition, from what the codes stand for."""
    Q = probed.asked(index, Q)[:, : index.index_.metric.width_].astype(np.float64)
    centers, residuals = probed.coded(index)
    if index.metric == "inner_product":
        return 2 - Q @ (centers + residuals).T
    X = probed.rows_of(index)
    adds = 2 * (X * residuals).sum(axis=1) - np.square(X - centers).sum(axis=1)
    scores = gaps_of(Q, centers) + adds - 2 * Q @ residuals.T
    return np.maximum(scores, 0)


@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
@pytest.mark.parametrize("name", QUANTIZERS)
def test_estimates_are_those_of_the_formula(name, metric):
    X, Q = normal(120, 12), normal(4, 12, seed=1)
    index = fitted(QUANTIZERS[name], metric, X)
    found, wanted = probed.estimates(index, Q), expected(index, Q)
    # Tables are rounded to bytes, or to half of one where two are added up in a byte.
    rounding = 0.02 if QUADS else 0.04
    error = (1e-4 if name in BYTES else rounding) * np.ptp(wanted)
    assert_allclose(found, wanted, rtol=0, atol=error)
    assert_allclose(found.mean(), wanted.mean(), rtol=0, atol=error / 4)


@pytest.mark.jit
@pytest.mark.parametrize("name", QUANTIZERS)
def test_a_row_is_estimated_to_be_where_it_is(name):
    X = normal(300, 12)
    index = fitted(QUANTIZERS[name], "euclidean", X)
    scores = probed.estimates(index, X)
    near = np.diag(scores) / np.median(scores, axis=1)
    assert near.max() <= (1e-4 if name in BYTES else 0.05)
    assert np.mean(scores.argmin(axis=1) == np.arange(300)) >= 0.9


@pytest.mark.jit
@pytest.mark.parametrize("name", QUANTIZERS)
def test_estimates_are_near_the_distances(name):
    X, Q = normal(600, 12), normal(20, 12, seed=1)
    index = fitted(QUANTIZERS[name], "euclidean", X, n_lists=20)
    error = probed.estimates(index, Q) - gaps_of(Q, X)
    assert np.abs(error).mean() <= (0.25 if name == "rabitq1" else 0.15) * 24


@pytest.mark.jit
@pytest.mark.parametrize("name", QUANTIZERS)
def test_estimates_are_as_good_where_lists_are_far_apart(name):
    X, Q = normal(300, 8), normal(30, 8, seed=1)
    X, Q = (part + 1000 * (np.arange(len(part)) % 3)[:, None] for part in (X, Q))
    index = fitted(QUANTIZERS[name], "euclidean", X, n_lists=12)
    same = (np.arange(30)[:, None] - np.arange(300)) % 3 == 0
    # 1000 less a float32 is known to 6e-5.
    error = (probed.estimates(index, Q) - expected(index, Q))[same]
    assert np.abs(error).mean() <= 0.3


@pytest.mark.parametrize("name", ["product4", "rabitq4", "product8"])
def test_threads_do_not_change_the_codes(name):
    X = normal(100, 12)
    one, two = (fitted(QUANTIZERS[name], "euclidean", X, n_jobs=n) for n in (1, 2))
    for part, other in zip(probed.proposed(one, X[:9]), probed.proposed(two, X[:9])):
        assert_array_equal(part, other)


@pytest.mark.parametrize("name", ["product4", "rabitq4", "product8"])
def test_rows_that_are_their_centres_have_codes(name):
    X = normal(8, 12)
    index = fitted(QUANTIZERS[name], "euclidean", X, n_lists=8)
    assert_array_equal(np.sort(index.list_sizes_), 1)
    scores = probed.estimates(index, X)
    assert_allclose(scores, gaps_of(X, X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_one_row_and_equal_rows_have_codes(name):
    for n in (1, 30):
        index = fitted(QUANTIZERS[name], "euclidean", np.full((n, 12), 3.0))
        Q = np.vstack([normal(2, 12), np.full((1, 12), 3.0)])
        wanted = np.repeat(gaps_of(Q, np.full((1, 12), 3.0)), n, axis=1)
        assert_allclose(probed.estimates(index, Q), wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.jit
def test_codes_of_both_lists_stand_for_the_row():
    X, Q = normal(200, 12), normal(5, 12, seed=1)
    index = ScaNNNeighbors(spill=True, exact_threshold=0, random_state=0).fit(X)
    ids, estimates = probed.proposed(index, Q)
    assert ids.shape == (5, 400)
    for row, scores, gaps in zip(ids, estimates, gaps_of(Q, X)):
        met = row >= 0
        assert_array_equal(np.sort(row[met]), np.arange(200))
        assert np.corrcoef(scores[met], gaps[row[met]])[0, 1] > 0.9


def test_a_tight_list_among_wide_ones_has_a_middle_of_its_own():
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((40, 3)).astype(np.float32)
    scales = np.ones(40, np.float32)
    scales[7] = 1e-3
    groups, middles = partition._middles(
        centers, scales, np.random.RandomState(0), scales
    )
    assert groups.dtype == np.int32 and middles.dtype == np.float32
    assert len(middles) == 2 and (np.delete(groups, 7) == 0).all()
    assert_array_equal(middles[groups[7]], centers[7])
