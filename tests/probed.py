"""What an index of lists holds and proposes, for the tests of partitions."""

import numpy as np
import scored

from sklearn_jin.search import lists as module
from sklearn_jin.search.lists import candidates
from sklearn_jin.search.probing import Probe


def asked(index, Q):
    """Queries as the index takes them."""
    return index.index_.metric.prepare_queries(Q)[0]


def labels_of(index):
    """The list of every slot."""
    return np.repeat(np.arange(index.n_lists_), index.list_sizes_)


def width_of(index):
    return index.index_.metric.width_


def centers_of(index):
    """Centres (n_lists, d), float64."""
    return index.index_.route.cells.X[:, : width_of(index)].astype(np.float64)


def rows_of(index):
    """Prepared rows (n, d), float64."""
    return index.index_.points.X[:, : width_of(index)].astype(np.float64)


def proposed(index, Q, room=None, n_probes=None):
    """Ids and estimates of the candidates of every query, from all lists by default."""
    route = index.index_.route
    room = len(route.ids) if room is None else room
    n_probes = index.n_lists_ if n_probes is None else n_probes
    probe = Probe(n_probes, False, room, False)
    return candidates(route, index.index_.points, asked(index, Q), probe)


def estimates(index, Q):
    """Estimated scores (n_queries, n) of all rows."""
    ids, found = proposed(index, Q)
    scores = np.full((len(ids), index.n_samples_fit_), np.nan)
    np.put_along_axis(scores, ids, found, axis=1)
    return scores


def coded(index):
    """Of every row the centre of its list, and the residual that its code stands for.

    The code's inner products with unit vectors tell the latter.
    """
    lists, d = index.index_.route, width_of(index)
    labels = labels_of(index)
    size, centers = lists.scales[labels, None], centers_of(index)[labels]
    rows = index.index_.points.X[lists.ids, :d]
    near = ((rows - centers.astype(np.float32)) / size).astype(np.float32)
    codes = index.quantizer_.encode_residuals(near, rows)
    units = np.eye(d, dtype=np.float32)
    products = scored.scores_of(index.quantizer_.points(codes, "ip"), units)[1]
    own, residuals = np.empty(centers.shape), np.empty(centers.shape)
    own[lists.ids], residuals[lists.ids] = centers, -size * products.T
    return own, residuals


def lists_of(index, Q):
    """The set of lists that each query probes."""
    probe = module._probe(index.index_.route, index.index_, index._search(1))
    probed, _ = module.route(index.index_.route, asked(index, Q), probe)
    return [{*row[row >= 0].tolist()} for row in probed]
