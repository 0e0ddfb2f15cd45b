"""What every index promises of its graphs: what pipelines are made of."""

import indexes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsTransformer
from sklearn.neighbors._base import _is_sorted_by_data

MODES = ["distance", "connectivity"]
KINDS = {"spmatrix": sparse.csr_matrix, "sparray": sparse.csr_array}


def rows_of(graph):
    """Ids and data of a graph whose rows are equally long."""
    lengths = np.diff(graph.indptr)
    shape = graph.shape[0], lengths[0]
    assert (lengths == lengths[0]).all()
    return graph.indices.reshape(shape), graph.data.reshape(shape)


# kneighbors_graph


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("own", [True, False])
def test_the_graph_holds_the_answer(shell, X, mode, own):
    distances, ids = shell.fit(X).kneighbors(None if own else X, 4)
    graph = shell.kneighbors_graph(None if own else X, 4, mode)
    found, data = rows_of(graph)
    assert_array_equal(found, ids)
    assert_array_equal(data, distances if mode == "distance" else np.ones((60, 4)))
    assert graph.dtype == np.float64 and graph.shape == (60, 60)


def test_the_graph_of_own_rows_has_no_diagonal(shell, X):
    assert not shell.fit(X).kneighbors_graph().diagonal().any()


def test_an_unknown_mode_is_refused(shell, X):
    with pytest.raises(ValueError, match=r"mode.*bogus"):
        shell.fit(X).kneighbors_graph(mode="bogus")


@pytest.mark.parametrize("space", KINDS)
def test_the_kind_of_graph_follows_the_configuration(shell, X, space):
    if "sparse_interface" not in get_config():
        pytest.skip("scikit-learn before 1.9")
    with config_context(sparse_interface=space):
        assert type(shell.fit(X).kneighbors_graph()) is KINDS[space]
        if hasattr(shell, "transform"):
            assert type(shell.transform(X)) is KINDS[space]
            assert type(shell.fit_transform(X)) is KINDS[space]


def test_a_graph_is_of_scipys_matrices_by_default(transformer, X):
    assert type(transformer.fit_transform(X)) is sparse.csr_matrix


# transform


def test_distances_come_with_one_neighbour_more(transformer, X, Q):
    ids, data = rows_of(transformer.fit(X).transform(Q))
    distances, expected = transformer.kneighbors(Q, 6)
    assert_array_equal(ids, expected)
    assert_array_equal(data, distances)


def test_connections_come_with_the_neighbours_asked_for(transformer, X, Q):
    transformer.set_params(mode="connectivity")
    ids, data = rows_of(transformer.fit(X).transform(Q))
    assert_array_equal(ids, transformer.kneighbors(Q, 5)[1])
    assert_array_equal(data, np.ones((15, 5)))


@pytest.mark.parametrize("mode", MODES)
def test_fitted_rows_begin_with_themselves(every_transformer, X, mode):
    every_transformer.set_params(mode=mode)
    ids, data = rows_of(every_transformer.fit_transform(X))
    assert ids.shape == (60, 6 if mode == "distance" else 5)
    assert_array_equal(ids[:, 0], np.arange(60))
    assert_array_equal(data[:, 0], 0.0 if mode == "distance" else 1.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [7, 20])
def test_copies_begin_with_themselves_too(transformer, mode, n):
    transformer.set_params(mode=mode)
    ids, _ = rows_of(transformer.fit_transform(np.ones((n, 2))))
    assert_array_equal(ids[:, 0], np.arange(n))
    assert all(len(set(row)) == len(row) for row in ids)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("k", [1, 5, 59])
def test_fit_transform_is_fit_then_transform(transformer, X, mode, k):
    transformer.set_params(mode=mode, n_neighbors=k)
    at_once, later = transformer.fit_transform(X), transformer.fit(X).transform(X)
    assert_array_equal(at_once.indices, later.indices)
    assert_array_equal(at_once.indptr, later.indptr)
    assert_allclose(at_once.data, later.data, 1e-12)


