"""Hubness and relative contrast: how evenly, and how clearly, rows are neighbours."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array

from sklearn_jin._compat import Integers, validate_params
from sklearn_jin.lid._rows import (
    FLOATS,
    INDEXES,
    MOST_TIES,
    distances_to_others,
    draw_rows,
    fit_copy,
    near_one,
)

MOST_PAIRED = 2000  # rows of which every pair tells the mean distance


@dataclass(frozen=True, eq=False)
class Hubness:
    """How unevenly rows are among the neighbours of others: see :func:`hubness`.

    Attributes
    ----------
    counts : ndarray of shape (n,), int64
        Of how many rows each is a neighbour: ``N_k``.
    skewness : float
        Skewness of the counts: about 0 in few dimensions, above 1 where hubs are.
    antihub_share : float
        Share of rows that are nobody's neighbour.
    hub_share : float
        Share of rows whose count is above the mean by two standard deviations.
    hubs : ndarray of shape (n_hubs,), int64
        Their numbers, that of the highest count first.
    gini : float
        Gini's coefficient of the counts: 0 if all are equal, near 1 if few have all.
    """

    counts: np.ndarray
    skewness: float
    antihub_share: float
    hub_share: float
    hubs: np.ndarray
    gini: float


@validate_params(
    {"ids": ["array-like"], "n": [Integers(1), None]},
    prefer_skip_nested_validation=True,
)
def k_occurrence(ids, n=None):
    """Of how many rows every row is a neighbour: ``N_k`` of [1]_.

    Parameters
    ----------
    ids : array-like of shape (n_queries, n_neighbors), of int
        Numbers of the neighbours of every query, as ``kneighbors`` returns them.
    n : int, default=None
        Number of fitted rows; None takes ``n_queries``, for neighbours of all rows.

    Returns
    -------
    counts : ndarray of shape (n,), int64
        Count of every row.  Their mean is ``n_queries * n_neighbors / n`` exactly.

    Raises
    ------
    TypeError
        If ``ids`` are not integers.
    ValueError
        If ``ids`` has another shape, or numbers that are not within 0 and ``n - 1``.

    References
    ----------
    .. [1] Radovanović, Nanopoulos and Ivanović, "Hubs in space: popular nearest
       neighbors in high-dimensional data", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn_jin import k_occurrence
    >>> k_occurrence([[1], [0], [1]])
    array([1, 2, 0])
    """
    ids = check_array(ids, dtype=None)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(
            f"ids of dtype {ids.dtype} must be integers: pass what "
            "kneighbors(return_distance=False) returns"
        )
    n = len(ids) if n is None else n
    for extreme in (ids.min(), ids.max()):
        if not 0 <= extreme < n:
            raise ValueError(
                f"ids holds {extreme}, which is not within 0 and n - 1 = {n - 1}: "
                "give n, the number of fitted rows"
            )
    return np.bincount(ids.ravel().astype(np.int64), minlength=n).astype(np.int64)


@validate_params(
    {
        "neighbors": ["array-like", BaseEstimator],
        "n": [Integers(1), None],
        "n_neighbors": [Integers(1)],
    },
    prefer_skip_nested_validation=True,
)
def hubness(neighbors, n=None, *, n_neighbors=10):
    """How unevenly rows are among the neighbours of others [1]_.

    In many dimensions a few rows, the hubs, are near to most others, and many,
    the anti-hubs, are among the nearest of none, and so are found by nobody.

    Parameters
    ----------
    neighbors : array-like of shape (n_queries, n_neighbors) or fitted index
        Numbers of neighbours, as :func:`k_occurrence` takes them; or an index, which is
        asked for the neighbours of its own rows, in its metric.  Approximate
        search misses anti-hubs most, and so makes hubness appear larger.
    n : int, default=None
        Number of fitted rows, for an array; None takes ``n_queries``.
    n_neighbors : int, default=10
        Neighbours to ask an index for.

    Returns
    -------
    hubness : Hubness
        Counts, their skewness ``S``, which is 0 where all are equal, the shares of
        anti-hubs and hubs, the numbers of the hubs, and Gini's coefficient.

    Raises
    ------
    NotFittedError
        If an index is not fitted.
    TypeError
        If ``neighbors`` are not integers, or not an index.
    ValueError
        If a parameter is invalid, or there are no more rows than ``n_neighbors``.

    References
    ----------
    .. [1] Radovanović, Nanopoulos and Ivanović, "Hubs in space: popular nearest
       neighbors in high-dimensional data", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn_jin import FlatNeighbors, hubness
    >>> star = [[0, 0], [3, 0], [-3, 0], [0, 3], [0, -3.1]]
    >>> found = hubness(FlatNeighbors().fit(star), n_neighbors=1)
    >>> found.counts, found.antihub_share
    (array([4, 1, 0, 0, 0]), 0.6)
    """
    if isinstance(neighbors, BaseEstimator):
        if not hasattr(neighbors, "kneighbors"):
            raise TypeError(
                f"neighbors={neighbors!r} has no kneighbors: pass a fitted index, "
                "or an array of neighbours"
            )
        ids = neighbors.kneighbors(n_neighbors=n_neighbors, return_distance=False)
        return _hubness(k_occurrence(ids, neighbors.n_samples_fit_))
    return _hubness(k_occurrence(neighbors, n))


@validate_params(
    {
        "X": ["array-like"],
        "n_samples": [Integers(2)],
        "index": [INDEXES, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def relative_contrast(X, *, n_samples=1000, index=None, random_state=None):
    """How many times farther than its nearest neighbour a row is from any [1]_.

    It is the mean distance between rows, by the mean distance of a row to its nearest
    other: ``C_r = D_mean / D_min``.  Near 1 nothing is near, and any search
    is hard.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        At least two rows.
    n_samples : int, default=1000
        Rows, drawn at random, whose distances are averaged: to the nearest of all
        others, and to each other (of 2000 of them at most).
    index : index estimator or None, default=None
        Finds the nearest, as in :class:`LocalIntrinsicDimensionality`.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.  An integer makes the result repeatable.

    Returns
    -------
    contrast : float
        Relative contrast, about 1 at least.  A distance of 0 is not taken for that of
        the nearest neighbour.  NaN where no row has another one within its
        64 nearest.

    Raises
    ------
    ValueError
        If a parameter or ``X`` is invalid, or the index has another metric.

    References
    ----------
    .. [1] He, Kumar and Chang, "On the difficulty of nearest neighbor search", ICML
       2012. https://arxiv.org/abs/1206.6411

    Examples
    --------
    >>> from sklearn_jin import relative_contrast
    >>> contrast = relative_contrast([[0.0], [1.0], [5.0]])
    >>> round(contrast, 3)  # (1 + 4 + 5) / 3 by (1 + 1 + 4) / 3
    1.667
    """
    X = check_array(X, dtype=FLOATS, order="C", ensure_min_samples=2)
    rows = draw_rows(len(X), n_samples, random_state)
    fitted = fit_copy(index, X)
    distances = distances_to_others(fitted, X, rows, 1)
    if not distances.all():
        distances = distances_to_others(fitted, X, rows, min(MOST_TIES, len(X) - 1))
    return contrast_of(X[rows], distances)


def _hubness(counts):
    """What :func:`hubness` returns for ``counts``."""
    n, mean, deviation = len(counts), counts.mean(), counts.std()
    high = np.flatnonzero(counts > mean + 2 * deviation)
    skewness = ((counts - mean) ** 3).mean() / deviation**3 if deviation else 0.0
    ranks = np.arange(1, n + 1)
    gini = 2 * (ranks @ np.sort(counts)) / (n * counts.sum()) - (n + 1) / n
    return Hubness(
        counts=counts,
        skewness=float(skewness),
        antihub_share=float((counts == 0).mean()),
        hub_share=len(high) / n,
        hubs=high[np.argsort(-counts[high], kind="stable")],
        gini=float(gini),
    )


def contrast_of(sample, distances):
    """Relative contrast of rows whose nearest others are at ascending distances."""
    nearest = np.where(distances > 0, distances, np.inf).min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    if not len(nearest):
        return np.nan
    some, size = near_one(sample[:MOST_PAIRED])
    return float(pdist(some).mean() / (nearest / size).mean())
