"""Compile, or load from disk, all that a first fit and a first query need."""

import numpy as np

from sklearn_jin.neighbors._flat import FlatNeighbors
from sklearn_jin.neighbors._hnsw import HNSWNeighbors


def warmup(metric="minkowski"):
    """Make the first fit and the first query as quick as all others.

    Kernels are compiled on first use, which takes some seconds, and kept on
    disk, from where a later process loads them in less than one.  Call this
    when a service starts or an image is built, rather than have the first
    user wait.

    Parameters
    ----------
    metric : str, default="minkowski"
        Metrics share kernels, except ``"inner_product"``, ``"manhattan"`` and
        ``"chebyshev"``, which have their own.

    Examples
    --------
    >>> import sklearn_jin
    >>> sklearn_jin.warmup()
    """
    X = np.random.default_rng(0).random((100, 3), dtype=np.float32)
    for index in (HNSWNeighbors(exact_threshold=0), FlatNeighbors()):
        index.set_params(metric=metric, n_jobs=1).fit(X)
        index.kneighbors(X)
        index.kneighbors(X[:1])
