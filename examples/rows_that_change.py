"""
Rows that come and go, beside a fit of the rows that are left
=============================================================

``python examples/rows_that_change.py FILE [CLASS ...]`` fits half of the rows of a file
and then, twenty times, removes a twentieth of them, the nearest to one of them, and
adds as many of the others, a thousand at a time.  It prints how many rows were removed
and added a second, and recall@10 and queries a second afterwards beside those of a new
fit of the same rows; and the same of hnswlib and usearch, where they are installed.
"""

import argparse
import time

import numpy as np

import sklearn_jin
from sklearn_jin import FlatNeighbors
from sklearn_jin.benchmark import load

K, CYCLES, SHARE, BATCH, PASSES = 10, 20, 20, 1000, 5


class Ours:
    """An index of this library."""

    def __init__(self, index, metric):
        self.index = index.set_params(metric=metric, random_state=0)

    def fit(self, X, ids):
        self.index.fit(X)

    def remove(self, ids):
        self.index.remove(ids)

    def add(self, X, ids):
        self.index.partial_fit(X)

    def find(self, Q):
        return self.index.kneighbors(Q, K, return_distance=False)


class Hnswlib:
    """hnswlib, where removed rows give their places to new ones."""

    def __init__(self, metric):
        import hnswlib

        self.space, self.new = {"euclidean": "l2"}.get(metric, metric), hnswlib.Index

    def fit(self, X, ids):
        self.index = self.new(self.space, X.shape[1])
        self.index.init_index(
            2 * len(X), ef_construction=200, M=16, allow_replace_deleted=True
        )
        self.index.add_items(X, ids)
        self.index.set_ef(50)

    def remove(self, ids):
        for i in ids:
            self.index.mark_deleted(i)

    def add(self, X, ids):
        self.index.add_items(X, ids, replace_deleted=True)

    def find(self, Q):
        return self.index.knn_query(Q, K)[0]


class Usearch:
    """usearch, by the same parameters."""

    def __init__(self, metric):
        from usearch.index import Index

        names = {"euclidean": "l2sq", "cosine": "cos"}
        self.new, self.metric = Index, names[metric]

    def fit(self, X, ids):
        self.index = self.new(
            ndim=X.shape[1], metric=self.metric, connectivity=16,
            expansion_add=200, expansion_search=50, dtype="f32",
        )  # fmt: skip
        self.index.add(ids, X)

    def remove(self, ids):
        self.index.remove(ids)

    def add(self, X, ids):
        self.index.add(ids, X)

    def find(self, Q):
        return self.index.search(Q, K).keys


def nearest(X, live, i, n):
    """The ``n`` live rows nearest to row ``i``."""
    gaps = np.square(X[live] - X[i]).sum(axis=1)
    return live[np.argpartition(gaps, n)[:n]]


def measure(index, X, Q, rng):
    """Churn; then recall and queries a second, and what is alive."""
    n = len(X) // 2
    live, step = np.arange(n), n // SHARE
    start = time.perf_counter()
    index.fit(X[:n], live)
    built, removing, adding = time.perf_counter() - start, 0.0, 0.0
    for cycle in range(CYCLES):
        gone = nearest(X, live, rng.choice(live), step)
        start = time.perf_counter()
        index.remove(gone)
        removing += time.perf_counter() - start
        live = np.setdiff1d(live, gone)
        new = np.arange(n + cycle * step, n + (cycle + 1) * step)
        start = time.perf_counter()
        for lo in range(0, step, BATCH):
            part = new[lo : lo + BATCH]
            index.add(X[part], part)
        adding += time.perf_counter() - start
        live = np.concatenate([live, new])
    rows = CYCLES * step
    return live, built, rows / removing, rows / adding


def quality(index, Q, true):
    """Recall, and the most queries a second of some passes."""
    found, best = index.find(Q), np.inf
    for _ in range(PASSES):
        start = time.perf_counter()
        index.find(Q)
        best = min(best, time.perf_counter() - start)
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, true))
    return hits / true.size, len(Q) / best


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("classes", nargs="*", default=["HNSWNeighbors"])
    asked = parser.parse_args()
    data = load(asked.file)
    X, Q = (np.ascontiguousarray(part, np.float32) for part in (data.X, data.queries))
    kinds = {}
    for name in asked.classes:
        kind, _, quantizer = name.partition(",")
        params = {"quantizer": quantizer} if quantizer else {}
        kinds[name] = lambda kind=kind, params=params: Ours(
            getattr(sklearn_jin, kind)(**params), data.metric
        )
    kinds |= {"hnswlib": lambda: Hnswlib(data.metric)}
    kinds |= {"usearch": lambda: Usearch(data.metric)}
    for name, make in kinds.items():
        try:
            index = make()
        except ImportError:
            continue
        make().fit(X[:12_000], np.arange(12_000))  # compiles
        live, built, removed, added = measure(index, X, Q, np.random.RandomState(0))
        exact = FlatNeighbors(metric=data.metric).fit(X[live])
        true = live[exact.kneighbors(Q, K, return_distance=False)]
        fresh = make()
        fresh.fit(X[live], np.arange(len(live)))
        recall, rate = quality(index, Q, true)
        place = np.full(len(X), -1)
        place[live] = np.arange(len(live))
        again, rate_again = quality(fresh, Q, place[true])
        print(
            f"{name}: fit {built:.2f} s; {removed:,.0f} removed and {added:,.0f} added "
            f"a second; recall {recall:.4f} at {rate:,.0f} queries/s, "
            f"of a new fit {again:.4f} at {rate_again:,.0f}",
            flush=True,
        )
