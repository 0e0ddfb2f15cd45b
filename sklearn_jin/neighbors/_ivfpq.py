"""Approximate neighbours by lists of product codes."""

from numbers import Integral

from sklearn_jin._compat import Integers, Options, StrOptions
from sklearn_jin.neighbors._base import NeighborsTransformer
from sklearn_jin.neighbors._codes import wanted
from sklearn_jin.neighbors._partition import PartitionNeighbors
from sklearn_jin.neighbors._shell import shell, transformer
from sklearn_jin.quantizers._product import (
    OptimizedProductQuantizer,
    ProductQuantizer,
)


@shell
class IVFPQNeighbors(PartitionNeighbors):
    """Approximate nearest neighbours by lists of product codes [1]_.

    :class:`IVFNeighbors` whose codes are those of residuals by
    :class:`ProductQuantizer`, or by :class:`OptimizedProductQuantizer`.

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
        Number of runs of features that have a code each.  More give better candidates;
        memory and the time of a scan grow with it.  ``"auto"`` takes runs of 2 features
        for 4 bits and of 4 for 8, so that a code has a byte for 4 features.
    n_bits : {4, 8}, default=4
        Number of bits of a run's code.  Codes of 4 bits are scanned by tables in
        registers, those of 8 bits are scored one by one: they propose better for their
        length, and their scan takes about ten times as long.
    optimized : bool, default=False
        Whether residuals are turned by a rotation that is learned [2]_.  Candidates are
        then better where features correlate, and building takes longer.
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

    n_subvectors: int | str = "auto"
    n_bits: int = 4
    optimized: bool = False

    _parameter_constraints = {
        "n_subvectors": [StrOptions({"auto"}), Integers(1)],
        "n_bits": [Options(Integral, {4, 8})],
        "optimized": ["boolean"],
    }

    def _wanted(self, metric):
        kind = OptimizedProductQuantizer if self.optimized else ProductQuantizer
        return wanted(self, metric, kind(self.n_subvectors, self.n_bits))


@transformer
class IVFPQTransformer(NeighborsTransformer, IVFPQNeighbors):
    """Turn rows into the sparse graph of their approximate nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  Its parameters are ``mode`` and those of :class:`IVFPQNeighbors`,
    which finds the neighbours.
    """
