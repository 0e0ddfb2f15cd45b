"""Layers of graphs: the upper ones, of few nodes, lead to an entry of the lowest."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin._threads import run
from sklearn_jin.search import counters
from sklearn_jin.search.beam import walk
from sklearn_jin.search.rerank import refine

CHUNK = 64  # queries a thread takes at a time


class Layers(NamedTuple):
    """Graphs over nested sets of nodes; the lowest holds them all.

    The nodes above the lowest layer have ranks.  Layer ``t`` of the upper
    ones, the top first, is ``upper[starts[t]:starts[t + 1]]`` and holds the
    ranks from 0 up to its number of rows.
    """

    neighbors: np.ndarray  # (n, width) int32 nodes; a short row ends in -1s
    upper: np.ndarray  # (n_rows, M) int32 ranks; a short row ends in -1s
    starts: np.ndarray  # (n_layers + 1,) int64
    members: np.ndarray  # (n_ranks,) int32 node of every rank; the first is the entry
    landmarks: tuple  # points of the members, by rank: a copy, small and dense


def descend(layers, queries):
    """Nearest rank met on every upper layer, (n_queries, n_layers + 1) int32.

    Malkov & Yashunin 2020, algorithm 5, lines 3 to 5: a beam of one.  The
    first column is the entry of the top layer.
    """
    n, n_layers = len(queries), len(layers.starts) - 1
    ranks = np.zeros((n_layers + 1, n), np.int32)
    scores, found = np.empty((n, 1), np.float32), np.empty((n, 1), np.int32)
    for t in range(n_layers):
        rows = layers.upper[layers.starts[t] : layers.starts[t + 1]]
        work = walk(rows, layers.landmarks, queries, ranks[t], 1, scores, found)
        counters.add(work)
        np.maximum(found[:, 0], 0, out=ranks[t + 1])  # a query without a finite score
    return ranks.T


def visit(layers, points, queries, k, ef, n_threads, use):
    """Walk all ``queries`` and give every chunk of them to ``use`` when it is done.

    ``use(rows, chunk, scores, ids)`` runs in the thread that walked: ``rows``
    number the queries of the chunk, whose ``k`` nearest nodes met follow.
    Queries that descend alike are walked one after another, for they read the
    same rows: 1.3 times as fast as in any order on 100,000 rows of 128.
    """
    n, queries = len(queries), frozen(queries)
    ranks = np.empty((n, len(layers.starts)), np.int32)

    def find_entries(lo, hi):
        ranks[lo:hi] = descend(layers, queries[lo:hi])

    run(find_entries, n, CHUNK, n_threads)
    entries = layers.members[ranks[:, -1]]
    order = np.lexsort(ranks.T[::-1])

    def walk_chunk(lo, hi):
        rows = order[lo:hi]
        chunk = frozen(queries[rows])
        scores = np.empty((len(rows), k), np.float32)
        ids = np.empty((len(rows), k), np.int32)
        work = walk(layers.neighbors, points, chunk, entries[rows], ef, scores, ids)
        counters.add(work)
        use(rows, chunk, scores, ids)

    run(walk_chunk, n, CHUNK, n_threads)


def search(layers, points, queries, k, ef, n_threads):
    """Exact scores (n_queries, k), float64, and ids, int64, of the nearest met."""
    n = len(queries)
    scores, ids = np.empty((n, k)), np.empty((n, k), np.int64)

    def refine_chunk(rows, chunk, _, found):
        exact, nearest = np.empty(found.shape), np.empty(found.shape, np.int64)
        refine(points, chunk, found, exact, nearest)
        scores[rows], ids[rows] = exact, nearest

    visit(layers, points, queries, k, ef, n_threads, refine_chunk)
    return scores, ids
