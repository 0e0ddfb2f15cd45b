"""Rows under a function of the user's, which is called for every score."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float64
from sklearn_jin._jit import piece
from sklearn_jin._memory import frozen, lines_of
from sklearn_jin._simd.calls import FUNCTIONS, call_at
from sklearn_jin.points import (
    Work,
    exact,
    new_scratch,
    pair_score,
    prefetch,
    ranges_of,
    rows_of,
    score,
    set_query,
    subset,
    work,
)
from sklearn_jin.points.rows import prefetch_rows, set_query_rows


class RowsOfFunction(NamedTuple):
    """Rows whose score is what a function returns: 0 for less, infinity for a NaN."""

    X: Float64[2]  # (n, d), as the user gave them
    address: int  # of the function in this process: see ``address_of``


set_query.register(RowsOfFunction, set_query_rows)
prefetch.register(RowsOfFunction, prefetch_rows)


@work.register(RowsOfFunction)
def work_of_function(points):
    # A call takes 8 ns, and what is most of it is not known: a nanosecond a feature.
    return Work(lines_of(points.X), 8.0 + points.X.shape[1])


@new_scratch.register(RowsOfFunction)
def scratch_of_function(points, n):
    return np.zeros((n, points.X.shape[1]), np.float64)


@rows_of.register(RowsOfFunction)
def rows_of_function(points, ids):
    return points.X[ids]


@subset.register(RowsOfFunction)
def subset_of_function(points, ids):
    return points._replace(X=frozen(points.X[ids]))


@ranges_of.register(RowsOfFunction)
def ranges_of_function(points, n, d):
    yield np.array([points.X.shape[1]]), d, d
    yield np.array([points.address in FUNCTIONS]), 1, 1  # no other place is called


@score.register(RowsOfFunction)
def score_of_function(points, scratch, v, i):
    return np.float32(told(points.address, points.X, i, scratch, v))


@pair_score.register(RowsOfFunction)
def pair_score_of_function(points, i, j):
    return np.float32(told(points.address, points.X, i, points.X, j))


@exact.register(RowsOfFunction)
def exact_of_function(points, queries, q, i):
    return told(points.address, points.X, i, queries, q)


@piece
def told(address, X, i, Y, j):
    """What the function says of two rows, as a score."""
    value = call_at(address, Y, j, X, i)
    if value >= 0:
        return value
    return 0.0 if value < 0 else np.inf


def revived(part, address):
    """``part`` of an index that another process made, with the ``address`` in this one.

    Rows of functions stand in it as points, as landmarks, and as later rows.
    """
    if isinstance(part, RowsOfFunction):
        return part._replace(address=address)
    if isinstance(part, tuple) and hasattr(part, "_make"):
        return type(part)._make(revived(field, address) for field in part)
    return part
