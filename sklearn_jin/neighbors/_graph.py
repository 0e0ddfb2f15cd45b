"""What all graph indexes share: building by a plan, and the walk."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from sklearn_jin._compat import Integers, StrOptions
from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import METRICS
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._shell import Coded, shell

MIN_EF = 50  # the default beam of a search is never narrower
ALPHA = 1.1
IP_ALPHA = 1.4  # queries come from afar: longer edges lead them
SAMPLE = 256  # rows whose neighbours tell how scores grow
LEAST_ROWS = 1000  # of fewer they would tell little, and every beam is wide
MANY_ROWS = 10_000  # that cells and products are worth while for


def default_alpha(index):
    """The parameter ``alpha``, for squared distances, or what None stands for."""
    if index.alpha is not None:
        return index.alpha
    return IP_ALPHA if index.effective_metric_ == "inner_product" else ALPHA


@shell
class GraphNeighbors(Coded, Neighbors):
    """Search by walks on a graph.  An index adds its parameters and ``_plan``."""

    ef_search: int | None = None
    adaptive: bool = True
    build: str = "auto"
    exact_threshold: int = 1000

    _parameter_constraints = {
        "ef_search": [Integers(1), None],
        "adaptive": ["boolean"],
        "build": [StrOptions({"auto", "partition", "insert"})],
        "exact_threshold": [Integers(0)],
    }

    def _fit(self, X):
        self.n_unreachable_ = 0
        super()._fit(X)

    def _build(self, progress):
        from sklearn_jin.search.layers import landmarked

        rng = check_random_state(self.random_state)
        self._grow(rng, progress)
        searched = self._searched()
        if searched is not self.points_:
            self.index_ = landmarked(self.index_, searched)
        self._learn_spread(rng)

    def _plan(self, rng):
        """What the graph shall be: a :class:`sklearn_jin.construction.grow.Plan`."""
        raise NotImplementedError

    def _order(self, rng, plan):
        """Rows in the order of insertion; the first is the entry of the graph."""
        from sklearn_jin.construction.grow import entry_first
        from sklearn_jin.points import insertion_order

        order = rng.permutation(self.n_samples_fit_).astype(np.int32)
        order = insertion_order(self.points_, order)
        return entry_first(self.points_, order) if plan.is_flat else order

    def _grow(self, rng, progress):
        """Set ``index_`` and ``n_unreachable_``."""
        from sklearn_jin.construction.grow import grow

        plan = self._plan(rng)
        order = self._order(rng, plan)
        self.index_, self.n_unreachable_ = grow(
            self.points_, order, plan, rng, count_threads(self.n_jobs),
            self._by_partition(), progress,
        )  # fmt: skip

    def _by_partition(self):
        """Whether rows are linked by lists of near neighbours, or else inserted."""
        can = self._metric.space in ("l2", "ip")
        if self.build == "partition" and not can:
            raise ValueError(
                f"build='partition' compares rows by products, which does not serve "
                f"metric={self.effective_metric_!r}: use build='insert' or 'auto'"
            )
        if self.build == "auto":
            return can and self.n_samples_fit_ >= MANY_ROWS
        return self.build == "partition"

    def _learn_spread(self, rng):
        """Learn how scores grow with rank, for adaptive walks."""
        from sklearn_jin.search import layers

        self.spread_, n = np.empty(0), self.n_samples_fit_
        if n >= LEAST_ROWS and not METRICS[self.effective_metric_].negative:
            some = np.sort(rng.choice(n, min(n, SAMPLE), replace=False))
            asked, threads = self.points_.X[some], count_threads(self.n_jobs)
            searched = self._searched()
            self.spread_ = layers.learn_spread(self.index_, searched, asked, threads)

    def _search(self, queries, k, n_threads):
        from sklearn_jin.search import layers

        ef, beam = self._beam(k)
        rerank, overestimate = self._rerank(k, ef)
        return layers.search(
            self.index_, self._searched(), self.points_, queries, k, beam, rerank,
            overestimate, n_threads,
        )  # fmt: skip

    def _search_own(self, queries, k, n_threads):
        from sklearn_jin.search import layers

        ef, beam = self._beam(k)
        rerank, overestimate = self._rerank(k, ef)
        order = np.arange(self.n_samples_fit_, dtype=np.int32)
        return layers.search_own(
            self.index_.neighbors, self._searched(), self.points_, queries, order, k,
            beam, rerank, overestimate, n_threads, self.index_.copies,
        )  # fmt: skip

    def _beam(self, k):
        """Width of the beam for ``k`` neighbours, and what ends a walk."""
        from sklearn_jin.search import layers

        ef = max(MIN_EF, 2 * k) if self.ef_search is None else self._check_ef()
        ef = max(ef, k)
        # A beam as wide as the data is to miss nothing.
        adaptive = self.adaptive and ef < self.n_samples_fit_
        return ef, layers.plan_beam(self.spread_ if adaptive else (), k, ef)

    def _searched(self):
        return self.points_ if self.codes_ is None else self.codes_

    def _check_ef(self):
        if not isinstance(self.ef_search, Integral) or self.ef_search < 1:
            raise ValueError(
                f"ef_search={self.ef_search!r} must be None or an integer from 1 on"
            )
        return int(self.ef_search)
