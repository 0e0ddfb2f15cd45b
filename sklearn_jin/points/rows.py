"""Vectors as they came, in float32, under squared L2, L1 or L-infinity."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._memory import aligned, frozen, lines_of, padded_width
from sklearn_jin._simd import LINE, dot, l1, largest, prefetch_lines, squared_l2
from sklearn_jin.points import (
    Work,
    exact,
    insertion_order,
    new_scratch,
    pair_score,
    prefetch,
    ranges_of,
    rows_of,
    score,
    set_query,
    spaces,
    subset,
    work,
    zero_is_sure,
)

FETCHED_LINES = 64  # of one row; the hardware follows a longer row by itself


class RowsL2(NamedTuple):
    """Rows whose score is the squared L2 distance."""

    X: np.ndarray  # (n, width) float32, padded with zeros, rows start at a line


class RowsL1(NamedTuple):
    """Rows whose score is the L1 distance."""

    X: np.ndarray  # as in RowsL2


class RowsLinf(NamedTuple):
    """Rows whose score is the largest difference of a coordinate."""

    X: np.ndarray  # as in RowsL2


class RowsIP(NamedTuple):
    """Rows of length 1 at most whose score is one less the inner product.

    A graph on them joins each row to those of large inner product (ip-NSW,
    Morozov & Babenko, 2018) and to those that are near.  The former alone meet
    hardly more than the longest rows; the latter alone lose their way between
    long rows, which are far apart.  Rows are inserted from the longest to the
    shortest: the answers are among the former, and so are the upper layers.
    """

    X: np.ndarray  # as in RowsL2


def scratch_rows(points, n):
    return np.zeros((n, points.X.shape[1]), np.float32)


def set_query_rows(points, scratch, v, queries, q):
    for j in range(queries.shape[1]):
        scratch[v, j] = queries[q, j]


def prefetch_rows(points, i):
    width = points.X.shape[1]
    prefetch_lines(points.X, i, min((4 * width + LINE - 1) // LINE, FETCHED_LINES))


def rows_as_they_are(points, ids):
    return points.X[ids]


def subset_rows(points, ids):
    return points._replace(X=frozen(aligned(points.X[ids])))


def ranges_of_rows(points, n, d):
    width = padded_width(d)
    yield np.array([points[0].shape[1]]), width, width


def work_of_rows(points):
    # In the cache 6 ns for 128 features, 21 ns for 512 and 47 ns for 960.
    return Work(lines_of(points.X), 0.045 * points.X.shape[1])


for kind in (RowsL2, RowsL1, RowsLinf, RowsIP):
    work.register(kind, work_of_rows)
    ranges_of.register(kind, ranges_of_rows)
    new_scratch.register(kind, scratch_rows)
    set_query.register(kind, set_query_rows)
    prefetch.register(kind, prefetch_rows)
    subset.register(kind, subset_rows)
    rows_of.register(kind, rows_as_they_are)


def zero_of_rows_is_sure(points):
    return True


# Not of inner products, whose scores are cut at 0.
for kind in (RowsL2, RowsL1, RowsLinf):
    zero_is_sure.register(kind, zero_of_rows_is_sure)


@score.register(RowsL2)
def score_l2(points, scratch, v, i):
    return squared_l2(points.X, i, scratch, v)


@score.register(RowsIP)
def score_ip(points, scratch, v, i):
    return max(np.float32(1) - dot(points.X, i, scratch, v), np.float32(0))


@score.register(RowsL1)
def score_l1(points, scratch, v, i):
    return l1(points.X, i, scratch, v)


@score.register(RowsLinf)
def score_linf(points, scratch, v, i):
    return largest(points.X, i, scratch, v)


@pair_score.register(RowsL2)
def pair_score_l2(points, i, j):
    return squared_l2(points.X, i, points.X, j)


@pair_score.register(RowsIP)
def pair_score_ip(points, i, j):
    return max(np.float32(1) - dot(points.X, i, points.X, j), np.float32(0))


@pair_score.register(RowsL1)
def pair_score_l1(points, i, j):
    return l1(points.X, i, points.X, j)


@pair_score.register(RowsLinf)
def pair_score_linf(points, i, j):
    return largest(points.X, i, points.X, j)


@exact.register(RowsL2)
def exact_l2(points, queries, q, i):
    total = 0.0
    for j in range(queries.shape[1]):
        gap = np.float64(queries[q, j]) - np.float64(points.X[i, j])
        total += gap * gap
    return total


@exact.register(RowsL1)
def exact_l1(points, queries, q, i):
    total = 0.0
    for j in range(queries.shape[1]):
        total += abs(np.float64(queries[q, j]) - np.float64(points.X[i, j]))
    return total


@exact.register(RowsLinf)
def exact_linf(points, queries, q, i):
    most = 0.0
    for j in range(queries.shape[1]):
        gap = abs(np.float64(queries[q, j]) - np.float64(points.X[i, j]))
        if gap > most:
            most = gap
        elif gap != gap:
            return gap  # a NaN must not be passed over
    return most


@exact.register(RowsIP)
def exact_ip(points, queries, q, i):
    """Minus the inner product: the only score that may be negative."""
    total = 0.0
    for j in range(queries.shape[1]):
        total -= np.float64(queries[q, j]) * np.float64(points.X[i, j])
    return total


@spaces.register(RowsIP)
def spaces_ip(points):
    return RowsL2(points.X), points


@insertion_order.register(RowsIP)
def insertion_order_ip(points, order):
    lengths = np.einsum("ij,ij->i", points.X, points.X)
    return order[np.argsort(-lengths[order], kind="stable")]


ROWS = {"l2": RowsL2, "l1": RowsL1, "linf": RowsLinf, "ip": RowsIP}
