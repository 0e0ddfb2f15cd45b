"""k-means: the centres that partitions and codebooks are made of.

Labels are exact: a centre is the nearest in float64, of equal ones the first,
whatever the batch, the BLAS and its threads.  Products in float32 propose;
where their rounding could have hidden a nearer centre, both are compared in
float64.  So a seed gives the same centres everywhere, which scikit-learn's
``KMeans`` only promises for one thread.  Time and inertia are those of
``KMeans(init="random")``: 0.5 s for 256 centres of 65,536 rows of 4 features
and 4.2 s for 1000 of 100,000 rows of 128 (25 and 10 rounds, one thread).
"""

import numpy as np

from sklearn_jin._jit import kernel, kernel_of_numbers
from sklearn_jin._memory import frozen
from sklearn_jin._numbers import blocks
from sklearn_jin._threads import run
from sklearn_jin.points.rows import FloatRows

CELLS = 2**18  # scores of a block of rows: 1 MB, which stays in a CPU's cache
NARROW = 8  # features; the distances of shorter rows are computed one by one,
ROWS = 4096  # so many rows at a time
PAIRS = 2**18  # numbers of rows that are compared with centres in float64 at once
MANY = 8  # centres close to a row, from which on a product in float64 tells fewer
ULP = 2.0**-24  # relative rounding error of one float32 operation,
ULP64 = 2.0**-53  # and of one float64 operation
SPREAD_ROWS = 16  # rows per centre that a start which is spread out chooses from
SPREAD_CELLS = 2**25  # numbers that it may look at, in a few hundredths of a second


def kmeans(X, n_clusters, rng, n_iter=20, init=None, n_threads=1):
    """Centres (n_clusters, d), float32, of the rows of ``X`` (n, d), float32.

    They are read a block at a time, so that they may be made when they are read.

    Lloyd's rounds, on ``n_threads``, from ``init`` (n_clusters, d), or from rows
    drawn by ``rng``, a RandomState, until no label changes or ``n_iter`` are done.  A
    centre without rows moves to one of the farthest rows.  No round raises the sum of
    squared distances, but for rounding.  Where there are no more rows than
    centres, the rows are the centres, the first ones repeated.
    """
    if init is None:
        if len(X) <= n_clusters:
            return np.resize(X[:], (n_clusters, X.shape[1])).astype(np.float32)
        init = _start(X, n_clusters, rng)
    centroids, last = init, None
    for _ in range(n_iter):
        labels = assign(X, centroids, n_threads)
        if last is not None and np.array_equal(labels, last):
            break
        centroids, last = means(X, labels, centroids), labels
    return centroids


def sample(X, n, rng):
    """``X``, or ``n`` of its rows drawn by ``rng`` without return.

    Of :class:`~sklearn_jin.points.rows.FloatRows` they are such again.
    """
    if len(X) <= n:
        return X
    ids = np.sort(rng.choice(len(X), n, replace=False))
    return X.taken(ids) if isinstance(X, FloatRows) else X[ids]


def _start(X, n_clusters, rng):
    """Rows to start from.

    They are spread out by k-means++ (Arthur & Vassilvitskii, 2007) on a sample,
    which lowers the inertia of sub-vectors of SIFT by 2 to 15 %.  For 1000
    centres in 128 features it lowers it by 0.3 % and takes as long as 50 rounds, and
    316 lists in 80 features are no better for it: so large a start is drawn at random.
    """
    if SPREAD_ROWS * n_clusters**2 * X.shape[1] > SPREAD_CELLS:
        return X[rng.choice(len(X), n_clusters, replace=False)]
    X = sample(X, SPREAD_ROWS * n_clusters, rng)[:]
    chosen = [rng.randint(len(X))]
    gaps = np.full(len(X), np.inf)
    for draw in rng.random_sample(n_clusters - 1):
        np.minimum(gaps, _gaps(X, X[chosen[-1]]), out=gaps)
        total = np.cumsum(gaps)
        at = np.searchsorted(total, draw * total[-1], side="right")
        chosen.append(min(at, len(X) - 1))
    return X[chosen]


def _gaps(X, Y):
    """Squared distances, in float64 and in an order of terms that never changes."""
    return np.square(X.astype(np.float64) - Y).sum(axis=1)


def assign(X, centroids, n_threads=1):
    """Label of the nearest centre, int32, for every row; of equal ones the first."""
    if X.shape[1] <= NARROW:
        return _assign_each(X, centroids, n_threads)
    # Every row near one of equal centres would be compared with all of them.
    first = _first_of_equals(centroids)
    return first[_assign_by_products(X, centroids[first], n_threads)]


def _first_of_equals(rows):
    """Numbers, int32 and ascending, of the rows that equal none before them."""
    rows = np.ascontiguousarray(rows + np.float32(0))  # -0 is 0
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))
    return np.sort(np.unique(keys, return_index=True)[1]).astype(np.int32)


