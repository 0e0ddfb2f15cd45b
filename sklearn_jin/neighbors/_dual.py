"""Approximate neighbours by dual-branch HNSW."""

from numbers import Integral, Real

from sklearn_jin._compat import Interval
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._graph import GraphNeighbors, default_alpha


class DualBranchHNSWNeighbors(GraphNeighbors):
    """Approximate nearest neighbours by two hierarchies over one graph [1]_.

    Rows are inserted in the order of their local intrinsic dimension, the largest
    first, so that outliers and rows of sparse regions fill the upper layers.
    There they belong to two branches in turn.  A query descends both, takes a
    bridge down past all layers where it is near a row of large local dimension,
    and walks on the lowest layer from both entries at once.

    Measured beside :class:`HNSWNeighbors` it is no better on any data we have; see the
    study of hierarchies in the documentation.  It differs from [1]_ in that the two
    walks on the lowest layer share one beam, that local dimensions are ranked, not
    scaled by their extremes, and that neighbours are pruned.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    M : int, default=16
        Edges of a row in the upper layers, and half of the most it has in the
        lowest, as in :class:`HNSWNeighbors`.
    ef_construction : int, default=200
        Width of the beam that looks for the neighbours of a new row.
    ef_search : int, default=None
        Width of the beam of a query, as in :class:`HNSWNeighbors`: recall and query
        time grow with it.  Read when a query is made.
    alpha : float, default=None
        As in :class:`HNSWNeighbors`: a larger one keeps more edges.
    bridge_threshold : float, default=0.5
        From rows of a local dimension above that of so large a share of all rows
        bridges lead down, for queries that are nearer than neighbours are on average.
        0 gives every row a bridge; above 1 none has one.  Fewer bridges make the
        descent longer and the entries better.  Only squared distances have bridges.
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
    lid_ : ndarray of shape (n_samples_fit_,), or None
        Local intrinsic dimension of every row, from its 20 nearest neighbours at
        Euclidean distances of prepared rows; None where no graph was built.
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
    DualBranchHNSWTransformer : The same index as a transformer, for pipelines.
    HNSWNeighbors : One hierarchy, in random order.
    LocalIntrinsicDimensionality : What rows are ordered by.

    References
    ----------
    .. [1] "Dual-branch HNSW approach with skip bridges and LID-driven optimization",
       2025. https://arxiv.org/abs/2501.13992

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import DualBranchHNSWNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = DualBranchHNSWNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    """

    _parameter_constraints = {
        **GraphNeighbors._parameter_constraints,
        "M": [Interval(Integral, 2, 1024, closed="both")],
        "ef_construction": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 1, None, closed="left"), None],
        "bridge_threshold": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        n_neighbors=5,
        radius=1.0,
        M=16,
        ef_construction=200,
        ef_search=None,
        alpha=None,
        bridge_threshold=0.5,
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
        self.M = M
        self.ef_construction = ef_construction
        self.ef_search = ef_search
        self.alpha = alpha
        self.bridge_threshold = bridge_threshold
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
        self.lid_ = None
        return super()._index(metric, points, progress)

    def _plan(self, points, rng):
        from sklearn_jin.construction import hnsw

        alpha = default_alpha(self)
        return hnsw.plan(self.n_samples_fit_, self.M, self.ef_construction, alpha)

    def _grow(self, metric, points, rng, progress):
        from sklearn_jin.construction import dual
        from sklearn_jin.construction.grow import grow

        n_threads = self._threads()
        self.lid_, radius = dual.local_dimensions(points, rng, n_threads)
        order, ranks = dual.order_by_dimension(self.lid_, rng)
        plan, by_cells = self._plan(points, rng), self._by_cells(metric)
        layers, missing = grow(points, order, plan, rng, n_threads, by_cells, progress)
        bridges = dual.Bridges(ranks, self.bridge_threshold, radius)
        branches = dual.join(layers, points, order, bridges, plan, rng, n_threads)
        return branches, missing


class DualBranchHNSWTransformer(NeighborsTransformer, DualBranchHNSWNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline, by dual-branch HNSW.  A transformed row
    holds ``n_neighbors + 1`` distances in ascending order (``mode="distance"``) or
    ``n_neighbors`` ones (``"connectivity"``); a fitted row begins with itself.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        What the graph holds.
    n_neighbors : int, default=5
        Neighbours of every row, without the row itself for ``mode="distance"``.
    metric : str, default="minkowski"
        As in :class:`DualBranchHNSWNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, M, ef_construction, ef_search, alpha, bridge_threshold, adaptive, build
        As in :class:`DualBranchHNSWNeighbors`.
    exact_threshold
        As in :class:`DualBranchHNSWNeighbors`.
    quantizer, rerank, store_vectors
        As in :class:`DualBranchHNSWNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`DualBranchHNSWNeighbors`.

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
    DualBranchHNSWNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn_jin import DualBranchHNSWTransformer
    >>> X = [[0.0], [1.0], [5.0]]
    >>> DualBranchHNSWTransformer(n_neighbors=1).fit_transform(X).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 4., 0.]])
    """

    _parameter_constraints = {
        **DualBranchHNSWNeighbors._parameter_constraints,
        **NeighborsTransformer._parameter_constraints,
    }

    def __init__(
        self,
        *,
        mode="distance",
        n_neighbors=5,
        radius=1.0,
        M=16,
        ef_construction=200,
        ef_search=None,
        alpha=None,
        bridge_threshold=0.5,
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
            M=M,
            ef_construction=ef_construction,
            ef_search=ef_search,
            alpha=alpha,
            bridge_threshold=bridge_threshold,
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
