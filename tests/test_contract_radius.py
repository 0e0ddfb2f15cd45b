"""What every index promises of ``radius_neighbors``."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context

LINE = np.arange(20.0)[:, None]
EXACT = ["euclidean", "manhattan", "chebyshev"]  # on a line of whole numbers


def pair_score(every, share):
    """A radius in the middle of a gap: no rounding moves a row across it."""
    ranked = np.unique(every)
    near = ranked[int(share * len(ranked)) :][:50]
    at = np.argmax(np.diff(near))
    return near[at : at + 2].mean()


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_all_rows_within_the_radius_are_found(any_metric, share):
    X, Q = (indexes.rows(n, metric=any_metric.metric) for n in (60, 15))
    every = naive.distances(X, Q, any_metric.metric)
    radius = pair_score(every, share)
    distances, ids = any_metric.fit(X).radius_neighbors(Q, radius)
    for q in range(15):
        assert_array_equal(np.sort(ids[q]), np.flatnonzero(every[q] <= radius))
        assert_allclose(distances[q], every[q][ids[q]], 1e-5, 1e-6)
        assert (np.diff(distances[q]) >= 0).all()


@pytest.mark.jit
@pytest.mark.parametrize("radius", [0.05, 0.4, 0.6])
def test_of_many_rows_most_are_found_and_none_beyond(neighbors, many, radius):
    X, Q = many[100:], many[:100]
    every = naive.distances(X, Q)
    ids = neighbors.fit(X).radius_neighbors(Q, radius)[1]
    for q, row in enumerate(ids):
        assert (every[q][row] <= radius * (1 + 1e-5)).all()
    assert sum(map(len, ids)) >= 0.99 * (every <= radius).sum()


@pytest.mark.parametrize("metric", EXACT)
def test_the_boundary_belongs_to_the_ball(index, metric):
    ids = indexes.under(index, metric).fit(LINE).radius_neighbors([[5.0]], 2)[1]
    assert_array_equal(np.sort(ids[0]), [3, 4, 5, 6, 7])


def test_no_row_is_its_own_neighbour(index):
    distances, ids = index.fit(LINE).radius_neighbors(radius=1)
    assert_array_equal(ids[0], [1])
    assert_array_equal(np.sort(ids[7]), [6, 8])
    assert_array_equal(distances[7], [1, 1])


def test_no_copy_of_a_row_is_its_own_neighbour(index):
    ids = index.fit(np.ones((40, 3))).radius_neighbors(radius=0.5)[1]
    for q in range(40):
        assert_array_equal(np.sort(ids[q]), np.delete(np.arange(40), q))


def test_an_empty_ball_is_an_empty_row(shell):
    distances, ids = shell.fit(LINE).radius_neighbors([[99.0], [0.5]], 0.25)
    for q in (0, 1):
        assert distances[q].shape == ids[q].shape == (0,)
        assert distances[q].dtype == np.float64 and ids[q].dtype == np.int64


def test_rows_are_objects_even_where_all_are_of_one_length(shell):
    distances, ids = shell.fit(LINE).radius_neighbors([[3.0], [4.0]], 1)
    assert distances.shape == ids.shape == (2,)
    assert distances.dtype == ids.dtype == object


def test_a_ball_round_everything_holds_everything(any_metric):
    X = indexes.rows(metric=any_metric.metric)
    ids = any_metric.fit(X).radius_neighbors(X[:3], np.inf)[1]
    assert_array_equal(np.sort(np.stack(ids)), [np.arange(60)] * 3)


def test_the_radius_is_read_at_each_call(shell):
    shell.fit(LINE).set_params(radius=3.5)
    assert len(shell.radius_neighbors([[9.0]])[1][0]) == 7


def test_a_radius_below_zero_is_one_for_inner_products(neighbors):
    neighbors.set_params(metric="inner_product").fit(LINE)
    assert_array_equal(neighbors.radius_neighbors([[2.0]], -36)[1][0], [19, 18])


def test_ids_come_alone_without_distances(shell):
    shell.fit(LINE)
    alone = shell.radius_neighbors([[3.0], [9.5]], 1, return_distance=False)
    for row, expected in zip(alone, shell.radius_neighbors([[3.0], [9.5]], 1)[1]):
        assert_array_equal(row, expected)


def test_sorting_needs_distances(shell):
    with pytest.raises(ValueError, match="return_distance must be True"):
        shell.fit(LINE).radius_neighbors(LINE, return_distance=False, sort_results=True)


@pytest.mark.parametrize("radius", ["far", np.nan, [1.0]])
def test_a_radius_is_a_number(shell, radius):
    with pytest.raises(ValueError, match=r"radius=\[?'?(far|nan|1.0).* a number"):
        shell.fit(LINE).radius_neighbors(LINE, radius)


def test_a_ball_does_not_depend_on_the_batch(any_metric):
    X = indexes.rows(metric=any_metric.metric)
    distances, ids = any_metric.fit(X).radius_neighbors(X, 1.5)
    with config_context(working_memory=1e-6):
        for q, alone in enumerate(any_metric.radius_neighbors(X, 1.5)[1]):
            assert_array_equal(alone, ids[q])
    for q in range(0, 60, 9):
        alone = any_metric.radius_neighbors(X[q : q + 1], 1.5)
        assert_array_equal(alone[1][0], ids[q])
        assert_array_equal(alone[0][0], distances[q])


def test_rows_of_zeros_are_found(any_metric):
    X = indexes.rows(metric=any_metric.metric)
    X[::4] = 0
    every = naive.distances(X, X[:9], any_metric.metric)
    radius = pair_score(every, 0.6)
    ids = any_metric.fit(X).radius_neighbors(X[:9], radius)[1]
    for q in range(9):
        assert_array_equal(np.sort(ids[q]), np.flatnonzero(every[q] <= radius))


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
def test_the_graph_of_a_radius_holds_what_is_within(shell, mode):
    graph = shell.fit(LINE).radius_neighbors_graph([[3.0], [99.0]], 1.5, mode)
    expected = {"connectivity": [1, 1, 1], "distance": [1, 0, 1]}[mode]
    assert graph.format == "csr" and graph.shape == (2, 20)
    assert_array_equal(graph.toarray()[0, 2:5], expected)
    assert_array_equal(graph.indptr, [0, 3, 3])


def test_the_graph_of_own_rows_has_no_diagonal(shell):
    graph = shell.fit(LINE).radius_neighbors_graph(radius=1)
    expected = np.eye(20, k=1) + np.eye(20, k=-1)
    assert_array_equal(graph.toarray(), expected)


@pytest.mark.parametrize("kind", ["spmatrix", "sparray"])
def test_the_kind_of_graph_follows_the_configuration(shell, kind):
    from sklearn import get_config

    if "sparse_interface" not in get_config():
        pytest.skip("scikit-learn before 1.9")
    wanted = sparse.csr_matrix if kind == "spmatrix" else sparse.csr_array
    with config_context(sparse_interface=kind):
        assert type(shell.fit(LINE).radius_neighbors_graph(radius=1)) is wanted
