"""An index that is pickled or kept in a folder, and how it is checked afterwards."""

import warnings

from sklearn.utils.validation import check_is_fitted

from sklearn_jin._memory import settled
from sklearn_jin._version import __version__
from sklearn_jin.metrics import METRICS
from sklearn_jin.storage import Kept, fetched, state_to_pickle


class KeptIndex(Kept):
    """What an index needs to be pickled and to be kept on disk."""

    def __setstate__(self, state):
        """Restore a pickled estimator; warn if another version wrote it."""
        written = state.pop("_sklearn_jin_version", None)
        if written not in (None, __version__):
            warnings.warn(
                f"{type(self).__name__} was pickled by sklearn-jin {written}, this is "
                f"{__version__}: fit it again if answers differ",
                stacklevel=2,
            )
        super().__setstate__(state)
        if (mapped := vars(self).pop("_place", None)) is not None:
            self.index_ = fetched(mapped)
            self._check_index(mapped)
        elif "index_" in vars(self):
            self.index_ = settled(self.index_)
            if getattr(self.index_.metric, "space", None) == "function":
                from sklearn_jin.points.functions import revived

                address = self.index_.metric.constants_[0]
                self.index_ = revived(self.index_, address)
            self._check_index()

    def __getstate__(self):
        """State to be pickled: the arrays or their place, and the version that does."""
        state = {**super().__getstate__(), "_sklearn_jin_version": __version__}
        return state_to_pickle(state)

    def state_to_keep(self):
        """All attributes but that which tells where they are mapped."""
        return {name: part for name, part in vars(self).items() if name != "_mapped"}

    def restored(self, place):
        """Check what was read."""
        super().restored(place)
        if "index_" in vars(self):  # not of a parameter of another estimator
            self._check_index(place(self.index_))
            self._check_company()

    def _check_company(self):
        """Refuse an index that does not go with the attributes beside it."""
        metric, decoder = self.index_.metric, self.index_.learned.decoder
        name, d = self.effective_metric_, self.n_features_in_
        if METRICS.get(name) is not type(metric) or metric.d_ != d:
            raise ValueError(f"its metric is not {name!r} of {d} features")
        if decoder is not None:
            check_is_fitted(decoder)
        if (groups := getattr(self, "groups_", None)) is not None:
            n_kinds = len(self.group_labels_)
            if len(groups) != self.n_samples_fit_ or groups.max() >= n_kinds:
                raise ValueError("its groups are not those of its rows")

    def _check_index(self, place=None):
        """Refuse an index whose kernels may read beyond it, and suit it to the CPU.

        ``place`` is where it is mapped, which a pickle tells.
        """
        from sklearn_jin.search.index import Index, check, for_this_cpu

        if not isinstance(self.index_, Index):
            raise ValueError(f"index_ is no Index but {type(self.index_).__name__}")
        check(self.index_, self.n_samples_fit_)
        route = for_this_cpu(self.index_.route)
        self.index_ = self.index_._replace(route=route)
        if place is not None:
            self._mapped = place, self.index_
