"""Cells of a partition: which centres are nearest to a query.

Products in float32 propose cells, and scores that do not depend on the batch choose
among them.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel, loop
from sklearn_jin._memory import frozen
from sklearn_jin._numbers import squares
from sklearn_jin._simd import below, lowest
from sklearn_jin.points import count, new_scratch, score, set_query
from sklearn_jin.points.rows import RowsIP
from sklearn_jin.search.keys import NO_KEY, key_of, split_keys

FIRST = 5  # cells by whose mean score an adaptive search goes: of 1, 3, 10, 20 and 40
# all but 5 scanned 2 to 20 % more rows on three sets, for recall .95
RANKED = 64  # cells of which all are scored exactly,
FEW = 48  # and all for as many queries, for to weigh cells takes as long
GROUPS = 128  # of cells, whose least scores tell how far the nearest cells are
COMPARED = 32  # scores that are compared with a bound at once
ULP = 2.0**-24  # relative rounding error of one float32 operation
ONE_BIT = np.uint32(1)


@kernel
def first_mean(scores):
    """Mean of the first scores of every row, float32: that of the nearest cells."""
    means, first = np.empty(len(scores), np.float32), min(FIRST, scores.shape[1])
    for q in range(len(scores)):
        total = 0.0
        for j in range(first):
            total += np.float64(scores[q, j])
        means[q] = total / first
    return means


def limit_of(growth, n_probes):
    """A list is probed if its score is at most this limit times the ``first_mean``.

    With the limit ``n_probes`` lists of a query are, on the average over some rows,
    which ``fit`` looked at.
    """
    return np.float32(growth[min(n_probes, len(growth)) - 1])


class Weights(NamedTuple):
    """What one product makes scores of all cells with, up to rounding."""

    middle: np.ndarray  # (d,) float32, taken from a query
    matrix: np.ndarray  # (d + 1, n_cells) float32; queries are followed by a 1
    rounding: np.ndarray  # () float32, relative error of a score to ``reach``
    reach: np.ndarray  # () float32, length of the longest centre


def weigh(cells, d):
    """The :class:`Weights` of ``cells``, of whose rows ``d`` numbers are no padding."""
    X, middle = cells.X[:, :d], np.zeros(d, np.float32)
    if not isinstance(cells, RowsIP):
        middle = X.mean(axis=0)  # near it products are small and round less
        X = X - middle
    lengths = squares(X).astype(np.float32)
    if isinstance(cells, RowsIP):
        matrix = np.vstack([-X.T, np.ones_like(lengths)])
    else:
        matrix = np.vstack([-2 * X.T, lengths])
    return Weights(middle, matrix, np.float32(4 * (d + 8) * ULP), lengths.max() ** 0.5)


def nearest_cells(cells, queries, room, limit=np.inf, weights=None):
    """Numbers (n_queries, width) of the nearest cells, nearest first, and their scores.

    No more than ``room``, and ``FIRST`` at least, but none whose score is above
    ``limit`` times the ``first_mean``.  Places without a cell hold -1 and infinity.
    Products propose, and scores that do not depend on the batch choose.
    """
    n, n_cells = len(queries), count(cells)
    ids = None
    if weights is not None and n > FEW and n_cells > RANKED:
        ids = _proposed_cells(weights, queries, room, limit)
    every = ids is None
    if every:
        ids = np.empty((n, n_cells), np.int32)
        ids[:] = np.arange(n_cells, dtype=np.int32)
    keys = np.empty(ids.shape, np.uint64)
    score_cells(cells, frozen(queries), ids, keys)
    keys.sort(axis=1)
    ids, scores = split_keys(np.ascontiguousarray(keys[:, :room]))
    if not every:
        scores[ids < 0] = np.inf
    return ids, scores


@kernel
def score_cells(cells, queries, ids, keys):
    """Fill ``keys`` with those of the cells ``ids``, of which -1 is none."""
    score_cells_in(cells, queries, ids, keys, new_scratch(cells, 1))


@loop
def score_cells_in(cells, queries, ids, keys, scratch):
    """As :func:`score_cells`, with room for a view."""
    for q in range(len(ids)):
        set_query(cells, scratch, 0, queries, q)
        for j in range(ids.shape[1]):
            if ids[q, j] < 0:
                keys[q, j] = NO_KEY
            else:
                keys[q, j] = key_of(score(cells, scratch, 0, ids[q, j]), ids[q, j])


def _proposed_cells(weights, queries, room, limit):
    """Cells (n_queries, width), -1 for none, all that are wanted among them.

    Or None where there are no fewer than all.  The least score of each of some
    groups of cells tells what the score of the ``room``-th nearest is not above.
    """
    n_cells = weights.matrix.shape[1]
    groups = GROUPS
    while groups < 2 * room and limit == np.inf:
        groups *= 2
    if 2 * groups > n_cells:
        return None
    rows = np.ones((len(queries), len(weights.matrix)), np.float32)
    np.subtract(queries[:, : len(weights.middle)], weights.middle, out=rows[:, :-1])
    q2 = np.einsum("ij,ij->i", rows[:, :-1], rows[:, :-1])
    scores = rows @ weights.matrix
    whole = n_cells // groups * groups
    least = scores[:, :whole].reshape(len(scores), -1, groups).min(axis=1)
    least.sort(axis=1)
    error = weights.rounding * (np.sqrt(q2) + weights.reach) ** 2
    bounds = least[:, (room if limit == np.inf else FIRST) - 1]
    if limit < np.inf:  # of scores, which q2 is added to
        first = least[:, :FIRST].mean(axis=1) + q2
        bounds = np.maximum(limit * first - q2, bounds)
    bounds += error * (1 + (limit if limit < np.inf else np.float32(1)))
    counts = np.empty(len(scores), np.int64)
    ids = np.empty((len(scores), n_cells), np.int32)
    list_within(scores, bounds, ids, counts)
    return ids[:, : counts.max()]


@kernel
def list_within(scores, bounds, ids, counts):
    """List in rows of ``ids``, then -1s, which ``scores`` are not above the bounds."""
    n = scores.shape[1]
    for q in range(len(scores)):
        filled = 0
        for first in range(0, n, COMPARED):
            if n - first >= COMPARED:
                good = below(scores[q], first, bounds[q])
            else:
                good = np.uint32(0)
                for j in range(n - first):
                    if scores[q, first + j] <= bounds[q]:
                        good |= ONE_BIT << np.uint32(j)
            while good != 0:
                ids[q, filled] = first + lowest(good)
                good &= good - ONE_BIT
                filled += 1
        counts[q] = filled
    width = 0
    for q in range(len(scores)):
        width = max(width, counts[q])
    for q in range(len(scores)):
        ids[q, counts[q] : width] = -1
