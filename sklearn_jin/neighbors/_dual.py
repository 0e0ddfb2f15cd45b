"""Approximate neighbours by dual-branch HNSW."""

from numbers import Real

from sklearn_jin._arrays import Float64
from sklearn_jin._compat import Integers, Interval
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._graph import GraphNeighbors, default_alpha
from sklearn_jin.neighbors._shell import shell, transformer


@shell
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
    n_neighbors : int or None, default=5
        Number of neighbours that :meth:`kneighbors` returns.  With None, every call
        must give its own.
    radius : float or None, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit; it may be
        ``numpy.inf``.  With None, every call must give its own.
    M : int, default=16
        Most edges of a row in the upper layers, and half of the most in the lowest.
        More give a higher recall for the same ``ef_search`` where the data are hard,
        take ``8 * M`` bytes of memory a row, and lengthen building and queries.
    ef_construction : int, default=200
        Width of the beam that looks for the neighbours of a new row.  A wider one gives
        a better graph, so a higher recall for the same ``ef_search``; building time
        grows with it, memory does not.
    ef_search : int or None, default=None
        Width of the beam of a query: a walk keeps so many of the best rows.  Recall and
        query time both grow with it; memory does not.  None takes the larger of 50 and
        twice the number of neighbours that are asked for, and a width below that number
        is raised to it.  It is read when a query is made, so
        ``set_params(ef_search=...)`` needs no new fit.
    alpha : float or None, default=None
        Slack of the pruning rule, on distances: a candidate is not linked if ``alpha``
        times its distance to a neighbour that is linked already is less than its
        distance to the row.  1 is the rule of HNSW.  A larger one keeps more edges: it
        raises recall, building time and the time per query, and fills more of the
        memory that ``M`` reserves.  None takes ``sqrt(1.1)``, about 1.05, and for
        ``metric="inner_product"`` ``sqrt(1.4)``, about 1.18.
    bridge_threshold : float, default=0.5
        Share of all rows that have no bridge: bridges lead down from the rows of larger
        local dimension, for queries that are nearer to them than neighbours are on
        average.  With 0 every row has one, above 1 none.  Fewer bridges make the
        descent longer and the entries better.  Only squared distances have bridges.
    adaptive : bool, default=True
        Whether each query's walk ends by distance.  It then ends where the next
        candidate is farther than the ``n_neighbors``-th by as much as it is, on
        average, at a rank below ``ef_search``.  Easy queries end sooner and crowded
        ones go on, to ``4 * ef_search`` rows at most; ``ef_search`` is then the mean.
        With False, and for ``metric="inner_product"``, every query has the same beam.
        It is read when a query is made.
    target_recall : float or None, default=None
        Share of the true neighbours that queries are to find, between 0 and 1, instead
        of ``ef_search``, which must be None then.  ``fit`` asks up to 1,000 of its
        rows as if each had not been fitted, and takes the least ``ef_search`` whose
        recall is reached by the lower bound of its 95 % interval, and where that is not
        enough more candidates than ``rerank=None`` takes.  It does so for 1, 10, 100
        and ``n_neighbors`` neighbours; another number is measured when it is first
        asked for.  That takes about a second for 100,000 rows: see :ref:`recall`.
        It is read when a query is made: ``set_params(target_recall=0.99)`` needs no new
        fit after one that calibrated.  None searches as ``ef_search`` says.
    build : {"auto", "partition", "insert"}, default="auto"
        How the neighbours of rows are found.  ``"insert"`` searches for every row in
        the graph of those before it.  ``"partition"`` looks every row up in the lists
        of its nearest cells, as :class:`IVFPCANeighbors` does, and prunes what is found
        there to edges, which takes about 0.4 of the time for the same recall at the
        same speed.  It serves squared distances, so it refuses ``"manhattan"`` and
        ``"chebyshev"``; for ``"inner_product"`` it finds only the edges between near
        rows.  ``"auto"`` takes it where it serves the metric and there are at least
        10,000 rows.
    exact_threshold : int, default=1000
        Up to this number of rows no graph is built: every query is compared with all of
        them, which is exact and takes no building.
    quantizer : quantizer, "auto" or None, default=None
        Makes the codes that are searched instead of float32 rows, which are then read
        only to score the best candidates: a query reads less memory, and the index may
        take less.  It may be any of the library's quantizers, of which a copy is
        fitted.  None searches the rows themselves.  ``"auto"`` tries none,
        :class:`ScalarQuantizer` of 8 and 4 bits and, of 200 features and more,
        :class:`PCAQuantizer` on some rows, and takes what is the least work at a recall
        of 0.95; where rows are not kept, the quickest codes that keep 95 % of the
        neighbours.  Codes serve Euclidean, angular and Hellinger distances and the
        inner product.
    rerank : float, "bound" or None, default=None
        Number of candidates for each neighbour that are scored exactly after a search
        on codes.  More raise recall, up to what the codes lead to, and take about 0.1
        microseconds each.  None takes as many as hold 99.5 % of the neighbours of some
        rows, as ``fit`` measured: from 1 to 16 a neighbour, and an eighth of
        ``ef_search`` at least.  ``"bound"`` goes on until the error of the codes, as it
        was learned in ``fit``, makes a nearer row unlikely.  It is read when a query is
        made.
    store_vectors : bool or {"float32", "float16", "int8", "input"}, default=True
        What is kept of the rows.  True and ``"float32"`` keep them as float32.
        ``"float16"`` rounds them to 11 significant bits and half of the memory: with or
        without a ``quantizer`` they are searched, and half as many cache lines read.
        ``"input"`` keeps uint8, int8 and float16 rows as they come, exactly, and never
        makes a float32 copy of all: a quarter of the memory for bytes.  Metrics that
        compute other rows (cosine, angular, correlation, Hellinger) refuse such rows;
        rows of other types are kept as float32.  ``"int8"`` rounds rows to a quarter
        of the memory, and False keeps nothing but the codes, whose distances are
        estimates; both need a ``quantizer``.
    metric : str or callable, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"`` (the
        angle over pi), ``"correlation"``, ``"hellinger"``, ``"inner_product"``
        (distance ``-<x, q>``), ``"manhattan"`` (``"l1"``, ``"cityblock"``),
        ``"chebyshev"``, ``"minkowski"`` with ``p``, or one of those for places, for
        correlated features, for counts and for bits, listed in :ref:`metrics`.  Or a
        function of two float64 arrays of one dimension, which Numba compiles in
        ``fit``, in a second or two.
    p : float, default=2
        Order of ``metric="minkowski"``: a number from 1 on, or ``numpy.inf``.
        Other metrics ignore it.
    metric_params : dict or None, default=None
        Parameters of the metric, as ``{"V": ...}`` of ``"seuclidean"``: see
        :ref:`metrics`.  What is not given is learned from the rows, as variances are,
        or has a default.
    n_jobs : int or None, default=None
        Number of threads of building and of searches.  Neither the index nor answers
        depend on it.  None takes all cores, as scikit-learn's own OpenMP code does,
        within the limits of ``OMP_NUM_THREADS``, ``threadpoolctl`` and joblib's
        workers; integers mean what they do in scikit-learn's glossary.
    random_state : int, RandomState instance or None, default=None
        Draws the order of rows of equal local dimension, the cells of
        ``build="partition"`` and of the search for neighbours that dimensions are
        estimated from, and the rows that ``adaptive`` learns from.  An integer makes
        the index repeatable.
    verbose : int, default=0
        Whether to print the progress of building.  scikit-learn's callbacks (1.9 and
        later) are told of it too.

    Attributes
    ----------
    lid_ : ndarray of shape (n_samples_fit_,), or None
        Local intrinsic dimension of every row, from its 20 nearest neighbours at
        Euclidean distances of prepared rows; None where no graph was built.
    n_samples_fit_ : int
        Number of ids that were given: of the fitted rows, and of those that came later.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during :term:`fit`, where all are strings.
    effective_metric_ : str
        The metric that ``metric`` and ``p`` stand for.
    effective_metric_params_ : dict
        The parameters of that metric, given or learned; empty where it has none.
    n_unreachable_ : int
        Number of rows that no walk can reach.  It is 0, because building repairs them.
    quantizer_ : quantizer or None
        The fitted quantizer; None where the rows themselves are searched.
    quantizer_trial_ : tuple of Tried or None
        What ``quantizer="auto"`` tried, the rows first: records of ``quantizer``
        (unfitted; None for rows), ``n_bytes`` that a search reads of a row,
        ``candidates`` of 10 neighbours that are scored exactly, ``scores`` of a query
        and its ``work``, in nanoseconds of the machine that was measured once, infinite
        where neighbours are lost.  None where nothing was tried.
    calibration_ : Calibration or None
        What ``target_recall`` is met by: ``table``, records of ``k``, ``effort`` (of
        ``ef_search``), ``rerank`` (times the candidates by default), ``recall``, the
        bounds ``low`` and ``high`` of its 95 % interval, and ``work``, the scores of a
        query; and what it was measured on.  None where nothing was measured.
    index_ : Index
        The fitted index as one record of arrays: ``metric``; ``points``, the rows as
        they are kept for exact scores; ``codes``, what is searched instead of them, or
        None; ``route``, which is the graph, or tells that all rows are scanned; and
        ``learned``, what ``fit`` learned of the codes and of the data.

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

    M: int = 16
    ef_construction: int = 200
    alpha: float | None = None
    bridge_threshold: float = 0.5

    _parameter_constraints = {
        "M": [Integers(2, 1024)],
        "ef_construction": [Integers(1)],
        "alpha": [Interval(Real, 1, None, closed="left"), None],
        "bridge_threshold": [Interval(Real, 0, None, closed="left")],
    }
    _learned = {"lid_": Float64[1] | None}

    def _index(self, metric, points, progress):
        self.lid_ = None
        return super()._index(metric, points, progress)

    def _plan(self, points, rng):
        from sklearn_jin.construction import hnsw
        from sklearn_jin.points import count

        alpha = default_alpha(self)
        return hnsw.plan(count(points), self.M, self.ef_construction, alpha)

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


@transformer
class DualBranchHNSWTransformer(NeighborsTransformer, DualBranchHNSWNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  Its parameters are ``mode`` and those of
    :class:`DualBranchHNSWNeighbors`, which finds the neighbours.
    """
