"""What scikit-learn offers from some version on, or under a private name."""

from sklearn.base import _fit_context
from sklearn.neighbors._base import KNeighborsMixin, RadiusNeighborsMixin
from sklearn.utils._param_validation import (
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


__all__ = [
    "CallbackSupportMixin",
    "Interval",
    "KNeighborsMixin",
    "Options",
    "RadiusNeighborsMixin",
    "StrOptions",
    "_fit_context",
    "validate_params",
]
