"""What the graph family promises beyond what every index does."""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs

from sklearn_jin import (
    DualBranchHNSWNeighbors,
    HNSWNeighbors,
    LocalIntrinsicDimensionality,
    NSWNeighbors,
    ScalarQuantizer,
    SNGNeighbors,
    VamanaNeighbors,
)
from sklearn_jin.construction import sng
from sklearn_jin.metrics import Euclidean, Manhattan
from sklearn_jin.neighbors._graph import MANY_ROWS, GraphNeighbors
from sklearn_jin.search import answer
from sklearn_jin.search.counters import counting
from sklearn_jin.search.index import FLAT as SCAN

CLASSES = [
    c
    for c in indexes.classes()
    if issubclass(c, GraphNeighbors) and not hasattr(c, "transform")
]
WAYS = ["insert", "partition"]
FLAT = [NSWNeighbors, VamanaNeighbors, SNGNeighbors]
NARROW = {  # parameters that make a graph worse than it need be
    NSWNeighbors: {"M": 4, "ef_construction": 40},
    VamanaNeighbors: {"max_degree": 8, "search_list_size": 40},
    SNGNeighbors: {"max_degree": 8, "search_list_size": 40},
}

graph_class = pytest.mark.parametrize("c", CLASSES, ids=lambda c: c.__name__)
way = pytest.mark.parametrize("build", WAYS)


def graph(c, **params):
    return c(**{"exact_threshold": 0, "random_state": 0, **params})


def recall(index, X, Q, k=10):
    return naive.recall(index.kneighbors(Q, k)[0], naive.nearest_distances(X, Q, k))


def most_edges(index):
    """The bound on degrees that the parameters stand for."""
    params = index.get_params()
    return (
        index.max_degree_
        if isinstance(index, SNGNeighbors)
        else (params.get("max_degree") or 2 * params["M"])
    )


def entry(index):
    layers = index.index_.route
    return (layers if hasattr(layers, "members") else layers.first).members[0]


# All of them


@pytest.mark.jit
@graph_class
@way
def test_every_row_is_reached_and_degrees_are_bounded(c, build):
    X = indexes.rows(300)
    index = graph(c, build=build).fit(X)
    neighbors = index.index_.route.neighbors
    assert naive.reachable(neighbors, entry(index)) == set(range(300))
    assert index.n_unreachable_ == 0
    assert neighbors.shape[1] <= most_edges(index)


@pytest.mark.jit
@graph_class
@way
def test_threads_do_not_change_the_index(c, build):
    X = np.random.default_rng(0).standard_normal((2000, 8))
    one, two = (graph(c, build=build, n_jobs=n).fit(X) for n in (1, 2))
    assert_array_equal(one.index_.route.neighbors, two.index_.route.neighbors)
    for found, wanted in zip(one.kneighbors(X[:99]), two.kneighbors(X[:99])):
        assert_array_equal(found, wanted)


@pytest.mark.parametrize("n, parted", [(MANY_ROWS - 1, False), (MANY_ROWS, True)])
def test_many_rows_are_linked_by_partition(n, parted):
    for c in CLASSES:
        for metric, can in ((Euclidean(), True), (Manhattan(), False)):
            index = graph(c)
            index.n_samples_fit_ = n
            assert index._by_cells(metric) == (parted and can)
            assert index.set_params(build="insert")._by_cells(metric) is False


@graph_class
@pytest.mark.parametrize("metric", ["manhattan", "chebyshev"])
def test_a_partition_of_other_than_squared_distances_is_refused(c, metric, X):
    with pytest.raises(ValueError, match=f"build='partition'.*{metric}"):
        graph(c, build="partition", metric=metric).fit(X)
    graph(c, metric=metric).fit(X)


def islands(rng):
    return rng.random((2400, 8)) + 100 * rng.integers(0, 60, (2400, 1))


def clusters(rng):
    return make_blobs(2400, 16, centers=40, random_state=1)[0]


def copies(rng):
    return np.repeat(rng.random((120, 10)), 20, axis=0)


def one_place(rng):
    return np.ones((2400, 4))


@pytest.mark.jit
@graph_class
@way
@pytest.mark.parametrize("make", [islands, clusters, copies, one_place])
def test_neighbours_are_found_in_clusters(c, build, make):
    X = make(np.random.default_rng(0)).astype(np.float32)
    Q = X[::20] + np.float32(1e-3)
    assert recall(graph(c, build=build, ef_search=100).fit(X), X, Q) >= 0.99


@pytest.mark.jit
@graph_class
@way
def test_largest_inner_products_are_found(c, build):
    X = np.random.default_rng(0).standard_normal((2000, 10))
    Q = np.random.default_rng(1).standard_normal((200, 10))
    index = graph(c, build=build, metric="inner_product", ef_search=100).fit(X)
    exact = naive.nearest_distances(X, Q, 10, "inner_product")
    assert np.mean(index.kneighbors(Q, 10)[0] <= exact[:, -1:] * (1 - 1e-6)) >= 0.97


