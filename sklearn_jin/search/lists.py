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

from functools import singledispatch
from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel, loop
from sklearn_jin._memory import frozen
from sklearn_jin._simd import below, lowest
from sklearn_jin._threads import run
from sklearn_jin.metrics import squares
from sklearn_jin.points import (
    encode_queries,
    fastscan_tables,
    new_scratch,
    prefetch,
    score,
    score_many,
    set_query,
)
from sklearn_jin.points.codes import set_queries
from sklearn_jin.points.rows import RowsIP
from sklearn_jin.search import counters
from sklearn_jin.search.beam import NO_KEY, id_of, key_of, score_of
from sklearn_jin.search.fastscan import SUM_TOP, Asked, Blocks, Turns, as_bytes
from sklearn_jin.search.fastscan import propose as propose_by_tables
from sklearn_jin.search.scan import blas, choose_among
from sklearn_jin.search.shortlist import SPARE, push, shortlists, top_k

CHUNK = 512  # queries a thread takes at a time, at most
TURNS = 1  # chunks a thread is given; with two they share lists less, and take 5 % more
LEAST_CHUNK = 32  # unless queries are so few that lists are hardly shared
MEMORY = 2**27  # bytes of the shortlists of a chunk, at most, if it is not one query
FIRST = 10  # cells whose mean score an adaptive search goes by
WIDEST = 2  # an adaptive search may probe as many times the lists of a fixed one
ROUNDS = 2, 8  # ranks that begin a round: nearer lists are scanned before all others
STEP = 64  # rows whose scores are asked for at once
ADD_LEVELS = 32767  # of the rows' ``add``
SURELY = 1 - 1e-5  # so that rounding does not lift a lower bound
RANKED = 64  # cells of which all are scored exactly,
FEW = 48  # and all for as many queries, for to weigh cells takes as long
GROUPS = 128  # of cells, whose least scores tell how far the nearest cells are
HALF = 32  # scores that are compared with a bound at once
ULP = 2.0**-24  # relative rounding error of one float32 operation
ONE_BIT = np.uint32(1)


class Lists(NamedTuple):
    """Rows by cell."""

    cells: tuple  # the centres, as Raw or Dot points
    starts: np.ndarray  # (n_lists + 1,) int64, first slot of every list
    ids: np.ndarray  # (n_slots,) int32, the row of every slot
    reach: np.ndarray  # (n_lists,) float32, how far the farthest row is from the centre
    growth: np.ndarray  # (n_lists,) float64: see :func:`limit_of`; or (0,)
    codes: tuple  # Blocks, or codes by slot; or () for the rows themselves
    scales: np.ndarray  # (n_lists,) float32: what is 1 of the codes' residuals
    adds: np.ndarray  # (n_slots,) float32 where codes are not Blocks; or (0,)
    levels: np.ndarray  # (2, n_lists) float32: low and step of ``Blocks.adds``, or 0
    errors: np.ndarray  # (n_slots,) float32: of an estimate, at distance 1; or (0,)
    groups: np.ndarray  # (n_lists,) int32, the middle that every list goes by
    middles: np.ndarray  # (n_groups, d) float32, taken from queries


class Probe(NamedTuple):
    """How a search goes about it."""

    n_probes: int  # lists of a query, or its mean where the search is adaptive
    adaptive: bool
    room: int  # proposals that are scored exactly
    overestimate: float  # ... as far as this does not end it, see ``refine``
    bound: bool  # or the errors of the codes do
    margin: float = 1.0  # times a bound no list that is passed over may come near


