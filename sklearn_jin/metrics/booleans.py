"""Metrics of rows of booleans, which are kept as one bit a feature.

A number other than 0 stands for True, as in scikit-learn.  Distances are by how many
features are in both rows, ``common``, and how many in one of them, ``differing``; rows
without any are at distance 0 from each other.
"""

import numpy as np

from sklearn_jin._memory import aligned_empty, frozen, padded_bytes
from sklearn_jin._numbers import blocks
from sklearn_jin.metrics.lengths import Euclidean

BYTE = np.dtype(np.uint8)


class Jaccard(Euclidean):
    """``differing / (differing + common)``, of bits also the Tanimoto distance."""

    space = "jaccard"
    keeps_types = False
    rounds = False
    taken = (np.dtype(bool), BYTE, np.dtype(np.int8))
    learned = {"d_": int}

    def fit(self, X, form="float32"):
        self.d_ = X.shape[1]
        return self

    def takes(self, X, form="float32"):
        return True

    @property
    def width_(self):
        """Bytes of a row, without its padding."""
        return -(-self.d_ // 8)

    def rows(self, X, dtype=BYTE):
        rows = aligned_empty(len(X), padded_bytes(self.width_), BYTE)
        rows[:, self.width_ :] = 0
        for some in blocks(X):
            rows[some, : self.width_] = self._packed(X[some])
        return frozen(rows)

    def prepare_queries(self, X):
        return self.rows(X), self._finish

    def prepare_own(self, rows):
        return rows, self._finish

    def restore(self, rows):
        bits = np.unpackbits(rows[:, : self.width_], axis=1, count=self.d_)
        return bits.astype(bool)

    def _packed(self, X):
        return np.packbits(X != 0, axis=1)

    def _finish(self, scores, rows=slice(None)):
        return scores


class Dice(Jaccard):
    """``differing / (differing + 2 common)``."""

    def _finish(self, scores, rows=slice(None)):
        return scores / (2 - scores)


class SokalSneath(Jaccard):
    """``differing / (differing + common / 2)``."""

    def _finish(self, scores, rows=slice(None)):
        return 2 * scores / (1 + scores)


class RogersTanimoto(Jaccard):
    """``2 differing / (d + differing)``."""

    space = "bits"

    def _finish(self, scores, rows=slice(None)):
        return 2 * scores / (self.d_ + scores)


class SokalMichener(RogersTanimoto):
    """The same, under its other name."""


class PackedJaccard(Jaccard):
    """:class:`Jaccard` of rows that are packed, as ``numpy.packbits`` packs them."""

    name = "bit_jaccard"
    taken = (BYTE,)

    @property
    def width_(self):
        return self.d_

    def restore(self, rows):
        return rows[:, : self.d_]

    def _packed(self, X):
        if X.dtype != BYTE and not ((X >= 0) & (X < 256) & (X % 1 == 0)).all():
            raise ValueError(
                f"X holds other numbers than bytes, but metric={self.name!r} takes "
                "packed rows: give numpy.packbits(X, axis=1) of rows of booleans"
            )
        return X


class PackedHamming(PackedJaccard):
    """The number of bits that differ."""

    name = "bit_hamming"
    space = "bits"
