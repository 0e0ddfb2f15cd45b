"""Dimensions from distances: the maths of maximum likelihood and of two neighbours.

Distances are Euclidean, never squared, for squares would halve every dimension.  All
depends on ratios of distances, so that scaling the data by a power of two changes no
digit.  A distance of zero, which is that of an exact duplicate, is left out.
"""

import numpy as np
from scipy.special import gammaincinv


def log_sums(distances):
    """Number and sum of ``log(T_k / T_j)``, ``j < k``, of rows of ascending distances.

    Zeros are left out, so that a row with ``z`` of them has ``k - z - 1`` logarithms,
    -1 if it has nothing else.  Squared distances would double the sums.
    """
    positive = distances > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(positive, np.log(distances[:, -1:] / distances), 0.0)
    return positive.sum(axis=1) - 1, logs.sum(axis=1)


def dimensions(counts, sums, unbiased=True):
    """Rates of which ``counts`` exponentials add up to ``sums``; NaN if below two."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts >= 2, (counts - unbiased) / sums, np.nan)


def gamma_intervals(counts, sums, confidence, shared=1):
    """Intervals (..., 2) that hold the rates of :func:`dimensions`.

    The rate times the sum has the Gamma distribution of shape ``counts``.  If it
    varies as that of one in ``shared`` would, its share has the shape's share.
    """
    tail = (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [
            shared * gammaincinv(counts / shared, p) / sums for p in (tail, 1 - tail)
        ]
    return np.where(np.asarray(counts >= 2)[..., None], np.stack(ends, -1), np.nan)


def pool(counts, sums):
    """Number and sum of the logarithms of all rows that have a dimension.

    MacKay and Ghahramani: the likelihoods of rows multiply, so these add up.
    """
    known = counts >= 2
    return counts[known].sum(), sums[known].sum()


def first_ratios(distances):
    """``r2 / r1`` of the first two distinct positive of ascending distances, or NaN."""
    first = np.where(distances > 0, distances, np.inf).min(axis=1)
    second = np.where(distances > first[:, None], distances, np.inf).min(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(second), second / first, np.nan)


def log_ratios(mu):
    """Ascending logarithms of ratios, without those that are NaN."""
    return np.sort(np.log(mu[~np.isnan(mu)]))


def slope(logs, discard):
    """Slope of Facco's line: through the origin, of ``-log(1 - i / n)`` against logs.

    Ranks ``i`` are those before the largest are discarded.  The last, which is
    infinitely high, always is.
    """
    n = len(logs)
    kept = max(1, min(n - 1, n - int(discard * n)))
    heights = -np.log1p(-np.arange(1, kept + 1) / n)
    return float(logs[:kept] @ heights / (logs[:kept] @ logs[:kept]))
