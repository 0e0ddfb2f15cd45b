"""Other libraries behind the few methods that measuring needs.

Install them with ``pip install '.[bench]'`` in a clone.  Each is used as its
own documentation says, with batches of queries and all that it offers to be
fast; recall is judged by the ids that it returns.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize

from sklearn_jin._threads import count_threads


class HNSWLib(BaseEstimator):
    """The C++ library hnswlib, the usual reference for graphs."""

    SPACES = {"euclidean": "l2", "cosine": "cosine", "inner_product": "ip"}
    METRICS = frozenset(SPACES)

    def __init__(self, metric="euclidean", M=16, ef_construction=200, ef_search=50):
        self.metric = metric
        self.M = M
        self.ef_construction = ef_construction
        self.ef_search = ef_search
        self.n_jobs = None

    def fit(self, X):
        """Build the index."""
        import hnswlib

        self.index_ = hnswlib.Index(space=self.SPACES[self.metric], dim=X.shape[1])
        self.index_.init_index(len(X), ef_construction=self.ef_construction, M=self.M)
        self.index_.add_items(X, num_threads=count_threads(None))
        return self

    def ids(self, queries, k):
        """Ids of the ``k`` neighbours of every query."""
        self.index_.set_ef(max(self.ef_search, k))
        return self.index_.knn_query(
            queries, k, num_threads=count_threads(self.n_jobs)
        )[0]


class PyNNDescent(BaseEstimator):
    """The Numba library pynndescent."""

    METRICS = frozenset(
        {"euclidean", "cosine", "manhattan", "chebyshev", "correlation"}
    )

    def __init__(self, metric="euclidean", n_neighbors=30, epsilon=0.1):
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.epsilon = epsilon
        self.n_jobs = None

    def fit(self, X):
        """Build the index; a small one first, for its kernels are compiled anew."""
        self.index_ = self._build(X[:2000])
        self.index_ = self._build(X)
        return self

    def ids(self, queries, k):
        """Ids of the ``k`` neighbours of every query."""
        import numba

        numba.set_num_threads(count_threads(self.n_jobs))
        self.index_.parallel_batch_queries = count_threads(self.n_jobs) > 1
        return self.index_.query(queries, k=k, epsilon=self.epsilon)[0]

    def _build(self, X):
        import pynndescent

        index = pynndescent.NNDescent(
            np.ascontiguousarray(X, np.float32),
            metric=self.metric,
            n_neighbors=self.n_neighbors,
            random_state=0,
        )
        index.prepare()
        return index


class FaissIVF(BaseEstimator):
    """The C++ library faiss: lists of product codes of 4 bits, scored again.

    Rows of length 1 and their inner products are its way to the cosine.
    """

    METRICS = frozenset({"euclidean", "cosine", "inner_product"})

    def __init__(self, metric="euclidean", n_probes=16, k_factor=10):
        self.metric = metric
        self.n_probes = n_probes
        self.k_factor = k_factor
        self.n_jobs = None

    def fit(self, X):
        """Build the index."""
        import faiss

        faiss.omp_set_num_threads(count_threads(None))
        X = self._rows(X)
        n, d = X.shape
        spec = f"IVF{_count_lists(n)},PQ{d // 2}x4fs,RFlat"
        euclidean = self.metric == "euclidean"
        kind = faiss.METRIC_L2 if euclidean else faiss.METRIC_INNER_PRODUCT
        self.index_ = faiss.index_factory(d, spec, kind)
        self.index_.train(X)
        self.index_.add(X)
        return self

    def ids(self, queries, k):
        """Ids of the ``k`` neighbours of every query, -1 where there is none."""
        import faiss

        faiss.omp_set_num_threads(count_threads(self.n_jobs))
        self.index_.k_factor = self.k_factor
        faiss.extract_index_ivf(self.index_).nprobe = self.n_probes
        return self.index_.search(self._rows(queries), k)[1]

    def _rows(self, X):
        """Rows of an even number of features, for a code is of two of them."""
        X = _float_rows(X, unit=self.metric == "cosine")
        return np.pad(X, ((0, 0), (0, 1))) if X.shape[1] % 2 else X


class ScaNN(BaseEstimator):
    """The C++ library ScaNN: a tree of lists of anisotropic codes, scored again.

    Rows of length 1 and their inner products are its way to the cosine.
    """

    METRICS = frozenset({"euclidean", "cosine", "inner_product"})
    LARGEST_SAMPLE = 250_000  # rows that the tree is learned from

    def __init__(self, metric="euclidean", n_probes=16, n_candidates=100):
        self.metric = metric
        self.n_probes = n_probes
        self.n_candidates = n_candidates
        self.n_jobs = None

    def fit(self, X):
        """Build the index."""
        from scann import scann_ops_pybind

        X = _float_rows(X, unit=self.metric == "cosine")
        euclidean = self.metric == "euclidean"
        kind = "squared_l2" if euclidean else "dot_product"
        loss = {} if euclidean else {"anisotropic_quantization_threshold": 0.2}
        self.index_ = (
            scann_ops_pybind.builder(X, 10, kind)
            .set_n_training_threads(count_threads(None))
            .tree(
                num_leaves=_count_lists(len(X)),
                num_leaves_to_search=self.n_probes,
                training_sample_size=min(len(X), self.LARGEST_SAMPLE),
            )
            .score_ah(2, **loss)
            .reorder(self.n_candidates)
            .build()
        )
        return self

    def ids(self, queries, k):
        """Ids of the ``k`` neighbours of every query, -1 where there is none."""
        queries = _float_rows(queries, unit=self.metric == "cosine")
        n_threads = count_threads(self.n_jobs)
        search = self.index_.search_batched
        if n_threads > 1:
            self.index_.set_num_threads(n_threads)
            search = self.index_.search_batched_parallel
        ids, distances = search(
            queries,
            final_num_neighbors=k,
            pre_reorder_num_neighbors=max(k, self.n_candidates),
            leaves_to_search=self.n_probes,
        )
        return np.where(np.isnan(distances), -1, ids.astype(np.int64))


def _count_lists(n):
    """Lists of ``n`` rows, as many as our own indexes have."""
    return max(1, round(2 * n**0.5))


def _float_rows(X, unit):
    """Rows as C++ takes them, of length 1 if ``unit``."""
    X = np.ascontiguousarray(X, np.float32)
    return normalize(X) if unit else X


WIDTHS = 10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400
PROBES = 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192

# Name on the command line: the class, its search parameter, the values to measure.
PEERS = {
    "hnswlib": (HNSWLib, "ef_search", WIDTHS),
    "pynndescent": (PyNNDescent, "epsilon", (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)),
    "faiss-ivf": (FaissIVF, "n_probes", PROBES),
    "scann": (ScaNN, "n_probes", PROBES),
}