def _assign_by_products(X, centroids, n_threads):
    """Labels of the nearest of distinct centres."""
    n, d = X.shape
    block = max(1, CELLS // len(centroids))
    middle = centroids.mean(axis=0)  # near it products are small and round less
    near = centroids - middle
    halves = np.einsum("ij,ij->i", near, near) / 2
    reach = np.sqrt(2 * halves.max())
    # One product scores |c|^2 / 2 - <x, c>: x is followed by a 1.
    weights = np.vstack([-near.T, halves]).astype(np.float32)
    labels = np.empty(n, np.int32)

    def task(lo, hi):
        part, rows = X[lo:hi], np.ones((hi - lo, d + 1), np.float32)
        np.subtract(part, middle, out=rows[:, :d])
        sizes = np.sqrt(np.einsum("ij,ij->i", rows[:, :d], rows[:, :d]))
        # Two scores err by at most d + 6 roundings each.
        error = 2 * (d + 6) * ULP * reach * (sizes + reach)
        labels[lo:hi] = _nearest(part, centroids, rows @ weights, error)

    run(task, n, block, n_threads)
    return labels


def _assign_each(X, centroids, n_threads):
    """Labels where rows are so short that a product would not be worth while."""
    labels = np.empty(len(X), np.int32)
    places = frozen(np.ascontiguousarray(centroids.T, np.float64))

    def task(lo, hi):
        some = frozen(np.ascontiguousarray(X[lo:hi], np.float32))
        nearest_each(some, places, labels[lo:hi])

    run(task, len(X), ROWS, n_threads)
    return labels


@kernel_of_numbers
def nearest_each(X, places, labels):
    """Fill the labels of all rows; ``places`` (d, n_clusters) are the centres."""
    d, n_clusters = places.shape
    gaps = np.empty(n_clusters)
    for i in range(len(X)):
        gaps[:] = 0
        for j in range(d):
            x, column = np.float64(X[i, j]), places[j]
            for c in range(n_clusters):
                gap = x - column[c]
                gaps[c] += gap * gap
        least = gaps[0]
        for c in range(n_clusters):
            least = min(least, gaps[c])
        c = 0
        while gaps[c] > least:
            c += 1
        labels[i] = c


def _nearest(X, centroids, scores, error):
    """Labels of the lowest scores; those less than ``error`` apart are compared."""
    each = np.arange(len(X))
    labels = scores.argmin(axis=1)
    low = scores[each, labels]
    scores[each, labels] = np.inf
    # Of NumPy's reductions of rows argmin is the fastest: half the time of min.
    second = scores[each, scores.argmin(axis=1)]
    unsure = np.flatnonzero(second <= low + error)
    if len(unsure):
        scores[each, labels] = low
        close = scores[unsure] <= (low + error)[unsure, None]
        labels[unsure] = _nearest_of(X[unsure], centroids, close)
    return labels


def _nearest_of(X, centroids, close):
    """Labels of the nearest, in float64, of the centres that are ``close`` (n, k)."""
    if np.count_nonzero(close) > MANY * len(X):
        close = close & _close(X, centroids)
    exact = np.full(close.shape, np.inf)
    i, c = np.nonzero(close)
    step = max(1, PAIRS // X.shape[1])
    for lo in range(0, len(i), step):
        part = slice(lo, lo + step)
        exact[i[part], c[part]] = _gaps(X[i[part]], centroids[c[part]])
    return exact.argmin(axis=1)


def _close(X, centroids):
    """Which centres (n, k) may be nearest, as far as products in float64 tell."""
    middle = centroids.mean(axis=0, dtype=np.float64)
    rows, near = X - middle, centroids - middle
    sizes, squares = (np.einsum("ij,ij->i", part, part) for part in (rows, near))
    scores = squares / 2 - rows @ near.T
    reach = np.sqrt(squares.max())
    error = 2 * (X.shape[1] + 6) * ULP64 * reach * (np.sqrt(sizes) + reach)
    return scores <= (scores.min(axis=1) + error)[:, None]


@kernel
def add_rows(X, labels, sums):
    """Add every row of ``X`` to the row of ``sums``, float64, that its label names."""
    for i in range(len(X)):
        own = labels[i]
        for j in range(X.shape[1]):
            sums[own, j] += X[i, j]


def means(X, labels, centroids):
    """Means of the rows of every label; a label without rows takes a far row."""
    counts = np.bincount(labels, minlength=len(centroids))
    some = counts > 0
    moved, sums = centroids.astype(np.float32), np.zeros(centroids.shape)
    for part in blocks(X):
        rows = frozen(np.ascontiguousarray(X[part], np.float32))
        add_rows(rows, frozen(labels[part]), sums)
    moved[some] = sums[some] / counts[some, None]
    empty = np.flatnonzero(~some)
    if len(empty):
        every = [_gaps(X[part], moved[labels[part]]) for part in blocks(X)]
        gaps = np.concatenate(every)
        far = np.argsort(-gaps, kind="stable")[: len(empty)]
        far = far[gaps[far] > 0]
        moved[empty[: len(far)]] = X[far]
    return moved
