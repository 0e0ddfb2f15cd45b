"""What a query would take of an index of all rows, told by one of some of them.

Scores are counted, and what they take was measured once (``search/work.py``), so the
same rows lead to the same choice on every machine.  More rows take a scan in
proportion, and lists and walks by powers of it that were measured.
"""

from typing import NamedTuple

from sklearn_jin._dispatch import singledispatch
from sklearn_jin.points import count
from sklearn_jin.points.rows import RowsIP, RowsL2
from sklearn_jin.search.filtered import BYTE_NS, PUSH_NS, VISIT_NS
from sklearn_jin.search.layers import Layers
from sklearn_jin.search.reduced import ROWS, Reduced
from sklearn_jin.search.work import PRODUCT_NS, exact_ns, scan_ns, walk_ns

# Of ten times the rows, 10,000 and 100,000 of SIFT and of GloVe, at a recall of .95 a
# walk takes 1.8 and 2.1 times the scores, lists 3.7 and 4.2, of 1.25 and 1.5 the lists.
WALK_POWER, LISTS_POWER, PROBES_POWER = 0.28, 0.6, 0.15
ALONE = 6  # times as long a byte takes that is multiplied with one query alone


class Alternative(NamedTuple):
    """An index that was thought of: an entry of ``alternatives_``."""

    name: str  # of its class
    recall: float  # on some rows, by the effort that was found there
    low: float  # lower bound of it
    work: float  # nanoseconds of a query, of the machine that was measured once
    memory: float  # bytes
    fit_seconds: float | None  # by the clock; None where nobody asked
    reason: str  # why it was not taken; empty for the one that was


class Case(NamedTuple):
    """An index of some rows, and what it is to tell."""

    index: tuple
    setting: object  # by which it reaches the recall
    room: int  # candidates that are scored exactly
    times: float  # as many rows as it has are all
    batch: bool  # whether queries come many at a time


def scan_query_ns(points, n, batch):
    """Nanoseconds of a query that is compared with ``n`` points like these."""
    if batch and isinstance(points, RowsL2 | RowsIP):
        return n * (scan_ns(points) + PUSH_NS)
    return n * exact_ns(points)


def query_ns(case):
    """Nanoseconds of a query of an index of all rows, by a :class:`Case`."""
    return _query_ns(case.index.route, case)


@singledispatch
def _query_ns(route, case):
    n = case.times * count(case.index.points)
    return scan_query_ns(case.index.points, n, case.batch)


@_query_ns.register(Layers)
def _walk_ns(route, case):
    index, n = case.index, count(case.index.points)
    if case.setting.effort >= n:
        return scan_query_ns(index.points, case.times * n, case.batch)
    searched = index.points if index.codes is None else index.codes
    scores = case.times**WALK_POWER * case.setting.work
    return scores * walk_ns(searched) + _exact_ns(case)


@_query_ns.register(Reduced)
def _lists_ns(route, case):
    n_lists = case.times**0.5 * len(route.squares)
    s = route.blocks.shape[1] // ROWS
    row = s * BYTE_NS * (1 if case.batch else ALONE)
    visits = case.setting.effort * case.times**PROBES_POWER * VISIT_NS
    scores = case.times**LISTS_POWER * case.setting.work
    return scores * row + visits + n_lists * s * PRODUCT_NS + _exact_ns(case)


def _exact_ns(case):
    return case.room * exact_ns(case.index.points)
