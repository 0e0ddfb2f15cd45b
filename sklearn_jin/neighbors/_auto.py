"""The index that suits the data, chosen by a trial on some rows."""

from numbers import Real
from time import perf_counter

import numpy as np
from sklearn.utils import check_random_state

from sklearn_jin._compat import Interval
from sklearn_jin._threads import count_threads
from sklearn_jin.neighbors._base import Neighbors, NeighborsTransformer
from sklearn_jin.neighbors._calibrated import Calibrated
from sklearn_jin.neighbors._flat import FlatNeighbors
from sklearn_jin.neighbors._hnsw import HNSWNeighbors
from sklearn_jin.neighbors._ivfpca import IVFPCANeighbors
from sklearn_jin.neighbors._recall import Recall
from sklearn_jin.neighbors._shell import shell, transformer

KNOWN = {c.__name__: c for c in (FlatNeighbors, HNSWNeighbors, IVFPCANeighbors)}
EXACT = "FlatNeighbors"
FEW = 4000  # rows, which are compared with all before another index is built
SAMPLE = 10_000  # rows that others are tried on,
ASKED = 256  # and of them asked
BUILD = {"exact_threshold": 0}  # a sample may be smaller than what is left to a scan
SHARED = ("n_neighbors", "radius", "metric", "p", "n_jobs", "random_state")


