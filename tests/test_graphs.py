"""Graphs made symmetric and connected, groups of duplicates and diverse neighbours."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    HNSWTransformer,
    connect_components,
    duplicate_groups,
    rerank_diverse,
    symmetrize,
)


def clusters(n=60, seed=0):
    """Rows in far clusters, some of them copies."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) + 20 * rng.integers(0, 6, (n, 1))
    X[5:9] = X[0]
    return X.astype(np.float32)


def stored(graph):
    """Edges of a graph as a dict, zeros that are stored included."""
    graph = sparse.coo_array(graph)
    return {(i, j): v for i, j, v in zip(graph.row, graph.col, graph.data)}


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("how", ["union", "mutual", "mean"])
def test_a_symmetric_graph_by_its_definition(how, mode, kind):
    X = clusters()
    graph = kind(HNSWTransformer(n_neighbors=3, mode=mode).fit_transform(X))
    edges, ours = stored(graph), symmetrize(graph, how)
    expected = {}
    for i, j in {*edges, *((j, i) for i, j in edges)}:
        there = [edges[pair] for pair in [(i, j), (j, i)] if pair in edges]
        if how != "mutual" or len(there) == 2:
            expected[i, j] = sum(there) / (2 if how == "mean" else len(there))
    if mode == "distance" and how != "mean":  # of copies: not lost
        assert min(v for (i, j), v in expected.items() if i != j) == 0
    found = stored(ours)
    assert found.keys() == expected.keys()
    for pair, value in expected.items():
        assert found[pair] == pytest.approx(value)
    assert type(ours) is kind
    for row in range(len(X)):
        part = ours.data[ours.indptr[row] : ours.indptr[row + 1]]
        assert_array_equal(part, np.sort(part))


def tree_of_components(X, labels):
    """Sum of the bridges of the minimum spanning tree of components, by Kruskal."""
    gaps, of, total = cdist(X, X), labels.copy(), 0.0
    for flat in np.argsort(gaps, axis=None, kind="stable"):
        i, j = np.unravel_index(flat, gaps.shape)
        if of[i] != of[j]:
            of[of == of[i]] = of[j]
            total += gaps[i, j]
    return total


def components(graph):
    """Their number and labels; zeros that are stored are edges."""
    ones = sparse.csr_array(graph)
    ones.data = np.ones(graph.nnz)
    return connected_components(ones, directed=False)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 3])
def test_bridges_are_the_shortest(seed, k):
    X = clusters(seed=seed)
    graph = FlatNeighbors(n_neighbors=k).fit(X).kneighbors_graph(mode="distance")
    n_components, labels = components(graph)
    assert n_components > 3
    ours = connect_components(graph, X)
    old, new = stored(graph), stored(ours)
    assert {pair: new[pair] for pair in old} == old
    bridges = {pair: v for pair, v in new.items() if pair not in old}
    assert len(bridges) == 2 * (n_components - 1)
    assert all(bridges[j, i] == value for (i, j), value in bridges.items())
    assert_allclose(sum(bridges.values()) / 2, tree_of_components(X, labels), 1e-5)
    assert components(ours)[0] == 1


def test_bridges_between_places_that_tie_make_no_ring():
    X = np.array([[i, j] for i in range(4) for j in range(4)], float)
    nothing = sparse.csr_array((16, 16))
    ours = connect_components(nothing, X)
    assert ours.nnz == 2 * 15 and (ours.data == 1).all() and components(ours)[0] == 1


def test_copies_are_joined_by_zeros_that_are_stored():
    X = np.zeros((3, 2))
    ours = connect_components(sparse.csr_array((3, 3)), X)
    assert ours.nnz == 4 and (ours.data == 0).all()
    ours = connect_components(sparse.csr_array((3, 3)), X, mode="connectivity")
    assert ours.nnz == 4 and (ours.data == 1).all()


def test_a_connected_graph_stays():
    X = np.arange(5.0)[:, None]
    graph = FlatNeighbors(n_neighbors=2).fit(X).kneighbors_graph(mode="distance")
    assert stored(connect_components(graph, X)) == stored(graph)


@pytest.mark.parametrize("make", [FlatNeighbors, HNSWNeighbors])
def test_groups_of_duplicates_by_their_definition(make):
    X = clusters()
    X[30:40] = X[20:30] + np.float32(0.01)
    X[40:44] = X[30:34] + np.float32(0.01)
    near = cdist(X, X) <= 0.03
    _, labels = connected_components(sparse.csr_array(near), directed=False)
    first = {label: i for i, label in reversed(list(enumerate(labels)))}
    order = sorted(first.values())
    expected = [order.index(first[label]) for label in labels]
    assert_array_equal(duplicate_groups(make().fit(X), 0.03), expected)
    assert len(set(expected)) < len(X) - 15


