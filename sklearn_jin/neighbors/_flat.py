"""Exact neighbours, by looking at every row."""

from sklearn_jin.neighbors._base import Neighbors, NeighborsTransformer
from sklearn_jin.neighbors._codes import candidates_of, encode, keep_rows

WIDEST_RERANK = 32  # candidates a neighbour of a scan that a bound ends, at most


class FlatNeighbors(Neighbors):
    """Exact nearest neighbours: every query is compared with every row.

    Blocks of matrix products in float32 propose neighbours, distances in
    float64 choose among them, and a query whose choice rounding could have
    spoilt is compared one row at a time.  So the answer is exact for the rows
    as float32 numbers, and does not depend on the batch.  Time grows with
    ``n_queries * n_samples * n_features``; memory is that of the rows.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    quantizer : quantizer, "auto" or None, default=None
        Makes the codes that are searched instead of float32 rows, which are
        then read only to score the best candidates: a scan reads less
        memory, and answers are approximate.  Any of the library's quantizers,
        of which a copy is fitted.  None searches the rows themselves.
        ``"auto"`` takes a :class:`ScalarQuantizer` of 4 bits, or of 8 where
        these fit a cache line (64 bytes) or 4 bits can not tell neighbours
        apart, or none.
        For Euclidean, angular and Hellinger distances and the inner product.
    rerank : float, "bound" or None, default=None
        Candidates a neighbour that are scored exactly after a scan of codes.
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
        Threads of a search.  None takes all cores, as scikit-learn's own OpenMP
        code does, within the limits of ``OMP_NUM_THREADS``, ``threadpoolctl``
        and joblib's workers; integers are as in scikit-learn's glossary.
    random_state : int, RandomState instance or None, default=None
        Not used; present so that indexes can be exchanged.
    verbose : int, default=0
        Not used; present so that indexes can be exchanged.

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
    points_ : NamedTuple
        The rows as they are kept for exact scores, prepared for the metric.
    quantizer_ : quantizer or None
        The fitted quantizer.
    codes_ : NamedTuple or None
        The codes that are scanned.
    slack_ : float
        How many times its exact score the estimate of a neighbour is, at most.

    See Also
    --------
    HNSWNeighbors : Approximate, and faster from some thousands of rows on.
    sklearn.neighbors.NearestNeighbors : Exact, with trees in few dimensions.

    Examples
    --------
    >>> from sklearn_jin import FlatNeighbors
    >>> index = FlatNeighbors(n_neighbors=2).fit([[0.0], [1.0], [5.0]])
    >>> index.kneighbors([[0.9]], return_distance=False)
    array([[1, 0]])
    """

    _parameter_constraints = {
        **Neighbors._parameter_constraints,
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        n_neighbors=5,
        radius=1.0,
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
        from sklearn_jin.construction.codes import candidates_per_neighbor
        from sklearn_jin.search.fastscan import block
        from sklearn_jin.search.index import FLAT, Index, Learned

        with progress(0):
            encoded = encode(self, metric, points)
        self.quantizer_ = encoded.quantizer
        kept, decoder = keep_rows(self, metric, points, encoded)
        if encoded.quantizer is None or kept is encoded.codes:
            learned = Learned(decoder=decoder)
            return Index(metric, kept, encoded.codes, FLAT, learned)
        factor = candidates_per_neighbor(encoded.quantizer.n_bytes_, metric)
        learned = Learned(factor, encoded.overestimate, decoder=decoder)
        blocks = block(encoded.codes)
        if blocks is None:
            return Index(metric, kept, encoded.codes, FLAT, learned)
        return Index(metric, kept, None, blocks, learned)

    def _search(self, k):
        from sklearn_jin.search.index import Search

        n = self.n_samples_fit_
        widest = min(WIDEST_RERANK * k, n) if self.rerank == "bound" else n
        room, overestimate = candidates_of(self, k, widest)
        return Search(k, room, overestimate=overestimate)


class FlatTransformer(NeighborsTransformer, FlatNeighbors):
    """Turn rows into the sparse graph of their exact nearest neighbours.

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
        As in :class:`FlatNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    quantizer, rerank, store_vectors
        As in :class:`FlatNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`FlatNeighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`.

    Attributes
    ----------
    n_samples_fit_ : int
        Number of fitted rows, and of output features.
    n_features_in_ : int
        Number of features seen during :term:`fit`.

    See Also
    --------
    FlatNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn_jin import FlatTransformer
    >>> FlatTransformer(n_neighbors=1).fit_transform([[0.0], [1.0], [5.0]]).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 4., 0.]])
    """

    _parameter_constraints = {
        **FlatNeighbors._parameter_constraints,
        **NeighborsTransformer._parameter_constraints,
    }

    def __init__(
        self,
        *,
        mode="distance",
        n_neighbors=5,
        radius=1.0,
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
