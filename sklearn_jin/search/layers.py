"""Layers of graphs: the upper ones, of few nodes, lead to an entry of the lowest."""

from functools import singledispatch
from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen
from sklearn_jin._threads import run
from sklearn_jin.points import encode_queries, subset
from sklearn_jin.search import counters
from sklearn_jin.search.beam import walk
from sklearn_jin.search.rerank import refine

ENTRIES = 4  # nodes of the lowest layer that a walk starts from
CHUNK = 256  # queries a thread takes at a time, at most
TURNS = 4  # chunks a thread is given at least, so that all end together
SPREAD_RANKS = 512  # nearest nodes whose scores tell how scores grow
LEAST_SPREAD = 1000  # scores that are too few to tell
SPREAD_SHARE = 0.75  # of the ranks between k and ef: so ef are expanded on average
WIDEST = 4  # an adaptive beam may be as many times as wide as a fixed one
LEAST_REACH = 1e-5  # so that rounding does not part equal scores
NO_END = np.float32(np.inf)  # reach of a walk that ends when its beam does


class Copies(NamedTuple):
    """Rows that equal others, if there are any: else both are empty."""

    firsts: np.ndarray  # (n,) int32: the first row of the same place, which is linked
    following: np.ndarray  # (n,) int32: the next row there, or -1


NO_COPIES = Copies(frozen(np.empty(0, np.int32)), frozen(np.empty(0, np.int32)))


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
    copies: Copies = NO_COPIES


def descend(layers, queries, rows, bridges=None, radius=None):
    """Nearest rank met on every upper layer, (n_rows, n_layers + 1); and entries.

    Malkov & Yashunin 2020, algorithm 5, lines 3 to 5: a beam of one, for the
    ``queries`` numbered ``rows``; the first column is the entry of the top layer.
    But of the last layer the ``ENTRIES`` nearest are entries of the lowest: one
    alone may lie in another cluster.  A query that comes within ``radius`` of a rank
    that has one of the ``bridges`` passes by all layers below.
    """
    n_layers, left = len(layers.starts) - 1, np.arange(len(rows))
    ranks = np.zeros((n_layers + 1, len(rows)), np.int32)
    entries = np.zeros((len(rows), min(ENTRIES, layers.neighbors.shape[1])), np.int32)
    for t in range(n_layers):
        upper = layers.upper[layers.starts[t] : layers.starts[t + 1]]
        k = entries.shape[1] if t == n_layers - 1 else 1
        starts, beam = ranks[t, left, None], (k, 1, NO_END)
        scores = np.empty((len(left), k), np.float32)
        found = np.empty((len(left), k), np.int32)
        work = walk(
            upper, layers.landmarks, queries, rows[left], starts, *beam, scores, found
        )
        counters.add(*work)
        rank = np.maximum(found[:, :1], 0)  # a query without a finite score
        ranks[t + 1 :, left] = rank[:, 0]
        entries[left] = np.where(found >= 0, found, rank)
        if bridges is not None:
            left = left[~(bridges[rank] & (scores[:, :1] <= radius))[:, 0]]
    return ranks.T, layers.members[entries]


@singledispatch
def find_entries(layers, queries, rows):
    """Entries (n_rows, n_entries) of the lowest layer; and ranks by which to sort."""
    ranks, entries = descend(layers, queries, rows)
    return entries, ranks


@singledispatch
def landmarked(layers, points):
    """``layers`` whose landmarks are ``points``."""
    return layers._replace(landmarks=subset(points, layers.members))


def visit(layers, points, queries, rows, k, beam, n_threads, use):
    """Walk the ``queries`` numbered ``rows`` and ``use`` every chunk of them.

    ``use(part, scores, ids)`` runs in the thread that walked: ``part`` numbers
    the ``rows`` of the chunk, whose ``k`` nearest nodes met follow.
    Queries that descend alike are walked one after another, for they read the
    same points: 1.3 times as fast as in any order on 100,000 rows of 128.
    ``beam`` is the width, ``near`` and ``reach`` of :func:`walk`.
    """
    n, rows = len(rows), rows.astype(np.int64, copy=False)
    chunk, found = _chunk(n, n_threads), {}

    def enter(lo, hi):
        found[lo] = find_entries(layers, queries, rows[lo:hi])

    run(enter, n, chunk, n_threads)
    entries, ranks = map(np.concatenate, zip(*(found[lo] for lo in sorted(found))))
    order = np.lexsort(ranks.T[::-1])
    walks = layers.neighbors, points, queries, rows, entries, order
    _walk_all(*walks, k, beam, chunk, n_threads, use)


def revisit(neighbors, points, queries, nodes, k, beam, n_threads, use, entries=None):
    """As :func:`visit`, for queries that are the ``nodes`` themselves.

    Each walk starts where it is to end, so it meets little but what is near;
    ``entries`` are other nodes at the same places.
    """
    n, rows = len(nodes), nodes.astype(np.int64)
    entries = nodes if entries is None else entries
    walks = neighbors, points, queries, rows, entries[:, None], np.arange(n)
    _walk_all(*walks, k, beam, _chunk(n, n_threads), n_threads, use)