def search(lists, points, queries, k, probe, n_threads):
    """Exact scores (n_queries, k), float64, and ids, int64, of the nearest met.

    A query whose lists hold fewer than ``k`` rows ends in -1s.
    """
    n = len(queries)
    scores, ids = np.empty((n, k)), np.empty((n, k), np.int64)
    exact_queries, weights = frozen(encode_queries(points, queries)), None
    if n > FEW and len(lists.starts) > RANKED:
        weights = weigh(lists.cells, lists.middles.shape[1])

    def task(lo, hi):
        some = frozen(queries[lo:hi])
        proposed, estimates = candidates(lists, points, some, probe, weights)
        overestimate = 1.0 if probe.bound and len(lists.errors) else probe.overestimate
        choose_among(
            points,
            exact_queries,
            proposed,
            estimates,
            overestimate,
            scores,
            ids,
            lo,
            hi,
        )

    chunk = min(CHUNK, max(LEAST_CHUNK, -(-n // (TURNS * n_threads))))
    chunk = max(1, min(chunk, MEMORY // (8 * SPARE * probe.room)))
    if weights is None:
        run(task, n, chunk, n_threads)
    else:
        with blas().limit(limits=1, user_api="blas"):  # the threads are ours
            run(task, n, chunk, n_threads)
    return scores, ids


def candidates(lists, points, queries, probe, weights=None):
    """Ids (n_queries, room) of rows, -1 for none, and their estimates, ascending."""
    probed, bases = route(lists, queries, probe, weights)
    best = shortlists(len(queries), probe.room)
    turns = plan_turns(lists, queries, probed, bases, probe.margin)
    scan(lists, points, queries, turns, best)
    keys = top_k(best)
    ids = np.empty(keys.shape, np.int32)
    estimates = np.empty(keys.shape, np.float32)
    read_keys(keys, ids, estimates)
    if probe.bound and len(lists.errors):
        ids, estimates = _by_bound(lists, ids, estimates, probed, bases)
    rows_of(lists.ids, ids)
    if len(lists.ids) > len(points[0]):
        drop_repeated(ids, len(points[0]))
    return ids, estimates


@kernel
def read_keys(keys, ids, scores):
    """Fill ``ids``, -1 where there is no key, and ``scores``, NaN there."""
    for q in range(len(keys)):
        for j in range(keys.shape[1]):
            key = keys[q, j]
            ids[q, j] = -1 if key == NO_KEY else id_of(key)
            scores[q, j] = score_of(key)


@kernel
def rows_of(rows, slots):
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


def route(lists, queries, probe, weights=None):
    """Lists (n_queries, width) that queries probe, nearest first, and their scores.

    Places without a list hold -1 and an infinite score.  ``weights`` are those of
    the cells, see :func:`weigh`.
    """
    n_lists = len(lists.starts) - 1
    adaptive = probe.adaptive and probe.n_probes < n_lists
    width = min(n_lists, probe.n_probes * (WIDEST if adaptive else 1))
    limit = limit_of(lists.growth, probe.n_probes) if adaptive else np.inf
    room = max(width, min(n_lists, FIRST))
    cells, scores = nearest_cells(lists.cells, queries, room, limit, weights)
    if adaptive:
        means = first_mean(scores)[:, None]
        cells, scores = cells[:, :width], scores[:, :width]
        beyond = scores > limit * means
        beyond[:, 0] = False
        width = max(1, int((~beyond).sum(axis=1).max()))
        scores = np.where(beyond, np.float32(np.inf), scores)
        cells = np.where(beyond, np.int32(-1), cells)
    return cells[:, :width], scores[:, :width]


def first_mean(scores):
    """Mean of the first scores of every row, float32: that of the nearest cells."""
    return scores[:, :FIRST].mean(axis=1, dtype=np.float64).astype(np.float32)


def limit_of(growth, n_probes):
    """How many times its ``first_mean`` a list's score is within which are as many.

    On the average of some rows, when the index was built.
    """
    return np.float32(growth[min(n_probes, len(growth)) - 1])


class Weights(NamedTuple):
    """What one product makes scores of all cells with, up to rounding."""

    middle: np.ndarray  # (d,) float32, taken from a query
    matrix: np.ndarray  # (d + 1, n_cells) float32; queries are followed by a 1
    rounding: np.ndarray  # () float32, relative error of a score to ``reach``
    reach: np.ndarray  # () float32, length of the longest centre


def weigh(cells, d):
    """The :class:`Weights` of ``cells``, of whose rows ``d`` numbers are no padding."""
    X, middle = cells.X[:, :d], np.zeros(d, np.float32)
    if not isinstance(cells, RowsIP):
        middle = X.mean(axis=0)  # near it products are small and round less
        X = X - middle
    lengths = squares(X).astype(np.float32)
    if isinstance(cells, RowsIP):
        matrix = np.vstack([-X.T, np.ones_like(lengths)])
    else:
        matrix = np.vstack([-2 * X.T, lengths])
    return Weights(middle, matrix, np.float32(4 * (d + 8) * ULP), lengths.max() ** 0.5)


def nearest_cells(cells, queries, room, limit=np.inf, weights=None):
    """Numbers (n_queries, width) of the nearest cells, nearest first, and their scores.

    No more than ``room``, and ``FIRST`` at least, but none whose score is above
    ``limit`` times the ``first_mean``.  Places without a cell hold -1 and infinity.
    Products propose, and scores that do not depend on the batch choose.
    """
    n, n_cells = len(queries), len(cells.X)
    ids = None
    if weights is not None and n > FEW and n_cells > RANKED:
        ids = _proposed_cells(weights, queries, room, limit)
    if ids is None:
        ids = np.tile(np.arange(n_cells, dtype=np.int32), (n, 1))
    keys = np.empty(ids.shape, np.uint64)
    score_cells(cells, frozen(queries), ids, keys)
    keys.sort(axis=1)
    keys = np.ascontiguousarray(keys[:, :room])
    cells, scores = np.empty(keys.shape, np.int32), np.empty(keys.shape, np.float32)
    read_keys(keys, cells, scores)
    scores[cells < 0] = np.inf
    return cells, scores


@kernel
def score_cells(cells, queries, ids, keys):
    """Fill ``keys`` with those of the cells ``ids``, of which -1 is none."""
    score_each(cells, queries, ids, keys, new_scratch(cells, 1))


@loop
def score_each(cells, queries, ids, keys, scratch):
    """As :func:`score_cells`, with room for a view."""
    for q in range(len(ids)):
        set_query(cells, scratch, 0, queries, q)
        for j in range(ids.shape[1]):
            if ids[q, j] < 0:
                keys[q, j] = NO_KEY
            else:
                keys[q, j] = key_of(score(cells, scratch, 0, ids[q, j]), ids[q, j])


def _proposed_cells(weights, queries, room, limit):
    """Cells (n_queries, width), -1 for none, all that are wanted among them.

    Or None where there are no fewer than all.  The least score of each of some
    groups of cells tells what the score of the ``room``-th nearest is not above.
    """
    n_cells = weights.matrix.shape[1]
    groups = GROUPS
    while groups < 2 * room and limit == np.inf:
        groups *= 2
    if 2 * groups > n_cells:
        return None
    rows = np.ones((len(queries), len(weights.matrix)), np.float32)
    np.subtract(queries[:, : len(weights.middle)], weights.middle, out=rows[:, :-1])
    q2 = np.einsum("ij,ij->i", rows[:, :-1], rows[:, :-1])
    scores = rows @ weights.matrix
    whole = n_cells // groups * groups
    least = scores[:, :whole].reshape(len(scores), -1, groups).min(axis=1)
    least.sort(axis=1)
    error = weights.rounding * (np.sqrt(q2) + weights.reach) ** 2
    bounds = least[:, (room if limit == np.inf else FIRST) - 1]
    if limit < np.inf:  # of scores, which q2 is added to
        first = least[:, :FIRST].mean(axis=1) + q2
        bounds = np.maximum(limit * first - q2, bounds)
    bounds += error * (1 + (limit if limit < np.inf else np.float32(1)))
    counts = np.empty(len(scores), np.int64)
    ids = np.empty((len(scores), n_cells), np.int32)
    list_within(scores, bounds, ids, counts)
    return ids[:, : counts.max()]


@kernel
def list_within(scores, bounds, ids, counts):
    """List in rows of ``ids``, then -1s, which ``scores`` are not above the bounds."""
    n = scores.shape[1]
    for q in range(len(scores)):
        filled = 0
        for first in range(0, n, HALF):
            if n - first >= HALF:
                good = below(scores[q], first, bounds[q])
            else:
                good = np.uint32(0)
                for j in range(n - first):
                    if scores[q, first + j] <= bounds[q]:
                        good |= ONE_BIT << np.uint32(j)
            while good != 0:
                ids[q, filled] = first + lowest(good)
                good &= good - ONE_BIT
                filled += 1
        counts[q] = filled
    width = 0
    for q in range(len(scores)):
        width = max(width, counts[q])
    for q in range(len(scores)):
        ids[q, counts[q] : width] = -1


def plan_turns(lists, queries, probed, bases, margin=1.0):
    """Turns of the queries with the lists that they probe.

    By round and list: so those that probe a list share a pass over it, and bounds
    are low before most lists are scanned.
    """
    n = int(np.count_nonzero(probed >= 0))
    cells, query = np.empty((2, n), np.int32)
    own = np.empty(n, np.float32)
    order_turns(probed, bases, len(lists.starts) - 1, cells, query, own)
    lows = np.zeros(n, np.float32)
    lows[:] = least(lists.cells, own, lists.reach[cells], queries, query) / margin
    units, shares = np.ones(n, np.float32), np.zeros(n, np.uint16)
    return Turns(lists.starts, cells, query, query, own, units, shares, lows)


@kernel
def order_turns(probed, bases, n_lists, cells, queries, own):
    """Fill ``cells``, ``queries`` and their ``own`` bases, by round and list."""
    n, width = probed.shape
    counts = np.zeros((len(ROUNDS) + 1) * n_lists + 1, np.int64)
    for rank in range(width):
        first = round_of(rank) * n_lists + 1
        for q in range(n):
            if probed[q, rank] >= 0:
                counts[first + probed[q, rank]] += 1
    for i in range(1, len(counts)):
        counts[i] += counts[i - 1]
    for rank in range(width):
        first = round_of(rank) * n_lists
        for q in range(n):
            if probed[q, rank] >= 0:
                at = counts[first + probed[q, rank]]
                counts[first + probed[q, rank]] += 1
                cells[at], queries[at] = probed[q, rank], q
                own[at] = bases[q, rank]


@kernel
def round_of(rank):
    for i in range(len(ROUNDS)):
        if rank < ROUNDS[i]:
            return i
    return len(ROUNDS)


@singledispatch
def least(cells, bases, reach, queries, query):
    """What scores of rows within ``reach`` of cells, of ``bases``, are not below."""
    with np.errstate(invalid="ignore"):  # infinity less infinity ends nothing
        return np.square(np.maximum(np.sqrt(bases) - reach, 0)) * SURELY


@least.register(RowsIP)
def least_ip(cells, bases, reach, queries, query):
    lengths = np.sqrt(squares(queries))[query]
    return np.maximum(bases - lengths * reach, 0) * SURELY


def scan(lists, points, queries, turns, best):
    """Offer slots to the shortlists ``best`` of ``queries``."""
    counters.add(scores=_n_scores(turns))
    if not lists.codes:
        scratch = new_scratch(points, len(queries))
        set_queries(points, scratch, frozen(queries))
        turns = turns._replace(offsets=np.zeros(len(turns.runs), np.float32))
        return propose_each(points, scratch, lists.ids, lists.adds, turns, best)
    is_ip = isinstance(lists.cells, RowsIP)
    turns, rows = _asked_rows(lists, queries, turns, is_ip)
    powers = np.ones(len(rows), np.float32) if is_ip else _powers(rows)
    rows = np.divide(rows, powers[:, None])
    # Scores of codes are 2 less the inner product, and so are all of inner products.
    times = powers * np.float32(1 if is_ip else 2)
    one = np.float32(is_ip)
    turns = turns._replace(offsets=turns.offsets + one, lows=turns.lows + one)
    scan = _scan_blocks if isinstance(lists.codes, Blocks) else _scan_each
    return scan(lists, rows, times, turns, best)


def _scan_each(lists, rows, times, turns, best):
    """Scan codes one by one for asked ``rows``, whose scores count ``times`` 1."""
    codes = lists.codes
    scratch = new_scratch(codes, len(rows))
    set_queries(codes, scratch, frozen(encode_queries(codes, rows)))
    units = times[turns.asked] * lists.scales[turns.runs]
    turns = turns._replace(offsets=turns.offsets - 2 * units, units=units)
    propose_each(codes, scratch, np.empty(0, np.int32), lists.adds, turns, best)


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
    propose_by_tables(blocks, Asked(rounded, inner), turns, best)


@kernel
def fit_turns(turns, scales, levels, more, unit, offsets, units, shares):
    """Fill ``offsets``, ``units`` and ``shares``, of lists that have scales and levels.

    ``more`` and ``unit`` are those of a list with a scale of 1.
    """
    top = np.float32(65535)
    for t in range(len(offsets)):
        run, a = turns.runs[t], turns.asked[t]
        units[t] = unit[a] * scales[run]
        offsets[t] = turns.offsets[t] + levels[0, run] + more[a] * scales[run]
        share = levels[1, run] / units[t] * np.float32(65536)
        shares[t] = np.uint16(share if share < top else top)  # nor NaN


def _n_scores(turns):
    return int((turns.starts[turns.runs + 1] - turns.starts[turns.runs]).sum())


def _asked_rows(lists, queries, turns, is_ip):
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
    return turns._replace(asked=asked.astype(np.int32)), rows


def _powers(rows):
    """The power of two above the length of every row, 1 for 0."""
    lengths = np.sqrt(squares(rows))
    return np.exp2(np.where(lengths > 0, np.frexp(lengths)[1], 0)).astype(np.float32)


@kernel
def propose_each(points, scratch, ids, adds, turns, lists):
    """Offer the slots of the turns, one by one, or two share no pass.

    A score is ``offset + add + unit * score`` of point ``ids[slot]``, or of point
    ``slot`` where there are no ``ids``.
    """
    keys, filled, bounds, marks, bins = lists
    some, scores = np.empty(STEP, np.int32), np.empty(STEP, np.float32)
    met = np.empty(STEP, np.uint64)
    for t in range(len(turns.runs)):
        q, v = turns.queries[t], turns.asked[t]
        offset, unit = turns.offsets[t], turns.units[t]
        if turns.lows[t] > score_of(bounds[q]):
            continue
        last = turns.starts[turns.runs[t] + 1]
        for first in range(turns.starts[turns.runs[t]], last, STEP):
            n = min(STEP, last - first)
            for j in range(n):
                some[j] = ids[first + j] if len(ids) else first + j
                prefetch(points, some[j])
            score_many(points, scratch, v, some, 0, n, scores)
            n_met = 0
            for j in range(n):
                score = offset + unit * scores[j]
                if len(adds):
                    score += adds[first + j]
                met[n_met] = key_of(max(score, np.float32(0)), first + j)
                n_met += met[n_met] <= bounds[q]
            push(met, n_met, keys, filled, bounds, marks, bins, q)
