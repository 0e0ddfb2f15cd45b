"""Codes of one bit a feature: above the mean or not."""

from dataclasses import dataclass

import numpy as np

from sklearn_jin._arrays import Float32
from sklearn_jin._compat import StrOptions
from sklearn_jin._numbers import blocks
from sklearn_jin.quantizers._planes import (
    FLOAT,
    PlanesQuantizer,
    center_of,
    middle_of,
)


@dataclass(eq=False, repr=False)
class BinaryQuantizer(PlanesQuantizer):
    """Codes of one bit a feature: whether it is above its mean.

    The smallest and quickest codes.  They suit features that are already well
    spread, as those of learned embeddings are, and candidates that are scored
    again; :class:`RaBitQ` rotates the features first and has a bound.

    ``n_bytes_`` is ``ceil(n_features / 8)`` for ``scores="hamming"``, and 8 more
    for two float32 factors of ``scores="asymmetric"``.

    Parameters
    ----------
    scores : {"asymmetric", "hamming"}, default="asymmetric"
        How a query is compared with codes.  ``"asymmetric"`` keeps the query's
        numbers and estimates the squared distance or the inner product: a bit
        stands for plus or minus the feature's mean deviation, times what fits
        the row best.  ``"hamming"`` counts the bits in which query and row
        differ: quicker, with a lower recall, and for squared distances alone.

    Attributes
    ----------
    n_bytes_ : int
        Bytes of a code.
    center_ : ndarray of shape (n_features,), float32
        Mean of the fitted rows.
    deviations_ : ndarray of shape (n_features,), float32
        Mean absolute deviation of every feature.
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    RaBitQ : One bit or more of every rotated feature.
    TernaryQuantizer : Two bits a feature.

    Notes
    -----
    Of the variance of normal features 64 % is kept, whatever their spreads;
    without the deviations it would be 15 % where spreads fall as ``1 / j``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import BinaryQuantizer
    >>> X, _ = load_digits(return_X_y=True)
    >>> BinaryQuantizer(scores="hamming").fit_transform(X).shape
    (1797, 8)
    """

    scores: str = "asymmetric"

    _parameter_constraints = {"scores": [StrOptions({"asymmetric", "hamming"})]}
    _learned = {"deviations_": Float32[1]}

    def _learn(self, X):
        self.center_ = center_of(X)
        total = np.zeros(X.shape[1])
        for part in blocks(X):
            total += np.abs(X[part].astype(np.float64) - self.center_).sum(axis=0)
        self.deviations_ = (total / len(X)).astype(np.float32)
        n_factors = 2 if self.scores == "asymmetric" else 0
        self.n_bytes_ = self._n_planes_bytes + n_factors * FLOAT

    def _learn_residuals(self, X, rows, n_threads):
        if self.scores == "hamming":
            raise ValueError(
                "scores='hamming' makes no codes for lists: these hold residuals and "
                "compare them by inner products, which a count of bits does not "
                "estimate: use scores='asymmetric'"
            )
        self._learn(X)

    @property
    def _segments(self):
        return [(len(self.center_), 1)]

    def _encode(self, X):
        above = (X > self.center_).view(np.uint8)
        if self.scores == "hamming":
            return self._join(above, np.empty((len(X), 0), np.float32))
        factors = np.empty((len(X), 2), np.float32)
        weights = self.deviations_.astype(np.float64)
        squares = np.square(weights).sum()
        sizes = np.abs(X.astype(np.float64) - self.center_)
        factors[:, 0] = np.square(sizes).sum(axis=1)
        # Least squares on plus or minus the weights; 0 if all of them are 0.
        sizes *= weights
        factors[:, 1] = -2 * sizes.sum(axis=1) / (squares if squares > 0 else 1)
        return self._join(above, factors)

    def _decode(self, codes):
        above, factors = self._split(codes)
        rows = (above - np.float32(middle_of(1))) * (2 * self.deviations_)
        if self.scores == "asymmetric":
            rows *= factors[:, 1:] / -2
        return rows + self.center_

    def points(self, codes, space="l2"):
        if self.scores == "hamming":
            from sklearn_jin.points.bits import bits

            if space != "l2":
                raise ValueError(
                    "scores='hamming' counts the bits that differ, which estimates "
                    "squared distances but no inner product: use scores='asymmetric'"
                )
            return bits(codes, self.center_)
        weights = 2 * self.deviations_  # values are plus and minus one half
        return self._record(codes, space, middles=[middle_of(1)], weights=weights)
