"""The oracle: every answer by its definition, in float64, however slow."""

from collections import deque

import numpy as np


def distances(X, Q, metric="euclidean"):
    """Distance of every row of ``Q`` from every row of ``X``: (n_queries, n_rows)."""
    X, Q = np.asarray(X, np.float64), np.asarray(Q, np.float64)
    return np.array([DISTANCES[metric](X, q) for q in Q])


def nearest(X, Q, k, metric="euclidean"):
    """Ids of the ``k`` nearest rows, by (distance, id)."""
    return np.argsort(distances(X, Q, metric), axis=1, kind="stable")[:, :k]


def nearest_distances(X, Q, k, metric="euclidean"):
    """Distances of the ``k`` nearest rows, ascending."""
    return np.sort(distances(X, Q, metric), axis=1)[:, :k]


def recall(found, exact):
    """Share of the found distances that are among the exact ones, both ascending."""
    return np.mean(found <= exact[:, -1:] * (1 + 1e-6))


def cosine(X, q):
    return 1 - cosines(X, q)


def cosines(X, q):
    """Cosine of the angles, and 0 where a vector is 0."""
    lengths = np.linalg.norm(X, axis=1) * np.linalg.norm(q)
    return np.divide(X @ q, lengths, out=np.zeros(len(X)), where=lengths > 0)


def angular(X, q):
    return np.arccos(np.clip(cosines(X, q), -1, 1)) / np.pi


def correlation(X, q):
    return cosine(centered(X), centered(q[None])[0])


def centered(X):
    """Rows less their means: zeros, without rounding, where a row is constant."""
    constant = (X == X[:, :1]).all(axis=1, keepdims=True)
    return np.where(constant, 0, X - X.mean(axis=1, keepdims=True))


def hellinger(X, q):
    return np.linalg.norm(np.sqrt(X) - np.sqrt(q), axis=1) / np.sqrt(2)


DISTANCES = {
    "euclidean": lambda X, q: np.linalg.norm(X - q, axis=1),
    "sqeuclidean": lambda X, q: ((X - q) ** 2).sum(axis=1),
    "cosine": cosine,
    "angular": angular,
    "correlation": correlation,
    "hellinger": hellinger,
    "inner_product": lambda X, q: -(X @ q),
    "manhattan": lambda X, q: np.abs(X - q).sum(axis=1),
    "chebyshev": lambda X, q: np.abs(X - q).max(axis=1),
}


def prune(X, node, candidates, width, alpha):
    """Candidates that are kept: nearer to ``node`` than to any kept before.

    ``alpha`` is a factor of squared distances, and rows of integers make all
    comparisons exact.
    """

    def gap(i, j):
        return ((X[i].astype(np.float64) - X[j]) ** 2).sum()

    kept = []
    for i in sorted(candidates, key=lambda i: (gap(node, i), i)):
        if all(alpha * gap(i, other) >= gap(node, i) for other in kept):
            kept.append(i)
    return kept[:width]


def reachable(neighbors, entry):
    """Nodes that the edges lead to from ``entry``, itself included."""
    reached, queue = {int(entry)}, deque([int(entry)])
    while queue:
        for node in map(int, neighbors[queue.popleft()]):
            if node >= 0 and node not in reached:
                reached.add(node)
                queue.append(node)
    return reached
