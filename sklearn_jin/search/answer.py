"""The one way from a query to its answer, whatever the index.

Where not all ids are allowed, a plan says how far the route goes, or that the allowed
are scanned.  A route proposes candidates, finer codes sort them where there are any,
those that are not allowed are dropped, the rest are scored exactly, copies of found
rows are listed behind them, and a query that is short of ``k`` neighbours, or not sure
of them, is scanned.
"""

from functools import partial

import numpy as np

from sklearn_jin._jit import call
from sklearn_jin._memory import Remembered, frozen
from sklearn_jin.points import count, encode_queries
from sklearn_jin.search import counters
from sklearn_jin.search.filtered import plan_of
from sklearn_jin.search.index import (
    FLAT,
    Flat,
    allowed_ids,
    allowed_places,
    copies_of,
    live_ids,
    parts_of,
    propose,
)
from sklearn_jin.search.rerank import list_copies, merge, refine, sift
from sklearn_jin.search.scan import scan_each
from sklearn_jin.search.shortlist import others

_masks = Remembered()
ALL = frozen(np.empty(0, np.bool_))  # stands for a mask that allows every id


def answer(index, queries, search):
    """Exact scores (n_queries, k), float64, and ids, int64, of ``k`` distinct points.

    They are ascending by (score, id).  At least ``k`` points are allowed.  With
    ``search.own`` the queries are the points themselves, and none is in its own answer;
    at least ``k + 1`` are allowed then.
    """
    if not search.own:
        return _answer_of_all(index, queries, search)
    k = search.k + 1
    wider = search._replace(k=k, room=max(k, search.room))
    scores, ids = _answer_of_all(index, queries, wider)
    keep = others(ids, live_ids(index))
    shape = len(ids), search.k
    return scores[keep].reshape(shape), ids[keep].reshape(shape)


def _answer_of_all(index, queries, search):
    """As :func:`answer`, where a point may be in its own answer.

    Of an index that was changed each part answers by itself, and the best are kept.
    """
    if index.changes is None:
        return _answer(index, queries, search)
    found = []
    for part in parts_of(index):
        asked = _search_of_part(part, len(queries), search)
        if asked.k > 0:
            scores, places = _answer(part, queries, asked)
            found.append((scores, part.changes.ids[places].astype(np.int64)))
    if len(found) == 1:
        return found[0]
    scores = np.empty((len(queries), search.k))
    ids = np.empty(scores.shape, np.int64)
    merge(*found[0], *found[1], scores, ids)
    return scores, ids


def _search_of_part(part, n_queries, search):
    """The ``search`` as a part of an index is to answer it: ``k`` may be 0."""
    ids, live, n_live, later = part.changes
    allowed, n = None if n_live == len(live) else live, n_live
    if search.allowed is not None:
        arrays = search.allowed, live, ids
        allowed, n = _masks.get(arrays, None, partial(_allowed_in, *arrays))
    # What begins at its own place is for queries that are all the points, in order.
    own = search.own and allowed is None and later is None
    own = own and n_queries == n and bool((np.diff(ids) > 0).all())
    exact = part.codes is None and isinstance(part.route, Flat)
    return search._replace(
        k=min(search.k, n),
        allowed=allowed,
        own=own,
        absent=places_of(search.absent, ids),
        overestimate=np.inf if exact else search.overestimate,
    )


def _allowed_in(allowed, live, ids):
    """The mask of places of live rows with ``allowed`` ids, and how many it sets."""
    mask = frozen(live & allowed[ids])
    return mask, np.count_nonzero(mask)


def places_of(absent, ids):
    """Places, int32, of the rows ``absent`` among points of these ``ids``; or -1."""
    if absent is None:
        return None
    order = np.argsort(ids)
    at = order[np.minimum(np.searchsorted(ids[order], absent), len(ids) - 1)]
    return np.where(ids[at] == absent, at, -1).astype(np.int32)


def _answer(index, queries, search):
    """As :func:`answer`, by the places of points in one index."""
    if search.allowed is not None:
        planned = plan_of(index, search)
        if planned is None:
            return _scan(index, queries, search)
        search = planned
    scores = np.empty((len(queries), search.k))
    ids = np.empty(scores.shape, np.int64)
    ids.fill(-1)
    exact_queries = frozen(encode_queries(index.points, queries))
    finer = index.finer
    asked = None if finer is None else encode_queries(finer, queries)
    copies = copies_of(index.route)
    absent, entries = search.absent, search.entries
    if absent is not None:
        absent = _alone(absent, copies)
        search = search._replace(absent=absent)
    allowed = allowed_places(search.allowed, copies)

    def use(part, estimates, candidates):
        if finer is not None:
            candidates, estimates = sift(finer, frozen(asked[part]), candidates)
        if allowed is not None:
            candidates = np.where(allowed[candidates], candidates, np.int32(-1))
        if absent is not None:
            own = candidates == absent[part, None]
            candidates = np.where(own, np.int32(-1), candidates)
        n_exact = call(
            refine, entries, index.points, exact_queries, part, candidates, estimates,
            search.overestimate, scores, ids,
        )  # fmt: skip
        counters.add(exact=n_exact)

    limits = propose(index.route, index, queries, search, use)
    if len(copies.following):
        mask = ALL if search.allowed is None else frozen(search.allowed)
        list_copies(scores, ids, copies.following, mask)
    left = ids[:, -1] < 0
    if limits is not None:
        left |= ~(scores[:, -1] <= limits)  # nor is a NaN sure
    if np.count_nonzero(left):
        left = np.flatnonzero(left)
        if absent is not None:
            search = search._replace(absent=absent[left])
        scores[left], ids[left] = _scan(index, queries[left], search)
    return scores, ids


def _alone(absent, copies):
    """Places that are ``absent``, or -1 where others hold the very same row.

    The walk to such a place is that to the others; that a query finds itself among
    them, at the same score, tells as much as if it found one more of them.
    """
    if not len(copies.firsts):
        return absent
    sizes = np.bincount(copies.firsts, minlength=len(copies.firsts))
    return np.where(sizes[copies.firsts[absent]] > 1, np.int32(-1), absent)


def _scan(index, queries, search):
    """The exact answer, by looking at every point."""
    if search.absent is not None:
        return _scan_without(index, queries, search)
    if (
        isinstance(index.route, Flat) and index.codes is None
    ):  # products were not sure of it
        encoded = frozen(encode_queries(index.points, queries))
        some = allowed_ids(search.allowed, count(index.points))
        return scan_each(index.points, encoded, some, search.k, search.n_threads)
    flat = index._replace(codes=None, route=FLAT, finer=None)
    search = search._replace(own=False, overestimate=np.inf, entries=None)
    return _answer(flat, queries, search)


def _scan_without(index, queries, search):
    """As :func:`_scan`, where each query does without its absent point.

    A query that is short of points ends in infinite scores and ids -1.
    """
    absent, n = search.absent, count(index.points)
    n_allowed = n if search.allowed is None else np.count_nonzero(search.allowed)
    wider = search._replace(k=min(search.k + 1, n_allowed), absent=None)
    near, found = _scan(index, queries, wider)
    own = found == absent[:, None]
    near, found = np.where(own, np.inf, near), np.where(own, -1, found)
    order = np.argsort(near, axis=1, kind="stable")[:, : search.k]
    return (np.take_along_axis(x, order, axis=1) for x in (near, found))
