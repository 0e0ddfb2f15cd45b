"""Recall against speed: one index measured over its search settings."""

from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

import sklearn_jin
from sklearn_jin._threads import count_threads
from sklearn_jin.neighbors._base import Neighbors

REPEATS = 5

# Index: its search parameter and the values to measure.
WIDTHS = 10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320
PROBES = 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192
GRAPHS = "HNSW", "NSW", "Vamana", "SNG", "DualBranchHNSW"
PARTITIONS = "IVF", "IVFPCA", "IVFPQ", "ScaNN"
SWEEPS = {
    **{f"{graph}Neighbors": ("ef_search", WIDTHS) for graph in GRAPHS},
    **{f"{lists}Neighbors": ("n_probes", PROBES) for lists in PARTITIONS},
}
FEW = 2000  # rows of a first fit that makes kernels ready
# What ``--quantizer`` takes: the parameter ``quantizer`` of an index.
QUANTIZERS = {
    "none": None,
    "auto": "auto",
    **{f"scalar{bits}": sklearn_jin.ScalarQuantizer(bits) for bits in (4, 6, 8)},
    **{f"product{b}": sklearn_jin.ProductQuantizer(n_bits=b) for b in (4, 8)},
    "optimized": sklearn_jin.OptimizedProductQuantizer(),
    "anisotropic": sklearn_jin.AnisotropicQuantizer(),
    **{f"rabitq{bits}": sklearn_jin.RaBitQ(bits) for bits in range(1, 9)},
    **{f"saq{bits}": sklearn_jin.SAQ(bits) for bits in range(1, 9)},
    **{f"pca{bits}": sklearn_jin.PCAQuantizer(n_bits=bits) for bits in (4, 8)},
    "binary": sklearn_jin.BinaryQuantizer(),
    "ternary": sklearn_jin.TernaryQuantizer(),
}
NOT_IN_SCIKIT_LEARN = {"angular", "hellinger", "inner_product"}
ENOUGH = 0.9995  # recall from which on wider searches are not measured


class Point(NamedTuple):
    """One index at one setting."""

    index: str
    setting: str
    build_s: float  # seconds of fit, on all threads, kernels compiled before
    bytes_per_row: float  # of index and rows; 0 where the library does not tell
    recall: float
    qps_one: float  # queries per second on one thread
    qps_all: float  # and on all of them
    hops: float  # nodes expanded for a query; 0 where nobody counts
    scores: float  # rows or codes scored for a query
    lines: float = 0.0  # cache lines that a query reads at least
    efficiency: float = 0.0  # the time of these lines over that of a query, one thread


def measure(
    data,
    k=10,
    names=("HNSWNeighbors",),
    peers=(),
    repeats=REPEATS,
    quantizers=("none",),
):
    """Measure exact search, the named indexes and other libraries.

    Parameters
    ----------
    data : Data
        Rows and queries.
    k : int, default=10
        Neighbours asked for.
    names : sequence of str
        Public indexes with a sweep in ``SWEEPS``.
    peers : sequence of str, default=()
        Libraries of :mod:`sklearn_jin.benchmark.peers`.
    repeats : int, default=5
        Timed passes over the queries; the median counts.
    quantizers : sequence of str, default=("none",)
        Names in ``QUANTIZERS``; each of the named indexes is measured on the codes
        of each, and ``"none"`` is the rows themselves.  An index that has codes of
        its own is measured once.

    Yields
    ------
    point : Point
        First scikit-learn's and our exact search, then each index and setting.
    """
    truth = sklearn_jin.FlatNeighbors(metric=data.metric).fit(data.X)
    true = truth.kneighbors(data.queries, k, return_distance=False)
    bound = _scores(truth, data.queries, true.astype(np.int32))[:, -1:]
    judge = _Judge(data, k, truth, bound)
    for name, index, knob, values in _candidates(data, names, peers, quantizers):
        build_s = _timed(lambda: index.fit(data.X))  # noqa: B023
        line_s = _line_seconds(index)
        for value in values:
            if knob is not None:
                index.set_params(**{knob: value})
            setting = "exact" if knob is None else f"{knob}={value}"
            point = _point(name, setting, index, build_s, line_s, judge, repeats)
            yield point
            if point.recall > ENOUGH:
                break


