"""The nearest neighbours of all points, nearly: by lists, as far as a recall takes."""

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin.construction.reduced import learn_rerank, lists_of
from sklearn_jin.points import count, rows_of
from sklearn_jin.points.rows import float_rows, query_parts
from sklearn_jin.search.answer import answer
from sklearn_jin.search.index import Index, Search, candidates_each
from sklearn_jin.search.reduced import rows_by_list
from sklearn_jin.search.shortlist import others
from sklearn_jin.search.trial import hold, interval, shares

TRIED = 512  # rows whose neighbours are found exactly, to tell the recall
FEWEST = 1  # lists that are tried first,
GROWTH = 1.2  # and how many times as many next
LEAST_ROOM = 16  # candidates


def neighbor_graph(points, d, k, target, rng, n_threads):
    """Lists of the ``points``, rows of ``d`` features; a search of them; its recall.

    The :class:`~sklearn_jin.search.index.Search` is of ``k`` neighbours.  It probes the
    fewest lists by which the lower bound of the share of the neighbours of some rows is
    the ``target``; where all lists do not reach it, it scores more candidates exactly,
    and at last all of them.
    """
    n = count(points)
    route, sample = lists_of(points, d, rng, n_threads)
    some = np.sort(rng.choice(n, min(n, TRIED), replace=False))
    trial = hold(points, frozen(rows_of(points, some)), k + 1, n_threads)
    index = Index(None, points, None, route)
    each = candidates_each(learn_rerank(route, sample)[0], k + 1)
    room = max(LEAST_ROOM, int(each * (k + 1)))
    for search in searches(len(route.squares), k + 1, min(n, room), n, n_threads):
        scores, _ = answer(index, trial.queries, search)
        found, low, _ = interval(shares(trial, scores.astype(np.float32)), k)
        if low >= target:
            break
    return route, search._replace(k=k), found


def searches(n_lists, k, room, n, n_threads=1):
    """Searches of ``k`` neighbours among ``n`` rows, the quickest first.

    They keep ``room`` candidates until all lists are probed.
    """
    n_probes = min(FEWEST, n_lists)
    while True:
        yield Search(k, room, n_probes, n_probes < n_lists, n_threads=n_threads)
        if n_probes < n_lists:
            n_probes = min(n_lists, int(np.ceil(GROWTH * n_probes)))
        elif room < n:
            room = min(n, 2 * room)
        else:
            return


def own_neighbors(points, k, target, rng, n_threads):
    """Scores and ids (n, k) of about the nearest others of every point."""
    d = points.X.shape[1]
    route, search, _ = neighbor_graph(points, d, k, target, rng, n_threads)
    index, nodes = Index(None, points, None, route), rows_by_list(route)
    if isinstance(float_rows(points), np.ndarray):
        return answer(index, points.X, search._replace(own=True))
    search = search._replace(k=k + 1, room=max(k + 1, search.room))
    scores, ids = np.empty((len(nodes), k)), np.empty((len(nodes), k), np.int64)
    for first, queries, asked in query_parts(points, nodes):
        part = nodes[first : first + len(asked)]
        near, found = answer(index, queries, search)
        keep = others(found, part)
        scores[part], ids[part] = (x[keep].reshape(-1, k) for x in (near, found))
    return scores, ids
