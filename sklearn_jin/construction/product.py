"""Codebooks, rotations and codes of product quantizers: arrays in, arrays out.

Rows are float32 (n, d).  Sub-vector ``s`` is features ``starts[s]`` to
``starts[s + 1]``; its centroids are ``codebooks[s]``, (K, sub_width) float32,
where the features that a short one lacks are 0.  Codes are (n, m) uint8.  A
row's code does not depend on its batch, and what is learned does not depend on
the number of threads.
"""

from itertools import pairwise

import numpy as np
from numpy.random import RandomState
from scipy.sparse.linalg import LinearOperator, cg
from threadpoolctl import threadpool_limits

from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen
from sklearn_jin._threads import run
from sklearn_jin.construction.kmeans import assign, kmeans
from sklearn_jin.points.rotation import multiply

N_ROUNDS = 10  # of coordinate descent at most; most rows end after three
PART = 4096  # rows whose codes a thread improves at a time
N_SOLVER = 20  # steps of conjugate gradients, which go on from the last codebooks


def cut(d, m):
    """Starts (m + 1,) of ``m`` runs of features, as long as or one longer than others.

    The first are the longer ones, as in ``numpy.array_split``.
    """
    short, n_longer = divmod(d, m)
    sizes = np.full(m, short, np.int64)
    sizes[:n_longer] += 1
    return np.concatenate([[0], np.cumsum(sizes)])


def _runs(starts):
    """Every sub-vector's number, features, and number of features."""
    for s, (first, last) in enumerate(pairwise(starts)):
        yield s, slice(first, last), last - first


def train(X, starts, n_centroids, rng, n_iter, codebooks=None, n_threads=1):
    """Codebooks of the sub-vectors of ``X`` by k-means, from ``codebooks`` if given."""
    m, width = len(starts) - 1, np.diff(starts).max()
    trained = np.zeros((m, n_centroids, width), np.float32)
    runs, seeds = list(_runs(starts)), rng.randint(2**31, size=m)

    def task(lo, hi):
        for s, features, w in runs[lo:hi]:
            init = None if codebooks is None else codebooks[s, :, :w]
            part, own = np.ascontiguousarray(X[:, features]), RandomState(seeds[s])
            trained[s, :, :w] = kmeans(part, n_centroids, own, n_iter, init)

    run(task, m, 1, n_threads)
    return trained


def encode(X, codebooks, starts):
    """Codes of the nearest centroids."""
    codes = np.empty((len(X), len(codebooks)), np.uint8)
    for s, features, w in _runs(starts):
        codes[:, s] = assign(X[:, features], codebooks[s, :, :w])
    return codes


def decode(codes, codebooks, starts):
    """Rows (n, d), float32, that ``codes`` stand for."""
    X = np.empty((len(codes), starts[-1]), np.float32)
    for s, features, w in _runs(starts):
        X[:, features] = codebooks[s, codes[:, s], :w]
    return X


def train_rotated(X, starts, n_centroids, rng, n_iter, n_rotations):
    """Codebooks, rotation ``R`` (d, d) float32, and errors, of optimized PQ.

    Ge, He, Ke & Sun 2014: algorithm 2 (parametric) to start with, then
    ``n_rotations`` times algorithm 1 (non-parametric).  ``X @ R`` is coded.
    Each round goes on with the codebooks of the last, so that the errors, mean
    squared and before each round and at the end, never increase.
    """
    # One thread: products of another number of them round otherwise.
    with threadpool_limits(1, "blas"):
        rotation = allocate(X, starts)
        rotated = multiply(X, rotation)
        codebooks = train(rotated, starts, n_centroids, rng, n_iter)
        errors = []
        for _ in range(n_rotations):
            decoded = decode(encode(rotated, codebooks, starts), codebooks, starts)
            errors.append(_error(rotated, decoded))
            rotation = procrustes(X, decoded)
            rotated = multiply(X, rotation)
            codebooks = train(rotated, starts, n_centroids, rng, 1, codebooks)
    decoded = decode(encode(rotated, codebooks, starts), codebooks, starts)
    return codebooks, rotation, np.array([*errors, _error(rotated, decoded)])


