"""Scalar quantization: every feature rounded to a level of a grid."""

from dataclasses import dataclass, field
from itertools import product
from numbers import Integral

import numpy as np

from sklearn_jin._arrays import Float32
from sklearn_jin._compat import Options, StrOptions
from sklearn_jin.quantizers._base import Quantizer

SAMPLE = 4096  # rows on which a range is chosen, at most,
ENOUGH = 1 << 18  # and numbers for one of all features: 0.1 s for 960, of 4096 rows 1.0
CUTS = (0, 0.0005, 0.002, 0.005, 0.01, 0.02, 0.04)  # shares of numbers off the grid


@dataclass(eq=False, repr=False)
class ScalarQuantizer(Quantizer):
    """Round every feature to one of ``2**n_bits`` equidistant levels.

    The fastest codes to score, and the most exact ones for their size from 4
    bits on where features are alike.  Codes of 4 bits of one global range
    need no factors: 128 features are one cache line.

    Parameters
    ----------
    n_bits : {4, 6, 8}, default=8
        Bits a feature.  Each bit halves the error; memory grows with it.
        8 bits without reranking lose about 2 % of recall@10 on SIFT vectors,
        4 bits about 14 %, and with twice as many candidates as neighbours
        0 and 1.6 %.
    range : {"global", "feature", "row"}, default="global"
        What has a grid of its own.  ``"global"``: nothing, all features share
        one, which suits features of one unit and is the fastest.
        ``"feature"``: every feature, for features of different units.
        ``"row"``: every row, symmetric about the mean of the rows, for rows of
        different lengths; it costs 4 bytes a row.  With 4 and 6 bits the grid
        of the first two leaves out such extreme numbers as make the squared
        error of a sample least; with 8 bits it reaches from the least number
        to the largest, so no error is above the range divided by 510.

    Attributes
    ----------
    n_bytes_ : int
        Bytes of a code: ``ceil(n_bits * d / 8)`` for 4 and 8 bits, ``ceil(d / 2)
        + ceil(d / 4)`` for 6, and 4 more for ``range="row"``.
    low_ : ndarray of shape (n_features,), float32
        What code 0 stands for; for ``range="row"`` the mean of the rows.
    step_ : ndarray of shape (n_features,), float32
        Between two levels; for ``range="row"`` ones, for it is in the code.
    exponent_ : int
        Rows are multiplied by ``2**exponent_`` first, and all that is learned is of
        such rows: 0 where their largest number is within 2**-30 and 2**30.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    RaBitQ : Fewer than 4 bits, with an error bound.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_jin import ScalarQuantizer
    >>> X = np.array([[0.0, 51.0], [255.0, 128.2]])
    >>> ScalarQuantizer().fit_transform(X)
    array([[  0,  51],
           [255, 128]], dtype=uint8)
    """

    n_bits: int = 8
    range: str = field(default="global", kw_only=True)

    _parameter_constraints = {
        "n_bits": [Options(Integral, {4, 6, 8})],
        "range": [StrOptions({"global", "feature", "row"})],
    }
    _learned = {"low_": Float32[1], "step_": Float32[1]}

    def _learn(self, X):
        from sklearn_jin.points.packing import plane_bytes

        d, some = X.shape[1], X[:: -(-len(X) // SAMPLE)].astype(np.float64)
        self.n_bytes_ = plane_bytes(d, self.n_bits)
        if self.range == "row":
            self.n_bytes_ += 4
            self.low_ = X.mean(axis=0, dtype=np.float64).astype(np.float32)
            self.step_ = np.ones(d, np.float32)
            return
        if self.range == "global":
            ends = np.array([[X.min()], [X.max()]], np.float64)
            some = some[:: -(-some.size // ENOUGH)].reshape(-1, 1)
        else:
            ends = np.array([X.min(axis=0), X.max(axis=0)], np.float64)
        if self.n_bits < 8:
            ends = best_ends(some, ends, self.n_bits)
        step = (ends[1] - ends[0]) / (2**self.n_bits - 1)
        step[step == 0] = 1
        self.low_ = np.broadcast_to(ends[0], d).astype(np.float32)
        self.step_ = np.broadcast_to(step, d).astype(np.float32)

    def _encode(self, X):
        from sklearn_jin.points.packing import pack_planes

        X, top = X.astype(np.float64), 2**self.n_bits - 1
        if self.range != "row":
            levels = np.clip(np.rint((X - self.low_) / self.step_), 0, top)
            with np.errstate(invalid="ignore"):  # of NaN, which nobody checked
                return pack_planes(levels.astype(np.uint8), self.n_bits)
        X -= self.low_
        step = (2 * np.abs(X).max(axis=1, keepdims=True) / top).astype(np.float32)
        levels = np.rint(X / np.where(step > 0, step, 1) + top / 2)
        packed = pack_planes(np.clip(levels, 0, top).astype(np.uint8), self.n_bits)
        return np.hstack([packed, step.view(np.uint8)])

    def _decode(self, codes):
        levels = self._levels(codes)
        if self.range == "row":
            return self.low_ + self._steps(codes) * (levels - self._middle())
        return self.low_ + self.step_ * levels

    def points(self, codes, space="l2"):
        """The record of ``codes``: of a grid without factors where that is possible."""
        from sklearn_jin.points import planes, scalar

        if self.range == "global" and space == "l2" and self.n_bits != 6:
            return scalar.scalar(codes, self.n_bits, self.low_, self.step_[0])
        scales, middles, factors, rows = [-2.0], [0.0], [-1, -1, -1], [codes]
        if self.range == "row":
            middles, factors[1] = [self._middle()], self.n_bytes_ - 4
        if space == "l2":
            # What a row adds to every score follows from its code.
            gaps = self._decode(codes).astype(np.float64) - self.low_
            add = np.einsum("ij,ij->i", gaps, gaps).astype(np.float32)
            rows.append(add[:, None].view(np.uint8))
            factors[0] = self.n_bytes_
        else:
            scales = [-1.0]
        return planes.planes(
            np.hstack(rows),
            [(len(self.low_), self.n_bits)],
            self.low_,
            space,
            factors,
            scales=scales,
            middles=middles,
            weights=self.step_,
        )

    def _middle(self):
        return (2**self.n_bits - 1) / 2

    def _levels(self, codes):
        from sklearn_jin.points.packing import unpack_planes

        d = len(self.low_)
        return unpack_planes(codes, self.n_bits, d).astype(np.float32)

    def _steps(self, codes):
        return np.ascontiguousarray(codes[:, -4:]).view(np.float32)


def best_ends(some, ends, n_bits):
    """Ends (2, m) of grids of least squared error on the columns ``some`` (n, m)."""
    lows = np.quantile(some, CUTS, axis=0)
    highs = np.quantile(some, [1 - cut for cut in CUTS], axis=0)
    lows[0], highs[0] = ends
    best, least, top = ends.copy(), np.full(some.shape[1], np.inf), 2**n_bits - 1
    for low, high in product(lows, highs):
        step = np.where(high > low, (high - low) / top, 1)
        levels = np.clip(np.rint((some - low) / step), 0, top)
        error = ((some - low - step * levels) ** 2).mean(axis=0)
        better = error < least
        least[better] = error[better]
        best[0, better], best[1, better] = low[better], high[better]
    return best
