"""Two hierarchies of layers over one lowest layer, and bridges past layers."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._arrays import Bool, Float32, Int32
from sklearn_jin.points import subset
from sklearn_jin.search.index import Copies, copies_of, propose, ranges_of
from sklearn_jin.search.layers import (
    Layers,
    copies_of_layers,
    descend,
    entry_of,
    find_entries,
    propose_by_walks,
    ranges_of_upper,
    with_landmarks,
)


class Branches(NamedTuple):
    """Graphs over two sequences of nested sets, which share the lowest layer."""

    neighbors: Int32[2]  # (n, width), as in Layers
    first: Layers  # without a lowest layer
    second: Layers
    first_bridges: Bool[1]  # (n_ranks,): whether a bridge leads down from it
    second_bridges: Bool[1]
    radius: Float32[1]  # (1,): the score of a query that may take a bridge
    entry: Int32[1]  # (1,): every node is reached from it
    copies: Copies


propose.register(Branches, propose_by_walks)
copies_of.register(Branches, copies_of_layers)


@ranges_of.register(Branches)
def ranges_of_branches(route, n, d):
    yield route.neighbors, -1, n - 1
    yield np.array([len(route.neighbors)]), n, n
    yield np.array([len(route.entry)]), 1, 1
    yield route.entry, 0, n - 1
    yield from ranges_of(route.copies, n, d)
    for branch, bridges in (
        (route.first, route.first_bridges),
        (route.second, route.second_bridges),
    ):
        yield from ranges_of_upper(branch, n, d)
        yield np.array([len(bridges)]), len(branch.members), len(branch.members)


@entry_of.register(Branches)
def entry_of_branches(layers):
    return layers.entry[0]


@find_entries.register(Branches)
def find_both(layers, queries, rows):
    """The entries of both branches."""
    radius, width = layers.radius[0], layers.neighbors.shape[1]
    one = descend(layers.first, queries, rows, layers.first_bridges, radius)
    two = descend(layers.second, queries, rows, layers.second_bridges, radius)
    ranks, entries = np.hstack((one[0], two[0])), np.hstack((one[1], two[1]))
    a, b = one[2], two[2]
    return ranks, entries[:, :width], (a[0] + b[0], a[1] + b[1], a[2] + b[2])


@with_landmarks.register(Branches)
def with_landmarks_of_both(layers, points):
    first, second = (
        branch._replace(landmarks=subset(points, branch.members))
        for branch in (layers.first, layers.second)
    )
    return layers._replace(first=first, second=second)
