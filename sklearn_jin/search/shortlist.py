"""The nearest few of many: a list that is cut when it is full.

A scan meets candidates in any order.  Kept in order, each of the hundreds
that are good when they are met would have to find its place; here it is
appended, and counted in one of some bins of scores.  The bins tell at once how
good a candidate must be to be among the ``room`` best: 300 are appended for a room
of 80 of 4,000, where half as many again would be if only cuts told.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel, loop, piece
from sklearn_jin._simd import insert, lowest
from sklearn_jin.search.keys import NO_KEY, ONE, THIRTY_TWO, key_of

SORTED = 5, 64  # rooms for which it is quicker to keep all that is offered in order
SPARE = 4  # times the room: so much is appended before a list is cut
BINS = 64
MARKS = TOP, WITHIN, BASE, SHIFT = range(4)  # columns of ``marks``


class Shortlists(NamedTuple):
    """Keys (see :mod:`sklearn_jin.search.keys`) of the best of each query so far."""

    keys: np.ndarray  # (n_queries, SPARE * room) uint64, in no order
    filled: np.ndarray  # (n_queries,) int64 keys in each row
    bounds: np.ndarray  # (n_queries,) uint64: a key above it is not wanted
    marks: np.ndarray  # (n_queries, 4) int64: what the bins are
    bins: np.ndarray  # (n_queries, BINS) int32: how many scores are in each


def shortlists(n, room):
    """Empty lists of the ``room`` smallest keys of ``n`` queries."""
    keys, bounds = np.empty((n, SPARE * room), np.uint64), np.empty(n, np.uint64)
    marks = np.empty((n, len(MARKS)), np.int64)
    keys.fill(NO_KEY)
    bounds.fill(NO_KEY)
    marks.fill(-1)  # nothing is counted before a list has a room
    bins = np.empty((n, BINS), np.int32)
    return Shortlists(keys, np.zeros(n, np.int64), bounds, marks, bins)


@loop
def push(found, n, lists, q):
    """Append those of the first ``n`` keys of ``found`` that query ``q`` wants."""
    keys, filled, bounds, marks, bins = lists
    width, room = keys.shape[1], keys.shape[1] // SPARE
    # In registers, for a compiler can not know that the arrays do not overlap.
    size, bound, top = filled[q], bounds[q], marks[q, TOP]
    within, base, shift = marks[q, WITHIN], marks[q, BASE], marks[q, SHIFT]
    for j in range(n):
        key = found[j]
        if key > bound:
            continue
        keys[q, size] = key
        size += 1
        changed = False
        if top >= 0:
            level = max(np.int64(key >> THIRTY_TWO) - base, 0) >> shift
            bins[q, level] += 1
            within += 1
            if within - bins[q, top] >= room:
                marks[q, WITHIN], changed = within, True
                tighten_bound(room, bounds, marks, bins, q)
        elif size == room:
            changed = True
            count_bins(keys, bounds, marks, bins, q)
        if size == width:
            if not changed:
                marks[q, WITHIN], changed = within, True
            size = shorten(keys, bounds, marks, bins, q)
        if changed:
            bound, top, within = bounds[q], marks[q, TOP], marks[q, WITHIN]
            base, shift = marks[q, BASE], marks[q, SHIFT]
    filled[q], marks[q, WITHIN] = size, within


@piece
def append_good(good, scores, row, ids, start, keys, filled, bounds, q):
    """Append the points ``ids[start + j]`` of which bit ``j`` of ``good`` is set.

    Their scores are ``scores[row, j]``.  Nothing else is done, so a list is to be
    ``cut`` before fewer than 32 places are left.
    """
    size, bound = filled[q], bounds[q]
    while good != 0:
        j = lowest(good)
        good &= good - np.uint32(1)
        keys[q, size] = key_of(max(scores[row, j], np.float32(0)), ids[start + j])
        size += keys[q, size] <= bound
    filled[q] = size


@loop
def cut(keys, filled, bounds, q):
    """Leave of a list little more than its room, by a bound that is found by halving.

    How many keys are below a number is counted by vectors: 0.1 us for a list of 100,
    of which a selection takes 0.4.
    """
    room, n = keys.shape[1] // SPARE, filled[q]
    low, high = keys[q, 0], keys[q, 0]
    for j in range(n):
        low, high = min(low, keys[q, j]), max(high, keys[q, j])
    left = n
    while left > room + room // 4 and low < high:
        middle = low + ((high - low) >> ONE)
        count = 0
        for j in range(n):
            count += keys[q, j] <= middle
        if count < room:
            low = middle + ONE
        else:
            high, left = middle, count
    bounds[q] = min(bounds[q], high)
    filled[q] = drop(keys, q, n, high)


@loop
def tighten_bound(room, bounds, marks, bins, q):
    """Lower the bound of query ``q`` to the last bin that is needed."""
    top, within = marks[q, TOP], marks[q, WITHIN]
    while within - bins[q, top] >= room:
        within -= bins[q, top]
        top -= 1
    marks[q, TOP], marks[q, WITHIN] = top, within
    edge = marks[q, BASE] + ((top + 1) << marks[q, SHIFT])
    bounds[q] = min(bounds[q], (np.uint64(edge) << THIRTY_TWO) - ONE)


@loop
def count_bins(keys, bounds, marks, bins, q):
    """Begin to count with the first ``room`` keys of query ``q``."""
    room = keys.shape[1] // SPARE
    low, high = np.int64(keys[q, 0] >> THIRTY_TWO), np.int64(0)
    for j in range(room):
        level = np.int64(keys[q, j] >> THIRTY_TWO)
        low, high = min(low, level), max(high, level)
    shift = 0
    while (high - low) >> shift >= BINS:
        shift += 1
    marks[q, BASE], marks[q, SHIFT] = low, shift
    bins[q] = 0
    for j in range(room):
        level = np.int64(keys[q, j] >> THIRTY_TWO) - low
        bins[q, level >> shift] += 1
    marks[q, TOP], marks[q, WITHIN] = (high - low) >> shift, room
    tighten_bound(room, bounds, marks, bins, q)


@piece
def push_sorted(keys, filled, bounds, q, key):
    """As :func:`push`, but the list is short and kept in order: see ``SORTED``."""
    room = keys.shape[1] // SPARE
    last = min(filled[q], room - 1)
    insert(keys.reshape(-1), q * keys.shape[1], last, key)
    filled[q] = min(filled[q] + 1, room)
    bounds[q] = min(bounds[q], keys[q, room - 1])


@loop
def shorten(keys, bounds, marks, bins, q):
    """Cut the full list of query ``q`` and set its bound; return its new length."""
    room, n = keys.shape[1] // SPARE, keys.shape[1]
    if marks[q, TOP] >= 0:  # the bins may have told what is not wanted any more
        n = drop(keys, q, n, bounds[q])
        if 2 * n <= keys.shape[1]:
            return n
    select_smallest(keys, q, n, room)
    bounds[q] = min(bounds[q], keys[q, room - 1])
    count_bins(keys, bounds, marks, bins, q)
    return room


@loop
def select_smallest(keys, q, n, room):
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


@kernel
def trim(keys, filled, bounds):
    """Drop what is above the bounds, though it was not when it was offered.

    Returns how many columns hold all that is left; other places in them hold NO_KEY.
    """
    room = keys.shape[1] // SPARE
    width = max(room, 1)
    for q in range(len(keys)):
        if filled[q] > room:
            filled[q] = drop(keys, q, filled[q], bounds[q])
        if 2 * filled[q] > 3 * room:  # short rows are sorted fast
            select_smallest(keys, q, filled[q], room)
            filled[q] = room
        width = max(width, filled[q])
    for q in range(len(keys)):
        keys[q, filled[q] : width] = NO_KEY
    return width


@loop
def drop(keys, q, n, bound):
    """Leave of the first ``n`` keys of a row those up to ``bound``; return how many."""
    left = 0
    for j in range(n):
        key = keys[q, j]
        keys[q, left] = key
        left += key <= bound
    return left


def top_k(lists):
    """The ``room`` smallest keys of each query, ascending; ``NO_KEY`` where none is."""
    width = trim(lists.keys, lists.filled, lists.bounds)
    keys = lists.keys[:, :width]
    keys.sort(axis=1)
    return keys[:, : lists.keys.shape[1] // SPARE]


def others(ids, own):
    """Mask of ``ids`` (n, k) without the row's ``own``, so of ``k - 1`` a row.

    Where it is not among them, as many others are as near: the last is left out.
    """
    keep = ids != own[:, None]
    keep[keep.all(axis=1), -1] = False
    return keep
