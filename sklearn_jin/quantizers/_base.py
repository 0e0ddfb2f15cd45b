"""The scikit-learn face that every quantizer shares.

A quantizer adds its parameters, ``_learn``, ``_encode``, ``_decode`` and
``points``; all that a user may rely on is here.
"""

import math

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_jin._numbers import blocks, safe_exponent, size_of, times_power
from sklearn_jin._threads import run
from sklearn_jin.metrics import FLOAT32_MAX, TOP
from sklearn_jin.storage import Kept

SAFE = (2.0**-30, 2.0**30)  # sizes of rows of which float32 holds all sums and squares
MOST = 2**20  # numbers turned into float64 at a time


class Quantizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Kept, BaseEstimator):
    """What all quantizers do alike.

    A code is a row of bytes with all that is kept of a vector, factors
    included; what all vectors share is in attributes.

    Rows are brought near 1 by ``2**exponent_`` where float32 would not hold what is
    computed of them.  What a quantizer adds sees such rows alone.  Rows that a metric
    prepared, and residuals, are near 1 already: their exponent is 0.
    """

    _learned = {"exponent_": int, "n_bytes_": int}

    def fit(self, X, y=None):
        """Learn from the rows of ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows like those to be encoded.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted quantizer.
        """
        # Within the fit of an index scikit-learn's decorator would skip this.
        self._validate_params()
        X = self._validated(X)
        self.exponent_ = safe_exponent(size_of(X), SAFE)
        self._learn(self._scaled(X))
        return self

    def transform(self, X):
        """Codes of the rows of ``X``.

        Of rows that are a million times as large as those of :meth:`fit`, or more,
        numbers are cut where float32 would not hold their squares.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to be encoded.

        Returns
        -------
        codes : ndarray of shape (n_samples, `n_bytes_`), uint8
            One row of bytes a row of ``X``.
        """
        check_is_fitted(self)
        return self.encode_rows(self._validated(X, reset=False))

    def inverse_transform(self, X):
        """Rows that the codes ``X`` stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, `n_bytes_`)
            Codes, as :meth:`transform` returns them.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            The reconstruction of every row.

        Raises
        ------
        ValueError
            If ``X`` has another width.
        """
        check_is_fitted(self)
        rows = self._decode(self._check_codes(X, "X"))
        return self._unscaled(rows)

    def encode_rows(self, X, n_threads=1):
        """Codes of float32 rows ``X`` that nobody need check, for indexes.

        They are read a block at a time, so that they may be made when they are read.
        """
        codes = np.empty((len(X), self.n_bytes_), np.uint8)

        def task(lo, hi):
            codes[lo:hi] = self._encode(self._scaled(X[lo:hi]))

        run(task, len(X), max(1, MOST // X.shape[1]), n_threads)
        return codes

    def fit_residuals(self, X, rows, n_threads=1):
        """Learn from residuals ``X`` (n, d), float32, of ``rows`` of the same shape.

        For indexes, which code what rows lie from a centre.
        """
        self._validate_params()
        self.n_features_in_, self.exponent_ = X.shape[1], 0
        self._learn_residuals(X, rows, n_threads)
        return self

    def encode_residuals(self, X, rows):
        """Codes of residuals ``X`` of ``rows``, see :meth:`fit_residuals`."""
        return self.encode_rows(X)

    def _validated(self, X, reset=True):
        """``X`` as float32 rows."""
        # scikit-learn looks for NaN by a sum, in which inf may meet -inf.
        with np.errstate(invalid="ignore"):
            return validate_data(self, X, reset=reset, dtype=np.float32, order="C")

    def _scaled(self, X):
        """Rows times ``2**exponent_``, of lengths whose squares float32 holds."""
        # A row of d numbers up to 2**e is no longer than 2**(e + log2(d) / 2).
        most = TOP - (X.shape[1].bit_length() + 1) // 2
        if self.exponent_ == 0 and math.frexp(size_of(X))[1] <= most:
            return X
        return _times_power(X, self.exponent_, 2.0**most)

    def _unscaled(self, rows, degree=1):
        """Rows, or what is of a ``degree`` of them, in the unit of the data."""
        if self.exponent_ == 0:
            return rows
        return _times_power(rows, -degree * self.exponent_, FLOAT32_MAX)

    def _check_codes(self, codes, name):
        """The argument ``name``, which must be what ``transform`` returns."""
        codes = check_array(codes, dtype=np.uint8, order="C")
        if codes.shape[1] != self.n_bytes_:
            raise ValueError(
                f"{name} has codes of {codes.shape[1]} bytes, but "
                f"{type(self).__name__} makes codes of n_bytes_={self.n_bytes_}: "
                "pass what transform returns"
            )
        return codes

    @property
    def _n_features_out(self):
        return self.n_bytes_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _learn_residuals(self, X, rows, n_threads):
        self._learn(X)

    # What a quantizer adds.

    def _learn(self, X):
        """Set ``n_bytes_`` and what else is learned from float32 rows (n, d)."""
        raise NotImplementedError

    def _encode(self, X):
        """Codes (n, n_bytes_), uint8, of float32 rows, ``MOST`` numbers at a time."""
        raise NotImplementedError

    def _decode(self, codes):
        """Rows (n, d), float32, of codes."""
        raise NotImplementedError

    def points(self, codes, space="l2"):
        """The record of ``codes`` for routes: see :mod:`sklearn_jin.points`.

        ``space`` says which scores are estimated: ``"l2"``, the squared distance,
        or ``"ip"``, minus the inner product.  For indexes, whose rows are near 1.
        """
        raise NotImplementedError


def _times_power(X, exponent, most):
    """``X * 2**exponent``, float32, cut to sizes of at most ``most``."""
    scaled = np.empty(X.shape, np.float32)
    for part in blocks(X):
        scaled[part] = np.clip(times_power(X[part], exponent), -most, most)
    return scaled
