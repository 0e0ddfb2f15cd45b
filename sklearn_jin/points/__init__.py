"""Points: what is stored of a vector, and how near a query is to it.

A kind of points is a NamedTuple of arrays, the first of which has a row for
every point, and its type chooses the kernel: a graph walk or a scan is written
once and runs on every kind.  A score is a squared L2 distance, or whatever
else the metric's ``finish`` turns into a distance: smaller is nearer, it is
never negative, and 0 is the same place.  Points that are codes estimate it.

A kind registers the functions below by ``@function.register(Kind)`` with
these very parameter names and without annotations, because Numba compares
them.  Adding a kind adds a file; a metric names the kind that serves it.
"""

from typing import NamedTuple

from numba.extending import overload

from sklearn_jin._dispatch import singledispatch
from sklearn_jin._jit import FLAGS

HOW = {"jit_options": {"fastmath": FLAGS}, "inline": "always"}


class Work(NamedTuple):
    """What a score takes, as it was measured once: a choice by it needs no clock.

    The figures are of one thread of an AMD EPYC of Zen 5 with AVX-512, whose memory
    was shared with others.
    """

    lines: int  # cache lines, read at random
    arithmetic: float  # nanoseconds of all else


def _unknown(points, function):
    raise TypeError(f"{type(points).__name__} has no registered {function}")


@singledispatch
def new_scratch(points, n):
    """Room for what ``score`` needs of ``n`` queries at a time."""
    _unknown(points, "new_scratch")


@singledispatch
def set_query(points, scratch, v, queries, q):
    """Make row ``q`` of ``queries`` the query of view ``v``."""
    _unknown(points, "set_query")


@singledispatch
def score(points, scratch, v, i):
    """Score of stored point ``i`` for the query of view ``v``, float32."""
    _unknown(points, "score")


@singledispatch
def lower_bound(points, scratch, v, i):
    """What the true score of point ``i`` is hardly ever below, where it is known."""
    _unknown(points, "lower_bound")


@singledispatch
def score_many(points, scratch, v, ids, start, n, scores):
    """Fill ``scores[:n]`` for points ``ids[start : start + n]``, fetched before."""
    for j in range(n):
        scores[j] = score(points, scratch, v, ids[start + j])


@singledispatch
def prefetch(points, i):
    """Ask the memory for all that ``score`` will read of point ``i``."""
    _unknown(points, "prefetch")


@singledispatch
def pair_score(points, i, j):
    """Score of stored points ``i`` and ``j``, float32."""
    _unknown(points, "pair_score")


@singledispatch
def exact(points, queries, q, i):
    """Score of stored point ``i`` for row ``q`` of ``queries``, in float64."""
    _unknown(points, "exact")


@singledispatch
def subset(points, ids):
    """The points ``ids`` as points of the same kind.  Never compiled."""
    _unknown(points, "subset")


@singledispatch
def zero_is_sure(points):
    """Whether a score of 0 is one of 0, and not an estimate that is hardly above it."""
    return False


@singledispatch
def count(points):
    """Number of the points.  Never compiled, as are the next."""
    return len(points[0])


@singledispatch
def work(points):
    """The :class:`Work` of a ``score``; for those who choose among kinds of points."""
    _unknown(points, "work")


@singledispatch
def rows_of(points, ids):
    """Prepared float32 rows (n, width) of the points ``ids``, an index of any kind."""
    _unknown(points, "rows_of")


@singledispatch
def encode_queries(points, queries):
    """Prepared ``queries`` as ``set_query`` and ``exact`` take them."""
    return queries


@singledispatch
def fastscan_codes(points):
    """Bytes (n, n_bytes) whose halves have tables, and factors (2, n) or None.

    None where codes are not such.  Never compiled, as is the next.
    """
    return None


@singledispatch
def fastscan_tables(points, queries):
    """Tables (n_queries, n_bytes, 2, 16), ``outer``, ``inner`` and ``far``.

    Of a code, ``sum`` being that of what its nibbles choose from the tables of
    an asked query, low halves first, the score is ``outer + add + scale *
    (inner + sum)``.  No near code has an entry above ``far`` times the mean.
    """
    _unknown(points, "fastscan_tables")


@singledispatch
def spaces(points):
    """The points whose graphs, merged, lead to answers.  Never compiled."""
    return (points,)


@singledispatch
def ranges_of(part, n, d):
    """Triples (array, least, most) of what a damaged file must not have changed.

    ``part`` is a record over ``n`` points of ``d`` features, points or a route; within
    these ranges no kernel reads beyond its arrays.  Triples that follow may rely on
    those before them.  Never compiled.
    """
    return ()


@singledispatch
def insertion_order(points, order):
    """``order`` of insertion into a graph, as suits the points.  Never compiled."""
    return order


# Numba picks what plain Python picks: the function registered for the type.
# Inlined, for a record of arrays is dear to pass to a function 10 ns long.
@overload(new_scratch, **HOW)
def _compiled_new_scratch(points, n):
    return new_scratch.dispatch(points.instance_class)


@overload(set_query, **HOW)
def _compiled_set_query(points, scratch, v, queries, q):
    return set_query.dispatch(points.instance_class)


@overload(zero_is_sure, **HOW)
def _compiled_zero_is_sure(points):
    return zero_is_sure.dispatch(points.instance_class)


@overload(score, **HOW)
def _compiled_score(points, scratch, v, i):
    return score.dispatch(points.instance_class)


@overload(lower_bound, **HOW)
def _compiled_lower_bound(points, scratch, v, i):
    return lower_bound.dispatch(points.instance_class)


@overload(score_many, **HOW)
def _compiled_score_many(points, scratch, v, ids, start, n, scores):
    return score_many.dispatch(points.instance_class)


@overload(prefetch, **HOW)
def _compiled_prefetch(points, i):
    return prefetch.dispatch(points.instance_class)


@overload(pair_score, **HOW)
def _compiled_pair_score(points, i, j):
    return pair_score.dispatch(points.instance_class)


@overload(exact, **HOW)
def _compiled_exact(points, queries, q, i):
    return exact.dispatch(points.instance_class)