def _error(X, Y):
    """Mean squared distance of the rows."""
    return np.square(X - Y, dtype=np.float64).sum(axis=1).mean()


def allocate(X, starts):
    """Rotation (d, d) float32 to principal axes, shared out evenly.

    Ge et al. 2014, section 3.2.2: the axis of the largest eigenvalue that is
    left goes to the sub-vector with room whose eigenvalues' product is smallest.
    Eigenvalues are taken relative to the smallest, at least 1e-12 of the
    largest, so that the unit of the data does not matter.
    """
    centered = X - X.mean(axis=0, dtype=np.float64)
    values, axes = np.linalg.eigh(centered.T @ centered)
    order = np.argsort(-values, kind="stable")
    buckets = share_out(values[order], np.diff(starts))
    return axes[:, order[np.concatenate(buckets)]].astype(np.float32)


def share_out(values, sizes):
    """Ranks of descending ``values`` for buckets of ``sizes``, of like products."""
    floor = max(values[0] * 1e-12, np.finfo(np.float64).tiny)
    logs = np.log(np.maximum(values, floor))
    logs -= logs.min()
    buckets, sums = [[] for _ in sizes], np.zeros(len(sizes))
    for rank, log in enumerate(logs):
        s = sums.argmin()
        buckets[s].append(rank)
        sums[s] = sums[s] + log if len(buckets[s]) < sizes[s] else np.inf
    return buckets


def procrustes(X, Y):
    """Orthogonal ``R`` (d, d), float32, that takes ``X @ R`` nearest to ``Y``."""
    left, _, right = np.linalg.svd(X.astype(np.float64).T @ Y)
    return (left @ right).astype(np.float32)


def parallel_weight(lengths, threshold, d):
    """``eta``, the weight of an error along a row, of rows of ``lengths``.

    Guo et al. 2020, theorem 3.4 for many dimensions: what counts are inner
    products with unit queries of at least ``threshold``, which is less than
    the lengths.  At least 1: an error across a row never weighs more.
    """
    share = np.square(np.divide(threshold, lengths, dtype=np.float64))
    return np.maximum((d - 1) * share / (1 - share), 1)


def train_anisotropic(X, aim, starts, n_centroids, rng, n_iter, n_updates, n_threads=1):
    """Codebooks for the score-aware loss: plain ones, updated ``n_updates`` times.

    ``aim`` are the directions of the rows and their weights ``eta``.
    """
    directions, eta = aim
    codebooks = train(X, starts, n_centroids, rng, n_iter, n_threads=n_threads)
    codes = encode(X, codebooks, starts)
    for _ in range(n_updates):
        improve(X, directions, eta, codebooks, starts, codes, n_threads)
        codebooks = refit(X, directions, eta, codes, codebooks, starts)
    return codebooks


def encode_anisotropic(X, directions, eta, codebooks, starts):
    """Codes of low score-aware loss: the nearest centroids, then improved.

    Guo et al. 2020, section 3.3.  ``directions`` are those of the rows
    themselves, of length 1 or 0, even where ``X`` holds residuals.
    """
    codes = encode(X, codebooks, starts)
    improve(X, directions, eta, codebooks, starts, codes)
    return codes


def anisotropic_loss(X, directions, eta, decoded):
    """``|r|^2 + (eta - 1) <r, direction>^2`` of every row, for ``r = X - decoded``."""
    r = X.astype(np.float64) - decoded
    along = np.einsum("ij,ij->i", r, directions)
    return np.einsum("ij,ij->i", r, r) + (eta - 1) * along**2


def improve(X, directions, eta, codebooks, starts, codes, n_threads=1):
    """Lower the score-aware loss of ``codes`` in place."""
    by_feature = codebooks.transpose(0, 2, 1)  # centroids last, as loops read them
    rows = [frozen(np.ascontiguousarray(array)) for array in (X, directions, eta)]
    books, starts = (frozen(np.ascontiguousarray(a)) for a in (by_feature, starts))

    def task(lo, hi):
        some = (array[lo:hi] for array in rows)
        descend(*some, books, starts, codes[lo:hi])

    run(task, len(X), PART, n_threads)


