"""What is asked of an index besides the nearest rows: all in a radius, and graphs."""

from functools import partial
from numbers import Real

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _to_object_array

from sklearn_jin._compat import KNeighborsMixin, RadiusNeighborsMixin
from sklearn_jin.neighbors._filters import nothing, within

FIRST_RADIUS_K = 32  # neighbours first asked for within a radius; fourfold until enough


class Queries:
    """Radius searches, and the graphs of scikit-learn's mixins, within limits."""

    def radius_neighbors(
        self, X=None, radius=None, return_distance=True, sort_results=False, *,
        where=None,
    ):  # fmt: skip
        """Find the fitted rows, or some of them, within a distance.

        An approximate index may miss some; what it returns is within the
        radius, up to and including it.  The search is widened until a row
        beyond the radius is met, so its time grows with the rows found.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            The queries.  If None, the fitted rows themselves, each without itself.
        radius : float, default=None
            Largest distance; None takes the parameter ``radius``.
        return_distance : bool, default=True
            Whether to return the distances too.
        sort_results : bool, default=False
            Whether rows must be ascending.  They always are; needs ``return_distance``.
        where : array-like, sparse matrix, callable or None, default=None
            Which of the fitted rows may be found, as in :meth:`kneighbors`.  Here it
            may be none.

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries,) of float64 arrays
            Distances.  Only if ``return_distance`` is True.
        neigh_ind : ndarray of shape (n_queries,) of int64 arrays
            Numbers of the fitted rows.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If ``radius`` is not a number, or ``sort_results`` is asked for without
            distances, or ``X`` or ``where`` is invalid (see :meth:`kneighbors`).
        """
        twin = self._fitted()
        if sort_results and not return_distance:
            raise ValueError("return_distance must be True if sort_results is True.")
        radius = twin.radius if radius is None else radius
        if not isinstance(radius, Real) or radius != radius:  # which a NaN does
            raise ValueError(
                f"radius={radius!r} must be a number: the largest distance allowed"
            )
        queries, finish = twin._prepare(X)
        distances, ids = within(twin, queries, finish, radius, where)
        if X is None:
            for q, (own, row) in enumerate(zip(twin.ids_, ids)):
                keep = row != own
                ids[q], distances[q] = row[keep], distances[q][keep]
        ids = _to_object_array(ids)
        return (_to_object_array(distances), ids) if return_distance else ids

    def _within(self, queries, finish, radius, allowed=None):
        """Lists of the distances and the ids of the points within ``radius``.

        Of those that are ``allowed``, as in :meth:`_answer`; or none may be.
        """
        n, n_points = len(queries), self.n_rows_
        distances, ids = [None] * n, [None] * n
        if allowed is not None:
            n_points = int(np.count_nonzero(allowed))
        if n_points == 0:
            return nothing(n)
        left, k = np.arange(n), min(FIRST_RADIUS_K, n_points)
        while len(left):
            wider = []
            block = max(1, int(get_config()["working_memory"] * 2**20) // (32 * k))
            for lo in range(0, len(left), block):
                rows = left[lo : lo + block]
                scores, found = self._answer(queries[rows], k, allowed=allowed)
                gaps = finish(scores, rows)
                for q, gap, row in zip(rows, gaps, found):
                    inside = np.searchsorted(gap, radius, side="right")
                    if inside == k < n_points:
                        wider.append(q)
                    else:
                        distances[q], ids[q] = gap[:inside].copy(), row[:inside].copy()
            left = np.array(wider, dtype=np.intp)
            k = min(4 * k, n_points)
        return distances, ids

    def kneighbors_graph(
        self, X=None, n_neighbors=None, mode="connectivity", *, where=None,
        exclude_groups=None, max_per_group=None, ragged=False,
    ):  # fmt: skip
        """Graph of the nearest of the fitted rows, or of some of them.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            The queries.  If None, the fitted rows themselves, each without itself.
        n_neighbors : int, default=None
            Neighbours of each query; None takes the parameter ``n_neighbors``.
        mode : {"connectivity", "distance"}, default="connectivity"
            Whether the graph holds ones, or distances.
        where, exclude_groups, max_per_group, ragged
            Which rows may be found, as in :meth:`kneighbors`.

        Returns
        -------
        graph : sparse matrix of shape (n_queries, n_samples_fit), float64
            CSR, each row in the order of distance.

        Raises
        ------
        ValueError
            If ``mode`` is another, and as :meth:`kneighbors` does.
        """
        twin = self._fitted()
        limits = dict(
            where=where, exclude_groups=exclude_groups, max_per_group=max_per_group
        )
        if not ragged:
            twin.kneighbors = partial(self.kneighbors, **limits)
            k = twin._check_k(n_neighbors)
            return KNeighborsMixin.kneighbors_graph(twin, X, k, mode)

        def radius_neighbors(X, radius, return_distance, sort_results=False):
            return self.kneighbors(
                X, n_neighbors, return_distance, ragged=True, **limits
            )

        twin.radius_neighbors = radius_neighbors
        return RadiusNeighborsMixin.radius_neighbors_graph(twin, X, 0.0, mode)

    def radius_neighbors_graph(
        self, X=None, radius=None, mode="connectivity", sort_results=False, *,
        where=None,
    ):  # fmt: skip
        """Graph of the fitted rows, or of some of them, within a distance.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            The queries.  If None, the fitted rows themselves, each without itself.
        radius : float, default=None
            Largest distance; None takes the parameter ``radius``.
        mode : {"connectivity", "distance"}, default="connectivity"
            Whether the graph holds ones, or distances.
        sort_results : bool, default=False
            Whether rows must be in the order of distance.  They always are.
        where : array-like, sparse matrix, callable or None, default=None
            Which rows may be found, as in :meth:`kneighbors`.

        Returns
        -------
        graph : sparse matrix of shape (n_queries, n_samples_fit), float64
            CSR, each row in the order of distance.

        Raises
        ------
        ValueError
            If ``mode`` is another, and as :meth:`radius_neighbors` does.
        """
        twin = self._fitted()
        twin.radius_neighbors = partial(self.radius_neighbors, where=where)
        mixin = RadiusNeighborsMixin.radius_neighbors_graph
        return mixin(twin, X, radius, mode, sort_results)
