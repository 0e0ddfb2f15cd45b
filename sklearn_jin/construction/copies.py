"""Rows that stand at one place: only the first of them is linked.

Copies have score 0 for one another.  In a graph they would take one another for
their nearest neighbours and have no edge to anywhere else, and a beam that meets
a hundred of them meets nothing else.
"""

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin._numbers import blocks
from sklearn_jin.search.index import Copies

SEED = 0  # of the numbers that rows are hashed by: they decide nothing else


def distinct(X):
    """First rows of every place, ascending, and the rank of each row's own.

    Both are int32.  Rows are compared number by number, once their hashes are equal.
    """
    hashes = _hashes(X)
    _, firsts, owners = np.unique(hashes, return_index=True, return_inverse=True)
    same = np.ones(len(X), bool)
    for some in blocks(X):
        same[some] = (X[some] == X[firsts[owners[some]]]).all(axis=1)
    first = np.where(same, firsts[owners], np.arange(len(X)))
    firsts = np.flatnonzero(first == np.arange(len(X)))
    return firsts.astype(np.int32), np.searchsorted(firsts, first).astype(np.int32)


def _hashes(X):
    """Sums of the rows' words, each times an odd random number, modulo 2^64."""
    size = (X[:1] + np.float32(0)).view(np.uint32).shape[1]
    numbers = np.random.RandomState(SEED).randint(0, 2**63, size, np.uint64)
    numbers = 2 * numbers + 1
    hashes = np.empty(len(X), np.uint64)
    for some in blocks(X):
        words = (X[some] + np.float32(0)).view(np.uint32)  # -0 is 0
        hashes[some] = np.einsum("ij,j->i", words, numbers, dtype=np.uint64)
    return hashes


def chained(firsts, owners):
    """The :class:`Copies` of rows whose own places are the ``owners`` of ``firsts``."""
    by_place = np.argsort(owners, kind="stable").astype(np.int32)
    following = np.full(len(owners), -1, np.int32)
    same = owners[by_place[1:]] == owners[by_place[:-1]]
    following[by_place[:-1][same]] = by_place[1:][same]
    return Copies(frozen(firsts[owners]), frozen(following))
