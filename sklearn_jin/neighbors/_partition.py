"""What all partition indexes share: cells, codes of residuals, and probing."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_jin._arrays import Int64
from sklearn_jin._compat import Integers, StrOptions
from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import Cosine
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._calibrated import Calibrated
from sklearn_jin.neighbors._codes import (
    candidates_of,
    keep_rows,
    refuse_without_codes,
    store_of,
)
from sklearn_jin.neighbors._metrics import PRODUCTS
from sklearn_jin.neighbors._shell import Reranked, shell
from sklearn_jin.quantizers._base import Quantizer
from sklearn_jin.quantizers._pca import PCAQuantizer
from sklearn_jin.quantizers._product import AnisotropicQuantizer, ProductQuantizer
from sklearn_jin.quantizers._rabitq import RaBitQ
from sklearn_jin.quantizers._scalar import ScalarQuantizer

LEAST_RERANK = 12  # candidates beyond the neighbours of components, by default
WIDEST_RERANK = 32  # candidates a neighbour of a search that a bound ends, at most


@shell
class PartitionNeighbors(Calibrated, Reranked, Neighbors):
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
    _learned = {
        "n_lists_": int,
        "list_sizes_": Int64[1],
        "imbalance_": float,
        "quantizer_": Quantizer | None,
    }

    _spaces = PRODUCTS
    _lists_by_root = 2.0  # times the root of the rows are the lists, by default,
    _probes_by_root = 1.5  # times the root of the lists are probed,
    _least_probes = 32  # and no fewer
    _knob = "n_probes"
    _spill = None  # weight of SOAR's second assignment, or None for one list a row

    def _index(self, metric, points, progress):
        from sklearn_jin.search.index import FLAT, Index, Learned

        self.n_lists_, self.list_sizes_ = 0, np.zeros(0, np.int64)
        self.imbalance_, self.quantizer_ = np.nan, None
        if hasattr(self, "quantizer"):
            self.quantizer_trial_ = None
        quantizer = self._wanted(metric)
        self._check_store(quantizer)
        if self.n_samples_fit_ <= self.exact_threshold:
            with progress(0):
                return Index(metric, points, None, FLAT, Learned())
        self.n_lists_ = min(self.n_samples_fit_, self._count_lists())
        with progress(2) as step:
            coded = self._lists(metric, points, quantizer, step)
            step()
        self.quantizer_ = coded.quantizer
        if coded.tried is not None:
            self.quantizer_trial_ = coded.tried
        self.list_sizes_ = coded.sizes
        share = self.list_sizes_ / self.list_sizes_.sum()
        self.imbalance_ = float(self.n_lists_ * np.square(share).sum())
        kept, decoder = keep_rows(self, metric, points, coded)
        learned = coded.learned._replace(decoder=decoder)
        return Index(metric, kept, None, coded.lists, learned, coded.codes)

    def _lists(self, metric, points, quantizer, step):
        """Lists on the codes that are asked for, or chosen; ``step`` is called once."""
        from sklearn_jin.construction import lists_of_codes
        from sklearn_jin.construction.partition import CODED, partition_rows
        from sklearn_jin.points.rows import float_rows

        if isinstance(quantizer, PCAQuantizer) and quantizer.n_bits == 8:
            return self._component_lists(metric, points, quantizer.n_components, step)
        rng, n_threads = check_random_state(self.random_state), self._threads()
        n_train = None if self.max_train == "auto" else self.max_train
        X = float_rows(points, metric.width_)
        division = partition_rows(
            X, self.n_lists_, rng, n_threads, n_train, self._spill
        )
        step()
        coding = lists_of_codes.Coding(
            metric, points, division, CODED if n_train is None else n_train, n_threads
        )
        if quantizer == "auto":
            return lists_of_codes.choose_lists(coding, self._tried(metric), rng)
        own = None if quantizer is None else clone(quantizer)
        return lists_of_codes.code_lists(coding, own, rng)

    def _component_lists(self, metric, points, n_components, step):
        """Lists of so many principal components in bytes; ``step`` is called once."""
        from sklearn_jin.construction import codes, lists_of_codes, reduced

        rng, n_threads = check_random_state(self.random_state), self._threads()
        n_train = None if self.max_train == "auto" else self.max_train
        plan = reduced.Plan(self.n_lists_, n_components, n_train)
        sample = codes.hold_rows(points, metric.width_, rng, n_threads)
        lists, sizes = reduced.reduce_rows(points, metric.width_, plan, sample, rng)
        learned, held = reduced.learn_rerank(lists, sample)
        if n_components == "auto" and held < lists_of_codes.HELD:
            # The bytes of a list have one unit, too rough for rows of all scales.
            return self._lists(metric, points, None, step)
        step()
        quantizer = ScalarQuantizer(8)
        if metric.width_ < codes.WIDE or not codes.has_wider(points, store_of(self)):
            quantizer.fit(codes.training_rows(points, metric))
            encoded = codes.Encoded(quantizer, None)
        else:
            encoded = codes.encode_rows(points, metric, quantizer, sample)
        learned = learned._replace(overestimate=encoded.overestimate)
        return lists_of_codes.Coded(
            encoded.quantizer, lists, sizes, learned, codes=encoded.codes
        )

    def _wanted(self, metric):
        """The quantizer of residuals, "auto", or None for the rows themselves."""
        raise NotImplementedError

    def _tried(self, metric):
        """Quantizers that "auto" tries, the shortest codes first."""
        spherical = isinstance(metric, Cosine)  # rows of length 1
        first = AnisotropicQuantizer() if spherical else ProductQuantizer(n_bits=4)
        return first, RaBitQ(4)

    def _check_store(self, quantizer):
        if store_of(self) is None:
            raise ValueError(
                f"store_vectors=False is not served by {type(self).__name__}, whose "
                "codes propose and whose rows decide: use store_vectors='int8' or "
                "'float16' to keep less of them"
            )
        if quantizer is None:
            refuse_without_codes(self)

    def _count_lists(self):
        if self.n_lists != "auto":
            return int(self.n_lists)
        return max(1, round(self._lists_by_root * self.n_samples_fit_**0.5))

    def _effort(self, k):
        return self._check_probes()

    def _search_at(self, k, effort):
        from sklearn_jin.search.index import Search
        from sklearn_jin.search.reduced import Reduced

        n = self.n_samples_fit_
        bound = self.rerank == "bound"
        widest = WIDEST_RERANK * k if bound else n
        room, overestimate = candidates_of(self, k, widest)
        if isinstance(self.index_.route, Reduced):
            if self.rerank is None:
                room = min(max(room, k + LEAST_RERANK), n)
            overestimate, bound = self.index_.learned.overestimate, False
        return Search(k, room, effort, self.adaptive, overestimate, bound)

    def _threads(self):
        return count_threads(self.n_jobs)

    def _check_probes(self):
        if self.n_probes is None:
            wanted = int(np.ceil(self._probes_by_root * self.n_lists_**0.5))
            return min(self.n_lists_, max(self._least_probes, wanted))
        if not isinstance(self.n_probes, (int, Integral)) or self.n_probes < 1:
            raise ValueError(
                f"n_probes={self.n_probes!r} must be None or an integer from 1 on"
            )
        return min(int(self.n_probes), self.n_lists_)
