"""Metrics of differences and of angles: lengths of vectors, and inner products.

All others are made of :class:`Euclidean`, which has what metrics are asked for.
"""

import math
from functools import partial

import numpy as np

from sklearn_jin._arrays import Float64
from sklearn_jin._memory import aligned, aligned_empty, frozen, padded_width
from sklearn_jin._numbers import (
    FEW,
    SAFE,
    all_below,
    blocks,
    length_exponents,
    lengths_of,
    measured,
    safe_exponent,
    shift,
    size_of,
    times_power,
    widened,
)

FLOAT32_MAX = float(np.finfo(np.float32).max)

# Prepared queries are shorter than 2**TOP: their squares, and the sums that scores
# of codes consist of, fit float32.  Longer ones are scaled down, each by itself,
# beside which rows of SAFE numbers are smaller than float64 can tell.
TOP = 60
HALF_TOP = 15  # float16 rows are brought below 2**15: fewer small numbers lose digits
NOISE = 1e-12  # of a row's length: what rounding leaves of a constant one


class Euclidean:
    """``|x - y|``."""

    space = "l2"  # the points of sklearn_jin.points.rows that score its rows
    negative = False  # whether distances may be negative
    keeps_types = True  # whether rows may be kept as they come,
    rounds = True  # and as float16
    taken = ()  # dtypes of rows that it takes besides floats
    parameters = ()  # names in ``metric_params``
    lift_ = 0  # rows that are kept are 2**lift_ times the prepared ones
    constants_ = ()  # what its points take besides rows
    params_ = {}  # ``effective_metric_params_``: they make an equal metric
    learned = {"d_": int, "shift_": Float64[1] | None, "exponent_": int}  # by ``fit``

    def fit(self, X, form="float32"):
        """Learn from the rows ``X`` of shape (n_samples, n_features).

        ``form`` is that in which rows will be kept: "float32", "float16", or "input"
        for those of ``NARROW`` as they are.
        """
        self.d_, self.shift_, self.exponent_ = X.shape[1], None, 0
        if form != "input":
            self.shift_ = shift(X)
            self.exponent_ = self._exponent(X, form)
        return self

    def _exponent(self, X, form):
        """The exponent of the power of two that rows are multiplied by."""
        size = self._size(X)
        if form == "float16" and size > 0:
            return HALF_TOP - math.frexp(size)[1]
        return safe_exponent(size)

    def takes(self, X, form="float32"):
        """Whether rows ``X`` fit the scale that those before gave."""
        most = {"float16": 2.0**HALF_TOP, "input": math.inf}.get(form, SAFE[1])
        return self._size(X) <= math.ldexp(most, -self.exponent_)

    @property
    def width_(self):
        """Numbers of a prepared row, without its padding."""
        return self.d_

    def rows(self, X, dtype=np.float32):
        """Rows to be kept, read-only of shape (n_samples, width).

        Those of float16 are the bits of the numbers, uint16.
        """
        rows = self._prepare(X, lambda X: self._columns(widened(X)), dtype=dtype)
        return frozen(aligned(rows.view(np.uint16) if dtype == np.float16 else rows))

    def prepare_queries(self, X):
        """Prepared queries, and the function that finishes their scores.

        It takes float64 scores of shape (n, k) to distances; ``rows`` are the
        numbers of their queries, by default all.
        """
        powers = self._powers(X)
        queries = self._prepare(X, self._columns, powers)
        return queries, partial(self._finish, powers=powers)

    def prepare_own(self, rows):
        """The same for the prepared ``rows`` as queries."""
        return rows, self._finish

    def restore(self, rows):
        """Rows that are to the metric what those behind the prepared ones were."""
        X = times_power(rows[:, : self.d_], -self.exponent_)
        return X if self.shift_ is None else X + self.shift_

    def _finish(self, scores, rows=slice(None), powers=None):
        return self._unscaled(np.sqrt(scores), rows, powers)

    def _unscaled(self, distances, rows, powers, degree=1):
        """Distances of the data from those of rows and queries that were scaled."""
        exponents = -self.exponent_
        if powers is not None:
            exponents = powers[rows, None] + exponents
        return times_power(distances, degree * exponents)

    def _size(self, X):
        """Size of the largest number of the shifted rows."""
        if self.shift_ is None:
            return size_of(X)
        ends = X.min(axis=0) - self.shift_, X.max(axis=0) - self.shift_
        return float(np.abs(ends).max())

    def _sizes(self, X):
        """The same of every row."""
        return np.abs(X if self.shift_ is None else X - self.shift_).max(axis=1)

    def _powers(self, X):
        """Exponents (n,) of the powers of two that far queries are divided by.

        None where no query is far.
        """
        # A row of d numbers below 2**e is shorter than 2**(e + log2(d) / 2).
        room = TOP - self.exponent_ - ((self.d_ - 1).bit_length() + 1) // 2
        if self._all_near(X, room):
            return None
        size = self._size(X)
        if size == 0 or math.frexp(size)[1] <= room:
            return None
        sizes = self._sizes(X)
        exponents = np.where(sizes > 0, np.frexp(sizes)[1], room)  # 0 is never far
        return np.maximum(exponents - room, 0)

    def _all_near(self, X, room):
        """Whether all sizes are below ``2**room``, of few rows; False may mean many."""
        return all_below(2.0**room, X if self.shift_ is None else X - self.shift_)

    def _columns(self, X, powers=None):
        """What is kept of ``X``, as arrays side by side: here one."""
        if self.shift_ is not None:
            X = X - self.shift_
        exponents = self.exponent_
        if powers is not None:
            exponents = exponents - powers[:, None]
        return (times_power(X, exponents),)

    def _prepare(self, X, columns, powers=None, dtype=np.float32):
        """Join the ``columns`` of ``X``, block by block, and pad them with zeros."""
        n, width = len(X), padded_width(self.width_)
        few = n * width <= FEW
        rows = np.empty((n, width), dtype) if few else aligned_empty(n, width, dtype)
        for part in blocks(X):
            at = 0
            block = (X[part],) if powers is None else (X[part], powers[part])
            for some in columns(*block):
                first, at = at, at + some.shape[1]
                rows[part, first:at] = some
        if at < width:
            rows[:, at:] = 0
        return frozen(rows)


