"""Approximate neighbours by lists of anisotropic codes."""

from numbers import Real

from sklearn_jin._compat import Interval
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._codes import wanted
from sklearn_jin.neighbors._partition import PartitionNeighbors, without
from sklearn_jin.quantizers._product import AnisotropicQuantizer

SPILL = 1.0  # weight of SOAR, lambda


class ScaNNNeighbors(PartitionNeighbors):
    """Approximate nearest neighbours by lists of anisotropic codes [1]_.

    :class:`IVFNeighbors` whose codes are those of :class:`AnisotropicQuantizer`, with 4
    bits for every two features: errors along a row, which change its inner
    product with the queries that it answers, weigh more than those across it.  For
    inner products and angles; the largest inner products are found as they are, of
    rows of any length and for queries unlike the rows.

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
        Runs of features with a code each.  More give better candidates; memory and the
        time of a scan grow with it.  ``"auto"`` takes runs of 2 features.
    threshold : float or "auto", default="auto"
        Least inner product that counts, as in :class:`AnisotropicQuantizer`.
    spill : bool or float, default=False
        Whether each row is in a second list, so that it is found by queries for which
        the first one looks bad [2]_: recall is higher for the same ``n_probes``, and
        memory of codes and the rows of a list double.  A number is the weight
        (``lambda`` in [2]_) by which the residual of the second list is to be
        orthogonal to that of the first; True stands for 1, and 0 takes the second
        nearest.
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
    ScaNNTransformer : The same index as a transformer, for pipelines.
    IVFNeighbors : The same with any codes.

    References
    ----------
    .. [1] Guo, Sun, Lindgren, Geng, Simcha, Chern and Kumar, "Accelerating
       large-scale inference with anisotropic vector quantization", ICML 2020.
       https://arxiv.org/abs/1908.10396
    .. [2] Sun, Simcha, Dopson, Guo and Kumar, "SOAR: improved indexing for
       approximate nearest neighbor search", NeurIPS 2023.
       https://arxiv.org/abs/2404.00774

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import ScaNNNeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = ScaNNNeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    """

    _parameter_constraints = {
        **without(PartitionNeighbors._parameter_constraints, "quantizer"),
        "n_subvectors": AnisotropicQuantizer._parameter_constraints["n_subvectors"],
        "threshold": AnisotropicQuantizer._parameter_constraints["threshold"],
        "spill": ["boolean", Interval(Real, 0, None, closed="left")],
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
        threshold="auto",
        spill=False,
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
        self.threshold = threshold
        self.spill = spill
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
        quantizer = AnisotropicQuantizer(self.n_subvectors, threshold=self.threshold)
        return wanted(self, metric, quantizer)

    @property
    def _spill(self):
        if self.spill is False:
            return None
        return SPILL if self.spill is True else float(self.spill)


class ScaNNTransformer(NeighborsTransformer, ScaNNNeighbors):
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
        As in :class:`ScaNNNeighbors`, without ``"inner_product"``: precomputed
        graphs must not be negative.
    radius, n_lists, n_probes, adaptive
        As in :class:`ScaNNNeighbors`.
    n_subvectors, threshold, spill
        As in :class:`ScaNNNeighbors`.
    rerank, store_vectors, max_train, exact_threshold
        As in :class:`ScaNNNeighbors`.
    p, metric_params, n_jobs, random_state, verbose
        As in :class:`ScaNNNeighbors`.

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
    ScaNNNeighbors : The same index, without the transformer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import ScaNNTransformer
    >>> X, _ = load_digits(return_X_y=True)
    >>> ScaNNTransformer(n_neighbors=3, random_state=0).fit_transform(X).nnz
    7188
    """

    _parameter_constraints = {
        **ScaNNNeighbors._parameter_constraints,
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
        threshold="auto",
        spill=False,
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
            threshold=threshold,
            spill=spill,
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