def test_groups_of_the_rows_that_are_left():
    X = np.array([[0.0], [0.1], [5.0], [0.2], [5.1]])
    index = FlatNeighbors().fit(X).remove([1])
    assert duplicate_groups(index, 0.15).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize("trade", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_diverse_neighbours_by_the_definition(trade, metric):
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(80, 4)), rng.normal(size=(5, 4))
    index = FlatNeighbors(metric=metric).fit(X)
    distances, ids = index.kneighbors(Q, 20)
    found, gaps = rerank_diverse(X, ids, distances, 6, trade, metric=metric)
    between = cdist(X, X, metric)
    for q in range(5):
        left, chosen = dict(zip(ids[q], distances[q])), []
        while len(chosen) < 6:

            def value(i):
                if not chosen:  # noqa: B023
                    return left[i]  # noqa: B023
                apart = min(between[i, j] for j in chosen)  # noqa: B023
                return trade * left[i] - (1 - trade) * apart  # noqa: B023

            chosen.append(min(left, key=value))
            assert gaps[q, len(chosen) - 1] == left.pop(chosen[-1])
        assert_array_equal(found[q], chosen)
    if trade == 1:
        assert_array_equal(found, ids[:, :6])


def test_candidates_that_are_infinitely_far_are_chosen_once_each():
    X, ids = np.arange(5.0)[:, None], np.arange(5, dtype=np.int32)[None]
    found, gaps = rerank_diverse(X, ids, [[0.0, 1.0, np.inf, np.inf, np.inf]], 5)
    assert found.dtype == np.int64
    assert sorted(found[0]) == [0, 1, 2, 3, 4]
    assert sorted(gaps[0]) == [0, 1, np.inf, np.inf, np.inf]


@pytest.mark.parametrize("how, n", [("union", 4), ("mean", 4), ("mutual", 2)])
def test_an_edge_that_is_stored_in_parts_is_one(how, n):
    rows, columns = [0, 0, 1, 1, 1], [1, 1, 0, 2, 2]
    parts = sparse.coo_array(([1.0, 2.0, 3.0, 4.0, 5.0], (rows, columns)), shape=(3, 3))
    whole = parts.tocsr()  # which sums them
    found = symmetrize(parts, how)
    assert found.nnz == n
    assert_array_equal(found.toarray(), symmetrize(whole, how).toarray())
    assert len(parts.data) == 5  # what is given is left as it was


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda g, X: symmetrize(g, "max"), "how='max' must be"),
        (lambda g, X: symmetrize(g[:2]), "sparse and square"),
        (lambda g, X: symmetrize(g.toarray()), "sparse and square"),
        (lambda g, X: connect_components(g, X[:2]), "X has 2 rows, but the graph has"),
        (lambda g, X: connect_components(g, X, mode="x"), "mode='x' must be"),
        (lambda g, X: rerank_diverse(X, [[0, 1]], [[0.0]], 1), "must both be of shape"),
        (lambda g, X: rerank_diverse(X, [[0]], [[0.0]], 2), "k=2 must be an integer"),
        (lambda g, X: rerank_diverse(X, [[0]], [[0.0]], 1.0), "k=1.0 must be an int"),
        (lambda g, X: rerank_diverse(X, [[0]], [[0.0]], 1, 2), "trade=2 must be"),
        (lambda g, X: rerank_diverse(X, [[0]], [[0.0]], 1, "x"), "trade='x' must be"),
        (lambda g, X: rerank_diverse(X, [[-1]], [[0.0]], 1), "ids of int64 must be"),
        (lambda g, X: rerank_diverse(X, [[0.0]], [[0.0]], 1), "ids of float64 must"),
        (lambda g, X: rerank_diverse(X[:2], [[2]], [[0.0]], 1), "ids hold 2, but X"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    X = clusters()
    with pytest.raises(ValueError, match=message):
        call(FlatNeighbors().fit(X).kneighbors_graph(), X)


@pytest.mark.parametrize(
    "name", ["symmetrize", "connect_components", "duplicate_groups", "rerank_diverse"]
)
def test_documentation_is_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate").validate
    errors = dict(validate(f"sklearn_jin.{name}")["errors"])
    errors.pop("RT02", None)  # a result is named here, though it is one
    assert not errors


@pytest.mark.parametrize(
    "index, radius, error",
    [
        (np.zeros((3, 2)), 1.0, TypeError),
        (FlatNeighbors(), -1.0, ValueError),
        (FlatNeighbors(), "1", ValueError),
        (FlatNeighbors(metric="inner_product"), 1.0, ValueError),
    ],
)
def test_groups_are_refused_by_name(index, radius, error):
    if error is ValueError:
        index.fit([[0.0, 1.0], [1.0, 1.0]])
    with pytest.raises(error, match=r"index|radius"):
        duplicate_groups(index, radius)
