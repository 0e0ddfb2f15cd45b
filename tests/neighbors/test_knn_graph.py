"""The graph of the fitted rows: as exact as asked for, and told."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.neighbors import KNeighborsTransformer

from sklearn_jin import FlatTransformer, KNNGraphTransformer
from sklearn_jin.construction import knn
from sklearn_jin.search.index import Search


def transformer(k=10, **params):
    params = {"exact_threshold": 0, "random_state": 0, **params}
    return KNNGraphTransformer(n_neighbors=k, **params)


def rows_of(graph, k=10):
    return graph.indices.reshape(-1, k + 1), graph.data.reshape(-1, k + 1)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def exact(X):
    return naive.nearest_distances(X, X, 11)


@pytest.mark.jit
@pytest.mark.parametrize("recall", [0.5, 0.9, 0.97, 1.0])
def test_the_graph_has_the_recall_asked_for(X, exact, recall):
    model = transformer(target_recall=recall)
    distances = rows_of(model.fit_transform(X))[1]
    found = naive.recall(distances[:, 1:], exact[:, 1:])
    assert recall - 0.01 <= found < recall + 0.05 and model.recall_ >= recall
    assert abs(model.recall_ - found) < 0.02


@pytest.mark.jit
def test_less_recall_takes_fewer_lists():
    X = indexes.rows(3000, 64)
    low, high = (transformer(target_recall=recall).fit(X) for recall in (0.5, 0.99))
    assert 0.5 <= low.recall_ < 0.75 and 0.99 <= high.recall_
    assert 2 * low.n_probes_ < high.n_probes_


@pytest.mark.jit
def test_a_row_begins_with_itself_and_has_true_distances_ascending(X):
    ids, distances = rows_of(transformer().fit_transform(X))
    assert_array_equal(ids[:, 0], np.arange(len(X)))
    assert not distances[:, 0].any() and (np.diff(distances) >= 0).all()
    true = np.linalg.norm(X[ids] - X[:, None], axis=2)
    assert_allclose(distances, true, rtol=1e-5, atol=1e-6)
    assert all(len(set(row)) == 11 for row in ids)


@pytest.mark.jit
def test_threads_do_not_change_the_graph(X):
    one, two = (transformer(n_jobs=n).fit_transform(X) for n in (1, 2))
    assert_array_equal(one.indices, two.indices)
    assert_array_equal(one.data, two.data)


@pytest.mark.jit
@pytest.mark.parametrize(
    "metric", ["cosine", "correlation", "sqeuclidean", "hellinger"]
)
def test_other_metrics_are_served(metric):
    X = indexes.rows(1500, metric=metric)
    found = rows_of(transformer(metric=metric, target_recall=0.98).fit_transform(X))[1]
    assert (
        naive.recall(found[:, 1:], naive.nearest_distances(X, X, 11, metric)[:, 1:])
        > 0.96
    )


@pytest.mark.parametrize("metric", ["inner_product", "manhattan", "chebyshev"])
def test_metrics_that_products_do_not_serve_are_refused(metric):
    with pytest.raises(ValueError, match=metric):
        transformer(metric=metric).fit(indexes.rows())


def test_another_order_of_minkowski_is_refused():
    with pytest.raises(ValueError, match=r"p=1.*HNSWTransformer"):
        transformer(p=1).fit(indexes.rows())


def test_few_rows_are_compared_with_all():
    X = indexes.rows(100)
    model = KNNGraphTransformer(n_neighbors=5)
    found = model.fit_transform(X)
    wanted = FlatTransformer(n_neighbors=5).fit_transform(X)
    assert model.recall_ == 1
    assert_array_equal(found.indices, wanted.indices)
    assert_array_equal(found.data, wanted.data)


def test_few_queries_are_answered_as_scikit_learn_does():
    X, Q = indexes.rows(100), indexes.rows(9, seed=1)
    found = KNNGraphTransformer(n_neighbors=5).fit(X).transform(Q)
    wanted = KNeighborsTransformer(n_neighbors=5).fit(X).transform(Q)
    assert_allclose(found.toarray(), wanted.toarray(), atol=1e-5)


@pytest.mark.jit
def test_other_rows_are_found_to_about_the_recall(X):
    Q = np.random.default_rng(1).standard_normal((400, 16)).astype(np.float32)
    model = transformer(target_recall=0.9).fit(X)
    distances, _ = model.kneighbors(Q, 10)
    found = naive.recall(distances, naive.nearest_distances(X, Q, 10))
    assert 0.85 < found < 1


@pytest.mark.jit
def test_more_neighbours_are_looked_for_in_more_lists(X):
    model = transformer(5, target_recall=0.9).fit(X)
    for k in (5, 50, 500):
        found = naive.recall(
            model.kneighbors(None, k)[0][:200],
            naive.nearest_distances(X, X[:200], k + 1)[:, 1:],
        )
        assert found > 0.85


def test_of_all_neighbours_none_is_lost():
    X = indexes.rows(300, 20)
    model = transformer(5, target_recall=1.0)
    assert_array_equal(model.fit(X).kneighbors()[1], naive.nearest(X, X, 6)[:, 1:])
    assert (model.recall_, model.n_probes_) == (1, 0)


@pytest.mark.parametrize("n", [2, 3, 30])
def test_the_fewest_rows_have_a_graph(n):
    X = indexes.rows(n)
    found = transformer(1).fit_transform(X)
    wanted = FlatTransformer(n_neighbors=1).fit_transform(X)
    assert_array_equal(found.indices, wanted.indices)


@pytest.mark.jit
def test_a_recall_that_is_not_reached_is_told(X, monkeypatch):
    monkeypatch.setattr(knn, "searches", lambda *_: iter([Search(11, 33, 4)]))
    model = transformer(target_recall=0.999)
    with pytest.warns(UserWarning, match="target_recall=0.999 was not reached"):
        model.fit_transform(X)
    assert model.recall_ < 1


@pytest.mark.jit
def test_copies_are_one_anothers_neighbours():
    X = np.repeat(np.random.default_rng(0).standard_normal((300, 8)), 12, axis=0)
    distances = rows_of(transformer().fit_transform(X))[1]
    assert np.mean(distances == 0) > 0.99


def test_a_clone_has_what_was_given():
    model = transformer(3, target_recall=0.8, metric="cosine")
    assert clone(model).get_params() == model.get_params()


@pytest.mark.jit
@pytest.mark.parametrize("k", [10, 30])
def test_rows_in_a_group_too_small_have_neighbours_elsewhere(k):
    X = indexes.rows(1200)
    X[:20] += 1000
    graph = transformer(k).fit_transform(X)
    ids, distances = rows_of(graph, k)
    assert ids.min() >= 0 and all(len({*row}) == k + 1 for row in ids.tolist())
    exact = naive.nearest_distances(X, X[:20], k + 1)
    assert_allclose(distances[:20], exact, rtol=1e-5, atol=1e-3)
    assert graph.T.tocsr().nnz == graph.nnz


@pytest.mark.jit
def test_the_recall_is_told_by_fit_and_not_changed_by_queries(X):
    model = transformer().fit(X)
    told, index = model.recall_, model.index_
    one, two = model.kneighbors(), model.kneighbors()
    assert_array_equal(one[1], two[1])
    assert model.recall_ == told and model.index_ is index
