"""How far a finished index has to search for a recall that is stated.

Some rows, or queries that a user gives, are asked at growing effort, and the true
neighbours tell the recall.  A row is asked as if it had not been fitted: its own point
is left out of the graph or the lists (``absent`` of a search), and edges that it stood
in the way of are made.  A setting holds for a recall if the lower bound of its mean
over the queries does.  No clock is read.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, Float64, Int64
from sklearn_jin._dispatch import singledispatch
from sklearn_jin._memory import frozen
from sklearn_jin._threads import run
from sklearn_jin.construction.alter import rows_left
from sklearn_jin.construction.grow import CHUNK
from sklearn_jin.construction.link import replace_edges
from sklearn_jin.points import count, rows_of
from sklearn_jin.search.answer import answer, places_of
from sklearn_jin.search.branches import Branches
from sklearn_jin.search.counters import WORK, counting
from sklearn_jin.search.filtered import NEW, scan_work
from sklearn_jin.search.index import FLAT, Index, Search, copies_of, live_ids
from sklearn_jin.search.layers import Layers
from sklearn_jin.search.lists import Lists
from sklearn_jin.search.reduced import Reduced
from sklearn_jin.search.trial import hold, interval
from sklearn_jin.search.work import walk_ns

ASKED = 1000  # rows that are asked,
HELD = 50  # one in so many of all at a time
DEPTH = 100  # of their true neighbours that are kept
KS = (1, 10, 100)  # numbers of neighbours that are calibrated, besides that of fit
GOAL = 0.99  # up to which recall is measured, or to the target if that is higher
FIRST = 4  # beams, and
FIRST_LISTS = 2  # lists, of the least effort
GROWTH = 1.4  # times the effort is the next one; between two of them it is halved until
NEXT = 1.1  # they differ by less than that
STUCK = 0.9  # of the neighbours are missed still, though effort doubled: rerank more
KNOWN = 0.5  # recall from which on that tells of codes: few lists find little anyhow
MOST_RERANK = 8  # times the candidates by default


class Setting(NamedTuple):
    """What was measured at an effort: an entry of the table of a calibration."""

    k: int  # neighbours
    effort: int  # ef_search or n_probes; 0 where all rows are scanned
    rerank: float  # times the candidates by default that are scored exactly
    recall: float  # mean over the queries
    low: float  # lower and
    high: float  # upper bound of its 95 % interval
    work: float  # scores of a query, approximate and exact, on average


class Questions(NamedTuple):
    """What is asked to calibrate: rows, by their ids, or queries of a user."""

    rows: Int64[1]  # (n_rows,), or (0,)
    queries: Float32[2]  # (n_queries, width), prepared; or (0, width)
    scores: Float64[2]  # (n, depth) of the true neighbours; (0, 0) if to be found anew
    ids: Int64[2]  # (n, depth), theirs


NOTHING = Questions(
    frozen(np.empty(0, np.int64)),
    frozen(np.empty((0, 0), np.float32)),
    frozen(np.empty((0, 0))),
    frozen(np.empty((0, 0), np.int64)),
)


class Calibration(NamedTuple):
    """Which effort gives which recall."""

    parameter: str  # what the effort is of: "ef_search" or "n_probes"
    adaptive: bool  # parameters by which it was measured
    rerank: float | str | None
    n_rows: int  # rows that could be found
    table: tuple  # Setting for every k and effort that was tried, ascending
    questions: Questions
    medians: Float64[1]  # over the queries, of distances by rank of the true neighbour


class Asked(NamedTuple):
    """Queries and their true neighbours, nearest first."""

    index: tuple  # which is asked: its graph is healed where rows are held out
    queries: np.ndarray  # (n, width) float32, prepared
    rows: np.ndarray | None  # (n,) ids of the rows that they are; None of others
    scores: np.ndarray  # (n, depth) float64
    ids: np.ndarray  # (n, depth) int64


class Source(NamedTuple):
    """What rows are asked from."""

    index: tuple
    slack: float | None = None  # of the edges of its graph, on scores: see ``prune``
    points: tuple | None = None  # all rows by their ids, if the index keeps none
    n_threads: int = 1


class Climb(NamedTuple):
    """How searches of an estimator are made and judged."""

    index: tuple
    parts: list  # of Asked
    search: object  # the Search of ``k`` neighbours, an effort, and times of rerank
    reranks: bool  # whether more candidates may be scored exactly


def draw_rows(index, rng, most=ASKED):
    """Ids of rows that are asked, int64, ascending; ``rng`` draws them."""
    ids = live_ids(index)
    return np.sort(rng.choice(ids, min(most, len(ids) - 1), replace=False))


def ask_rows(source, rows, k, truth=None):
    """A list of :class:`Asked` of the rows of these ids, and their ``k`` neighbours.

    Of a graph whose edges can be healed some are held out at a time, no more than one
    of ``HELD``: neither are they neighbours of others, nor do edges lead to them.  To
    leave a row alone out, without new edges, would tell too little: on 100,000 SIFT
    vectors .941 for .968, since edges were not made because one led to it.  In any
    other index a query finds the others that are asked, so that these are among its
    true neighbours.  ``truth`` are the scores and ids of the neighbours by row, if they
    are known.
    """
    index = source.index
    points, ids = (source.points, live_ids(index)) if source.points else _rows(index)
    n_parts = -(-len(rows) * HELD // len(ids)) if _heals(source) else 1
    parts = []
    for part in range(min(n_parts, len(rows))):
        own = rows[part::n_parts]
        places = np.searchsorted(ids, own).astype(np.int32)
        queries = frozen(rows_of(points, places))
        if truth is None:
            search = _true_search(source, places, k, len(ids))
            flat = Index(None, points, None, FLAT)
            scores, found = answer(flat, queries, search)
            found = ids[found]
        else:
            scores, found = (x[part::n_parts] for x in truth)
        healed = _without(source, own)
        parts.append(Asked(healed, queries, own, scores, found))
    return parts


def _heals(source):
    """Whether a graph without some rows is made, rather than one with them asked."""
    is_graph = isinstance(source.index.route, Layers | Branches)
    return source.slack is not None and is_graph


def _true_search(source, places, k, n):
    """The search of the true neighbours of the rows at ``places``, of ``n``."""
    if not _heals(source):
        k = min(k, n - 1)
        return Search(k, k, absent=places, n_threads=source.n_threads)
    left = np.ones(n, bool)
    left[places] = False
    k = min(k, n - len(places))
    return Search(k, allowed=frozen(left), n_threads=source.n_threads)


def _without(source, rows):
    """The index of a source whose graph, if it has one, is that of the other rows.

    Nodes that are held out keep their own edges: one may be where a walk enters.
    """
    index, slack, points, n_threads = source
    if not _heals(source):
        return index
    points = index.points if points is None else points
    places = rows
    if index.changes is not None:
        places = places_of(rows, index.changes.ids)
    firsts = copies_of(index.route).firsts
    if len(firsts):  # a place that others hold too stays
        sizes = np.bincount(firsts, minlength=len(firsts))
        places = places[sizes[firsts[places]] == 1]
    neighbors, live = index.route.neighbors, np.ones(count(points), bool)
    live[places[places >= 0]] = False
    healed = np.empty_like(neighbors)

    def task(lo, hi):
        replace_edges(points, neighbors, live, np.float32(slack), healed, lo, hi)

    run(task, len(healed), CHUNK, n_threads)
    return index._replace(route=index.route._replace(neighbors=frozen(healed)))


def ask_queries(source, queries, k):
    """The same of the prepared ``queries``, which are no rows: a list of one."""
    points, ids = _rows(source.index)
    _, scores, found = hold(points, queries, k, source.n_threads)
    return [Asked(source.index, queries, None, scores, ids[found])]


def truth_of(parts):
    """Queries, scores and ids of what is asked, in the order of its rows."""
    n = sum(len(part.queries) for part in parts)
    columns = []
    for name in ("queries", "scores", "ids"):
        first = getattr(parts[0], name)
        every = np.empty((n, first.shape[1]), first.dtype)
        for i, part in enumerate(parts):
            every[i :: len(parts)] = getattr(part, name)
        columns.append(frozen(every))
    return columns


def questions(parts, depth):
    """The :class:`Questions` that ``parts`` asked, ``depth`` neighbours of each."""
    queries, scores, ids = truth_of(parts)
    rows = NOTHING.rows
    if parts[0].rows is not None:
        rows, queries = np.empty(len(queries), np.int64), NOTHING.queries
        for i, part in enumerate(parts):
            rows[i :: len(parts)] = part.rows
    scores, ids = (np.ascontiguousarray(x[:, :depth]) for x in (scores, ids))
    return Questions(*map(frozen, (rows, queries, scores, ids)))


def _rows(index):
    """The rows that are left, and their ids as answers have them, int64."""
    points, ids = rows_left(index)
    return points, ids.astype(np.int64, copy=False)


def recalls(parts, search):
    """Share (n_queries,) of the true neighbours that are found; and scores of a query.

    As near counts as found: neighbours at equal distance are as good as each other.
    """
    shares = []
    with counting() as tally:
        for part in parts:
            if part.rows is not None:
                search = search._replace(absent=part.rows.astype(np.int32))
            scores, ids = answer(part.index, part.queries, search)
            hits = _hits(part, scores, ids)
            shares.append(hits.mean(axis=1))
    shares = np.concatenate(shares)
    n_scores = sum(tally[WORK.index(name)] for name in ("scores", "exact"))
    return shares, float(n_scores / len(shares))


def _hits(part, scores, ids):
    k = scores.shape[1]
    if part.index.learned.decoder is None:
        return scores <= part.scores[:, k - 1 : k]
    # Scores are those of codes.
    return (ids[:, :, None] == part.ids[:, None, :k]).any(axis=2)


def calibrated(climb, k, target):
    """Settings for ``k`` neighbours, ascending: as few as tell one for ``target``.

    They go on to a lower bound of ``GOAL``, so that others can be stated later.
    """
    known = {}

    def measure(effort, rerank):
        if (effort, rerank) not in known:
            search = climb.search(k, effort, rerank)
            shares, work = recalls(climb.parts, search)
            work += _scanned(climb.index, effort)
            known[effort, rerank] = Setting(
                k, effort, rerank, *interval(shares, k), work
            )
        return known[effort, rerank]

    efforts, goal = efforts_of(climb.index.route, climb.index, k), max(target, GOAL)
    rerank, first = 1.0, 0
    while True:
        at = _ascend(measure, efforts[first:], rerank, goal, climb.reranks)
        reached = measure(efforts[first + at], rerank).low >= goal
        if reached or not climb.reranks or rerank >= MOST_RERANK:
            break
        rerank, first = 2 * rerank, max(0, first + at - 2)
    _refine(measure, known, target)
    return tuple(sorted(known.values(), key=lambda s: (s.rerank, s.effort)))


def _scanned(index, effort):
    """Rows of the scan that a search at an ``effort`` is, or 0: none counts them."""
    n = count(index.points)
    is_walk = isinstance(index.route, Layers | Branches)
    return n if effort == 0 or (is_walk and effort >= n) else 0


def _ascend(measure, efforts, rerank, goal, may_stop):
    """Measure ``efforts`` until one reaches the ``goal``; returns its number.

    Where it ``may_stop`` it does when twice the effort finds hardly anything more.
    """
    missed = []
    for i, effort in enumerate(efforts):
        setting = measure(effort, rerank)
        missed.append(1 - setting.recall)
        if setting.low >= goal:
            break
        # More are missed where fewer queries are short of neighbours, and so scanned.
        is_stuck = i >= 2 and missed[-3] >= missed[-1] > STUCK * missed[-3]
        if may_stop and is_stuck and setting.recall > KNOWN:
            break
    return i


def _refine(measure, known, target):
    """Measure between the last effort that fails the ``target`` and the next one."""
    best = best_of(known.values(), target)
    if best is None:
        return
    fails = [s.effort for s in known.values() if s.rerank == best.rerank]
    fails = [effort for effort in fails if effort < best.effort]
    low, high = max(fails, default=best.effort), best.effort
    while high > NEXT * low + 1:
        middle = round((low * high) ** 0.5)
        if measure(middle, best.rerank).low >= target:
            high = middle
        else:
            low = middle


def best_of(settings, target):
    """The setting of the least work with a lower bound of ``target``; or None."""
    enough = [s for s in settings if s.low >= target]
    return min(enough, key=lambda s: (s.work, s.effort), default=None)


def largest_of(settings):
    """The setting of the highest recall, by the least work."""
    return max(settings, key=lambda s: (s.recall, -s.work))


def setting_for(table, k, target):
    """A setting of ``k`` neighbours, from those of numbers that are in the ``table``.

    Efforts between are geometric means, and beyond they are in proportion to ``k``.
    Searches that ask for more neighbours on their way, as those within a radius and
    those that are limited to some rows, are answered by it.
    """
    ks = sorted({s.k for s in table})
    chosen = []
    for known in ks:
        some = [s for s in table if s.k == known]
        chosen.append(best_of(some, target) or largest_of(some))
    efforts = np.log([max(1, s.effort) for s in chosen])
    effort = np.exp(np.interp(np.log(k), np.log(ks), efforts)) * max(1, k / ks[-1])
    nearest = chosen[min(np.searchsorted(ks, k), len(ks) - 1)]
    if nearest.effort == 0 or nearest.k == k:
        return nearest
    return nearest._replace(k=k, effort=int(np.ceil(effort)))


@singledispatch
def efforts_of(route, index, k):
    """Efforts that are worth while to measure, ascending; one where all is scanned."""
    return [0]


@efforts_of.register(Layers)
@efforts_of.register(Branches)
def efforts_of_walks(route, index, k):
    """The last one, of all nodes, is a scan: no walk takes more work than it."""
    searched = index.points if index.codes is None else index.codes
    n = count(searched)
    hop = NEW * route.neighbors.shape[1] * walk_ns(searched)
    most = int(scan_work(index.points, n) / hop)
    return [*_grid(max(k, FIRST), min(n - 1, max(most, k))), n]


@efforts_of.register(Lists)
def efforts_of_lists(route, index, k):
    return _grid(FIRST_LISTS, len(route.starts) - 1)


@efforts_of.register(Reduced)
def efforts_of_reduced(route, index, k):
    return _grid(FIRST_LISTS, len(route.squares))


def _grid(first, last):
    """Whole numbers from ``first`` to ``last``, each ``GROWTH`` times that before."""
    grid = [min(first, last)]
    while grid[-1] < last:
        grid.append(min(last, int(np.ceil(GROWTH * grid[-1]))))
    return grid
