"""Approximate neighbours by a sparse neighbourhood graph."""

from numbers import Integral, Real

from sklearn_jin._compat import Interval, StrOptions
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._graph import GraphNeighbors


class SNGNeighbors(GraphNeighbors):
    """Approximate nearest neighbours by a sparse neighbourhood graph [1]_.

    A flat graph pruned by the rule of :class:`VamanaNeighbors` whose bound on
    degrees is not swept for but calibrated: a graph of at most 20,000 rows is
    built whose degrees are hardly bounded, with ``alpha = 1.1``; the bound is
    their mean times ``(1.1 / alpha)**2``, times the ratio of the logarithms of
    the numbers of rows.

    What it saves is the sweep, not building time beside a graph whose bound is
    given.  What [1]_ promises of degrees and paths rests on assumptions (uniform data,
    candidates that are all rows) that no index here meets: nothing of it is
    promised.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    max_degree : int or "auto", default="auto"
        Most edges of a row (``R`` in [1]_).  More give a higher recall for the same
        ``ef_search`` where the data are hard, and cost 4 bytes each and
        building time.  ``"auto"`` calibrates it, within 16 and 128.
    search_list_size : int, default=100
        Width of the beam that looks for the neighbours of a row in building.  A
        wider one gives a better graph, takes longer, and raises the calibrated
        bound a little.
    ef_search : int, default=None
        Width of the beam of a query, as in :class:`HNSWNeighbors`: recall and query
        time grow with it.  Read when a query is made.
    alpha : float, default=1.2
        A row is no neighbour if another one is nearer to it by this factor, on
        distances.  A larger one keeps longer edges and lowers the calibrated bound.
    adaptive : bool, default=True
        End a query's walk by distance, as in :class:`HNSWNeighbors`.
    build : {"auto", "partition", "insert"}, default="auto"
        ``"insert"`` searches every row in the graph of those before it;
        ``"partition"`` finds near rows by matrix products within cells, which
        takes about 0.6 of the time.  ``"auto"`` is as in :class:`HNSWNeighbors`.
    exact_threshold : int, default=1000
        Up to this number of rows no graph is built: every query is compared with
        all of them.
    quantizer, rerank, store_vectors
        Codes to search on, and what is kept to score answers exactly, as in
        :class:`HNSWNeighbors`.
    metric, p, metric_params
        As in :class:`HNSWNeighbors`.
    n_jobs : int, default=None
        Threads of building and of searches; the index does not depend on them.
    random_state : int, RandomState instance or None, default=None
        Draws the order of insertion and the cells of ``build="partition"``.
    verbose : int, default=0
        Whether to print the progress of building.

    Attributes
    ----------
    max_degree_ : int
        The bound on degrees.
    mean_degree_reference_ : float
        Mean degree of the reference graph; NaN where ``max_degree`` was given or no
        graph was built.
    n_reference_ : int
        Rows of the reference graph, or 0.
    n_samples_fit_ : int
        Number of fitted rows.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features, where all are strings.
    effective_metric_ : str
        The metric that ``metric`` and ``p`` stand for.
    n_unreachable_ : int
        Nodes that no walk can come to: 0, for building repairs them.
    points_, codes_, quantizer_, slack_, spread_
        As in :class:`HNSWNeighbors`.
    index_ : NamedTuple or None
        The graph, as arrays; None where all rows are scanned.

    See Also
    --------
    SNGTransformer : The same index as a transformer, for pipelines.
    VamanaNeighbors : The same rule with a bound that is given, and two passes.

    References
    ----------
    .. [1] Ma et al., "Sparse neighborhood graph-based approximate nearest neighbor
       search revisited: theoretical analysis and optimization", 2025, algorithm 3.
       https://arxiv.org/abs/2509.15531

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import SNGNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = SNGNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    """

    _parameter_constraints = {
        **GraphNeighbors._parameter_constraints,
        "max_degree": [
            Interval(Integral, 2, 1024, closed="both"),
            StrOptions({"auto"}),
        ],
        "search_list_size": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_neighbors=5,
        radius=1.0,
        max_degree="auto",
        search_list_size=100,
        ef_search=None,
        alpha=1.2,
        adaptive=True,
        build="auto",
        exact_threshold=1000,
        quantizer=None,
        rerank=None,
        store_vectors=True,
        metric="minkowski",
        p=2,
        metric_params=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.max_degree = max_degree
        self.search_list_size = search_list_size
        self.ef_search = ef_search
        self.alpha = alpha
        self.adaptive = adaptive
        self.build = build
        self.exact_threshold = exact_threshold
        self.quantizer = quantizer
        self.rerank = rerank
        self.store_vectors = store_vectors
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _index(self, metric, points, progress):
        self.max_degree_, self.n_reference_ = self.max_degree, 0
        self.mean_degree_reference_ = float("nan")
        return super()._index(metric, points, progress)

    def _plan(self, points, rng):
        from sklearn_jin.construction import sng

        n, alpha, ef = self.n_samples_fit_, self.alpha, self.search_list_size
        if self.max_degree == "auto":
            mean, m = sng.reference_degree(points, ef, rng, self._threads())
            self.mean_degree_reference_, self.n_reference_ = mean, m
            self.max_degree_ = sng.bound(mean, m, n, alpha)
        return sng.plan(n, self.max_degree_, ef, alpha)


class SNGTransformer(NeighborsTransformer, SNGNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline, by a sparse neighbourhood graph.  A transformed row
    holds ``n_neighbors + 1`` distances in ascending order (``mode="distance"``) or
    ``n_neighbors`` ones (``"connectivity"``); a fitted row begins with itself.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        What the graph holds.
    n_neighbors : int, default=5
        Neighbours of every row, without the row itself for ``mode="distance"``.
    metric : str, default="minkowski"
        As in :class:`SNGNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, max_degree, search_list_size, ef_search, alpha, adaptive, build
        As in :class:`SNGNeighbors`.
    exact_threshold
        As in :class:`SNGNeighbors`.
    quantizer, rerank, store_vectors
        As in :class:`SNGNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`SNGNeighbors`.

    Attributes
    ----------
    n_samples_fit_ : int
        Number of fitted rows, and of output features.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    n_unreachable_ : int
        Nodes that no walk can come to: 0, for building repairs them.

    See Also
    --------
    SNGNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn_jin import SNGTransformer
    >>> X = [[0.0], [1.0], [5.0]]
    >>> SNGTransformer(n_neighbors=1).fit_transform(X).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 4., 0.]])
    """

    _parameter_constraints = {
        **SNGNeighbors._parameter_constraints,
        **NeighborsTransformer._parameter_constraints,
    }

    def __init__(
        self,
        *,
        mode="distance",
        n_neighbors=5,
        radius=1.0,
        max_degree="auto",
        search_list_size=100,
        ef_search=None,
        alpha=1.2,
        adaptive=True,
        build="auto",
        exact_threshold=1000,
        quantizer=None,
        rerank=None,
        store_vectors=True,
        metric="minkowski",
        p=2,
        metric_params=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            n_neighbors=n_neighbors,
            radius=radius,
            max_degree=max_degree,
            search_list_size=search_list_size,
            ef_search=ef_search,
            alpha=alpha,
            adaptive=adaptive,
            build=build,
            exact_threshold=exact_threshold,
            quantizer=quantizer,
            rerank=rerank,
            store_vectors=store_vectors,
            metric=metric,
            p=p,
            metric_params=metric_params,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.mode = mode
