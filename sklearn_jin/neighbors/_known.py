"""What single queries need not find out again while an index stays as it is."""

from weakref import WeakKeyDictionary

FEW = 16  # queries at most that are known to be asked again and again
MOST = 64  # searches that are remembered of an estimator
READ = (
    *("ef_search", "n_probes", "adaptive", "rerank"),
    *("target_recall", "_stated"),
)  # what a search is made of, besides the index and the number of neighbours

_known = WeakKeyDictionary()  # by estimator


class Known:
    """The searches of one index, and how Numba is to be called for each of them."""

    def __init__(self, index):
        self.index, self.searches = index, {}

    def search(self, estimator, k):
        """The :class:`Search` of ``k`` neighbours, as the ``estimator`` makes it.

        To make it takes 4 us, and to look it up one.  That of a graph remembers the
        ``entries`` of kernels: all arrays that they are given are made in one place
        each, so that their types are always the same.
        """
        here = vars(estimator).get
        key = k, *map(here, READ)
        key = key, *map(type, key)  # 1.0 is no 1, which an integer parameter may be
        try:
            found = self.searches.get(key)
        except TypeError:  # a parameter that is no number, which is refused
            return estimator._search(k)
        if found is None:
            found = self._make(estimator, k)
            if len(self.searches) >= MOST:
                self.searches.clear()
            self.searches[key] = found
        return found

    def _make(self, estimator, k):
        from sklearn_jin.search.layers import Layers

        entries = {} if isinstance(self.index.route, Layers) else None
        return estimator._search(k)._replace(entries=entries)


def known_of(estimator, index):
    """What is :class:`Known` of an ``index`` that a fitted estimator had when asked.

    None of an estimator that is not ours: its search may read other parameters.
    Another thread may have given it a new one since, whose entries of kernels take
    arrays of other types: called with these they would read beyond them.
    """
    if not type(estimator).__module__.startswith("sklearn_jin."):
        return None
    known = _known.get(estimator)
    if known is not None and known.index is index:
        return known
    known = Known(index)
    if vars(estimator).get("index_") is index:
        _known[estimator] = known
    return known


def forget(estimator):
    """Keep nothing of an index that is about to be replaced."""
    _known.pop(estimator, None)
