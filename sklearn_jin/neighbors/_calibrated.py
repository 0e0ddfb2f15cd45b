"""Indexes of which a recall can be stated instead of an effort."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_jin._arrays import fits, wrong_arrays
from sklearn_jin._compat import Interval
from sklearn_jin._memory import Remembered, frozen
from sklearn_jin._numbers import times_power
from sklearn_jin._threads import count_threads
from sklearn_jin.neighbors._inputs import checked
from sklearn_jin.neighbors._recall import asked_of, source_of
from sklearn_jin.neighbors._shell import shell

CHANGED = 0.25  # of the rows came or went: then an index is calibrated anew

_chosen = Remembered()  # settings that were looked up or measured since ``fit``


@shell
class Calibrated:
    """A stated recall: ``fit`` finds out which effort gives it.

    An index adds ``_knob``, ``_effort`` and ``_search_at``.
    """

    target_recall: float | None = None

    _parameter_constraints = {
        "target_recall": [Interval(Real, 0, 1, closed="neither"), None]
    }
    _knob = None  # the parameter that tells the effort

    @property
    def calibration_(self):
        """What ``fit`` or :meth:`calibrate` measured; None where they did not."""
        check_is_fitted(self)
        return vars(self).get("_calibration")

    def calibrate(self, X_queries=None, k=None):
        """Measure anew which effort gives which recall.

        Parameters
        ----------
        X_queries : array-like of shape (n_queries, n_features), default=None
            Queries such as the index is asked in use, some hundred of them: the fewer,
            the wider the intervals, and the more effort is taken.  None takes some of
            the rows, which is right where queries are drawn as the rows are.
        k : int or array-like of int, default=None
            Numbers of neighbours that are calibrated besides 1, 10, 100 and
            ``n_neighbors``.

        Returns
        -------
        self : object
            The index, calibrated.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If the index keeps no rows to compare with; if a ``k`` is not within 1 and
            the number of rows (less one for rows as queries); or if ``X_queries`` or
            ``target_recall`` is invalid.
        """
        twin = self._fitted()
        twin._refuse_effort()
        ks = [] if k is None else [_checked_k(one) for one in np.ravel(k)]
        twin._calibrate(X_queries, ks)
        self.__dict__ = vars(twin)
        return self

    def query_drift(self, X, n_neighbors=None):
        """How far queries are from the rows, by what the index was calibrated on.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            Queries of late, some hundred of them.
        n_neighbors : int, default=None
            Neighbour whose distance is compared, 100 at most; None takes the parameter
            ``n_neighbors``.

        Returns
        -------
        drift : float
            How many times as far their neighbours are: the ratio of the median
            distances of the queries and of those calibrated on.  About 1 where they are
            alike.  From 1.5 on, or below 0.5, they are others: the recall may be lower
            than was stated, so ``calibrate(X)``.  For inner products of queries of
            length 1 it is the inverse ratio, which is above 1 for smaller products too.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If the index is not calibrated, or ``X`` or ``n_neighbors`` is invalid.
        """
        from sklearn_jin.metrics import METRICS

        twin = self._fitted()
        medians, k = twin._known_calibration().medians, twin._check_k(n_neighbors)
        if k > len(medians):
            raise ValueError(
                f"n_neighbors={k} must be at most {len(medians)}, as many neighbours "
                "as are kept of what was calibrated on"
            )
        X = checked(twin, X)
        distances, _ = twin.kneighbors(X, k)
        is_ip = METRICS[twin.effective_metric_].negative
        far, before = float(np.median(_relative(distances, X, is_ip)[:, -1])), medians
        ratio = (before[k - 1], far) if is_ip else (far, before[k - 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.divide(*ratio)) if ratio[0] != ratio[1] else 1.0

    # What an index adds.

    def _effort(self, k):
        """The effort of a search of ``k`` neighbours, by the parameters."""
        raise NotImplementedError

    def _search_at(self, k, effort):
        """The Search for ``k`` neighbours at an ``effort``."""
        raise NotImplementedError

    # The rest.

    def _search(self, k):
        if self.target_recall is None:
            return self._search_at(k, self._effort(k))
        known, setting = vars(self).get("_stated", (0, None))
        if known not in (k, k - 1):  # a row is asked for one neighbour more, itself
            setting = self._between(k)
        if setting is None:
            return self._search_at(k, self._effort(k))
        return self._search_with(k, setting.effort, setting.rerank)

    def _search_with(self, k, effort, rerank):
        search = self._search_at(k, effort)
        if rerank == 1:
            return search
        room = min(self.n_samples_fit_, int(np.ceil(rerank * search.room)))
        return search._replace(room=room)

    def _choose(self, k):
        if self.target_recall is not None:
            self._stated = k, self._looked_up(k, self._measured)

    def _between(self, k):
        """The setting of neighbours that nobody named."""
        from sklearn_jin.construction.calibrate import setting_for

        def find(calibration, k):
            return setting_for(calibration.table, k, self.target_recall)

        return self._looked_up(k, find)

    def _looked_up(self, k, find):
        """``find(calibration, k)``, remembered; None where no recall was measured."""
        calibration = self._known_calibration()
        if not calibration.table:
            return None
        self._refuse_target()
        key = k, find.__name__, self.target_recall, self.adaptive, self.rerank
        owner = calibration.questions.rows
        return _chosen.get([owner], key, lambda: find(self._checked(calibration), k))

    def _known_calibration(self):
        calibration = vars(self).get("_calibration")
        if calibration is None and self.target_recall is None:
            raise ValueError(
                "the index is not calibrated, as target_recall=None tells: call "
                "calibrate()"
            )
        if calibration is None:
            raise ValueError(
                f"target_recall={self.target_recall!r} was set after a fit that did "
                "not calibrate the index: call calibrate(), or fit again"
            )
        return calibration

    def _checked(self, calibration):
        """The ``calibration``, if it is of the parameters as they are."""
        self._refuse_effort()
        for name in ("adaptive", "rerank"):
            now, then = getattr(self, name), getattr(calibration, name)
            if now != then:
                raise ValueError(
                    f"{name} was changed since the calibration, from {then!r} to "
                    f"{now!r}: call calibrate(), or set it back"
                )
        return calibration

    def _refuse_target(self):
        target = self.target_recall
        if not isinstance(target, Real) or not 0 < target < 1:
            raise ValueError(
                f"target_recall={target!r} must be None or a number between 0 and 1"
            )

    def _refuse_effort(self):
        value = getattr(self, self._knob)
        if self.target_recall is not None and value is not None:
            raise ValueError(
                f"target_recall={self.target_recall!r} says how far to search, and "
                f"{self._knob}={value!r} does too: set one of them to None"
            )

    def _measured(self, calibration, k):
        """The setting of ``k`` neighbours, which is measured if it is not known."""
        from sklearn_jin.construction.calibrate import best_of, largest_of

        target, index = self.target_recall, self.index_
        some = [s for s in calibration.table if s.k == k]
        found = best_of(some, target)
        can_measure = index.learned.decoder is None and k < self.n_rows_
        # All efforts were tried up to a lower bound of GOAL, or to the last one.
        if found is None and can_measure and not _is_exhausted(some):
            some = self._climb(self._asked(calibration, k), [k], target)
            found = best_of(some, target)
        if found is None and not some:  # of codes no more is known than ``fit`` saw
            return self._between(k)
        if found is None:
            found = largest_of(some)
            self._warn(found)
        return found

    def _fit(self, X):
        self._refuse_effort()
        vars(self).pop("_calibration", None)
        super()._fit(X)

    def _indexed(self, points, anew=False):
        before = vars(self).get("_calibration")
        if anew and self.index_.learned.decoder is not None:
            return  # what rows were is not known any more
        if self.target_recall is None:
            vars(self).pop("_calibration", None)
        else:
            self._calibrate(None, [], points, before)

    def _rows_change(self):
        # True neighbours are others from now on, and so is what was found by them.
        if (calibration := vars(self).get("_calibration")) is not None:
            nothing = frozen(np.empty((0, 0))), frozen(np.empty((0, 0), np.int64))
            asked = calibration.questions
            rows = frozen(asked.rows.copy())
            asked = asked._replace(rows=rows, scores=nothing[0], ids=nothing[1])
            self._calibration = calibration._replace(questions=asked)

    def _rows_changed(self):
        calibration = vars(self).get("_calibration")
        if calibration is None or self.index_.learned.decoder is not None:
            return
        if abs(self.n_rows_ - calibration.n_rows) > CHANGED * calibration.n_rows:
            self._indexed(None)

    def _calibrate(self, X, more_ks, points=None, before=None):
        """Set ``_calibration``, of queries ``X`` or those of ``before``, or of rows."""
        from sklearn_jin.construction import calibrate
        from sklearn_jin.search.index import count_live

        n = count_live(self.index_)
        is_own = X is None and (before is None or not len(before.questions.queries))
        most = n - is_own
        if beyond := [k for k in more_ks if k > most]:
            raise ValueError(f"k={beyond[0]} must be at most {most}: ask for fewer")
        ks = {*calibrate.KS, self.n_neighbors or 1, *more_ks}
        ks = sorted(k for k in ks if k <= most)
        depth, table, medians = min(max([calibrate.DEPTH, *more_ks]), most), (), []
        questions = calibrate.NOTHING
        if ks:
            if is_own or X is not None:
                parts = asked_of(self, X, depth, calibrate.ASKED, points)
            else:
                known = before.questions.queries
                parts = calibrate.ask_queries(source_of(self), known, depth)
            table = self._climb(parts, ks, self.target_recall or calibrate.GOAL)
            medians = self._medians(*calibrate.truth_of(parts)[:2], X)
            questions = calibrate.questions(parts, calibrate.DEPTH)
        self._calibration = calibrate.Calibration(
            self._knob, self.adaptive, self.rerank, n, table, questions,
            frozen(np.array(medians, np.float64)),
        )  # fmt: skip
        if self.target_recall is not None and table:
            some = [s for s in table if s.k == min(self.n_neighbors or 1, ks[-1])]
            if calibrate.best_of(some, self.target_recall) is None:
                self._warn(calibrate.largest_of(some))

    def _climb(self, parts, ks, target):
        """Settings for each of ``ks``, measured on ``parts`` that are asked."""
        from sklearn_jin.construction.calibrate import Climb, calibrated

        n_threads = count_threads(self.n_jobs)

        def search(k, effort, rerank):
            found = self._search_with(k, effort, rerank)
            return found._replace(n_threads=n_threads)

        reranks = self.rerank is None and self.index_.learned.rerank is not None
        climb = Climb(self.index_, parts, search, reranks)
        return tuple(s for k in ks for s in calibrated(climb, k, target))

    def _asked(self, calibration, k):
        """What was calibrated on, and the ``k`` true neighbours of it."""
        from sklearn_jin.construction import calibrate
        from sklearn_jin.search.index import live_ids

        (rows, queries, scores, ids), source = calibration.questions, source_of(self)
        is_known = k <= scores.shape[1]
        if len(queries) and is_known:
            return [calibrate.Asked(self.index_, queries, None, scores, ids)]
        if len(queries):
            return calibrate.ask_queries(source, queries, k)
        if is_known:
            return calibrate.ask_rows(source, rows, k, (scores, ids))
        rows = rows[np.isin(rows, live_ids(self.index_))]
        if not len(rows):
            return asked_of(self, None, k, calibrate.ASKED)
        return calibrate.ask_rows(source, rows, k)

    def _medians(self, queries, scores, X):
        """Median distances of ``queries`` to the true neighbours, by rank."""
        metric = self.index_.metric
        finish = metric._finish if X is None else self._prepare(X)[1]
        raw = metric.restore(queries) if X is None else checked(self, X)
        distances = finish(scores)
        if X is None and metric.negative:  # both rows of a product were scaled
            distances = times_power(distances, -metric.exponent_)
        return np.median(_relative(distances, raw, metric.negative), axis=0)

    def _warn(self, found):
        if found.recall >= self.target_recall:  # which few queries can not be sure of
            return
        way_out = "a larger rerank, other codes or store_vectors=True"
        if self.index_.learned.rerank is None:
            way_out = "an index that is built with more effort, or FlatNeighbors"
        warnings.warn(
            f"target_recall={self.target_recall} was not reached for {found.k} "
            f"neighbours: {found.recall:.4f} was, and at least {found.low:.4f} is "
            f"sure, by {self._knob}={found.effort}, the largest that was worth while; "
            f"use {way_out}",
            stacklevel=2,
        )

    def _check_company(self):
        super()._check_company()
        from sklearn_jin.construction.calibrate import Calibration

        calibration = vars(self).get("_calibration")
        if calibration is not None and (
            not fits(calibration, Calibration) or wrong_arrays(calibration)
        ):
            raise ValueError("its calibration is of another type")


def _checked_k(k):
    """``k`` as an integer from 1 on."""
    if not isinstance(k, Integral) or k < 1:
        raise ValueError(f"k={k} must be an integer from 1 on, or several of them")
    return int(k)


def _is_exhausted(settings):
    """Whether all efforts were measured: the last of them did not reach the goal."""
    from sklearn_jin.construction.calibrate import GOAL

    return bool(settings) and max(s.low for s in settings) < GOAL


def _relative(distances, X, is_ip):
    """``distances`` (n, k), for inner products as if queries ``X`` had length 1."""
    if not is_ip:
        return distances
    lengths = np.linalg.norm(np.asarray(X, np.float64), axis=1)
    return distances / np.maximum(lengths, np.finfo(np.float64).tiny)[:, None]
