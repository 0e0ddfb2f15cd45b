"""The graph of near neighbours, and walks as wide as the recall takes."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin.construction import knn, lists
from sklearn_jin.construction.knn import beam_width, neighbor_graph, own_neighbors
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import RowsL2


def rows_of(X):
    return RowsL2(METRICS["euclidean"]().fit(X).rows(X))


def seeded():
    return np.random.RandomState(0)


def test_a_beam_is_a_multiple_of_what_is_asked_for_and_no_wider_than_the_rows():
    assert beam_width(1.0, 10, 99) == 11
    assert beam_width(1.5, 10, 99) == 17
    assert beam_width(32.0, 10, 99) == 99


def test_own_neighbors_are_the_nearest_others():
    X = indexes.rows(90, 4)
    scores, ids = own_neighbors(rows_of(X), 5, 1.0, seeded(), 2)
    exact = naive.nearest_distances(X, X, 6, "sqeuclidean")[:, 1:]
    found = np.take_along_axis(naive.distances(X, X, "sqeuclidean"), ids, 1)
    assert not (ids == np.arange(90)[:, None]).any()
    assert_allclose(scores, found, rtol=1e-4)
    assert np.mean(scores <= exact[:, -1:] * (1 + 1e-5)) > 0.99


@pytest.mark.parametrize("target, width", [(0.5, knn.NARROW), (0.95, knn.WIDE)])
def test_a_graph_is_as_wide_as_the_recall_takes(target, width):
    points = rows_of(indexes.rows(120, 4))
    route, times, recall = neighbor_graph(points, 5, target, seeded(), 1)
    assert route.neighbors.shape == (120, 2 * width)
    assert_array_equal(np.sort(route.order), np.arange(120))
    assert times in knn.WIDTHS and target <= recall <= 1


@pytest.mark.jit
def test_the_narrowest_width_that_is_enough_is_taken(monkeypatch):
    monkeypatch.setattr(lists, "CELL", 20)  # so that cells tell little
    points, k = rows_of(indexes.rows(3000, 64)), 10
    _, times, recall = neighbor_graph(points, k, 0.9, seeded(), 1)
    assert recall >= 0.9
    widths = knn.WIDTHS[: knn.WIDTHS.index(times)]
    assert widths
    for width in widths:
        monkeypatch.setattr(knn, "WIDTHS", (width,))
        assert neighbor_graph(points, k, 0.9, seeded(), 1)[2] < 0.9


def test_copies_count_as_found():
    points = rows_of(np.repeat(indexes.rows(8, 3), 12, axis=0))
    assert neighbor_graph(points, 5, 0.95, seeded(), 1)[2] == 1
