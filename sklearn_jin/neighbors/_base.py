"""The scikit-learn face that every index shares.

An index adds its parameters, ``_index`` and ``_search``; all that a user may rely
on is here.  Kernels, and with them Numba, are imported on first use.
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from sklearn_jin._compat import (
    CallbackSupportMixin,
    Integers,
    Interval,
    KNeighborsMixin,
    RadiusNeighborsMixin,
    StrOptions,
    _fit_context,
)
from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import ALIASES, METRICS, TYPES, effective_metric, metric_of
from sklearn_jin.neighbors._changes import Changing, told_params
from sklearn_jin.neighbors._filters import Limits, finished, nearest
from sklearn_jin.neighbors._groups import keep_groups
from sklearn_jin.neighbors._inputs import checked, form_of, kept_types
from sklearn_jin.neighbors._keeping import KeptIndex
from sklearn_jin.neighbors._known import FEW, forget, known_of
from sklearn_jin.neighbors._metrics import refuse_unserved
from sklearn_jin.neighbors._progress import told_of_compiling, watch
from sklearn_jin.neighbors._queries import Queries
from sklearn_jin.neighbors._recall import Scored
from sklearn_jin.neighbors._shell import shell


@shell
class Neighbors(
    Changing,
    CallbackSupportMixin,
    Queries,
    Scored,
    KNeighborsMixin,
    RadiusNeighborsMixin,
    KeptIndex,
    BaseEstimator,
):
    """What all indexes do alike."""

    n_neighbors: int | None = 5
    radius: float | None = 1.0
    metric: str | Callable = "minkowski"
    p: float = 2
    metric_params: dict | None = None
    n_jobs: int | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 0

    # The groups of a cross-validation are for its splits: where metadata is routed an
    # index gets them only if it asks for them, set_fit_request(groups=True).
    __metadata_request__fit = {"groups": False}
    __metadata_request__partial_fit = {"groups": False}

    _parameter_constraints = {
        "n_neighbors": [Integers(1), None],
        "radius": [Interval(Real, 0, None, closed="both"), None],
        "metric": [StrOptions({"minkowski", *METRICS, *ALIASES}), callable],
        "p": [Interval(Real, 0, None, closed="right"), None],
        "metric_params": [dict, None],
        "n_jobs": [Integers(), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    _learned = {
        "effective_metric_": str,
        "effective_metric_params_": dict,
        "n_samples_fit_": int,
        "_n_features_out": int,
        "index_": tuple,
    }
    _spaces = None  # of metrics that it serves; None for all

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, groups=None):
        """Build the index of the rows of ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to be found.  They are kept as float32, or as ``store_vectors`` says.
        y : Ignored
            Present for API consistency by convention.
        groups : array-like of shape (n_samples,), default=None
            Label of the group of each row, of any kind but NaN, for ``exclude_groups``
            and ``max_per_group`` of :meth:`kneighbors`.  They take eight bytes a row,
            ``groups_``, and are not searched by.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, ``X`` or ``groups`` is invalid.  The estimator is then left
            as it was.
        """
        forget(self)
        twin = self._twin()
        vars(twin).pop("_mapped", None)
        X = checked(twin, X, reset=True, kept=kept_types(twin))
        keep_groups(twin, groups, len(X))
        with told_of_compiling(twin):
            twin._fit(X)
        twin._built_by, twin._drift = told_params(twin), 1.0
        # One assignment: another thread sees the old index or the new one, and a fit
        # that fails or is interrupted leaves the estimator as it was.
        self.__dict__ = vars(twin)
        return self

    def _fit(self, X):
        from sklearn_jin.points.kinds import points_of

        name, metric = metric_of(self.metric, self.p, self.metric_params)
        refuse_unserved(self, metric)
        form = form_of(self, X, metric)
        if form == "input" and not metric.keeps_types:
            raise ValueError(
                f"store_vectors='input' does not keep {X.dtype} rows for "
                f"metric={self.metric!r}, which computes others from them: give X as "
                "float32, or use store_vectors='float16' or 'float32'"
            )
        if form == "float16" and not metric.rounds:
            raise ValueError(
                f"store_vectors='float16' rounds rows, which would make other ones for "
                f"metric={self.metric!r}: use store_vectors=True"
            )
        self.n_samples_fit_ = self._n_features_out = len(X)
        points = points_of(metric, X, form)
        self.effective_metric_ = name
        self.effective_metric_params_ = metric.params_
        self.index_ = self._index(metric, points, partial(watch, self))
        self._indexed(points)

    def kneighbors(
        self, X=None, n_neighbors=None, return_distance=True, *, where=None,
        exclude_groups=None, max_per_group=None, ragged=False,
    ):  # fmt: skip
        """Find the nearest of the fitted rows, or of some of them.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            The queries.  If None, the rows of ``ids_`` themselves, each without itself.
        n_neighbors : int, default=None
            Neighbours of each query; None takes the parameter ``n_neighbors``.
        return_distance : bool, default=True
            Whether to return the distances too.
        where : array-like, sparse matrix, callable or None, default=None
            Which of the fitted rows may be found: a mask, bool of shape (n_samples,);
            or their ids, integers in any order; or a function that is called once with
            all ids, int64, and returns the mask.  A matrix of bool, or CSR, of shape
            (n_queries, n_samples) has one filter for each query; equal ones are
            answered together.  The fewer are allowed, the farther an index has to
            look, until it takes less time to scan these: see :ref:`filters`.  None
            allows all.
        exclude_groups : array-like of shape (n_queries,), True or None, default=None
            Label of each query, whose neighbours are to be of other ``groups`` than
            it; a label that no fitted row has excludes nothing.  With ``X=None``, True
            stands for the groups of the rows.
        max_per_group : int, default=None
            Neighbours of a query that are of one group, at most: the nearest.  More
            neighbours are looked for until enough groups are met.
        ragged : bool, default=False
            Whether a query that may find fewer than ``n_neighbors`` rows has as many
            as there are, rather than raise ValueError.

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries, n_neighbors), float64
            Distances in the metric's own unit, ascending.  Only if
            ``return_distance`` is True.  With ``ragged=True``, of shape (n_queries,)
            and of arrays, as of :meth:`radius_neighbors`.
        neigh_ind : ndarray of shape (n_queries, n_neighbors), int64
            Numbers of the fitted rows; all of a row are distinct.  With
            ``ragged=True`` as ``neigh_dist``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError
            If ``n_neighbors`` is not an integer or ``X`` is sparse.
        ValueError
            If ``n_neighbors`` is not within 1 and the number of fitted rows (less one
            for ``X=None``), or of those that a query may find; or ``X`` has another
            width, NaN or infinite numbers; or a filter or a label is invalid.
        """
        twin, own = self._fitted(), X is None
        k = twin._check_k(n_neighbors)
        twin._choose(k)
        queries, finish = twin._prepare(X)
        if ragged or not (where is exclude_groups is max_per_group is None):
            limits = Limits(where, exclude_groups, max_per_group, ragged)
            scores, ids = nearest(twin, queries, k, own, limits)
            found = finished(finish, scores, ids, ragged)
            return found if return_distance else found[1]
        if k > twin.n_rows_ - own:
            name = "n_samples_fit" if twin.index_.changes is None else "n_rows_"
            raise ValueError(
                f"Expected n_neighbors {'<' if own else '<='} {name}, but "
                f"n_neighbors = {k}, {name} = {twin.n_rows_}, "
                f"n_samples = {len(queries)}"
            )
        if len(queries) <= FEW and not own and twin.index_.changes is None:
            twin._known = known_of(self, twin.index_)
        scores, ids = twin._answer(queries, k, own)
        return (finish(scores), ids) if return_distance else ids

    def memory_usage(self):
        """Bytes that the fitted index takes.

        Returns
        -------
        usage : dict of str to int
            ``"points"``, the rows that are kept, ``"codes"``, what is searched
            instead of them, and ``"index"``, all the rest.
        """
        from sklearn_jin.search.index import usage

        check_is_fitted(self)
        return usage(self.index_)

    # What an index adds.

    def _index(self, metric, points, progress):
        """The fitted :class:`sklearn_jin.search.index.Index` of the rows ``points``.

        ``progress(n_steps)`` is a context that gives a function to be called after
        each of ``n_steps``, which may be 0; it is entered once.
        """
        raise NotImplementedError

    def _search(self, k):
        """The :class:`sklearn_jin.search.index.Search` for ``k`` neighbours.

        It reads the search parameters, so that ``set_params`` needs no new fit.
        """
        raise NotImplementedError

    # The rest.

    def _twin(self):
        """Another estimator with the same attributes.

        A query reads all that it needs from one, so that a fit in another thread
        cannot change the index under it.
        """
        twin = object.__new__(type(self))
        twin.__dict__ = vars(self).copy()
        return twin

    def _fitted(self):
        """A twin, or NotFittedError before ``fit``."""
        twin = self._twin()
        if "index_" not in vars(twin):  # to ask scikit-learn takes 4 us
            check_is_fitted(twin)
        return twin

    @property
    def _fit_X(self):
        """The fitted rows, as the metric sees them; scikit-learn asks for them."""
        from sklearn_jin.construction.alter import queries_left

        return self.index_.metric.restore(queries_left(self.index_))

    def _check_k(self, n_neighbors):
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if not isinstance(k, (int, Integral)):  # an int is quickly told
            raise TypeError(
                f"n_neighbors does not take {type(k)} value, enter integer value"
            )
        if k <= 0:
            raise ValueError(f"Expected n_neighbors > 0. Got {k}")
        return int(k)

    def _prepare(self, X):
        """Prepared queries and the function that finishes scores."""
        metric = self.index_.metric
        if X is None:
            from sklearn_jin.construction.alter import queries_left

            return metric.prepare_own(queries_left(self.index_))
        return metric.prepare_queries(checked(self, X, kept=metric.taken))

    def _answer(self, queries, k, own=False, allowed=None):
        """Exact scores (n_queries, k), ascending, and ids of ``k`` distinct points.

        ``own`` queries are all the points themselves, in their order.  ``allowed`` is
        a mask of the points, of which there are ``k`` at least, or None for all.
        """
        from sklearn_jin.search.answer import answer

        n_threads = 1  # to count them takes as long as other steps of one query
        if self.n_jobs is not None or len(queries) > 1:
            n_threads = count_threads(self.n_jobs)
        known = vars(self).get("_known")
        search = self._search(k + own) if known is None else known.search(self, k)
        if own or n_threads > 1:  # for each replacement takes a microsecond
            search = search._replace(k=k, own=own, n_threads=n_threads)
        if allowed is not None:
            search = search._replace(allowed=allowed)
        return answer(self.index_, queries, search)


@shell
class NeighborsTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """What turns an index into a transformer: rows in, sparse graph out."""

    mode: str = "distance"

    _parameter_constraints = {
        "mode": [StrOptions({"distance", "connectivity"})],
        "n_neighbors": [Integers(1)],
    }

    def _fit(self, X):
        name = effective_metric(self.metric, self.p, self.metric_params)
        if TYPES[name].negative:
            raise ValueError(
                f"metric={self.metric!r} has negative distances, which a precomputed "
                "graph must not hold: use metric='cosine', or the index itself"
            )
        super()._fit(X)

    def transform(self, X):
        """Graph of the neighbours of the rows of ``X`` among the fitted rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            The queries.

        Returns
        -------
        graph : sparse matrix of shape (n_queries, n_samples_fit), float64
            CSR, each row in the order of distance: ``n_neighbors + 1`` distances
            for ``mode="distance"``, ``n_neighbors`` ones for ``"connectivity"``.
        """
        twin = self._fitted()
        k = int(twin.n_neighbors) + (twin.mode == "distance")
        return twin._graph(*twin.kneighbors(X, k))

    def fit_transform(self, X, y=None, *, groups=None):
        """Fit, and return the graph of the fitted rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to be found.
        y : Ignored
            Present for API consistency by convention.
        groups : array-like of shape (n_samples,), default=None
            Label of the group of each row, as in :meth:`fit`.

        Returns
        -------
        graph : sparse matrix of shape (n_samples, n_samples), float64
            As :meth:`transform` has it.  Every row begins with itself, at distance 0.
        """
        twin = self.fit(X, y, groups=groups)._twin()
        n, k = twin.n_samples_fit_, twin._own_neighbors()
        itself = np.arange(n)[:, None]
        if k == 0:
            return twin._graph(np.zeros((n, 1)), itself)
        distances, ids = twin.kneighbors(None, k)
        return twin._graph(
            np.hstack([np.zeros((n, 1)), distances]), np.hstack([itself, ids])
        )

    def _own_neighbors(self):
        """Neighbours of a fitted row in the graph, besides itself."""
        return int(self.n_neighbors) - (self.mode == "connectivity")

    def _graph(self, distances, ids):
        """CSR whose rows keep their order, of the type that scikit-learn is set to."""
        n, k = ids.shape
        data = distances.ravel() if self.mode == "distance" else np.ones(n * k)
        wanted = get_config().get("sparse_interface", "spmatrix")
        kind = sparse.csr_array if wanted == "sparray" else sparse.csr_matrix
        return kind(
            (data, ids.ravel(), np.arange(0, n * k + 1, k)),
            shape=(n, self.n_samples_fit_),
        )
