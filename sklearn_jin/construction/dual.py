"""Dual-branch HNSW: rows by local dimension, in two hierarchies over one layer."""

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin.construction.grow import Plan, grow, layer_sizes
from sklearn_jin.points import subset
from sklearn_jin.search.branches import Branches
from sklearn_jin.search.layers import Layers

LISTED = 20  # neighbours that the local dimension is estimated from
LID_RECALL = 0.95  # of these


def share_out(order, sizes):
    """Members of the two branches and the sizes of their layers, the top first.

    ``order`` descends by local dimension.  Its rows go to the branches in turn, and
    each takes the highest place that its branch has left: so the top layers hold the
    rows of the largest dimension (https://arxiv.org/abs/2501.13992).
    """
    most = sizes[-1] if sizes else min(2, len(order))
    for b in range(2):
        members = order[:most][b::2]
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


def join(layers, points, order, ranks, threshold, radius, plan, rng, n_threads):
    """Two branches over the lowest of ``layers``.

    ``ranks`` in (0, 1] are those of the rows by local dimension; from a node whose
    own is ``threshold`` or more, and whose score is ``radius`` or less, a bridge leads
    down at once.
    """
    if len(firsts := layers.copies.firsts):  # copies are in no upper layer
        order = order[firsts[order] == order]
    branches, bridges = [], []
    for members, sizes in share_out(order, layer_sizes(len(order), plan.M)):
        branches.append(branch(points, members, sizes, plan, rng, n_threads))
        bridges.append(frozen(ranks[members] >= threshold))
    limit = frozen(np.array([radius], np.float32))
    return Branches(layers.neighbors, *branches, *bridges, limit, layers.copies)
