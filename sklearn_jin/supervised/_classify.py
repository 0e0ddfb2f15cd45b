"""Classes by a vote of neighbours."""

from numbers import Integral

from sklearn.base import ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier

from sklearn_jin.supervised._base import RADIUS, Asking, K, Predicting


class KVotes(Asking, KNeighborsClassifier):
    """scikit-learn's vote of the nearest, whoever finds them."""


class RadiusVotes(Asking, RadiusNeighborsClassifier):
    """scikit-learn's vote of all in a radius, whoever finds them."""


class Classifying(ClassifierMixin, Predicting):
    """What both classifiers have."""

    def predict_proba(self, X):
        """Share of the votes that each class has.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), or None
            The queries.  If None, the fitted rows, each predicted from the others.

        Returns
        -------
        p : ndarray of shape (n_queries, n_classes), float64
            In the order of ``classes_``; for several outputs a list of such arrays.

        Raises
        ------
        NotFittedError, ValueError
            As :meth:`predict` does.
        """
        votes, X = self._asked(X)
        return votes.predict_proba(X)

    @property
    def classes_(self):
        """Labels in ascending order; for several outputs a list of such arrays."""
        return self._votes.classes_

    @property
    def outputs_2d_(self):
        """Whether ``y`` had several columns."""
        return self._votes.outputs_2d_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class ANNClassifier(Classifying):
    """Classify by a vote of the nearest neighbours that an index finds.

    :class:`sklearn.neighbors.KNeighborsClassifier` with the neighbours of an index:
    with :class:`FlatNeighbors` it predicts the same, except where several rows tie for
    the last place.  With an approximate index a vote lacks some of the nearest rows; at
    a recall of 0.95 that changes few predictions, for the rows that take their
    places are almost as near.

    Parameters
    ----------
    index : index estimator or None, default=None
        Finds the neighbours; a copy of it is fitted.  Its parameters are reached as
        ``index__ef_search`` and so on, its own ``n_neighbors`` is not used.  None takes
        ``HNSWNeighbors(random_state=0)``, which compares all rows where there are few
        (see its ``exact_threshold``) and is approximate where there are more.
    n_neighbors : int, default=5
        Neighbours that vote.  It is read when a prediction is made.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        Weight of a vote: 1, or the inverse of the distance, of which a distance of zero
        leaves the rows at zero alone to vote; or a function of the array of distances
        that returns as many weights.  None is ``"uniform"``.  It is read when a
        prediction is made.
    n_jobs : int or None, default=None
        Threads of the index.  None leaves what ``index`` says, by default all.

    Attributes
    ----------
    index_ : index estimator
        The fitted index.  ``index_.kneighbors`` tells who votes.
    classes_ : ndarray of shape (n_classes,), or list of such
        Labels in ascending order, of each output.
    outputs_2d_ : bool
        Whether ``y`` had several columns.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during :term:`fit`, where all are strings.

    See Also
    --------
    ANNRadiusClassifier : A vote of all rows within a distance.
    ANNRegressor : The mean of the neighbours' targets.
    sklearn.neighbors.KNeighborsClassifier : The same with an exact search.

    References
    ----------
    .. [1] Cover and Hart, "Nearest neighbor pattern classification", IEEE Transactions
       on Information Theory 13, 1967.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import ANNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ANNClassifier(n_neighbors=3).fit(X[:1000], y[:1000])
    >>> round(model.score(X[1000:], y[1000:]), 2)
    0.96
    """

    _voter = KVotes
    _parameter_constraints = {**Predicting._parameter_constraints, **K}

    def __init__(
        self, index=None, *, n_neighbors=5, weights="uniform", n_jobs=None
    ):  # fmt: skip
        self.index = index
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.n_jobs = n_jobs


class ANNRadiusClassifier(Classifying):
    """Classify by a vote of all rows within a distance that an index finds.

    :class:`sklearn.neighbors.RadiusNeighborsClassifier` with the neighbours of an
    index: with :class:`FlatNeighbors` it predicts the same.

    Parameters
    ----------
    index : index estimator or None, default=None
        Finds the neighbours, as in :class:`ANNClassifier`.
    radius : float, default=1.0
        Largest distance of a row that votes, in the unit of the metric of the index.
        It is read when a prediction is made, whose time grows with the rows within it.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        Weight of a vote, as in :class:`ANNClassifier`.  A function is given an array of
        arrays of distances, one for each query.
    outlier_label : label, list of labels, "most_frequent" or None, default=None
        Predicted where no row is within the radius, for each output.  Where it is no
        class the probabilities are all zero, with a warning.  ``"most_frequent"`` is
        the label of most fitted rows; None raises ValueError.
    n_jobs : int or None, default=None
        Threads of the index.  None leaves what ``index`` says, by default all.

    Attributes
    ----------
    index_ : index estimator
        The fitted index.
    classes_ : ndarray of shape (n_classes,), or list of such
        Labels in ascending order, of each output.
    outlier_label_ : list or None
        What is predicted for outliers, of each output.
    outputs_2d_ : bool
        Whether ``y`` had several columns.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during :term:`fit`, where all are strings.

    See Also
    --------
    ANNClassifier : A vote of as many rows everywhere.
    sklearn.neighbors.RadiusNeighborsClassifier : The same with an exact search.

    Examples
    --------
    >>> from sklearn_jin import ANNRadiusClassifier
    >>> X, y = [[0.0], [1.0], [1.5], [5.0]], ["low", "low", "high", "high"]
    >>> model = ANNRadiusClassifier(radius=2.0, outlier_label="high").fit(X, y)
    >>> model.predict([[0.4], [20.0]]).tolist()
    ['low', 'high']
    """

    _voter = RadiusVotes
    _parameter_constraints = {
        **Predicting._parameter_constraints,
        **RADIUS,
        "outlier_label": [Integral, str, "array-like", None],
    }

    def __init__(
        self, index=None, *, radius=1.0, weights="uniform", outlier_label=None,
        n_jobs=None,
    ):  # fmt: skip
        self.index = index
        self.radius = radius
        self.weights = weights
        self.outlier_label = outlier_label
        self.n_jobs = n_jobs

    @property
    def outlier_label_(self):
        """What is predicted for outliers, of each output."""
        return self._votes.outlier_label_
