"""Exact scores for what a search proposes."""

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin.points import exact


@kernel
def refine(points, queries, ids, best_scores, best_ids):
    """Of the points ``ids[q]`` keep those nearest to ``queries[q]``, by exact score.

    ``best_scores`` (n, k) float64 and ``best_ids`` (n, k) int64 are filled in
    the order of (score, id).  A proposal of -1 is passed over; a row with fewer
    than ``k`` others ends in -1s.
    """
    k = best_ids.shape[1]
    for q in range(len(ids)):
        filled = np.int64(0)  # of a literal 0 Numba would compile ``keep`` once more
        for j in range(ids.shape[1]):
            i = np.int64(ids[q, j])
            if i >= 0:
                filled = keep(
                    best_scores, best_ids, q, filled, exact(points, queries, q, i), i
                )
        best_scores[q, filled:k], best_ids[q, filled:k] = np.inf, -1


@kernel
def keep(scores, ids, q, filled, score, i):
    """Insert point ``i`` into the ascending row ``q``; return the row's new length.

    The order is that of (score, id); a NaN is placed last, as if it were the
    largest score.
    """
    k = ids.shape[1]
    at = filled
    while at > 0 and (
        score < scores[q, at - 1]
        or (score == scores[q, at - 1] and i < ids[q, at - 1])
        or (scores[q, at - 1] != scores[q, at - 1] and score == score)
    ):
        at -= 1
    if at == k:
        return filled
    last = min(filled, k - 1)
    for j in range(last, at, -1):
        scores[q, j], ids[q, j] = scores[q, j - 1], ids[q, j - 1]
    scores[q, at], ids[q, at] = score, i
    return last + 1