@kernel
def descend(X, directions, eta, books, starts, codes):
    """Improve ``codes`` in place, one sub-vector after another.

    Sub-vectors are visited from the largest error on, which leads 2 % lower
    than their own order.  The error ``P`` along the row never grows: else a
    sub-vector would give way to what others then make up for.
    """
    m, _, K = books.shape
    e, p = np.empty((m, K)), np.empty((m, K))  # errors; their parts along the row
    own = np.empty(m)
    for i in range(len(X)):
        if eta[i] <= 1:
            continue  # the nearest centroids are best
        P = 0.0
        for s in range(m):
            e_s, p_s = e[s], p[s]  # of rows by themselves the compiler makes vectors
            e_s[:] = 0
            p_s[:] = 0
            for j in range(starts[s], starts[s + 1]):
                x, u = np.float64(X[i, j]), np.float64(directions[i, j])
                places = books[s, j - starts[s]]
                for c in range(K):
                    gap = x - places[c]
                    e_s[c] += gap * gap
                    p_s[c] += gap * u
            own[s] = e_s[codes[i, s]]
            P += p_s[codes[i, s]]
        order = np.argsort(-own, kind="mergesort")
        for _ in range(N_ROUNDS):
            changed = False
            for s in order:
                e_s, p_s, old = e[s], p[s], np.int64(codes[i, s])
                rest, base, weight, bound = P - p_s[old], e_s[old], eta[i] - 1, P * P
                best, lowest, best_P = -1, 0.0, P
                for c in range(K):
                    new_P = rest + p_s[c]
                    growth = new_P * new_P - bound
                    change = e_s[c] - base + weight * growth
                    if change < lowest and growth <= 0 and c != old:
                        best, lowest, best_P = c, change, new_P
                if best >= 0:
                    codes[i, s], P, changed = best, best_P, True
            if not changed:
                break


def refit(X, directions, eta, codes, codebooks, starts):
    """Codebooks of the lowest score-aware loss for given ``codes``.

    All centroids ``c`` at once, for errors along a row couple them:
    ``sum_i B_i' W_i B_i c = sum_i B_i' W_i x_i``, where ``B_i c`` decodes row
    ``i`` and ``W_i = I + (eta_i - 1) u_i u_i'`` with its direction ``u_i``.
    Solved by conjugate gradients from the codebooks as they are, so that a
    centroid without rows stays and no step raises the loss.
    """
    shape, size = codebooks.shape, codebooks.size
    counts = np.stack([np.bincount(column, minlength=shape[1]) for column in codes.T])
    scale = np.repeat(1 / np.maximum(counts.ravel(), 1), shape[2])

    def weigh(part):
        """Sums over each centroid's rows of ``y + (eta - 1) <u, y> u``.

        ``part(s, features, w)`` has sub-vector ``s`` of the rows ``y``.
        """
        along = np.zeros(len(X))
        for s, features, w in _runs(starts):
            along += np.einsum(
                "ij,ij->i", directions[:, features], part(s, features, w)
            )
        along *= eta - 1
        sums = np.zeros(shape)
        for s, features, w in _runs(starts):
            rows = part(s, features, w) + along[:, None] * directions[:, features]
            for j in range(w):
                sums[s, :, j] = np.bincount(codes[:, s], rows[:, j], shape[1])
        return sums.ravel()

    def product(c):
        c = c.reshape(shape)
        return weigh(lambda s, features, w: c[s, codes[:, s], :w])

    solution, _ = cg(
        LinearOperator((size, size), product, dtype=np.float64),
        weigh(lambda s, features, w: X[:, features]),
        x0=codebooks.ravel().astype(np.float64),
        rtol=1e-4,
        maxiter=N_SOLVER,
        M=LinearOperator((size, size), lambda r: scale * r.ravel(), dtype=np.float64),
    )
    return solution.reshape(shape).astype(np.float32)