class SquaredEuclidean(Euclidean):
    """``|x - y|**2``."""

    def _finish(self, scores, rows=slice(None), powers=None):
        return self._unscaled(scores, rows, powers, degree=2)


class Manhattan(Euclidean):
    """``sum(|x_j - y_j|)``."""

    space = "l1"

    def _finish(self, scores, rows=slice(None), powers=None):
        return self._unscaled(scores, rows, powers)


class Chebyshev(Manhattan):
    """``max(|x_j - y_j|)``."""

    space = "linf"


class Hellinger(Euclidean):
    """``|sqrt(x) - sqrt(y)| / sqrt(2)`` of rows without negative numbers."""

    keeps_types = False

    def fit(self, X, form="float32"):
        refuse_negative(X, "hellinger")
        self.d_, self.shift_ = X.shape[1], None
        self.exponent_ = self._exponent(X, form)
        return self

    def restore(self, rows):
        return super().restore(rows) ** 2

    def _finish(self, scores, rows=slice(None), powers=None):
        return self._unscaled(np.sqrt(scores / 2), rows, powers)

    def _all_near(self, X, room):
        return all_below(4.0**room, X)

    def _size(self, X):
        return math.sqrt(max(X.max(), 0))  # whether any is negative is told later

    def _sizes(self, X):
        return np.sqrt(np.maximum(X.max(axis=1), 0))

    def _columns(self, X, powers=None):
        refuse_negative(X, "hellinger")
        return super()._columns(np.sqrt(X), powers)


