"""Small fitted indexes, one of every route, for the tests of what routes share."""

from functools import cache

import numpy as np
from sklearn.base import clone

from sklearn_jin import (
    DualBranchHNSWNeighbors,
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    IVFPCANeighbors,
    IVFPQNeighbors,
    KNNGraphTransformer,
    PCAQuantizer,
    RaBitQ,
    ScalarQuantizer,
    ScaNNNeighbors,
    VamanaNeighbors,
)
from sklearn_jin._jit import PLAIN

N = 60  # rows
GRAPH = {"exact_threshold": 0, "random_state": 0}
LISTS = {"n_lists": 6, **GRAPH}

ROUTES = {
    "flat": FlatNeighbors(),
    "flat-manhattan": FlatNeighbors(metric="manhattan"),
    "flat-codes": FlatNeighbors(quantizer=ScalarQuantizer(8)),
    "blocks": FlatNeighbors(quantizer=ScalarQuantizer(4)),
    "flat-panels": FlatNeighbors(quantizer=PCAQuantizer(4, n_bits=8, random_state=0)),
    "layers": HNSWNeighbors(M=2, **GRAPH),
    "layers-codes": HNSWNeighbors(M=4, quantizer=ScalarQuantizer(8), **GRAPH),
    "landmarks": VamanaNeighbors(max_degree=8, **GRAPH),
    "branches": DualBranchHNSWNeighbors(M=4, **GRAPH),
    "lists": IVFNeighbors(quantizer=None, **LISTS),
    "lists-factors": IVFNeighbors(quantizer=RaBitQ(4), **LISTS),
    "lists-sums": IVFPQNeighbors(**LISTS),
    "lists-spill": ScaNNNeighbors(spill=True, **LISTS),
    "reduced": IVFPCANeighbors(n_components=4, **LISTS),
    "neighbor-graph": KNNGraphTransformer(**GRAPH),
}
SLOW = ("landmarks", "branches", "lists-sums", "lists-spill") if PLAIN else ()


def rows(n, seed=0, d=6):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


DATA = {"distinct": rows(N), "copies": np.tile(rows(N // 3), (3, 1))}

# Kernels of all are shown by these where they are plain Python, which takes long.
NAMES = [name for name in ROUTES if name not in SLOW]


@cache
def fitted(name, data="distinct"):
    """The estimator of a route, fitted."""
    return clone(ROUTES[name]).fit(DATA[data])
