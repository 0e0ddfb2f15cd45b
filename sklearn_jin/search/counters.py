"""How much work searches do, for those who ask."""

from contextlib import contextmanager

import numpy as np

WORK = ("hops", "scores", "insertions", "exact")  # what is counted, in this order

_tallies = []


@contextmanager
def counting():
    """Yield an array that grows by the ``WORK`` of every search.

    Nodes that are expanded, scores of points or codes on the way, keys that
    enter a pool, and exact scores of the candidates.  A developer's tool:
    searches of all threads are counted together.
    """
    tally = np.zeros(len(WORK), np.int64)
    _tallies.append(tally)
    try:
        yield tally
    finally:
        _tallies[:] = [other for other in _tallies if other is not tally]


def are_wanted():
    """Whether anybody asks: what nobody does need not be counted."""
    return bool(_tallies)


def add(hops=0, scores=0, insertions=0, exact=0):
    """Give the work of one chunk of a search to those who ask."""
    for tally in _tallies:
        tally += (hops, scores, insertions, exact)
