"""The fitted index as one value, and what a query asks of it.

``fit`` makes an :class:`Index`, a file holds one, and :func:`sklearn_jin.search.answer.
answer` reads one.  Nothing in it is ever changed, so a query that began with an index
ends with the same one, whatever other threads do.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float64, Int32, wrong_arrays
from sklearn_jin._dispatch import singledispatch
from sklearn_jin._memory import frozen
from sklearn_jin.points import count, ranges_of

CACHED = 1 << 18  # numbers that are looked at twice: 15 GB/s, not the memory's 11


class Learned(NamedTuple):
    """What ``fit`` learned of the codes and of the data."""

    rerank: float | None = None  # candidates a neighbour by default; None without codes
    # Estimate / exact score of 99.9 % of neighbours, by the codes that sort them last.
    overestimate: float = np.inf
    spread: Float64[1] = frozen(np.empty(0))  # mean log score by rank; or (0,)
    decoder: object = None  # the quantizer whose codes ``Index.points`` are, if any
    least: int = 1  # candidates by default, however few neighbours are wanted


class Index(NamedTuple):
    """A fitted index."""

    metric: object  # a fitted metric of sklearn_jin.metrics
    points: tuple  # what candidates are scored on exactly
    codes: tuple | None  # what the route scores instead of ``points``; None for them
    route: tuple  # how candidates are found: Flat, Blocks, Layers, Lists ...
    learned: Learned = Learned()
    finer: tuple | None = None  # codes that candidates are sorted by before ``points``


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
        wanted = max(np.ceil(index.learned.rerank * k), index.learned.least)
    else:
        wanted = np.ceil(rerank * k)
    room = int(max(k, min(wanted, most)))
    return room, np.inf if index.finer is None else overestimate


def n_bytes(part):
    """Bytes of all arrays in a record of records."""
    if isinstance(part, np.ndarray):
        return part.nbytes
    return sum(map(n_bytes, part)) if isinstance(part, tuple) else 0


def usage(index):
    """Bytes of the points, of the codes, and of all the rest of an index."""
    codes = None if index.codes is index.points else index.codes
    inside = n_bytes(codes_of(index.route)) + n_bytes(index.finer)
    rest = n_bytes(index.route) - n_bytes(codes_of(index.route))
    rest += n_bytes(index.learned.spread)
    points = n_bytes(index.points)
    return {"points": points, "codes": n_bytes(codes) + inside, "index": rest}


def check(index, n=None):
    """Raise ValueError if a kernel may read beyond the arrays of an index.

    It is to have ``n`` points, or None for as many as it has.
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
    n = max(1, count(index.points)) if n is None else n
    d = index.metric.width_
    for points in filter(None, (index.points, index.codes, index.finer)):
        yield np.array([count(points)]), n, n
        yield from ranges_of(points, n, d)
    yield from ranges_of(index.route, n, d)


def _is_beyond(ids):
    """Whether an array of a triple (array, least, most) has numbers beyond these."""
    array, least, most = ids
    flat = array.reshape(-1)
    parts = (flat[lo : lo + CACHED] for lo in range(0, len(flat), CACHED))
    return not all(least <= part.min() <= part.max() <= most for part in parts)
