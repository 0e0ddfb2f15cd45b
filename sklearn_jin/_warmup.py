"""Compile, or load from disk, all that a first fit and a first query need."""

from numbers import Integral

import numpy as np

from sklearn_jin._compat import validate_params
from sklearn_jin.metrics import TYPES, effective_metric
from sklearn_jin.neighbors._codes import tried
from sklearn_jin.neighbors._flat import FlatNeighbors
from sklearn_jin.neighbors._hnsw import HNSWNeighbors
from sklearn_jin.neighbors._ivf import IVFNeighbors

BYTE = np.dtype(np.uint8)
TAKEN = HNSWNeighbors._parameter_constraints


@validate_params(
    {name: TAKEN[name] for name in ("metric", "quantizer")},
    prefer_skip_nested_validation=False,
)
def warmup(metric="minkowski", quantizer=None):
    """Make the first fit and the first query as quick as all others.

    Kernels are compiled on first use, which takes some seconds, and kept on
    disk, from where a later process loads them in less than one.  Call this
    when a service starts or an image is built, rather than have the first
    user wait.

    Parameters
    ----------
    metric : str or callable, default="minkowski"
        Metrics share kernels, except ``"inner_product"``, ``"manhattan"`` and
        ``"chebyshev"``, which have their own.  So do metrics of bits, functions, and
        all others that only scans and graphs serve: each of the three groups shares.
    quantizer : quantizer, "auto" or None, default=None
        As the indexes have it.  Codes have kernels of their own, which are made
        ready for the default ``store_vectors=True``; None leaves them out.

    Raises
    ------
    ValueError
        If an index would take neither of these, or not both together.

    Examples
    --------
    >>> import sklearn_jin
    >>> sklearn_jin.warmup()
    >>> sklearn_jin.warmup(quantizer="auto")
    """
    from sklearn_jin.construction.codes import WIDE  # short codes of as many have finer

    _use(metric, None, n_features=3)
    for codes in _made_ready(metric, quantizer):
        m = getattr(codes, "n_subvectors", 0)  # which features must suffice for
        _use(metric, codes, n_features=max(WIDE, m if isinstance(m, Integral) else 0))


def _made_ready(metric, quantizer):
    """Quantizers whose codes an index may search for ``quantizer``."""
    from sklearn_jin.construction.codes import WIDE

    space = TYPES[effective_metric(metric, 2)].space
    if quantizer == "auto" and space in ("l2", "ip"):
        return tried(WIDE, 0)
    return () if quantizer is None else (quantizer,)


def _use(metric, quantizer, n_features):
    from sklearn_jin.search.scan import SHORT

    n = 100 if quantizer is not None else SHORT + 1
    X = _rows(metric, n, n_features)
    for index in _indexes(metric, quantizer):
        # Two threads take what rows of one chunk do not: steps one by one.
        index.set_params(metric=metric, quantizer=quantizer, n_jobs=2).fit(X)
        index.kneighbors(X[:100])
        index.kneighbors(X[:1])


def _rows(metric, n, n_features):
    """Rows that the metric takes."""
    rng = np.random.default_rng(0)
    if BYTE in (taken := TYPES[effective_metric(metric, 2)].taken):
        dtype = taken[0] if taken[0] == BYTE else np.bool_
        return rng.integers(0, 256, (n, 8 * n_features)).astype(dtype)
    if metric == "haversine":
        n_features = 2
    return rng.random((n, n_features), dtype=np.float32)


def _indexes(metric, quantizer):
    """Indexes whose kernels are those of all."""
    yield FlatNeighbors()
    yield HNSWNeighbors(exact_threshold=0)
    if quantizer is None and TYPES[effective_metric(metric, 2)].space == "l2":
        yield HNSWNeighbors(exact_threshold=0, build="partition")
    if quantizer is not None:
        yield IVFNeighbors(exact_threshold=0)
