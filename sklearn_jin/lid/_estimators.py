"""Estimators of intrinsic dimension: around every row, and from two neighbours."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_jin._arrays import Float64
from sklearn_jin._compat import Integers, Interval, StrOptions, _fit_context
from sklearn_jin.construction.lid import (
    dimensions,
    first_ratios,
    gamma_intervals,
    log_ratios,
    log_sums,
    pool,
    slope,
)
from sklearn_jin.lid._rows import (
    FLOATS,
    INDEXES,
    MOST_TIES,
    at_most_others,
    fit_copy,
)
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.storage import Kept

FIRST_TIES = 4  # neighbours among which two distances must differ; MOST_TIES at last
OF_ALL_ROWS = {"dimension_": float, "confidence_interval_": Float64[1]}  # types
SHARED = 2  # a half of the logarithms is as good as independent, or more


class LocalIntrinsicDimensionality(Kept, BaseEstimator):
    """Dimension of the data around every row, by maximum likelihood [1]_ [2]_.

    Where the data fill ``m`` dimensions, the number of rows within a distance
    ``r`` of a point grows as ``r**m``.  Of the distances
    ``T_1 <= ... <= T_k`` of a row's ``k`` nearest others, the ``k - 1`` logarithms
    ``log(T_k / T_j)`` are then exponential with rate ``m``, and ``m`` is estimated
    from their sum ``S``.  The larger it is, the more alike are the distances
    of neighbours and of others, and the harder is the search.

    Zero distances, those of a row's exact duplicates, are left out, and as many
    neighbours fewer are used.  A row of which fewer than three are left has the
    dimension NaN; one whose distances are all equal, infinity.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours of every row, ``k``, at least 3.  More make the estimate steadier,
        its standard deviation being ``m / sqrt(k - 3)``, and less local.  Where
        there are no more rows than that, all others are taken, with a warning.
    index : index estimator or None, default=None
        Finds the neighbours; a copy of it is fitted.  None takes
        :class:`FlatNeighbors`, which is exact.  An approximate one, such as
        ``HNSWNeighbors()``, takes less time from some thousands of rows on, and
        estimates too low where it misses near neighbours.  Its metric must be
        Euclidean and its distances those of the rows.
    unbiased : bool, default=True
        Whether to take ``(k - 2) / S``, of which the mean is ``m``.  False takes the
        maximum of likelihood, ``(k - 1) / S``, as published [1]_; it is too large by
        the factor ``(k - 1) / (k - 2)`` on average.
    confidence : float, default=0.95
        How probable intervals are to hold the dimension.
    n_jobs : int, default=None
        Threads of the index.  None leaves what ``index`` says, by default all.

    Attributes
    ----------
    lid_ : ndarray of shape (n_samples,), float64
        Dimension around every row.
    intervals_ : ndarray of shape (n_samples, 2), float64
        Confidence interval of each, from the Gamma distribution of ``S``.
    dimension_ : float
        Dimension of all rows together: the logarithms of all rows are pooled,
        which averages the inverses of the estimates rather than these [3]_.  Rows
        with NaN are left out; rows with infinity count, their inverse being 0.
    confidence_interval_ : ndarray of shape (2,), float64
        Confidence interval of ``dimension_``.  Near rows share neighbours, so their
        logarithms are not independent: on uniform data of 1 to 5 dimensions the
        standard deviation was 1.0 to 1.5 times as large.  The interval is that of
        half as many logarithms.
    n_neighbors_ : int
        Neighbours that were looked at.
    index_ : index estimator
        The fitted index.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    TwoNN : Dimension at the smallest scale, from two neighbours a row.
    describe_difficulty : A report on data, of which this is one part.

    References
    ----------
    .. [1] Levina and Bickel, "Maximum likelihood estimation of intrinsic dimension",
       NIPS 2004.
    .. [2] Amsaleg et al., "Estimating local intrinsic dimensionality", KDD 2015.
    .. [3] MacKay and Ghahramani, "Comments on 'Maximum likelihood estimation of
       intrinsic dimension' by E. Levina and P. Bickel", 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_jin import LocalIntrinsicDimensionality
    >>> X = np.zeros((1000, 10))
    >>> X[:, :2] = np.random.default_rng(0).random((1000, 2))  # a square in 10-d space
    >>> lid = LocalIntrinsicDimensionality().fit(X)
    >>> lid.lid_.shape
    (1000,)
    >>> round(float(lid.dimension_))
    2
    """

    _parameter_constraints = {
        "n_neighbors": [Integers(3)],
        "index": [INDEXES, None],
        "unbiased": ["boolean"],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": [Integers(), None],
    }
    _learned = {
        "index_": Neighbors,
        "n_neighbors_": int,
        "lid_": Float64[1],
        "intervals_": Float64[2],
        **OF_ALL_ROWS,
    }

    def __init__(
        self,
        n_neighbors=20,
        *,
        index=None,
        unbiased=True,
        confidence=0.95,
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.index = index
        self.unbiased = unbiased
        self.confidence = confidence
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Estimate the dimension around every row of ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least two rows.  They are compared as float32.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or ``X`` is invalid, or the index has another metric.
        """
        X = validate_data(self, X, dtype=FLOATS, order="C", ensure_min_samples=2)
        self.index_ = fit_copy(self.index, X, self.n_jobs)
        self.n_neighbors_ = at_most_others(self.n_neighbors, len(X))
        distances, _ = self.index_.kneighbors(n_neighbors=self.n_neighbors_)
        counts, sums = log_sums(distances)
        self.lid_ = dimensions(counts, sums, self.unbiased)
        self.intervals_ = gamma_intervals(counts, sums, self.confidence)
        together = pool(counts, sums)
        self.dimension_ = float(dimensions(*together, self.unbiased))
        self.confidence_interval_ = gamma_intervals(*together, self.confidence, SHARED)
        return self

    def score_samples(self, X):
        """Dimension of the fitted rows around each row of ``X``.

        Unlike the scores of scikit-learn's outlier detectors it is high where a row is
        unlike the others.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            New rows.  A fitted row that equals one of them is left out.

        Returns
        -------
        lid : ndarray of shape (n_queries,), float64
            Dimension around each; NaN and infinity as in ``lid_``.
        """
        check_is_fitted(self)
        distances, _ = self.index_.kneighbors(self._checked(X), self.n_neighbors_)
        return self._lid(distances)

    def outlier_scores(self, X=None):
        """How many times the dimension around its neighbours that of a row is.

        From a row off a manifold all rows of this are about as far, so the dimension
        around it is higher than that around them [1]_.  Relating a row to its
        neighbours is the idea of LOF [2]_.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            New rows.  If None, the fitted rows, each without itself.

        Returns
        -------
        scores : ndarray of shape (n_queries,), float64
            The dimension of a row by the harmonic mean of those of its neighbours among
            the fitted rows.  About 1 is usual, more is outlying.  NaN neighbours are
            left out; NaN is returned where the row's own dimension is NaN, or that
            of all its neighbours, or where both are infinite.

        References
        ----------
        .. [1] Houle, Schubert and Zimek, "On the correlation between local intrinsic
           dimensionality and outlierness", SISAP 2018.
        .. [2] Breunig, Kriegel, Ng and Sander, "LOF: identifying density-based local
           outliers", SIGMOD 2000.
        """
        check_is_fitted(self)
        queries = None if X is None else self._checked(X)
        distances, ids = self.index_.kneighbors(queries, self.n_neighbors_)
        lid = self.lid_ if X is None else self._lid(distances)
        with np.errstate(invalid="ignore"):
            return lid * _mean_known(1 / self.lid_[ids], axis=1)

    def aggregate(self, how="harmonic"):
        """One dimension for all rows.

        Rows with NaN are left out by all; NaN is returned where nothing is left.

        Parameters
        ----------
        how : {"harmonic", "median", "mean"}, default="harmonic"
            ``"harmonic"`` is ``dimension_``; infinity counts with its inverse, 0.
            ``"median"`` takes infinity for the largest of numbers, and may return
            it.  ``"mean"`` leaves infinity out; a few large estimates rule it.

        Returns
        -------
        dimension : float
            The dimension.

        Raises
        ------
        ValueError
            If ``how`` is none of these.
        """
        check_is_fitted(self)
        if how == "harmonic":
            return self.dimension_
        if how not in ("median", "mean"):
            raise ValueError(f"how={how!r} must be 'harmonic', 'median' or 'mean'")
        known = ~np.isnan(self.lid_) if how == "median" else np.isfinite(self.lid_)
        return float(getattr(np, how)(self.lid_[known])) if known.any() else np.nan

    def _checked(self, X):
        return validate_data(self, X, reset=False, dtype=FLOATS, order="C")

    def _lid(self, distances):
        return dimensions(*log_sums(distances), self.unbiased)


