"""Searches that may find some of the points only: how each route goes about it.

A route finds its way by all points, but proposes the allowed ones alone, so it has to
go farther.  The fewer are allowed, the farther; and the less it takes to scan these,
exactly.  Which of the two is less work is counted beforehand, by what scores take
(:mod:`sklearn_jin.search.work`); a walk that turns out longer is given up for a scan.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._dispatch import singledispatch
from sklearn_jin._jit import kernel
from sklearn_jin._memory import Remembered, frozen
from sklearn_jin.points import count, subset
from sklearn_jin.points.rows import RowsIP, RowsL2
from sklearn_jin.search.beam import Sieve
from sklearn_jin.search.branches import Branches
from sklearn_jin.search.fastscan import BLOCK, Blocks
from sklearn_jin.search.index import allowed_places, copies_of
from sklearn_jin.search.keys import words_of
from sklearn_jin.search.layers import Layers
from sklearn_jin.search.lists import Lists
from sklearn_jin.search.probing import ROOT, adapts
from sklearn_jin.search.reduced import ROWS, Reduced
from sklearn_jin.search.work import (
    PRODUCT_NS,
    TABLE_NS,
    exact_ns,
    scan_ns,
    score_ns,
    walk_ns,
)

SEEDS = 16  # allowed nodes that walks start from too
NEW = 0.45  # of the neighbours of a node were not met before
WIDER = 8  # nodes in the pool of a walk for each that it is expected to expand
SURE = 0.6  # of the work of a scan: a walk that is expected to take more may take all
PUSH_NS = 1.0  # of a product that is compared with a bound
BYTE_NS = 0.004  # of a component in products of bytes with many queries
VISIT_NS = 300.0  # of a list that a query probes, besides its rows
MARK_NS = 0.1  # of a slot that is marked: 1.5, once a call of some queries
LESS = 0.5  # of the work of lists: to mark slots takes 0.15 ms of 100,000, once a call
WIDEST = 4  # a query among few allowed rows may probe as many times the lists of others

_plans = Remembered()

NO_GROWTH = frozen(np.empty(0))


class Nodes(NamedTuple):
    """What walks may find."""

    nodes: Sieve
    share: float  # of all nodes


class Slots(NamedTuple):
    """What scans of lists may find."""

    words: np.ndarray  # a bit a slot: uint32 of blocks of rows, or uint64
    live: np.ndarray  # (n_live,) int32: lists with allowed rows
    counts: np.ndarray  # (n_lists,) int64: allowed rows of each
    sizes: np.ndarray  # (n_lists,) int64: all rows
    growth: np.ndarray  # (n_lists,) as in Lists where a search adapts; or (0,)
    n_probes: int  # lists of a query, if all rows were allowed
    cells: tuple | None = None  # the centres of the live ones


class Codes(NamedTuple):
    """What a scan of all codes may find."""

    words: np.ndarray  # (n_blocks,) uint64: a bit a code
    n: int


def plan_of(index, search):
    """As :func:`filtered`, remembered for as long as the mask lives.

    To make it takes single queries as long as their search does.
    """
    arrays = [search.allowed, *_first_arrays(index.points), *_first_arrays(index.route)]
    if search.allowed.flags.writeable or len(arrays) < 3:
        return filtered(index.route, index, search)
    key = search.k, search.room, search.effort, search.adaptive
    plan = _plans.get(arrays, key, lambda: filtered(index.route, index, search))
    if plan is None:
        return None
    return search._replace(effort=plan.effort, adaptive=plan.adaptive, sieve=plan.sieve)


def _first_arrays(part):
    """The first array of a record, alone; none of a record without."""
    for field in part:
        if isinstance(field, np.ndarray):
            return [field]
        if isinstance(field, tuple) and (found := _first_arrays(field)):
            return found
    return []


@singledispatch
def filtered(route, index, search):
    """The ``search`` by which ``route`` serves ``allowed`` points alone; None to scan.

    It has a ``sieve``, what the route makes of the mask, and an effort for the share of
    points that are allowed.  A route that is not known proposes as ever, and what is
    not allowed is dropped.
    """
    return search


def scan_work(points, n_allowed):
    """Nanoseconds of the exact scan of so many ``points`` for a query, about.

    Where products serve many queries at once it is the geometric mean of what they take
    and of what scores one by one do: an answer is not to depend on the batch.
    """
    each = exact_ns(points)
    if isinstance(points, RowsL2 | RowsIP):
        each = (each * (scan_ns(points) + PUSH_NS)) ** 0.5
    return n_allowed * each


@filtered.register(Layers)
@filtered.register(Branches)
def filtered_walks(route, index, search):
    searched = index.points if index.codes is None else index.codes
    n, width = count(searched), route.neighbors.shape[1]
    places = allowed_places(search.allowed, copies_of(route))
    n_places = np.count_nonzero(places)
    share = n_places / n
    scan = scan_work(index.points, np.count_nonzero(search.allowed))
    score, hops = walk_ns(searched), min(search.effort / share, n)
    if search.effort >= n or hops * NEW * width * score > SURE * scan:
        return None
    sieve = Sieve(
        frozen(words_of(places)),
        frozen(_seeds(places, n_places)),
        min(n, int(np.ceil(WIDER * hops))),
        search.effort,
        int(scan / score),
    )
    return search._replace(sieve=Nodes(sieve, share))


def _seeds(places, n_places):
    """Ids of some of the ``places``, int32, at about equal steps."""
    step = max(1, n_places // (4 * SEEDS))
    ids = np.flatnonzero(places[::step]) * step
    if len(ids) < SEEDS:  # all may stand between the steps
        ids = np.flatnonzero(places)
    some = np.linspace(0, len(ids) - 1, min(SEEDS, len(ids))).astype(np.intp)
    return ids[some].astype(np.int32)


@filtered.register(Reduced)
def filtered_reduced(route, index, search):
    s, n_lists = route.blocks.shape[1] // ROWS, len(route.squares)
    scan = scan_work(index.points, np.count_nonzero(search.allowed))
    ns = n_lists * s * PRODUCT_NS + search.room * exact_ns(index.points)
    if _is_least(scan, ns, n_lists, search):
        return None
    sieve, wider = _slots(route, route.starts * ROWS, search, np.uint32)
    rows = np.count_nonzero(sieve.words) * ROWS * min(1, wider / len(sieve.live))
    ns += MARK_NS * len(route.ids)
    if ns + rows * s * BYTE_NS + wider * VISIT_NS > scan:
        return None
    return _probing(search, sieve, wider)


@filtered.register(Lists)
def filtered_lists(route, index, search):
    scan = scan_work(index.points, np.count_nonzero(search.allowed))
    ns = count(route.cells) * scan_ns(route.cells)
    ns += search.room * exact_ns(index.points)
    if _is_least(scan, ns, count(route.cells), search):
        return None
    sieve, wider = _slots(route, route.starts, search, np.uint64)
    if isinstance(route.codes, Blocks):
        slots, each = np.count_nonzero(sieve.words) * BLOCK, _table_ns(route.codes)
    else:
        slots = sieve.counts.sum()
        each = scan_ns(route.codes) if route.codes else score_ns(index.points)
    slots *= min(1, wider / len(sieve.live))
    ns += MARK_NS * len(route.ids)
    if ns + slots * each + wider * VISIT_NS > scan:
        return None
    sieve = sieve._replace(cells=subset(route.cells, sieve.live))
    return _probing(search, sieve, wider)


@filtered.register(Blocks)
def filtered_blocks(route, index, search):
    words, n_allowed = words_of(search.allowed), np.count_nonzero(search.allowed)
    ns = np.count_nonzero(words) * BLOCK * _table_ns(route)
    ns += search.room * exact_ns(index.points)
    if ns > scan_work(index.points, n_allowed):
        return None
    return search._replace(sieve=Codes(frozen(words), n_allowed))


def _table_ns(blocks):
    """Nanoseconds of a code that is scanned by tables."""
    return TABLE_NS * 2 * blocks.blocks.size / (BLOCK * len(blocks.blocks))


def _is_least(scan, ns, n_lists, search):
    """Whether a scan is surely less work, or nearly: then no slots need be marked.

    Besides ``ns`` lists take what they do where the allowed are anywhere.
    """
    share = np.count_nonzero(search.allowed) / len(search.allowed)
    wider = min(n_lists, search.effort * share**-ROOT)
    return scan < LESS * (ns + wider * VISIT_NS)


def _slots(route, starts, search, dtype):
    """The :class:`Slots` of lists, and how many of these a query probes, about."""
    ids, n_lists = route.ids, len(starts) - 1
    bits = np.zeros(8 * -(-len(ids) // 64), np.uint8)
    counts, sizes = np.zeros((2, n_lists), np.int64)
    mark_slots(search.allowed, ids, starts, bits, counts, sizes)
    words = bits.view(np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False)
    live = np.flatnonzero(counts).astype(np.int32)
    wider = search.effort * (sizes[live].sum() / counts.sum()) ** ROOT
    words = frozen(words[: -(-len(ids) // (8 * words.itemsize))])
    growth = route.growth if adapts(route.growth, search) else NO_GROWTH
    return Slots(words, live, counts, sizes, growth, search.effort), wider


@kernel
def mark_slots(allowed, ids, starts, bits, counts, sizes):
    """Set the bits of slots with allowed ids; and count these, and all, by list."""
    for t in range(len(starts) - 1):
        n, size, eight = np.int64(0), np.int64(0), np.int64(0)
        for slot in range(starts[t], starts[t + 1]):
            i = ids[slot]
            is_row = np.int64(i >= 0)
            one = np.int64(allowed[max(i, np.int32(0))]) & is_row
            n, size, eight = n + one, size + is_row, eight | one << (slot & 7)
            if slot & 7 == 7:
                bits[slot >> 3] |= np.uint8(eight)
                eight = np.int64(0)
        if eight:
            bits[(starts[t + 1] - 1) >> 3] |= np.uint8(eight)
        counts[t], sizes[t] = n, size


def _probing(search, sieve, wider):
    """The ``search`` of lists; each query ends by :func:`drop_beyond_share`."""
    most = min(len(sieve.live), int(np.ceil(WIDEST * wider)))
    return search._replace(effort=most, adaptive=False, sieve=sieve)
