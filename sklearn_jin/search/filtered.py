"""Searches that may find some of the points only: how each route goes about it.

A route finds its way by all points, but proposes the allowed ones alone, so it has to
go farther.  The fewer are allowed, the farther; and the less it takes to scan these,
exactly.  Which of the two is less work is counted beforehand, by what scores take
(:mod:`sklearn_jin.search.work`); a walk that turns out longer is given up for a scan.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._dispatch import singledispatch
from sklearn_jin._memory import frozen
from sklearn_jin.points import count, subset
from sklearn_jin.points.rows import RowsIP, RowsL2
from sklearn_jin.search.beam import Sieve
from sklearn_jin.search.branches import Branches
from sklearn_jin.search.fastscan import BLOCK, Blocks
from sklearn_jin.search.index import allowed_places, copies_of
from sklearn_jin.search.keys import words_of
from sklearn_jin.search.layers import Layers
from sklearn_jin.search.lists import Lists
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
VISIT_NS = 100.0  # of a list that a query probes, besides its rows


class Nodes(NamedTuple):
    """What walks may find."""

    nodes: Sieve
    share: float  # of all nodes


class Slots(NamedTuple):
    """What scans of lists, or of blocks, may find."""

    words: np.ndarray  # bits of the slots: uint32 of blocks of rows, or uint64
    n: int  # slots
    live: np.ndarray  # (n_live,) int32: lists with any of them
    cells: tuple | None = None  # the centres of these


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
    share = np.count_nonzero(places) / n
    scan = scan_work(index.points, np.count_nonzero(search.allowed))
    score, hops = walk_ns(searched), min(search.effort / share, n)
    if search.effort >= n or hops * NEW * width * score > SURE * scan:
        return None
    sieve = Sieve(
        frozen(words_of(places)),
        frozen(_seeds(places)),
        min(n, int(np.ceil(WIDER * hops))),
        search.effort,
        int(scan / score),
    )
    return search._replace(sieve=Nodes(sieve, share))


def _seeds(places):
    """Ids of some of the ``places``, int32: the next to each of equal steps."""
    starts = np.arange(SEEDS) * len(places) // SEEDS
    ids = np.array([start + places[start:].argmax() for start in starts], np.int32)
    return np.unique(ids[places[ids]])


@filtered.register(Reduced)
def filtered_reduced(route, index, search):
    marks = search.allowed[route.ids] & (route.ids >= 0)
    words = words_of(marks, np.uint32)
    effort, probed, live = _reach(marks, route.starts * ROWS, search.effort)
    rows = np.count_nonzero(words) * ROWS * probed
    s = route.blocks.shape[1] // ROWS
    ns = rows * s * BYTE_NS + effort * VISIT_NS
    ns += len(route.squares) * s * PRODUCT_NS + search.room * exact_ns(index.points)
    n_allowed = np.count_nonzero(search.allowed)
    if ns > scan_work(index.points, n_allowed):
        return None
    sieve = Slots(frozen(words), n_allowed, live)
    return search._replace(effort=effort, sieve=sieve)


@filtered.register(Lists)
def filtered_lists(route, index, search):
    marks = search.allowed[route.ids]
    words = words_of(marks)
    effort, probed, live = _reach(marks, route.starts, search.effort)
    if isinstance(route.codes, Blocks):
        slots = np.count_nonzero(words) * BLOCK
        each = _table_ns(route.codes)
    else:
        slots = np.count_nonzero(marks)
        each = scan_ns(route.codes) if route.codes else score_ns(index.points)
    cells = len(route.starts) * scan_ns(route.cells) if len(route.starts) else 0.0
    ns = slots * probed * each + effort * VISIT_NS + cells
    ns += search.room * exact_ns(index.points)
    n_allowed = np.count_nonzero(search.allowed)
    if ns > scan_work(index.points, n_allowed):
        return None
    sieve = Slots(frozen(words), len(marks), live, subset(route.cells, live))
    return search._replace(effort=effort, sieve=sieve)


@filtered.register(Blocks)
def filtered_blocks(route, index, search):
    words, n_allowed = words_of(search.allowed), np.count_nonzero(search.allowed)
    ns = np.count_nonzero(words) * BLOCK * _table_ns(route)
    ns += search.room * exact_ns(index.points)
    if ns > scan_work(index.points, n_allowed):
        return None
    return search._replace(sieve=Slots(frozen(words), n_allowed, np.zeros(1, np.int32)))


def _table_ns(blocks):
    """Nanoseconds of a code that is scanned by tables."""
    return TABLE_NS * 2 * blocks.blocks.size / (BLOCK * len(blocks.blocks))


def _reach(marks, starts, effort):
    """Lists to be probed, their share of those with allowed slots, and the latter.

    Neighbours that are a ``share`` of the rows lie farther away: as of ``k / share``
    neighbours, more lists hold them, by the root of it.
    """
    before = np.zeros(len(marks) + 1, np.int64)
    np.cumsum(marks, out=before[1:])
    counts = np.diff(before[starts])
    live = np.flatnonzero(counts).astype(np.int32)
    share = counts.sum() / np.diff(starts)[live].sum()
    wider = min(len(live), int(np.ceil(effort / np.sqrt(share))))
    return wider, wider / len(live), live
