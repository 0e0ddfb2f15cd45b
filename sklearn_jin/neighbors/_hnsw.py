"""Approximate neighbours by a hierarchical navigable small world graph."""

from numbers import Integral, Real

from sklearn_jin._compat import Interval
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._graph import GraphNeighbors, default_alpha


class HNSWNeighbors(GraphNeighbors):
    """Approximate nearest neighbours by a navigable small world graph [1]_.

    The rows are nodes of a graph; a query walks from node to nearer node and
    keeps the ``ef_search`` best.  It reads a few hundred or thousand rows
    whatever their number.  Every answer holds exactly ``n_neighbors`` distinct
    rows with their true distances, ascending; what is approximate is only that
    a nearer row may be missed.  The same data, parameters and ``random_state``
    give the same index, whatever ``n_jobs`` is, and a query's answer does not
    depend on its batch.

    For ``metric="inner_product"`` half of the edges join rows of large inner
    product [2]_ and half join near rows, and the longest rows are inserted first.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    M : int, default=16
        Edges of a node in the upper layers, and half of the most it has in the
        lowest.  More give a higher recall for the same ``ef_search`` where
        the data are hard, and cost ``8 * M`` bytes a row and building time.
    ef_construction : int, default=200
        Width of the beam that looks for the neighbours of a new node.  A wider
        one gives a better graph; building time grows with it, memory does not.
    ef_search : int, default=None
        Width of the beam of a query.  Recall and query time both grow with it:
        twice the width, about 1.8 times the time.  None takes the larger of 50
        and twice the neighbours asked for; less than those is raised to them.
        Read when a query is made, so ``set_params(ef_search=...)`` needs no
        new fit.
    alpha : float, default=None
        A neighbour is dropped when another one is nearer to it by this factor,
        on squared distances.  1 is the rule of [1]_; a larger one keeps more
        edges, which raises recall and the time per query alike.  None takes
        1.1, and 1.4 for ``metric="inner_product"``.
    adaptive : bool, default=True
        End a query's walk by distance: where the next candidate is farther
        than the ``n_neighbors``-th by as much as it is, on average, at a rank below
        ``ef_search``.  Easy queries end sooner and crowded ones go on, to
        ``4 * ef_search`` nodes at most; ``ef_search`` is then the mean.  At equal
        recall that saves 15 to 30 % of the work [3]_.  False, and
        ``metric="inner_product"``, give every query the same beam.  Read when a
        query is made.
    build : {"auto", "partition", "insert"}, default="auto"
        ``"insert"`` searches every row in the graph of those before it.
        ``"partition"`` compares rows by matrix products within overlapping cells
        and searches each from itself along the lists which that gives (as
        PiPNN [4]_): about 0.6 of the time, for the same recall at the same speed.
        It takes squared distances, so not ``"manhattan"`` and ``"chebyshev"``; for
        ``"inner_product"`` only the edges between near rows are found so.
        ``"auto"`` takes it where it can and rows are 10,000 at least.
    exact_threshold : int, default=1000
        Up to this number of rows no graph is built: every query is compared
        with all of them, which is exact and needs no building.
    quantizer : quantizer, "auto" or None, default=None
        Makes the codes that are searched instead of float32 rows, which are
        then read only to score the best candidates: a query reads less
        memory.  Any of the library's quantizers, of which a copy is fitted.
        None searches the rows themselves.  ``"auto"`` takes a
        :class:`ScalarQuantizer` of 4 bits, or of 8 where these fit a cache line
        (64 bytes) or 4 bits can not tell neighbours apart, or none.
        For Euclidean, angular and Hellinger distances and the inner product.
    rerank : float, "bound" or None, default=None
        Candidates a neighbour that are scored exactly after a search on codes.
        More raise recall, up to what the codes lead to, and cost about 0.1
        microseconds each.  None takes 1.5 for codes of 8 bits a feature up to 16
        for one bit.  ``"bound"`` goes on until the codes' error, as learned
        in ``fit``, makes a nearer row unlikely.
    store_vectors : bool or {"float32", "float16", "int8"}, default=True
        What is kept for exact scores: the rows as float32 (True), rounded to
        half or a quarter of their memory, or nothing but the codes (False), whose
        distances are estimates.  Anything but float32 needs a ``quantizer``.
    metric : str, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"``
        (the angle over pi), ``"correlation"``, ``"hellinger"``,
        ``"inner_product"`` (distance ``-<x, q>``), ``"manhattan"`` (``"l1"``,
        ``"cityblock"``), ``"chebyshev"``, or ``"minkowski"`` with ``p``.
    p : float, default=2
        Order of ``metric="minkowski"``: 1, 2 or ``numpy.inf``.
    metric_params : dict, default=None
        None or empty; for the sake of :func:`sklearn.neighbors.kneighbors_graph`.
    n_jobs : int, default=None
        Threads of building and of searches.  None takes all cores, as
        scikit-learn's own OpenMP code does, within the limits of
        ``OMP_NUM_THREADS``, ``threadpoolctl`` and joblib's workers; integers are
        as in scikit-learn's glossary.
    random_state : int, RandomState instance or None, default=None
        Draws the order of insertion, for ``metric="inner_product"`` that of rows
        of one length.  An integer makes the index repeatable.
    verbose : int, default=0
        Whether to print the progress of building.  scikit-learn's callbacks
        (1.9 and later) are told of it too.

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
    effective_metric_params_ : dict
        Empty.
    n_unreachable_ : int
        Nodes that no walk can come to: 0, for building repairs them.
    points_ : NamedTuple
        The rows as they are kept for exact scores, prepared for the metric.
    quantizer_ : quantizer or None
        The fitted quantizer.
    codes_ : NamedTuple or None
        The codes that are searched.
    slack_ : float
        How many times its exact score the estimate of a neighbour is, at most.
    spread_ : ndarray
        Means of the logarithms of scores by rank, for ``adaptive``.
    index_ : NamedTuple or None
        The graph, as arrays; None where all rows are scanned.

    See Also
    --------
    HNSWTransformer : The same index as a transformer, for pipelines.
    FlatNeighbors : Exact neighbours.

    References
    ----------
    .. [1] Malkov and Yashunin, "Efficient and robust approximate nearest neighbor
       search using hierarchical navigable small world graphs", IEEE TPAMI 2020,
       algorithms 1 to 5. https://arxiv.org/abs/1603.09320
    .. [2] Morozov and Babenko, "Non-metric similarity graphs for maximum inner
       product search", NeurIPS 2018.
    .. [3] Al-Jazzazi et al., "Distance adaptive beam search for provably accurate
       graph-based nearest neighbor search", 2025. https://arxiv.org/abs/2505.15636
    .. [4] "PiPNN: ultra-scalable graph-based nearest neighbor indexing", 2026.
       https://arxiv.org/abs/2602.21247

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import HNSWNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = HNSWNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    >>> distances.shape
    (2, 3)
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
        from sklearn_jin.construction import hnsw

        alpha = default_alpha(self)
        return hnsw.plan(self.n_samples_fit_, self.M, self.ef_construction, alpha)


class HNSWTransformer(NeighborsTransformer, HNSWNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  A transformed row holds ``n_neighbors + 1`` distances in
    ascending order (``mode="distance"``) or ``n_neighbors`` ones
    (``"connectivity"``); a fitted row begins with itself.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        What the graph holds.
    n_neighbors : int, default=5
        Neighbours of every row, without the row itself for ``mode="distance"``.
    metric : str, default="minkowski"
        As in :class:`HNSWNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, M, ef_construction, ef_search, alpha, adaptive, build, exact_threshold
        As in :class:`HNSWNeighbors`.
    quantizer, rerank, store_vectors
        As in :class:`HNSWNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`HNSWNeighbors`.

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
    HNSWNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_jin import HNSWTransformer
    >>> X, y = load_digits(return_X_y=True)
    >>> model = make_pipeline(
    ...     HNSWTransformer(n_neighbors=5, random_state=0),
    ...     KNeighborsClassifier(n_neighbors=5, metric="precomputed"),
    ... )
    >>> model.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.95
    True
    """

    _parameter_constraints = {
        **HNSWNeighbors._parameter_constraints,
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
