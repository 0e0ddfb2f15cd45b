"""Dual-branch HNSW: rows by local dimension, in two hierarchies over one layer."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin.construction.grow import grow
from sklearn_jin.construction.knn import own_neighbors
from sklearn_jin.construction.lid import dimensions, log_sums
from sklearn_jin.construction.plan import Plan, layer_sizes
from sklearn_jin.points import count, subset
from sklearn_jin.points.rows import ROWS, RowsL2
from sklearn_jin.search.branches import Branches
from sklearn_jin.search.layers import Layers

LISTED = 20  # neighbours that the local dimension is estimated from
LID_RECALL = 0.99  # of these: at .95 the median is 5 % too small


def local_dimensions(points, rng, n_threads):
    """Local dimension of every row, and the mean score of a neighbour.

    Dimensions are those of Euclidean distances between prepared rows; the mean is -1
    where scores are others, of which bridges know nothing.  Rows of other spaces than
    those of differences and products have no dimension.
    """
    n = count(points)
    k = min(LISTED, n - 1)
    if k < 1 or not isinstance(points, tuple(ROWS.values())):
        return np.full(n, np.nan), -1.0
    rows = RowsL2(points.X)
    scores, _ = own_neighbors(rows, k, LID_RECALL, rng, n_threads)
    distances = np.sqrt(scores)
    squared = isinstance(points, RowsL2)  # else there are no bridges
    radius = float(distances.mean() ** 2) if squared else -1.0
    return dimensions(*log_sums(distances)), radius


def order_by_dimension(lid, rng):
    """Rows by descending dimension, equal ones as drawn; and their ranks in (0, 1]."""
    n = len(lid)
    drawn = rng.permutation(n).astype(np.int32)
    # A row without a dimension, as are copies, comes last.
    order = drawn[np.argsort(-np.nan_to_num(lid[drawn]), kind="stable")]
    ranks = np.empty(n)
    ranks[order] = np.arange(n, 0, -1) / n
    return order, ranks


def share_out(order, sizes):
    """Members of the two branches and the sizes of their layers, the top first.

    ``order`` descends by local dimension.  Its rows go to the branches in turn, and
    each takes the highest place that its branch has left: so the top layers hold the
    rows of the largest dimension (https://arxiv.org/abs/2501.13992).
    """
    most = sizes[-1] if sizes else min(2, len(order))
    for b in range(2):
        # Side by side, as they are when they are read from a file: one compilation.
        members = np.ascontiguousarray(order[:most][b::2])
        if len(members) == 0:  # a single row is in both
            members = order[:1]
        yield members, tuple(len(order[:size][b::2]) for size in sizes)


def branch(points, members, sizes, plan, rng, n_threads):
    """Layers, without their lowest, of one branch."""
    own = subset(points, members)
    starts = frozen(np.cumsum([0, *sizes]))
    if not sizes:
        upper = np.empty((0, plan.M), np.int32)
    else:
        inner = Plan(plan.M, plan.beam, plan.alphas, sizes[:-1], plan.M)
        order = np.arange(len(members), dtype=np.int32)
        layers, _ = grow(own, order, inner, rng, n_threads)
        upper = _stacked(layers.upper, layers.neighbors)
    nothing = frozen(np.empty((0, plan.width), np.int32))
    return Layers(nothing, frozen(upper), starts, frozen(members), own)


def _stacked(*parts):
    """Rows of several widths, one upon the other; short ones end in -1s."""
    width = max(part.shape[1] for part in parts)
    return np.vstack(
        [
            np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1)
            for part in parts
        ]
    )


class Bridges(NamedTuple):
    """From which rows bridges lead down, and for which queries."""

    ranks: np.ndarray  # (n,) in (0, 1], of the rows by local dimension
    threshold: float  # a row has a bridge if its rank is as high,
    radius: float  # and a query takes it if its score is as low


def join(layers, points, order, bridges, plan, rng, n_threads):
    """Two branches over the lowest of ``layers``, of rows in descending ``order``."""
    if len(firsts := layers.copies.firsts):  # copies are in no upper layer
        order = order[firsts[order] == order]
    branches, starts = [], []
    for members, sizes in share_out(order, layer_sizes(len(order), plan.M)):
        branches.append(branch(points, members, sizes, plan, rng, n_threads))
        starts.append(frozen(bridges.ranks[members] >= bridges.threshold))
    limit = frozen(np.array([bridges.radius], np.float32))
    entry = layers.members[:1]
    return Branches(layers.neighbors, *branches, *starts, limit, entry, layers.copies)
