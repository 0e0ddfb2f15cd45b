"""Codes of the first principal components, and of the length of all the rest."""

from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from sklearn_jin._arrays import Float32
from sklearn_jin._compat import Integers, Options, StrOptions
from sklearn_jin._memory import LINE
from sklearn_jin._numbers import squares
from sklearn_jin.quantizers._planes import FLOAT, PlanesQuantizer, center_of
from sklearn_jin.quantizers._scalar import best_ends

HELD = 0.85  # share of the variance that components hold by default, in
LINES = 4  # cache lines at most
SAMPLE = 1000  # rows on which the grid is chosen
LEAST_STEP = 2.0**-60  # of rows that are all equal


@dataclass(eq=False, repr=False)
class PCAQuantizer(PlanesQuantizer):
    """Codes of the first principal components, for rows of many features [1]_.

    Rows are centred and turned to the components in which they differ most, and a
    random rotation among these lets one grid serve them all.  What a row has in the
    components that are left out is kept as its squared length alone, so a squared
    distance is estimated as that in the components and the squared lengths of the
    rest of row and query.  Where features are correlated, as of images and learned
    embeddings, one cache line (64 bytes) stands for a row of a thousand features.

    An estimate is off by ``2 <x, q>`` of the rest of row and query: the distance of
    near rows is estimated too large, and the more so the less variance the components
    hold.  So candidates are to be scored exactly, which every index does.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of components, and no more than there are features.  More of them raise
        recall, memory and the time of a query, which is to be turned to them: of 960
        features to 120 that takes 2.4 microseconds.  ``"auto"`` fills one, two, three
        or four cache lines, the fewest that hold 85 % of the variance: 120 components
        of 4 bits are one line, 248 two, 376 three and 504 four.
    n_bits : {4, 8}, default=4
        Bits a component.  With 4, twice as many components take the same memory,
        which is worth more than their precision: of the ten neighbours in Fashion-MNIST
        (784 features) 94 % are among the 20 best estimates of 120 components of 4 bits,
        and 84 % among those of 60 of 8 bits, of the same 64 bytes.  As many
        components of 8 bits, in twice the memory, raise recall a little where nearly
        all the variance is in them.
    max_train : int or "auto", default="auto"
        Number of rows, drawn at random, that components are learned from.  More of
        them fit the data better and lengthen fitting.  ``"auto"`` takes 4096, or four
        times the features.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from and the rotation.  An integer makes the codes
        repeatable.

    Attributes
    ----------
    n_bytes_ : int
        Bytes of a code: ``ceil(n_bits * n_components_ / 8) + 4``.
    n_components_ : int
        Number of components.
    explained_variance_ratio_ : float
        Share of the variance that the components hold, of some of the fitted rows.
    center_ : ndarray of shape (n_features,), float32
        Mean of the fitted rows.
    directions_ : ndarray of shape (n_features, `n_components_`), float32
        Orthogonal directions that span the components, as columns.
    low_ : float
        What level 0 of a component stands for.
    step_ : float
        Between two levels.
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    SAQ : Principal components too; those that matter less have fewer bits.
    ScalarQuantizer : All features, for rows of few of them.

    Notes
    -----
    With ``y`` what the code stands for and ``x`` the row less the mean, in the
    components, a code holds ``|x|**2 - 2 <x, x - y>`` with ``|x|**2`` that of all
    features: an estimate has no error from the grid along the row itself, and that
    of a row of its own distance is as large as twice its rest.  For the inner product
    the rest is left out.

    References
    ----------
    .. [1] Jegou, Douze, Schmid and Perez, "Aggregating local descriptors into a compact
       image representation", CVPR 2010, section 3, for codes of principal components
       turned at random.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import PCAQuantizer
    >>> X, _ = load_digits(return_X_y=True)
    >>> quantizer = PCAQuantizer(n_components=24, random_state=0).fit(X)
    >>> quantizer.transform(X[:2]).shape
    (2, 16)
    >>> round(quantizer.explained_variance_ratio_, 1)
    0.9
    """

    n_components: int | str = "auto"
    n_bits: int = field(default=4, kw_only=True)
    max_train: int | str = field(default="auto", kw_only=True)
    random_state: object = field(default=None, kw_only=True)

    _parameter_constraints = {
        "n_components": [StrOptions({"auto"}), Integers(1)],
        "n_bits": [Options(Integral, {4, 8})],
        "max_train": [StrOptions({"auto"}), Integers(1)],
        "random_state": ["random_state"],
    }
    _learned = {
        "directions_": Float32[2],
        "n_components_": int,
        "explained_variance_ratio_": float,
        "low_": float,
        "step_": float,
    }

    def _learn(self, X):
        from sklearn_jin.construction.components import principal, turned
        from sklearn_jin.points.rotation import multiply
        from sklearn_jin.search.scan import blas

        rng = check_random_state(self.random_state)
        self.center_ = center_of(X)
        with blas().limit(limits=1, user_api="blas"):  # the same for any threads
            _, directions = principal(X, self._wish(), rng)
            self.directions_ = turned(directions, rng)
        self.n_components_ = self.directions_.shape[1]
        self.n_bytes_ = self._n_planes_bytes + FLOAT
        near = X[:: -(-len(X) // SAMPLE)] - self.center_
        some = multiply(near, self.directions_).astype(np.float64)
        total = np.square(near, dtype=np.float64).sum()
        held = np.square(some).sum() / total if total > 0 else 1.0
        self.explained_variance_ratio_ = float(min(held, 1))
        self.low_, self.step_ = self._grid(some.reshape(-1, 1), X)

    def _grid(self, some, X):
        """Level 0 and the step of the grid for ``some`` numbers (n, 1) of ``X``."""
        ends = np.array([some.min(axis=0), some.max(axis=0)])
        if ends[0] < ends[1]:
            ends = best_ends(some, ends, self.n_bits)
        else:  # equal rows, of which others may differ
            ends[1] = np.sqrt(squares(X - self.center_).max())
            ends[0] = -ends[1]
        (low,), (high,) = ends
        return float(low), max(float(high - low) / (2**self.n_bits - 1), LEAST_STEP)

    def _wish(self):
        from sklearn_jin.construction.components import Wish

        n_train = None if self.max_train == "auto" else self.max_train
        if self.n_components != "auto":
            return Wish((self.n_components,), n_train=n_train)
        bits = 8 * np.array([LINE * lines - FLOAT for lines in range(1, LINES + 1)])
        return Wish(tuple((bits // self.n_bits).tolist()), HELD, n_train)

    @property
    def _segments(self):
        return [(self.n_components_, self.n_bits)]

    def _encode(self, X):
        from sklearn_jin.points.rotation import multiply

        near = X - self.center_
        rows = multiply(near, self.directions_).astype(np.float64)
        places = np.clip(
            np.rint((rows - self.low_) / self.step_), 0, 2**self.n_bits - 1
        )
        with np.errstate(invalid="ignore"):  # of NaN, which nobody checked
            levels = places.astype(np.uint8)
        rows *= rows - self._values(levels)
        add = squares(near) - 2 * rows.sum(axis=1)
        return self._join(levels, add[:, None].astype(np.float32))

    def _values(self, levels):
        """What levels stand for, float64."""
        return self.low_ + self.step_ * levels

    def _decode(self, codes):
        from sklearn_jin.points.rotation import multiply

        rows = self._values(self._split(codes)[0]).astype(np.float32)
        return multiply(rows, self.directions_.T) + self.center_

    def points(self, codes, space="l2"):
        from sklearn_jin.points.planes import planes

        half = space == "ip"
        return planes(
            codes,
            self._segments,
            self.center_,
            space,
            factors=(-1 if half else self._n_planes_bytes, -1, -1),
            matrix=self.directions_,
            scales=[-1.0 if half else -2.0],
            middles=[-self.low_ / self.step_],
            weights=np.full(self.n_components_, self.step_),
        )
