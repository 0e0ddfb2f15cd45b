"""Approximate neighbours by a Vamana graph."""

from numbers import Integral, Real

from sklearn_jin._compat import Interval
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._graph import GraphNeighbors


class VamanaNeighbors(GraphNeighbors):
    """Approximate nearest neighbours by a Vamana graph, that of DiskANN [1]_.

    A flat graph whose edges are chosen by RobustPrune from all rows that a walk
    meets, the far ones on its way too.  Walks start from the nearest of 256
    landmarks, the medoid and rows drawn at random.  Rows are inserted with
    ``alpha = 1`` and linked once more with the larger one, which keeps long
    edges: walks take fewer hops.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    max_degree : int, default=32
        Most edges of a row (``R`` in [1]_).  More give a higher recall for the same
        ``ef_search`` where the data are hard, and cost 4 bytes each and
        building time.
    search_list_size : int, default=100
        Width of the beam that looks for the neighbours of a row in building
        (``L`` in [1]_).  A wider one gives a better graph and takes longer; memory
        does not grow.
    ef_search : int, default=None
        Width of the beam of a query, as in :class:`HNSWNeighbors`: recall and query
        time grow with it.  Read when a query is made.
    alpha : float, default=1.2
        A row is no neighbour if another one is nearer to it by this factor, on
        distances as in [1]_, not on their squares.  A larger one keeps more and
        longer edges: fewer hops, each of which looks at more rows.
    adaptive : bool, default=True
        End a query's walk by distance, as in :class:`HNSWNeighbors`.
    build : {"auto", "partition", "insert"}, default="auto"
        ``"insert"`` searches every row in the graph of those before it;
        ``"partition"`` finds near rows by matrix products within cells, which
        takes about 0.6 of the time.  ``"auto"`` is as in :class:`HNSWNeighbors`.
        Then cells take the place of the first pass.
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
    VamanaTransformer : The same index as a transformer, for pipelines.
    SNGNeighbors : With a bound on degrees that is learned from the data.
    HNSWNeighbors : With upper layers that lead to an entry.

    References
    ----------
    .. [1] Subramanya, Devvrit, Kadekodi, Krishnaswamy and Simhadri, "DiskANN: fast
       accurate billion-point nearest neighbor search on a single node", NeurIPS
       2019, algorithms 1 to 3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import VamanaNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = VamanaNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    """

    _parameter_constraints = {
        **GraphNeighbors._parameter_constraints,
        "max_degree": [Interval(Integral, 2, 1024, closed="both")],
        "search_list_size": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_neighbors=5,
        radius=1.0,
        max_degree=32,
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

    def _plan(self, points, rng):
        from sklearn_jin.construction import vamana

        return vamana.plan(
            self.n_samples_fit_, self.max_degree, self.search_list_size, self.alpha
        )


class VamanaTransformer(NeighborsTransformer, VamanaNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline, by a Vamana graph.  A transformed row
    holds ``n_neighbors + 1`` distances in ascending order (``mode="distance"``) or
    ``n_neighbors`` ones (``"connectivity"``); a fitted row begins with itself.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        What the graph holds.
    n_neighbors : int, default=5
        Neighbours of every row, without the row itself for ``mode="distance"``.
    metric : str, default="minkowski"
        As in :class:`VamanaNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, max_degree, search_list_size, ef_search, alpha, adaptive, build
        As in :class:`VamanaNeighbors`.
    exact_threshold
        As in :class:`VamanaNeighbors`.
    quantizer, rerank, store_vectors
        As in :class:`VamanaNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`VamanaNeighbors`.

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
    VamanaNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn_jin import VamanaTransformer
    >>> X = [[0.0], [1.0], [5.0]]
    >>> VamanaTransformer(n_neighbors=1).fit_transform(X).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 4., 0.]])
    """

    _parameter_constraints = {
        **VamanaNeighbors._parameter_constraints,
        **NeighborsTransformer._parameter_constraints,
    }

    def __init__(
        self,
        *,
        mode="distance",
        n_neighbors=5,
        radius=1.0,
        max_degree=32,
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
