"""The graph of the nearest neighbours of the fitted rows, and nothing else."""

import warnings
from numbers import Real

import numpy as np
from sklearn.utils import check_random_state

from sklearn_jin._compat import Integers, Interval, StrOptions
from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import ALIASES, METRICS, effective_metric
from sklearn_jin.neighbors._base import Neighbors, NeighborsTransformer
from sklearn_jin.neighbors._shell import shell

SERVED = {name for name, metric in METRICS.items() if metric.space == "l2"}


@shell
class KNNGraphTransformer(NeighborsTransformer, Neighbors):
    """Turn rows into the sparse graph of their nearest neighbours, found to a recall.

    For those who want the graph of their data: spectral methods, manifold learning,
    clustering.  The rows are divided into lists [1]_ as :class:`IVFPCANeighbors` does,
    and ``fit`` finds out in how many of them neighbours are to be looked for.  All rows
    of a list are looked up at once, by products of bytes.  Other rows, in
    :meth:`transform` and :meth:`kneighbors`, are looked up in as many lists; their
    recall is about the same where they are drawn as the fitted rows are.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        What the graph holds.
    n_neighbors : int, default=5
        Number of neighbours of every row, without the row itself for
        ``mode="distance"``.  The graph is drawn and measured in ``fit`` for this
        number.
    target_recall : float, default=0.95
        Share of the true neighbours that the graph of the fitted rows is to hold.
        ``fit`` measures it on 512 rows, whose neighbours are found exactly, and takes
        the fewest lists by which the lower bound of its 95 % interval reaches it: from
        0.95 to 0.99 about 1.3 times the time.  Some rows can not tell that all are
        right, so for 1 all are compared with all.
    exact_threshold : int, default=10000
        Up to this number of rows all are compared with all, which is exact.
    metric : str, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"`` (the
        angle over pi), ``"correlation"``, ``"hellinger"``, or ``"minkowski"`` with
        ``p=2``.  For others take :class:`IVFPCATransformer` or
        :class:`HNSWTransformer`.
    p : float, default=2
        Order of ``metric="minkowski"``: 2.  Other metrics ignore it.
    metric_params : dict or None, default=None
        Parameters of the metric, as ``{"V": ...}`` of ``"seuclidean"``: see
        :ref:`metrics`.  What is not given is learned from the rows, as variances are,
        or has a default.
    radius : float or None, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit; it may be
        ``numpy.inf``.  With None, every call must give its own.
    n_jobs : int or None, default=None
        Number of threads of building and of searches.  The graph does not depend on it.
        None takes all cores, as scikit-learn's own OpenMP code does, within the limits
        of ``OMP_NUM_THREADS``, ``threadpoolctl`` and joblib's workers; integers mean
        what they do in scikit-learn's glossary.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from, the first centres, how components are turned, and
        the rows that recall is measured on.  An integer makes the graph repeatable.
    verbose : int, default=0
        Whether to print the progress of building.  scikit-learn's callbacks (1.9 and
        later) are told of it too.

    Attributes
    ----------
    n_samples_fit_ : int
        Number of ids that were given, and of output features.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during :term:`fit`, where all are strings.
    effective_metric_ : str
        The metric that ``metric`` and ``p`` stand for.
    effective_metric_params_ : dict
        The parameters of that metric, given or learned; empty where it has none.
    recall_ : float
        Recall measured in ``fit`` on 512 rows; 1 where all rows were compared.  Its
        standard error is about 0.003 for ``n_neighbors=15``.
    n_probes_ : int
        Number of lists that a row is looked up in, and 0 where all rows are compared.
        More neighbours than were measured are looked for in more lists.
    index_ : Index
        The fitted index as one record of arrays: ``metric``; ``points``, the rows as
        they are kept for exact scores; ``codes``, which is None; ``route``, which is
        the lists, or tells that all rows are compared; and ``learned``, which is empty.

    See Also
    --------
    IVFPCATransformer : The same lists, where their number is yours to choose.
    FlatTransformer : The exact graph.

    References
    ----------
    .. [1] Jegou, Douze and Schmid, "Product quantization for nearest neighbor
       search", IEEE TPAMI 2011, section 4, for the lists.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import KNNGraphTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> KNNGraphTransformer(n_neighbors=15, random_state=0).fit_transform(X).shape
    (1797, 1797)
    """

    target_recall: float = 0.95
    exact_threshold: int = 10_000

    _spaces = ("l2",)

    _parameter_constraints = {
        "target_recall": [Interval(Real, 0, 1, closed="right")],
        "exact_threshold": [Integers(0)],
        "metric": [
            StrOptions(
                {"minkowski", *SERVED, *(a for a in ALIASES if ALIASES[a] in SERVED)}
            )
        ],
    }
    _learned = {"recall_": float, "n_probes_": int, "_measured": tuple | None}

    def _fit(self, X):
        name = effective_metric(self.metric, self.p, self.metric_params)
        if name not in SERVED:
            raise ValueError(
                f"metric={self.metric!r} with p={self.p!r} is {name!r}, which matrix "
                "products do not serve: use p=2, or HNSWTransformer"
            )
        super()._fit(X)

    def _index(self, metric, points, progress):
        from sklearn_jin.construction.knn import neighbor_graph
        from sklearn_jin.search.index import FLAT, Index

        self.recall_, self.n_probes_, self._measured = 1.0, 0, None
        n, k = self.n_samples_fit_, max(1, self._own_neighbors())
        with progress(0):
            if n <= max(k + 1, self.exact_threshold) or self.target_recall == 1:
                return Index(metric, points, None, FLAT)
            rng = check_random_state(self.random_state)
            n_threads = count_threads(self.n_jobs)
            route, self._measured, self.recall_ = neighbor_graph(
                points, metric.width_, k, self.target_recall, rng, n_threads
            )
            self.n_probes_ = self._measured.effort
        if self.recall_ < self.target_recall:
            warnings.warn(
                f"target_recall={self.target_recall} was not reached, about "
                f"{self.recall_:.3f} was: use FlatTransformer for the exact graph",
                stacklevel=2,
            )
        return Index(metric, points, None, route)

    def _search(self, k):
        from sklearn_jin.search.index import Search

        if (measured := self._measured) is None:
            return Search(k, k)
        times = max(1.0, k / (measured.k + 1))  # more neighbours lie farther away
        room = int(np.ceil(times * measured.room))
        n_probes = int(np.ceil(np.sqrt(times) * measured.effort))
        return measured._replace(k=k, room=room, effort=n_probes)
