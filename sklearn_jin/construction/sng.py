"""Sparse neighbourhood graphs whose bound on degrees is calibrated, not swept."""

import numpy as np

from sklearn_jin.construction.grow import grow
from sklearn_jin.construction.plan import fixed, flat
from sklearn_jin.points import spaces, subset

REFERENCE_ROWS = 20_000  # at most
# Bounds by 1.0 are 16 for 100,000 SIFT vectors, by 1.1 43, by 1.2 87; the best of a
# sweep are 32 to 48.
REFERENCE_ALPHA = 1.1
LARGEST = 256  # degree in the reference graph
LEAST, MOST = 16, 128  # degree that is taken


def plan(n, max_degree, search_list_size, alpha):
    """One pass of the rule; ``alpha`` is for distances, graphs take its square."""
    return flat(n, int(max_degree), fixed(search_list_size), (alpha**2,))


def reference_degree(points, search_list_size, rng, n_threads):
    """Mean degree of a graph hardly bounded, and the number of its nodes.

    Ma et al. 2025, algorithm 3, with two departures.  The reference graph is one of
    a sample.  Its degrees are bounded by ``m^(2/3)``, as there, or by 256: with the
    candidates of a search list hardly one is larger.
    """
    n = len(points[0])
    some = np.sort(rng.choice(n, min(n, REFERENCE_ROWS), replace=False))
    sample, m = subset(points, some), len(some)
    width = int(np.clip(m ** (2 / 3), len(spaces(points)), LARGEST))
    reference = plan(m, width, search_list_size, REFERENCE_ALPHA)
    order = rng.permutation(m).astype(np.int32)
    layers, _ = grow(sample, order, reference, rng, n_threads, partition=True)
    return float((layers.neighbors >= 0).sum() / m), m


def bound(mean_degree, m, n, alpha):
    """The degree ``R* = R (alpha_1 / alpha_2)^2 ln n / ln m``, within 16 and 128.

    ``R`` is the mean degree of the reference graph of ``m`` nodes and
    ``alpha_1``; the optimum is ``K ln n / alpha^2``, where ``K`` depends on
    the data alone.
    """
    growth = np.log(n) / np.log(m) if m > 1 else 1.0
    degree = mean_degree * (REFERENCE_ALPHA / alpha) ** 2 * growth
    return int(np.clip(round(degree), LEAST, MOST))