@pytest.mark.jit
@graph_class
@way
def test_rows_find_their_own_neighbours(c, build):
    X = np.random.default_rng(0).standard_normal((1500, 12))
    index = graph(c, build=build).fit(X)
    distances, ids = index.kneighbors(None, 10)
    exact = naive.nearest_distances(X, X, 11)[:, 1:]
    assert naive.recall(distances, exact) >= 0.98
    assert not (ids == np.arange(1500)[:, None]).any()
    assert_allclose(distances, np.linalg.norm(X[:, None] - X[ids], axis=2), rtol=1e-5)


@pytest.mark.parametrize("n, is_flat", [(30, True), (31, False)])
@graph_class
def test_as_many_rows_as_the_threshold_have_no_graph(c, n, is_flat):
    index = graph(c, exact_threshold=30).fit(indexes.rows(n))
    assert (index.index_.route == SCAN) == is_flat


@pytest.mark.jit
@graph_class
def test_a_beam_is_no_narrower_than_what_is_asked_for(c, monkeypatch):
    """Else a query would be short of neighbours, and all rows be scanned for it."""
    X = indexes.rows(1500)
    index = graph(c, ef_search=1).fit(X)
    monkeypatch.setattr(answer, "_scan", None)
    assert index.kneighbors(X[:20], 10)[1].shape == (20, 10)


@pytest.mark.parametrize("c", FLAT)
def test_landmarks_are_kept_as_the_codes_are(c, X):
    index = graph(c, quantizer=ScalarQuantizer(8)).fit(X).index_
    landmarks, members = index.route.landmarks, index.route.members
    assert type(landmarks) is type(index.codes)
    assert_array_equal(landmarks.codes, index.codes.codes[members])


# Faults of the reference system


@pytest.mark.jit
@graph_class
def test_a_wider_beam_goes_on_improving(c):
    """A result heap that gives up its best when it is full stays at .36 and less."""
    X = np.random.default_rng(0).standard_normal((3200, 24))
    index = graph(c, **NARROW.get(c, {"M": 4, "ef_construction": 40})).fit(X[200:])
    widths = (20, 50, 100, 200)
    found = [recall(index.set_params(ef_search=ef), X[200:], X[:200]) for ef in widths]
    assert np.diff(found).min() > -0.005 and found[0] > 0.4 and found[-1] > 0.85


@pytest.mark.jit
@graph_class
def test_a_beam_as_wide_as_the_data_is_exact(c):
    """A cursor over a list that is sorted again skips nearer rows for good."""
    X, Q = indexes.rows(150), indexes.rows(20, seed=1)
    index = graph(c).fit(X)
    for ef in (149, 150, 2**62):  # by a walk, and by a scan
        ids = index.set_params(ef_search=ef).kneighbors(Q)[1]
        assert_array_equal(ids, naive.nearest(X, Q, 5))


@pytest.mark.parametrize("c", FLAT)
def test_a_flat_graph_is_entered_at_the_medoid(c, X):
    index = graph(c).fit(X)
    gaps = np.linalg.norm(X - X.mean(axis=0), axis=1)
    assert entry(index) == gaps.argmin()


@pytest.mark.jit
@graph_class
@way
def test_edges_lead_back(c, build):
    """Without edges back, rows that came late lead nowhere or are led to by none."""
    X = np.random.default_rng(0).standard_normal((1500, 8))
    neighbors = graph(c, build=build).fit(X).index_.route.neighbors
    edges = {(i, j) for i, row in enumerate(neighbors.tolist()) for j in row if j >= 0}
    assert np.mean([(j, i) in edges for i, j in edges]) > 0.5


@pytest.mark.jit
@pytest.mark.parametrize("c", [VamanaNeighbors, SNGNeighbors])
@way
def test_a_larger_alpha_keeps_more_edges(c, build):
    X, kept = np.random.default_rng(0).standard_normal((1500, 8)), []
    for alpha in (1, 1.2, 1.5):
        index = graph(c, max_degree=64, alpha=alpha, build=build).fit(X)
        kept.append((index.index_.route.neighbors >= 0).sum())
    assert kept[0] < kept[1] < kept[2]


@way
def test_alpha_is_for_distances_and_not_for_their_squares(build):
    """0, 4, 9 on a line: alpha = 1.4 lies between 9 / 5 and its root."""
    X = np.array([[0.0], [4.0], [9.0]])
    for alpha, linked in ((1.4, False), (1.75, False), (1.85, True)):
        index = graph(VamanaNeighbors, alpha=alpha, build=build).fit(X)
        assert (2 in index.index_.route.neighbors[0]) == linked


@pytest.mark.jit
def test_vamana_takes_fewer_hops_with_a_larger_alpha():
    X = np.random.default_rng(0).random((8000, 6), dtype=np.float32)
    hops = []
    for alpha in (1, 1.3):
        index = graph(VamanaNeighbors, alpha=alpha, adaptive=False, ef_search=10)
        index.set_params(max_degree=64).fit(X)
        with counting() as work:
            index.kneighbors(X[:500], 1)
        hops.append(work[0])
    assert hops[1] < hops[0]


# SNG


