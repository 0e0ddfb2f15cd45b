"""Codes in an index: what is searched, and what is kept to score answers exactly."""

from numbers import Real

import numpy as np
from sklearn.base import clone

from sklearn_jin._compat import Interval, StrOptions
from sklearn_jin._memory import LINE, aligned_empty, frozen, padded_width
from sklearn_jin._threads import count_threads
from sklearn_jin.quantizers._base import Quantizer
from sklearn_jin.quantizers._scalar import ScalarQuantizer

KEPT = {"float32", "float16", "int8"}

# Constraints of the parameters that every index with codes has.
CODED = {
    "quantizer": [Quantizer, StrOptions({"auto"}), None],
    "rerank": [Interval(Real, 1, None, closed="left"), StrOptions({"bound"}), None],
    "store_vectors": ["boolean", StrOptions(KEPT)],
}

SAMPLE = 64  # rows whose neighbours tell how exact codes are
SURE = 0.999  # share of neighbours whose estimate is within the slack
NEAR = 10  # neighbours for which a quantizer is chosen,
CROWDED = 4  # and the most candidates that each of them may cost


def encode(index, metric):
    """The fitted quantizer of ``index``, the record of its codes and their slack."""
    quantizer = asked_for(index, metric, index.quantizer)
    if quantizer == "auto":
        return _chosen(index, metric)
    if quantizer is not None:
        return _encoded(index, metric, clone(quantizer))
    if index.store_vectors not in (True, "float32"):
        raise ValueError(
            f"store_vectors={index.store_vectors!r} needs codes to be searched "
            f"instead, but quantizer={index.quantizer!r} makes none for "
            f"metric={index.effective_metric_!r}: choose a quantizer"
        )
    return None, None, np.inf


def asked_for(index, metric, quantizer):
    """The ``quantizer``, or None where "auto" can not serve the metric."""
    if metric.space in ("l2", "ip") or quantizer is None:
        return quantizer
    if quantizer == "auto":
        return None
    if not hasattr(index, "quantizer"):
        raise ValueError(
            f"codes of {type(index).__name__} serve squared distances and inner "
            f"products, not metric={index.effective_metric_!r}: use IVFNeighbors"
        )
    raise ValueError(
        f"quantizer={quantizer} serves squared distances and inner products, "
        f"not metric={index.effective_metric_!r}: use quantizer=None or 'auto'"
    )


def _chosen(index, metric):
    """What ``quantizer="auto"`` stands for: the shortest codes that hold recall.

    Codes of 4 bits, unless those of 8 bits take no more than one cache line;
    and of 8 bits, or none, where neighbours differ by so little that more than
    ``CROWDED`` candidates a neighbour would have to be scored exactly.
    """
    if metric.space == "ip":
        return _encoded(index, metric, ScalarQuantizer(8))
    scores, _ = near = _near(index, CROWDED * NEAR + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = scores[:, -1] / scores[:, min(NEAR, len(scores[0]) - 1)]
    growth = growth[~np.isnan(growth)]  # not of copies
    room = np.median(growth) if len(growth) else np.nan
    for n_bits in [8] if metric.width_ <= LINE else [4, 8]:
        encoded = _encoded(index, metric, ScalarQuantizer(n_bits), near)
        if encoded[-1] <= room or (n_bits == 8 and not index.store_vectors):
            return encoded
    return None, None, np.inf


def _encoded(index, metric, quantizer, near=None):
    if "random_state" in quantizer.get_params() and quantizer.random_state is None:
        quantizer.set_params(random_state=index.random_state)
    rows = index.points_.X[:, : metric.width_]
    codes = quantizer.points(quantizer.fit_transform(rows), metric.space)
    if metric.space == "ip":
        return quantizer, codes, np.inf
    near = _near(index, CROWDED * NEAR + 1) if near is None else near
    return quantizer, codes, _overestimate(index, codes, *near)


def _some(index):
    """Rows that are asked for their neighbours."""
    X = index.points_.X
    return X[:: -(-len(X) // SAMPLE)]


def _near(index, k):
    """Exact scores and ids of the nearest of some rows, themselves included."""
    from sklearn_jin.search.scan import scan

    k = min(k, len(index.points_.X))
    return scan(index.points_, _some(index), k, count_threads(index.n_jobs))


def _overestimate(index, codes, scores, ids):
    """How many times its exact score the estimate of a neighbour is, at most.

    ``SURE`` of those found for some rows are within it.
    """
    from sklearn_jin.points import encode_queries
    from sklearn_jin.search.rerank import estimate

    estimates = np.empty(ids.shape, np.float32)
    estimate(codes, frozen(encode_queries(codes, _some(index))), ids, estimates)
    scores, estimates = scores[:, : NEAR + 1], estimates[:, : NEAR + 1]
    others = scores > 0
    if not others.any():
        return np.inf
    return float(np.quantile(estimates[others] / scores[others], SURE))


def stored(index, kind):
    """What is kept of the rows of ``index`` for exact scores."""
    if index.codes_ is None or index.store_vectors in (True, "float32"):
        return index.points_
    if index.store_vectors is False:
        return index.codes_
    if index.store_vectors == "float16":
        from sklearn_jin.points.half import half

        return half(index.points_.X, kind)
    rows = index.points_.X[:, : index._metric.width_]
    quantizer = index._second_quantizer = ScalarQuantizer(8, range="feature")
    return quantizer.points(quantizer.fit_transform(rows), kind)


def decoded(index):
    """Prepared rows that the kept points stand for."""
    points, metric = index.points_, index._metric
    if hasattr(points, "X"):
        return points.X
    if hasattr(points, "H"):
        from sklearn_jin.points.half import whole

        return frozen(whole(points))
    own = index.points_ is index.codes_
    quantizer = index.quantizer_ if own else index._second_quantizer
    d = metric.width_
    rows = aligned_empty(len(points.codes), padded_width(d))
    rows[:, :d] = quantizer.inverse_transform(points.codes[:, : quantizer.n_bytes_])
    rows[:, d:] = 0
    return frozen(rows)


def default_rerank(index):
    """Candidates a neighbour for ``rerank=None``: more for shorter codes.

    And for short codes of inner products, of which there is no near one with a
    small error.
    """
    bits = 8 * index.quantizer_.n_bytes_ / index._metric.width_
    short = [24, 16] if index._metric.space == "ip" else [16, 8]
    return np.interp(bits, [1, 2, 4, 6, 8], [*short, 4, 2, 1.5])
