"""Vectors as they came, in float32, under squared L2, L1 or L-infinity."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._memory import aligned, frozen
from sklearn_jin._simd import LINE, dot, l1, largest, prefetch, squared_l2
from sklearn_jin.points import (
    arrange,
    between,
    exact,
    fetch,
    look,
    score,
    spaces,
    take,
    view,
)

FETCHED_LINES = 64  # of one row; the hardware follows a longer row by itself


class Raw(NamedTuple):
    """Rows whose score is the squared L2 distance."""

    X: np.ndarray  # (n, width) float32, padded with zeros, rows start at a line


class Manhattan(NamedTuple):
    """Rows whose score is the L1 distance."""

    X: np.ndarray  # as in Raw


class Chebyshev(NamedTuple):
    """Rows whose score is the largest difference of a coordinate."""

    X: np.ndarray  # as in Raw


class Dot(NamedTuple):
    """Rows of length 1 at most whose score is one less the inner product.

    A graph on them joins each row to those of large inner product (ip-NSW,
    Morozov & Babenko, 2018) and to those that are near.  The former alone meet
    hardly more than the longest rows; the latter alone lose their way between
    long rows, which are far apart.  Rows are inserted from the longest to the
    shortest: the answers are among the former, and so are the upper layers.
    """

    X: np.ndarray  # as in Raw


def view_rows(points, n):
    return np.zeros((n, points.X.shape[1]), np.float32)


def look_rows(points, views, v, queries, q):
    for j in range(queries.shape[1]):
        views[v, j] = queries[q, j]


def fetch_rows(points, i):
    width = points.X.shape[1]
    prefetch(points.X, i, min((4 * width + LINE - 1) // LINE, FETCHED_LINES))


def take_rows(points, ids):
    return points._replace(X=frozen(aligned(points.X[ids])))


for kind in (Raw, Manhattan, Chebyshev, Dot):
    view.register(kind, view_rows)
    look.register(kind, look_rows)
    fetch.register(kind, fetch_rows)
    take.register(kind, take_rows)


@score.register(Raw)
def score_l2(points, views, v, i):
    return squared_l2(points.X, i, views, v)


@score.register(Dot)
def score_dot(points, views, v, i):
    return max(np.float32(1) - dot(points.X, i, views, v), np.float32(0))


@score.register(Manhattan)
def score_l1(points, views, v, i):
    return l1(points.X, i, views, v)


@score.register(Chebyshev)
def score_largest(points, views, v, i):
    return largest(points.X, i, views, v)


@between.register(Raw)
def between_l2(points, i, j):
    return squared_l2(points.X, i, points.X, j)


@between.register(Dot)
def between_dot(points, i, j):
    return max(np.float32(1) - dot(points.X, i, points.X, j), np.float32(0))


@between.register(Manhattan)
def between_l1(points, i, j):
    return l1(points.X, i, points.X, j)


@between.register(Chebyshev)
def between_largest(points, i, j):
    return largest(points.X, i, points.X, j)


@exact.register(Raw)
def exact_l2(points, queries, q, i):
    total = 0.0
    for j in range(queries.shape[1]):
        gap = np.float64(queries[q, j]) - np.float64(points.X[i, j])
        total += gap * gap
    return total


@exact.register(Manhattan)
def exact_l1(points, queries, q, i):
    total = 0.0
    for j in range(queries.shape[1]):
        total += abs(np.float64(queries[q, j]) - np.float64(points.X[i, j]))
    return total


@exact.register(Chebyshev)
def exact_largest(points, queries, q, i):
    most = 0.0
    for j in range(queries.shape[1]):
        gap = abs(np.float64(queries[q, j]) - np.float64(points.X[i, j]))
        if gap > most:
            most = gap
        elif gap != gap:
            return gap  # a NaN must not be passed over
    return most


@exact.register(Dot)
def exact_dot(points, queries, q, i):
    """Minus the inner product: the only score that may be negative."""
    total = 0.0
    for j in range(queries.shape[1]):
        total -= np.float64(queries[q, j]) * np.float64(points.X[i, j])
    return total


@spaces.register(Dot)
def spaces_dot(points):
    return Raw(points.X), points


@arrange.register(Dot)
def arrange_dot(points, order):
    lengths = np.einsum("ij,ij->i", points.X, points.X)
    return order[np.argsort(-lengths[order], kind="stable")]


KINDS = {kind.__name__: kind for kind in (Raw, Manhattan, Chebyshev, Dot)}
