"""What HNSW promises beyond what every index does."""

import re

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_jin import FlatNeighbors, HNSWNeighbors
from sklearn_jin.search.counters import counting
from sklearn_jin.search.layers import Layers


def graph(**params):
    return HNSWNeighbors(**{"exact_threshold": 0, "random_state": 0, **params})


def recall(index, X, Q, k=10):
    exact = naive.nearest_distances(X, Q, k)
    return naive.recall(index.kneighbors(Q, k)[0], exact)


# exact_threshold


@pytest.mark.parametrize("n, indexed", [(29, False), (30, False), (31, True)])
def test_more_rows_than_the_threshold_are_indexed(n, indexed):
    index = HNSWNeighbors(exact_threshold=30).fit(indexes.rows(n))
    assert isinstance(index.index_.route, Layers) == indexed
    assert (index.memory_usage()["index"] > 0) == indexed


@pytest.mark.jit
def test_rows_below_the_threshold_are_found_exactly(many):
    index = HNSWNeighbors(exact_threshold=len(many)).fit(many)
    for found, wanted in zip(
        index.kneighbors(), FlatNeighbors().fit(many).kneighbors()
    ):
        assert_array_equal(found, wanted)


# ef_search


@pytest.mark.jit
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner_product"])
def test_a_beam_as_wide_as_much_data_is_exact(many, metric):
    X, Q = many[100:], many[:100]
    index = graph(metric=metric, ef_search=len(X) - 1).fit(X)
    assert_array_equal(index.kneighbors(Q, 5)[1], naive.nearest(X, Q, 5, metric))


@pytest.mark.jit
@pytest.mark.parametrize("wide", [2999, 3000, 2**31, 2**62, 10**30])
def test_a_beam_is_never_wider_than_the_rows(many, wide):
    index = graph(M=4).fit(many).set_params(ef_search=wide)
    found = index.kneighbors(many[:50], 5)
    assert_array_equal(found[1], naive.nearest(many, many[:50], 5))


@pytest.mark.jit
def test_a_wider_beam_finds_more(many):
    X, Q = many[200:], many[:200]
    index = graph(M=4, ef_construction=40).fit(X)
    found = [recall(index.set_params(ef_search=ef), X, Q) for ef in (10, 40, 160)]
    assert found == sorted(found) and found[0] < 0.9 and found[-1] > 0.95


@pytest.mark.jit
def test_the_width_of_the_beam_is_read_at_each_call(many):
    index = graph(M=4).fit(many)
    refitted = graph(M=4, ef_search=300).fit(many)
    for found, wanted in zip(
        index.set_params(ef_search=300).kneighbors(many[:99]),
        refitted.kneighbors(many[:99]),
    ):
        assert_array_equal(found, wanted)


@pytest.mark.jit
@pytest.mark.parametrize("k, ef", [(5, 50), (25, 50), (30, 60), (100, 200)])
def test_by_default_the_beam_is_fifty_or_twice_the_neighbours(many, k, ef):
    index = graph(M=4, ef_construction=30).fit(many)
    expected = clone(index).set_params(ef_search=ef).fit(many).kneighbors(many[:99], k)
    assert_array_equal(index.kneighbors(many[:99], k)[1], expected[1])


@pytest.mark.jit
def test_a_beam_narrower_than_the_answer_is_widened_to_it(many):
    index = graph(M=4, ef_search=1).fit(many)
    expected = clone(index).set_params(ef_search=40).fit(many).kneighbors(many[:99], 40)
    assert_array_equal(index.kneighbors(many[:99], 40)[1], expected[1])


@pytest.mark.parametrize("ef", [0, -1, 2.5, "wide"])
def test_a_bad_width_is_refused_by_fit_and_by_queries(X, ef):
    with pytest.raises(InvalidParameterError, match=f"'ef_search'.*{ef}"):
        graph(ef_search=ef).fit(X)
    with pytest.raises(ValueError, match=f"ef_search='?{ef}'? must be None or an int"):
        graph().fit(X).set_params(ef_search=ef).kneighbors(X)


@pytest.mark.parametrize(
    "name, value",
    [
        ("M", 1),
        ("M", 2.5),
        ("ef_construction", 0),
        ("alpha", 0.5),
        ("exact_threshold", -1),
    ],
)
def test_bad_parameters_are_refused(X, name, value):
    with pytest.raises(InvalidParameterError, match=f"'{name}'.*{value}"):
        graph(**{name: value}).fit(X)


# Building


@pytest.mark.parametrize("M", [2, 59, 60, 1024])
def test_any_number_of_edges_serves_few_rows(X, Q, M):
    ids = graph(M=M, adaptive=False).fit(X).kneighbors(Q, 5)[1]
    assert_array_equal(ids, naive.nearest(X, Q, 5))


