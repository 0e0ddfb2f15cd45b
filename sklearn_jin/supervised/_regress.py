"""Numbers by a mean over neighbours."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.neighbors import KNeighborsRegressor, RadiusNeighborsRegressor

from sklearn_jin.supervised._base import RADIUS, Asking, K, Predicting


class KMean(Asking, KNeighborsRegressor):
    """scikit-learn's mean of the nearest, whoever finds them."""


class RadiusMean(Asking, RadiusNeighborsRegressor):
    """scikit-learn's mean of all in a radius, whoever finds them."""


class ANNRegressor(RegressorMixin, Predicting):
    """Predict the mean target of the nearest neighbours that an index finds.

    :class:`sklearn.neighbors.KNeighborsRegressor` with the neighbours of an index: with
    :class:`FlatNeighbors` it predicts the same, except where several rows tie for the
    last place.

    Parameters
    ----------
    index : index estimator or None, default=None
        Finds the neighbours, as in :class:`ANNClassifier`.
    n_neighbors : int, default=5
        Neighbours whose targets are averaged.  It is read when a prediction is made.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        Weights of the mean, as in :class:`ANNClassifier`.
    n_jobs : int or None, default=None
        Threads of the index.  None leaves what ``index`` says, by default all.

    Attributes
    ----------
    index_ : index estimator
        The fitted index.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during :term:`fit`, where all are strings.

    See Also
    --------
    ANNRadiusRegressor : The mean of all rows within a distance.
    ANNClassifier : A vote instead of a mean.
    sklearn.neighbors.KNeighborsRegressor : The same with an exact search.

    Examples
    --------
    >>> from sklearn_jin import ANNRegressor
    >>> X, y = [[0.0], [1.0], [5.0]], [0.0, 10.0, 50.0]
    >>> ANNRegressor(n_neighbors=2).fit(X, y).predict([[0.4]])
    array([5.])
    """

    _voter = KMean
    _parameter_constraints = {**Predicting._parameter_constraints, **K}

    def __init__(
        self, index=None, *, n_neighbors=5, weights="uniform", n_jobs=None
    ):  # fmt: skip
        self.index = index
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.n_jobs = n_jobs


class ANNRadiusRegressor(RegressorMixin, Predicting):
    """Predict the mean target of all rows within a distance that an index finds.

    :class:`sklearn.neighbors.RadiusNeighborsRegressor` with the neighbours of an index:
    with :class:`FlatNeighbors` it predicts the same.  A query without neighbours is
    predicted as NaN, with a warning.

    Parameters
    ----------
    index : index estimator or None, default=None
        Finds the neighbours, as in :class:`ANNClassifier`.
    radius : float, default=1.0
        Largest distance of a row that counts, in the unit of the metric of the index.
        It is read when a prediction is made, whose time grows with the rows within it.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        Weights of the mean, as in :class:`ANNRadiusClassifier`.
    n_jobs : int or None, default=None
        Threads of the index.  None leaves what ``index`` says, by default all.

    Attributes
    ----------
    index_ : index estimator
        The fitted index.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during :term:`fit`, where all are strings.

    See Also
    --------
    ANNRegressor : The mean of as many rows everywhere.
    sklearn.neighbors.RadiusNeighborsRegressor : The same with an exact search.

    Examples
    --------
    >>> from sklearn_jin import ANNRadiusRegressor
    >>> X, y = [[0.0], [1.0], [5.0]], [0.0, 10.0, 50.0]
    >>> ANNRadiusRegressor(radius=2.0).fit(X, y).predict([[0.4], [4.0]])
    array([ 5., 50.])
    """

    _voter = RadiusMean
    _parameter_constraints = {**Predicting._parameter_constraints, **RADIUS}

    def __init__(
        self, index=None, *, radius=1.0, weights="uniform", n_jobs=None
    ):  # fmt: skip
        self.index = index
        self.radius = radius
        self.weights = weights
        self.n_jobs = n_jobs

    def _voter_of(self, y):
        # NaN is no integer: scikit-learn predicts the least there is of whole targets.
        return super()._voter_of(y.astype(np.float64))
