"""
Neighbours, clusters and a map in scanpy
========================================

Runs ``neighbors``, ``leiden`` and ``umap`` of scanpy twice, with its default and with
transformers of this library, and prints process times, the share of the true
neighbours that each graph holds, and how well the clusters fit the classes that the
rows were drawn from:

    pip install "sklearn-jin[consumers]"
    python examples/scanpy_end_to_end.py --rows 20000 --genes 50

Rows are normal numbers around 30 centres: 50 numbers for a cell is what principal
components of genes usually are.
"""

import argparse
from time import process_time

import anndata
import numpy as np
import scanpy as sc
from pynndescent import PyNNDescentTransformer
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from sklearn_jin import FlatNeighbors, HNSWTransformer, KNNGraphTransformer

K, CLASSES = 15, 30


class Default(PyNNDescentTransformer):
    """What scanpy takes for many rows, with its parameters, where ``fit`` knows them.

    As a sparse matrix: scanpy 1.11 does not take the sparse array of some versions.
    """

    def fit_transform(self, X, y=None, **params):
        n = len(X)
        self.set_params(
            n_trees=min(64, 5 + round(n**0.5 / 20)),
            n_iters=max(5, round(np.log2(n))),
            random_state=0,
        )
        return sparse.csr_matrix(super().fit_transform(X, **params))


WAYS = {
    "scanpy's default": lambda: {"transformer": Default(n_neighbors=K)},
    "HNSWTransformer": lambda: {
        "transformer": HNSWTransformer(n_neighbors=K, random_state=0)
    },
    "KNNGraphTransformer": lambda: {
        "transformer": KNNGraphTransformer(n_neighbors=K, random_state=0)
    },
}


def draw(n, d):
    """Cells, float32, and the class of each."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    scale = 4 / np.sqrt(1 + np.arange(d))  # as principal components fall off
    X = rng.normal(size=(CLASSES, d))[y] * scale + rng.normal(size=(n, d))
    return X.astype(np.float32), y


def found(graph, X, rows):
    """Share of the true neighbours of some rows that a graph of distances holds."""
    true = FlatNeighbors().fit(X).kneighbors(X[rows], K, return_distance=False)
    own = [set(graph[row].indices) | {row} for row in rows]
    return np.mean([len(a & set(b)) / K for a, b in zip(own, true)])


def run(X, way):
    """Annotated cells, and the seconds that each step took."""
    cells, seconds = anndata.AnnData(X), []
    for step in (
        lambda: sc.pp.neighbors(cells, use_rep="X", **way()),
        lambda: sc.tl.leiden(cells, flavor="igraph", n_iterations=2, random_state=0),
        lambda: sc.tl.umap(cells, random_state=0),
    ):
        start = process_time()
        step()
        seconds.append(process_time() - start)
    return cells, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=50)
    args = parser.parse_args()
    X, y = draw(args.rows, args.genes)
    rows = np.random.default_rng(1).choice(len(X), 500, replace=False)
    print(f"{'':20} neighbors   leiden     umap  recall  clusters as classes")
    for name, way in WAYS.items():
        run(X[:11_000], way)  # compiles what is timed
        cells, seconds = run(X, way)
        recall = found(cells.obsp["distances"], X, rows)
        index = adjusted_rand_score(y, cells.obs["leiden"])
        times = "".join(f"{s:9.1f}" for s in seconds)
        print(f"{name:20} {times}  {recall:.4f}  {index:.3f}", flush=True)


if __name__ == "__main__":
    main()
