"""Metrics: what the same two vectors are apart, in every index.

A metric turns the user's rows into float32 rows whose score (squared L2, L1
or L-infinity, see :mod:`sklearn_jin.points`) ranks as the metric does, and
turns scores back into the metric's own distances.  Nothing else in the
library knows a metric.  Rows and queries go through the same code, and all
that is learned from the rows is kept in the instance.
"""

from functools import partial

import numpy as np

from sklearn_jin._memory import aligned_empty, frozen, padded_width

FLOAT32_MAX = float(np.finfo(np.float32).max)

# Rows are scaled by a power of two, which is exact, where their squares could
# leave the range of float32, and shifted where their spread is lost in it.
SAFE_SIZES = (2.0**-40, 2.0**50)
SAFE_OFFSET = 64.0  # standard deviations between a column's mean and zero
NOISE = 1e-12  # of a row's length: what rounding leaves of a constant one
SAMPLE = 10_000  # rows that tell mean and spread
BLOCK = 8192  # rows prepared at a time


class Euclidean:
    """``|x - y|``."""

    space = "l2"  # the record of sklearn_jin.points.raw that scores its rows
    negative = False  # whether distances may be negative

    def fit(self, X):
        """Learn from the rows ``X`` of shape (n_samples, n_features)."""
        self.d_ = X.shape[1]
        some = X[:: -(-len(X) // SAMPLE)].astype(np.float64)
        mean, spread = some.mean(axis=0), some.std(axis=0)
        far = np.abs(mean) > SAFE_OFFSET * spread
        self.shift_ = np.where(far, mean, 0.0) if far.any() else None
        self.scale_ = _safe_scale(X.min(axis=0), X.max(axis=0), self.shift_)
        return self

    @property
    def width_(self):
        """Numbers of a prepared row, without its padding."""
        return self.d_

    def rows(self, X):
        """Prepared rows, read-only float32 of shape (n_samples, width)."""
        return self._prepare(X, self._columns)

    def prepare_queries(self, X):
        """Prepared queries, and the function that finishes their scores.

        It takes float64 scores of shape (n, k) to distances; ``rows`` are the
        numbers of their queries, by default all.
        """
        return self.rows(X), self._finish

    def prepare_own(self, rows):
        """The same for the prepared ``rows`` as queries."""
        return rows, self._finish

    def restore(self, rows):
        """Rows that are to the metric what those behind the prepared ones were."""
        X = rows[:, : self.d_]
        if self.scale_ != 1:
            X = X / np.float64(self.scale_)
        return X if self.shift_ is None else X + self.shift_

    def _finish(self, scores, rows=None):
        return np.sqrt(scores) / self.scale_

    def _columns(self, X):
        """What is kept of ``X``, as arrays side by side: here one."""
        if self.shift_ is not None:
            X = X - self.shift_
        return (X if self.scale_ == 1 else X * self.scale_,)

    def _prepare(self, X, columns):
        """Join the ``columns`` of ``X``, block by block, and pad them with zeros."""
        rows = None
        for lo in range(0, len(X), BLOCK):
            parts = columns(X[lo : lo + BLOCK])
            d = sum(part.shape[1] for part in parts)
            if rows is None:
                rows = aligned_empty(len(X), padded_width(d))
                rows[:, d:] = 0
            np.concatenate(
                parts, axis=1, out=rows[lo : lo + BLOCK, :d], casting="unsafe"
            )
        return frozen(rows)


class SquaredEuclidean(Euclidean):
    """``|x - y|**2``."""

    def _finish(self, scores, rows=None):
        return scores / self.scale_**2


class Manhattan(Euclidean):
    """``sum(|x_j - y_j|)``."""

    space = "l1"

    def _finish(self, scores, rows=None):
        return scores / self.scale_


class Chebyshev(Manhattan):
    """``max(|x_j - y_j|)``."""

    space = "linf"


class Hellinger(Euclidean):
    """``|sqrt(x) - sqrt(y)| / sqrt(2)`` of rows without negative numbers."""

    def fit(self, X):
        _refuse_negative(X)
        self.d_, self.shift_ = X.shape[1], None
        self.scale_ = _safe_scale(0.0, np.sqrt(X.max()), None)
        return self

    def restore(self, rows):
        return super().restore(rows) ** 2

    def _finish(self, scores, rows=None):
        return np.sqrt(scores / 2) / self.scale_

    def _columns(self, X):
        _refuse_negative(X)
        return super()._columns(np.sqrt(X))


class Cosine(Euclidean):
    """``1 - <x, y> / (|x| |y|)``; a row of zeros is at distance 1 from every row."""

    def fit(self, X):
        self.d_ = X.shape[1]
        self.any_zero_ = not _lengths(self._center(X)).all()
        return self

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

    def _center(self, X):
        return X

    def _columns(self, X):
        # |x - y|^2 = 2 - 2 cos on the sphere.  A coordinate of their own puts
        # rows of zeros at squared distance 2 from all others.
        unit, *extra = self._query_columns(X)
        return (unit, ~unit.any(axis=1, keepdims=True)) if extra else (unit,)

    def _query_columns(self, X):
        X = self._center(X)
        norms = _lengths(X)[:, None]
        unit = X / np.where(norms == 0, 1.0, norms)
        unit[norms[:, 0] == 0] = 0
        return (unit, np.zeros((len(X), 1))) if self.any_zero_ else (unit,)


class Angular(Cosine):
    """``arccos(<x, y> / (|x| |y|)) / pi``, between 0 and 1; 0.5 from a row of zeros."""

    def _finish(self, scores, rows=slice(None), zero=None):
        cosine = super()._finish(scores, rows, zero)
        return 2 / np.pi * np.arcsin(np.sqrt(cosine / 2))


class Correlation(Cosine):
    """``1 -`` Pearson's correlation of x and y; a constant row is at 1 from all."""

    def _center(self, X):
        centered = X - X.mean(axis=1, dtype=np.float64, keepdims=True)
        # Of a constant row its mean's rounding is left, which has no direction.
        noise = _lengths(centered) <= NOISE * _lengths(X)
        centered[noise] = 0
        return centered


class InnerProduct(Euclidean):
    """``-<x, y>``: ranks by the largest inner product.  Not a metric, and negative."""

    space = "ip"
    negative = True

    def fit(self, X):
        # Scaled by a power of two, which is exact, to lengths of at most 1.
        self.d_, self.shift_ = X.shape[1], None
        self.scale_ = float(1 / _power_above(_lengths(X).max()))
        return self

    def prepare_queries(self, X):
        # Queries are scaled likewise: that ranks alike, and no score is negative.
        powers = self._powers(X)
        queries = self._prepare(X, lambda block: (block / self._powers(block),))

        def finish(scores, rows=slice(None)):
            return scores / self.scale_ * powers[rows]

        return queries, finish

    def prepare_own(self, rows):
        return self.prepare_queries(self.restore(rows))

    def _powers(self, X):
        return _power_above(_lengths(X))[:, None]


def squares(X):
    """Squared lengths of the rows of ``X``, float64."""
    return np.einsum("ij,ij->i", X, X, dtype=np.float64)


def _lengths(X):
    return np.sqrt(squares(X))


def _power_above(length):
    """The power of two in (length, 2 length], and 1 for 0."""
    return np.exp2(np.where(length > 0, np.frexp(length)[1], 0))


def _safe_scale(least, most, shift):
    """Power of two that brings the numbers of the rows near 1, or 1 if they are safe.

    ``least`` and ``most`` are those of the columns, before ``shift``.
    """
    shift = 0.0 if shift is None else shift
    size = max(np.abs(least - shift).max(), np.abs(most - shift).max())
    if size == 0 or not np.isfinite(size) or SAFE_SIZES[0] < size < SAFE_SIZES[1]:
        return 1.0
    return float(1 / _power_above(size))


def _refuse_negative(X):
    if (least := X.min()) < 0:
        raise ValueError(
            f"X holds {least:.6g}, but metric='hellinger' takes no negative number: "
            "give counts or probabilities, or choose another metric"
        )


METRICS = {
    "euclidean": Euclidean,
    "sqeuclidean": SquaredEuclidean,
    "cosine": Cosine,
    "angular": Angular,
    "correlation": Correlation,
    "hellinger": Hellinger,
    "inner_product": InnerProduct,
    "manhattan": Manhattan,
    "chebyshev": Chebyshev,
}
ALIASES = {"l2": "euclidean", "l1": "manhattan", "cityblock": "manhattan"}
MINKOWSKI = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}


def effective_metric(metric, p):
    """Name in ``METRICS`` that ``metric`` and Minkowski's order ``p`` stand for."""
    if metric != "minkowski":
        return ALIASES.get(metric, metric)
    if p not in MINKOWSKI:
        raise ValueError(
            f"p={p!r} is not supported for metric='minkowski': use 1, 2 or numpy.inf"
        )
    return MINKOWSKI[p]
