"""How hard data are to search: intrinsic dimension, hubness, relative contrast.

Dimensions and contrast are those of Euclidean distances, never squared, for squares
would halve every dimension.  All depends on ratios of distances or on counts, so that
scaling the data by a power of two, within float32, changes no digit.  A distance of
zero, which is that of an exact duplicate, tells nothing of a dimension and is left out.
"""

import warnings
from dataclasses import dataclass, fields
from numbers import Integral, Real

import numpy as np
from scipy.spatial.distance import pdist
from scipy.special import gammaincinv
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklearn_jin._compat import Interval, StrOptions, _fit_context, validate_params
from sklearn_jin.metrics import effective_metric, squares
from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._flat import FlatNeighbors
from sklearn_jin.neighbors._graph import MIN_EF
from sklearn_jin.neighbors._hnsw import HNSWNeighbors

FLOATS = (np.float64, np.float32)
FIRST_TIES, MOST_TIES = 4, 64  # neighbours among which two distances must differ
MOST_PAIRED = 2000  # rows of which every pair tells the mean distance
SHARED = 2  # a half of the logarithms is as good as independent, or more

# Where recommendations change.
FEW_ROWS = 5000  # a scan is exact, needs no building and is quick enough
SETTLED_ROWS = 100_000  # up to this number the beam depends on the dimension alone
MANY_BYTES = 2**26  # of float32 rows: more than caches hold
LEAST_M, MOST_M = 16, 48
MOST_EF = 1000
LOW_CONTRAST = 1.5
HIGH_SKEWNESS = 2.0
MANY_DUPLICATES = 0.01
ADVICE = "A starting point: check it by measuring recall."


class LocalIntrinsicDimensionality(BaseEstimator):
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
        "n_neighbors": [Interval(Integral, 3, None, closed="left")],
        "index": [Neighbors, None],
        "unbiased": ["boolean"],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": [Integral, None],
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
        self.index_ = _fitted(self.index, X, self.n_jobs)
        self.n_neighbors_ = _at_most_others(self.n_neighbors, len(X))
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


class TwoNN(BaseEstimator):
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
        "index": [Neighbors, None],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": [Integral, None],
    }

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
        index = _fitted(self.index, X, self.n_jobs)
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


@dataclass(frozen=True, eq=False)
class Hubness:
    """How unevenly rows are among the neighbours of others: see :func:`hubness`.

    Attributes
    ----------
    counts : ndarray of shape (n,), int64
        Of how many rows each is a neighbour: ``N_k``.
    skewness : float
        Skewness of the counts: about 0 in few dimensions, above 1 where hubs are.
    antihub_share : float
        Share of rows that are nobody's neighbour.
    hub_share : float
        Share of rows whose count is above the mean by two standard deviations.
    hubs : ndarray of shape (n_hubs,), int64
        Their numbers, that of the highest count first.
    gini : float
        Gini's coefficient of the counts: 0 if all are equal, near 1 if few have all.
    """

    counts: np.ndarray
    skewness: float
    antihub_share: float
    hub_share: float
    hubs: np.ndarray
    gini: float


@validate_params(
    {"ids": ["array-like"], "n": [Interval(Integral, 1, None, closed="left"), None]},
    prefer_skip_nested_validation=True,
)
def k_occurrence(ids, n=None):
    """Of how many rows every row is a neighbour: ``N_k`` of [1]_.

    Parameters
    ----------
    ids : array-like of shape (n_queries, n_neighbors), of int
        Numbers of the neighbours of every query, as ``kneighbors`` returns them.
    n : int, default=None
        Number of fitted rows; None takes ``n_queries``, for neighbours of all rows.

    Returns
    -------
    counts : ndarray of shape (n,), int64
        Count of every row.  Their mean is ``n_queries * n_neighbors / n`` exactly.

    Raises
    ------
    TypeError
        If ``ids`` are not integers.
    ValueError
        If ``ids`` has another shape, or numbers that are not within 0 and ``n - 1``.

    References
    ----------
    .. [1] Radovanović, Nanopoulos and Ivanović, "Hubs in space: popular nearest
       neighbors in high-dimensional data", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn_jin import k_occurrence
    >>> k_occurrence([[1], [0], [1]])
    array([1, 2, 0])
    """
    ids = check_array(ids, dtype=None)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(
            f"ids of dtype {ids.dtype} must be integers: pass what "
            "kneighbors(return_distance=False) returns"
        )
    n = len(ids) if n is None else n
    for extreme in (ids.min(), ids.max()):
        if not 0 <= extreme < n:
            raise ValueError(
                f"ids holds {extreme}, which is not within 0 and n - 1 = {n - 1}: "
                "give n, the number of fitted rows"
            )
    return np.bincount(ids.ravel().astype(np.int64), minlength=n).astype(np.int64)