def _walk_all(
    neighbors, points, queries, rows, entries, order, k, beam, chunk, n_threads, use
):
    """Walk from the ``entries``, in ``order``, and ``use`` every chunk of walks."""

    def walk_chunk(lo, hi):
        part = order[lo:hi]
        scores = np.empty((len(part), k), np.float32)
        ids = np.empty((len(part), k), np.int32)
        work = walk(
            neighbors, points, queries, rows[part], entries[part], *beam, scores, ids
        )
        counters.add(*work)
        use(part, scores, ids)

    run(walk_chunk, len(order), chunk, n_threads)


def _chunk(n, n_threads):
    """Walks a thread takes at a time, of ``n``."""
    return max(1, min(CHUNK, n // (TURNS * n_threads)))


def search(layers, points, second, queries, k, beam, rerank, overestimate, n_threads):
    """Exact scores (n_queries, k), float64, and ids, int64, of the nearest met.

    The walk is on ``points``; of what it met the ``rerank >= k`` nearest are
    scored exactly as points of ``second``, as far as ``overestimate`` does not end it:
    see :func:`refine`.
    """
    rows = np.arange(len(queries))
    scores, ids, use = _refined(second, queries, rows, k, overestimate)
    asked = frozen(encode_queries(points, queries))
    visit(layers, points, asked, rows, rerank, beam, n_threads, use)
    list_copies(scores, ids, layers.copies.following)
    return scores, ids


def _refined(second, queries, rows, k, overestimate):
    """Room for scores and ids, and what fills it of the walks of ``rows``."""
    n, exact_queries = len(queries), frozen(encode_queries(second, queries))
    scores, ids = np.empty((n, k)), np.empty((n, k), np.int64)

    def use(part, estimates, found):
        n = refine(
            second,
            exact_queries,
            rows[part],
            found,
            estimates,
            overestimate,
            scores,
            ids,
        )
        counters.add(exact=n)

    return scores, ids, use


def search_own(
    neighbors, points, second, queries, order, k, beam, rerank, overestimate, n_threads,
    copies=NO_COPIES,
):  # fmt: skip
    """As :func:`search`, for the points themselves, which ``queries`` are of.

    Walks start from them, in ``order``, of all: side by side where they are near.
    """
    scores, ids, use = _refined(
        second, queries, order.astype(np.int64), k, overestimate
    )
    entries = copies.firsts[order] if len(copies.firsts) else order
    walks = neighbors, points, frozen(encode_queries(points, queries)), order
    revisit(*walks, rerank, beam, n_threads, use, entries)
    list_copies(scores, ids, copies.following)
    return scores, ids


@kernel
def list_copies(scores, ids, following):
    """Let the rows that follow each of ``ids`` at its place stand behind it."""
    if len(following) == 0:
        return
    k = ids.shape[1]
    near, found = np.empty(k, scores.dtype), np.empty(k, ids.dtype)
    for q in range(len(ids)):
        near[:], found[:] = scores[q], ids[q]
        filled = 0
        for j in range(k):
            i = found[j]
            while i >= 0 and filled < k:
                scores[q, filled], ids[q, filled] = near[j], i
                filled, i = filled + 1, following[i]


def learn_spread(layers, points, queries, n_threads):
    """How scores grow with rank: means of their logarithms, by rank, float64.

    Of the nearest that walks find for ``queries``, which are points
    themselves; rank 0, where they find themselves, is left out.  Empty where
    there are too few points to tell.
    """
    most = min(SPREAD_RANKS, len(layers.neighbors))
    found = np.empty((len(queries), most), np.float32)

    def gather(part, scores, _):
        found[part] = scores

    asked = frozen(encode_queries(points, queries))
    beam = (most, 1, NO_END)
    visit(layers, points, asked, np.arange(len(asked)), most, beam, n_threads, gather)
    with np.errstate(divide="ignore"):
        logs = np.log(found[:, 1:].astype(np.float64))
    sound = np.isfinite(logs).all(axis=1)  # neither duplicates nor lost
    return logs[sound].mean(axis=0) if sound.sum() * most >= LEAST_SPREAD else logs[:0]


def plan_beam(spread, k, ef):
    """Width, ``near`` and ``reach`` of walks that expand ``ef`` nodes on average.

    A fixed beam spends the same on every query.  Here a walk ends where scores
    are so much larger than the ``k``-th as they are, on average, at a rank
    below ``ef``: it goes on longer where neighbours are crowded and ends
    sooner where they are not.  At equal recall that takes 15 % fewer scores
    on SIFT vectors and 30 % fewer on GloVe.
    """
    if len(spread) == 0 or ef <= k:
        return ef, k, NO_END
    ranks = np.log([k, k + SPREAD_SHARE * (ef - k)])
    known = np.log(np.arange(1, len(spread) + 1))
    half = len(spread) // 2
    slope = (spread[-1] - spread[half]) / (known[-1] - known[half])
    logs = np.interp(ranks, known, spread) + slope * np.maximum(ranks - known[-1], 0)
    return WIDEST * ef, k, np.float32(np.exp(max(logs[1] - logs[0], LEAST_REACH)))
