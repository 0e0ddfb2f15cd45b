"""Rows and their neighbours, as estimators and reports look at them."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_jin._compat import Instances
from sklearn_jin.metrics import effective_metric
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._flat import FlatNeighbors

FLOATS = (np.float64, np.float32)
INDEXES = Instances(Neighbors, "an index of sklearn_jin, such as HNSWNeighbors()")
MOST_TIES = 64  # neighbours that are looked at where distances are zero or tie


def fit_copy(index, X, n_jobs=None):
    """Copy of ``index``, by default of an exact one, fitted to ``X``."""
    index = FlatNeighbors() if index is None else clone(index)
    name = effective_metric(index.metric, index.p, index.metric_params)
    if name != "euclidean":
        raise ValueError(
            f"index has the metric {name!r}, but dimensions are those of Euclidean "
            "distances, and squared ones would halve them: use metric='euclidean'"
            + (", on rows of length 1" if name in ("cosine", "angular") else "")
        )
    if getattr(index, "store_vectors", True) not in (True, "float32", "input"):
        raise ValueError(
            f"index has store_vectors={index.store_vectors!r}, whose distances are "
            "estimates: use store_vectors=True"
        )
    if n_jobs is not None:
        index.set_params(n_jobs=n_jobs)
    return index.fit(X)


def at_most_others(n_neighbors, n):
    """``n_neighbors``, or as many others as a row has."""
    if n_neighbors < n:
        return n_neighbors
    warnings.warn(
        f"n_neighbors={n_neighbors} is not below n_samples={n}: the "
        f"{n - 1} others of every row are taken",
        stacklevel=3,
    )
    return n - 1


def draw_rows(n, n_samples, random_state):
    """Numbers of at most ``n_samples`` of ``n`` rows, in random order."""
    return check_random_state(random_state).permutation(n)[:n_samples]


def distances_to_others(index, X, rows, k):
    """Ascending distances (n_rows, k) of fitted ``rows`` to their nearest others."""
    from sklearn_jin.search.shortlist import others

    distances, ids = index.kneighbors(X[rows], k + 1)
    return distances[others(ids, rows)].reshape(len(rows), k)


def near_one(X):
    """``X``, float64, by a power of two that brings it near 1, and that power.

    So squares neither overflow nor vanish, and no digit depends on the scale.
    """
    size = np.exp2(float(np.frexp(np.abs(X).max())[1]))
    return X.astype(np.float64) / size, size
