"""
Speed of rows of bits, beside other libraries
=============================================

``python examples/rows_of_bits.py`` makes rows of 2,048 bits in clusters, as
fingerprints of molecules are, and measures scans and graphs of Jaccard's distance and
of the number of bits that differ: ours, faiss's (of differing bits) and usearch's (of
both), one thread each.  Times are those of the process, medians of passes.  Of graphs
it prints recall@10 and time by the width of the beam.
"""

import argparse
import time
from functools import partial

import numpy as np

from sklearn_jin import FlatNeighbors, HNSWNeighbors

K, PASSES, M, EF_BUILD = 10, 5, 16, 100
EFS = (10, 20, 40, 80, 160)


def fingerprints(n, d, n_clusters, seed=0):
    """Packed rows: of a cluster's bits 70 % are set, and 1.5 % of all others."""
    rng = np.random.default_rng(seed)
    centers = rng.random((n_clusters, d)) < 0.05
    rows = []
    for lo in range(0, n, 10_000):
        own = centers[rng.integers(0, n_clusters, min(10_000, n - lo))]
        drawn = rng.random(own.shape, dtype=np.float32)
        rows.append(np.packbits(np.where(own, drawn < 0.7, drawn < 0.015), axis=1))
    return np.concatenate(rows)


def seconds(run, passes=PASSES):
    """Median of what ``run`` takes of the process, and what it returned."""
    times = []
    for _ in range(passes):
        start = time.process_time()
        found = run()
        times.append(time.process_time() - start)
    return float(np.median(times)), found


def ours(X, metric):
    """Answers of a scan, and of a graph by the width of its beam."""
    search = dict(metric=metric, n_neighbors=K, n_jobs=1)
    scan = FlatNeighbors(**search).fit(X)
    graph = HNSWNeighbors(**search, M=M, ef_construction=EF_BUILD, random_state=0)
    graph.fit(X[:2000]).kneighbors(X[:20])  # compiles
    took, _ = seconds(lambda: graph.fit(X), 1)

    def walk(Q, ef):
        return graph.set_params(ef_search=ef).kneighbors(Q, return_distance=False)

    return partial(scan.kneighbors, return_distance=False), walk, took


def of_faiss(X, metric):
    import faiss

    faiss.omp_set_num_threads(1)
    if metric != "bit_hamming":
        return None
    d = 8 * X.shape[1]
    scan, graph = faiss.IndexBinaryFlat(d), faiss.IndexBinaryHNSW(d, M)
    scan.add(X)
    graph.hnsw.efConstruction = EF_BUILD
    took, _ = seconds(lambda: graph.add(X), 1)

    def walk(Q, ef):
        graph.hnsw.efSearch = ef
        return graph.search(Q, K)[1]

    return lambda Q: scan.search(Q, K)[1], walk, took


def of_usearch(X, metric):
    from usearch.index import Index

    kind = {"bit_hamming": "hamming", "bit_jaccard": "tanimoto"}[metric]
    graph = Index(
        ndim=8 * X.shape[1], metric=kind, dtype="b1",
        connectivity=M, expansion_add=EF_BUILD,
    )  # fmt: skip
    took, _ = seconds(lambda: graph.add(np.arange(len(X)), X, threads=1), 1)

    def walk(Q, ef):
        graph.expansion_search = ef
        return graph.search(Q, K, threads=1).keys.astype(np.int64)

    def scan(Q):
        return graph.search(Q, K, threads=1, exact=True).keys.astype(np.int64)

    return scan, walk, took


LIBRARIES = {"sklearn_jin": ours, "faiss": of_faiss, "usearch": of_usearch}


def distances(X, Q, ids, metric):
    """Distances (n_queries, K) of the rows ``ids``, by their definition."""
    found = np.empty(ids.shape)
    for q, row in enumerate(ids):
        bits = [
            np.bitwise_count(part).sum(axis=1)
            for part in (X[row] ^ Q[q], X[row] | Q[q])
        ]
        found[q] = bits[0] if metric == "bit_hamming" else bits[0] / bits[1]
    return found


def measure(X, Q, metric):
    """Print what scans and graphs of each library take."""
    true = None
    for name, make in (
        ("sklearn_jin", ours),
        ("faiss", of_faiss),
        ("usearch", of_usearch),
    ):
        if (made := make(X, metric)) is None:
            continue
        scan, walk, built = made
        took, ids = seconds(lambda scan=scan: scan(Q), 3)
        if true is None:
            true = distances(X, Q, ids, metric)[:, -1:]
        exact = np.mean(distances(X, Q, ids, metric) <= true + 1e-9)
        print(
            f"{metric} {name:<12} scan {took / len(Q) * 1e6:7.0f} us a query, recall "
            f"{exact:.3f}; graph built in {built:.1f} s",
            flush=True,
        )
        for ef in EFS:
            took, ids = seconds(lambda ef=ef, walk=walk: walk(Q, ef))
            recall = np.mean(distances(X, Q, ids, metric) <= true + 1e-9)
            print(
                f"    beam {ef:<4} {took / len(Q) * 1e6:7.1f} us, recall {recall:.4f}"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--bits", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--clusters", type=int, default=2000)
    options = parser.parse_args()
    n = options.rows + options.queries
    rows = fingerprints(n, options.bits, options.clusters)
    for metric in ("bit_jaccard", "bit_hamming"):
        measure(rows[: options.rows], rows[options.rows :], metric)


if __name__ == "__main__":
    main()
