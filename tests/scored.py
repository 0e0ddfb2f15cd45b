"""Scores of codes by the kernels, for the tests of quantizers."""

import numpy as np

from sklearn_jin import points
from sklearn_jin._jit import kernel


@kernel
def fill(record, queries, scores, exact):
    scratch = points.new_scratch(record, 2)
    for q in range(len(queries)):
        points.set_query(record, scratch, 1, queries, q)  # not the first place
        for i in range(scores.shape[1]):
            points.prefetch(record, i)
            scores[q, i] = points.score(record, scratch, 1, i)
            exact[q, i] = points.exact(record, queries, q, i)


@kernel
def fill_bounds(record, queries, bounds):
    scratch = points.new_scratch(record, 1)
    for q in range(len(queries)):
        points.set_query(record, scratch, 0, queries, q)
        for i in range(bounds.shape[1]):
            bounds[q, i] = points.lower_bound(record, scratch, 0, i)


def scores_of(record, Q):
    """Scores (n_queries, n), float32, and exact ones, float64, of a record."""
    queries = points.encode_queries(record, np.asarray(Q, np.float32))
    scores = np.empty((len(Q), len(record.codes)), np.float32)
    exact = np.empty(scores.shape)
    fill(record, queries, scores, exact)
    return scores, exact


def bounds_of(record, Q):
    queries = points.encode_queries(record, np.asarray(Q, np.float32))
    bounds = np.empty((len(Q), len(record.codes)), np.float32)
    fill_bounds(record, queries, bounds)
    return bounds


def recall(scores, true, k=10):
    """Share of the ``k`` truly nearest that are among those of the best scores."""
    found, nearest = (
        np.argsort(s, axis=1, kind="stable")[:, :k] for s in (scores, true)
    )
    return np.mean([len({*f} & {*t}) / k for f, t in zip(found, nearest)])
