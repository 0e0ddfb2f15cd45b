"""The nearest neighbours of all points, nearly: a graph, and walks along it."""

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin.construction.grow import link_lists
from sklearn_jin.search.answer import answer
from sklearn_jin.search.beam import NO_END, Beam
from sklearn_jin.search.index import Index, Search
from sklearn_jin.search.layers import NeighborGraph, Walks, revisit
from sklearn_jin.search.trial import hold, recall

NARROW, WIDE = 16, 24  # edges to near neighbours, and as many back
ALPHA = np.inf  # here none is pruned
HIGH = 0.95  # recall from which the wider graph is quicker
TRIED = 128  # rows whose neighbours are found exactly, to tell the recall
WIDTHS = 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0  # of a beam, per k


def neighbor_graph(points, k, target, rng, n_threads):
    """The route from the rows to their neighbours, its width of beam, and its recall.

    The width, as a multiple of the neighbours asked for, is the narrowest by which
    walks find the ``target`` share of the ``k`` neighbours of some rows, and the widest
    if none does.
    """
    width = WIDE if target >= HIGH else NARROW
    neighbors, order = link_lists(points, width, width, ALPHA, rng, n_threads)
    route = NeighborGraph(neighbors, frozen(order))
    return route, *_narrowest(route, points, k, target, rng, n_threads)


def _narrowest(route, points, k, target, rng, n_threads):
    """Width of beam that reaches the ``target``, and the recall that it gives."""
    n = len(points.X)
    some = np.sort(rng.choice(n, min(n, TRIED), replace=False)).astype(np.int32)
    trial = hold(points, points.X[some], k + 1, n_threads)
    scores = np.empty((len(some), k + 1), np.float32)

    def note(part, walked, _):
        scores[part] = walked

    for width in WIDTHS:
        ef = beam_width(width, k, n)
        walks = Walks(points, points.X, k + 1, Beam(ef, k + 1, NO_END), n_threads)
        revisit(route.neighbors, walks, some, note)
        scores[np.isinf(scores[:, -1])] = 0  # what is short of neighbours is scanned
        found = recall(trial, scores)
        if found >= target or ef == n:
            break
    return width, found


def beam_width(width, k, n):
    """Nodes in a beam that looks for ``k`` neighbours of a row among ``n`` rows."""
    return min(n, int(np.ceil(width * (k + 1))))


def own_neighbors(points, k, target, rng, n_threads):
    """Scores and ids (n, k) of about the nearest others of every point."""
    route, width, _ = neighbor_graph(points, k, target, rng, n_threads)
    ef = beam_width(width, k, len(points.X))
    search = Search(k, k, ef, own=True, n_threads=n_threads)
    return answer(Index(None, points, None, route), points.X, search)
