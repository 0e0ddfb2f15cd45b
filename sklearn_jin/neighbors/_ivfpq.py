"""Approximate neighbours by lists of product codes."""

from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._codes import wanted
from sklearn_jin.neighbors._partition import PartitionNeighbors, without
from sklearn_jin.quantizers._product import (
    OptimizedProductQuantizer,
    ProductQuantizer,
)


class IVFPQNeighbors(PartitionNeighbors):
    """Approximate nearest neighbours by lists of product codes [1]_.

    :class:`IVFNeighbors` whose codes are those of residuals by
    :class:`ProductQuantizer`, or by :class:`OptimizedProductQuantizer`.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours returned by :meth:`kneighbors`.
    radius : float, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit.
    n_lists, n_probes, adaptive
        Cells of the rows, lists that a query scans, and whether easy queries scan
        fewer, as in :class:`IVFNeighbors`.
    n_subvectors : int or "auto", default="auto"
        Runs of features with a code each, as in :class:`ProductQuantizer`.  More give
        better candidates; memory and the time of a scan grow with it.  ``"auto"``
        takes runs of 2 features for 4 bits and of 4 for 8, so that a code has a byte
        for 4 features.
    n_bits : {4, 8}, default=4
        Bits of a run's code.  Codes of 4 bits are scanned by tables in registers, those
        of 8 bits one by one: they propose better for their length, and their
        scan takes about ten times as long.
    optimized : bool, default=False
        Turn residuals by a rotation that is learned [2]_: better candidates where
        features correlate, and a longer building.
    rerank : float, "bound" or None, default=None
        Candidates a neighbour that are scored exactly after the scan of the codes.
        More raise recall and cost about 60 ns each.  None takes 8, or 16 for
        codes half as long; for the inner product 16 and 24.
        ``"bound"`` goes on until the codes' error makes a nearer row unlikely: by
        the bound of every code for :class:`RaBitQ`, by what was learned in ``fit``
        for others.  Read when a query is made.
    store_vectors, max_train, exact_threshold
        What is kept of the rows, what is learned from, and up to how many rows there
        are no lists, as in :class:`IVFNeighbors`.
    metric, p, metric_params
        As in :class:`IVFNeighbors`, for metrics that codes serve: not for
        ``"manhattan"`` and ``"chebyshev"``.
    n_jobs : int, default=None
        Threads of building and of searches; the index does not depend on them.
    random_state : int, RandomState instance or None, default=None
        Draws the rows to learn from, the first centres and what codes draw.
    verbose : int, default=0
        Whether to print the progress of building.

    Attributes
    ----------
    n_lists_, list_sizes_, imbalance_, quantizer_, codes_, slack_, points_, index_
        As in :class:`IVFNeighbors`.
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

    See Also
    --------
    IVFPQTransformer : The same index as a transformer, for pipelines.
    IVFNeighbors : The same with any codes.

    References
    ----------
    .. [1] Jegou, Douze and Schmid, "Product quantization for nearest neighbor
       search", IEEE TPAMI 2011, section 4.
    .. [2] Ge, He, Ke and Sun, "Optimized product quantization", IEEE TPAMI 2014.
       https://arxiv.org/abs/1311.4055

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import IVFPQNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = IVFPQNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    """

    _parameter_constraints = {
        **without(PartitionNeighbors._parameter_constraints, "quantizer"),
        "n_subvectors": ProductQuantizer._parameter_constraints["n_subvectors"],
        "n_bits": ProductQuantizer._parameter_constraints["n_bits"],
        "optimized": ["boolean"],
    }

    def __init__(
        self,
        *,
        n_neighbors=5,
        radius=1.0,
        n_lists="auto",
        n_probes=None,
        adaptive=True,
        n_subvectors="auto",
        n_bits=4,
        optimized=False,
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
        self.n_subvectors = n_subvectors
        self.n_bits = n_bits
        self.optimized = optimized
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
        kind = OptimizedProductQuantizer if self.optimized else ProductQuantizer
        return wanted(self, metric, kind(self.n_subvectors, self.n_bits))


class IVFPQTransformer(NeighborsTransformer, IVFPQNeighbors):
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
        As in :class:`IVFPQNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, n_lists, n_probes, adaptive
        As in :class:`IVFPQNeighbors`.
    n_subvectors, n_bits, optimized
        As in :class:`IVFPQNeighbors`.
    rerank, store_vectors, max_train, exact_threshold
        As in :class:`IVFPQNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`IVFPQNeighbors`.

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
    IVFPQNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import IVFPQTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> IVFPQTransformer(n_neighbors=3, random_state=0).fit_transform(X).nnz
    7188
    """

    _parameter_constraints = {
        **IVFPQNeighbors._parameter_constraints,
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
        n_subvectors="auto",
        n_bits=4,
        optimized=False,
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
            n_subvectors=n_subvectors,
            n_bits=n_bits,
            optimized=optimized,
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