class TwoNN(Kept, BaseEstimator):
    """Dimension of the data from the two nearest neighbours of every row [1]_.

    The ratio ``mu = r2 / r1`` of a row's distances to its second and its first
    neighbour has the density ``m * mu**-(m + 1)`` where the data fill ``m`` dimensions
    evenly, as far as the second neighbour.  That is the smallest scale that data
    have, and where noise is, it is the noise's; a part of the rows shows a larger one.

    ``r1`` and ``r2`` are the first two of a row's distances that are neither zero nor
    equal.  So exact duplicates count once, be they those of a row or of a
    neighbour.  A row without two such distances among its 64 nearest is left
    out.  Of numbers rounded to a coarse grid, where distances tie without being
    those of duplicates, the result tells the grid.

    Parameters
    ----------
    discard : float, default=0.1
        Share of the largest ratios that the line of ``method="fit"`` leaves out.
    method : {"mle", "fit"}, default="mle"
        ``"mle"`` is the unbiased ``(N - 1) / sum(log(mu))`` over all ``N`` ratios;
        without the largest it would be biased.  ``"fit"`` is the line of [1]_: through
        the origin, by least squares, of ``-log(1 - i / N)`` against the ``i``-th
        smallest ``log(mu)``.  It is less led astray where neighbourhoods are not even.
    index : index estimator or None, default=None
        Finds the neighbours, as in :class:`LocalIntrinsicDimensionality`.
    confidence : float, default=0.95
        How probable the interval is to hold the dimension.
    n_jobs : int, default=None
        Threads of the index.  None leaves what ``index`` says, by default all.

    Attributes
    ----------
    dimension_ : float
        The dimension; NaN where fewer than two rows have a ratio.
    confidence_interval_ : ndarray of shape (2,), float64
        Confidence interval of the maximum-likelihood estimate, for both methods, from
        the Gamma distribution of ``sum(log(mu))``: that of half as many rows, as in
        :class:`LocalIntrinsicDimensionality`.
    mu_ : ndarray of shape (n_samples,), float64
        Ratio of every row, above 1; NaN of those that are left out.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.

    See Also
    --------
    LocalIntrinsicDimensionality : Dimension around every row, at a larger scale.

    References
    ----------
    .. [1] Facco, d'Errico, Rodriguez and Laio, "Estimating the intrinsic dimension of
       datasets by a minimal neighborhood information", Scientific Reports 7, 2017.
       https://arxiv.org/abs/1803.06992

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_jin import TwoNN
    >>> X = np.zeros((1000, 10))
    >>> X[:, :2] = np.random.default_rng(0).random((1000, 2))  # a square in 10-d space
    >>> round(TwoNN().fit(X).dimension_)
    2
    """

    _parameter_constraints = {
        "discard": [Interval(Real, 0, 1, closed="left")],
        "method": [StrOptions({"mle", "fit"})],
        "index": [INDEXES, None],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": [Integers(), None],
    }
    _learned = {"mu_": Float64[1], **OF_ALL_ROWS}

    def __init__(
        self,
        discard=0.1,
        *,
        method="mle",
        index=None,
        confidence=0.95,
        n_jobs=None,
    ):
        self.discard = discard
        self.method = method
        self.index = index
        self.confidence = confidence
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Estimate the dimension of the rows of ``X``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least two rows.  They are compared as float32.
        y : Ignored
            Present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or ``X`` is invalid, or the index has another metric.
        """
        X = validate_data(self, X, dtype=FLOATS, order="C", ensure_min_samples=2)
        index = fit_copy(self.index, X, self.n_jobs)
        near, _ = index.kneighbors(n_neighbors=min(FIRST_TIES, len(X) - 1))
        self.mu_ = first_ratios(near)
        tied = np.flatnonzero(np.isnan(self.mu_))
        if len(tied) and len(X) - 1 > FIRST_TIES:
            near, _ = index.kneighbors(X[tied], min(MOST_TIES, len(X)))
            self.mu_[tied] = first_ratios(near)
        logs = log_ratios(self.mu_)
        n, total = np.int64(len(logs)), logs.sum()
        self.dimension_ = float(dimensions(n, total))
        if self.method == "fit" and n >= 2:
            self.dimension_ = slope(logs, self.discard)
        self.confidence_interval_ = gamma_intervals(n, total, self.confidence, SHARED)
        return self


def _mean_known(values, axis):
    """Means along ``axis`` of what is not NaN."""
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(axis) / known.sum(axis)