@pytest.mark.parametrize("ef_construction", [1, 2, 1000])
def test_any_width_of_building_leaves_no_node_unreachable(X, ef_construction):
    index = graph(M=2, ef_construction=ef_construction).fit(X)
    layers = index.index_.route
    assert index.n_unreachable_ == 0
    assert naive.reachable(layers.neighbors, layers.members[0]) == {*range(60)}


@pytest.mark.jit
def test_more_edges_find_more(many):
    X, Q = many[200:], many[:200]
    found = [recall(graph(M=M, ef_search=20).fit(X), X, Q) for M in (2, 4, 16)]
    assert found == sorted(found)


@pytest.mark.jit
def test_a_wider_beam_of_building_finds_more(many):
    X, Q = many[200:], many[:200]
    narrow, wide = (
        recall(graph(M=8, ef_construction=ef, ef_search=20).fit(X), X, Q)
        for ef in (2, 200)
    )
    assert wide > narrow


@pytest.mark.jit
def test_a_larger_alpha_keeps_more_edges(many):
    edges = [
        (graph(alpha=alpha).fit(many).index_.route.neighbors >= 0).sum()
        for alpha in (1, 1.2, 1.5)
    ]
    assert edges == sorted(edges) and edges[0] < edges[-1]


@pytest.mark.jit
@pytest.mark.parametrize("M", [4, 16, 32])
def test_edges_take_the_bytes_that_the_documentation_says(many, M):
    # 8 * M a row, and an M-th of it above
    usage = graph(M=M).fit(many).memory_usage()["index"] / len(many)
    assert 8 * M <= usage < 8 * M * (1 + 1 / M) + 30


@pytest.mark.jit
def test_the_quality_does_not_hang_on_the_order_of_insertion(many):
    X, Q = many[200:], many[:200]
    found = [recall(graph(random_state=seed).fit(X), X, Q) for seed in range(4)]
    assert max(found) - min(found) < 0.01


@pytest.mark.jit
def test_a_small_island_far_away_is_found():
    X = np.random.default_rng(0).random((3020, 8))
    X[-20:] += 1000
    ids = graph().fit(X).kneighbors(X[-20:], 20)[1]
    assert_array_equal(np.sort(ids), [np.arange(3000, 3020)] * 20)


@pytest.mark.jit
def test_a_wide_beam_finds_outliers(many):
    X = many.copy()
    X[:30] *= 1000 * np.arange(1, 31)[:, None]
    ids = graph(ef_search=200).fit(X).kneighbors(X[:30], 1)[1]
    assert np.mean(ids[:, 0] == np.arange(30)) >= 0.95


@pytest.mark.jit
def test_cosine_is_the_same_for_rows_of_any_length(many):
    X, lengths = many - 0.5, 2.0 ** np.random.default_rng(0).integers(-9, 9, 3000)
    index = graph(metric="cosine").fit(X)
    distances, ids = index.kneighbors(X[:200])
    scaled = (lengths[:, None] * X).astype(np.float32)
    for found in (
        index.kneighbors(scaled[:200]),
        index.fit(scaled).kneighbors(X[:200]),
    ):
        assert_array_equal(found[1], ids)
        assert_array_equal(found[0], distances)


@pytest.mark.jit
def test_cosine_ranks_as_the_euclidean_distance_of_unit_rows(many):
    X = many / np.linalg.norm(many, axis=1)[:, None]
    cosine = graph(metric="cosine", ef_search=400).fit(many).kneighbors(many[:200])
    euclidean = graph(ef_search=400).fit(X).kneighbors(X[:200])
    assert np.mean(cosine[1] == euclidean[1]) > 0.999  # but for ties of rounding
    assert_allclose(2 * cosine[0], euclidean[0] ** 2, 1e-3, 1e-6)


def test_verbose_fits_and_silent_ones_give_the_same(X, Q, capsys):
    silent, verbose = (graph(verbose=v).fit(X).kneighbors(Q) for v in (0, 1))
    assert_array_equal(silent[1], verbose[1])
    assert re.search(r"\[HNSWNeighbors\] (\d+) of \1 batches", capsys.readouterr().err)


@pytest.mark.jit
def test_adaptive_is_read_when_a_query_is_made(many):
    index = HNSWNeighbors(ef_search=20, random_state=0).fit(many)
    fixed = HNSWNeighbors(ef_search=20, adaptive=False, random_state=0).fit(many)
    with counting() as adaptive_work:
        index.kneighbors(many[:300], 10)
    with counting() as fixed_work:
        wanted = fixed.kneighbors(many[:300], 10)[1]
    assert (adaptive_work != fixed_work).any()
    found = index.set_params(adaptive=False).kneighbors(many[:300], 10)[1]
    assert_array_equal(found, wanted)