@validate_params(
    {
        "neighbors": ["array-like", BaseEstimator],
        "n": [Interval(Integral, 1, None, closed="left"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def hubness(neighbors, n=None, *, n_neighbors=10):
    """How unevenly rows are among the neighbours of others [1]_.

    In many dimensions a few rows, the hubs, are near to most others, and many,
    the anti-hubs, are among the nearest of none, and so are found by nobody.

    Parameters
    ----------
    neighbors : array-like of shape (n_queries, n_neighbors) or fitted index
        Numbers of neighbours, as :func:`k_occurrence` takes them; or an index, which is
        asked for the neighbours of its own rows, in its metric.  Approximate
        search misses anti-hubs most, and so makes hubness appear larger.
    n : int, default=None
        Number of fitted rows, for an array; None takes ``n_queries``.
    n_neighbors : int, default=10
        Neighbours to ask an index for.

    Returns
    -------
    hubness : Hubness
        Counts, their skewness ``S``, which is 0 where all are equal, the shares of
        anti-hubs and hubs, the numbers of the hubs, and Gini's coefficient.

    Raises
    ------
    NotFittedError
        If an index is not fitted.
    TypeError
        If ``neighbors`` are not integers, or not an index.
    ValueError
        If a parameter is invalid, or there are no more rows than ``n_neighbors``.

    References
    ----------
    .. [1] Radovanović, Nanopoulos and Ivanović, "Hubs in space: popular nearest
       neighbors in high-dimensional data", JMLR 11, 2010.

    Examples
    --------
    >>> from sklearn_jin import FlatNeighbors, hubness
    >>> star = [[0, 0], [3, 0], [-3, 0], [0, 3], [0, -3.1]]
    >>> found = hubness(FlatNeighbors().fit(star), n_neighbors=1)
    >>> found.counts, found.antihub_share
    (array([4, 1, 0, 0, 0]), 0.6)
    """
    if isinstance(neighbors, BaseEstimator):
        if not hasattr(neighbors, "kneighbors"):
            raise TypeError(
                f"neighbors={neighbors!r} has no kneighbors: pass a fitted index, "
                "or an array of neighbours"
            )
        ids = neighbors.kneighbors(n_neighbors=n_neighbors, return_distance=False)
        return _hubness(k_occurrence(ids, neighbors.n_samples_fit_))
    return _hubness(k_occurrence(neighbors, n))


@validate_params(
    {
        "X": ["array-like"],
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "index": [Neighbors, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def relative_contrast(X, *, n_samples=1000, index=None, random_state=None):
    """How many times farther than its nearest neighbour a row is from any [1]_.

    It is the mean distance between rows, by the mean distance of a row to its nearest
    other: ``C_r = D_mean / D_min``.  Near 1 nothing is near, and any search
    is hard.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        At least two rows.
    n_samples : int, default=1000
        Rows, drawn at random, whose distances are averaged: to the nearest of all
        others, and to each other (of 2000 of them at most).
    index : index estimator or None, default=None
        Finds the nearest, as in :class:`LocalIntrinsicDimensionality`.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.  An integer makes the result repeatable.

    Returns
    -------
    contrast : float
        Relative contrast, about 1 at least.  A distance of 0 is not taken for that of
        the nearest neighbour.  NaN where no row has another one within its
        64 nearest.

    Raises
    ------
    ValueError
        If a parameter or ``X`` is invalid, or the index has another metric.

    References
    ----------
    .. [1] He, Kumar and Chang, "On the difficulty of nearest neighbor search", ICML
       2012. https://arxiv.org/abs/1206.6411

    Examples
    --------
    >>> from sklearn_jin import relative_contrast
    >>> contrast = relative_contrast([[0.0], [1.0], [5.0]])
    >>> round(contrast, 3)  # (1 + 4 + 5) / 3 by (1 + 1 + 4) / 3
    1.667
    """
    X = check_array(X, dtype=FLOATS, order="C", ensure_min_samples=2)
    rows = _draw(len(X), n_samples, random_state)
    fitted = _fitted(index, X)
    distances = _others(fitted, X, rows, 1)
    if not distances.all():
        distances = _others(fitted, X, rows, min(MOST_TIES, len(X) - 1))
    return _contrast(X[rows], distances)


@dataclass(frozen=True, repr=False)
class Difficulty:
    """Report on data, and where to begin: see :func:`describe_difficulty`.

    Attributes
    ----------
    n_samples : int
        Number of rows.
    n_features : int
        Number of features.
    n_sampled : int
        Number of rows that were looked at.
    lid : float
        Intrinsic dimension around all of these together, by maximum likelihood.
    lid_quantiles : tuple of float
        Dimensions of single rows that 10, 50 and 90 % are below.
    two_nn : float
        Intrinsic dimension by two neighbours, as :class:`TwoNN` has it.
    contrast : float
        Relative contrast.
    skewness : float
        Skewness of ``N_k`` among the rows that were looked at.
    antihub_share : float
        Share of these that are nobody's neighbour among them.
    duplicate_share : float
        Share of them that another row equals.
    norm_spread : float
        Standard deviation of the rows' lengths by their mean.
    settings : dict or None
        Parameters of :class:`HNSWNeighbors` to begin with; None means
        :class:`FlatNeighbors`.
    reasons : tuple of str
        Sentences that say why.
    """

    n_samples: int
    n_features: int
    n_sampled: int
    lid: float
    lid_quantiles: tuple
    two_nn: float
    contrast: float
    skewness: float
    antihub_share: float
    duplicate_share: float
    norm_spread: float
    settings: dict | None
    reasons: tuple

    @property
    def index(self):
        """The recommended index, unfitted: a starting point, to be measured."""
        if self.settings is None:
            return FlatNeighbors()
        return HNSWNeighbors(**self.settings)

    def __repr__(self):
        named = ((f.name, getattr(self, f.name)) for f in fields(self))
        numbers = (f"{a}={v:.4g}" for a, v in named if isinstance(v, Real))
        return f"Difficulty({', '.join(numbers)}, index={self.index!r})"

    def __str__(self):
        low, median, high = self.lid_quantiles
        lines = {
            "rows": f"{self.n_samples:,} of {self.n_features:,} features; "
            f"{self.n_sampled:,} looked at",
            "intrinsic dimension": f"{self.lid:.1f} (maximum likelihood), "
            f"{self.two_nn:.1f} (TwoNN)",
            "of single rows": f"{low:.1f} (10 %), {median:.1f} (median), "
            f"{high:.1f} (90 %)",
            "relative contrast": f"{self.contrast:.2f}",
            "hubness": f"skewness {self.skewness:.2f}, "
            f"anti-hubs {self.antihub_share:.1%}",
            "duplicates": f"{self.duplicate_share:.1%}",
            "spread of lengths": f"{self.norm_spread:.1%}",
            "to begin with": " ".join(repr(self.index).split()),
        }
        table = [f"{name:<21}{line}" for name, line in lines.items()]
        return "\n".join([*table, *(f"- {reason}" for reason in self.reasons)])


@validate_params(
    {
        "X": ["array-like"],
        "n_neighbors": [Interval(Integral, 3, None, closed="left")],
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
        "index": [Neighbors, None],
    },
    prefer_skip_nested_validation=False,
)
def describe_difficulty(
    X, n_neighbors=10, n_samples=1000, random_state=None, index=None
):
    """Report how hard the rows of ``X`` are to search, and which index to try first.

    The recommendation follows a few rules.  Up to 5000 rows it is
    :class:`FlatNeighbors`.  Otherwise it is :class:`HNSWNeighbors` with ``M`` the
    multiple of 8 from the dimension on, within 16 and 48; ``ef_construction`` the
    larger of 200 and ``10 * M``; ``ef_search`` five times the dimension,
    as much again for each factor of ten in rows beyond 100,000, 1000 at most, and
    None, the default, where that is as wide; and ``quantizer="auto"`` where
    float32 rows take 64 MiB or more.  The dimension is the median of the rows', or
    that of all together if larger.  This is a starting point, to be checked by
    measuring recall.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        At least two rows.
    n_neighbors : int, default=10
        Neighbours that are looked at, at least 3: as many as you will ask for, and
        10 or more, since the dimension ``m`` of a single row is known to
        ``m / sqrt(n_neighbors - 3)``.
    n_samples : int, default=1000
        Rows, drawn at random, that are looked at.  Their neighbours are sought among
        all rows; only hubness, which needs the neighbours of all, is that of
        these rows by themselves, and is larger among more.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.  An integer makes the report repeatable.
    index : index estimator or None, default=None
        Finds the neighbours, as in :class:`LocalIntrinsicDimensionality`.

    Returns
    -------
    report : sklearn_jin.lid.Difficulty
        Numbers as attributes, ``index`` to be fitted, and ``reasons`` in words;
        ``print(report)`` shows all.  What cannot be told, because rows are too few or
        too many of them equal, is NaN.

    Raises
    ------
    ValueError
        If a parameter or ``X`` is invalid, or the index has another metric.

    See Also
    --------
    LocalIntrinsicDimensionality : Dimension around every row.
    TwoNN : Dimension at the smallest scale.
    hubness : Hubness of all rows.
    relative_contrast : Mean distance by that of the nearest.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_jin import describe_difficulty
    >>> X = np.random.default_rng(0).standard_normal((6000, 12))
    >>> report = describe_difficulty(X, random_state=0)
    >>> report.index
    HNSWNeighbors(ef_search=60)
    >>> report.n_sampled
    1000
    """
    X = check_array(X, dtype=FLOATS, order="C", ensure_min_samples=2)
    n, d = X.shape
    rows = _draw(n, n_samples, random_state)
    distances = _others(_fitted(index, X), X, rows, min(n_neighbors, n - 1))
    counts, sums = log_sums(distances)
    lid = dimensions(counts, sums)
    logs = log_ratios(first_ratios(distances))
    sample = X[rows]
    near = FlatNeighbors().fit(sample)
    found = hubness(near, n_neighbors=min(n_neighbors, len(rows) - 1))
    seen = {
        "lid": float(dimensions(*pool(counts, sums))),
        "lid_quantiles": _quantiles(lid),
        "two_nn": float(dimensions(np.int64(len(logs)), logs.sum())),
        "contrast": _contrast(sample, distances),
        "skewness": found.skewness,
        "antihub_share": found.antihub_share,
        "duplicate_share": float((distances[:, 0] == 0).mean()),
        "norm_spread": _spread(np.sqrt(squares(_near_one(sample)[0]))),
    }
    settings, reasons = _recommend(n, d, n_neighbors, seen)
    return Difficulty(n, d, len(rows), **seen, settings=settings, reasons=reasons)


# Arrays in, arrays out.


def log_sums(distances):
    """Number and sum of ``log(T_k / T_j)``, ``j < k``, of rows of ascending distances.

    Zeros are left out, so that a row with ``z`` of them has ``k - z - 1`` logarithms,
    -1 if it has nothing else.  Squared distances would double the sums.
    """
    positive = distances > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(positive, np.log(distances[:, -1:] / distances), 0.0)
    return positive.sum(axis=1) - 1, logs.sum(axis=1)


def dimensions(counts, sums, unbiased=True):
    """Rates of which ``counts`` exponentials add up to ``sums``; NaN if below two."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts >= 2, (counts - unbiased) / sums, np.nan)


def gamma_intervals(counts, sums, confidence, shared=1):
    """Intervals (..., 2) that hold the rates of :func:`dimensions`.

    The rate times the sum has the Gamma distribution of shape ``counts``.  If it
    varies as that of one in ``shared`` would, its share has the shape's share.
    """
    tail = (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [
            shared * gammaincinv(counts / shared, p) / sums for p in (tail, 1 - tail)
        ]
    return np.where(np.asarray(counts >= 2)[..., None], np.stack(ends, -1), np.nan)


def pool(counts, sums):
    """Number and sum of the logarithms of all rows that have a dimension.

    MacKay and Ghahramani: the likelihoods of rows multiply, so these add up.
    """
    known = counts >= 2
    return counts[known].sum(), sums[known].sum()


def first_ratios(distances):
    """``r2 / r1`` of the first two distinct positive of ascending distances, or NaN."""
    first = np.where(distances > 0, distances, np.inf).min(axis=1)
    second = np.where(distances > first[:, None], distances, np.inf).min(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(second), second / first, np.nan)


def log_ratios(mu):
    """Ascending logarithms of ratios, without those that are NaN."""
    return np.sort(np.log(mu[~np.isnan(mu)]))


def slope(logs, discard):
    """Slope of Facco's line: through the origin, of ``-log(1 - i / n)`` against logs.

    Ranks ``i`` are those before the largest are discarded.  The last, which is
    infinitely high, always is.
    """
    n = len(logs)
    kept = max(1, min(n - 1, n - int(discard * n)))
    heights = -np.log1p(-np.arange(1, kept + 1) / n)
    return float(logs[:kept] @ heights / (logs[:kept] @ logs[:kept]))


def _hubness(counts):
    """What :func:`hubness` returns for ``counts``."""
    n, mean, deviation = len(counts), counts.mean(), counts.std()
    high = np.flatnonzero(counts > mean + 2 * deviation)
    skewness = ((counts - mean) ** 3).mean() / deviation**3 if deviation else 0.0
    ranks = np.arange(1, n + 1)
    gini = 2 * (ranks @ np.sort(counts)) / (n * counts.sum()) - (n + 1) / n
    return Hubness(
        counts=counts,
        skewness=float(skewness),
        antihub_share=float((counts == 0).mean()),
        hub_share=len(high) / n,
        hubs=high[np.argsort(-counts[high], kind="stable")],
        gini=float(gini),
    )


def _contrast(sample, distances):
    """Relative contrast of rows whose nearest others are at ascending distances."""
    nearest = np.where(distances > 0, distances, np.inf).min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    if not len(nearest):
        return np.nan
    some, size = _near_one(sample[:MOST_PAIRED])
    return float(pdist(some).mean() / (nearest / size).mean())


def _near_one(X):
    """``X``, float64, by a power of two that brings it near 1, and that power.

    So squares neither overflow nor vanish, and no digit depends on the scale.
    """
    size = np.exp2(float(np.frexp(np.abs(X).max())[1]))
    return X.astype(np.float64) / size, size


def _spread(values):
    """Standard deviation by mean, 0 if all are 0."""
    return float(values.std() / values.mean()) if values.any() else 0.0


def _quantiles(lid):
    """Values that 10, 50 and 90 % are below, not interpolated: some are infinite."""
    known = lid[~np.isnan(lid)]
    if not len(known):
        return (np.nan,) * 3
    return tuple(np.quantile(known, [0.1, 0.5, 0.9], method="lower").tolist())


def _mean_known(values, axis):
    """Means along ``axis`` of what is not NaN."""
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(axis) / known.sum(axis)


# Rows and their neighbours.


def _fitted(index, X, n_jobs=None):
    """Copy of ``index``, by default of an exact one, fitted to ``X``."""
    index = FlatNeighbors() if index is None else clone(index)
    name = effective_metric(index.metric, index.p)
    if name != "euclidean":
        raise ValueError(
            f"index has the metric {name!r}, but dimensions are those of Euclidean "
            "distances, and squared ones would halve them: use metric='euclidean'"
            + (", on rows of length 1" if name in ("cosine", "angular") else "")
        )
    if index.store_vectors is not True and index.store_vectors != "float32":
        raise ValueError(
            f"index has store_vectors={index.store_vectors!r}, whose distances are "
            "estimates: use store_vectors=True"
        )
    if n_jobs is not None:
        index.set_params(n_jobs=n_jobs)
    return index.fit(X)


def _at_most_others(n_neighbors, n):
    """``n_neighbors``, or as many others as a row has."""
    if n_neighbors < n:
        return n_neighbors
    warnings.warn(
        f"n_neighbors={n_neighbors} is not below n_samples={n}: the "
        f"{n - 1} others of every row are taken",
        stacklevel=3,
    )
    return n - 1


def _draw(n, n_samples, random_state):
    """Numbers of at most ``n_samples`` of ``n`` rows, in random order."""
    return check_random_state(random_state).permutation(n)[:n_samples]


def _others(index, X, rows, k):
    """Ascending distances (n_rows, k) of fitted ``rows`` to their nearest others."""
    from sklearn_jin.search.shortlist import others

    distances, ids = index.kneighbors(X[rows], k + 1)
    return distances[others(ids, rows)].reshape(len(rows), k)


# Recommendations.


def _recommend(n, d, k, seen):
    """Parameters of ``HNSWNeighbors``, None for ``FlatNeighbors``; and why."""
    known = [m for m in (seen["lid"], seen["lid_quantiles"][1]) if not np.isnan(m)]
    m = max(known, default=0.0)
    settings, reasons = _exact(n) if n <= FEW_ROWS else _graph(n, d, k, m)
    if not known:
        reasons.append(
            "The dimension cannot be told, for rows are too few or too many are equal."
        )
    advice = [] if settings is None else [ADVICE]
    return settings, (*reasons, *_remarks(seen), *advice)


def _exact(n):
    return None, [
        f"{n:,} rows are few: comparing a query with all of them is quick, exact "
        "and needs no building."
    ]


def _graph(n, d, k, m):
    M = int(np.clip(8 * np.ceil(min(m, MOST_M) / 8), LEAST_M, MOST_M))
    times = 5 * (1 + max(0.0, np.log10(n / SETTLED_ROWS)))
    ef = int(min(MOST_EF, 10 * np.ceil(min(m, MOST_EF) * times / 10)))
    params = {"M": M, "ef_construction": max(200, 10 * M)}
    params["ef_search"] = None if ef <= max(MIN_EF, 2 * k) else ef
    large = 4 * n * d >= MANY_BYTES
    params["quantizer"] = "auto" if large else None
    reasons = [
        f"Around a row the data have {m:.1f} dimensions, in each of which a node "
        f"of the graph needs neighbours: M={M}.",
        f"The more dimensions and rows, the more nodes a walk has to follow: "
        f"ef_search={params['ef_search']}"
        + (", the default, suffices." if params["ef_search"] is None else "."),
        f"Rows take {4 * n * d / 2**20:,.0f} MiB as float32, "
        + (
            "more than caches hold: codes are searched in less memory."
            if large
            else "which are searched as they are."
        ),
    ]
    return params, reasons


def _remarks(seen):
    """Sentences on what else the numbers tell."""
    if seen["contrast"] < LOW_CONTRAST:
        yield (
            f"Relative contrast is {seen['contrast']:.2f}: neighbours are hardly "
            "nearer than other rows.  Any graph finds that hard, so compare it with a "
            "scan, and ask what the neighbours mean."
        )
    if seen["skewness"] > HIGH_SKEWNESS:
        yield (
            f"Some rows are neighbours of very many, and {seen['antihub_share']:.0%} "
            "of none: those are the ones that a graph misses.  Centring the data, or "
            "fewer features, may help."
        )
    if seen["duplicate_share"] > MANY_DUPLICATES:
        yield (
            f"{seen['duplicate_share']:.1%} of the rows have an exact duplicate, which "
            "takes a place among their neighbours: index distinct rows if that is "
            "not wanted."
        )
