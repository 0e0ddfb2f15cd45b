"""Recall against speed: one index measured over its search settings."""

from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

import sklearn_jin
from sklearn_jin._threads import count_threads

REPEATS = 5

# Index: its search parameter and the values to measure.
SWEEPS = {
    "HNSWNeighbors": ("ef_search", (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320)),
}


class Point(NamedTuple):
    """One index at one setting."""

    index: str
    setting: str
    build_s: float  # seconds of fit, on all threads
    bytes_per_row: float
    recall: float
    qps_one: float  # queries per second on one thread
    qps_all: float  # and on all of them
    hops: float  # nodes expanded for a query; 0 where there is no graph
    scores: float  # rows scored for a query


def measure(data, k=10, names=tuple(SWEEPS), repeats=REPEATS, params=None):
    """Measure exact search and the named indexes.

    Parameters
    ----------
    data : Data
        Rows and queries.
    k : int, default=10
        Neighbours asked for.
    names : sequence of str
        Public indexes with a sweep in ``SWEEPS``.
    repeats : int, default=5
        Timed passes over the queries; the median counts.
    params : dict, default=None
        Parameters for the constructors of the named indexes.

    Yields
    ------
    point : Point
        First scikit-learn's and our exact search, then each index and setting.
    """
    truth = sklearn_jin.FlatNeighbors(metric=data.metric).fit(data.X)
    bound = truth.kneighbors(data.queries, k)[0][:, -1:]
    exact = []
    if data.metric not in ("angular", "hellinger", "inner_product"):
        brute = NearestNeighbors(algorithm="brute", metric=data.metric)
        exact.append(("NearestNeighbors", brute))
    exact.append(("FlatNeighbors", sklearn_jin.FlatNeighbors(metric=data.metric)))
    for name, index in exact:
        build_s = _timed(lambda: index.fit(data.X))  # noqa: B023
        yield _point(
            name, "exact", index, build_s, data, k, bound, max(1, repeats // 2)
        )
    for name in names:
        knob, values = SWEEPS[name]
        sklearn_jin.warmup(data.metric)
        index = getattr(sklearn_jin, name)(
            metric=data.metric, random_state=0, exact_threshold=0, **(params or {})
        )
        build_s = _timed(lambda: index.fit(data.X))  # noqa: B023
        for value in values:
            index.set_params(**{knob: value})
            point = _point(
                name, f"{knob}={value}", index, build_s, data, k, bound, repeats
            )
            yield point
            if point.recall > 0.9995:
                break


def _point(name, setting, index, build_s, data, k, bound, repeats):
    work, qps = np.zeros(2), []
    for n_jobs in (1, None):
        index.set_params(n_jobs=n_jobs)
        with _limited(n_jobs):
            distances, _ = index.kneighbors(data.queries, k)
            seconds = [
                _timed(lambda: index.kneighbors(data.queries, k))
                for _ in range(repeats)
            ]
        qps.append(len(data.queries) / median(seconds))
    if getattr(index, "index_", None) is not None:
        from sklearn_jin.search.counters import counting

        with counting() as work:
            index.kneighbors(data.queries, k)
    hops, scores = work / len(data.queries)
    # Of rows that tie with the k-th, any is right.
    recall = float(np.mean(distances <= bound + 1e-6 * np.abs(bound)))
    n_bytes = (
        sum(index.memory_usage().values())
        if hasattr(index, "memory_usage")
        else data.X.nbytes
    )
    return Point(
        name,
        setting,
        build_s,
        n_bytes / len(data.X),
        recall,
        *qps,
        float(hops),
        float(scores),
    )


def _limited(n_jobs):
    """Limit BLAS and OpenMP, whose threads scikit-learn's exact search takes."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(n_jobs or count_threads(None))


def _timed(call):
    start = perf_counter()
    call()
    return perf_counter() - start
