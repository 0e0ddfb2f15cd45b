"""What estimators take: float arrays, as scikit-learn's validation returns them."""

import numpy as np
from scipy import sparse
from sklearn.utils.validation import validate_data

from sklearn_jin._numbers import NARROW, all_below
from sklearn_jin.metrics import FLOAT32_MAX, METRICS

_FLOATS = np.dtype(np.float32), np.dtype(np.float64)
_SMALL_TYPES = tuple(np.dtype(t) for t in ("f4", "f2", "i1", "u1", "i2", "u2", "?"))
_MODEST = 1e18  # whose square float32 holds


def checked(estimator, X, reset=False, kept=()):
    """``X`` as a float array of two dimensions, within float32.

    With ``reset`` its width and the names of its columns become those of the
    ``estimator``, or else they must be.  An array of a type that is ``kept`` keeps it.
    """
    if reset or not _is_plain(estimator, X, kept):
        X = _validated(estimator, X, reset, kept)
    elif all_below(_MODEST, X):
        return X
    elif not _is_finite(X):
        X = _validated(estimator, X, reset)
    if X.dtype == np.float64 and (size := np.abs(X).max()) > FLOAT32_MAX:
        raise ValueError(
            f"X holds {size:.6g}, a value too large for dtype('float32') "
            f"(at most {FLOAT32_MAX:.6g}): rescale the data"
        )
    return X


def form_of(estimator, X, metric):
    """How the rows ``X`` are to be kept: as "float32", as "float16" or as "input".

    See :meth:`sklearn_jin.metrics.lengths.Euclidean.fit`.  A metric that has a form of
    its own, as bits, takes "float32" for it.
    """
    store = getattr(estimator, "store_vectors", True)
    if store == "input" and X.dtype in NARROW and not metric.taken:
        return "input"
    return "float16" if store == "float16" else "float32"


def kept_types(estimator):
    """Types of rows of which ``fit`` makes no float32 copy."""
    if isinstance(estimator.metric, str) and estimator.metric in METRICS:
        if taken := METRICS[estimator.metric].taken:
            return taken
    store = getattr(estimator, "store_vectors", True)
    return {"input": NARROW, "float16": (np.dtype(np.float16),)}.get(store, ())


def _is_plain(estimator, X, kept):
    """Whether scikit-learn's validation would return ``X`` as it is, if it is finite.

    That takes 60 microseconds, as long as the search of two queries.
    """
    return (
        type(X) is np.ndarray
        and (X.dtype in _FLOATS or X.dtype in kept)
        and X.ndim == 2
        and len(X) > 0
        and X.shape[1] == estimator.n_features_in_
        and X.flags.c_contiguous
        and "feature_names_in_" not in vars(estimator)
    )


def _is_finite(X):
    """Whether ``X`` is finite; it may be so without, which the validation tells."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))


def _validated(estimator, X, reset, kept=()):
    """``X`` as scikit-learn's validation returns it."""
    if sparse.issparse(X):
        raise TypeError(
            f"X is sparse, which {type(estimator).__name__} does not take: densify it "
            "with X.toarray() or reduce it with sklearn.decomposition.TruncatedSVD"
        )
    own = getattr(X, "dtype", None)
    small = own in _SMALL_TYPES and own not in kept
    dtype = np.float32 if small else [np.float64, np.float32, *kept]
    with np.errstate(over="ignore", invalid="ignore"):  # sums of huge numbers
        return validate_data(estimator, X, reset=reset, order="C", dtype=dtype)
