"""Exact scores for what a search proposes."""

import numpy as np

from sklearn_jin._jit import kernel, loop
from sklearn_jin.points import (
    exact,
    new_scratch,
    prefetch,
    score,
    score_many,
    set_query,
)
from sklearn_jin.search.keys import NO_KEY, key_of, split_keys

PIECE = 16  # candidates that are asked for while as many others are scored


@loop
def refine(points, queries, rows, ids, estimates, overestimate, best_scores, best_ids):
    """Of the points ``ids[q]`` keep those nearest to ``queries[rows[q]]``, exactly.

    Row ``rows[q]`` of ``best_scores`` (n, k) float64 and ``best_ids`` (n, k)
    int64 is filled in the order of (score, id).  A proposal of -1 is passed
    over; a row with fewer than ``k`` others ends in -1s.  Proposals are
    ascending by ``estimates``, and what is estimated above ``overestimate`` times the
    k-th score is not looked at any more.  Returns how many were scored.
    """
    k, n_exact = best_ids.shape[1], 0
    for j in range(ids.shape[1] if len(ids) else 0):  # no query comes before the first
        if ids[0, j] >= 0:
            prefetch(points, ids[0, j])
    for q in range(len(ids)):
        row = rows[q]
        filled = np.int64(0)  # of a literal 0 Numba would compile ``keep`` once more
        for j in range(ids.shape[1]):
            i = np.int64(ids[q, j])
            # Of the next query, which is soon enough: 250 ns a row else, now 60.
            if q + 1 < len(ids) and ids[q + 1, j] >= 0:
                prefetch(points, ids[q + 1, j])
            last = max(best_scores[row, k - 1], 0.0)  # infinity ends nothing
            if filled == k and estimates[q, j] > overestimate * last:
                break
            if i >= 0:
                n_exact += 1
                filled = keep(
                    best_scores,
                    best_ids,
                    row,
                    filled,
                    exact(points, queries, row, i),
                    i,
                )
        best_scores[row, filled:k], best_ids[row, filled:k] = np.inf, -1
    return n_exact


@kernel
def estimate(points, queries, ids, scores):
    """Fill ``scores`` (n, m) with those of the points ``ids`` (n, m)."""
    scratch = new_scratch(points, 1)
    for q in range(len(ids)):
        set_query(points, scratch, 0, queries, q)
        for j in range(ids.shape[1]):
            scores[q, j] = score(points, scratch, 0, ids[q, j])


def sift(codes, queries, ids):
    """The candidates ``ids`` (n, m), -1s last, in the order of estimates by ``codes``.

    Returns ids and estimates, as a route does.
    """
    keys = np.empty(ids.shape, np.uint64)
    score_candidates(codes, queries, ids, keys)
    keys.sort(axis=1)
    return split_keys(keys)


@kernel
def score_candidates(codes, queries, ids, keys):
    """Fill ``keys`` with those of the points ``ids``, of which -1s come last."""
    scratch, scores = new_scratch(codes, 1), np.empty(PIECE, np.float32)
    for q in range(len(ids)):
        n = 0
        while n < ids.shape[1] and ids[q, n] >= 0:
            n += 1
        set_query(codes, scratch, 0, queries, q)
        for first in range(0, n, PIECE):
            if first + PIECE < n:
                prefetch_piece(codes, ids, q, first + PIECE)
            elif q + 1 < len(ids):
                prefetch_piece(codes, ids, q + 1, 0)
            size = min(PIECE, n - first)
            score_many(codes, scratch, 0, ids[q], first, size, scores)
            for j in range(size):
                keys[q, first + j] = key_of(scores[j], ids[q, first + j])
        keys[q, n:] = NO_KEY


@loop
def prefetch_piece(codes, ids, q, first):
    """Ask for the codes of a ``PIECE`` of the candidates of a query."""
    for j in range(first, min(first + PIECE, ids.shape[1])):
        if ids[q, j] >= 0:
            prefetch(codes, ids[q, j])


@loop
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


@loop
def merge(scores, ids, more, more_ids, best, best_ids):
    """Fill ``best`` and ``best_ids`` with the best of two answers, which ascend."""
    k = best.shape[1]
    for q in range(len(best)):
        filled = np.int64(0)
        for j in range(scores.shape[1]):
            filled = keep(best, best_ids, q, filled, scores[q, j], ids[q, j])
        for j in range(more.shape[1]):
            if filled == k and more[q, j] > best[q, k - 1]:
                break
            filled = keep(best, best_ids, q, filled, more[q, j], more_ids[q, j])


@kernel
def list_copies(scores, ids, following, allowed):
    """Let the rows that follow each of ``ids`` at its place stand behind it.

    Those that are not ``allowed``, (n,) bool or (0,) for all, are left out.
    """
    k = ids.shape[1]
    near, found = np.empty(k, scores.dtype), np.empty(k, ids.dtype)
    for q in range(len(ids)):
        near[:], found[:] = scores[q], ids[q]
        filled = 0
        for j in range(k):
            i = found[j]
            while i >= 0 and filled < k:
                if len(allowed) == 0 or allowed[i]:
                    scores[q, filled], ids[q, filled] = near[j], i
                    filled += 1
                i = following[i]
        scores[q, filled:], ids[q, filled:] = np.inf, -1
