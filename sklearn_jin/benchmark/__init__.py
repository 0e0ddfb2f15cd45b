"""Honest measurements: recall, speed, memory and work of indexes on given data.

``python -m sklearn_jin benchmark`` is the command line; :func:`load`,
:func:`measure` and the functions of :mod:`sklearn_jin.benchmark.report` are
its parts.  :func:`counting` counts hops and scores of graph searches, and
:mod:`sklearn_jin.benchmark.memory` tells how long memory takes for them at least.
"""

from sklearn_jin.benchmark.curve import measure
from sklearn_jin.benchmark.data import Data, load

__all__ = ["Data", "counting", "load", "measure"]


def __getattr__(name):
    if name != "counting":  # Numba is imported only if somebody counts
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sklearn_jin.search.counters import counting

    return counting
