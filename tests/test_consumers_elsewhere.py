"""Other libraries that take neighbours, graphs or transformers take ours.

They come with the extra ``consumers``; a test is skipped where its library lacks.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    HNSWTransformer,
    connect_components,
    symmetrize,
)

pytestmark = [pytest.mark.consumers, pytest.mark.jit]
INDEXES = [FlatNeighbors(), HNSWNeighbors(exact_threshold=0, random_state=0)]
RECALL = 0.99  # of the graph on these few rows

by_index = pytest.mark.parametrize("index", INDEXES, ids=lambda i: type(i).__name__)


@pytest.fixture(scope="module")
def X():
    """Digits, a little apart from each other so that no distances tie."""
    X = load_digits().data[:600]
    return (X + np.random.default_rng(0).normal(0, 0.1, X.shape)).astype(np.float32)


@by_index
def test_smote_draws_between_the_same_rows(index, X):
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    y = (np.arange(len(X)) % 5 == 0).astype(int)
    ours, theirs = (
        over_sampling.SMOTE(k_neighbors=k, random_state=0)
        for k in (index.set_params(n_neighbors=6), NearestNeighbors(n_neighbors=6))
    )
    rows, labels = ours.fit_resample(X, y)
    expected, wanted = theirs.fit_resample(X, y)
    assert_array_equal(labels, wanted)
    same = np.isclose(rows, expected, 1e-4).all(axis=1)
    assert same.mean() >= (1 if index is INDEXES[0] else RECALL)


@by_index
@pytest.mark.filterwarnings("ignore")  # UMAP's own, of its threads and its seed
def test_umap_takes_neighbours(index, X):
    """The fuzzy graph, which the embedding is drawn from, is that of exact ones."""
    umap = pytest.importorskip("umap")
    k = 15
    distances, ids = index.fit(X).kneighbors(X, k)
    assert_array_equal(ids[:, 0], np.arange(len(X)))  # each row begins with itself
    params = dict(n_neighbors=k, random_state=0, n_epochs=20)
    ours = umap.UMAP(
        precomputed_knn=(ids, distances), force_approximation_algorithm=True, **params
    ).fit(X)
    expected = umap.UMAP(**params).fit(X)
    apart = abs(ours.graph_ - expected.graph_)
    changed = np.count_nonzero(apart.data > 1e-3) / expected.graph_.nnz
    assert changed <= (1e-3 if index is INDEXES[0] else 3 * (1 - RECALL))
    assert ours.embedding_.shape == (len(X), 2)


def adapter():
    """A class that gives openTSNE the neighbours of an index, as the guide has it."""
    from openTSNE.nearest_neighbors import KNNIndex

    class IndexForTSNE(KNNIndex):
        VALID_METRICS = ("as the index",)

        def __init__(self, index, data, k):
            super().__init__(data, k, metric="as the index")
            self.index = index

        def build(self):
            distances, ids = self.index.fit(self.data).kneighbors(None, self.k)
            return ids, distances

        def query(self, query, k):
            distances, ids = self.index.kneighbors(query, k)
            return ids, distances

    return IndexForTSNE


@by_index
def test_opentsne_takes_an_index(index, X):
    affinity = pytest.importorskip("openTSNE.affinity")
    ours = affinity.PerplexityBasedNN(
        knn_index=adapter()(index, X[:500], 45), perplexity=15
    )
    expected = affinity.PerplexityBasedNN(X[:500], perplexity=15, method="exact")
    assert_allclose(ours.P.sum(), 1)
    apart = abs(ours.P - expected.P).sum()
    assert apart <= (1e-4 if index is INDEXES[0] else 2 * (1 - RECALL))
    found, wanted = (a.to_new(X[500:]) for a in (ours, expected))
    assert abs(found - wanted).sum(axis=1).mean() <= (
        1e-4 if index is INDEXES[0] else 2 * (1 - RECALL)
    )


@pytest.mark.filterwarnings("ignore")  # of what scanpy imports
def test_scanpy_takes_a_transformer(X):
    """Its neighbours count the row itself: 15 are 14 others."""
    scanpy = pytest.importorskip("scanpy")
    anndata = pytest.importorskip("anndata")
    data = anndata.AnnData(X)
    exact = HNSWTransformer(n_neighbors=15)  # few rows are scanned
    ours = scanpy.pp.neighbors(data, use_rep="X", transformer=exact, copy=True)
    expected = scanpy.pp.neighbors(
        data, n_neighbors=15, use_rep="X", transformer="sklearn", copy=True
    )
    apart = abs(ours.obsp["connectivities"] - expected.obsp["connectivities"])
    assert apart.max() < 1e-3
    assert ours.uns["neighbors"]["params"]["n_neighbors"] == 15
    graph = HNSWTransformer(n_neighbors=15, exact_threshold=0, random_state=0)
    near = scanpy.pp.neighbors(data, use_rep="X", transformer=graph, copy=True)
    found, wanted = (a.obsp["connectivities"] > 0 for a in (near, expected))
    assert found.multiply(wanted).nnz / wanted.nnz >= RECALL
    pytest.importorskip("leidenalg")
    labels = []
    for one in (ours, expected):
        scanpy.tl.leiden(one, random_state=0, flavor="igraph", n_iterations=2)
        labels.append(one.obs["leiden"])
    assert adjusted_rand_score(*labels) > 0.95


@pytest.mark.filterwarnings("ignore")  # of hdbscan's own code
def test_hdbscan_takes_a_connected_graph():
    """It counts no row as its own neighbour: zeros of the diagonal are taken out."""
    hdbscan = pytest.importorskip("hdbscan")
    X, _ = make_blobs(300, 5, centers=4, random_state=3)
    X = X.astype(np.float32)
    index = HNSWNeighbors(n_neighbors=30, exact_threshold=0, random_state=0).fit(X)
    graph = symmetrize(index.kneighbors_graph(mode="distance"))
    graph = connect_components(graph, X)
    ours = hdbscan.HDBSCAN(min_cluster_size=15, metric="precomputed").fit(graph)
    expected = hdbscan.HDBSCAN(min_cluster_size=15).fit(X)
    assert adjusted_rand_score(ours.labels_, expected.labels_) == 1
    assert_allclose(ours.probabilities_, expected.probabilities_, 1e-4)
