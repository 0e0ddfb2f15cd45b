"""What all graph indexes share: building by a plan, and the walk."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from sklearn_jin._compat import Integers, StrOptions
from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import TYPES
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._calibrated import Calibrated
from sklearn_jin.neighbors._codes import (
    asked_for,
    candidates_of,
    encode,
    is_scanned,
    keep_learned,
)
from sklearn_jin.neighbors._metrics import PRODUCTS
from sklearn_jin.neighbors._shell import Coded, shell
from sklearn_jin.quantizers._scalar import ScalarQuantizer

MIN_EF = 50  # the default beam of a search is never narrower
PER_CANDIDATE = 8  # places of a beam; with 12 candidates a beam of 160 ends at .9986 on
# SIFT, with 20 at 1
ALPHA = 1.1**0.5
IP_ALPHA = 1.4**0.5  # queries come from afar: longer edges lead them
MANY_ROWS = 10_000  # that lists are worth while for
MOST_INSERTED = 2  # of more than half as many rows a graph is built anew: by lists that
# takes a third of the time of inserting them
MOST_DRIFT = 2.0  # of codes that are not learned again


def default_alpha(index):
    """The parameter ``alpha``, for distances, or what None stands for."""
    if index.alpha is not None:
        return index.alpha
    return IP_ALPHA if index.effective_metric_ == "inner_product" else ALPHA


def _has_outgrown(route, plan):
    """Whether a graph leads to so many nodes that it needs other upper layers."""
    members = getattr(route, "members", ())
    return bool(plan.sizes) and len(members) < plan.sizes[-1] // 2


@shell
class GraphNeighbors(Calibrated, Coded, Neighbors):
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
    _learned = {"n_unreachable_": int}
    _knob = "ef_search"

    def _index(self, metric, points, progress):
        from sklearn_jin.search.index import FLAT, Index

        self.n_unreachable_ = 0
        asked_for(self, metric)  # which may raise, so before building
        if is_scanned(self):
            with progress(0):
                encoded = encode(self, metric, points)
            kept, learned = keep_learned(self, metric, points, encoded)
            return Index(metric, kept, None, FLAT, learned)
        rng = check_random_state(self.random_state)
        graph, self.n_unreachable_ = self._grow(metric, points, rng, progress)
        encoded = encode(self, metric, points, graph)
        graph, spread = self._learn(points, encoded.codes, graph, rng)
        kept, learned = keep_learned(self, metric, points, encoded)
        learned = learned._replace(spread=spread)
        return Index(metric, kept, encoded.codes, graph, learned, encoded.finer)

    def _learn(self, points, codes, graph, rng):
        """The ``graph`` to search on ``codes``, and how scores grow with rank there."""
        from sklearn_jin.construction.doors import with_doors
        from sklearn_jin.construction.grow import learn_spread
        from sklearn_jin.search.layers import with_landmarks

        if codes is not None:
            graph = with_landmarks(graph, codes)
        if TYPES[self.effective_metric_].negative:
            return graph, np.empty(0)
        searched = points if codes is None else codes
        graph = with_doors(graph, points, searched, rng)
        return graph, learn_spread(graph, points, searched, rng, self._threads())

    def _plan(self, points, rng):
        """What the graph shall be: a :class:`sklearn_jin.construction.grow.Plan`."""
        raise NotImplementedError

    def _grow(self, metric, points, rng, progress):
        """The graph, and the number of its nodes that no walk can come to."""
        from sklearn_jin.construction.grow import draw_order, grow

        plan = self._plan(points, rng)
        order = draw_order(points, plan, rng)
        by_cells = self._by_cells(metric)
        return grow(points, order, plan, rng, self._threads(), by_cells, progress)

    def _by_cells(self, metric):
        """Whether rows are linked by lists of near neighbours, or else inserted."""
        can = metric.space in PRODUCTS
        if self.build == "partition" and not can:
            raise ValueError(
                f"build='partition' compares rows by products, which does not serve "
                f"metric={self.effective_metric_!r}: use build='insert' or 'auto'"
            )
        if self.build == "auto":
            return can and self.n_samples_fit_ >= MANY_ROWS
        return self.build == "partition"

    def _share(self):
        # A walk takes 13 us of 50,000 rows; to scan 500 beside it takes 10 us more.
        return 256 if self._can_change() else 16

    def _can_change(self):
        """Whether rows can be inserted into the graph and taken out of it."""
        from sklearn_jin.points import spaces
        from sklearn_jin.search.index import Flat

        index = self.index_
        return not (
            isinstance(index.route, Flat)
            or index.learned.decoder is not None  # rows are codes
            or len(spaces(index.points)) > 1
        )

    def _shrink(self):
        from sklearn_jin.construction.alter import live_points
        from sklearn_jin.construction.extend import shrink
        from sklearn_jin.search.layers import Layers, with_landmarks

        index = self.index_
        _, live, n_live, _ = index.changes
        few = n_live <= self.exact_threshold or 2 * n_live < len(live)
        if few or not (self._can_change() and isinstance(index.route, Layers)):
            return False
        plan = self._plan(index.points, check_random_state(self.random_state))
        route, self.n_unreachable_ = shrink(
            index.points, index.route, live, plan, self._threads()
        )
        index = live_points(index)
        searched = index.points if index.codes is None else index.codes
        self.index_ = index._replace(route=with_landmarks(route, searched))
        return True

    def _extend(self):
        """Insert the later rows into the graph."""
        from sklearn_jin.construction.alter import joined_codes, joined_rows
        from sklearn_jin.construction.codes import encode_all, training_rows
        from sklearn_jin.construction.extend import extend
        from sklearn_jin.points import count

        index = self.index_
        n, n_later = count(index.points), count(index.changes.later.points)
        if n_later > n // MOST_INSERTED or not self._can_change():
            return False
        points, changes = joined_rows(index, self.n_samples_fit_)
        plan = self._plan(points, check_random_state(self.random_state))
        if _has_outgrown(index.route, plan):
            return False
        codes, finer = index.codes, index.finer
        if codes is not None:
            codes, drift = joined_codes(
                self.quantizer_, codes, points, index.metric, self._threads()
            )
            if drift > MOST_DRIFT:
                return False
            self._drift = drift
        if finer is not None:
            grid = ScalarQuantizer(8).fit(training_rows(points, index.metric))
            finer = encode_all(grid, points, index.metric, self._threads())
        route, self.n_unreachable_ = extend(points, index.route, plan, self._threads())
        self.index_ = index._replace(
            points=points, codes=codes, finer=finer, route=route, changes=changes
        )
        return True

    @property
    def _slack(self):
        return default_alpha(self) ** 2 if self._can_change() else None

    def _effort(self, k):
        return max(MIN_EF, 2 * k) if self.ef_search is None else self._check_ef()

    def _search_at(self, k, effort):
        from sklearn_jin.search.index import Search

        # A beam is never wider than the rows, whatever is asked for.
        ef = min(max(effort, k), self.n_samples_fit_)
        room, overestimate = candidates_of(self, k, ef)
        if self.rerank is None and self.index_.codes is not None:
            room = max(room, ef // PER_CANDIDATE)
        return Search(k, room, ef, self.adaptive, overestimate)

    def _threads(self):
        return count_threads(self.n_jobs)

    def _check_ef(self):
        ef = self.ef_search
        if not isinstance(ef, (int, Integral)) or ef < 1:  # an int is quickly told
            raise ValueError(f"ef_search={ef!r} must be None or an integer from 1 on")
        return int(ef)
