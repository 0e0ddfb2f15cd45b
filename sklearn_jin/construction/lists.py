"""Lists of near neighbours of all points, by cells and matrix products.

Each row belongs to the cell of its nearest centre and visits those of its
``FANOUT`` nearest.  A cell's own rows are compared with all its visitors by
matrix products, at 2 ns a pair, where a walk pays 15 to 50 for a row that lies
anywhere.  So a row is told of those that visit its cell: of its 15 nearest
0.79 on 100,000 SIFT vectors and 0.66 on 150,000 of GloVe, by 2,500 comparisons
a row.  Walks along these lists, each from its own row, find most of the others.

Partitions that overlap and products inside their parts are PiPNN's (2026,
https://arxiv.org/abs/2602.21247), where parts are divided further and a pair is
offered to both of its rows.  Here only one of them is told, so that every list
is written by one thread.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE
from sklearn_jin._simd import prefetch_lines
from sklearn_jin._threads import run
from sklearn_jin.construction.kmeans import kmeans, sample
from sklearn_jin.construction.link import grouped
from sklearn_jin.metrics import squares
from sklearn_jin.search.keys import split_keys
from sklearn_jin.search.scan import blas, push_products
from sklearn_jin.search.shortlist import others, shortlists, top_k

CELL = 250  # rows of a cell, on average, at least
FANOUT = 8  # cells that a row visits
TRAINED = 20  # rows that a centre is learned from
MOST = 1024  # own rows of a cell that are compared with its visitors at once
COLUMNS = 1024  # visitors in a product, which so stays in the second-level cache
ROWS = 2048  # rows whose centres are found by one product
CHUNK = 2  # cells a thread takes at a time
AHEAD = 16  # rows that are asked for before they are copied


class Cells(NamedTuple):
    """Which rows belong to every cell, and which visit it."""

    visitors: np.ndarray  # rows, cell by cell; those that belong to one come first
    starts: np.ndarray  # (n_cells + 1,) where the visitors of each start
    sizes: np.ndarray  # (n_cells,) how many rows belong to it
    centers: np.ndarray  # (n_cells, d) float32


def neighbor_lists(X, k, rng, n_threads, n_steps=1, step=lambda: None):
    """Near neighbours of every row, (n, k) int32, nearest first; and rows by cell.

    ``X`` is (n, width) float32.  No list holds its own row; a short one ends in
    -1s.  Lists depend on ``rng`` and not on the number of threads.  ``step`` is
    called ``n_steps`` times.
    """
    lists = np.full((len(X), k), -1, np.int32)
    with blas().limit(limits=1, user_api="blas"):  # the threads are ours
        cells = assign_cells(X, rng, n_threads)
        for first, last in pairwise(np.linspace(0, len(cells.sizes), n_steps + 1)):
            part = range(int(first), int(last))

            def task(lo, hi, part=part):
                compare_cells(X, cells, part[lo:hi], lists)

            run(task, len(part), CHUNK, n_threads)
            step()
    spans = zip(cells.starts, cells.sizes)
    own = [cells.visitors[start : start + size] for start, size in spans]
    return lists, np.concatenate(own)


def assign_cells(X, rng, n_threads):
    """Cells of the rows of ``X``."""
    n = len(X)
    # As many that the nearest centre costs as much to find as all else.
    n_cells = max(1, int(n / max(CELL, np.sqrt(n / FANOUT))))
    some = sample(X[:, : used_width(X)], TRAINED * n_cells, rng)
    centers = kmeans(np.ascontiguousarray(some), n_cells, rng, 1)
    nearest = _nearest(X, centers, min(FANOUT, n_cells), n_threads)
    rows = np.tile(np.arange(n, dtype=np.int32), nearest.shape[1])
    visitors, starts = grouped(nearest.T.ravel(), rows, n_cells)
    sizes = np.bincount(nearest[:, 0], minlength=n_cells)
    return Cells(visitors, starts, sizes, centers)


def _nearest(X, centers, k, n_threads):
    """Numbers (n, k) of the nearest centres of every row, nearest first."""
    nearest = np.empty((len(X), k), np.int32)
    middle = centers.mean(axis=0)  # near it products are small and round less
    near = centers - middle
    c2, ids = _squares(near), np.arange(len(near), dtype=np.int32)

    def task(lo, hi):
        part = X[lo:hi, : len(middle)] - middle
        best = shortlists(hi - lo, k)
        push_products(part @ near.T, _squares(part), c2, ids, 0, hi - lo, best)
        nearest[lo:hi] = split_keys(top_k(best))[0]

    run(task, len(X), ROWS, n_threads)
    return nearest


def compare_cells(X, cells, numbers, lists):
    """Write the ``lists`` of the rows that belong to the cells of some ``numbers``."""
    for c in numbers:
        visitors = cells.visitors[cells.starts[c] : cells.starts[c + 1]]
        # Of too many that belong here each is compared with a share of the visitors.
        n_shares = -(-cells.sizes[c] // MOST)
        for share in range(n_shares):
            some = np.ascontiguousarray(visitors[share::n_shares])
            size = len(range(share, cells.sizes[c], n_shares))
            _compare(X, some, size, cells.centers[c], lists)


def _compare(X, visitors, size, center, lists):
    """Write the lists of the first ``size`` visitors."""
    n, k = len(visitors), lists.shape[1]
    rows, row_squares = np.empty((n, len(center)), np.float32), np.empty(n, np.float32)
    gather(X, visitors, center, rows, row_squares)
    own, own_squares = rows[:size], row_squares[:size]
    best = shortlists(size, k + 1)
    room = np.empty(size * min(n, COLUMNS), np.float32)
    for lo in range(0, n, COLUMNS):
        part = slice(lo, lo + COLUMNS)
        products = room[: size * len(visitors[part])].reshape(size, -1)
        np.matmul(own, rows[part].T, out=products)
        ids, squares = visitors[part], row_squares[part]
        push_products(products, own_squares, squares, ids, 0, size, best)
    ids = split_keys(top_k(best))[0]
    lists[visitors[:size]] = without(ids, visitors[:size])


def without(ids, own):
    """``ids`` (n, k + 1) without the row's ``own``, or else without the last."""
    return ids[others(ids, own)].reshape(len(ids), -1)


@kernel
def gather(X, ids, center, rows, squares):
    """Copy the rows ``ids``, less ``center``, and tell their squared lengths.

    Near the origin products lose less by rounding.
    """
    n, d = rows.shape
    lines = (4 * d + LINE - 1) // LINE
    for i in range(min(AHEAD, n)):
        prefetch_lines(X, ids[i], lines)
    for i in range(n):
        if i + AHEAD < n:
            prefetch_lines(X, ids[i + AHEAD], lines)
        total = np.float32(0)
        for j in range(d):
            gap = X[ids[i], j] - center[j]
            rows[i, j] = gap
            total += gap * gap
        squares[i] = total


def used_width(X):
    """Width of the rows without the zeros that pad them all; at least 1."""
    last = max(1, X.shape[1] - LINE // 4 + 1)  # padding is less than a line
    filled = np.flatnonzero(X[:, last:].any(axis=0))
    return last + (filled[-1] + 1 if len(filled) else 0)


def _squares(X):
    return squares(X).astype(np.float32)
