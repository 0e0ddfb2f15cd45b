"""
Queries within some of the rows, beside faiss and hnswlib
=========================================================

``python examples/filters_beside_peers.py FILE`` limits the queries of a file (or of
``clustered:ROWSxFEATURES``, which are generated) to 50, 10, 1 and .1 % of the rows, and
to 20 of them: at random, those nearest to one row, and those farthest from one that the
queries are near to.  It prints how many queries a second each index answers of a batch,
or with ``--single`` of one at a time, at the least effort by which recall@10 is .95,
by one thread and its own time; or else, in brackets, the best recall that it has.

usearch has no filters in Python (2.26) and is left out.
"""

import argparse
import time

import numpy as np

from sklearn_jin import FlatNeighbors, HNSWNeighbors, IVFPCANeighbors
from sklearn_jin.benchmark import load

K, RECALL, PASSES, SINGLE = 10, 0.95, 3, 50
EFFORTS = [*(1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)]
EFFORTS += [1024, 2048, 4096, 8192]
FEW = 20  # rows, the least that are allowed
SHARES = 0.5, 0.1, 0.01, 0.001, None  # None for ``FEW``


class Ours:
    """An index of this library; ``effort`` names its parameter."""

    def __init__(self, index, effort=None):
        self.index, self.efforts = index, EFFORTS if effort else [None]
        self.effort = effort

    def fit(self, X, metric):
        self.index.set_params(metric=metric, n_jobs=1, n_neighbors=K).fit(X)

    def ask(self, mask, effort):
        if effort is not None:
            self.index.set_params(**{self.effort: effort})
        return lambda Q: self.index.kneighbors(Q, return_distance=False, where=mask)


class Faiss:
    """A graph or lists of faiss, which take bits of ids."""

    efforts = EFFORTS

    def __init__(self, kind):
        import faiss

        self.faiss, self.kind = faiss, kind
        faiss.omp_set_num_threads(1)

    def fit(self, X, metric):
        d, n_lists = X.shape[1], int(4 * np.sqrt(len(X)))
        if self.kind == "graph":
            self.index = self.faiss.IndexHNSWFlat(d, 16)
            self.index.hnsw.efConstruction = 200
        else:
            self.quantizer = self.faiss.IndexFlatL2(d)
            self.index = self.faiss.IndexIVFFlat(self.quantizer, d, n_lists)
            self.index.train(X)
        self.index.add(X)

    def ask(self, mask, effort):
        bits = np.packbits(mask, bitorder="little")
        some = self.faiss.IDSelectorBitmap(bits)
        if self.kind == "graph":
            how = self.faiss.SearchParametersHNSW(sel=some, efSearch=max(K, effort))
        else:
            how = self.faiss.SearchParametersIVF(sel=some, nprobe=effort)
        return lambda Q: self.index.search(Q, K, params=how)[1]


class Hnswlib:
    """hnswlib, which takes a function of an id."""

    efforts = [effort for effort in EFFORTS if effort >= K]

    def __init__(self):
        import hnswlib

        self.new = hnswlib.Index

    def fit(self, X, metric):
        self.index = self.new("l2", X.shape[1])
        self.index.init_index(len(X), ef_construction=200, M=16)
        self.index.add_items(X)

    def ask(self, mask, effort):
        self.index.set_ef(effort)
        allows = mask.tolist().__getitem__

        def find(Q):
            try:
                return self.index.knn_query(Q, K, num_threads=1, filter=allows)[0]
            except RuntimeError:  # fewer than K were found
                return np.full((len(Q), K), -1)

        return find


def makers():
    yield "FlatNeighbors", lambda: Ours(FlatNeighbors())
    yield (
        "HNSWNeighbors",
        lambda: Ours(HNSWNeighbors(quantizer="auto", random_state=0), "ef_search"),
    )
    yield "IVFPCANeighbors", lambda: Ours(IVFPCANeighbors(random_state=0), "n_probes")
    yield "faiss graph", lambda: Faiss("graph")
    yield "faiss lists", lambda: Faiss("lists")
    yield "hnswlib", lambda: Hnswlib()


def filters(X, Q, rng):
    """(name, mask, queries) of every filter."""
    n, center = len(X), X[rng.integers(len(X))]
    near, asked = (np.square(part - center).sum(axis=1) for part in (X, Q))
    order, close = np.argsort(near), Q[np.argsort(asked)[: len(Q) // 2]]
    for share in SHARES:
        size = max(FEW, round((share or 0) * n))
        told = f"{FEW} rows" if share is None else f"{100 * share:g} %"
        kinds = {
            "random": (rng.permutation(n)[:size], Q),
            "cluster": (order[:size], Q),
            "away": (order[-size:], close),
        }
        for kind, (ids, queries) in kinds.items():
            mask = np.zeros(n, bool)
            mask[ids] = True
            yield f"{kind} {told}", mask, np.ascontiguousarray(queries)


def measured(index, Q, mask, true, single):
    """Recall and queries a second at the least effort that is enough, or the best."""
    best = 0.0
    for effort in index.efforts:
        find = index.ask(mask, effort)
        recall = recall_of(find(Q), true)
        best = max(best, recall)
        if recall < RECALL:
            continue
        times, asked = [], Q[:SINGLE] if single else Q
        for _ in range(PASSES):
            start = time.process_time()
            for part in np.split(asked, len(asked)) if single else [asked]:
                find(part)
            times.append(time.process_time() - start)
        return recall, len(asked) / np.median(times)
    return best, None


def recall_of(found, true):
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, true)) / true.size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--single", action="store_true", help="one query at a time")
    args = parser.parse_args()
    data = load(args.file, n_queries=args.queries)
    X, Q = (np.ascontiguousarray(part, np.float32) for part in (data.X, data.queries))
    if data.metric == "cosine":  # of rows of length 1 Euclidean distances rank alike
        X, Q = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (X, Q))
    indexes = {}
    for name, make in makers():
        try:
            indexes[name] = make()
        except ImportError:
            continue
        indexes[name].fit(X, "euclidean")
    print(f"{'':<16}" + "".join(f"{name:>17}" for name in indexes), flush=True)
    exact = FlatNeighbors(n_neighbors=K).fit(X)
    for name, mask, queries in filters(X, Q, np.random.default_rng(0)):
        true = exact.kneighbors(queries, return_distance=False, where=mask)
        line = f"{name:<16}"
        for index in indexes.values():
            recall, rate = measured(index, queries, mask, true, args.single)
            told = f"({recall:.3f})" if rate is None else f"{rate:,.0f}"
            line += f"{told:>17}"
        print(line, flush=True)
