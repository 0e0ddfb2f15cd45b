"""Metrics that are Euclidean distances of what a map makes of rows.

The map is computed in float64, and from then on rows are as any others: scaled and
shifted where float32 would lose their differences.  So every index serves them.
"""

import warnings

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from sklearn_jin._arrays import Float64
from sklearn_jin._numbers import SAMPLE, blocks, shift, times_power, widened
from sklearn_jin.metrics.lengths import Euclidean

RIGHT = np.pi / 2 + 1e-5  # radians, with what float32 rounds
NEAR_SYMMETRIC = 1e-8  # of the largest number, as much as rounding leaves


class Image(Euclidean):
    """``|f(x) - f(y)|``: a metric adds ``_learn``, ``_image`` and ``_origin``."""

    keeps_types = False

    def fit(self, X, form="float32"):
        self.d_ = X.shape[1]
        self._learn(X)
        some = X[:: -(-len(X) // SAMPLE)]
        self.shift_ = shift(self._image(widened(some)))
        self.exponent_ = self._exponent(X, form)
        return self

    def restore(self, rows):
        rows = times_power(rows[:, : self.width_], -self.exponent_)
        rows = rows.astype(np.float64)
        return self._origin(rows if self.shift_ is None else rows + self.shift_)

    def _learn(self, X):
        """Learn the map from the rows ``X``, as far as it was not given."""

    def _image(self, X):
        """Images (n, width) of rows, float64."""
        raise NotImplementedError

    def _origin(self, images):
        """Rows of these images."""
        raise NotImplementedError

    def _size(self, X):
        sized = super()._size
        return max(sized(self._image(widened(X[part]))) for part in blocks(X))

    def _sizes(self, X):
        return super()._sizes(self._image(X))

    def _all_near(self, X, room):
        return super()._all_near(self._image(X), room)

    def _columns(self, X, powers=None):
        return super()._columns(self._image(X), powers)


class Haversine(Image):
    """The angle, in radians, between places (latitude, longitude) in radians.

    Places are points of the unit sphere, of whose chord ``c`` the arc is
    ``2 arcsin(c / 2)``.  Of a chord that float32 rows have to 2**-24 an arc near 0 is
    known as well, one within 3e-4 of pi no better than that.
    """

    @property
    def width_(self):
        return 3

    def _learn(self, X):
        if self.d_ != 2:
            raise ValueError(
                f"X has {self.d_} features, but metric='haversine' takes 2: latitude "
                "and longitude in radians, as numpy.radians makes of degrees"
            )
        if (most := np.abs(X[:, 0]).max()) > RIGHT:
            warnings.warn(
                f"X has the latitude {most:.6g}, which is beyond a pole: "
                "metric='haversine' takes radians, as numpy.radians makes of degrees",
                stacklevel=2,
            )

    def _image(self, X):
        latitude, longitude = X.T.astype(np.float64)
        around = np.cos(latitude)
        places = around * np.cos(longitude), around * np.sin(longitude)
        return np.stack([*places, np.sin(latitude)], axis=1)

    def _origin(self, images):
        x, y, z = images.T
        return np.stack([np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x)], axis=1)

    def _finish(self, scores, rows=slice(None), powers=None):
        chords = super()._finish(scores, rows, powers)
        return 2 * np.arcsin(np.minimum(chords / 2, 1.0))


class StandardizedEuclidean(Image):
    """``sqrt(sum((x_j - y_j)**2 / V_j))``."""

    parameters = ("V",)
    learned = {**Euclidean.learned, "V_": Float64[1]}

    def __init__(self, V=None):
        if V is not None:
            self.V_ = vector_of(V, "V", "seuclidean", above=0)

    @classmethod
    def weighted(cls, w):
        """The metric ``sqrt(sum(w_j * (x_j - y_j)**2))``, with weights of 0 too."""
        metric = cls()
        with np.errstate(divide="ignore"):
            metric.V_ = 1 / w
        return metric

    @property
    def params_(self):
        return {"V": self.V_}

    def _learn(self, X):
        if not hasattr(self, "V_"):
            self.V_ = _variances(X)
        refuse_length(self.V_, self.d_)

    def _image(self, X):
        return X / np.sqrt(self.V_)

    def _origin(self, images):
        return np.where(np.isinf(self.V_), 0.0, images * np.sqrt(self.V_))


class Mahalanobis(Image):
    """``sqrt((x - y)' VI (x - y))``."""

    parameters = ("V", "VI")
    learned = {**Euclidean.learned, "factor_": Float64[2]}

    def __init__(self, V=None, VI=None):
        if V is not None and VI is not None:
            raise ValueError(
                "metric_params of metric='mahalanobis' hold V and VI: give the "
                "covariances V, or their inverse VI"
            )
        if V is not None:
            self.factor_ = _factor_of_inverse(_matrix_of(V, "V"), "V")
        elif VI is not None:
            self.factor_ = _factor(_matrix_of(VI, "VI"), "VI")

    @property
    def params_(self):
        return {"VI": self.factor_ @ self.factor_.T}

    def _learn(self, X):
        if not hasattr(self, "factor_"):
            refuse_one_row(X, "mahalanobis", "V or VI")
            cov = np.atleast_2d(np.cov(X.T.astype(np.float64)))
            self.factor_ = _factor_of_inverse(cov, "the covariance of X")
        refuse_length(self.factor_, self.d_)

    def _image(self, X):
        # One row is multiplied as two: BLAS adds up a vector in another order, and
        # where rows are shifted the last digits of float64 are seen.
        rows = X.astype(np.float64)
        return ((rows if len(X) > 1 else np.repeat(rows, 2, 0)) @ self.factor_)[
            : len(X)
        ]

    def _origin(self, images):
        return np.linalg.solve(self.factor_.T, images.T).T


def _variances(X):
    refuse_one_row(X, "seuclidean", "V")
    V = np.var(X, axis=0, ddof=1, dtype=np.float64)
    if not (V > 0).all():
        raise ValueError(
            f"feature {int(np.argmin(V > 0))} of X is constant, and metric="
            "'seuclidean' divides by its variance: leave it out, or give "
            "metric_params={'V': ...}"
        )
    return V


def vector_of(values, name, metric, above=None):
    """A parameter as float64 numbers (n,), all ``above`` a bound, or else from 0 on."""
    values = np.array(values, np.float64)
    good = values >= 0 if above is None else values > above
    if values.ndim != 1 or not good.all() or (above is None and np.isinf(values).any()):
        told = "from 0 on" if above is None else f"above {above}"
        raise ValueError(
            f"metric_params[{name!r}]={values} of metric={metric!r} must be numbers "
            f"{told}, one for each feature"
        )
    return values


def refuse_length(values, d):
    """Raise ValueError unless a parameter has a number, or a row, for each feature."""
    if len(values) != d:
        raise ValueError(f"metric_params are for {len(values)} features, but X has {d}")


def refuse_one_row(X, metric, names):
    """Raise ValueError if there is one row, which has no variance."""
    if len(X) < 2:
        raise ValueError(
            f"X has 1 row, of which metric={metric!r} learns nothing: give "
            f"metric_params with {names}"
        )


def _matrix_of(values, name):
    values = np.array(values, np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(
            f"metric_params[{name!r}] has shape {values.shape}: give a square matrix, "
            "a row for each feature"
        )
    size = np.abs(values).max(initial=0)
    if not np.abs(values - values.T).max(initial=0) <= NEAR_SYMMETRIC * size:
        raise ValueError(
            f"metric_params[{name!r}] is not symmetric: give covariances, or their "
            "inverse"
        )
    return (values + values.T) / 2


def _factor(matrix, name):
    """Lower ``L`` with ``L L'`` the ``matrix``; features of any size take no digits."""
    diagonal = np.diagonal(matrix)
    exponents = np.frexp(np.where(diagonal > 0, diagonal, 1.0))[1] // 2
    scales = np.ldexp(1.0, -exponents)
    try:
        scaled = cholesky(scales[:, None] * matrix * scales, lower=True)
    except (np.linalg.LinAlgError, ValueError):  # the latter of what is not finite
        raise ValueError(
            f"{name} is not positive definite, so metric='mahalanobis' has no distance "
            "by it: leave out features that depend on others, or add a small number to "
            "the diagonal of V and give metric_params={'V': ...}"
        ) from None
    return scaled / scales[:, None]


def _factor_of_inverse(matrix, name):
    """As :func:`_factor`, upper, of the inverse of the ``matrix``: it is not made."""
    lower = _factor(matrix, name)
    return solve_triangular(lower, np.eye(len(matrix)), lower=True).T