def _candidates(data, names, peers, quantizers):
    """What is measured: a name, an unfitted index, its search parameter and values."""
    from sklearn_jin.benchmark.peers import PEERS

    exact = [sklearn_jin.FlatNeighbors(metric=data.metric)]
    if data.metric not in NOT_IN_SCIKIT_LEARN:
        exact.insert(0, NearestNeighbors(algorithm="brute", metric=data.metric))
    for index in exact:
        yield type(index).__name__, index, None, [None]
    for name in names:
        for label, index in _on_codes(name, data, quantizers):
            yield label, index, *SWEEPS[name]
    for peer in peers:
        kind, *sweep = PEERS[peer]
        if data.metric not in kind.METRICS:
            raise ValueError(f"{peer} is not measured with metric={data.metric!r}")
        yield kind.__name__, kind(metric=data.metric), *sweep


def _on_codes(name, data, quantizers):
    """Labels and indexes ``name``, unfitted, whose kernels are compiled."""
    kind = getattr(sklearn_jin, name)
    index = kind(metric=data.metric, random_state=0, exact_threshold=0)
    if "quantizer" not in index.get_params():
        _make_ready(index, data, "none")
        yield name, index
        return
    for codes in quantizers:
        index = clone(index).set_params(quantizer=QUANTIZERS[codes])
        _make_ready(index, data, codes)
        yield name if codes == "none" else f"{name} {codes}", index


def _make_ready(index, data, codes):
    """Compile, or load from disk, what a fit of ``index`` needs."""
    if SWEEPS[type(index).__name__][0] == "ef_search":
        sklearn_jin.warmup(data.metric, QUANTIZERS[codes])
        return
    some = clone(index).fit(data.X[:FEW])
    if codes == "auto" and some.quantizer_ is not None:  # more rows, another choice
        some.set_params(quantizer=QUANTIZERS["rabitq4"]).fit(data.X[:FEW])


class _Judge(NamedTuple):
    """The queries, and what is right."""

    data: object
    k: int
    truth: object  # fitted FlatNeighbors
    bound: object  # (n_queries, 1) score of the k-th true neighbour

    def recall(self, ids):
        """Share of ``ids`` no farther than the k-th true neighbour: ties are right."""
        near = _scores(self.truth, self.data.queries, np.asarray(ids, np.int32))
        return float(np.mean(near <= self.bound + 1e-6 * np.abs(self.bound)))


def _line_seconds(index):
    """Seconds of a random line of as much memory as a graph takes; else 0."""
    route = getattr(getattr(index, "index_", None), "route", None)
    if not hasattr(route, "neighbors"):
        return 0.0
    from sklearn_jin.benchmark.memory import line_seconds

    return line_seconds(sum(index.memory_usage().values()))


def _point(name, setting, index, build_s, line_s, judge, repeats):
    queries, k = judge.data.queries, judge.k
    qps = []
    for n_jobs in (1, None):
        index.n_jobs = n_jobs
        with threadpool_limits(count_threads(n_jobs)):
            ids = _ids(index, queries, k)
            seconds = [_timed(lambda: _ids(index, queries, k)) for _ in range(repeats)]
        qps.append(len(queries) / median(seconds))
    hops = scores = exact = lines = 0.0
    if isinstance(index, Neighbors):
        from sklearn_jin.search.counters import counting

        with counting() as work:
            _ids(index, queries, k)
        hops, scores, _, exact = (float(count) / len(queries) for count in work)
    if line_s > 0:
        from sklearn_jin.benchmark.memory import lines_read

        lines = lines_read(index, hops, scores, exact)
    n_bytes = sum(index.memory_usage().values()) if isinstance(index, Neighbors) else 0
    per_row = n_bytes / len(judge.data.X)
    return Point(
        name, setting, build_s, per_row, judge.recall(ids), *qps, hops, scores,
        lines, lines * line_s * qps[0],
    )  # fmt: skip


def _scores(truth, queries, ids):
    """Exact scores of the points ``ids``, ascending; infinite for a repeated one."""
    from sklearn_jin.search.scan import score_all

    prepared, _ = truth._prepare(queries)
    ids = np.sort(ids.astype(np.int32), axis=1)
    scores = np.empty(ids.shape)
    for q in range(len(ids)):
        score_all(truth.index_.points, prepared, q, ids[q], scores[q])
    scores[ids < 0] = np.inf
    scores[:, 1:][ids[:, 1:] == ids[:, :-1]] = np.inf
    return np.sort(scores, axis=1)


def _ids(index, queries, k):
    if hasattr(index, "kneighbors"):
        return index.kneighbors(queries, k, return_distance=False)
    return index.ids(queries, k)


def _timed(call):
    start = perf_counter()
    call()
    return perf_counter() - start
