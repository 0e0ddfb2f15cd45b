"""Two hierarchies of layers over one lowest layer, and bridges past layers."""

from typing import NamedTuple

import numpy as np

from sklearn_jin.points import subset
from sklearn_jin.search.layers import Copies, Layers, descend, find_entries, landmarked


class Branches(NamedTuple):
    """Graphs over two sequences of nested sets, which share the lowest layer."""

    neighbors: np.ndarray  # (n, width) int32, as in Layers
    first: Layers  # without a lowest layer
    second: Layers
    first_bridges: np.ndarray  # (n_ranks,) bool: whether a bridge leads down from it
    second_bridges: np.ndarray
    radius: np.ndarray  # (1,) float32: the score of a query that may take a bridge
    copies: Copies


@find_entries.register(Branches)
def find_both(layers, queries, rows):
    """The entries of both branches."""
    found = [
        descend(branch, queries, rows, bridges, layers.radius)
        for branch, bridges in (
            (layers.first, layers.first_bridges),
            (layers.second, layers.second_bridges),
        )
    ]
    ranks, entries = map(np.hstack, zip(*found))
    return entries[:, : layers.neighbors.shape[1]], ranks


@landmarked.register(Branches)
def landmarked_both(layers, points):
    branches = (
        branch._replace(landmarks=subset(points, branch.members))
        for branch in (layers.first, layers.second)
    )
    return layers._replace(**dict(zip(("first", "second"), branches)))
