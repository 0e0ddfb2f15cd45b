"""Metrics with a term for each feature that no product of rows gives.

Their rows are scored by :class:`sklearn_jin.points.terms.RowsOfTerms`, which scans and
graphs take.
"""

import math

import numpy as np

from sklearn_jin._arrays import Float64
from sklearn_jin._numbers import blocks, size_of, times_power, widened
from sklearn_jin.metrics.images import Image, refuse_length
from sklearn_jin.metrics.lengths import HALF_TOP, Euclidean, Manhattan, refuse_negative

ROOMY, MOST = 100, 126  # exponents that ratios' rows are brought below, may grow to
CODES = 2**24  # integers that float32 has exactly


class Minkowski(Image):
    """``sum(w_j * |x_j - y_j|**p)**(1 / p)``."""

    space = "lp"
    parameters = ("w",)
    learned = {**Euclidean.learned, "p_": float, "w_": Float64[1] | None}

    def __init__(self, p=2, w=None):
        self.p_, self.w_ = float(p), None if w is None else np.array(w, np.float64)

    @property
    def keeps_types(self):
        return self.w_ is None

    @property
    def constants_(self):
        return (self.p_,)

    @property
    def params_(self):
        return {"p": self.p_} if self.w_ is None else {"p": self.p_, "w": self.w_}

    def _learn(self, X):
        if self.w_ is not None:
            refuse_length(self.w_, self.d_)

    def _image(self, X):
        return X if self.w_ is None else X * self.w_ ** (1 / self.p_)

    def _origin(self, images):
        if self.w_ is None:
            return images
        factors = self.w_ ** (1 / self.p_)
        return np.divide(images, factors, out=0 * images, where=factors > 0)

    _finish = Manhattan._finish


class Ratios(Euclidean):
    """Differences by sizes, so that a number beside larger ones counts as they do.

    Rows are scaled by a power of two to what leaves float32 the most room below.
    """

    def fit(self, X, form="float32"):
        self.d_, self.shift_, self.exponent_ = X.shape[1], None, 0
        size = size_of(X)
        if form != "input" and size > 0:
            top = HALF_TOP if form == "float16" else min(ROOMY, self._most)
            self.exponent_ = top - math.frexp(size)[1]
        return self

    def takes(self, X, form="float32"):
        most = {"float16": HALF_TOP, "input": math.inf}.get(form, self._most)
        return size_of(X) <= math.ldexp(1.0, most - self.exponent_)

    def prepare_queries(self, X):
        return self._prepare(X, self._near_columns), self._finish

    @property
    def _most(self):
        return MOST

    def _near_columns(self, X):
        # Beside larger numbers rows are smaller than the distance can tell.
        most = math.ldexp(1.0, self._most)
        return (np.clip(times_power(X, self.exponent_), -most, most),)

    def _finish(self, scores, rows=slice(None)):
        return scores


class Canberra(Ratios):
    """``sum(|x_j - y_j| / (|x_j| + |y_j|))``, where 0 / 0 is 0."""

    space = "canberra"


class BrayCurtis(Ratios):
    """``sum(|x_j - y_j|) / sum(|x_j| + |y_j|)``, where 0 / 0 is 0."""

    space = "braycurtis"

    @property
    def _most(self):
        return MOST - self.d_.bit_length()  # of which sums are finite


class Hamming(Euclidean):
    """The share of unequal features.

    Float32 rows have float64 numbers, such as 0.1, by their rank among all.
    """

    space = "hamming"
    rounds = False
    learned = {**Euclidean.learned, "values_": Float64[1] | None}

    def fit(self, X, form="float32"):
        self.d_, self.shift_, self.exponent_ = X.shape[1], None, 0
        self.values_ = None
        if not self.takes(X, form):
            self.values_ = np.unique(X)
            if len(self.values_) > CODES:
                raise ValueError(
                    f"X holds {len(self.values_)} different numbers that float32 does "
                    f"not have, and metric='hamming' tells {CODES} at most: give "
                    "integers below 2**24, as sklearn.preprocessing.OrdinalEncoder does"
                )
        return self

    def takes(self, X, form="float32"):
        if self.values_ is None:
            return X.dtype != np.float64 or all(
                _is_float32(X[some]) for some in blocks(X)
            )
        return all((self._codes(X[some]) >= 0).all() for some in blocks(X))

    def restore(self, rows):
        rows = rows[:, : self.d_]
        return rows if self.values_ is None else self.values_[rows.astype(np.int64)]

    def prepare_queries(self, X):
        return self._prepare(X, self._query_columns), self._finish

    def _codes(self, X):
        """Ranks of numbers among the values, and -1 of others."""
        ranks = np.searchsorted(self.values_, X)
        known = self.values_.take(ranks, mode="clip") == X
        return np.where(known, ranks, -1)

    def _columns(self, X, powers=None):
        return (X if self.values_ is None else self._codes(X),)

    def _query_columns(self, X):
        if self.values_ is not None:
            return (self._codes(X),)
        rounded = X.astype(np.float32)
        return (np.where(rounded == X, rounded, np.float32(np.nan)),)  # equals none

    def _finish(self, scores, rows=slice(None)):
        return scores / self.d_


def _is_float32(X):
    return bool((X.astype(np.float32) == X).all())


class JensenShannon(Euclidean):
    """The root of the Jensen-Shannon divergence of rows as distributions.

    Each is brought to a sum of 1.  Natural logarithms, if ``base`` is None.
    """

    space = "jensenshannon"
    keeps_types = False
    parameters = ("base",)
    learned = {"d_": int, "exponent_": int, "base_": float | None}

    def __init__(self, base=None):
        if base is not None and not base > 1:
            raise ValueError(
                f"metric_params={{'base': {base!r}}} of metric='jensenshannon' must be "
                "above 1: the base of its logarithm, 2 for bits"
            )
        self.base_ = None if base is None else float(base)

    @property
    def params_(self):
        return {} if self.base_ is None else {"base": self.base_}

    def fit(self, X, form="float32"):
        self.d_, self.exponent_ = X.shape[1], HALF_TOP if form == "float16" else 0
        return self

    def takes(self, X, form="float32"):
        for some in blocks(X):
            _distributions(widened(X[some]))
        return True

    def restore(self, rows):
        return times_power(rows[:, : self.d_], -self.exponent_)

    def _powers(self, X):
        return None

    def _columns(self, X, powers=None):
        return (times_power(_distributions(X), self.exponent_),)

    def _finish(self, scores, rows=slice(None), powers=None):
        unit = 1.0 if self.base_ is None else math.log(self.base_)
        return np.sqrt(times_power(scores, -self.exponent_) / unit)


def _distributions(X):
    """Rows of sum 1 in proportion to those of ``X``, float64."""
    refuse_negative(X, "jensenshannon")
    most = X.max(axis=1)
    if not most.all():
        raise ValueError(
            f"row {int(np.argmin(most))} of X is all zeros, of which "
            "metric='jensenshannon' makes no distribution: leave it out, or add a "
            "small number to all"
        )
    X = X / most[:, None].astype(np.float64)
    return X / X.sum(axis=1, keepdims=True)
