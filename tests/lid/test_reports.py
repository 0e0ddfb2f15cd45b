"""Hubness and relative contrast, by hand and against what theory says."""

import numpy as np
import pytest
from dimensional import line, normal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_jin import (
    FlatNeighbors,
    TwoNN,
    hubness,
    k_occurrence,
    relative_contrast,
)


def test_occurrences_are_counted():
    assert_array_equal(k_occurrence([[1, 2], [2, 0], [1, 0]]), [2, 2, 2])
    assert_array_equal(k_occurrence([[4], [4]], 6), [0, 0, 0, 0, 2, 0])


def test_the_mean_occurrence_is_the_number_of_neighbours():
    found = hubness(FlatNeighbors().fit(normal(70, 6)), n_neighbors=7)
    assert found.counts.mean() == 7 and found.counts.dtype == np.int64


@pytest.mark.parametrize(
    "ids, n, error, words",
    [
        ([[0.5]], None, TypeError, "must be integers"),
        ([[3]], None, ValueError, "ids holds 3.*n - 1 = 0"),
        ([[-1]], 4, ValueError, "ids holds -1"),
        ([0, 1], None, ValueError, "1D array"),
        ([[0]], 0, ValueError, "'n' parameter"),
    ],
)
def test_what_are_no_neighbours_is_refused(ids, n, error, words):
    with pytest.raises(error, match=words):
        k_occurrence(ids, n)


def test_hubness_by_hand():
    ids = np.array([[1], [0], [0], [0], [0], [0], [0], [0]])
    found = hubness(ids)
    assert_array_equal(found.counts, [7, 1, 0, 0, 0, 0, 0, 0])
    assert found.antihub_share == 6 / 8 and found.hub_share == 1 / 8
    assert_array_equal(found.hubs, [0])
    pairs = np.abs(found.counts[:, None] - found.counts).sum()
    assert_allclose(found.gini, pairs / (2 * 8 * found.counts.sum()))
    z = (found.counts - 1) / found.counts.std()
    assert_allclose(found.skewness, (z**3).mean())


def test_hubs_are_named_by_their_count():
    ids = np.repeat([5, 9, 5, 9, 9], [9, 9, 3, 3, 3])[:, None]
    assert_array_equal(hubness(ids, 100).hubs, [9, 5])


def test_where_all_are_alike_there_is_no_hubness():
    found = hubness([[1], [2], [0]])
    assert found.skewness == found.gini == found.antihub_share == 0
    assert len(found.hubs) == 0


def test_an_index_and_its_neighbours_have_the_same_hubness():
    index = FlatNeighbors(metric="cosine").fit(normal(50, 5))
    ids = index.kneighbors(n_neighbors=4, return_distance=False)
    assert_array_equal(hubness(index, n_neighbors=4).counts, hubness(ids).counts)


def test_what_has_no_neighbours_has_no_hubness():
    with pytest.raises(TypeError, match=r"TwoNN.*has no kneighbors"):
        hubness(TwoNN())
    with pytest.raises(NotFittedError):
        hubness(FlatNeighbors())


@pytest.mark.jit
@pytest.mark.parametrize(
    "d, skewness, antihubs", [(3, -0.28, 0.001), (20, 2.25, 0.05), (50, 6.2, 0.15)]
)
def test_hubness_of_normal_rows_grows_with_their_dimension(d, skewness, antihubs):
    found = hubness(FlatNeighbors().fit(normal(4000, d)), n_neighbors=10)
    assert_allclose(found.skewness, skewness, rtol=0.25, atol=0.15)
    assert_allclose(found.antihub_share, antihubs, atol=0.05)


def test_contrast_by_hand():
    assert_allclose(relative_contrast(line(0, 1, 5)), (10 / 3) / (6 / 3))


def test_contrast_falls_with_the_dimension():
    low, middle, high = (relative_contrast(normal(300, d)) for d in (2, 10, 100))
    assert low > 2 * middle > 2 * high > 2


def test_a_duplicate_is_not_the_nearest():
    X = normal(40, 4)
    twice = X.repeat(2, axis=0)
    pairs = 80 * 79 / (80 * 78)  # of equal rows are among all pairs
    assert_allclose(relative_contrast(twice) * pairs, relative_contrast(X), rtol=1e-6)
    assert np.isnan(relative_contrast(np.ones((5, 2))))


def test_contrast_of_some_rows_depends_on_the_seed_alone():
    X = normal(300, 5)
    some = [relative_contrast(X, n_samples=40, random_state=s) for s in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    assert_allclose(some, relative_contrast(X), rtol=0.2)
