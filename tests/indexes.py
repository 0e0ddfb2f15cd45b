"""Every public index, for the tests of what all indexes promise."""

import numpy as np
from sklearn.base import BaseEstimator

import sklearn_jin
from sklearn_jin.metrics import METRICS


def classes():
    """Public estimators with ``kneighbors``: a new index is tested once exported."""
    exported = (getattr(sklearn_jin, name) for name in sklearn_jin.__all__)
    return [
        c
        for c in exported
        if isinstance(c, type)
        and issubclass(c, BaseEstimator)
        and hasattr(c, "kneighbors")
    ]


def settings():
    """One estimator of every class, and one that does not scan even the fewest rows."""
    for c in classes():
        yield repeatable(c())
        if "exact_threshold" in c().get_params():
            yield repeatable(c(exact_threshold=0))


def measured():
    """Of those that are no transformers, for these inherit it, one for every metric."""
    for index in settings():
        if hasattr(index, "transform"):
            continue
        for metric in metrics(index):
            yield type(index)(**{**index.get_params(), "metric": metric})


def transformers():
    return (index for index in settings() if hasattr(index, "transform"))


def plain():
    return (repeatable(c()) for c in classes() if not hasattr(c, "transform"))


def repeatable(index):
    return index.set_params(random_state=0)


def metrics(index):
    """Names of the metrics that ``index`` serves."""
    served = index._parameter_constraints["metric"][0].options
    return [name for name in METRICS if name in served]


def name(index):
    """Short and unique among the above."""
    params = index.get_params()
    words = [] if params.get("exact_threshold", 1) else ["graph"]
    words += [params["metric"]] if params["metric"] != "minkowski" else []
    return "-".join([type(index).__name__, *words])


def rows(n=60, d=8, seed=0, metric=None):
    """Normal numbers, none of them negative for the metric that forbids it."""
    X = np.random.default_rng(seed).standard_normal((n, d))
    return np.abs(X) if metric == "hellinger" else X
