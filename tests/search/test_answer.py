"""One answer whatever the route: exact scores of distinct points that are allowed."""

import ast
from pathlib import Path

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from routes import DATA, NAMES, N, fitted, rows

import sklearn_jin
from sklearn_jin._memory import frozen
from sklearn_jin.search import answer as module
from sklearn_jin.search import filtered
from sklearn_jin.search.answer import answer
from sklearn_jin.search.index import Search, copies_of

K = 4  # neighbours


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=DATA)
def data(request):
    return request.param


@pytest.fixture
def by_route(monkeypatch):
    """Nothing is scanned only because few points are allowed."""
    monkeypatch.setattr(filtered, "scan_work", lambda *_: 1e12)


def index_of(name, data):
    return fitted(name, data).index_


def queries_of(index, n=9):  # more than are scanned one by one
    return index.metric.prepare_queries(rows(n, seed=1))[0]


def gaps_of(index, queries):
    """Scores (n_queries, n) of all points by their definition."""
    metric = "manhattan" if index.metric.space == "l1" else "sqeuclidean"
    return naive.distances(index.points.X, queries, metric)


def assert_answers(index, queries, search, scores, ids):
    """As many distinct points as wanted, allowed, by (score, id), with true scores."""
    allowed = np.ones(N, bool) if search.allowed is None else search.allowed
    assert scores.shape == ids.shape == (len(queries), search.k)
    assert (scores.dtype, ids.dtype) == (np.float64, np.int64)
    assert (ids >= 0).all() and allowed[ids].all()
    assert all(len({*row}) == search.k for row in ids.tolist())
    true = np.take_along_axis(gaps_of(index, queries), ids, axis=1)
    assert_allclose(scores, true, rtol=1e-12)
    rank = np.take_along_axis(scores, np.lexsort((ids, scores)), axis=1)
    assert_array_equal(rank, scores)


def nearest(index, queries, allowed):
    """Ids of the nearest of the allowed, by (score, id)."""
    gaps = np.where(allowed, gaps_of(index, queries), np.inf)
    return np.argsort(gaps, axis=1, kind="stable")


def masks():
    """Half of the points, few, and those at the end: of copies only the last."""
    rng = np.random.default_rng(2)
    half, few, last = rng.random(N) < 0.5, np.zeros(N, bool), np.arange(N) >= 2 * N // 3
    few[rng.permutation(N)[:K]] = True
    return {"half": half, "few": few, "last": last}


@pytest.mark.parametrize("mask", [None, *masks()])
@pytest.mark.usefixtures("by_route")
def test_k_distinct_allowed_points_are_found(name, data, mask):
    index, allowed = index_of(name, data), masks().get(mask)
    queries = queries_of(index)
    for effort, room in ((2, K), (9, 8), (N - 1, N), (N, N)):
        search = Search(K, room, effort, allowed=allowed, n_threads=2)
        scores, ids = answer(index, queries, search)
        assert_answers(index, queries, search, scores, ids)
    every = np.ones(N, bool) if allowed is None else allowed
    assert_array_equal(ids, nearest(index, queries, every)[:, :K])


@pytest.mark.usefixtures("by_route")
def test_copies_are_listed_where_their_first_row_is_not_allowed(name):
    index, allowed = index_of(name, "copies"), masks()["last"]
    copies = copies_of(index.route)
    if len(copies.firsts):
        assert not allowed[copies.firsts].any()
    queries = queries_of(index)
    search = Search(K, N, N // 3, allowed=allowed)
    assert_array_equal(
        answer(index, queries, search)[1], nearest(index, queries, allowed)[:, :K]
    )


@pytest.mark.parametrize("name", ["layers", "layers-codes"])
@pytest.mark.usefixtures("by_route")
def test_places_of_which_a_copy_is_allowed_are_proposed(name, monkeypatch):
    index, allowed = index_of(name, "copies"), masks()["last"]
    queries = queries_of(index)
    expected = nearest(index, queries, allowed)[:, :K]
    monkeypatch.setattr(module, "_scan", None)  # for want of proposals
    search = Search(K, N, N // 3, allowed=allowed)
    assert_array_equal(answer(index, queries, search)[1], expected)


@pytest.mark.parametrize("mask", [None, "half"])
@pytest.mark.usefixtures("by_route")
def test_points_are_not_in_their_own_answers(name, data, mask):
    index, allowed = index_of(name, data), masks().get(mask)
    queries = frozen(index.points.X)
    for effort, room in ((7, 8), (N, N)):
        search = Search(K, room, effort, own=True, allowed=allowed)
        scores, ids = answer(index, queries, search)
        assert_answers(index, queries, search, scores, ids)
        assert not (ids == np.arange(N)[:, None]).any()
    order = nearest(index, queries, np.ones(N, bool) if allowed is None else allowed)
    wanted = np.array([row[row != q][:K] for q, row in enumerate(order)])
    true = np.take_along_axis(gaps_of(index, queries), wanted, axis=1)
    assert_allclose(scores, true, rtol=1e-12)


def test_more_neighbours_than_are_proposed_are_found_by_a_scan(name, data):
    index = index_of(name, data)
    queries, is_graph = queries_of(index), index.route._fields[:1] == ("neighbors",)
    for k in (N - 20, N - 1, N):
        search = Search(k, k, k if is_graph else 1)  # one list of all
        scores, ids = answer(index, queries, search)
        assert_answers(index, queries, search, scores, ids)
    exact = np.sort(gaps_of(index, queries), axis=1)
    assert_allclose(scores, exact, rtol=1e-12)


def test_rows_that_are_short_of_neighbours_are_scanned():
    # Two parts that no edge joins, one of them of three rows.
    index = index_of("layers", "distinct")
    neighbors = np.array(index.route.neighbors)
    neighbors[np.isin(neighbors, [0, 1, 2])], neighbors[:3] = -1, -1
    neighbors.sort(axis=1)
    neighbors = np.ascontiguousarray(neighbors[:, ::-1])
    index = index._replace(route=index.route._replace(neighbors=frozen(neighbors)))
    points, search = frozen(index.points.X), Search(K, K, 30, own=True)
    scores, ids = answer(index, points, search)
    assert_answers(index, points, search, scores, ids)
    order = nearest(index, points, np.ones(N, bool))
    assert_array_equal(ids[:3], order[:3, 1 : K + 1])


@pytest.mark.usefixtures("by_route")
def test_batches_and_threads_do_not_matter(name):
    index = index_of(name, "copies")
    queries = queries_of(index, 40)
    search = Search(K, 8, 6, True, allowed=masks()["half"])
    whole = answer(index, queries, search)
    for size, n_threads in ((1, 1), (9, 2), (40, 3)):
        part = answer(index, queries[:size], search._replace(n_threads=n_threads))
        for some, wanted in zip(part, whole):
            assert_array_equal(some, wanted[:size])


def test_candidates_are_scored_exactly_in_one_place():
    calls = []
    package = Path(sklearn_jin.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = (node.func, *node.args)  # or given to another, as to ``call``
                names = [getattr(c, "id", getattr(c, "attr", None)) for c in called]
                if "refine" in names:
                    calls.append(path.relative_to(package).as_posix())
    assert calls == ["search/answer.py"]
