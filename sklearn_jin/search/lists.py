"""Search in lists: the cells nearest to a query are probed, their rows scanned.

Rows of a cell stand together, and what is scanned of a row is a code of its
residual, what it lies away from the cell's centre.  Of a row ``x = c + s r`` with
``s`` the scale of the list and ``r'`` the code the squared distance is estimated as
``|q - c|^2 + add - 2 s <q, r'>``, and the inner product as ``<q, c> + s <q, r'>``: one
table a query serves every list, because all that depends on the list is two numbers
(Baranchuk, Babenko & Malkov 2018 for product codes; here of any that estimate inner
products).  ``add`` is such that a row's distance from itself is 0: the errors of near
rows' codes that are left are those across the row, not along it.
"""

import math
from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, Float64, Int32, Int64
from sklearn_jin._dispatch import singledispatch
from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen
from sklearn_jin._numbers import squares
from sklearn_jin._threads import run
from sklearn_jin.points import (
    count,
    encode_queries,
    fastscan_tables,
    new_scratch,
    prefetch,
    score_many,
)
from sklearn_jin.points.codes import set_queries
from sklearn_jin.points.rows import RowsIP
from sklearn_jin.search import counters
from sklearn_jin.search.cells import (
    FEW,
    RANKED,
    nearest_cells,
    weigh,
)
from sklearn_jin.search.fastscan import (
    SUM_TOP,
    Blocks,
    QueryTables,
    Turns,
    as_bytes,
    push_by_tables,
)
from sklearn_jin.search.index import (
    codes_of,
    for_any_cpu,
    for_this_cpu,
    propose,
    proposes_bounds,
    ranges_of,
)
from sklearn_jin.search.keys import is_in, key_of, score_of, split_keys
from sklearn_jin.search.probing import (
    Probe,
    adapts,
    queries_per_task,
    reach_of,
    visits,
    within,
    within_share,
)
from sklearn_jin.search.scan import blas
from sklearn_jin.search.shortlist import SPARE, push, shortlists, top_k

MEMORY = 2**27  # bytes of the shortlists of a task, at most, if it is not one query
BEYOND = 8  # candidates beyond those wanted of a scan of the rows: float32 rounds
STEP = 64  # rows whose scores are asked for at once
ADD_LEVELS = 32767  # of the rows' ``add``
SURELY = 1 - 1e-5  # so that rounding does not lift a lower bound


class Lists(NamedTuple):
    """Rows by cell."""

    cells: tuple  # the centres, as RowsL2 or RowsIP
    starts: Int64[1]  # (n_lists + 1,), first slot of every list
    ids: Int32[1]  # (n_slots,), the row of every slot
    radii: Float32[1]  # (n_lists,), how far the farthest row is from the centre
    growth: Float64[1]  # (n_lists,): see :func:`limit_of`; or (0,)
    codes: tuple  # Blocks, or codes by slot; or () for the rows themselves
    scales: Float32[1]  # (n_lists,): what is 1 of the codes' residuals
    adds: Float32[1]  # (n_slots,) where codes are not Blocks; or (0,)
    levels: Float32[2]  # (2, n_lists): low and step of ``Blocks.adds``, or 0
    errors: Float32[1]  # (n_slots,): of an estimate, at distance 1; or (0,)
    groups: Int32[1]  # (n_lists,), the middle that every list goes by
    middles: Float32[2]  # (n_groups, d), taken from queries