@pytest.mark.parametrize("metric", ["cosine", "angular", "correlation", "manhattan"])
def test_fitted_rows_are_at_distance_zero_of_themselves(transformer, X, metric):
    X[3] = 0  # which is at distance 1 from its copies
    graph = indexes.under(transformer, metric).fit_transform(X)
    ids, data = rows_of(graph)
    assert_array_equal(ids[:, 0], np.arange(60))
    assert_array_equal(data[:, 0], 0)
    assert (np.diff(data) >= 0).all()


@pytest.mark.parametrize("mode", MODES)
def test_graphs_are_what_scikit_learns_own_transformer_gives(transformer, X, Q, mode):
    theirs = KNeighborsTransformer(mode=mode).fit(X)
    ours = transformer.set_params(mode=mode).fit(X)
    for rows in (X, Q):
        expected, found = theirs.transform(rows), ours.transform(rows)
        assert found.shape == expected.shape and found.dtype == expected.dtype
        assert_array_equal(found.indices, expected.indices)
        assert_allclose(found.data, expected.data, 1e-5, 1e-12)


def test_graphs_are_sorted_as_consumers_want_them(transformer, X, Q):
    assert _is_sorted_by_data(transformer.fit_transform(X))
    assert _is_sorted_by_data(transformer.transform(Q))
    assert _is_sorted_by_data(transformer.kneighbors_graph(mode="distance"))


def test_the_mode_is_read_at_each_call(transformer, X):
    transformer.fit(X).set_params(mode="connectivity", n_neighbors=2)
    assert_array_equal(rows_of(transformer.transform(X))[1], np.ones((60, 2)))


@pytest.mark.parametrize("k", [59, 60])
def test_more_neighbours_than_rows_are_refused(transformer, X, k):
    transformer.set_params(n_neighbors=k)
    if k == 59:
        assert transformer.fit_transform(X).nnz == 60 * 60
    else:
        with pytest.raises(ValueError, match="n_neighbors = 60, n_samples_fit = 60"):
            transformer.fit_transform(X)
        with pytest.raises(ValueError, match="n_neighbors = 61, n_samples_fit = 60"):
            transformer.fit(X).transform(X)


def test_negative_distances_are_refused(every_transformer, X):
    message = (
        "metric='inner_product' has negative distances|Got 'inner_product' instead"
    )
    with pytest.raises(ValueError, match=message):
        every_transformer.set_params(metric="inner_product").fit(X)


def test_a_metric_refused_leaves_the_estimator_as_it_was(transformer, X, Q):
    expected = transformer.fit(X).transform(Q)
    with pytest.raises(ValueError):
        transformer.set_params(metric="inner_product").fit(X[:9, :3])
    assert_array_equal(transformer.transform(Q).data, expected.data)


@pytest.mark.parametrize("mode", ["bogus", None])
def test_an_unknown_mode_of_a_transformer_is_refused(transformer, X, mode):
    with pytest.raises(ValueError, match=f"'mode' parameter.*{mode}"):
        transformer.set_params(mode=mode).fit(X)


def test_every_fitted_row_names_a_feature(every_transformer, X):
    names = every_transformer.fit(X).get_feature_names_out()
    prefix = type(every_transformer).__name__.lower()
    assert_array_equal(names, [f"{prefix}{i}" for i in range(60)])


def test_nothing_has_a_name_before_fit(transformer):
    with pytest.raises(NotFittedError):
        transformer.get_feature_names_out()
    with pytest.raises(NotFittedError):
        transformer.transform([[0.0]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_sparse_graph_is_no_table(transformer, X, library):
    pytest.importorskip(library)
    with pytest.raises(ValueError, match="sparse"):
        transformer.set_output(transform=library).fit_transform(X)


def test_a_transformer_answers_as_its_index_does(every_transformer, X, Q):
    name = type(every_transformer).__name__.replace("Transformer", "Neighbors")
    name = name.replace("KNNGraph", "Flat")  # which has no index of its own
    base = next(c for c in indexes.classes() if c.__name__ == name)
    given = every_transformer.get_params(deep=False).items()
    params = {k: v for k, v in given if k in base().get_params()}
    for found, wanted in zip(
        every_transformer.fit(X).kneighbors(Q), base(**params).fit(X).kneighbors(Q)
    ):
        assert_array_equal(found, wanted)
