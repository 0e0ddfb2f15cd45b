"""The scikit-learn face that every quantizer shares.

A quantizer adds a constructor, ``_learn``, ``_encode``, ``_decode`` and
``points``; all that a user may rely on is here.
"""

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_jin._compat import _fit_context


class Quantizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What all quantizers do alike.

    A code is a row of bytes with all that is kept of a vector, factors
    included; what all vectors share is in attributes.
    """

    @_fit_context(prefer_skip_nested_validation=True)
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
        self._learn(validate_data(self, X, dtype=np.float32, order="C"))
        return self

    def transform(self, X):
        """Codes of the rows of ``X``.

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
        X = validate_data(self, X, reset=False, dtype=np.float32, order="C")
        return self._encode(X)

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
        return self._decode(self._check_codes(X, "X"))

    def fit_residuals(self, X, rows, n_threads=1):
        """Learn from residuals ``X`` (n, d), float32, of ``rows`` of the same shape.

        For indexes, which code what rows lie from a centre.
        """
        self._validate_params()
        self.n_features_in_ = X.shape[1]
        self._learn_residuals(X, rows, n_threads)
        return self

    def encode_residuals(self, X, rows):
        """Codes of residuals ``X`` of ``rows``, see :meth:`fit_residuals`."""
        return self._encode(X)

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
        """Codes (n, n_bytes_), uint8, of float32 rows."""
        raise NotImplementedError

    def _decode(self, codes):
        """Rows (n, d), float32, of codes."""
        raise NotImplementedError

    def points(self, codes, space="l2"):
        """The record of ``codes`` for routes: see :mod:`sklearn_jin.points`.

        ``space`` names the record of :mod:`sklearn_jin.points.rows` whose scores
        are estimated: ``"RowsL2"`` (squared L2) or ``"RowsIP"`` (inner product).
        """
        raise NotImplementedError
