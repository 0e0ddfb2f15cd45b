"""Which index serves which metric."""

from sklearn_jin.metrics import METRICS
from sklearn_jin.storage.objects import ESTIMATORS

PRODUCTS = ("l2", "ip")  # spaces whose scores are products of rows
DIFFERENCES = ("l1", "linf")  # others, whose rows lie near a centre of k-means too


def valid_metrics():
    """Metrics that each index serves.

    Returns
    -------
    metrics : dict of str to list of str
        Names for the parameter ``metric``, in the order of the alphabet, by the name
        of the class.  Other names of a metric, as ``"l2"``, are not among them, nor is
        a function, which every index serves that has ``"canberra"``.

    Examples
    --------
    >>> from sklearn_jin import valid_metrics
    >>> "jaccard" in valid_metrics()["HNSWNeighbors"]
    True
    >>> "jaccard" in valid_metrics()["IVFPQNeighbors"]
    False
    """
    return {
        kind.__name__: sorted(
            name for name, metric in METRICS.items() if serves(kind, metric)
        )
        for kind in sorted(_public(), key=lambda kind: kind.__name__)
    }


def serves(kind, metric):
    """Whether a class of indexes, or an index, serves a class of metrics, or one."""
    negative = metric.negative and hasattr(kind, "transform")
    return not negative and (kind._spaces is None or metric.space in kind._spaces)


def refuse_unserved(index, metric):
    """Raise ValueError if the ``index`` does not serve the ``metric``, not fitted."""
    if serves(index, metric):
        return
    alike = hasattr(index, "transform")
    others = sorted(
        kind.__name__
        for kind in _public()
        if serves(kind, metric) and hasattr(kind, "transform") == alike
    )
    raise ValueError(
        f"metric={index.metric!r} is not served by {type(index).__name__}: use "
        + ", ".join(others[:-1])
        + f" or {others[-1]}"
    )


def _public():
    """Classes of indexes that users see."""
    from sklearn_jin.neighbors._base import Neighbors
    from sklearn_jin.neighbors._graph import GraphNeighbors
    from sklearn_jin.neighbors._partition import PartitionNeighbors

    bases = Neighbors, GraphNeighbors, PartitionNeighbors
    known = (kind for kind in ESTIMATORS.values() if issubclass(kind, Neighbors))
    return [kind for kind in known if kind not in bases]
