"""Rows under metrics with a term for each feature: scans and graphs on them.

One record serves all of these metrics, by a ``rule`` that is told at run time: so
graphs are compiled once for all.  Loops are plain, and LLVM makes vectors of those
without logarithms and powers.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from sklearn_jin._jit import FLAGS, kernel, kernel_of_numbers
from sklearn_jin._memory import lines_of
from sklearn_jin._simd import number
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
    zero_is_sure,
)
from sklearn_jin.points.rows import (
    Numbers,
    prefetch_rows,
    prepared_rows,
    ranges_of_rows,
    scratch_rows,
    set_query_rows,
    subset_rows,
    zero_of_rows_is_sure,
)

LP, HAMMING, CANBERRA, BRAY_CURTIS, JENSEN_SHANNON = range(5)
TINY = np.float32(np.finfo(np.float32).tiny)
# Nanoseconds of a feature in a float32 score, in the cache.
FEATURE_NS = {
    LP: 6.0,
    HAMMING: 0.2,
    CANBERRA: 0.35,
    BRAY_CURTIS: 0.2,
    JENSEN_SHANNON: 13.0,
}
POWERS = {1.0: 0.2, 1.5: 1.2, 3.0: 1.2}  # the same of LP, by ``p``
NEAR = 0.3  # below which series give sums of logarithms without cancellation, to 3e-11


class RowsOfTerms(NamedTuple):
    """Rows whose score consists of a term for each feature, by a ``rule``.

    ``LP`` is the ``p``-th root of the sum of ``|x - y|**p``, ``HAMMING`` the number of
    unequal features, ``CANBERRA`` and ``BRAY_CURTIS`` are ratios of differences to
    sizes, and ``JENSEN_SHANNON`` is the divergence of distributions.
    """

    X: Numbers[2]  # as in RowsL2
    rule: int
    p: float = 1.0  # of LP


new_scratch.register(RowsOfTerms, scratch_rows)
set_query.register(RowsOfTerms, set_query_rows)
prefetch.register(RowsOfTerms, prefetch_rows)
subset.register(RowsOfTerms, subset_rows)
rows_of.register(RowsOfTerms, prepared_rows)
zero_is_sure.register(RowsOfTerms, zero_of_rows_is_sure)


@work.register(RowsOfTerms)
def work_of_terms(points):
    each = FEATURE_NS[points.rule]
    if points.rule == LP:
        each = POWERS.get(points.p, each)
    return Work(lines_of(points.X), each * points.X.shape[1])


@ranges_of.register(RowsOfTerms)
def ranges_of_terms(points, n, d):
    yield from ranges_of_rows(points[:1], n, d)
    yield np.array([points.rule]), LP, JENSEN_SHANNON
    yield np.array([points.p]), 1.0, np.inf


@score.register(RowsOfTerms)
def score_terms(points, scratch, v, i):
    one = np.float32(1)
    return distance(points.X, i, scratch, v, points.rule, points.p, one)


@pair_score.register(RowsOfTerms)
def pair_score_terms(points, i, j):
    one = np.float32(1)
    return distance(points.X, i, points.X, j, points.rule, points.p, one)


@exact.register(RowsOfTerms)
def exact_terms(points, queries, q, i):
    return distance(points.X, i, queries, q, points.rule, points.p, 1.0)


def like(x, one):
    """A number of rows, in the precision of ``one``: float32, or float64."""
    return np.float64(number(x)) if type(one) is float else one.dtype.type(number(x))


@overload(like, jit_options={"fastmath": FLAGS}, inline="always")
def _compiled_like(x, one):
    return _as_float32 if one == types.float32 else _as_float64


def _as_float32(x, one):
    return np.float32(number(x))


def _as_float64(x, one):
    return number(x)


@kernel
def distance(X, i, Y, j, rule, p, one):
    """How far row ``i`` of ``X`` is from row ``j`` of ``Y``, as precise as ``one``."""
    if rule == LP:
        return minkowski(X, i, Y, j, p, one)
    if rule == HAMMING:
        return unequal(X, i, Y, j, one)
    if rule == CANBERRA:
        return canberra(X, i, Y, j, one)
    if rule == BRAY_CURTIS:
        return bray_curtis(X, i, Y, j, one)
    return jensen_shannon(X, i, Y, j, one)


@kernel
def minkowski(X, i, Y, j, p, one):
    """The root of the sum of powers, of gaps by the largest: none overflows."""
    total = one - one
    if p == 1:
        for f in range(X.shape[1]):
            total += abs(like(X[i, f], one) - like(Y[j, f], one))
        return total
    largest = largest_gap(X, i, Y, j, one)
    if not largest > 0:
        return total
    if p == 3:
        for f in range(X.shape[1]):
            gap = abs(like(X[i, f], one) - like(Y[j, f], one)) / largest
            total += gap * gap * gap
    elif p == 1.5:
        for f in range(X.shape[1]):
            gap = abs(like(X[i, f], one) - like(Y[j, f], one)) / largest
            total += gap * np.sqrt(gap)
    else:
        power = like(p, one)
        for f in range(X.shape[1]):
            gap = abs(like(X[i, f], one) - like(Y[j, f], one)) / largest
            if gap > 0:
                total += gap**power
    return largest * total ** (one / like(p, one))


@kernel_of_numbers
def largest_gap(X, i, Y, j, one):
    """The largest difference of a feature."""
    largest = one - one
    for f in range(X.shape[1]):
        gap = abs(like(X[i, f], one) - like(Y[j, f], one))
        if gap > largest:
            largest = gap
    return largest


@kernel
def unequal(X, i, Y, j, one):
    """The number of unequal features; a NaN equals nothing."""
    total, none = one - one, one - one
    for f in range(X.shape[1]):
        total += one if like(X[i, f], one) != like(Y[j, f], one) else none
    return total


@kernel
def canberra(X, i, Y, j, one):
    """The sum of differences by sizes, 0 where both numbers are 0."""
    total = one - one
    for f in range(X.shape[1]):
        x, y = like(X[i, f], one), like(Y[j, f], one)
        total += abs(x - y) / max(abs(x) + abs(y), like(TINY, one))
    return total


@kernel
def bray_curtis(X, i, Y, j, one):
    """The sum of differences by the sum of sizes, 0 where both rows are 0."""
    gaps, sizes = one - one, one - one
    for f in range(X.shape[1]):
        x, y = like(X[i, f], one), like(Y[j, f], one)
        gaps += abs(x - y)
        sizes += abs(x) + abs(y)
    return gaps / sizes if sizes > 0 else gaps


@kernel
def jensen_shannon(X, i, Y, j, one):
    """The Jensen-Shannon divergence of rows that are distributions.

    With ``t = (x - y) / (x + y)`` the term of a feature is ``(x + y) / 4`` times
    ``(1 + t) log(1 + t) + (1 - t) log(1 - t)``, which is 0 for equal numbers and never
    negative, and whose series is that of ``t**(2 k) / (k (2 k - 1))``.
    """
    total = one - one
    for f in range(X.shape[1]):
        x, y = like(X[i, f], one), like(Y[j, f], one)
        both = x + y
        if not both > 0:
            continue
        t = abs(x - y) / both
        if t < NEAR:
            u, series = t * t, one - one
            for k in range(10, 0, -1):
                series = series * u + one / like(k * (2 * k - 1), one)
            total += both * (series * u)
        elif t < 1:
            total += both * (
                (one + t) * math.log(one + t) + (one - t) * math.log(one - t)
            )
        else:
            total += both * like(2 * math.log(2), one)
    return total / like(4, one)
