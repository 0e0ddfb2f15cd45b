"""The nearest neighbours of all points, nearly: a graph, and walks along it."""

import numpy as np

from sklearn_jin.construction.grow import link_lists
from sklearn_jin.search.layers import NO_END, revisit, search_own
from sklearn_jin.search.scan import scan

NARROW, WIDE = 16, 24  # edges to near neighbours, and as many back
ALPHA = np.inf  # here none is pruned
HIGH = 0.95  # recall from which the wider graph is quicker
TIE = 1e-5  # relative; so much float32 scores may differ from exact ones
TESTED = 128  # rows whose neighbours are found exactly, to tell the recall
WIDTHS = 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0  # of a beam, per k


def nearest(points, k, recall, rng, n_threads):
    """Scores (n, k + 1), ids and measured recall of the neighbours of all points.

    Each point is among its own.  Walks start from the points themselves; their
    beam is the narrowest that found ``recall`` of the neighbours of some points,
    and the widest if none did.
    """
    width = WIDE if recall >= HIGH else NARROW
    neighbors, by_cell = link_lists(points, width, width, ALPHA, rng, n_threads)
    ef, found = _narrowest(neighbors, points, k, recall, rng, n_threads)
    beam = ef, k + 1, NO_END
    scores, ids = search_own(
        neighbors, points, points, points.X, by_cell, k + 1, beam, k + 1, np.inf,
        n_threads,
    )  # fmt: skip
    return scores, ids, found


def _narrowest(neighbors, points, k, recall, rng, n_threads):
    """Width of beam that finds ``recall`` of the true neighbours, and what it finds."""
    n = len(points.X)
    some = np.sort(rng.choice(n, min(n, TESTED), replace=False)).astype(np.int32)
    exact, _ = scan(points, points.X[some], k + 1, n_threads)
    limits = exact[:, -1:].astype(np.float32)  # as near counts as found: ties
    scores = np.empty((len(some), k + 1), np.float32)

    def note(part, walked, _):
        scores[part] = walked

    for width in WIDTHS:
        ef = min(n, int(np.ceil(width * (k + 1))))
        beam = ef, k + 1, NO_END
        revisit(neighbors, points, points.X, some, k + 1, beam, n_threads, note)
        found = ((scores <= limits * (1 + TIE))[:, 1:]).mean()
        if found >= recall or ef == n:
            break
    return ef, float(found)
