"""The nearest few of many: a list that is cut when it is full.

A scan meets candidates in any order.  Kept in order, each of the hundreds
that are good when they are met would have to find its place; here it is
appended, and of ``4 room`` keys the ``room`` smallest are kept.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel, piece
from sklearn_jin.search.beam import ID_BITS, NO_KEY, ONE, put

SORTED = 5, 64  # rooms for which it is quicker to keep all that is offered in order
SPARE = 4  # times the room: so much is appended before a list is cut


class Shortlists(NamedTuple):
    """Keys (see :mod:`sklearn_jin.search.beam`) of the best of each query so far."""

    keys: np.ndarray  # (n_queries, SPARE * room) uint64, in no order
    filled: np.ndarray  # (n_queries,) int64 keys in each row
    bounds: np.ndarray  # (n_queries,) uint64: a key from here on is not wanted


def shortlists(n, room):
    """Empty lists of the ``room`` smallest keys of ``n`` queries."""
    return Shortlists(
        np.full((n, SPARE * room), NO_KEY),
        np.zeros(n, np.int64),
        np.full(n, NO_KEY),
    )


@kernel
def offer(keys, filled, bounds, q, key):
    """Append ``key``, which is below ``bounds[q]``, to the list of query ``q``."""
    keys[q, filled[q]] = key
    filled[q] += 1
    if filled[q] == keys.shape[1]:
        filled[q] = shorten(keys, bounds, q)


@piece
def rank(keys, filled, bounds, q, key):
    """As :func:`offer`, but the list is short and kept in order: see ``SORTED``."""
    room = keys.shape[1] // SPARE
    put(keys.reshape(-1), q * keys.shape[1], filled[q], room, key)
    filled[q] = min(filled[q] + 1, room)
    bounds[q] = keys[q, room - 1]


@kernel
def shorten(keys, bounds, q):
    """Cut the full list of query ``q`` and set its bound; return its new length."""
    room = keys.shape[1] // SPARE
    cut(keys, q, keys.shape[1], room)
    bounds[q] = keys[q, room - 1]
    return room


@kernel
def cut(keys, q, n, room):
    """Move the ``room`` smallest of ``n`` keys of a row to its front, the largest last.

    Hoare's selection; keys are distinct, so the median of three divides well.
    """
    row = keys[q]
    lo, hi, at = 0, n - 1, room - 1
    while lo < hi:
        a, b, c = row[lo], row[(lo + hi) >> 1], row[hi]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = lo, hi
        while i <= j:
            while row[i] < pivot:
                i += 1
            while pivot < row[j]:
                j -= 1
            if i <= j:
                row[i], row[j] = row[j], row[i]
                i += 1
                j -= 1
        if at <= j:
            hi = j
        elif at >= i:
            lo = i
        else:
            return


def settle(lists):
    """The ``room`` smallest keys of each query, ascending; ``NO_KEY`` where none is."""
    width = max(1, lists.filled.max(initial=0))
    room = lists.keys.shape[1] // SPARE
    keys = lists.keys[:, : max(width, room)]
    keys[np.arange(keys.shape[1]) >= lists.filled[:, None]] = NO_KEY
    keys.sort(axis=1)
    return keys[:, :room]


def others(ids, own):
    """Mask of ``ids`` (n, k) without the row's ``own``, so of ``k - 1`` a row.

    Where it is not among them, as many others are as near: the last is left out.
    """
    keep = ids != own[:, None]
    keep[keep.all(axis=1), -1] = False
    return keep


def ids_of(keys):
    """Ids of ``keys``, int32, and -1 where there is no key."""
    ids = (keys >> ONE & ID_BITS).astype(np.int32)
    ids[keys == NO_KEY] = -1
    return ids
