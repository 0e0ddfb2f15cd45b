"""What is made of graphs of neighbours before others take them.

Graphs are CSR, as :meth:`kneighbors_graph` and transformers make them: what is stored
is an edge, also where the distance is 0, and rows are in the order of what they store.
"""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklearn_jin.neighbors._base import Neighbors
from sklearn_jin.neighbors._flat import FlatNeighbors

HOW = ("union", "mutual", "mean")
MODES = ("distance", "connectivity")


def symmetrize(graph, how="union"):
    """Make a graph the same in both directions.

    A row need not be among the neighbours of its own neighbours, yet spectral methods,
    HDBSCAN and others take undirected graphs.

    Parameters
    ----------
    graph : sparse matrix or array of shape (n_samples, n_samples)
        Graph of neighbours.
    how : {"union", "mutual", "mean"}, default="union"
        ``"union"`` keeps what is an edge in either direction, with the mean of what is
        stored there; ``"mutual"`` what is one in both.  Both suit distances.
        ``"mean"`` is half the sum of the graph and its transpose, which suits
        connectivities and affinities: an edge of one direction counts half.

    Returns
    -------
    graph : sparse matrix or array of shape (n_samples, n_samples), float64
        CSR, each row in the order of what it stores, zeros included.

    Raises
    ------
    ValueError
        If the graph is not square, or ``how`` is another.

    See Also
    --------
    connect_components : Joins what is left apart.

    Examples
    --------
    >>> from sklearn_jin import HNSWTransformer, symmetrize
    >>> X = [[0.0], [1.0], [5.0]]
    >>> symmetrize(HNSWTransformer(n_neighbors=1).fit_transform(X)).toarray()
    array([[0., 1., 0.],
           [1., 0., 4.],
           [0., 4., 0.]])
    """
    if how not in HOW:
        raise ValueError(f"how={how!r} must be 'union', 'mutual' or 'mean'")
    rows, columns, values = _edges(graph)
    n = graph.shape[0]
    both = np.concatenate([rows * n + columns, columns * n + rows])
    places, found, count = np.unique(both, return_inverse=True, return_counts=True)
    total = np.bincount(found, np.tile(values, 2), minlength=len(places))
    mean = total / (2 if how == "mean" else count)
    keep = count == 2 if how == "mutual" else np.ones(len(places), bool)
    return _graph(places[keep] // n, places[keep] % n, mean[keep], graph)


def connect_components(graph, X, metric="euclidean", *, mode="distance"):
    """Join the components of a graph by the shortest bridges.

    Isomap, spectral embedding and HDBSCAN need a connected graph, which that of near
    neighbours is not where data lie in clusters.  The bridges are the edges of the
    minimum spanning tree of components, of which two are as far apart as their
    nearest rows; they are found by Boruvka's algorithm [1]_.

    Parameters
    ----------
    graph : sparse matrix or array of shape (n_samples, n_samples)
        Graph of neighbours, whose directions are ignored when components are told.
    X : array-like of shape (n_samples, n_features)
        The rows.
    metric : str, default="euclidean"
        The metric of :class:`FlatNeighbors` by which rows are near.
    mode : {"distance", "connectivity"}, default="distance"
        Whether a bridge holds its distance or a one.

    Returns
    -------
    graph : sparse matrix or array of shape (n_samples, n_samples), float64
        CSR with all edges of ``graph``, and each bridge in both directions.  Each row
        is in the order of what it stores.

    Raises
    ------
    ValueError
        If the graph is not square or has not as many rows as ``X``, or ``mode`` or
        ``metric`` is another.

    See Also
    --------
    symmetrize : Makes a graph undirected.

    Notes
    -----
    All rows that are not of the largest component are compared with all others, once
    for each halving of the number of components at most.

    References
    ----------
    .. [1] Nesetril, Milkova and Nesetrilova, "Otakar Boruvka on minimum spanning tree
       problem", Discrete Mathematics 233, 2001.

    Examples
    --------
    >>> from sklearn_jin import HNSWTransformer, connect_components
    >>> X = [[0.0], [1.0], [5.0], [7.0]]
    >>> graph = HNSWTransformer(n_neighbors=1).fit_transform(X)
    >>> connect_components(graph, X).toarray()
    array([[0., 1., 0., 0.],
           [1., 0., 4., 0.],
           [0., 4., 0., 2.],
           [0., 0., 2., 0.]])
    """
    if mode not in MODES:
        raise ValueError(f"mode={mode!r} must be 'distance' or 'connectivity'")
    edges = _edges(graph)
    X = check_array(X, dtype=[np.float64, np.float32])
    if len(X) != graph.shape[0]:
        raise ValueError(
            f"X has {len(X)} rows, but the graph has {graph.shape[0]}: give the rows "
            "that the graph was made of"
        )
    labels = _labels(graph.shape[0], *edges[:2])
    bridges = []
    while len(sizes := np.bincount(labels)) > 1:
        rows = np.flatnonzero(labels != sizes.argmax())
        index = FlatNeighbors(metric=metric).fit(X, groups=labels)
        gaps, near = index.kneighbors(X[rows], 1, exclude_groups=labels[rows])
        labels, new = _joined(labels, rows, near[:, 0], gaps[:, 0])
        bridges += new
    if bridges:
        i, j, gap = map(np.array, zip(*bridges))
        value = gap if mode == "distance" else np.ones(len(gap))
        new = np.append(i, j), np.append(j, i), np.tile(value, 2)
        edges = [np.concatenate(pair) for pair in zip(edges, new)]
    return _graph(*edges, graph)


def duplicate_groups(index, radius):
    """Group rows that lie within a distance of each other, as near-duplicates do.

    Groups are the connected components of the graph of all rows within ``radius``, so
    two rows of one are within it, or linked by others that are.

    Parameters
    ----------
    index : index estimator
        A fitted index.  An approximate one may miss pairs, and then splits a group.
    radius : float
        Largest distance of near-duplicates, in the metric of the index.

    Returns
    -------
    labels : ndarray of shape (n_rows,), int64
        Number of the group of each row that is in the index, in the order of its
        ``ids_``.  Groups are numbered by their first rows; a row without duplicates
        is a group.

    Raises
    ------
    NotFittedError
        If the index is not fitted.
    TypeError
        If ``index`` is none.
    ValueError
        If ``radius`` is not a number from 0 on, or the metric is the inner product.

    See Also
    --------
    connect_components : Joins components instead of telling them.

    Examples
    --------
    >>> from sklearn_jin import FlatNeighbors, duplicate_groups
    >>> index = FlatNeighbors().fit([[0.0], [5.0], [0.1], [0.2]])
    >>> duplicate_groups(index, radius=0.15)
    array([0, 1, 0, 0])
    """
    if not isinstance(index, Neighbors):
        raise TypeError(
            f"index is of {type(index)}: give an index of sklearn_jin that is fitted"
        )
    if not isinstance(radius, Real) or not radius >= 0:
        raise ValueError(f"radius={radius!r} must be a number from 0 on")
    check_is_fitted(index)
    if index.index_.metric.negative:
        raise ValueError(
            f"index has metric={index.metric!r}, by which a row need not be near "
            "itself: give one of metric='cosine' or 'euclidean'"
        )
    near = index.radius_neighbors(None, radius, return_distance=False)
    own = index.ids_
    columns = np.searchsorted(own, np.concatenate(near)).astype(np.int64)
    rows = np.repeat(np.arange(len(own)), [len(ids) for ids in near])
    labels = _labels(len(own), rows, columns)
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group]


