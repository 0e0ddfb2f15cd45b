"""Exact neighbours, by looking at every row."""

from sklearn_jin.neighbors._base import Neighbors, NeighborsTransformer
from sklearn_jin.neighbors._codes import candidates_of, encode, keep_learned
from sklearn_jin.neighbors._shell import Coded, shell, transformer

WIDEST_RERANK = 32  # candidates a neighbour of a scan that a bound ends, at most


@shell
class FlatNeighbors(Coded, Neighbors):
    """Exact nearest neighbours: every query is compared with every row.

    Blocks of matrix products in float32 propose neighbours, distances in
    float64 choose among them, and a query whose choice rounding could have
    spoilt is compared one row at a time.  So the answer is exact for the rows
    as float32 numbers, and does not depend on the batch.  Time grows with
    ``n_queries * n_samples * n_features``; memory is that of the rows.

    Parameters
    ----------
    n_neighbors : int or None, default=5
        Number of neighbours that :meth:`kneighbors` returns.  With None, every call
        must give its own.
    radius : float or None, default=1.0
        Largest distance for :meth:`radius_neighbors`, in the metric's unit; it may be
        ``numpy.inf``.  With None, every call must give its own.
    quantizer : quantizer, "auto" or None, default=None
        Makes the codes that are searched instead of float32 rows, which are then read
        only to score the best candidates: a scan reads less memory, and answers are
        approximate.  It may be any of the library's quantizers, of which a copy is
        fitted.  None searches the rows themselves.  ``"auto"`` tries none,
        :class:`ScalarQuantizer` of 8 and 4 bits and, of 200 features and more,
        :class:`PCAQuantizer` on some rows, and takes what is the least work at a recall
        of 0.95; where rows are not kept, the quickest codes that keep 95 % of the
        neighbours.  Codes serve Euclidean, angular and Hellinger distances and the
        inner product.
    rerank : float, "bound" or None, default=None
        Number of candidates for each neighbour that are scored exactly after a scan of
        codes.  More raise recall, up to what the codes lead to, and take about 0.1
        microseconds each.  None takes as many as hold 99.5 % of the neighbours of some
        rows, as ``fit`` measured: from 1 to 16 a neighbour.  ``"bound"`` goes on until
        the error of the codes, as it was learned in ``fit``, makes a nearer row
        unlikely.  It is read when a query is made.
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
        Number of threads of a search.  Answers do not depend on it.  None takes all
        cores, as scikit-learn's own OpenMP code does, within the limits of
        ``OMP_NUM_THREADS``, ``threadpoolctl`` and joblib's workers; integers mean what
        they do in scikit-learn's glossary.
    random_state : int, RandomState instance or None, default=None
        Seeds a ``quantizer`` that draws and has no seed of its own.
    verbose : int, default=0
        Without effect, since nothing is built; it is here so that indexes can be
        exchanged.

    Attributes
    ----------
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
        The fitted quantizer; None where the rows themselves are searched.
    quantizer_trial_ : tuple of Tried or None
        What ``quantizer="auto"`` tried, the rows first: records of ``quantizer``
        (unfitted; None for rows), ``n_bytes`` that a search reads of a row,
        ``candidates`` of 10 neighbours that are scored exactly, ``scores`` of a query
        and its ``work``, in nanoseconds of the machine that was measured once, infinite
        where neighbours are lost.  None where nothing was tried.
    index_ : Index
        The fitted index as one record of arrays: ``metric``; ``points``, the rows as
        they are kept for exact scores; ``codes``, what is scanned instead of them, or
        None where ``route`` holds these; ``route``, which tells that all rows are
        scanned, or else holds the codes that are; and ``learned``, what ``fit`` learned
        of the codes.

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

    def _index(self, metric, points, progress):
        from sklearn_jin.search.fastscan import block
        from sklearn_jin.search.index import FLAT, Index

        with progress(0):
            encoded = encode(self, metric, points)
        kept, learned = keep_learned(self, metric, points, encoded)
        if encoded.quantizer is None or kept is encoded.codes:
            return Index(metric, kept, encoded.codes, FLAT, learned)
        blocks = block(encoded.codes)
        if blocks is None:
            return Index(metric, kept, encoded.codes, FLAT, learned, encoded.finer)
        return Index(metric, kept, None, blocks, learned, encoded.finer)

    def _extend(self):
        from sklearn_jin.construction.alter import joined_rows
        from sklearn_jin.search.index import Flat

        index = self.index_
        coded = index.codes is not None or index.learned.decoder is not None
        if coded or not isinstance(index.route, Flat):
            return False
        points, changes = joined_rows(index, self.n_samples_fit_)
        self.index_ = index._replace(points=points, changes=changes)
        return True

    def _search(self, k):
        from sklearn_jin.search.index import Search

        n = self.n_samples_fit_
        widest = min(WIDEST_RERANK * k, n) if self.rerank == "bound" else n
        room, overestimate = candidates_of(self, k, widest)
        return Search(k, room, overestimate=overestimate)


@transformer
class FlatTransformer(NeighborsTransformer, FlatNeighbors):
    """Turn rows into the sparse graph of their exact nearest neighbours.

    Takes the place of :class:`sklearn.neighbors.KNeighborsTransformer` in a
    pipeline.  Its parameters are ``mode`` and those of :class:`FlatNeighbors`,
    which finds the neighbours.
    """
