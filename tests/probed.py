"""What an index of lists holds and proposes, for the tests of partitions."""

import numpy as np
import scored

from sklearn_jin.search.lists import Probe, _probe, candidates, route


def asked(index, Q):
    """Queries as the index takes them."""
    return index.index_.metric.prepare_queries(Q)[0]


def labels_of(index):
    """The list of every slot."""
    return np.repeat(np.arange(index.n_lists_), index.list_sizes_)


def centers_of(index):
    """Centres (n_lists, d), float64."""
    return index.index_.route.cells.X[:, : index.index_.metric.width_].astype(
        np.float64
    )


def rows_of(index):
    """Prepared rows (n, d), float64."""
    return index.index_.points.X[:, : index.index_.metric.width_].astype(np.float64)


def proposed(index, Q, room=None, n_probes=None):
    """Ids and estimates of the candidates of every query, from all lists by default."""
    room = len(index.index_.route.ids) if room is None else room
    n_probes = index.n_lists_ if n_probes is None else n_probes
    probe = Probe(n_probes, False, room, False)
    return candidates(index.index_.route, index.index_.points, asked(index, Q), probe)


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
    lists, d = index.index_.route, index.index_.metric.width_
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


def probe_of(index):
    """What a search for one neighbour asks of the lists."""
    return _probe(index.index_.route, index.index_, index._search(1))


def lists_of(index, Q):
    """The set of lists that each query probes."""
    probed, _ = route(index.index_.route, asked(index, Q), probe_of(index))
    return [{*row[row >= 0].tolist()} for row in probed]