def rerank_diverse(X, ids, distances, k, trade=0.5, *, metric="euclidean"):
    """Choose of the neighbours of every query some that are unlike each other.

    By maximal marginal relevance [1]_: the nearest comes first, and then, one by one,
    the candidate of the least ``trade * distance to the query - (1 - trade) *
    distance to the nearest that was chosen``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows that ``ids`` number.
    ids : array-like of shape (n_queries, n_candidates), int
        Candidates of each query, as ``kneighbors`` finds them; some times ``k``.
    distances : array-like of shape (n_queries, n_candidates)
        Their distances to the query.
    k : int
        How many are chosen.
    trade : float, default=0.5
        From 0, where only the first choice heeds the query, to 1, where the nearest
        are chosen.
    metric : str or callable, default="euclidean"
        Distance between candidates, as :func:`sklearn.metrics.pairwise_distances`
        takes it: the same as that of ``distances``.

    Returns
    -------
    ids : ndarray of shape (n_queries, k), int64
        Those chosen, in the order of choice.
    distances : ndarray of shape (n_queries, k), float64
        Their distances to the query.

    Raises
    ------
    ValueError
        If ``k`` is not within 1 and the number of candidates, ``trade`` not within 0
        and 1, ``ids`` are no numbers of rows of ``X``, or not of the shape of
        ``distances``.

    See Also
    --------
    HNSWNeighbors : ``max_per_group`` of ``kneighbors``, where groups are known.

    Notes
    -----
    All candidates of a query are compared with each other: time grows with the square
    of their number.

    References
    ----------
    .. [1] Carbonell and Goldstein, "The use of MMR, diversity-based reranking for
       reordering documents and producing summaries", SIGIR 1998.  It has similarities
       where this has distances.

    Examples
    --------
    >>> from sklearn_jin import FlatNeighbors, rerank_diverse
    >>> X = [[0.0, 1.0], [0.0, 1.1], [1.2, 0.0], [9.0, 9.0]]
    >>> distances, ids = FlatNeighbors().fit(X).kneighbors([[0.0, 0.0]], 4)
    >>> rerank_diverse(X, ids, distances, k=2, trade=0.7)[0]
    array([[0, 2]])
    """
    X, ids = np.asarray(X), np.asarray(ids)
    distances = np.asarray(distances, np.float64)
    if ids.ndim != 2 or ids.shape != distances.shape:
        raise ValueError(
            f"ids of shape {ids.shape} and distances of shape {distances.shape} must "
            "both be of shape (n_queries, n_candidates)"
        )
    if ids.dtype.kind not in "iu" or (ids.size and not 0 <= ids.min()):
        raise ValueError(f"ids of {ids.dtype} must be integers from 0 on")
    if ids.size and ids.max() >= len(X):
        raise ValueError(
            f"ids hold {ids.max()}, but X has {len(X)} rows: give the rows that were "
            "fitted"
        )
    if not isinstance(k, Integral) or not 1 <= k <= ids.shape[1]:
        raise ValueError(
            f"k={k!r} must be an integer from 1 to the number of candidates, "
            f"{ids.shape[1]}"
        )
    if not isinstance(trade, Real) or not 0 <= trade <= 1:
        raise ValueError(f"trade={trade!r} must be a number from 0 to 1")
    ids, k = ids.astype(np.int64, copy=False), int(k)
    chosen = np.empty((len(ids), k), np.intp)
    for q, own in enumerate(ids):
        gaps = pairwise_distances(X[own], metric=metric)
        chosen[q] = _chosen(distances[q], gaps, k, trade)
    return tuple(np.take_along_axis(a, chosen, axis=1) for a in (ids, distances))


