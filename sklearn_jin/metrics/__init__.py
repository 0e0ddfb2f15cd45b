"""Metrics: what the same two vectors are apart, in every index.

A metric turns the user's rows into rows whose score (squared L2, L1 or L-infinity,
see :mod:`sklearn_jin.points`) ranks as the metric does, and turns scores back
into the metric's own distances.  Nothing else in the library knows a metric.
Rows and queries go through the same code, and all that is learned from the
rows is kept in the instance.
"""

import numpy as np

from sklearn_jin.metrics.booleans import (
    Dice,
    Jaccard,
    PackedHamming,
    PackedJaccard,
    RogersTanimoto,
    SokalMichener,
    SokalSneath,
)
from sklearn_jin.metrics.functions import Function
from sklearn_jin.metrics.images import (
    Haversine,
    Mahalanobis,
    StandardizedEuclidean,
    vector_of,
)
from sklearn_jin.metrics.lengths import (
    FLOAT32_MAX,
    TOP,
    Angular,
    Chebyshev,
    Correlation,
    Cosine,
    Euclidean,
    Hellinger,
    InnerProduct,
    Manhattan,
    SquaredEuclidean,
)
from sklearn_jin.metrics.terms import (
    BrayCurtis,
    Canberra,
    Hamming,
    JensenShannon,
    Minkowski,
)

METRICS = {
    "euclidean": Euclidean,
    "sqeuclidean": SquaredEuclidean,
    "cosine": Cosine,
    "angular": Angular,
    "correlation": Correlation,
    "hellinger": Hellinger,
    "inner_product": InnerProduct,
    "manhattan": Manhattan,
    "chebyshev": Chebyshev,
    "haversine": Haversine,
    "mahalanobis": Mahalanobis,
    "seuclidean": StandardizedEuclidean,
    "minkowski": Minkowski,
    "hamming": Hamming,
    "canberra": Canberra,
    "braycurtis": BrayCurtis,
    "jensenshannon": JensenShannon,
    "jaccard": Jaccard,
    "dice": Dice,
    "rogerstanimoto": RogersTanimoto,
    "sokalmichener": SokalMichener,
    "sokalsneath": SokalSneath,
    "bit_hamming": PackedHamming,
    "bit_jaccard": PackedJaccard,
}
# A function has no name by which it is asked for: it is told by "function".
TYPES = {**METRICS, "function": Function}
ALIASES = {"l2": "euclidean", "l1": "manhattan", "cityblock": "manhattan"}
MINKOWSKI = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}


def effective_metric(metric, p, params=None):
    """Name in ``TYPES`` that ``metric``, Minkowski's ``p`` and weights stand for."""
    if callable(metric):
        return "function"
    if metric != "minkowski":
        return ALIASES.get(metric, metric)
    if p is None or not p >= 1:
        raise ValueError(
            f"p={p!r} is not supported for metric='minkowski': use a number from 1 on, "
            "or numpy.inf"
        )
    if not params or params.get("w") is None:
        return MINKOWSKI.get(p, "minkowski")
    if p == np.inf:
        raise ValueError(
            "metric_params={'w': ...} needs a finite p: weights have no meaning for "
            "the largest difference"
        )
    return "seuclidean" if p == 2 else "minkowski"


def metric_of(metric, p=2, params=None):
    """The name in ``TYPES`` and a metric, not fitted, of ``metric_params``."""
    name = effective_metric(metric, p, params)
    params = {k: v for k, v in (params or {}).items() if v is not None}
    known = ("w",) if metric == "minkowski" else TYPES[name].parameters
    if unknown := [key for key in params if key not in known]:
        allowed = " and ".join(map(repr, known))
        raise ValueError(
            f"metric_params={params!r} is not supported: metric={metric!r} takes "
            + (f"{allowed}, not {unknown[0]!r}" if known else "no parameters")
        )
    if name == "function":
        return name, Function(metric)
    if metric == "minkowski" and params:
        w = vector_of(params["w"], "w", metric)
        if name == "seuclidean":
            return name, StandardizedEuclidean.weighted(w)
        return name, Minkowski(p, w)
    return name, METRICS[name](**({"p": p} if name == "minkowski" else params))


__all__ = [
    "ALIASES",
    "FLOAT32_MAX",
    "METRICS",
    "MINKOWSKI",
    "TOP",
    "TYPES",
    "Cosine",
    "effective_metric",
    "metric_of",
]
