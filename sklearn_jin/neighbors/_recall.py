"""The recall of an index, measured at any time."""

from numbers import Integral
from typing import NamedTuple

from sklearn.utils import check_random_state

from sklearn_jin._threads import count_threads


class Recall(NamedTuple):
    """The share of the true neighbours that is found, and its 95 % interval."""

    recall: float
    low: float
    high: float


class Scored:
    """What tells the recall of any index."""

    def score_recall(self, X=None, n_neighbors=None, n_queries=256):
        """Measure the recall by an exact search.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            Queries, such as the index is asked in use.  If None, some of the fitted
            rows, which ``random_state`` draws: each is asked as if it had not been
            fitted, by leaving its own point out.
        n_neighbors : int, default=None
            Neighbours of each query; None takes the parameter ``n_neighbors``.
        n_queries : int, default=256
            Rows that are asked, at most, where ``X`` is None.  The interval is about
            half as wide with four times as many.

        Returns
        -------
        recall : float
            Mean over the queries of the share of the true neighbours that are found.
            Rows at equal distance are as good as each other.
        low, high : float
            95 % interval of that mean, for other queries that are drawn alike.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If the index keeps no rows to compare with; if ``n_neighbors`` is not within
            1 and the number of rows (less one for ``X=None``); or if ``n_queries`` or
            ``X`` is invalid.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_jin import HNSWNeighbors
        >>> X, _ = load_digits(return_X_y=True)
        >>> index = HNSWNeighbors(random_state=0).fit(X[:1500])
        >>> index.score_recall(X[1500:]).recall > 0.99
        True
        """
        from sklearn_jin.construction.calibrate import recalls
        from sklearn_jin.search.trial import interval

        twin = self._fitted()
        k = twin._check_k(n_neighbors)
        if not isinstance(n_queries, Integral) or n_queries < 1:
            raise ValueError(f"n_queries={n_queries!r} must be an integer from 1 on")
        twin._choose(k)
        parts = asked_of(twin, X, k, n_queries)
        search = twin._search(k)._replace(n_threads=count_threads(twin.n_jobs))
        shares, _ = recalls(parts, search)
        return Recall(*interval(shares, k))

    _slack = None  # of the edges of a graph: a row is held out by new ones

    def _choose(self, k):
        """Look up, in a twin, how far a query for ``k`` neighbours has to go."""


def asked_of(index, X, k, n_rows, points=None):
    """Queries of a fitted ``index`` and their ``k`` true neighbours.

    They are ``X``, or some of its rows.  ``points`` are all its rows, in ``fit``.
    """
    from sklearn_jin.construction.calibrate import ask_queries, ask_rows, draw_rows

    if points is None and index.index_.learned.decoder is not None:
        raise ValueError(
            f"store_vectors={index.store_vectors!r} keeps no rows that recall could be "
            "measured by: it is measured in fit only, where target_recall is set; or "
            "use store_vectors=True or 'float16'"
        )
    most = index.n_rows_ - (X is None)
    if k > most:
        raise ValueError(
            f"n_neighbors={k} must be at most {most}, the number of "
            f"{'other ' if X is None else ''}rows: ask for fewer"
        )
    source = source_of(index, points)
    if X is not None:
        return ask_queries(source, index._prepare(X)[0], k)
    rows = draw_rows(index.index_, check_random_state(index.random_state), n_rows)
    return ask_rows(source, rows, k)


def source_of(index, points=None):
    """What the rows of a fitted ``index`` are asked from."""
    from sklearn_jin.construction.calibrate import Source

    return Source(index.index_, index._slack, points, count_threads(index.n_jobs))