def _chosen(distances, gaps, k, trade):
    """Places of ``k`` candidates in the order of choice."""
    places = [int(np.argmin(distances))]
    nearest = gaps[places[0]].copy()
    for _ in range(k - 1):
        value = trade * distances - (1 - trade) * nearest
        left = np.setdiff1d(np.arange(len(value)), places)  # whose value may be inf
        places.append(int(left[np.argmin(value[left])]))
        nearest = np.minimum(nearest, gaps[places[-1]])
    return places


def _edges(graph):
    """Rows, columns, int64, and values, float64, of all that a graph stores."""
    if not sparse.issparse(graph) or graph.shape[0] != graph.shape[1]:
        shape = getattr(graph, "shape", None)
        raise ValueError(
            f"graph of shape {shape} must be sparse and square, as kneighbors_graph() "
            "and the fit_transform of a transformer return it"
        )
    edges = sparse.coo_array(graph)
    edges.sum_duplicates()  # for an edge that is stored twice counts as two
    ends = (np.asarray(end, np.int64) for end in (edges.row, edges.col))
    return [*ends, np.asarray(edges.data, np.float64)]


def _graph(rows, columns, values, like):
    """CSR of the kind of the graph ``like``, each row in the order of its values."""
    order = np.lexsort((columns, values, rows))
    n = like.shape[0]
    starts = np.searchsorted(rows[order], np.arange(n + 1))
    isarray = isinstance(like, sparse.sparray)
    kind = sparse.csr_array if isarray else sparse.csr_matrix
    return kind((values[order], columns[order], starts), shape=like.shape)


def _labels(n, rows, columns):
    """Number of the component of each of ``n`` rows."""
    # Ones, for zeros that are stored may count as no edges.
    links = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    return connected_components(links, directed=False)[1]


def _joined(labels, rows, near, gaps):
    """Labels after each component was joined to its nearest, and the bridges.

    ``near`` and ``gaps`` are of each of ``rows`` the nearest row of another component
    and its distance.  Every component that has rows here gets its shortest bridge.
    """
    n = int(labels.max()) + 1
    low, high = np.minimum(rows, near), np.maximum(rows, near)
    # By one order of all pairs, ties too, so that no bridges make a ring.
    order = np.lexsort((high, low, gaps))
    _, first = np.unique(labels[rows[order]], return_index=True)
    of, bridges = np.arange(n), []
    for e in order[np.sort(first)]:
        one, other = of[labels[rows[e]]], of[labels[near[e]]]
        if one != other:
            of[of == one] = other
            bridges.append((rows[e], near[e], gaps[e]))
    return np.unique(of[labels], return_inverse=True)[1], bridges