class Cosine(Euclidean):
    """``1 - <x, y> / (|x| |y|)``; a row of zeros is at distance 1 from every row."""

    keeps_types = False
    learned = {"d_": int, "any_zero_": bool}

    def fit(self, X, form="float32"):
        self.d_, self.any_zero_ = X.shape[1], False
        self.any_zero_ = not all(self.takes(X[part]) for part in blocks(X))
        return self

    def takes(self, X, form="float32"):
        return self.any_zero_ or bool(self._directed(widened(X))[1].all())

    @property
    def width_(self):
        return self.d_ + self.any_zero_

    def prepare_queries(self, X):
        queries = self._prepare(X, self._query_columns)
        zero = ~queries.any(axis=1)
        finish = partial(self._finish, zero=zero if zero.any() else None)
        return queries, finish

    def prepare_own(self, rows):
        return (
            self.prepare_queries(rows[:, : self.d_])
            if self.any_zero_
            else (rows, self._finish)
        )

    def restore(self, rows):
        return rows[:, : self.d_]

    def _finish(self, scores, rows=slice(None), zero=None):
        distances = np.minimum(scores / 2, 2.0)
        if zero is not None:
            distances[zero[rows]] = 1.0
        return distances

    def _directed(self, X):
        """Rows of the direction of ``X``, and their lengths (n,), 0 for none."""
        return measured(X)[:2]

    def _columns(self, X):
        # |x - y|^2 = 2 - 2 cos on the sphere.  A coordinate of their own puts
        # rows of zeros at squared distance 2 from all others.
        unit, *extra = self._query_columns(X)
        return (unit, ~unit.any(axis=1, keepdims=True)) if extra else (unit,)

    def _query_columns(self, X):
        X, lengths = self._directed(X)
        unit = X / np.where(lengths == 0, 1.0, lengths)[:, None]
        return (unit, np.zeros((len(X), 1))) if self.any_zero_ else (unit,)


class Angular(Cosine):
    """``arccos(<x, y> / (|x| |y|)) / pi``, between 0 and 1; 0.5 from a row of zeros."""

    def _finish(self, scores, rows=slice(None), zero=None):
        cosine = super()._finish(scores, rows, zero)
        return 2 / np.pi * np.arcsin(np.sqrt(cosine / 2))


class Correlation(Cosine):
    """``1 -`` Pearson's correlation of x and y; a constant row is at 1 from all."""

    def _directed(self, X):
        X, lengths, _ = measured(X)
        centered = X - X.mean(axis=1, dtype=np.float64, keepdims=True)
        # Of a constant row its mean's rounding is left, which has no direction.
        centered[lengths_of(centered) <= NOISE * lengths] = 0
        return centered, lengths_of(centered)


class InnerProduct(Euclidean):
    """``-<x, y>``: ranks by the largest inner product.  Not a metric, and negative."""

    space = "ip"
    negative = True
    learned = {**Euclidean.learned, "lift_": int}

    def fit(self, X, form="float32"):
        # Rows are scaled by a power of two, which is exact, to lengths below 1.
        self.d_, self.shift_ = X.shape[1], None
        exponents, some = length_exponents(X)
        self.exponent_ = -int(exponents[some].max()) if some.any() else 0
        self.lift_ = {"input": -self.exponent_, "float16": HALF_TOP}.get(form, 0)
        return self

    def takes(self, X, form="float32"):
        exponents, some = length_exponents(X)
        return bool((exponents[some] <= -self.exponent_).all())

    def prepare_queries(self, X):
        # Queries are scaled likewise: that ranks alike, and no score is negative.
        powers, _ = length_exponents(X)
        queries = self._prepare(X, self._query_columns, powers)
        return queries, partial(self._finish, powers=powers)

    def prepare_own(self, rows):
        return self.prepare_queries(self.restore(rows))

    def _finish(self, scores, rows=slice(None), powers=None):
        return self._unscaled(scores, rows, powers)

    def _columns(self, X):
        return (times_power(X, self.exponent_ + self.lift_),)

    def _query_columns(self, X, powers):
        return (times_power(X, -powers[:, None]),)


def refuse_negative(X, name):
    """Raise ValueError if a number of ``X`` is below 0, which metric ``name`` lacks."""
    if (least := X.min()) < 0:
        raise ValueError(
            f"X holds {least:.6g}, but metric={name!r} takes no negative number: "
            "give counts or probabilities, or choose another metric"
        )
