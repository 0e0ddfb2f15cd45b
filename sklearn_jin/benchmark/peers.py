"""Other libraries behind the few methods that measuring needs.

Install them with ``pip install 'sklearn-jin[bench]'``.  Each is used as its
own documentation says, with batches of queries and all that it offers to be
fast; recall is judged by the ids that it returns.
"""

import numpy as np
from sklearn.base import BaseEstimator

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


# Name on the command line: the class, its search parameter, the values to measure.
PEERS = {
    "hnswlib": (HNSWLib, "ef_search", (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400)),
    "pynndescent": (PyNNDescent, "epsilon", (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)),
}