def test_the_bound_on_degrees_is_the_closed_form():
    alpha = sng.REFERENCE_ALPHA
    assert sng.bound(40.0, 1000, 1000, alpha) == 40
    assert sng.bound(40.0, 1000, 1000, 2 * alpha) == 16  # 10, but 16 at least
    assert sng.bound(100.0, 1000, 1000, 2.0) == round(100 * (alpha / 2) ** 2)
    assert sng.bound(40.0, 1000, 10**6, alpha) == 80
    assert sng.bound(1000.0, 1000, 1000, alpha) == 128
    assert sng.bound(5.0, 1, 1, alpha) == 16


@pytest.mark.jit
def test_the_calibrated_bound_can_be_told_from_its_attributes():
    X = np.random.default_rng(0).standard_normal((3000, 12))
    index = graph(SNGNeighbors, alpha=1.3).fit(X)
    mean, m = index.mean_degree_reference_, index.n_reference_
    assert m == 3000 and 16 < mean < 256
    assert index.max_degree_ == sng.bound(mean, m, 3000, 1.3)
    assert index.index_.route.neighbors.shape[1] == index.max_degree_


@pytest.mark.jit
def test_harder_data_get_a_larger_bound():
    rng = np.random.default_rng(0)
    bounds = [
        graph(SNGNeighbors).fit(rng.standard_normal((3000, d))).max_degree_
        for d in (2, 8, 32)
    ]
    assert bounds == sorted(bounds) and bounds[0] < bounds[-1]


def test_a_bound_that_is_given_is_taken(X):
    index = graph(SNGNeighbors, max_degree=9).fit(X)
    assert index.max_degree_ == 9 and index.n_reference_ == 0
    assert np.isnan(index.mean_degree_reference_)


# Dual-branch HNSW


def dual(n=3000, d=6, **params):
    X = np.random.default_rng(0).standard_normal((n, d))
    X[: n // 2, 2:] = 0  # half of the rows lie in a plane
    return X, graph(DualBranchHNSWNeighbors, M=4, **params).fit(X)


@pytest.mark.jit
def test_branches_share_the_upper_nodes_evenly():
    _, index = dual()
    first, second = index.index_.route.first, index.index_.route.second
    assert not set(first.members) & set(second.members)
    assert 0 <= len(first.members) - len(second.members) <= 1
    assert (abs(np.diff(first.starts) - np.diff(second.starts)) <= 1).all()


@pytest.mark.jit
def test_upper_layers_hold_the_largest_local_dimensions():
    _, index = dual()
    for branch in (index.index_.route.first, index.index_.route.second):
        sizes = np.diff(branch.starts)
        means = [index.lid_[branch.members[:size]].mean() for size in sizes]
        assert means == sorted(means, reverse=True)
        assert means[-1] > index.lid_.mean()


@pytest.mark.jit
def test_local_dimensions_are_those_of_true_neighbours():
    X, index = dual()
    exact = LocalIntrinsicDimensionality(20).fit(X).lid_
    assert np.corrcoef(index.lid_, exact)[0, 1] > 0.99
    assert abs(np.median(index.lid_) / np.median(exact) - 1) < 0.02


@pytest.mark.jit
@pytest.mark.parametrize(
    "threshold, shares", [(2, (0, 0)), (0.5, (0.9, 1)), (0, (1, 1))]
)
def test_bridges_lead_down_from_large_dimensions(threshold, shares):
    _, index = dual(bridge_threshold=threshold)
    share = index.index_.route.first_bridges.mean()
    assert shares[0] <= share <= shares[1]


@pytest.mark.jit
def test_bridges_save_scores_of_the_upper_layers():
    X, index = dual(bridge_threshold=2)
    _, bridged = dual(bridge_threshold=0)
    counts = []
    for each in (index, bridged):
        with counting() as work:
            each.kneighbors(X[:500] + 0.01, 1)
        counts.append(work[1])
    assert counts[1] < counts[0]
    assert recall(bridged, X, X[:500] + 0.01) > 0.98


@pytest.mark.jit
def test_two_branches_find_as_much_as_one():
    X, index = dual(ef_search=40)
    one = graph(HNSWNeighbors, M=4, ef_search=40).fit(X)
    assert recall(index, X, X[:300] + 0.1) >= recall(one, X, X[:300] + 0.1) - 0.01


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_few_rows_have_no_upper_layers_but_two_entries(n):
    X = indexes.rows(n)
    index = graph(DualBranchHNSWNeighbors).fit(X)
    assert_array_equal(index.kneighbors(X, 1)[1][:, 0], np.arange(n))


@pytest.mark.parametrize("n", [26, 60])
def test_the_largest_local_dimensions_have_no_special_bound(n):
    """The reference system's bound underflows for a node of more than 24 edges."""
    X = np.vstack([np.zeros((1, 3)), np.eye(3)[np.arange(n - 1) % 3] * 2])
    index = graph(DualBranchHNSWNeighbors, M=16).fit(X + 1e-3 * indexes.rows(n, 3))
    assert index.index_.route.neighbors.shape == (n, 32)
