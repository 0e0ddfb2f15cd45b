"""What scikit-learn offers from some version on, or under a private name."""

from numbers import Integral

from sklearn.base import _fit_context
from sklearn.neighbors._base import KNeighborsMixin, RadiusNeighborsMixin
from sklearn.neighbors._base import _get_weights as get_weights
from sklearn.utils._missing import is_scalar_nan
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_params,
)

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:
        """Stands for the progress callbacks of scikit-learn 1.9 and later."""


class Integers(Interval):
    """The integers from ``left`` to ``right``, which True and False do not belong to.

    scikit-learn's interval takes True for 1, and kernels then fail at it.
    """

    def __init__(self, left=None, right=None):
        closed = {
            (True, True): "both",
            (True, False): "left",
            (False, False): "neither",
        }
        bounds = left is not None, right is not None
        super().__init__(Integral, left, right, closed=closed[bounds])

    def is_satisfied_by(self, val):
        return not isinstance(val, bool) and super().is_satisfied_by(val)


class Instances(HasMethods):
    """The instances of a class, which messages call by what users know: ``told``.

    scikit-learn's own constraint names the class by its module, which may be private.
    It takes no constraints but those of its classes, of which this one comes nearest.
    """

    def __init__(self, kind, told):
        super().__init__(["fit"])
        self.kind, self.told = kind, told

    def is_satisfied_by(self, val):
        return isinstance(val, self.kind)

    def __str__(self):
        return self.told


__all__ = [
    "CallbackSupportMixin",
    "Instances",
    "Integers",
    "Interval",
    "KNeighborsMixin",
    "Options",
    "RadiusNeighborsMixin",
    "StrOptions",
    "_fit_context",
    "get_weights",
    "is_scalar_nan",
    "validate_params",
]
