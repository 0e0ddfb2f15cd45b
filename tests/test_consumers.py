"""What of scikit-learn takes an index, a transformer or its graph, takes ours.

Each is compared with the same consumer of scikit-learn's own exact neighbours.
"""

import re

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import (
    DBSCAN,
    HDBSCAN,
    OPTICS,
    AgglomerativeClustering,
    SpectralClustering,
)
from sklearn.datasets import load_digits, load_iris, make_blobs, make_swiss_roll
from sklearn.manifold import TSNE, Isomap, SpectralEmbedding
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    LocalOutlierFactor,
    NearestNeighbors,
    kneighbors_graph,
    radius_neighbors_graph,
)
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading
from threadpoolctl import threadpool_limits

from sklearn_jin import HNSWTransformer, connect_components, symmetrize

# Real sizes let a graph be walked; plain Python kernels would take minutes.
pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    X = X + np.random.default_rng(0).normal(0, 1e-3, X.shape)  # no two rows alike
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], y[order]


def theirs(transformer):
    """scikit-learn's own transformer of the same parameters."""
    return KNeighborsTransformer(
        n_neighbors=transformer.n_neighbors, mode=transformer.mode
    )


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 5, 6])
def test_classifier(transformer, iris, weights, k):
    X, y = iris
    model = KNeighborsClassifier(k, weights=weights, metric="precomputed")
    ours = make_pipeline(transformer, model).fit(X[:100], y[:100])
    expected = KNeighborsClassifier(k, weights=weights).fit(X[:100], y[:100])
    assert_array_equal(ours.predict(X[100:]), expected.predict(X[100:]))
    assert_allclose(
        ours.predict_proba(X[100:]), expected.predict_proba(X[100:]), atol=1e-5
    )


def test_regressor(transformer, iris):
    X, _ = iris
    model = KNeighborsRegressor(5, weights="distance", metric="precomputed")
    ours = make_pipeline(transformer, model).fit(X[:100, :3], X[:100, 3])
    expected = KNeighborsRegressor(5, weights="distance").fit(X[:100, :3], X[:100, 3])
    assert_allclose(ours.predict(X[100:, :3]), expected.predict(X[100:, :3]), 1e-4)


def test_cross_validation(transformer, iris):
    model = make_pipeline(transformer, KNeighborsClassifier(metric="precomputed"))
    expected = cross_val_score(KNeighborsClassifier(), *iris)
    assert_array_equal(cross_val_score(model, *iris), expected)


def test_grid_search_over_neighbours(transformer, iris):
    grid = {
        f"{type(transformer).__name__.lower()}__n_neighbors": [5, 9],
        "kneighborsclassifier__n_neighbors": [1, 5],
    }
    model = make_pipeline(transformer, KNeighborsClassifier(metric="precomputed"))
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(*iris)
    assert search.best_score_ > 0.9


def test_grid_search_over_search_parameters(transformer, iris):
    if "ef_search" not in transformer.get_params():
        pytest.skip("no ef_search")
    name = f"{type(transformer).__name__.lower()}__ef_search"
    model = make_pipeline(transformer, KNeighborsClassifier(metric="precomputed"))
    search = GridSearchCV(model, {name: [None, 10, 100]}, cv=3, error_score="raise")
    assert (search.fit(*iris).cv_results_["mean_test_score"] > 0.9).all()


def test_grid_search_in_other_processes(transformer, iris):
    model = make_pipeline(transformer, KNeighborsClassifier(metric="precomputed"))
    grid = {"kneighborsclassifier__n_neighbors": [1, 5]}
    one, two = (GridSearchCV(model, grid, cv=3, n_jobs=n).fit(*iris) for n in (1, 2))
    scores = (search.cv_results_["mean_test_score"] for search in (one, two))
    assert_array_equal(*scores)


def test_a_pipeline_caches_its_graph(transformer, iris, tmp_path):
    X, y = iris
    last = KNeighborsClassifier(metric="precomputed")
    plain = make_pipeline(clone(transformer), last).fit(X, y)
    cached = make_pipeline(transformer, last, memory=str(tmp_path))
    for _ in range(2):
        assert_array_equal(cached.fit(X, y).predict(X), plain.predict(X))


def test_isomap(transformer):
    X, _ = make_swiss_roll(400, random_state=0)
    transformer.set_params(n_neighbors=10)
    model = Isomap(n_neighbors=10, metric="precomputed")
    ours = make_pipeline(transformer, model).fit(X)
    expected = make_pipeline(theirs(transformer), clone(model)).fit(X)
    errors = (m[-1].reconstruction_error() for m in (ours, expected))
    assert_allclose(*errors, rtol=1e-3)
    assert ours.transform(X[:9]).shape == (9, 2)


