"""Approximate neighbours by a flat navigable small world graph."""

from numbers import Integral, Real

from sklearn_jin._compat import Interval
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._graph import GraphNeighbors, default_alpha


class NSWNeighbors(GraphNeighbors):
    """Approximate nearest neighbours by a flat navigable small world graph [1]_.

    Rows are inserted one batch after another into a graph of one layer: each is
    joined to diverse ones of the nearest that a walk meets, in both directions,
    and no row has more than ``2 M`` edges.  Early edges, which were short when few
    rows were there, lead far later on.  Where the original lets the degrees of
    hubs grow without bound and keeps the nearest, this prunes by the rule of
    HNSW; so the graph is the lowest layer of :class:`HNSWNeighbors` by itself,
    which in many dimensions is searched as quickly without the others [2]_.
    A walk starts from the nearest of 256 landmarks, rows drawn at random and the
    medoid.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    M : int, default=16
        Half of the most edges of a row.  More give a higher recall for the same
        ``ef_search`` where the data are hard, and cost ``8 * M`` bytes a row and
        building time.
    ef_construction : int, default=200
        Width of the beam that looks for the neighbours of a new row.  A wider one
        gives a better graph and takes longer; memory does not grow.
    ef_search : int, default=None
        Width of the beam of a query, as in :class:`HNSWNeighbors`: recall and query
        time grow with it.  Read when a query is made.
    alpha : float, default=None
        As in :class:`HNSWNeighbors`: a larger one keeps more edges.  None takes
        1.1, and 1.4 for ``metric="inner_product"``.
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
    NSWTransformer : The same index as a transformer, for pipelines.
    HNSWNeighbors : With upper layers that lead to an entry.
    VamanaNeighbors : Flat too, with longer edges.

    References
    ----------
    .. [1] Malkov, Ponomarenko, Logvinov and Krylov, "Approximate nearest neighbor
       algorithm based on navigable small world graphs", Information Systems 45,
       2014.
    .. [2] Munyampirwa, Lakshman and Coleman, "Down with the hierarchy: the 'H' in
       HNSW stands for 'hubs'", 2024. https://arxiv.org/abs/2412.01940

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import NSWNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = NSWNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    """

    _parameter_constraints = {
        **GraphNeighbors._parameter_constraints,
        "M": [Interval(Integral, 2, 1024, closed="both")],
        "ef_construction": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 1, None, closed="left"), None],
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
        from sklearn_jin.construction import nsw

        return nsw.plan(
            self.n_samples_fit_, self.M, self.ef_construction, default_alpha(self)
        )


class NSWTransformer(NeighborsTransformer, NSWNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline, by a flat navigable small world graph.  A transformed row
    holds ``n_neighbors + 1`` distances in ascending order (``mode="distance"``) or
    ``n_neighbors`` ones (``"connectivity"``); a fitted row begins with itself.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        What the graph holds.
    n_neighbors : int, default=5
        Neighbours of every row, without the row itself for ``mode="distance"``.
    metric : str, default="minkowski"
        As in :class:`NSWNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, M, ef_construction, ef_search, alpha, adaptive, build, exact_threshold
        As in :class:`NSWNeighbors`.
    quantizer, rerank, store_vectors
        As in :class:`NSWNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`NSWNeighbors`.

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
    NSWNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn_jin import NSWTransformer
    >>> X = [[0.0], [1.0], [5.0]]
    >>> NSWTransformer(n_neighbors=1).fit_transform(X).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 4., 0.]])
    """

    _parameter_constraints = {
        **NSWNeighbors._parameter_constraints,
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
