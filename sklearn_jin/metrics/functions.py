"""Metrics that are functions of the user's."""

import math

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin.metrics.lengths import Euclidean

TRIED = 4  # rows by which a function is tried


class Function(Euclidean):
    """What ``function(x, y)`` returns for two float64 arrays of one dimension.

    Rows are kept as float64, as they are.
    """

    space = "function"
    keeps_types = False
    rounds = False
    learned = {"d_": int}

    def __init__(self, function):
        self.function = function

    @property
    def constants_(self):
        from sklearn_jin._simd.calls import address_of

        return (address_of(self.function),)

    def fit(self, X, form="float32"):
        self.d_ = X.shape[1]
        self._try(X[:TRIED].astype(np.float64))
        return self

    def takes(self, X, form="float32"):
        return True

    def rows(self, X, dtype=np.float64):
        return frozen(np.array(X, np.float64, order="C"))

    def prepare_queries(self, X):
        return frozen(np.ascontiguousarray(X, np.float64)), self._finish

    def restore(self, rows):
        return rows

    def _finish(self, scores, rows=slice(None)):
        return scores

    def _try(self, X):
        """Raise ValueError if the function returns what is no distance of rows."""
        from sklearn_jin._simd.calls import call_at_once

        address = self.constants_[0]
        for i in range(len(X)):
            for j in range(len(X)):
                value = call_at_once(address, X, i, X, j)
                if not -1e-6 <= value < math.inf:
                    name = getattr(self.function, "__name__", self.function)
                    raise ValueError(
                        f"metric={name} returned {value} for rows {i} and {j} of X: a "
                        "metric returns a finite number from 0 on"
                    )
