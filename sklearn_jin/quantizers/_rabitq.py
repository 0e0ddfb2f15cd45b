"""Codes of 1 to 8 bits a feature, with an unbiased estimate and a bound."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_jin._arrays import Float32
from sklearn_jin._compat import Integers
from sklearn_jin.quantizers._planes import (
    FLOAT,
    PlanesQuantizer,
    center_of,
    middle_of,
)

N_FACTORS = 3


@dataclass(eq=False, repr=False)
class RaBitQ(PlanesQuantizer):
    """Codes of 1 to 8 bits a feature, whose distances have a bound [1]_ [2]_.

    Rows are centred and turned by a random rotation, after which all features
    are alike; a code is the direction of the turned row on a grid of
    ``2**n_bits`` levels, and three float32 factors.  Nothing but the mean is
    learned, so codes suit rows unlike those of :meth:`fit` as well.

    The squared distance estimated from a code and a query is unbiased over
    the rotations.  Its error falls by about half with every bit, and as
    ``1 / sqrt(n_features)``.

    A code takes ``n_bytes_ = ceil(D * n_bits / 8) + 12`` bytes, where ``D`` is
    ``n_features`` made even.  (For 3 bits that are ``ceil(D * 2 / 8) + ceil(D / 8)``
    and 12: each of the powers of two that ``n_bits`` is a sum of fills bytes.)

    Parameters
    ----------
    n_bits : int, default=1
        Bits a feature, 1 to 8.  Size and the time of a score grow with it; the
        mean squared error of :meth:`inverse_transform` is 36 % of the variance
        for 1 bit, then 12, 3.6, 1.1, 0.29, 0.07, 0.02 and 0.005 % (256 features).
    random_state : int, RandomState instance or None, default=None
        Draws the rotation.  An integer makes the codes repeatable.

    Attributes
    ----------
    n_bytes_ : int
        Bytes of a code.
    center_ : ndarray of shape (n_features,), float32
        Mean of the fitted rows.
    signs_ : ndarray of shape (4, D), float32
        The rotation: signs of the rounds of a Walsh-Hadamard transform.
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    SAQ : Fewer errors at the same size where features are correlated.
    BinaryQuantizer : One bit a feature, without a rotation.

    Notes
    -----
    Where [2]_ tries all scales that change the code of a row, 73 are tried,
    which leaves the error within 3 % of the best and takes 2 microseconds for
    128 features.

    References
    ----------
    .. [1] Gao and Long, "RaBitQ: quantizing high-dimensional vectors with a
       theoretical error bound for approximate nearest neighbor search", SIGMOD
       2024. https://arxiv.org/abs/2405.12497
    .. [2] Gao, Gou, Xu, Yang, Long and Wong, "Practical and asymptotically optimal
       quantization of high-dimensional vectors in Euclidean space for approximate
       nearest neighbor search", SIGMOD 2025. https://arxiv.org/abs/2409.09913

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import RaBitQ
    >>> X, _ = load_digits(return_X_y=True)
    >>> quantizer = RaBitQ(n_bits=4, random_state=0).fit(X)
    >>> quantizer.transform(X[:2]).shape
    (2, 44)
    """

    n_bits: int = 1
    random_state: object = field(default=None, kw_only=True)

    _parameter_constraints = {
        "n_bits": [Integers(1, 8)],
        "random_state": ["random_state"],
    }
    _learned = {"signs_": Float32[2]}

    def lower_bound(self, codes, X):
        """What the squared distances are hardly ever below.

        A distance is below its bound for about 3 % of all pairs, and at 8 bits
        or few features for fewer: 1.9 standard deviations are left, as published.

        Parameters
        ----------
        codes : array-like of shape (n_codes, `n_bytes_`)
            Codes, as :meth:`transform` returns them.
        X : array-like of shape (n_queries, n_features)
            Queries.

        Returns
        -------
        bounds : ndarray of shape (n_queries, n_codes), float32
            Lower bounds of the squared distances, 0 or more.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If ``codes`` or ``X`` have another width.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        numbers, factors = self._split(self._check_codes(codes, "codes"))
        add, scale, err = factors.T
        queries = self._turn(self._scaled(X))
        squares = np.einsum("ij,ij->i", queries, queries)[:, None]
        bounds = queries @ (numbers - np.float32(middle_of(self.n_bits))).T
        bounds *= scale
        bounds += add + squares
        bounds -= err * np.sqrt(squares)
        return self._unscaled(np.maximum(bounds, 0, out=bounds), degree=2)

    def _learn(self, X):
        from sklearn_jin.points.rotation import draw_signs, turned_width

        self.center_ = center_of(X)
        D = turned_width(X.shape[1])
        self.signs_ = draw_signs(D, check_random_state(self.random_state))
        self.n_bytes_ = self._n_planes_bytes + N_FACTORS * FLOAT

    @property
    def _segments(self):
        return [(self.signs_.shape[1], self.n_bits)]

    def _turn(self, X):
        """Rows centred and rotated, (n, D)."""
        from sklearn_jin.points.rotation import rotate

        rows = np.zeros((len(X), self.signs_.shape[1]), np.float32)
        np.subtract(X, self.center_, out=rows[:, : X.shape[1]])
        return rotate(rows, self.signs_)

    def _encode(self, X):
        from sklearn_jin.construction.rabitq import encode

        return self._join(*encode(self._turn(X), self.n_bits))

    def _decode(self, codes):
        from sklearn_jin.construction.rabitq import decode
        from sklearn_jin.points.rotation import multiply, rotation_matrix

        numbers, factors = self._split(codes)
        rows = decode(numbers, self.n_bits, factors)
        back = rotation_matrix(self.signs_)[: self.n_features_in_].T
        return multiply(rows, back) + self.center_

    def points(self, codes, space="l2"):
        middles, signs = [middle_of(self.n_bits)], self.signs_
        return self._record(codes, space, err=True, middles=middles, signs=signs)
