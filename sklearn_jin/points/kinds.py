"""Which points serve a metric: the record of each space."""

from functools import partial

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin.points import booleans, rows, terms
from sklearn_jin.points.booleans import RowsOfBits
from sklearn_jin.points.functions import RowsOfFunction
from sklearn_jin.points.terms import RowsOfTerms

KINDS = {
    **rows.ROWS,
    "lp": lambda X, p: RowsOfTerms(X, terms.LP, p),
    "hamming": partial(RowsOfTerms, rule=terms.HAMMING),
    "canberra": partial(RowsOfTerms, rule=terms.CANBERRA),
    "braycurtis": partial(RowsOfTerms, rule=terms.BRAY_CURTIS),
    "jensenshannon": partial(RowsOfTerms, rule=terms.JENSEN_SHANNON),
    "bits": partial(RowsOfBits, rule=booleans.DIFFERING),
    "function": RowsOfFunction,
    "jaccard": partial(RowsOfBits, rule=booleans.JACCARD),
}


def points_of(metric, X, form="float32"):
    """The points of the rows ``X``, to which the ``metric`` is fitted.

    ``form`` is as in :meth:`sklearn_jin.metrics.Euclidean.fit`.
    """
    metric.fit(X, form)
    return points_by(metric, X, form)


def points_by(metric, X, form="float32"):
    """The points of rows ``X`` as a ``metric`` prepares them that was fitted before."""
    dtype = {"float32": np.float32, "float16": np.float16}.get(form, X.dtype)
    points = KINDS[metric.space](metric.rows(X, dtype), *metric.constants_)
    if metric.lift_ == 0:
        return points
    scale = np.ldexp(np.float32(1), [-metric.lift_])
    return points._replace(scale=frozen(scale))
