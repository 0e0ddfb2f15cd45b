"""The fitted index as one value, and what a query asks of it.

``fit`` makes an :class:`Index`, a file holds one, and :func:`sklearn_jin.search.answer.
answer` reads one.  Nothing in it is ever changed, so a query that began with an index
ends with the same one, whatever other threads do.
"""

import math
from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Bool, Float64, Int32, wrong_arrays
from sklearn_jin._dispatch import singledispatch
from sklearn_jin._memory import Remembered, frozen
from sklearn_jin.points import count, ranges_of

_masks = Remembered()

CACHED = 1 << 18  # numbers that are looked at twice: 15 GB/s, not the memory's 11

FEW, MANY = 10, 100  # neighbours for which candidates are learned


class Learned(NamedTuple):
    """What ``fit`` learned of the codes and of the data."""

    rerank: float | None = None  # candidates a neighbour by default; None without codes
    # Estimate / exact score of 99.9 % of neighbours, by the codes that sort them last.
    overestimate: float = np.inf
    spread: Float64[1] = frozen(np.empty(0))  # mean log score by rank; or (0,)
    decoder: object = None  # the quantizer whose codes ``Index.points`` are, if any
    least: int = 1  # candidates by default, however few neighbours are wanted
    far: float | None = None  # as ``rerank``, where ``MANY`` neighbours are wanted


class Index(NamedTuple):
    """A fitted index."""

    metric: object  # a fitted metric of sklearn_jin.metrics
    points: tuple  # what candidates are scored on exactly
    codes: tuple | None  # what the route scores instead of ``points``; None for them
    route: tuple  # how candidates are found: Flat, Blocks, Layers, Lists ...
    learned: Learned = Learned()
    finer: tuple | None = None  # codes that candidates are sorted by before ``points``
    changes: tuple | None = None  # Changes since the rows were fitted; None for none


class Changes(NamedTuple):
    """What became of the rows of an index: some were removed, others came later.

    An index itself is never changed.  Its points are known by their places; users know
    rows by ids, which are given once and never again.
    """

    ids: Int32[1]  # (n_points,), the id of every point
    live: Bool[1]  # (n_points,), whether the row was not removed
    n_live: int  # how many are left
    later: Index | None = None  # rows that came later: Flat, with Changes of their own


class Search(NamedTuple):
    """What a query asks."""

    k: int  # neighbours wanted
    room: int = 0  # candidates that are scored exactly; at least ``k`` are
    effort: int = 0  # ef_search of a graph, n_probes of lists
    adaptive: bool = False  # whether easy queries may take less effort than hard ones
    overestimate: float = np.inf  # see ``refine``: ends exact scoring early
    bound: bool = False  # whether the codes' own error bounds end exact scoring
    own: bool = False  # whether the queries are all the points, in their order
    allowed: np.ndarray | None = None  # (n_points,) bool: ids that may be returned
    n_threads: int = 1
    sieve: tuple | None = None  # ``allowed`` as the route takes it: see ``filtered``
    entries: dict | None = None  # kernels that were called before: see ``call``
    # (n_queries,) int32, the row that each query is to do without, as if it had not
    # been fitted, or -1: so rows are asked as new ones would be, to measure recall.
    absent: np.ndarray | None = None


class Flat(NamedTuple):
    """The route that scores every point, or every code."""


FLAT = Flat()


class Copies(NamedTuple):
    """Rows that equal others, if there are any: else both arrays are empty.

    Only the first row of a place is linked in a graph; the others are listed behind it
    when it is found.
    """

    firsts: Int32[1]  # (n,): the first row of the same place, which is linked
    following: Int32[1]  # (n,): the next row there, or -1


NO_COPIES = Copies(frozen(np.empty(0, np.int32)), frozen(np.empty(0, np.int32)))


@singledispatch
def propose(route, index, queries, search, use):
    """Find candidates among the points of ``index`` by its ``route``.

    ``use(part, estimates, ids)`` is called, in the thread that found them, with the
    candidates ``ids`` (n, m), int32 with -1 for none, of the queries numbered ``part``,
    ascending by ``estimates`` (n, m), float32.  Each query is passed at most once.

    Returns None, or where the route knows them ``limits`` (n_queries,), float64: no
    point that was not proposed has an exact score below its query's limit.
    """
    raise TypeError(f"{type(route).__name__} has no registered propose")


@singledispatch
def copies_of(route):
    """The :class:`Copies` of a route, for :func:`sklearn_jin.search.answer.answer`."""
    return NO_COPIES


@singledispatch
def proposes_bounds(route):
    """Whether the estimates of a bounded search are lower bounds of exact scores."""
    return False


@singledispatch
def codes_of(route):
    """The arrays of a route that are codes, for those who count memory."""
    return ()


@singledispatch
def for_this_cpu(route):
    """``route`` as this CPU scans it fastest, whatever CPU built it."""
    return route


@singledispatch
def for_any_cpu(route):
    """``route`` in the one form that files have, whatever CPU built it."""
    return route


def parts_of(index):
    """The indexes that an index consists of: itself, and that of later rows if any."""
    changes = index.changes
    later = None if changes is None else changes.later
    return (index,) if later is None else (index, later)


def count_live(index):
    """Number of rows that were not removed."""
    if index.changes is None:
        return count(index.points)
    return sum(part.changes.n_live for part in parts_of(index))


def live_ids(index):
    """Ids of the rows that were not removed, int64, ascending."""
    if index.changes is None:
        return np.arange(count(index.points))
    most = max(part.changes.ids.max(initial=-1) for part in parts_of(index))
    return np.flatnonzero(live_mask(index, int(most) + 1))