@threadpool_limits.wrap(limits=1)  # its threads wait for each other, and long
def test_tsne(transformer, digits):
    X = digits[0][:100]
    transformer.set_params(n_neighbors=16)  # three times the perplexity, and one
    params = {"perplexity": 5, "init": "random", "random_state": 0, "max_iter": 250}
    model = TSNE(metric="precomputed", **params)
    ours = clone(model).fit(transformer.fit_transform(X))
    expected = model.fit(theirs(transformer).fit_transform(X))
    assert_allclose(ours.kl_divergence_, expected.kl_divergence_, rtol=0.05)


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_spectral_clustering(transformer, iris):
    graph = transformer.set_params(n_neighbors=15).fit_transform(iris[0])
    model = SpectralClustering(
        3, affinity="precomputed_nearest_neighbors", n_neighbors=15, random_state=0
    )
    expected = clone(model).fit_predict(theirs(transformer).fit_transform(iris[0]))
    assert adjusted_rand_score(expected, model.fit_predict(graph)) == 1


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_spectral_embedding(transformer, iris):
    graph = transformer.set_params(n_neighbors=15).fit_transform(iris[0])
    model = SpectralEmbedding(
        2, affinity="precomputed_nearest_neighbors", n_neighbors=15, random_state=0
    )
    expected = clone(model).fit(theirs(transformer).fit_transform(iris[0]))
    model.fit(graph)
    assert abs(model.affinity_matrix_ - expected.affinity_matrix_).max() == 0


def test_dbscan_on_a_graph_of_a_radius(shell, iris):
    graph = shell.fit(iris[0]).radius_neighbors_graph(iris[0], 0.6, mode="distance")
    labels = DBSCAN(0.5, metric="precomputed").fit_predict(graph)
    assert_array_equal(labels, DBSCAN(0.5).fit_predict(iris[0]))


def test_local_outlier_factor(transformer, iris):
    X = np.vstack([iris[0], [[30, 30, 30, 30]]])
    transformer.set_params(n_neighbors=20)
    if hasattr(transformer, "ef_search") and transformer.quantizer is not None:
        # To codes of 4 bits all but the outlier is one place: look at all rows.
        transformer.set_params(ef_search=len(X))
    model = LocalOutlierFactor(20, metric="precomputed")
    model.fit(transformer.fit_transform(X))
    expected = LocalOutlierFactor(20).fit(X).negative_outlier_factor_
    assert_allclose(model.negative_outlier_factor_, expected, 1e-4)


def test_novelty_of_new_rows(transformer, iris):
    X, _ = iris
    model = LocalOutlierFactor(20, metric="precomputed", novelty=True)
    ours = make_pipeline(transformer.set_params(n_neighbors=20), model).fit(X[:100])
    expected = LocalOutlierFactor(20, novelty=True).fit(X[:100])
    assert_array_equal(ours.predict(X[100:]), expected.predict(X[100:]))


@pytest.mark.filterwarnings("ignore:the number of connected components")
def test_agglomerative_clustering(transformer, iris):
    transformer.set_params(mode="connectivity", n_neighbors=15)
    graph = transformer.fit_transform(iris[0])
    model = AgglomerativeClustering(3, connectivity=graph)
    expected = clone(model).set_params(
        connectivity=theirs(transformer).fit_transform(iris[0])
    )
    assert_array_equal(model.fit_predict(iris[0]), expected.fit_predict(iris[0]))
    assert_array_equal(
        model.set_params(connectivity=transformer.fit_transform).fit_predict(iris[0]),
        expected.labels_,
    )


def test_optics_on_a_symmetric_graph(transformer, iris):
    X = iris[0]
    graph = symmetrize(transformer.set_params(n_neighbors=60).fit_transform(X))
    params = {"min_samples": 5, "max_eps": 0.5}
    ours = OPTICS(metric="precomputed", **params).fit(graph)
    expected = OPTICS(**params).fit(X)
    assert_array_equal(ours.ordering_, expected.ordering_)
    assert_allclose(ours.reachability_, expected.reachability_, 1e-4)
    assert_array_equal(ours.labels_, expected.labels_)


@pytest.mark.filterwarnings("ignore:The default value of `copy`")
def test_hdbscan_on_a_graph_that_is_connected(transformer):
    X, _ = make_blobs(250, 5, centers=4, random_state=3)
    X = X.astype(np.float32)
    graph = transformer.set_params(n_neighbors=30).fit_transform(X)
    model = HDBSCAN(min_cluster_size=15, metric="precomputed")
    with pytest.raises(ValueError, match="connected components"):
        clone(model).fit(symmetrize(graph))
    ours = model.fit(connect_components(symmetrize(graph), X))
    expected = HDBSCAN(min_cluster_size=15).fit(X)  # which may number them otherwise
    assert adjusted_rand_score(ours.labels_, expected.labels_) == 1
    assert_allclose(ours.probabilities_, expected.probabilities_, 1e-4)


class NearestKernel:
    """Ones for the neighbours of an index, as ``kernel="knn"`` has them."""

    def __init__(self, index):
        self.index = index

    def __call__(self, X, Y):
        if Y is X:  # of a fit
            return self.index.fit(X).kneighbors_graph(X)
        return self.index.kneighbors_graph(Y).T  # (n_fitted, n_queries)


