"""Approximate nearest neighbours that feel like scikit-learn.

Indexes are estimators with ``fit`` and ``kneighbors``, and transformers for
pipelines.  Importing this package compiles nothing and does not import Numba.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sklearn-jin")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"

# Public name: the module that has it, imported when the name is first used.
_HOMES = {
    "FlatNeighbors": "neighbors._flat",
    "FlatTransformer": "neighbors._flat",
    "HNSWNeighbors": "neighbors._hnsw",
    "HNSWTransformer": "neighbors._hnsw",
    "warmup": "_warmup",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOMES})