@shell
class AutoNeighbors(Calibrated, Neighbors):
    """Nearest neighbours by the index that suits the data, to a recall.

    Up to 4,000 rows all are compared with a query.  Of more an :class:`HNSWNeighbors`,
    on codes if these save work, and an :class:`IVFPCANeighbors` are built of 10,000
    rows, and the effort is found that gives the recall there.  The scores of a query
    are counted, and what they take of all rows is extrapolated; no clock decides but
    where ``fit_seconds`` is given, so the same data give the same index.  The best is
    built of all rows and calibrated as by its own ``target_recall``.

    Parameters
    ----------
    n_neighbors : int or None, default=5
        Number of neighbours that :meth:`kneighbors` returns, and by which indexes are
        compared.  With None, every call must give its own.
    radius : float or None, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit; it may be
        ``numpy.inf``.  With None, every call must give its own.
    target_recall : float, default=0.95
        Share of the true neighbours that queries are to find, between 0 and 1, by the
        lower bound of its 95 % interval.  Query time grows with it.  It is read when a
        query is made, but which index is the best is told in ``fit``: see
        :ref:`recall`.
    max_memory : float or None, default=None
        Bytes that the index may take.  What would take more, as the sample tells, is
        not taken.
    fit_seconds : float or None, default=None
        Seconds that the fit may take, about.  What would take longer, as the sample
        tells by the clock, is not taken; then the choice depends on the machine.
    batch : bool, default=True
        Whether queries come many at a time.  With False they are compared by what a
        query takes alone, where a graph gains most.
    metric : str or callable, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"`` (the
        angle over pi), ``"correlation"``, ``"hellinger"``, ``"inner_product"``
        (distance ``-<x, q>``), ``"manhattan"`` (``"l1"``, ``"cityblock"``),
        ``"chebyshev"``, ``"minkowski"`` with ``p``, or one of those for places, for
        correlated features, for counts and for bits, listed in :ref:`metrics`.  Or a
        function of two float64 arrays of one dimension, which Numba compiles in
        ``fit``, in a second or two.
    p : float, default=2
        Order of ``metric="minkowski"``: a number from 1 on, or ``numpy.inf``.
        Other metrics ignore it.
    metric_params : dict or None, default=None
        Parameters of the metric, as ``{"V": ...}`` of ``"seuclidean"``: see
        :ref:`metrics`.  What is not given is learned from the rows, as variances are,
        or has a default.
    n_jobs : int or None, default=None
        Number of threads of building and of searches.  Neither the index nor answers
        depend on it.  None takes all cores, as scikit-learn's own OpenMP code does,
        within the limits of ``OMP_NUM_THREADS``, ``threadpoolctl`` and joblib's
        workers; integers mean what they do in scikit-learn's glossary.
    random_state : int, RandomState instance or None, default=None
        Draws the sample, the rows that are asked, and what the index draws.  An integer
        makes the choice and the index repeatable.
    verbose : int, default=0
        Whether to print the progress of building.  scikit-learn's callbacks (1.9 and
        later) are told of it too.

    Attributes
    ----------
    best_estimator_ : estimator
        The index that was taken, fitted; it shares the arrays of this one.
    alternatives_ : tuple of Alternative
        What was thought of: records of the ``name`` of a class, its ``recall`` on some
        rows and the bound ``low`` of it, the ``work`` of a query in nanoseconds of the
        machine that was measured once, the ``memory`` in bytes, ``fit_seconds`` where
        these were asked for, and the ``reason`` why it was not taken, which is empty
        for the one that was.
    estimated_recall_ : Recall
        ``recall``, ``low`` and ``high``, for ``n_neighbors`` neighbours.
    calibration_ : Calibration or None
        What ``target_recall`` is met by: ``table``, records of ``k``, ``effort``,
        ``rerank``, ``recall``, the bounds ``low`` and ``high`` of its 95 % interval,
        and ``work``, the scores of a query.  None where all rows are compared.
    n_samples_fit_ : int
        Number of fitted rows.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during :term:`fit`, where all are strings.
    effective_metric_ : str
        The metric that ``metric`` and ``p`` stand for.
    effective_metric_params_ : dict
        The parameters of that metric, given or learned; empty where it has none.
    index_ : Index
        The fitted index as one record of arrays, that of ``best_estimator_``.

    See Also
    --------
    AutoTransformer : The same index as a transformer, for pipelines.
    index_factory : An index by a short text.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import AutoNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = AutoNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> index.best_estimator_
    FlatNeighbors(n_neighbors=3, random_state=0)
    >>> index.kneighbors(X[:2])[1][:, 0]
    array([0, 1])
    """

    target_recall: float = 0.95
    max_memory: float | None = None
    fit_seconds: float | None = None
    batch: bool = True

    _parameter_constraints = {
        "target_recall": [Interval(Real, 0, 1, closed="neither")],
        "max_memory": [Interval(Real, 0, None, closed="neither"), None],
        "fit_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "batch": ["boolean"],
    }
    _learned = {"alternatives_": tuple, "_best": str, "_found": dict}

    adaptive, rerank = True, None  # of the indexes that are tried, too

    @property
    def best_estimator_(self):
        """The index that was taken, fitted."""
        best = self._fitted()._delegate()
        if "_calibration" in vars(self):
            best._calibration = self._calibration
            best.target_recall = self.target_recall
        return best

    @property
    def estimated_recall_(self):
        """The recall for ``n_neighbors`` neighbours, and its 95 % interval."""
        twin = self._fitted()
        if twin._is_exact() or not twin.calibration_.table:
            return Recall(1.0, 1.0, 1.0)
        twin._choose(twin._check_k(twin.n_neighbors or 1))
        setting = twin._stated[1]
        return Recall(setting.recall, setting.low, setting.high)

    def _index(self, metric, points, progress):
        self.alternatives_ = self._compare(metric, points)
        self._best = next(a.name for a in self.alternatives_ if not a.reason)
        best = self._made(self._best, len(points.X))
        index = best._index(metric, points, progress)
        self._found = _found_by(best)
        return index

    def _compare(self, metric, points):
        """Records of all that serve the metric, one of them without a reason."""
        from sklearn_jin.construction.alternatives import Alternative, scan_query_ns
        from sklearn_jin.points import count, subset
        from sklearn_jin.search.index import n_bytes

        n = count(points)
        exact_ns = scan_query_ns(points, n, self.batch)
        found = [Alternative(EXACT, 1.0, 1.0, exact_ns, n_bytes(points), None, "")]
        if n > FEW:
            rng = check_random_state(self.random_state)
            some = np.sort(rng.choice(n, min(n, SAMPLE), replace=False))
            sample = subset(points, some.astype(np.int32))
            names = [name for name in KNOWN if name != EXACT]
            if metric.space not in ("l2", "ip"):
                names.remove("IVFPCANeighbors")
            found += [self._tried(name, metric, sample, n) for name in names]
        reasons = [self._reason(one) for one in found]
        taken = [one for one, reason in zip(found, reasons) if not reason]
        if not taken:
            least = min(one.memory for one in found)
            raise ValueError(
                f"max_memory={self.max_memory!r} is less than any index of these rows "
                f"takes, which is {least:.0f} bytes: allow as many, or use an index "
                "with store_vectors='float16' or 'int8'"
            )
        best = min(taken, key=lambda one: one.work)
        if n <= FEW:
            return tuple(found)
        return tuple(
            one._replace(reason=reason or ("" if one is best else "more work"))
            for one, reason in zip(found, reasons)
        )

    def _reason(self, one):
        """Why an alternative can not be taken, or nothing."""
        if self.max_memory is not None and one.memory > self.max_memory:
            return f"more memory than max_memory={self.max_memory}"
        seconds = one.fit_seconds or 0.0
        if self.fit_seconds is not None and seconds > self.fit_seconds:
            return f"a longer fit than fit_seconds={self.fit_seconds}"
        return "" if one.low >= self.target_recall else "too low a recall"

    def _tried(self, name, metric, sample, n):
        """The :class:`Alternative` that an index of the ``sample`` tells of ``n``."""
        from sklearn_jin.construction import alternatives, calibrate
        from sklearn_jin.construction.grow import silent
        from sklearn_jin.points import count
        from sklearn_jin.search.index import usage

        m, start = count(sample), perf_counter()
        times = n / m
        one = self._made(name, m).set_params(**BUILD)
        one.index_ = one._index(metric, sample, silent)
        seconds = times * (perf_counter() - start)
        rng, k = check_random_state(self.random_state), int(self.n_neighbors or 1)
        k = min(k, m // 2)
        source = calibrate.Source(
            one.index_, one._slack, None, count_threads(self.n_jobs)
        )
        rows = calibrate.draw_rows(one.index_, rng, ASKED)
        parts = calibrate.ask_rows(source, rows, k)
        settings = one._climb(parts, [k], self.target_recall)
        best = calibrate.best_of(settings, self.target_recall)
        best = best or calibrate.largest_of(settings)
        room = one._search_with(k, best.effort, best.rerank).room
        case = alternatives.Case(one.index_, best, room, times, self.batch)
        return alternatives.Alternative(
            name,
            best.recall,
            best.low,
            alternatives.query_ns(case),
            times * sum(usage(one.index_).values()),
            None if self.fit_seconds is None else seconds,
            "",
        )

    def _made(self, name, n):
        """An index of the class called ``name``, about to be built of ``n`` rows."""
        params = {param: getattr(self, param) for param in SHARED}
        if name == "HNSWNeighbors":
            params["quantizer"] = "auto"
        one = KNOWN[name](**params)
        for attribute in ("effective_metric_", "effective_metric_params_"):
            setattr(one, attribute, getattr(self, attribute))
        one.n_features_in_ = self.n_features_in_
        one.n_samples_fit_ = one._n_features_out = n
        return one

    def _delegate(self):
        """The index that was taken, as it is now."""
        best = self._made(self._best, self.n_samples_fit_)
        vars(best).update(self._found)
        best.index_ = self.index_
        if "feature_names_in_" in vars(self):
            best.feature_names_in_ = self.feature_names_in_
        return best

    def _is_exact(self):
        return self._best == EXACT

    # A search, and rows that come and go, are those of the index that was taken.

    @property
    def _knob(self):
        return self._delegate()._knob

    @property
    def _slack(self):
        return self._delegate()._slack

    def _refuse_effort(self):
        """None can be given."""

    def _search(self, k):
        return self._delegate()._search(k) if self._is_exact() else super()._search(k)

    def _effort(self, k):
        return self._delegate()._effort(k)

    def _search_at(self, k, effort):
        return self._delegate()._search_at(k, effort)

    def _choose(self, k):
        if not self._is_exact():
            super()._choose(k)

    def _calibrate(self, *queries):
        if not self._is_exact():  # which finds all whatever is asked
            super()._calibrate(*queries)

    def _known_calibration(self):
        if self._is_exact():
            raise ValueError(
                f"{self._best} was taken, which is exact: it has no calibration that "
                "queries could be compared with"
            )
        return super()._known_calibration()

    def _indexed(self, points, anew=False):
        if self._is_exact():
            vars(self).pop("_calibration", None)
        else:
            super()._indexed(points, anew)

    def _rows_changed(self):
        if not self._is_exact():
            super()._rows_changed()

    def _share(self):
        return self._delegate()._share()

    def _shrink(self):
        return self._changed_by("_shrink")

    def _extend(self):
        return self._changed_by("_extend")

    def _changed_by(self, method):
        best = self._delegate()
        done = getattr(best, method)()
        if done:
            self.index_, self._found = best.index_, _found_by(best)
            self._drift = getattr(best, "_drift", 1.0)
        return done

    def _check_company(self):
        if self._best not in KNOWN:
            raise ValueError(f"no index that is tried is named {self._best!r}")
        super()._check_company()


def _found_by(index):
    """What an index learned beside what all of them do."""
    own = {"index_", "_drift", *Neighbors._learned, *index.get_params(deep=False)}
    return {name: part for name, part in vars(index).items() if name not in own}


@transformer
class AutoTransformer(NeighborsTransformer, AutoNeighbors):
    """Turn rows into the sparse graph of their nearest neighbours, to a recall.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  Its parameters are ``mode`` and those of :class:`AutoNeighbors`,
    which finds the neighbours.
    """
