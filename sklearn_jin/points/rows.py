"""Vectors with all their numbers, under squared L2, L1, L-infinity or inner products.

Numbers are float32, or narrower: uint8, int8, or the bits of float16 numbers as uint16.
The type of the array chooses how kernels load them, and all that they compute is
float32, or float64 where a score is exact.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Float32, Kind
from sklearn_jin._memory import (
    LINE,
    aligned,
    aligned_empty,
    frozen,
    lines_of,
    padded_width,
)
from sklearn_jin._numbers import blocks
from sklearn_jin._simd import (
    dot,
    floats,
    l1,
    largest,
    number,
    prefetch_lines,
    squared_l2,
)
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
Numbers = Kind("f4", "u1", "i1", "u2")  # which kernels can load; u2 are float16 bits
QUERY_BYTES = 2**23  # of float32 rows that stand for others at a time
UNSCALED = frozen(np.ones(1, np.float32))


class RowsL2(NamedTuple):
    """Rows whose score is the squared L2 distance."""

    X: Numbers[2]  # (n, width), padded with zeros; float32 rows start at a line


class RowsL1(NamedTuple):
    """Rows whose score is the L1 distance."""

    X: Numbers[2]  # as in RowsL2


class RowsLinf(NamedTuple):
    """Rows whose score is the largest difference of a coordinate."""

    X: Numbers[2]  # as in RowsL2


class RowsIP(NamedTuple):
    """Rows of length 1 at most whose score is one less the inner product.

    A graph on them joins each row to those of large inner product (ip-NSW,
    Morozov & Babenko, 2018) and to those that are near.  The former alone meet
    hardly more than the longest rows; the latter alone lose their way between
    long rows, which are far apart.  Rows are inserted from the longest to the
    shortest: the answers are among the former, and so are the upper layers.
    """

    X: Numbers[2]  # as in RowsL2; times the scale they are of length 1 at most
    scale: Float32[1] = UNSCALED  # (1,), a power of two


def scratch_rows(points, n):
    return np.zeros((n, points.X.shape[1]), np.float32)


def set_query_rows(points, scratch, v, queries, q):
    for j in range(queries.shape[1]):
        scratch[v, j] = queries[q, j]


@set_query.register(RowsIP)
def set_query_ip(points, scratch, v, queries, q):
    scale = points.scale[0]
    for j in range(queries.shape[1]):
        scratch[v, j] = queries[q, j] * scale


def prefetch_rows(points, i):
    n_bytes = points.X.itemsize * points.X.shape[1]
    start = i * n_bytes % LINE  # within a line
    lines = (start + n_bytes + LINE - 1) // LINE
    prefetch_lines(points.X, i, min(lines, FETCHED_LINES))


def prepared_rows(points, ids):
    rows = floats(points.X[ids])
    scale = getattr(points, "scale", UNSCALED)
    return rows if scale[0] == 1 else rows * scale


class FloatRows:
    """Rows of points as prepared float32 ones, which are made when they are read.

    It is indexed by a slice or by ids, as the array (n, d) that it stands for.
    """

    def __init__(self, points, d, ids=None):
        n = len(points.X) if ids is None else len(ids)
        self.points, self.shape, self.ids = points, (n, d), ids

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, ids):
        ids = ids if self.ids is None else self.ids[ids]
        return rows_of(self.points, ids)[:, : self.shape[1]]

    def taken(self, ids):
        """The rows ``ids``, which are not made yet."""
        return FloatRows(self.points, self.shape[1], ids)


def float_rows(points, d=None):
    """The first ``d`` numbers of all prepared rows: an array, or :class:`FloatRows`."""
    d = points.X.shape[1] if d is None else d
    if points.X.dtype == np.float32:
        return points.X[:, :d]
    return FloatRows(points, d)


def query_parts(points, ids):
    """Parts of the rows ``ids`` as queries.

    Each is the place of the part in ``ids``, an array of queries, and the numbers of
    those that are asked.  Float32 rows serve as they are; of others no more than
    ``QUERY_BYTES`` are made at a time.
    """
    if points.X.dtype == np.float32:
        yield 0, points.X, ids
        return
    step = max(1, QUERY_BYTES // (4 * points.X.shape[1]))
    for lo in range(0, len(ids), step):
        queries = frozen(rows_of(points, ids[lo : lo + step]))
        yield lo, queries, np.arange(len(queries))


def subset_rows(points, ids):
    return points._replace(X=frozen(aligned(points.X[ids])))


def ranges_of_rows(points, n, d):
    width = padded_width(d)
    yield np.array([points[0].shape[1]]), width, width
    yield np.array([len(part) for part in points[1:]]), 1, 1


def work_of_rows(points):
    # In the cache 6 ns for 128 float32 features, 21 ns for 512 and 47 ns for 960.
    return Work(lines_of(points.X), 0.045 * points.X.shape[1])


for kind in (RowsL2, RowsL1, RowsLinf, RowsIP):
    work.register(kind, work_of_rows)
    ranges_of.register(kind, ranges_of_rows)
    new_scratch.register(kind, scratch_rows)
    prefetch.register(kind, prefetch_rows)
    subset.register(kind, subset_rows)
    rows_of.register(kind, prepared_rows)


def zero_of_rows_is_sure(points):
    return True


# Not of inner products, whose scores are cut at 0.
for kind in (RowsL2, RowsL1, RowsLinf):
    zero_is_sure.register(kind, zero_of_rows_is_sure)
    set_query.register(kind, set_query_rows)


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
    product = points.scale[0] ** 2 * dot(points.X, i, points.X, j)
    return max(np.float32(1) - product, np.float32(0))


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
        gap = np.float64(queries[q, j]) - number(points.X[i, j])
        total += gap * gap
    return total


@exact.register(RowsL1)
def exact_l1(points, queries, q, i):
    total = 0.0
    for j in range(queries.shape[1]):
        total += abs(np.float64(queries[q, j]) - number(points.X[i, j]))
    return total


@exact.register(RowsLinf)
def exact_linf(points, queries, q, i):
    most = 0.0
    for j in range(queries.shape[1]):
        gap = abs(np.float64(queries[q, j]) - number(points.X[i, j]))
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
        total -= np.float64(queries[q, j]) * number(points.X[i, j])
    return total * np.float64(points.scale[0])


@spaces.register(RowsIP)
def spaces_ip(points):
    return RowsL2(points.X), points  # a scale changes no order of distances


@insertion_order.register(RowsIP)
def insertion_order_ip(points, order):
    X = float_rows(points)
    every = (X[part] for part in blocks(X))
    lengths = np.concatenate([np.einsum("ij,ij->i", some, some) for some in every])
    return order[np.argsort(-lengths[order], kind="stable")]


ROWS = {"l2": RowsL2, "l1": RowsL1, "linf": RowsLinf, "ip": RowsIP}


def joined(points, more):
    """The ``points`` and, behind them, ``more`` rows of the same kind."""
    n, width = points.X.shape
    X = aligned_empty(n + len(more.X), width, points.X.dtype)
    X[:n], X[n:] = points.X, more.X
    return points._replace(X=frozen(X))
