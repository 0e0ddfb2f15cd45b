"""Approximate neighbours by a sparse neighbourhood graph."""

from numbers import Real

from sklearn_jin._compat import Integers, Interval, StrOptions
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._graph import GraphNeighbors
from sklearn_jin.neighbors._shell import shell, transformer


@shell
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
    n_neighbors : int or None, default=5
        Number of neighbours that :meth:`kneighbors` returns.  With None, every call
        must give its own.
    radius : float or None, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit; it may be
        ``numpy.inf``.  With None, every call must give its own.
    max_degree : int or "auto", default="auto"
        Most edges of a row (``R`` in [1]_).  More give a higher recall for the same
        ``ef_search`` where the data are hard, take 4 bytes of memory each, and lengthen
        building and queries.  ``"auto"`` calibrates it, within 16 and 128.
    search_list_size : int, default=100
        Width of the beam that looks for the neighbours of a row in building (``L`` in
        Vamana).  A wider one gives a better graph, so a higher recall for the same
        ``ef_search``; building time grows with it, memory does not.  It also raises the
        calibrated bound a little.
    ef_search : int or None, default=None
        Width of the beam of a query: a walk keeps so many of the best rows.  Recall and
        query time both grow with it; memory does not.  None takes the larger of 50 and
        twice the number of neighbours that are asked for, and a width below that number
        is raised to it.  It is read when a query is made, so
        ``set_params(ef_search=...)`` needs no new fit.
    alpha : float, default=1.2
        Slack of the pruning rule, on distances: a candidate is not linked if ``alpha``
        times its distance to a neighbour that is linked already is less than its
        distance to the row.  A larger one keeps more and longer edges: walks take fewer
        hops, each of which looks at more rows, and building takes longer.  It also
        lowers the calibrated bound.
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
        Draws the order in which rows are inserted, the landmarks, the cells of
        ``build="partition"`` and the rows that ``adaptive`` learns from, and the rows
        of the reference graph.  An integer makes the index repeatable.
    verbose : int, default=0
        Whether to print the progress of building.  scikit-learn's callbacks (1.9 and
        later) are told of it too.

    Attributes
    ----------
    max_degree_ : int
        The bound on degrees that the graph was built with.
    mean_degree_reference_ : float
        Mean degree of the reference graph; NaN where ``max_degree`` was given or no
        graph was built.
    n_reference_ : int
        Number of rows of the reference graph, or 0 where there is none.
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

    max_degree: int | str = "auto"
    search_list_size: int = 100
    alpha: float = 1.2

    _parameter_constraints = {
        "max_degree": [Integers(2, 1024), StrOptions({"auto"})],
        "search_list_size": [Integers(1)],
        "alpha": [Interval(Real, 1, None, closed="left")],
    }
    _learned = {
        "max_degree_": int | str,
        "n_reference_": int,
        "mean_degree_reference_": float,
    }

    def _index(self, metric, points, progress):
        self.max_degree_, self.n_reference_ = self.max_degree, 0
        self.mean_degree_reference_ = float("nan")
        return super()._index(metric, points, progress)

    def _plan(self, points, rng):
        from sklearn_jin.construction import sng
        from sklearn_jin.points import count

        n, alpha, ef = count(points), self.alpha, self.search_list_size
        if self.max_degree == "auto":
            mean, m = sng.reference_degree(points, ef, rng, self._threads())
            self.mean_degree_reference_, self.n_reference_ = mean, m
            self.max_degree_ = sng.bound(mean, m, n, alpha)
        return sng.plan(n, self.max_degree_, ef, alpha)


@transformer
class SNGTransformer(NeighborsTransformer, SNGNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  Its parameters are ``mode`` and those of :class:`SNGNeighbors`,
    which finds the neighbours.
    """
