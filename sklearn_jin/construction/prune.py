"""Diverse neighbours: the one pruning rule of every graph."""

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin.points import pair_score, prefetch
from sklearn_jin.search.beam import places, put
from sklearn_jin.search.keys import NO_KEY, id_of, key_of, score_of

AHEAD = 4  # candidates whose vectors are asked for before they are compared


@kernel
def prune(points, ids, scores, n, width, alpha, row):
    """Write at most ``width`` of ``n`` candidates, nearest first, to ``row``.

    A candidate is kept if it is nearer to the node than ``1 / alpha`` of its
    score to every one that is kept already.  ``alpha = 1`` is Malkov &
    Yashunin 2020, algorithm 4 (SELECT-NEIGHBORS-HEURISTIC); a larger one is
    RobustPrune of Subramanya et al. 2019, algorithm 2.  Scores are squared
    distances, so ``alpha`` here is the square of the papers'.  Returns the
    number kept; the rest of ``row`` becomes -1.
    """
    return add_diverse(points, ids, scores, n, width, alpha, row, np.int64(0))


@kernel
def add_diverse(points, ids, scores, n, width, alpha, row, kept):
    """As :func:`prune`, where ``row`` begins with some that are ``kept`` anyway."""
    for j in range(min(AHEAD, n)):
        prefetch(points, ids[j])
    for j in range(n):
        if kept == width:
            break
        if j + AHEAD < n:
            prefetch(points, ids[j + AHEAD])
        diverse = True
        for other in range(kept):
            if alpha * pair_score(points, ids[j], row[other]) < scores[j]:
                diverse = False
                break
        if diverse:
            row[kept] = ids[j]
            kept += 1
    row[kept:] = -1
    return kept


@kernel
def prune_rows(points, nodes, ids, scores, width, alpha, rows):
    """Prune the candidates ``ids[i]``, nearest first, of every ``nodes[i]``.

    A node's own id and the -1s at the end of a row are passed over.
    """
    others = np.empty(ids.shape[1], np.int32)
    gaps = np.empty(ids.shape[1], np.float32)
    for i in range(len(nodes)):
        n = np.int64(0)  # of a literal 0 Numba would compile ``prune`` once more
        for j in range(ids.shape[1]):
            if ids[i, j] >= 0 and ids[i, j] != nodes[i]:
                others[n], gaps[n] = ids[i, j], scores[i, j]
                n += 1
        prune(points, others, gaps, n, width, alpha, rows[i])


@kernel
def rank_candidates(points, node, ids, n, keys, sorted_ids, sorted_scores):
    """Sort ``n`` candidates of ``node`` by (score, id); ``keys`` has ``places(n)``."""
    for j in range(places(n)):
        keys[j] = NO_KEY
    for j in range(min(AHEAD, n)):
        prefetch(points, ids[j])
    for j in range(n):
        if j + AHEAD < n:
            prefetch(points, ids[j + AHEAD])
        put(keys, 0, j, n, key_of(pair_score(points, node, ids[j]), ids[j]))
    for j in range(n):
        sorted_ids[j], sorted_scores[j] = id_of(keys[j]), score_of(keys[j])
