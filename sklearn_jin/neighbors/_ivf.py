"""Approximate neighbours by lists of cells."""

from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._codes import wanted
from sklearn_jin.neighbors._partition import PartitionNeighbors


class IVFNeighbors(PartitionNeighbors):
    """Approximate nearest neighbours by inverted lists [1]_.

    k-means divides the rows into cells.  A query probes the lists of the cells whose
    centres are nearest to it, by the metric's own distance; what is scanned there
    are short codes of the rows' residuals, 64 an instruction, and the best
    candidates are scored exactly.  Queries of a batch that probe a list share the
    pass over it, so that batches are faster than single queries; answers are
    the same.

    Building is faster than that of graphs and the index smaller; on hard data, such
    as word vectors, queries are faster too.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    n_lists : int or "auto", default="auto"
        Cells that the rows are divided into.  With more of them fewer rows are scanned
        for the same recall, but more centres are compared with every query, and
        building takes longer.  ``"auto"`` takes twice the root of the number of rows;
        never more than there are rows.
    n_probes : int, default=None
        Lists that a query scans: recall and query time grow with it, and all of
        them miss nothing that the candidates hold.  Read when a query is made.  None
        takes 1.5 times the root of ``n_lists``, and 32 at least.
    adaptive : bool, default=True
        Give easy queries fewer lists and hard ones more, up to twice ``n_probes``,
        which then is their mean over the data's own rows: the lists are probed whose
        centres' squared distance is within so many times the mean of the nearest
        ten.  About a quarter fewer rows are scanned for the same recall.  Not for
        the inner product.  Read when a query is made.
    quantizer : quantizer, "auto" or None, default="auto"
        Makes the codes of residuals that are scanned; a copy of it is fitted.
        ``"auto"`` takes :class:`ProductQuantizer` of 4 bits, for angles
        :class:`AnisotropicQuantizer`; :class:`RaBitQ` of 4 bits where neighbours of
        some rows, or for the inner product of random directions, are not among the
        candidates of the former; and none if they still are not.  Codes
        of 4 bits or fewer (``ProductQuantizer(n_bits=4)``, ``RaBitQ``, ``SAQ`` of one
        segment) are scanned by tables in registers; others one by one, which takes
        ten times as long.  None scans the rows themselves.
    rerank : float, "bound" or None, default=None
        Candidates a neighbour that are scored exactly after the scan of the codes.
        More raise recall and cost about 60 ns each.  None takes 1.5 for codes of 8
        bits a feature, 8 for 2 bits and 16 for one; for the inner product 16 and 24.
        ``"bound"`` goes on until the codes' error makes a nearer row unlikely: by
        the bound of every code for :class:`RaBitQ`, by what was learned in ``fit``
        for others.  Read when a query is made.
    store_vectors : {True, "float32", "float16", "int8"}, default=True
        What is kept of the rows for exact scores: float32 (True), or rounded to half
        or a quarter of that memory.
    max_train : int or "auto", default="auto"
        Rows, drawn at random, that centres and codes are learned from.  ``"auto"``
        takes 64 a list for the centres and at most 16,384 for the codes.
    exact_threshold : int, default=1000
        Up to this number of rows there are no lists: every query is compared with
        all of them.
    metric : str, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"``
        (the angle over pi), ``"correlation"``, ``"hellinger"``,
        ``"inner_product"`` (distance ``-<x, q>``), or ``"minkowski"`` with ``p``;
        without codes also ``"manhattan"`` (``"l1"``, ``"cityblock"``) and
        ``"chebyshev"``.
    p : float, default=2
        Order of ``metric="minkowski"``: 1, 2 or ``numpy.inf``.
    metric_params : dict, default=None
        None or empty; for the sake of :func:`sklearn.neighbors.kneighbors_graph`.
    n_jobs : int, default=None
        Threads of building and of searches; the index does not depend on them.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from, the first centres and what codes draw.
    verbose : int, default=0
        Whether to print the progress of building.

    Attributes
    ----------
    n_lists_ : int
        Number of lists, and 0 where all rows are scanned.
    list_sizes_ : ndarray of shape (`n_lists_`,), int64
        Rows of every list; some may be empty.
    imbalance_ : float
        How many times the rows of lists of equal size a query would scan that probes
        lists at the rate of their rows: 1 where all are equal.  NaN without lists.
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
        The quantizer, fitted to residuals.
    codes_ : NamedTuple or None
        What the codes are like; they themselves are in ``index_``.
    slack_ : float
        How many times its exact score the estimate of a neighbour is, at most.
    index_ : NamedTuple or None
        The lists, as arrays; None where all rows are scanned.

    See Also
    --------
    IVFTransformer : The same index as a transformer, for pipelines.
    IVFPQNeighbors : The same with product codes, and their parameters.
    ScaNNNeighbors : The same for inner products.
    HNSWNeighbors : A graph: slower to build, faster to search easy data.

    Notes
    -----
    Of a row are kept its code, two bytes for what it adds to every score (for the
    squared distance and codes without factors), its number in four bytes, and the
    row itself.  A list is not padded.

    References
    ----------
    .. [1] Jegou, Douze and Schmid, "Product quantization for nearest neighbor
       search", IEEE TPAMI 2011, section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import IVFNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = IVFNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    >>> index.set_params(n_probes=index.n_lists_).kneighbors(X[:2])[1][:, 0]
    array([0, 1])
    """

    _parameter_constraints = PartitionNeighbors._parameter_constraints

    def __init__(
        self,
        *,
        n_neighbors=5,
        radius=1.0,
        n_lists="auto",
        n_probes=None,
        adaptive=True,
        quantizer="auto",
        rerank=None,
        store_vectors=True,
        max_train="auto",
        exact_threshold=1000,
        metric="minkowski",
        p=2,
        metric_params=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.n_lists = n_lists
        self.n_probes = n_probes
        self.adaptive = adaptive
        self.quantizer = quantizer
        self.rerank = rerank
        self.store_vectors = store_vectors
        self.max_train = max_train
        self.exact_threshold = exact_threshold
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _wanted(self, metric):
        return wanted(self, metric, self.quantizer)


class IVFTransformer(NeighborsTransformer, IVFNeighbors):
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
        As in :class:`IVFNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, n_lists, n_probes, adaptive
        As in :class:`IVFNeighbors`.
    quantizer
        As in :class:`IVFNeighbors`.
    rerank, store_vectors, max_train, exact_threshold
        As in :class:`IVFNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`IVFNeighbors`.

    Attributes
    ----------
    n_samples_fit_ : int
        Number of fitted rows, and of output features.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    n_lists_ : int
        Number of lists.

    See Also
    --------
    IVFNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import IVFTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> IVFTransformer(n_neighbors=3, random_state=0).fit_transform(X).nnz
    7188
    """

    _parameter_constraints = {
        **IVFNeighbors._parameter_constraints,
        **NeighborsTransformer._parameter_constraints,
    }

    def __init__(
        self,
        *,
        mode="distance",
        n_neighbors=5,
        radius=1.0,
        n_lists="auto",
        n_probes=None,
        adaptive=True,
        quantizer="auto",
        rerank=None,
        store_vectors=True,
        max_train="auto",
        exact_threshold=1000,
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
            n_lists=n_lists,
            n_probes=n_probes,
            adaptive=adaptive,
            quantizer=quantizer,
            rerank=rerank,
            store_vectors=store_vectors,
            max_train=max_train,
            exact_threshold=exact_threshold,
            metric=metric,
            p=p,
            metric_params=metric_params,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.mode = mode
