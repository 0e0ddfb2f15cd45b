"""The graph of the nearest neighbours of the fitted rows, and nothing else."""

import warnings
from numbers import Integral, Real

from sklearn.utils import check_random_state

from sklearn_jin._compat import Interval, StrOptions
from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import ALIASES, METRICS, effective_metric
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._codes import CODED
from sklearn_jin.neighbors._flat import FlatNeighbors

SERVED = {name for name, metric in METRICS.items() if metric.space == "l2"}


class KNNGraphTransformer(NeighborsTransformer, FlatNeighbors):
    """Turn rows into the sparse graph of their nearest neighbours, found to a recall.

    For those who want the graph of their data and no index: spectral methods,
    manifold learning, clustering.  Rows are compared by matrix products within
    overlapping cells [1]_, and each then walks along the lists which that gives,
    from itself and as far as ``recall`` takes.  For queries, :meth:`transform` and
    :meth:`kneighbors` look at every row.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        What the graph holds.
    n_neighbors : int, default=5
        Neighbours of every row, without the row itself for ``mode="distance"``.
    recall : float, default=0.95
        Share of the true neighbours that the graph of the fitted rows is to hold.
        It is measured on 128 rows, whose neighbours are found exactly, and the walks
        are made as wide as it takes: from 0.95 to 0.99 about twice the time.
    exact_threshold : int, default=10000
        Up to this number of rows all are compared with all.
    metric : str, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"``,
        ``"correlation"``, ``"hellinger"``, or ``"minkowski"`` with ``p=2``.  For others
        take :class:`HNSWTransformer`.
    p : float, default=2
        Order of ``metric="minkowski"``: 2.
    metric_params : dict, default=None
        None or empty.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`.
    n_jobs : int, default=None
        Threads.  The graph does not depend on them.
    random_state : int, RandomState instance or None, default=None
        Draws the cells.
    verbose : int, default=0
        Ignored: there is nothing to build before the graph is asked for.

    Attributes
    ----------
    n_samples_fit_ : int
        Number of fitted rows, and of output features.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    recall_ : float
        The recall that was measured when the graph of the fitted rows was made last; 1
        where all rows were compared.  Its standard error is about 0.006 for
        ``n_neighbors=15``.

    See Also
    --------
    HNSWTransformer : An index as a transformer, which serves queries quickly too.
    FlatTransformer : The exact graph.

    References
    ----------
    .. [1] "PiPNN: ultra-scalable graph-based nearest neighbor indexing", 2026.
       https://arxiv.org/abs/2602.21247

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import KNNGraphTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> KNNGraphTransformer(n_neighbors=15, random_state=0).fit_transform(X).shape
    (1797, 1797)
    """

    _parameter_constraints = {
        **{
            k: v
            for k, v in FlatNeighbors._parameter_constraints.items()
            if k not in CODED
        },
        **NeighborsTransformer._parameter_constraints,
        "recall": [Interval(Real, 0, 1, closed="right")],
        "exact_threshold": [Interval(Integral, 0, None, closed="left")],
        "metric": [
            StrOptions(
                {"minkowski", *SERVED, *(a for a in ALIASES if ALIASES[a] in SERVED)}
            )
        ],
    }
    # What FlatNeighbors has as parameters: there are no codes.
    quantizer, rerank, store_vectors = None, None, True

    def __init__(
        self,
        *,
        mode="distance",
        n_neighbors=5,
        recall=0.95,
        exact_threshold=10_000,
        metric="minkowski",
        p=2,
        metric_params=None,
        radius=1.0,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.recall = recall
        self.exact_threshold = exact_threshold
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.radius = radius
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _fit(self, X):
        if (name := effective_metric(self.metric, self.p)) not in SERVED:
            raise ValueError(
                f"metric={self.metric!r} with p={self.p!r} is {name!r}, which matrix "
                "products do not serve: use p=2, or HNSWTransformer"
            )
        super()._fit(X)

    def _index(self, metric, points, progress):
        from sklearn_jin.construction.knn import neighbor_graph
        from sklearn_jin.search.index import FLAT, Index

        self.recall_, self._width = 1.0, None
        n, k = self.n_samples_fit_, max(1, self._own_neighbors())
        with progress(0):
            if n <= max(k + 1, self.exact_threshold):
                return Index(metric, points, None, FLAT)
            rng = check_random_state(self.random_state)
            n_threads = count_threads(self.n_jobs)
            route, self._width, self.recall_ = neighbor_graph(
                points, k, self.recall, rng, n_threads
            )
        if self.recall_ < self.recall:
            warnings.warn(
                f"recall={self.recall} was not reached, about {self.recall_:.3f} was: "
                "use FlatTransformer for the exact graph",
                stacklevel=2,
            )
        return Index(metric, points, None, route)

    def _search(self, k):
        from sklearn_jin.construction.knn import beam_width
        from sklearn_jin.search.index import Search

        n = self.n_samples_fit_
        ef = n if self._width is None else beam_width(self._width, k - 1, n)
        return Search(k, k, max(ef, k))
