"""Plans: what published algorithms ask of a graph, and how its growth is cut up."""

from typing import NamedTuple

import numpy as np

from sklearn_jin.search.beam import NO_END, Beam

BATCH_SHARE = 50  # a batch holds at most one 50th of the rows: larger ones cost recall
MIN_BATCH = 32
LANDMARKS = 256  # of a flat graph
SHARE = 1 / 3  # of a beam that starts where it is to end


class Plan(NamedTuple):
    """What a published algorithm asks of its graph."""

    width: int  # most edges of a node
    beam: Beam  # of the walks that propose edges
    alphas: tuple  # of every time that nodes look for edges; for scores: see ``prune``
    sizes: tuple = ()  # nodes of the upper layers, the top first
    M: int = 2  # most edges of a node there
    is_flat: bool = False  # the upper layer is no graph but a list of landmarks


def fixed(ef):
    """A beam of width ``ef``, which proposes the ``ef`` nearest met."""
    return Beam(ef, 1, NO_END)


def ever_kept(ef):
    """A beam that is ``ef`` wide and proposes all that were ever in it.

    These are four times as many at most: the nodes that were expanded, which
    RobustPrune is to choose from, and some that were not.
    """
    return Beam(4 * ef, ef, np.float32(1))


def narrowed(beam, most):
    """``beam``, not wider than ``most``."""
    return Beam(min(beam.ef, most), min(beam.rank, most), beam.gamma)


def shortened(beam, width):
    """``beam`` for walks to ``width`` edges that start where they are to end.

    A third of the width is enough, if that is twice the edges; and a place more, for
    the node itself.
    """
    share = min(1, max(SHARE, 2 * width / beam.ef))
    return Beam(int(share * beam.ef) + 1, max(1, int(share * beam.rank)), beam.gamma)


def layer_sizes(n, M):
    """Numbers of nodes of the upper layers, the top first: each 1 / (2 M) of the next.

    The paper draws levels so that the expected sizes fall by the factor
    ``1 / M``; a beam of ten or more on the lowest layer needs no closer entry.
    """
    sizes = []
    while n // (2 * M) > 1:
        n //= 2 * M
        sizes.append(n)
    return tuple(sizes[::-1])


def flat(n, width, beam, alphas):
    """The plan of a graph of one layer, and of a list of landmarks to start from.

    One scan of these is as quick as a few hops.  From the first alone, the medoid, a
    walk would not find its way to another cluster: on 100 of them in 64 dimensions
    recall@10 of a Vamana graph was .28.
    """
    n_landmarks = min(LANDMARKS, n // 4)
    sizes = (n_landmarks,) if n_landmarks > 1 else ()
    return Plan(width, beam, alphas, sizes, max(1, n_landmarks - 1), True)


def batch_stops(n, sizes):
    """Where insertion pauses to link: after 1, 2, 4, ... rows, and at every size."""
    most, stops = max(n // BATCH_SHARE, MIN_BATCH), [1]
    while stops[-1] < n:
        lo = stops[-1]
        stops.append(min(2 * lo, lo + most, *(s for s in (*sizes, n) if s > lo)))
    return stops
