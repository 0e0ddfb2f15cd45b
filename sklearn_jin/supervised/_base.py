"""What predicts from neighbours: an index that finds them, and targets that vote."""

from copy import copy
from numbers import Real

import numpy as np
from scipy.sparse import identity
from sklearn.base import BaseEstimator, MultiOutputMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_jin._compat import Integers, Interval, StrOptions, _fit_context
from sklearn_jin.lid._rows import INDEXES
from sklearn_jin.metrics import METRICS, effective_metric
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._hnsw import HNSWNeighbors
from sklearn_jin.neighbors._inputs import checked, kept_types
from sklearn_jin.storage import Kept

WEIGHTS = [StrOptions({"uniform", "distance"}), callable, None]
K = {"n_neighbors": [Integers(1)]}
RADIUS = {"radius": [Interval(Real, 0, None, closed="both")]}
READ_LATE = ("n_neighbors", "radius", "weights")  # when a prediction is made


def own_index(estimator):
    """A copy of the index that an estimator is to ask, or the default; not fitted."""
    index = estimator.index
    index = HNSWNeighbors(random_state=0) if index is None else clone(index)
    if estimator.n_jobs is not None:
        index.set_params(n_jobs=estimator.n_jobs)
    return index


class Asking:
    """Mixed into an estimator of scikit-learn, it asks ``index`` for neighbours."""

    index = None

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        """The nearest rows, as the index finds them."""
        return self.index.kneighbors(X, self.n_neighbors, return_distance)

    def radius_neighbors(
        self, X=None, radius=None, return_distance=True, sort_results=False
    ):
        """The rows within the radius, as the index finds them."""
        return self.index.radius_neighbors(X, self.radius, return_distance)


class Predicting(MultiOutputMixin, Kept, BaseEstimator):
    """An index of the rows, and an estimator of scikit-learn that has the targets.

    ``_voter`` of a class is that estimator's class, with :class:`Asking` before it.
    """

    _parameter_constraints = {
        "index": [INDEXES, None],
        "weights": WEIGHTS,
        "n_jobs": [Integers(), None],
    }
    _learned = {"index_": Neighbors, "_targets": np.ndarray}

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Build the index of the rows of ``X`` and keep their targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that vote.  The index keeps them as float32, or as it is told.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If ``X`` is sparse.
        ValueError
            If a parameter, ``X`` or ``y`` is invalid, or the metric of the index has
            negative distances and ``weights="distance"``.
        """
        index = own_index(self)
        self._check_weights(index)
        types = [np.float64, np.float32, *kept_types(index)]
        X, y = validate_data(self, X, y, dtype=types, order="C", multi_output=True)
        votes = self._voter_of(y)
        self.index_, self._targets, self._votes = index.fit(X), y, votes
        return self

    def predict(self, X):
        """Predict the targets of the rows of ``X``.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            The queries.  If None, the fitted rows, each predicted from the others.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            As scikit-learn predicts from the neighbours that the index finds.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If ``X`` is invalid, or a query can not be predicted: it has too few rows to
            find, or all weights of its neighbours are zero.
        """
        votes, X = self._asked(X)
        return votes.predict(X)

    def state_to_keep(self):
        """All attributes but the estimator of scikit-learn, made from the targets."""
        return {name: part for name, part in vars(self).items() if name != "_votes"}

    def restored(self, place):
        """Check what was read, and make of it the estimator that predicts."""
        super().restored(place)
        if "_targets" in vars(self):
            if len(self._targets) != self.index_.n_samples_fit_:
                raise ValueError("its targets are not those of its rows")
            self._votes = self._voter_of(self._targets)

    def _voter_of(self, y):
        """The estimator of scikit-learn, fitted to the targets.

        It takes a graph for the rows, which is not read.
        """
        names = self._voter._get_param_names()
        own = {k: v for k, v in self.get_params(deep=False).items() if k in names}
        voter = self._voter(**{**own, "metric": "precomputed"})
        return voter.fit(identity(len(y), format="csr"), y)

    def _asked(self, X):
        """The estimator that predicts by the parameters as they are now, and queries.

        It is a copy, for other threads may predict too.
        """
        check_is_fitted(self)
        self._check_weights(self.index_)
        n, index = len(self._targets), self.index_
        if index.n_samples_fit_ != n or (X is None and index.n_rows_ != n):
            raise ValueError(
                f"there are {n} targets, but rows of index_ were changed since fit, of "
                f"which {index.n_rows_} are left: fit again, with their targets"
            )
        votes = copy(self._votes)
        votes.index = self.index_
        for name in READ_LATE:
            if hasattr(self, name):
                setattr(votes, name, getattr(self, name))
        return votes, None if X is None else checked(self, X)

    def _check_weights(self, index):
        if (
            self.weights == "distance"
            and METRICS[effective_metric(index.metric, index.p)].negative
        ):
            raise ValueError(
                f"weights='distance' are inverse distances, and metric={index.metric!r}"
                " of the index has negative ones: use weights='uniform', or a function"
            )
