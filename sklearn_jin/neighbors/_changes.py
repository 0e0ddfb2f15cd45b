"""Rows that come and go: what an index has beside ``fit``."""

from functools import partial

import numpy as np

from sklearn_jin._compat import _fit_context
from sklearn_jin._memory import frozen
from sklearn_jin.metrics import METRICS
from sklearn_jin.neighbors._groups import put_groups
from sklearn_jin.neighbors._inputs import checked, kept_types
from sklearn_jin.neighbors._known import forget
from sklearn_jin.neighbors._progress import watch

# Parameters that no index is built by: they are read when a query is made.
OF_QUERIES = {
    *("n_neighbors", "radius", "n_jobs", "random_state", "verbose", "mode"),
    *("ef_search", "n_probes", "adaptive", "rerank", "target_recall"),
}


class Changing:
    """What adds, removes and replaces rows of a fitted index."""

    @property
    def n_rows_(self):
        """Number of rows that can be found: those given, less those removed."""
        from sklearn_jin.search.index import count_live

        return count_live(self.index_)

    @property
    def ids_(self):
        """Ids of the rows that can be found, int64, ascending."""
        from sklearn_jin.search.index import live_ids

        return live_ids(self.index_)

    @property
    def drift_(self):
        """How unlike the rows that codes were learned from later rows are.

        How many times the squared error of codes of the former that of the rows is that
        were built in last: 1 where all is learned from all, as after ``fit``.  Where it
        would be above 2 the index is built anew, and its codes are learned again.
        """
        self._fitted()
        return getattr(self, "_drift", 1.0)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, groups=None):
        """Add rows to the index.  The first call fits it.

        The rows get the ids from ``n_samples_fit_`` on, in their order, and the next
        query finds them.  A few are compared with every query, beside the index; when
        they are more than a share of its rows they are built in, in this call: inserted
        into a graph, or else with all others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to be added.
        y : Ignored
            Present for API consistency by convention.
        groups : array-like of shape (n_samples,), default=None
            Labels of their groups, if the rows before have some.

        Returns
        -------
        self : object
            The index, with the rows.

        Raises
        ------
        ValueError
            If ``X`` is invalid or of another width; if a parameter that the index is
            built by was changed since ``fit``; or if the index is mapped from a file.
            The index is then left as it was.
        """
        if "index_" not in vars(self):
            return self.fit(X, y, groups=groups)
        twin = self._changeable()
        X = twin._later_rows(X)
        first = twin.n_samples_fit_
        ids = np.arange(first, first + len(X))
        put_groups(twin, groups, ids, first + len(X))
        twin._count_ids(first + len(X))
        twin._add(ids, X)
        self.__dict__ = vars(twin)
        return self

    def remove(self, ids):
        """Remove rows: no query finds them any more.

        They are marked, and passed over.  When they are more than a share of the rows
        they are taken out in this call: out of a graph, whose edges are healed, or else
        the index is built of the others.  The ids of others stay as they are, and those
        of removed rows are not given again.

        Parameters
        ----------
        ids : int or array-like of int of shape (n_ids,)
            Ids of the rows, as :meth:`kneighbors` returns them.

        Returns
        -------
        self : object
            The index, without the rows.

        Raises
        ------
        TypeError
            If ``ids`` are not integers.
        ValueError
            If an id was never given, is given twice, or its row was removed before; if
            a parameter that the index is built by was changed since ``fit``; or if the
            index is mapped from a file.  The index is then left as it was.
        """
        twin = self._changeable()
        twin._drop(twin._live_ids(ids))
        twin._settle()
        self.__dict__ = vars(twin)
        return self

    def replace(self, ids, X, *, groups=None):
        """Give rows other values, under the same ids.

        Parameters
        ----------
        ids : int or array-like of int of shape (n_ids,)
            Ids of the rows, none of which was removed.
        X : array-like of shape (n_ids, n_features)
            Their new values.
        groups : array-like of shape (n_ids,), default=None
            Labels of their new groups; None leaves them in those that they are in.

        Returns
        -------
        self : object
            The index, with the new values.

        Raises
        ------
        TypeError
            If ``ids`` are not integers.
        ValueError
            As :meth:`remove` and :meth:`partial_fit` do, or if there are not as many
            rows as ids.  The index is then left as it was.
        """
        twin = self._changeable()
        ids, X = twin._live_ids(ids), twin._later_rows(X)
        if len(ids) != len(X):
            raise ValueError(
                f"X has {len(X)} rows and ids name {len(ids)}: give one row for each id"
            )
        put_groups(twin, groups, ids, twin.n_samples_fit_)
        twin._drop(ids)
        twin._add(ids, X)
        self.__dict__ = vars(twin)
        return self

    def compact(self, renumber=False):
        """Build the index of the rows that are left, as ``fit`` would.

        It frees the memory of removed rows, and rows that came later are scanned no
        more.

        Parameters
        ----------
        renumber : bool, default=False
            Whether rows get new ids, from 0 on, in the order of the old ones: the only
            way that ids change.

        Returns
        -------
        new_ids : ndarray of shape (n_samples_fit_,), int64
            The id of every row that was ever given, by its old id; -1 of those that
            were removed.

        Raises
        ------
        ValueError
            If all rows were removed; if a parameter that the index is built by was
            changed since ``fit``; or if the index is mapped from a file.
        """
        from sklearn_jin.construction.alter import rows_left

        twin = self._changeable()
        if twin.n_rows_ == 0:
            raise ValueError(
                "all rows were removed, and there is no index of none: add rows with "
                "partial_fit, or fit again"
            )
        points, ids = rows_left(twin.index_)
        new_ids = np.full(twin.n_samples_fit_, -1, np.int64)
        new_ids[ids] = np.arange(len(ids)) if renumber else ids
        if renumber:
            if getattr(twin, "groups_", None) is not None:
                twin.groups_ = frozen(twin.groups_[ids])
            twin._count_ids(len(ids))
            ids = np.arange(len(ids))
        if renumber or twin.index_.changes is not None:
            twin._build(twin.index_.metric, points, ids)
        self.__dict__ = vars(twin)
        return new_ids

    # The rest.

    def _changeable(self):
        """A twin to be changed."""
        twin = self._fitted()
        forget(self)
        if "_mapped" in vars(twin):
            raise ValueError(
                f"this {type(self).__name__} is mapped from a file, which is never "
                "changed: load it with mmap_mode=None, change it, and save it again"
            )
        told = told_params(twin)
        for name, value in getattr(twin, "_built_by", told).items():
            if told.get(name) != value:
                raise ValueError(
                    f"{name} was changed since fit, from {value} to {told.get(name)}, "
                    "and the index was built by it: set it back, or fit again"
                )
        return twin

    def _later_rows(self, X):
        """Rows ``X`` to be added, validated, of the type of those that are kept."""
        X = checked(self, X, kept=kept_types(self))
        dtype = self._kept_dtype()
        if dtype is None or X.dtype == dtype:
            return X
        rows = X.astype(dtype)
        if not np.array_equal(rows, X):
            raise ValueError(
                f"X is not kept by store_vectors='input', which keeps rows as {dtype}: "
                "round it to that type, or fit with store_vectors=True"
            )
        return rows

    def _kept_dtype(self):
        """The type of rows that are kept as they came; None where they are prepared."""
        if self.index_.metric.taken:
            return None
        stored = self.index_.points[0].dtype
        if getattr(self, "store_vectors", True) != "input" or stored == np.float32:
            return None
        return np.dtype(np.float16) if stored == np.uint16 else stored

    def _live_ids(self, ids):
        """``ids`` as an array (n_ids,) of ids that are there."""
        from sklearn_jin.search.index import live_mask

        ids = np.atleast_1d(np.asarray(ids))
        if ids.size == 0:
            return np.empty(0, np.int64)
        if ids.dtype.kind not in "iu" or ids.ndim != 1:
            raise TypeError(
                f"ids must be integers of one dimension, as kneighbors returns them, "
                f"not {ids.dtype} of shape {ids.shape}"
            )
        n = self.n_samples_fit_
        if ids.min() < 0 or ids.max() >= n:
            wrong = ids[(ids < 0) | (ids >= n)][0]
            raise ValueError(f"ids hold {wrong}: ids are from 0 to {n - 1}")
        known, counts = np.unique(ids, return_counts=True)
        if len(known) < len(ids):
            raise ValueError(f"ids name {known[counts > 1][0]} twice: name each once")
        gone = known[~live_mask(self.index_, n)[known]]
        if len(gone):
            raise ValueError(f"ids name {gone[0]}, which was removed before")
        return ids.astype(np.int64)

    def _count_ids(self, n):
        """Take ``n`` for the number of ids that were given."""
        self.n_samples_fit_ = self._n_features_out = n

    def _drop(self, ids):
        from sklearn_jin.construction.alter import without

        if len(ids):
            self._rows_change()
            self.index_ = without(self.index_, ids, self.n_samples_fit_)

    def _add(self, ids, X):
        """Take the rows ``X`` in, under these ``ids``."""
        from sklearn_jin.construction.alter import with_later
        from sklearn_jin.points.kinds import points_by

        self._rows_change()
        metric, form = self.index_.metric, self._form()
        if not metric.takes(X, form):
            return self._rescale(ids, X, form)
        self.index_ = with_later(self.index_, points_by(metric, X, form), ids)
        self._settle()

    def _form(self):
        """How rows are prepared: see :meth:`sklearn_jin.metrics.Euclidean.fit`."""
        if self._kept_dtype() is not None:
            return "input"
        store = getattr(self, "store_vectors", True)
        return "float16" if store == "float16" else "float32"

    def _rescale(self, ids, X, form):
        """Fit the metric and the index anew, for rows that the metric does not take."""
        from sklearn_jin.construction.alter import queries_left
        from sklearn_jin.points.kinds import points_of

        before = self.index_.metric.restore(queries_left(self.index_))
        every = np.concatenate([self.ids_, ids])
        order = np.argsort(every)
        rows = np.concatenate([before, X])[order]
        metric = METRICS[self.effective_metric_](**self.effective_metric_params_)
        self._build(metric, points_of(metric, rows, form), every[order])

    def _settle(self):
        """Build in what came later, and leave out what went, where it is much."""
        from sklearn_jin.construction.alter import (
            has_many_gone,
            has_many_later,
            rows_left,
        )

        index = self.index_
        if index.changes is None or self.n_rows_ == 0:
            return
        done = True
        if has_many_gone(index, self._share()):
            done = self._shrink()
        if done and has_many_later(self.index_, self._share()):
            done = self._extend()
        if not done:
            points, ids = rows_left(self.index_)
            self._build(index.metric, points, ids)
        else:
            self._rows_changed()

    def _indexed(self, points, anew=False):
        """Note that the index was built of the rows ``points``, perhaps ``anew``."""

    def _rows_change(self):
        """Note that rows are about to come or go."""

    def _rows_changed(self):
        """Note that they did, and that the index was not built anew for it."""

    def _share(self):
        """How many of its rows are for one that is scanned beside, or passed over."""
        return 32

    def _shrink(self):
        """Take out of the index what went, if that takes less than to build it.

        Returns whether it did.
        """
        return False

    def _extend(self):
        """Build the later rows into the index, if that takes less than to build it.

        Returns whether it did.
        """
        return False

    def _build(self, metric, points, ids):
        """Build the index of the rows ``points``, which have these ``ids``."""
        from sklearn_jin.construction.alter import identified

        n_ids = self.n_samples_fit_
        self._count_ids(len(ids))  # an index is planned by the number of its rows
        index = self._index(metric, points, partial(watch, self, in_fit=False))
        self._count_ids(n_ids)
        self.index_, self._drift = identified(index, ids, n_ids), 1.0
        self._indexed(points, anew=True)


def told_params(index):
    """The parameters that an index is built by, as texts."""
    params = index.get_params(deep=False)
    return {name: _told(p) for name, p in params.items() if name not in OF_QUERIES}


def _told(value):
    if hasattr(value, "__qualname__"):  # of a function the rest is its place
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params"):
        return f"{type(value).__name__}({value.get_params(deep=False)})"
    return repr(value)
