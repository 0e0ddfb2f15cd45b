"""What all partition indexes share: cells, codes of residuals, and probing."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state

from sklearn_jin._compat import Integers, StrOptions
from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import Cosine
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._codes import default_rerank
from sklearn_jin.neighbors._shell import Reranked, shell
from sklearn_jin.quantizers._product import AnisotropicQuantizer, ProductQuantizer
from sklearn_jin.quantizers._rabitq import RaBitQ

LISTS = 2.0  # times the root of the rows are the lists, by default
PROBES = 1.5  # times the root of the lists are probed, by default,
LEAST_PROBES = 32  # and no fewer
TRAINED = 16384  # residuals that a quantizer is given to learn from, by default
BEYOND = 8  # proposals beyond k of a scan of the rows themselves: float32 rounds
WIDEST_RERANK = 32  # candidates a neighbour of a search that a bound ends, at most
WIDER = 4  # times the lists are probed of which too few rows were found
NEAR = 10  # neighbours by which codes are judged,
HELD = 0.95  # and the share of them that must be among the candidates
SAMPLE = 128  # rows whose neighbours these are
SURE = 0.999  # share of neighbours whose estimate is within the slack


@shell
class PartitionNeighbors(Reranked, Neighbors):
    """Search in lists.  An index adds its parameters, and which codes it takes."""

    n_lists: int | str = "auto"
    n_probes: int | None = None
    adaptive: bool = True
    max_train: int | str = "auto"
    exact_threshold: int = 1000

    _parameter_constraints = {
        "n_lists": [StrOptions({"auto"}), Integers(1)],
        "n_probes": [Integers(1), None],
        "adaptive": ["boolean"],
        "max_train": [StrOptions({"auto"}), Integers(1)],
        "exact_threshold": [Integers(0)],
    }

    _spill = None  # weight of SOAR's second assignment, or None for one list a row

    def _fit(self, X):
        self.n_lists_, self.list_sizes_ = 0, np.zeros(0, np.int64)
        self.imbalance_ = np.nan
        super()._fit(X)

    def _wanted(self, metric):
        """The quantizer of residuals, "auto", or None for the rows themselves."""
        raise NotImplementedError

    def _encode(self, metric):
        if self.store_vectors is False:
            raise ValueError(
                f"store_vectors=False is not served by {type(self).__name__}, whose "
                "codes propose and whose rows decide: use store_vectors='int8' or "
                "'float16' to keep less of them"
            )
        quantizer = self._wanted(metric)
        if quantizer is None and self.store_vectors not in (True, "float32"):
            raise ValueError(
                f"store_vectors={self.store_vectors!r} needs codes to be searched "
                f"instead, but there are none for metric={self.effective_metric_!r} "
                f"and quantizer={self.quantizer!r}: choose a quantizer"
            )
        return None, None, np.inf  # codes are of residuals: see _build

    def _build(self, progress):
        from sklearn_jin.construction.partition import divide

        rng = check_random_state(self.random_state)
        n_threads = count_threads(self.n_jobs)
        n, d = self.n_samples_fit_, self._metric.width_
        self.n_lists_ = min(n, self._count_lists())
        n_train = None if self.max_train == "auto" else self.max_train
        with progress(2) as step:
            division = divide(
                self.points_.X[:, :d], self.n_lists_, rng, n_threads, n_train,
                self._spill,
            )  # fmt: skip
            step()
            self._code(division, rng, n_threads)
            step()
        self.list_sizes_ = np.diff(division.starts)
        share = self.list_sizes_ / self.list_sizes_.sum()
        self.imbalance_ = float(self.n_lists_ * np.square(share).sum())

    def _count_lists(self):
        if self.n_lists != "auto":
            return int(self.n_lists)
        return max(1, round(LISTS * self.n_samples_fit_**0.5))

    # Codes.

    def _code(self, division, rng, n_threads):
        """Set ``index_`` on the codes that are asked for, or chosen."""
        quantizer = self._wanted(self._metric)
        if quantizer == "auto":
            return self._choose(division, rng, n_threads)
        self._use(division, quantizer, rng, n_threads)

    def _choose(self, division, rng, n_threads):
        """The shortest codes by which neighbours are found, or none."""
        spherical = isinstance(self._metric, Cosine)  # rows of length 1
        first = AnisotropicQuantizer() if spherical else ProductQuantizer(n_bits=4)
        for quantizer in (first, RaBitQ(4)):
            if self._use(division, quantizer, rng, n_threads) >= HELD:
                return None
        return self._use(division, None, rng, n_threads)

    def _use(self, division, quantizer, rng, n_threads):
        """Set ``index_`` on the codes of ``quantizer``; tell how many neighbours hold.

        That is the share of neighbours of some rows that are among the candidates.
        """
        from sklearn_jin.construction.partition import build_lists

        if quantizer is not None:
            quantizer = clone(quantizer)
            if "random_state" in quantizer.get_params():
                if quantizer.random_state is None:
                    quantizer.set_params(random_state=rng.randint(2**31))
        most = TRAINED if self.max_train == "auto" else self.max_train
        self.index_ = build_lists(
            self.points_, division, n_threads, rng, quantizer, most
        )
        self.quantizer_, self.codes_, self.overestimate_ = quantizer, None, np.inf
        if quantizer is None:
            return 1.0
        codes = self.index_.codes
        codes = getattr(codes, "points", codes)
        self.codes_ = codes._replace(codes=codes.codes[:0])
        return self._learn_overestimate(rng)

    def _learn_overestimate(self, rng):
        """Learn how far estimates of neighbours are off; tell how many are found."""
        from sklearn_jin.search.lists import Probe, candidates
        from sklearn_jin.search.scan import scan

        n, n_threads = self.n_samples_fit_, count_threads(self.n_jobs)
        asked, own = self._asked(rng)
        scores, ids = scan(self.points_, asked, min(NEAR + own, n), n_threads)
        room = min(n, int(np.ceil(NEAR * default_rerank(self)))) * self._copies
        probe = Probe(self.n_lists_, False, room, np.inf, False)
        proposed, estimates = candidates(self.index_, self.points_, asked, probe)
        same = proposed[:, None] == ids[:, own:, None]
        held = float(same.any(axis=2).mean()) if ids.shape[1] > own else 1.0
        row, near, place = np.nonzero(same)
        exact = scores[row, near + own]
        some = exact > 0
        if self._metric.space != "ip" and some.any():
            ratios = estimates[row, place][some] / exact[some]
            self.overestimate_ = float(np.quantile(ratios, SURE))
        return held

    def _asked(self, rng):
        """Prepared queries to try codes on; and how often each finds itself.

        They are some of the rows, or for inner products, whose queries may be unlike
        all rows, directions.
        """
        from sklearn_jin.construction.kmeans import sample

        if self._metric.space != "ip":
            return sample(self.points_.X, SAMPLE, rng), 1
        asked = np.zeros((SAMPLE, self.points_.X.shape[1]), np.float32)
        directions = rng.standard_normal((SAMPLE, self._metric.width_))
        asked[:, : self._metric.width_] = normalize(directions)
        return asked, 0

    @property
    def _copies(self):
        """Lists that a row is in."""
        return 2 if self._spill is not None and self.n_lists_ > 1 else 1

    def _parts(self):
        parts = super()._parts()
        if self.codes_ is not None:
            lists = self.index_
            none = lists.adds[:0]
            parts["codes"] = lists.codes, lists.adds, lists.errors
            parts["index"] = lists._replace(codes=(), adds=none, errors=none)
        return parts

    # Search.

    def _search(self, queries, k, n_threads):
        from sklearn_jin.search.lists import search

        probe, short = self._probe(k), np.arange(len(queries))
        scores, ids = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
        while len(short):
            scores[short], ids[short] = search(
                self.index_, self.points_, queries[short], k, probe, n_threads
            )
            if probe.n_probes == self.n_lists_:
                break
            short = np.flatnonzero(ids[:, -1] < 0)  # their lists hold too few rows
            n_probes = min(WIDER * probe.n_probes, self.n_lists_)
            probe = probe._replace(n_probes=n_probes, adaptive=False)
        return scores, ids

    def _probe(self, k):
        """How a search for ``k`` neighbours goes about it."""
        from sklearn_jin.search.lists import Probe

        n, n_probes = self.n_samples_fit_, self._check_probes()
        widest = WIDEST_RERANK * k if self.rerank == "bound" else n
        room, overestimate = self._rerank(k, widest)
        if self.codes_ is None:
            room = k + BEYOND
        room = min(room, n) * self._copies
        # Few cells tell little, and all of them are to miss nothing.
        adaptive = self.adaptive and len(self.index_.growth) > n_probes
        # Bounds are estimates, which may be off by the slack.
        margin = (
            max(1.0, self.overestimate_) if np.isfinite(self.overestimate_) else 1.0
        )
        return Probe(
            n_probes, adaptive, room, overestimate, self.rerank == "bound", margin
        )

    def _check_probes(self):
        if self.n_probes is None:
            wanted = int(np.ceil(PROBES * self.n_lists_**0.5))
            return min(self.n_lists_, max(LEAST_PROBES, wanted))
        if not isinstance(self.n_probes, Integral) or self.n_probes < 1:
            raise ValueError(
                f"n_probes={self.n_probes!r} must be None or an integer from 1 on"
            )
        return min(int(self.n_probes), self.n_lists_)