def test_label_spreading(shell, iris):
    X, y = iris
    y = np.where(np.arange(len(y)) % 3, y, -1)
    kernel = NearestKernel(shell.set_params(n_neighbors=7))
    ours = LabelSpreading(kernel=kernel).fit(X[:100], y[:100])
    expected = LabelSpreading(kernel="knn", n_neighbors=7).fit(X[:100], y[:100])
    assert_allclose(ours.label_distributions_, expected.label_distributions_, 1e-6)
    for predict in ("predict", "predict_proba"):
        found, wanted = (getattr(m, predict)(X[100:]) for m in (ours, expected))
        assert_allclose(found, wanted, 1e-6)


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
def test_kneighbors_graph_takes_an_index(shell, iris, mode):
    X, _ = iris
    ours = kneighbors_graph(shell.fit(X), 5, mode=mode)
    expected = kneighbors_graph(X, 5, mode=mode)
    assert_array_equal(ours.indices, expected.indices)
    assert_allclose(ours.data, expected.data, 1e-5, 1e-6)


def test_radius_neighbors_graph_takes_an_index(shell, iris):
    X, _ = iris
    ours = radius_neighbors_graph(shell.fit(X), 0.5)
    expected = radius_neighbors_graph(X, 0.5)
    assert abs(ours - expected).nnz == 0


def test_an_index_takes_the_place_of_nearest_neighbors(index, digits):
    X, _ = digits
    expected = NearestNeighbors(n_neighbors=7).fit(X)
    for rows in (None, X[:50] + 0.25):
        ours, wanted = (est.kneighbors(rows, 7) for est in (index.fit(X), expected))
        assert_allclose(ours[0], wanted[0], 1e-5)


def encode_queries(index, X):
    return index.kneighbors(X)


def fit_and_ask(index, X):
    return index.fit(X).kneighbors(X)


@pytest.mark.parametrize("task", [encode_queries, fit_and_ask])
def test_joblib_workers(shell, digits, task):
    X, _ = digits
    expected = shell.fit(X).kneighbors(X)
    answers = joblib.Parallel(n_jobs=2)(joblib.delayed(task)(shell, X) for _ in "abc")
    for distances, ids in answers:
        assert_array_equal(distances, expected[0])
        assert_array_equal(ids, expected[1])


class Recorder:
    """A callback that notes what it is told."""

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context, **more):
        self.told.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, **more):
        self.told.append(("end", context.task_name))


def test_callbacks_are_told_of_the_progress_of_a_fit(index, iris):
    pytest.importorskip("sklearn.callback")
    recorder = Recorder()
    index.set_callbacks(recorder).fit(iris[0])
    assert recorder.told[0] == "setup" and recorder.told[-1] == "teardown"
    begun = [what[1] for what in recorder.told[1:-1] if what[0] == "begin"]
    ended = [what[1] for what in recorder.told[1:-1] if what[0] == "end"]
    assert sorted(begun) == sorted(ended)
    assert (len(begun) > 2) == in_steps(index)


def in_steps(index):
    """Whether the fitted index was built in steps: a graph, or lists."""
    route = index.index_.route
    if type(index).__name__ == "KNNGraphTransformer":
        return False
    return hasattr(route, "neighbors") or hasattr(route, "starts")


def test_callbacks_change_nothing(shell, iris):
    pytest.importorskip("sklearn.callback")
    expected = clone(shell).fit(iris[0]).kneighbors()
    for found, wanted in zip(
        shell.set_callbacks(Recorder()).fit(iris[0]).kneighbors(), expected
    ):
        assert_array_equal(found, wanted)


def test_a_progress_bar_is_shown(shell, iris, capsys):
    callback = pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    shell.set_callbacks(callback.ProgressBar()).fit(iris[0])
    assert type(shell).__name__ in capsys.readouterr().out or not in_steps(shell)


def test_a_verbose_fit_tells_how_far_it_is(index, iris, capsys):
    index.set_params(verbose=1).fit(iris[0])
    told = capsys.readouterr()
    assert told.out == ""
    if in_steps(index):
        name = type(index).__name__
        assert re.search(rf"\[{name}\] (\d+) of \1 batches", told.err)


def test_a_fit_is_silent(shell, iris, capsys):
    shell.fit(iris[0]).kneighbors()
    assert capsys.readouterr() == ("", "")


def test_groups_go_to_an_index_where_they_are_asked_for(digits):
    X, y = digits
    groups = np.arange(300) % 5
    steps = HNSWTransformer(n_neighbors=5), KNeighborsClassifier(metric="precomputed")
    model = make_pipeline(*steps)
    fitted = clone(model).fit(X, y, hnswtransformer__groups=groups)
    assert_array_equal(fitted[0].groups_, groups)
    split = {"cv": GroupKFold(3), "return_estimator": True}
    with config_context(enable_metadata_routing=True):
        for asked in (False, True):
            if asked:
                model[0].set_fit_request(groups=True)
            found = cross_validate(model, X, y, params={"groups": groups}, **split)
            for one in found["estimator"]:
                assert hasattr(one[0], "groups_") == asked
