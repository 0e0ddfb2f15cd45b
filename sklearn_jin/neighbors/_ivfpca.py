"""Approximate neighbours by lists of rows that are reduced to principal components."""

from sklearn_jin._compat import Integers, StrOptions
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._codes import wanted
from sklearn_jin.neighbors._partition import PartitionNeighbors
from sklearn_jin.neighbors._shell import shell, transformer
from sklearn_jin.quantizers._scalar import ScalarQuantizer


@shell
class IVFPCANeighbors(PartitionNeighbors):
    """Approximate nearest neighbours by inverted lists of principal components.

    Rows are reduced to their first principal components and divided among cells by
    k-means; a list holds what its rows lie from the centre, in a byte a component.  All
    queries of a batch that probe a list are multiplied with it at once, by
    instructions that multiply bytes; the best candidates are scored by the bytes of
    all features, and those that may be neighbours by the rows themselves.  The lists
    are those of [1]_; that most of the work is done in few dimensions is what LoRANN
    [2]_ gains by too.

    It is made for batches of queries, and is built in a fraction of the time of a
    graph.  For single queries a graph is faster.

    Parameters
    ----------
    n_neighbors : int or None, default=5
        Number of neighbours that :meth:`kneighbors` returns.  With None, every call
        must give its own.
    radius : float or None, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit; it may be
        ``numpy.inf``.  With None, every call must give its own.
    n_lists : int or "auto", default="auto"
        Number of cells that the rows are divided into, and so of lists.  With more of
        them fewer rows are scanned for the same recall, but more centres are compared
        with every query, and building takes longer.  ``"auto"`` takes the root of the
        number of rows; there are never more lists than rows.
    n_components : int or "auto", default="auto"
        Number of principal components that rows are reduced to.  Each takes a byte of
        memory a row, and time of the scan in proportion; with too few the estimates are
        so rough that neighbours are lost among the candidates, or many candidates must
        be scored.  ``"auto"`` takes as many as make a query the least work, as a trial
        on some rows tells; with as many as there are features nothing is left out.
        Where the bytes of none hold 95 % of some rows' neighbours among the candidates,
        as of rows of very different lengths, it keeps none: the lists hold the rows
        themselves, as those of ``IVFNeighbors(quantizer=None)`` do.
    n_probes : int or None, default=None
        Number of lists that a query scans.  Recall and query time grow with it.  None
        takes twice the root of ``n_lists``, and 28 at least.  It is read when a
        query is made, so ``set_params(n_probes=...)`` needs no new fit.
    adaptive : bool, default=True
        Whether easy queries scan fewer lists and hard ones more, up to twice
        ``n_probes``, which then is the mean over the data's own rows.  A query scans
        the lists whose centres' squared distance is within a multiple of the mean of
        its nearest five; the multiple is learned in ``fit``.  It has no effect on the
        inner product.  It is read when a query is made.
    target_recall : float or None, default=None
        Share of the true neighbours that queries are to find, between 0 and 1, instead
        of ``n_probes``, which must be None then.  ``fit`` asks up to 1,000 of its
        rows as if each had not been fitted, and takes the least ``n_probes`` whose
        recall is reached by the lower bound of its 95 % interval, and where that is not
        enough more candidates than ``rerank=None`` takes.  It does so for 1, 10, 100
        and ``n_neighbors`` neighbours; another number is measured when it is first
        asked for.  That takes about a second for 100,000 rows: see :ref:`recall`.
        It is read when a query is made: ``set_params(target_recall=0.99)`` needs no new
        fit after one that calibrated.  None searches as ``n_probes`` says.
    rerank : float, "bound" or None, default=None
        Number of candidates for each neighbour that the scan keeps.  More raise recall
        and query time; of 200 features and more, few of them are read as float32
        numbers.  None takes as many as hold 99.5 % of the neighbours of some rows, as
        ``fit`` measured: from 2.5 to 16 a neighbour, and 12 more than these at least.
        ``"bound"`` takes 32.  It is read when a query is made.
    store_vectors : {True, "float32", "float16", "int8", "input"}, default=True
        What is kept of the rows.  True and ``"float32"`` keep them as float32.
        ``"float16"`` rounds them to 11 significant bits and half of the memory.
        ``"input"`` keeps uint8, int8 and float16 rows as they come, exactly, and never
        makes a float32 copy of all: a quarter of the memory for bytes.  Metrics that
        compute other rows (cosine, angular, correlation, Hellinger) refuse such rows;
        rows of other types are kept as float32.  ``"int8"`` rounds rows to a quarter
        of the memory.  False is refused: the components propose, and the
        rows decide.
    max_train : int or "auto", default="auto"
        Number of rows, drawn at random, that centres are learned from.  More of them
        fit the data better and lengthen building; memory does not depend on them.
        ``"auto"`` takes 48 a list.
    exact_threshold : int, default=1000
        Up to this number of rows there are no lists: every query is compared with all
        of them, which is exact and takes no building.
    metric : str, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"`` (the
        angle over pi), ``"correlation"``, ``"hellinger"``, ``"inner_product"``
        (distance ``-<x, q>``), ``"haversine"``, ``"mahalanobis"``,
        ``"seuclidean"``, or ``"minkowski"`` with ``p=2``.
    p : float, default=2
        Order of ``metric="minkowski"``: 2, since no other has components.  Other
        metrics ignore it.
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
        Draws the rows to learn from, the first centres and how components are turned.
        An integer makes the index repeatable.
    verbose : int, default=0
        Whether to print the progress of building.  scikit-learn's callbacks (1.9 and
        later) are told of it too.

    Attributes
    ----------
    n_lists_ : int
        Number of lists, and 0 where all rows are scanned.
    n_components_ : int
        Number of components, and 0 where rows themselves are scanned.
    list_sizes_ : ndarray of shape (`n_lists_`,), int64
        Number of rows in every list; some may be empty.
    imbalance_ : float
        How many times the rows of lists of equal size a query scans that probes lists
        in proportion to their sizes: ``n_lists_ * sum(share**2)``, where ``share`` is a
        list's share of the rows.  It is 1 where all are equal, and NaN without lists.
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
    quantizer_ : quantizer or None
        What makes the bytes of all features; None where rows themselves are scanned.
    calibration_ : Calibration or None
        What ``target_recall`` is met by: ``table``, records of ``k``, ``effort`` (of
        ``n_probes``), ``rerank`` (times the candidates by default), ``recall``, the
        bounds ``low`` and ``high`` of its 95 % interval, and ``work``, the scores of a
        query; and what it was measured on.  None where nothing was measured.
    index_ : Index
        The fitted index as one record of arrays: ``metric``; ``points``, the rows as
        they are kept for exact scores; ``route``, which is the lists, or tells that all
        rows are scanned; ``learned``, what ``fit`` learned of the codes; and ``finer``,
        the bytes of all features, or None.

    See Also
    --------
    IVFPCATransformer : The same index as a transformer, for pipelines.
    IVFNeighbors : Lists of other codes, which take less memory.
    HNSWNeighbors : A graph: slower to build, faster for single queries.

    Notes
    -----
    Of a row are kept a byte for each component (rounded up to four), eight bytes for
    its number and for what it adds to every score, the row itself, and of 200 features
    and more a byte for each.  A list is padded to 32 rows.

    References
    ----------
    .. [1] Jegou, Douze and Schmid, "Product quantization for nearest neighbor
       search", IEEE TPAMI 2011, section 4, for the lists.
    .. [2] Jaasaari, Hyvonen and Roos, "LoRANN: Low-rank matrix factorization for
       approximate nearest neighbor search", NeurIPS 2024.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_jin import IVFPCANeighbors
    >>> X, _ = load_digits(return_X_y=True)
    >>> index = IVFPCANeighbors(n_neighbors=3, random_state=0).fit(X)
    >>> distances, ids = index.kneighbors(X[:2])
    >>> ids[:, 0]
    array([0, 1])
    """

    n_components: int | str = "auto"

    _parameter_constraints = {
        "n_components": [StrOptions({"auto"}), Integers(1)],
    }
    _learned = {"n_components_": int}

    _lists_by_root = 1.0
    _probes_by_root = 2.0
    _least_probes = 28

    def _index(self, metric, points, progress):
        self.n_components_ = 0
        return super()._index(metric, points, progress)

    def _wanted(self, metric):
        return wanted(self, metric, ScalarQuantizer(8))

    def _lists(self, metric, points, quantizer, step):
        if quantizer is None:
            return super()._lists(metric, points, None, step)
        coded = self._component_lists(metric, points, self.n_components, step)
        if coded.quantizer is not None:
            self.n_components_ = coded.lists.centers.shape[1]
        return coded


@transformer
class IVFPCATransformer(NeighborsTransformer, IVFPCANeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  Its parameters are ``mode`` and those of :class:`IVFPCANeighbors`,
    which finds the neighbours.
    """