@propose.register(Lists)
def propose_by_lists(route, index, queries, search, use):
    """Scan the lists of the nearest centres, a batch of queries at a time."""
    n, probe, weights = len(queries), _probe(route, index, search), None
    sieve = search.sieve
    cells = route.cells if sieve is None else sieve.cells
    if n > FEW and count(cells) > RANKED:
        weights = weigh(cells, route.middles.shape[1])

    def task(lo, hi):
        some = frozen(queries[lo:hi])
        ids, estimates = candidates(route, index.points, some, probe, weights, sieve)
        use(np.arange(lo, hi), estimates, ids)

    chunk = queries_per_task(n, search.n_threads)
    chunk = max(1, min(chunk, MEMORY // (8 * SPARE * probe.room)))
    if weights is None:
        run(task, n, chunk, search.n_threads)
    else:
        with blas().limit(limits=1, user_api="blas"):  # the threads are ours
            run(task, n, chunk, search.n_threads)


def _probe(route, index, search):
    """What a search asks of lists.

    A row may be in two lists, so twice the room is needed.
    """
    n, overestimate = count(index.points), index.learned.overestimate
    room = search.room + (search.absent is not None)
    room = min(room + (0 if route.codes else BEYOND), n)
    copies = -(-len(route.ids) // n)
    # Bounds are estimates, which may be off by as much as was learned.
    margin = max(1.0, overestimate) if np.isfinite(overestimate) else 1.0
    bound = search.bound and proposes_bounds(route)
    adaptive = adapts(route.growth, search)
    return Probe(search.effort, adaptive, room * copies, bound, margin)


@for_this_cpu.register(Lists)
def lists_for_this_cpu(route):
    return route._replace(codes=for_this_cpu(route.codes))


@for_any_cpu.register(Lists)
def lists_for_any_cpu(route):
    return route._replace(codes=for_any_cpu(route.codes))


@proposes_bounds.register(Lists)
def proposes_bounds_of_lists(route):
    return len(route.errors) > 0


@codes_of.register(Lists)
def codes_of_lists(route):
    return route.codes, route.adds, route.errors


@ranges_of.register(Lists)
def ranges_of_lists(route, n, d):
    n_lists, n_slots = len(route.starts) - 1, len(route.ids)
    yield route.ids, 0, n - 1
    yield np.array([n_lists]), 1, n_slots
    yield route.starts, 0, n_slots
    yield route.starts[[0, -1]] - [0, n_slots], 0, 0
    yield np.diff(route.starts), 0, n_slots
    yield route.groups, 0, len(route.middles) - 1
    per_list = count(route.cells), len(route.radii), len(route.scales)
    yield np.array([*per_list, len(route.groups)]), n_lists, n_lists
    yield from ranges_of(route.cells, n_lists, d)
    yield np.array([route.middles.shape[1]]), d, d
    if isinstance(route.codes, Blocks):
        yield from ranges_of(route.codes, n_slots, d)
    elif route.codes:
        yield np.array([count(route.codes)]), n_slots, n_slots
        yield from ranges_of(route.codes, n_slots, d)
    yield route.levels.shape - np.array([2, n_lists]), 0, 0
    for some, size in (
        (route.adds, n_slots),
        (route.errors, n_slots),
        (route.growth, n_lists),
    ):
        yield np.array([len(some)]), size if len(some) else 0, size


def candidates(lists, points, queries, probe, weights=None, sieve=None):
    """Ids (n_queries, room) of rows, -1 for none, and their estimates, ascending.

    ``sieve`` are the :class:`~sklearn_jin.search.filtered.Slots` that are allowed.
    """
    probed, bases = route(lists, queries, probe, weights, sieve)
    best = shortlists(len(queries), probe.room)
    turns = plan_turns(lists, queries, probed, bases, probe.margin)
    if sieve is not None:
        turns = turns._replace(words=sieve.words)
    scan_lists(lists, points, queries, turns, best)
    ids, estimates = split_keys(top_k(best))
    if probe.bound:
        ids, estimates = _by_bound(lists, ids, estimates, probed, bases)
    replace_slots(lists.ids, ids)
    if len(lists.ids) > count(points):
        drop_repeated(ids, count(points))
    return ids, estimates


@kernel
def replace_slots(rows, slots):
    """Replace slots by their rows."""
    for q in range(len(slots)):
        for j in range(slots.shape[1]):
            if slots[q, j] >= 0:
                slots[q, j] = rows[slots[q, j]]


def _by_bound(lists, slots, estimates, probed, bases):
    """Slots, and what their scores are hardly ever below, by which they are sorted."""
    far = np.zeros((len(slots), len(lists.starts)), np.float32)
    np.put_along_axis(far, probed, np.sqrt(np.maximum(bases, 0)), axis=1)
    cells = np.searchsorted(lists.starts, slots, side="right") - 1
    gaps = lists.errors[slots] * np.take_along_axis(far, cells, axis=1)
    lowest = np.where(slots < 0, np.float32(np.inf), estimates - gaps)
    order = np.argsort(lowest, axis=1, kind="stable")
    lowest = np.take_along_axis(lowest, order, axis=1)
    return np.take_along_axis(slots, order, axis=1), lowest


@kernel
def drop_repeated(ids, n):
    """Replace by -1 what stands in a row of ``ids``, all below ``n``, once more."""
    met = np.zeros((n >> 6) + 1, np.uint64)
    one = np.uint64(1)
    for q in range(len(ids)):
        for j in range(ids.shape[1]):
            i = np.int64(ids[q, j])
            if i >= 0:
                bit = one << np.uint64(i & 63)
                if met[i >> 6] & bit:
                    ids[q, j] = -1
                met[i >> 6] |= bit
        for j in range(ids.shape[1]):
            if ids[q, j] >= 0:
                met[ids[q, j] >> 6] = 0


def route(lists, queries, probe, weights=None, sieve=None):
    """Lists (n_queries, width) that queries probe, nearest first, and their scores.

    ``weights`` are those of the cells, see :func:`weigh`, and of a ``sieve`` those of
    its cells.
    """
    cells = lists.cells if sieve is None else sieve.cells
    reach = reach_of(lists.growth, probe, count(cells))
    found = nearest_cells(cells, queries, reach.room, reach.limit, weights)
    probed, bases = within(reach, *found)
    if sieve is not None:
        probed = np.where(probed < 0, np.int32(-1), sieve.live[probed])
        probed, bases = within_share(sieve, probed, bases)
    return probed, bases


def plan_turns(lists, queries, probed, bases, margin=1.0):
    """Turns of the queries with the lists that they probe."""
    cells, query, own = visits(probed, bases, len(lists.starts) - 1)
    lows = least(lists.cells, own, lists.radii[cells], queries, query) / margin
    lows = lows.astype(np.float32, copy=False)
    units, shares = np.empty(len(cells), np.float32), np.zeros(len(cells), np.uint16)
    units.fill(1)
    return Turns(lists.starts, cells, query, query, own, units, shares, lows)


@singledispatch
def least(cells, bases, radii, queries, query):
    """What scores of rows within ``radii`` of cells, of ``bases``, are not below."""
    lows = np.zeros(len(bases), np.float32)
    fill_lows(bases, radii, lows)
    return lows


@kernel
def fill_lows(bases, radii, lows):
    for t in range(len(lows)):
        gap = np.sqrt(bases[t]) - radii[t]
        if gap > 0:  # infinity less infinity ends nothing
            lows[t] = gap * gap * np.float32(SURELY)


@least.register(RowsIP)
def least_ip(cells, bases, radii, queries, query):
    lengths = np.sqrt(squares(queries))[query]
    return np.maximum(bases - lengths * radii, 0) * SURELY


def scan_lists(lists, points, queries, turns, best):
    """Push slots to the shortlists ``best`` of ``queries``."""
    if counters.are_wanted():
        counters.add(scores=_n_scores(turns))
    if not lists.codes:
        scratch = new_scratch(points, len(queries))
        set_queries(points, scratch, frozen(queries))
        turns = turns._replace(offsets=np.zeros(len(turns.runs), np.float32))
        return push_each(points, scratch, lists.ids, lists.adds, turns, best)
    is_ip = isinstance(lists.cells, RowsIP)
    turns, rows = _query_rows(lists, queries, turns, is_ip)
    powers = np.ones(len(rows), np.float32) if is_ip else _powers(rows)
    rows = np.divide(rows, powers[:, None])
    # Scores of codes are 2 less the inner product, and so are all of inner products.
    times = powers * np.float32(1 if is_ip else 2)
    if is_ip:
        one = np.float32(1)
        turns = turns._replace(offsets=turns.offsets + one, lows=turns.lows + one)
    scan = _scan_blocks if isinstance(lists.codes, Blocks) else _scan_each
    return scan(lists, rows, times, turns, best)


def _scan_each(lists, rows, times, turns, best):
    """Scan codes one by one for query ``rows``, whose scores count ``times`` 1."""
    codes = lists.codes
    scratch = new_scratch(codes, len(rows))
    set_queries(codes, scratch, frozen(encode_queries(codes, rows)))
    units = times[turns.rows] * lists.scales[turns.runs]
    turns = turns._replace(offsets=turns.offsets - 2 * units, units=units)
    push_each(codes, scratch, np.empty(0, np.int32), lists.adds, turns, best)


def _scan_blocks(lists, rows, times, turns, best):
    """Scan codes by tables."""
    blocks = lists.codes
    entries, outer, inner, far = fastscan_tables(
        blocks.points, encode_queries(blocks.points, rows)
    )
    most = ADD_LEVELS if len(blocks.adds) else SUM_TOP
    rounded, unit, low = as_bytes(blocks.blocks, entries, far, most)
    inner, more, scales = (inner + low) * times, (outer - 2) * times, lists.scales
    if blocks.factors.size:  # which are scaled as their lists are
        scales = np.ones_like(scales)
    else:
        more = more + inner
    n = len(turns.runs)
    offsets, units = np.empty((2, n), np.float32)
    shares = np.empty(n, np.uint16)
    fit_turns(turns, scales, lists.levels, more, unit * times, offsets, units, shares)
    turns = turns._replace(offsets=offsets, units=units, shares=shares)
    push_by_tables(blocks, QueryTables(rounded, inner), turns, best)


@kernel
def fit_turns(turns, scales, levels, more, unit, offsets, units, shares):
    """Fill ``offsets``, ``units`` and ``shares``, of lists that have scales and levels.

    ``more`` and ``unit`` are those of a list with a scale of 1.
    """
    top = np.float32(65535)
    for t in range(len(offsets)):
        run, a = turns.runs[t], turns.rows[t]
        units[t] = unit[a] * scales[run]
        offsets[t] = turns.offsets[t] + levels[0, run] + more[a] * scales[run]
        share = levels[1, run] / units[t] * np.float32(65536)
        shares[t] = np.uint16(share if share < top else top)  # nor NaN


def _n_scores(turns):
    starts = turns.starts
    if len(turns.words):  # numbers of allowed slots before those of every list
        bits = np.unpackbits(turns.words.view(np.uint8), bitorder="little")
        starts = np.concatenate([[0], np.cumsum(bits, dtype=np.int64)])[starts]
    return int((starts[turns.runs + 1] - starts[turns.runs]).sum())


def _query_rows(lists, queries, turns, is_ip):
    """Turns that know their row of what is asked; and these rows, (n, d).

    A query is asked once, less the middle of all lists; or where lists lie in
    groups far apart, once for the middle of every group.
    """
    d, n_groups = lists.middles.shape[1], len(lists.middles)
    queries = queries[:, :d]
    if is_ip:
        return turns, queries
    if n_groups == 1:
        return turns, queries - lists.middles[0]
    pairs = turns.queries.astype(np.int64) * n_groups + lists.groups[turns.runs]
    pairs, asked = np.unique(pairs, return_inverse=True)
    rows = queries[pairs // n_groups] - lists.middles[pairs % n_groups]
    return turns._replace(rows=asked.astype(np.int32)), rows


@kernel
def _powers(rows):
    """The power of two above the length of every row, float32; 1 for 0."""
    powers = np.ones(len(rows), np.float32)
    for q in range(len(rows)):
        total = 0.0
        for j in range(rows.shape[1]):
            total += np.float64(rows[q, j]) * np.float64(rows[q, j])
        if 0 < total < np.inf:
            powers[q] = math.ldexp(1.0, math.frexp(math.sqrt(total))[1])
    return powers


@kernel
def push_each(points, scratch, ids, adds, turns, lists):
    """Push the slots of the turns, one by one, or two share no pass.

    A score is ``offset + add + unit * score`` of point ``ids[slot]``, or of point
    ``slot`` where there are no ``ids``.
    """
    bounds, words = lists.bounds, turns.words
    some, scores = np.empty(STEP, np.int32), np.empty(STEP, np.float32)
    slots, found = np.empty(STEP, np.int32), np.empty(STEP, np.uint64)
    for t in range(len(turns.runs)):
        q, v = turns.queries[t], turns.rows[t]
        offset, unit = turns.offsets[t], turns.units[t]
        if turns.lows[t] > score_of(bounds[q]):
            continue
        last = turns.starts[turns.runs[t] + 1]
        for first in range(turns.starts[turns.runs[t]], last, STEP):
            n = 0
            for slot in range(first, min(first + STEP, last)):
                slots[n] = slot
                n += len(words) == 0 or is_in(words, slot)
            for j in range(n):
                some[j] = ids[slots[j]] if len(ids) else slots[j]
                prefetch(points, some[j])
            score_many(points, scratch, v, some, 0, n, scores)
            n_found = 0
            for j in range(n):
                score = offset + unit * scores[j]
                if len(adds):
                    score += adds[slots[j]]
                found[n_found] = key_of(max(score, np.float32(0)), slots[j])
                n_found += found[n_found] <= bounds[q]
            push(found, n_found, lists, q)
