"""Approximate neighbours by lists of anisotropic codes."""

from numbers import Real

from sklearn_jin._compat import Integers, Interval, StrOptions
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._codes import wanted
from sklearn_jin.neighbors._partition import PartitionNeighbors
from sklearn_jin.neighbors._shell import shell, transformer
from sklearn_jin.quantizers._product import AnisotropicQuantizer

SPILL = 1.0  # weight of SOAR, lambda


@shell
class ScaNNNeighbors(PartitionNeighbors):
    """Approximate nearest neighbours by lists of anisotropic codes [1]_.

    :class:`IVFNeighbors` whose codes are those of :class:`AnisotropicQuantizer`, with 4
    bits for every two features: errors along a row, which change its inner
    product with the queries that it answers, weigh more than those across it.  For
    inner products and angles; the largest inner products are found as they are, of
    rows of any length and for queries unlike the rows.

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
        with every query, and building takes longer.  ``"auto"`` takes twice the root of
        the number of rows; there are never more lists than rows.
    n_probes : int or None, default=None
        Number of lists that a query scans.  Recall and query time grow with it; if it
        is ``n_lists``, only the codes can miss a neighbour.  None takes 1.5 times the
        root of ``n_lists``, and 32 at least.  It is read when a query is made, so
        ``set_params(n_probes=...)`` needs no new fit.
    adaptive : bool, default=True
        Whether easy queries scan fewer lists and hard ones more, up to twice
        ``n_probes``, which then is the mean over the data's own rows.  A query scans
        the lists whose centres' squared distance is within a multiple of the mean of
        its nearest five; the multiple is learned in ``fit``.  About a quarter fewer
        rows are scanned for the same recall.  It has no effect on the inner product.
        It is read when a query is made.
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
    n_subvectors : int or "auto", default="auto"
        Number of runs of features that have a code of 4 bits each.  More give better
        candidates; memory and the time of a scan grow with it.  ``"auto"`` takes runs
        of 2 features.
    threshold : float or "auto", default="auto"
        Least inner product with queries of length 1 that counts, as a share of the
        length that only 1 % of the rows fall short of; between 0 and 1.  The larger it
        is, the more do errors along a row weigh.  Memory and time do not depend on it.
        ``"auto"`` takes 0.2 up to 128 features and ``0.2 * (128 / n_features)**0.75``
        beyond.
    spill : bool or float, default=False
        Whether each row is in a second list, so that queries find it for which the
        first one looks bad [2]_.  Recall is then higher for the same ``n_probes``, and
        the memory of codes and the rows of a list double.  A number is the weight
        (``lambda`` in [2]_) by which the residual of the second list is to be
        orthogonal to that of the first; True stands for 1, and 0 takes the second
        nearest list.
    rerank : float, "bound" or None, default=None
        Number of candidates for each neighbour that are scored exactly after the scan
        of the codes.  More raise recall and take about 60 ns each.  None takes 8 for
        codes of 2 bits a feature, which ``n_subvectors="auto"`` makes, and 16 for one
        bit; for the inner product 16 and 24.  ``"bound"`` goes on until the error of
        the codes, as it was learned in ``fit``, makes a nearer row unlikely.  It is
        read when a query is made.
    store_vectors : {True, "float32", "float16", "int8", "input"}, default=True
        What is kept of the rows.  True and ``"float32"`` keep them as float32.
        ``"float16"`` rounds them to 11 significant bits and half of the memory.
        ``"input"`` keeps uint8, int8 and float16 rows as they come, exactly, and never
        makes a float32 copy of all: a quarter of the memory for bytes.  Metrics that
        compute other rows (cosine, angular, correlation, Hellinger) refuse such rows;
        rows of other types are kept as float32.  ``"int8"`` rounds rows to a quarter
        of the memory.  False is refused: the codes propose, and the
        rows decide.
    max_train : int or "auto", default="auto"
        Number of rows, drawn at random, that centres and codes are learned from.  More
        of them fit the data better and lengthen building; memory does not depend on
        them.  ``"auto"`` takes 64 a list for the centres and at most 16,384 for the
        codes.
    exact_threshold : int, default=1000
        Up to this number of rows there are no lists: every query is compared with all
        of them, which is exact and takes no building.
    metric : str, default="minkowski"
        ``"euclidean"`` (``"l2"``), ``"sqeuclidean"``, ``"cosine"``, ``"angular"`` (the
        angle over pi), ``"correlation"``, ``"hellinger"``, ``"inner_product"``
        (distance ``-<x, q>``), ``"haversine"``, ``"mahalanobis"``,
        ``"seuclidean"``, or ``"minkowski"`` with ``p=2``.  Codes do not serve
        ``"manhattan"`` and ``"chebyshev"``.
    p : float, default=2
        Order of ``metric="minkowski"``: 2.  Other metrics ignore it.
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
        Draws the rows to learn from, the first centres and what codes draw.  An integer
        makes the index repeatable.
    verbose : int, default=0
        Whether to print the progress of building.  scikit-learn's callbacks (1.9 and
        later) are told of it too.

    Attributes
    ----------
    n_lists_ : int
        Number of lists, and 0 where all rows are scanned.
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
        The quantizer, fitted to residuals; None where the rows themselves are searched.
    calibration_ : Calibration or None
        What ``target_recall`` is met by: ``table``, records of ``k``, ``effort`` (of
        ``n_probes``), ``rerank`` (times the candidates by default), ``recall``, the
        bounds ``low`` and ``high`` of its 95 % interval, and ``work``, the scores of a
        query; and what it was measured on.  None where nothing was measured.
    index_ : Index
        The fitted index as one record of arrays: ``metric``; ``points``, the rows as
        they are kept for exact scores; ``codes``, which is None; ``route``, which is
        the lists, codes of residuals included, or tells that all rows are scanned; and
        ``learned``, what ``fit`` learned of the codes.

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

    n_subvectors: int | str = "auto"
    threshold: float | str = "auto"
    spill: bool | float = False

    _parameter_constraints = {
        "n_subvectors": [StrOptions({"auto"}), Integers(1)],
        "threshold": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="neither")],
        "spill": ["boolean", Interval(Real, 0, None, closed="left")],
    }

    def _wanted(self, metric):
        quantizer = AnisotropicQuantizer(self.n_subvectors, threshold=self.threshold)
        return wanted(self, metric, quantizer)

    @property
    def _spill(self):
        if self.spill is False:
            return None
        return SPILL if self.spill is True else float(self.spill)


@transformer
class ScaNNTransformer(NeighborsTransformer, ScaNNNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  Its parameters are ``mode`` and those of :class:`ScaNNNeighbors`,
    which finds the neighbours.
    """