def live_mask(index, n_ids):
    """Which of the ``n_ids`` that were given are of rows that were not removed."""
    if index.changes is None:
        return np.ones(n_ids, bool)
    arrays = [array for part in parts_of(index) for array in part.changes[:2]]
    return _masks.get(arrays, n_ids, lambda: _live_mask(index, n_ids))


def _live_mask(index, n_ids):
    mask = np.zeros(n_ids, bool)
    for part in parts_of(index):
        mask[part.changes.ids[part.changes.live]] = True
    return frozen(mask)


def allowed_ids(allowed, n):
    """Ids that are ``allowed``, int32, of ``n``; None allows all."""
    if allowed is None:
        return np.arange(n, dtype=np.int32)
    return np.flatnonzero(allowed).astype(np.int32)


def allowed_places(allowed, copies):
    """Mask of the ids whose rows, or copies of them, are ``allowed``; None for all."""
    if allowed is None or not len(copies.firsts):
        return allowed
    places = np.zeros(len(allowed), bool)
    places[copies.firsts[allowed]] = True
    return places


def candidates_wanted(index, k, rerank, most):
    """Candidates that are scored exactly, ``most`` at most; and the overestimate.

    ``rerank`` is a number of candidates a neighbour, None for the one that was learned,
    or "bound", which goes on until the overestimate ends it.  That ends it always where
    finer codes sort the candidates.
    """
    if index.learned.rerank is None:  # what is searched is what is scored exactly
        return k, np.inf
    n, overestimate = count(index.points), max(1.0, index.learned.overestimate)
    if rerank == "bound":
        sure = proposes_bounds(index.route)
        return min(max(k, most), n), 1.0 if sure else overestimate
    if rerank is None:
        wanted = max(
            np.ceil(candidates_each(index.learned, k) * k), index.learned.least
        )
    else:
        wanted = np.ceil(rerank * k)
    room = int(max(k, min(wanted, most)))
    return room, np.inf if index.finer is None else overestimate


def candidates_each(learned, k):
    """Candidates a neighbour by default, of ``k``: the fewer, the more are wanted.

    They are as learned up to ``FEW`` neighbours and from ``MANY`` on, and in proportion
    to the logarithm of ``k`` between.
    """
    if learned.far is None or k <= FEW:
        return learned.rerank
    share = min(1.0, math.log(k / FEW) / math.log(MANY / FEW))
    return learned.rerank + share * (learned.far - learned.rerank)


def n_bytes(part):
    """Bytes of all arrays in a record of records."""
    if isinstance(part, np.ndarray):
        return part.nbytes
    return sum(map(n_bytes, part)) if isinstance(part, tuple) else 0


def usage(index):
    """Bytes of the points, of the codes, and of all the rest of an index."""
    total = _usage(index)
    if (changes := index.changes) is not None:
        total["index"] += changes.ids.nbytes + changes.live.nbytes
        if changes.later is not None:
            more = usage(changes.later)
            total = {name: size + more[name] for name, size in total.items()}
    return total


def _usage(index):
    """As :func:`usage`, without what came later."""
    codes = None if index.codes is index.points else index.codes
    inside = n_bytes(codes_of(index.route)) + n_bytes(index.finer)
    rest = n_bytes(index.route) - n_bytes(codes_of(index.route))
    rest += n_bytes(index.learned.spread)
    points = n_bytes(index.points)
    return {"points": points, "codes": n_bytes(codes) + inside, "index": rest}


def check(index, n=None):
    """Raise ValueError if a kernel may read beyond the arrays of an index.

    Its ids are to be below ``n``, of which none is missing but where rows were changed;
    None stands for as many as it has.
    """
    if wrong := wrong_arrays(index):
        raise ValueError(
            f"the index is damaged: {wrong} are of another type; fit it again"
        )
    if any(map(_is_beyond, _ranges(index, n))):  # which ends with the first that is
        raise ValueError(
            "the index is damaged: it holds ids beyond its rows, or arrays of other "
            "lengths than they had; fit it again"
        )


def _ranges(index, n):
    if index.changes is not None:
        yield from _ranges_of_changes(index, n)
        n = count(index.points)
    n = max(1, count(index.points)) if n is None else n
    d = index.metric.width_
    for points in filter(None, (index.points, index.codes, index.finer)):
        yield np.array([count(points)]), n, n
        yield from ranges_of(points, n, d)
    yield from ranges_of(index.route, n, d)


def _ranges_of_changes(index, n):
    """As :func:`_ranges`, of the changes, and of the rows that came later."""
    (ids, live, n_live, later), n_points = index.changes, count(index.points)
    n = np.iinfo(np.int32).max if n is None else n
    yield np.array([len(ids), len(live)]), n_points, n_points
    yield ids, 0, n - 1
    yield np.array([n_live]), np.count_nonzero(live), np.count_nonzero(live)
    if later is not None:
        if not isinstance(later.changes, Changes) or later.changes.later is not None:
            raise ValueError("the index is damaged: its parts have parts; fit it again")
        yield from _ranges(later, n)
    n_rows = count_live(index)  # no id is that of two rows
    yield np.array([len(live_ids(index))]), n_rows, n_rows


def _is_beyond(ids):
    """Whether an array of a triple (array, least, most) has numbers beyond these."""
    array, least, most = ids
    flat = array.reshape(-1)
    parts = (flat[lo : lo + CACHED] for lo in range(0, len(flat), CACHED))
    return not all(least <= part.min() <= part.max() <= most for part in parts)
