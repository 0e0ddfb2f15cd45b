"""Product quantization: a centroid for every sub-vector, plain and improved."""

import warnings
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from sklearn_jin._arrays import Float32, Float64, Int64
from sklearn_jin._compat import Integers, Interval, Options, StrOptions
from sklearn_jin._memory import aligned_codes, frozen
from sklearn_jin.quantizers._base import Quantizer

WIDTHS = {4: 2, 8: 4}  # features of a sub-vector, by the bits of its code
ENOUGH = {4: 16384, 8: 65536}  # rows to learn from, by the bits of a code
THRESHOLD, ITS_FEATURES = 0.2, 128  # default threshold, up to as many features
SHORT_SHARE = 0.01  # rows that may be too short for the threshold


@dataclass(eq=False, repr=False)
class ProductQuantizer(Quantizer):
    """A centroid for every sub-vector [1]_.

    The features are cut into ``m`` runs, and k-means finds ``2**n_bits``
    centroids for each.  A code is the numbers of the nearest ones; a distance
    is estimated by ``m`` look-ups.  The same row has the same code in every
    batch, and the same seed gives the same codebooks for any number of threads.

    Parameters
    ----------
    n_subvectors : "auto" or int, default="auto"
        Number ``m`` of runs of features; where it does not divide the features,
        the first runs are one longer.  More give a smaller error; memory and
        the time of a score grow with it.  ``"auto"`` takes runs of 4 features
        for 8 bits and of 2 for 4 bits, so a code has a byte for 4 features.
        More than there are features is cut to that, with a warning.
    n_bits : {4, 8}, default=8
        Bits of a sub-vector's code.  For codes of equal length 8 bits have the
        smaller error; 4 bits train and encode faster, and their tables of 16
        entries fit a CPU's registers.
    max_train : "auto" or int, default="auto"
        Rows, drawn at random, to learn from.  Time of ``fit`` grows with it.
        ``"auto"`` takes 65,536 for 8 bits and 16,384 for 4, which are 256 and 1024
        a centroid; more hardly change the error.
    n_iter : int, default=20
        Rounds of k-means at most.  From 5 to 25 the error falls by 3 to 4 %, from
        25 to 40 by less than 0.5 %.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from and the first centroids.

    Attributes
    ----------
    codebooks_ : ndarray of shape (`n_subvectors_`, 2**n_bits, sub_width), float32
        Centroids; what a short run lacks is 0.  If there are fewer rows than
        centroids, the first are repeated.
    starts_ : ndarray of shape (`n_subvectors_` + 1,), int64
        First feature of each run; the last entry is the number of features.
    n_subvectors_ : int
        Number of runs.
    n_bytes_ : int
        Bytes of a code: ``m`` for 8 bits, ``ceil(m / 2)`` for 4, where byte ``t``
        holds runs ``t`` (low half) and ``t + ceil(m / 2)`` (high half).
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    OptimizedProductQuantizer : With a rotation, for features that correlate.
    AnisotropicQuantizer : For inner products.

    References
    ----------
    .. [1] Jegou, Douze and Schmid, "Product quantization for nearest neighbor
       search", IEEE TPAMI 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import ProductQuantizer
    >>> X, _ = load_digits(return_X_y=True)
    >>> quantizer = ProductQuantizer(random_state=0)
    >>> quantizer.fit_transform(X).shape
    (1797, 16)
    """

    n_subvectors: object = "auto"
    n_bits: int = 8
    max_train: object = field(default="auto", kw_only=True)
    n_iter: int = field(default=20, kw_only=True)
    random_state: object = field(default=None, kw_only=True)

    _parameter_constraints = {
        "n_subvectors": [
            StrOptions({"auto"}),
            Integers(1),
        ],
        "n_bits": [Options(Integral, {4, 8})],
        "max_train": [StrOptions({"auto"}), Integers(1)],
        "n_iter": [Integers(1)],
        "random_state": ["random_state"],
    }
    _learned = {"n_subvectors_": int, "starts_": Int64[1], "codebooks_": Float32[3]}

    def points(self, codes, space="l2"):
        """The record of ``codes`` for ``space`` "l2" or "ip"."""
        from sklearn_jin.points.product import KINDS

        return KINDS[self.n_bits, space](
            aligned_codes(codes),
            frozen(np.ascontiguousarray(self.codebooks_.transpose(0, 2, 1))),
            frozen(self.starts_),
            frozen(getattr(self, "rotation_", np.zeros((0, 0), np.float32))),
        )

    def encode_residuals(self, X, rows):
        """Codes of residuals ``X`` of ``rows``."""
        return self._pack(self._choose(X, rows))

    def _learn(self, X):
        self._learn_residuals(X, X, 1)

    def _learn_residuals(self, X, rows, n_threads):
        from sklearn_jin.construction.product import cut

        rng = check_random_state(self.random_state)
        m = self.n_subvectors_ = self._count(X.shape[1])
        self.n_bytes_ = m if self.n_bits == 8 else (m + 1) // 2
        self.starts_ = cut(X.shape[1], m)
        n_rows = ENOUGH[self.n_bits] if self.max_train == "auto" else self.max_train
        if n_rows < len(X):
            some = np.sort(rng.choice(len(X), n_rows, replace=False))
            X, rows = X[some], rows[some]
        self._train(X, rows, 2**self.n_bits, rng, n_threads)

    def _count(self, d):
        """Number of sub-vectors of ``d`` features."""
        if self.n_subvectors == "auto":
            return -(-d // WIDTHS[self.n_bits])
        if self.n_subvectors > d:
            warnings.warn(
                f"n_subvectors={self.n_subvectors} is more than n_features={d}: "
                f"{d} are made",
                stacklevel=2,
            )
        return min(int(self.n_subvectors), d)

    def _encode(self, X):
        return self._pack(self._choose(X, X))

    def _pack(self, codes):
        from sklearn_jin.points.product import pack

        return pack(codes) if self.n_bits == 4 else codes

    def _decode(self, codes):
        from sklearn_jin.construction.product import decode
        from sklearn_jin.points.product import unpack

        if self.n_bits == 4:
            codes = unpack(codes, self.n_subvectors_)
        return decode(codes, self.codebooks_, self.starts_)

    # What a variant overrides.

    def _train(self, X, rows, n_centroids, rng, n_threads):
        """Set ``codebooks_`` and what else is learned from ``X``.

        These are residuals of ``rows``, or the rows themselves.
        """
        from sklearn_jin.construction.product import train

        self.codebooks_ = train(
            X, self.starts_, n_centroids, rng, self.n_iter, n_threads=n_threads
        )

    def _choose(self, X, rows):
        """Codes (n, m) of ``X``, residuals of ``rows`` or these themselves."""
        from sklearn_jin.construction.product import encode

        return encode(X, self.codebooks_, self.starts_)


@dataclass(eq=False, repr=False)
class OptimizedProductQuantizer(ProductQuantizer):
    """Product quantization after a rotation that is learned with it [1]_.

    The rotation begins with the principal axes, shared out so that all
    sub-vectors carry alike; then rotation and codebooks are improved in turn.
    Where features correlate or differ in variance the error is smaller than
    :class:`ProductQuantizer`'s at the same length; a query costs one product
    with a matrix more, a score nothing.

    Parameters
    ----------
    n_subvectors : "auto" or int, default="auto"
        As in :class:`ProductQuantizer`.
    n_bits : {4, 8}, default=8
        As in :class:`ProductQuantizer`.
    n_rotations : int, default=20
        Rounds that improve rotation and codebooks.  No round raises the error of
        the training rows; each takes about the time of one round of k-means and
        of two products of the rows with a matrix.  On SIFT vectors 20 lower it
        by 3 %, 50 by 4 %; most of the gain in recall is the start's.
    max_train : "auto" or int, default="auto"
        Rows to learn from, as in :class:`ProductQuantizer`.
    n_iter : int, default=20
        Rounds of k-means, at most, before the first rotation is improved.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from and the first centroids.

    Attributes
    ----------
    rotation_ : ndarray of shape (n_features, n_features), float32
        Orthogonal; ``X @ rotation_`` is what is coded.
    errors_ : ndarray of shape (n_rotations + 1,)
        Mean squared errors of the training rows, before each round and at the end.
    codebooks_ : ndarray of shape (`n_subvectors_`, 2**n_bits, sub_width), float32
        Centroids, of rotated rows.
    starts_ : ndarray of shape (`n_subvectors_` + 1,), int64
        First rotated feature of each run.
    n_subvectors_ : int
        Number of runs.
    n_bytes_ : int
        Bytes of a code: ``m`` for 8 bits, ``ceil(m / 2)`` for 4.
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    ProductQuantizer : Without the rotation.

    References
    ----------
    .. [1] Ge, He, Ke and Sun, "Optimized product quantization", IEEE TPAMI 2014,
       the parametric solution followed by the non-parametric one.
       https://arxiv.org/abs/1311.4055

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import OptimizedProductQuantizer, ProductQuantizer
    >>> X, _ = load_digits(return_X_y=True)
    >>> def error(quantizer):
    ...     codes = quantizer.set_params(random_state=0).fit_transform(X)
    ...     return ((X - quantizer.inverse_transform(codes)) ** 2).mean()
    >>> bool(error(OptimizedProductQuantizer(8, 4)) < error(ProductQuantizer(8, 4)))
    True
    """

    n_rotations: int = field(default=20, kw_only=True)

    _parameter_constraints = {
        **ProductQuantizer._parameter_constraints,
        "n_rotations": [Integers(0)],
    }
    _learned = {"rotation_": Float32[2], "errors_": Float64[1]}

    def _train(self, X, rows, n_centroids, rng, n_threads):
        from sklearn_jin.construction.product import train_rotated

        self.codebooks_, self.rotation_, self.errors_ = train_rotated(
            X, self.starts_, n_centroids, rng, self.n_iter, self.n_rotations
        )

    def _choose(self, X, rows):
        from sklearn_jin.points.rotation import multiply

        return super()._choose(multiply(X, self.rotation_), rows)

    def _decode(self, codes):
        from sklearn_jin.points.rotation import multiply

        return multiply(super()._decode(codes), self.rotation_.T)


@dataclass(eq=False, repr=False)
class AnisotropicQuantizer(ProductQuantizer):
    """Product quantization for inner products: the score-aware loss [1]_.

    Errors along a row change its inner product with those queries that it
    answers; errors across it hardly do.  So the former weigh ``eta`` times as
    much.  For inner products and for rows of length 1 recall is higher than
    :class:`ProductQuantizer`'s at the same length of codes; the squared error is
    larger, so it is not meant for Euclidean distances of rows of any length.

    Parameters
    ----------
    n_subvectors : "auto" or int, default="auto"
        As in :class:`ProductQuantizer`.
    n_bits : {4, 8}, default=4
        As in :class:`ProductQuantizer`.  8 bits recall a little more, but a row of
        100 features takes 64 microseconds to encode, 8 with 4 bits.
    threshold : "auto" or float, default="auto"
        Least inner product with queries of length 1 that counts, as a share of
        the length that only 1 % of the rows fall short of; between 0 and 1.  The
        larger it is, the more do errors along a row weigh: for ``d`` features
        and rows of length 1 ``eta`` is ``(d - 1) * threshold**2 / (1 -
        threshold**2)``, at least 1.  ``"auto"`` takes 0.2 up to 128 features and
        ``0.2 * (128 / d)**0.75`` beyond, where 0.2 would lose recall.
    n_updates : int, default=3
        Rounds that fit the codebooks to that loss.  Each takes the time of a few
        rounds of k-means.  They matter where sub-vectors are long: on word vectors
        of 100 features recall@10 rises from 0.484 to 0.504 for 13 codes of 8 bits
        (plain: 0.483).  With 2 features in each they make no difference (0.63;
        plain: 0.57).
    max_train : "auto" or int, default="auto"
        Rows to learn from, as in :class:`ProductQuantizer`.
    n_iter : int, default=20
        Rounds of k-means, at most, before the updates.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from and the first centroids.

    Attributes
    ----------
    threshold_ : float
        Least inner product that counts, in the unit of the rows.
    length_ : float
        Length that 1 % of the training rows fall short of; for ``eta`` these
        are taken to have it.
    codebooks_ : ndarray of shape (`n_subvectors_`, 2**n_bits, sub_width), float32
        Centroids.
    starts_ : ndarray of shape (`n_subvectors_` + 1,), int64
        First feature of each run.
    n_subvectors_ : int
        Number of runs.
    n_bytes_ : int
        Bytes of a code: ``m`` for 8 bits, ``ceil(m / 2)`` for 4.
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    ProductQuantizer : For Euclidean distances.

    References
    ----------
    .. [1] Guo, Sun, Lindgren, Geng, Simcha, Chern and Kumar, "Accelerating
       large-scale inference with anisotropic vector quantization", ICML 2020.
       https://arxiv.org/abs/1908.10396

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import normalize
    >>> from sklearn_jin import AnisotropicQuantizer
    >>> X, _ = load_digits(return_X_y=True)
    >>> AnisotropicQuantizer(random_state=0).fit_transform(normalize(X)).shape
    (1797, 16)
    """

    n_bits: int = 4
    threshold: object = field(default="auto", kw_only=True)
    n_updates: int = field(default=3, kw_only=True)

    _parameter_constraints = {
        **ProductQuantizer._parameter_constraints,
        "threshold": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither")],
        "n_updates": [Integers(0)],
    }
    _learned = {"length_": float, "threshold_": float}

    def _train(self, X, rows, n_centroids, rng, n_threads):
        from sklearn_jin.construction.product import train_anisotropic

        self.length_ = float(np.quantile(_lengths(rows), SHORT_SHARE))
        self.threshold_ = self._share(X.shape[1]) * self.length_
        self.codebooks_ = train_anisotropic(
            X,
            self._aim(rows),
            self.starts_,
            n_centroids,
            rng,
            self.n_iter,
            self.n_updates,
            n_threads,
        )

    def _choose(self, X, rows):
        from sklearn_jin.construction.product import encode_anisotropic

        return encode_anisotropic(X, *self._aim(rows), self.codebooks_, self.starts_)

    def _share(self, d):
        if self.threshold != "auto":
            return self.threshold
        return THRESHOLD * min(1, (ITS_FEATURES / d) ** 0.75)

    def _aim(self, X):
        """Direction of every row, float32, and the weight of an error along it."""
        from sklearn_jin.construction.product import parallel_weight

        lengths = _lengths(X)
        directions = X / np.where(lengths > 0, lengths, 1)[:, None]
        enough = np.maximum(lengths, self.length_)
        enough[enough == 0] = 1  # then the threshold is 0 too
        eta = parallel_weight(enough, self.threshold_, X.shape[1])
        return directions.astype(np.float32), eta


def _lengths(X):
    return np.sqrt(np.square(X, dtype=np.float64).sum(axis=1))
