"""Codes of -1, 0 and +1 a feature."""

import numpy as np

from sklearn_jin._arrays import Float32
from sklearn_jin._numbers import blocks
from sklearn_jin.quantizers._planes import FLOAT, PlanesQuantizer, center_of


class TernaryQuantizer(PlanesQuantizer):
    """Codes of -1, 0 and +1 a feature, in two bits.

    A feature's number stands for so many standard deviations of the feature,
    times a factor of the row.  Which features are 0 is found for every row by
    itself, and exactly: no other threshold leaves a smaller error of that row.
    So rows on another scale than the fitted ones lose nothing.

    ``n_bytes_`` is ``ceil(n_features / 4) + 8``; the 8 are two float32 factors.

    Attributes
    ----------
    n_bytes_ : int
        Bytes of a code.
    center_ : ndarray of shape (n_features,), float32
        Mean of the fitted rows.
    scale_ : ndarray of shape (n_features,), float32
        Standard deviation of every feature; 1 for a constant one.
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    BinaryQuantizer : One bit a feature.
    RaBitQ : Two bits of every rotated feature keep 88 % of the variance.

    Notes
    -----
    Of the variance of normal features 81 % is kept, of that of Student's t with
    3 degrees of freedom 72 %, where a threshold a feature would keep 61 %.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import TernaryQuantizer
    >>> X, _ = load_digits(return_X_y=True)
    >>> TernaryQuantizer().fit_transform(X).shape
    (1797, 24)
    """

    _parameter_constraints = {}
    _learned = {"scale_": Float32[1]}

    def _learn(self, X):
        self.center_ = center_of(X)
        total = np.zeros(X.shape[1])
        for part in blocks(X):
            total += np.square(X[part].astype(np.float64) - self.center_).sum(axis=0)
        spread = np.sqrt(total / len(X)).astype(np.float32)
        self.scale_ = np.where(spread > 0, spread, np.float32(1))
        self.n_bytes_ = self._n_planes_bytes + 2 * FLOAT

    @property
    def _segments(self):
        return [(len(self.center_), 2)]

    def _encode(self, X):
        rows = X.astype(np.float64) - self.center_
        kept, times = thresholded(np.abs(rows), self.scale_.astype(np.float64))
        factors = np.empty((len(X), 2), np.float32)
        factors[:, 0] = np.square(rows).sum(axis=1)
        factors[:, 1] = -2 * times
        numbers = 1 + np.where(kept, np.sign(rows), 0)
        return self._join(numbers.astype(np.uint8), factors)

    def _decode(self, codes):
        numbers, factors = self._split(codes)
        rows = (numbers - np.float32(1)) * self.scale_
        return rows * (factors[:, 1:] / -2) + self.center_

    def points(self, codes, space="l2"):
        return self._record(codes, space, middles=[1], weights=self.scale_)


def thresholded(sizes, scale):
    """Which numbers of each row are not 0 (n, d), and what they are times ``scale``.

    With ``S`` the features kept, the least squares leave an error of ``|r|**2``
    less ``sum_S(|r_j| s_j)**2 / sum_S(s_j**2)``, and the best ``S`` of any size are
    the largest ``|r_j| / s_j``: so one sort of a row finds the best of all.
    """
    order = np.argsort(-(sizes / scale), axis=1, kind="stable")
    products = np.cumsum(np.take_along_axis(sizes * scale, order, axis=1), axis=1)
    squares = np.cumsum(np.square(scale)[order], axis=1)
    last = (np.square(products) / squares).argmax(axis=1)[:, None]
    kept = np.empty(sizes.shape, bool)
    np.put_along_axis(kept, order, np.arange(sizes.shape[1]) <= last, axis=1)
    times = np.take_along_axis(products, last, 1) / np.take_along_axis(squares, last, 1)
    return kept, times[:, 0]
