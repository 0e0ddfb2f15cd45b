"""Search in lists: which are probed, what is scanned, and what is found."""

import coders
import indexes
import naive
import numpy as np
import probed
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import (
    IVFNeighbors,
    IVFPQNeighbors,
    ProductQuantizer,
    RaBitQ,
    ScaNNNeighbors,
)
from sklearn_jin.search import cells
from sklearn_jin.search import lists as module
from sklearn_jin.search.index import propose

SCORES = {  # of prepared rows, by the kind of points
    "l2": "sqeuclidean",
    "l1": "manhattan",
    "linf": "chebyshev",
}
SQUARED = ["euclidean", "cosine", "inner_product"]
METRICS = [*SQUARED, "manhattan", "chebyshev"]

# One for each way that lists are scanned.
WAYS = {
    "rows": lambda **params: IVFNeighbors(quantizer=None, **params),
    "sums": lambda **params: IVFPQNeighbors(**params),
    "factors": lambda **params: IVFNeighbors(quantizer=RaBitQ(4), **params),
    "bytes": lambda **params: IVFPQNeighbors(n_bits=8, **params),
    "spill": lambda **params: ScaNNNeighbors(spill=True, **params),
}

way = pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)


def listed(make, X, **params):
    return make(exact_threshold=0, random_state=0, **params).fit(X)


def in_rows(X, **params):
    return listed(WAYS["rows"], X, **params)


def uniform(n, d, seed=0):
    return np.random.default_rng(seed).random((n, d), dtype=np.float32)


def score_all(index, Q, X, space=None):
    """Scores (n_queries, n) of prepared rows, by definition."""
    Q = probed.asked(index, Q)[:, : index.index_.metric.width_]
    space = space or index.index_.metric.space
    if space == "ip":
        return 1 - Q.astype(np.float64) @ X.T
    return naive.distances(X, Q, SCORES[space])


def assert_same(answer, expected):
    assert_array_equal(answer[1], expected[1])
    assert_array_equal(answer[0], expected[0])


# Where nothing is left out, answers are exact.


def assert_exact(index, X, Q, k=5):
    distances, ids = index.kneighbors(Q, k)
    assert_array_equal(ids, naive.nearest(X, Q, k, index.metric))
    exact = naive.nearest_distances(X, Q, k, index.metric)
    assert_allclose(distances, exact, rtol=1e-4, atol=1e-5)


@way
@pytest.mark.parametrize("metric", SQUARED)
def test_all_lists_and_all_candidates_are_an_exact_search(make, metric, X, Q):
    index = listed(make, X, metric=metric, n_lists=9, n_probes=9, rerank=60)
    assert_exact(index, X, Q)


@pytest.mark.jit
@pytest.mark.parametrize("metric", SQUARED)
@pytest.mark.parametrize("space", coders.classes(), ids=lambda c: c.__name__)
def test_all_codes_serve_an_exact_search(space, metric):
    X, Q = indexes.rows(150, 12), indexes.rows(15, 12, seed=1)
    index = IVFNeighbors(
        quantizer=coders.repeatable(space()),
        metric=metric,
        n_lists=9,
        n_probes=9,
        rerank=150,
        exact_threshold=0,
    )
    assert_exact(index.fit(X), X, Q)


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("metric", indexes.metrics(IVFNeighbors()))
def test_all_lists_of_rows_are_an_exact_search(metric, adaptive):
    X, Q = (indexes.rows(60, metric=metric), indexes.rows(9, seed=1, metric=metric))
    index = in_rows(X, metric=metric, n_lists=9, n_probes=9, adaptive=adaptive)
    assert_exact(index, X, Q)


@pytest.mark.parametrize("kept", ["float16", "int8"])
def test_what_is_kept_changes_nothing_but_distances(kept, X, Q):
    params = {"n_lists": 20, "n_probes": 4, "rerank": 8}
    whole, rounded = (
        listed(WAYS["sums"], X, store_vectors=stored, **params).kneighbors(Q, 2)
        for stored in (True, kept)
    )
    assert np.mean(whole[1] == rounded[1]) >= 0.9
    assert_allclose(rounded[0], whole[0], rtol=0.05, atol=0.05)


# Which lists are probed.


@pytest.mark.parametrize("far", [0, 1000])
@pytest.mark.parametrize("metric", METRICS)
def test_the_nearest_lists_are_probed(metric, far):
    X, Q = indexes.rows(150, 4) + far, indexes.rows(9, 4, seed=1) + far
    index = in_rows(X, metric=metric, n_lists=80, n_probes=7, adaptive=False)
    space = "ip" if metric == "inner_product" else "l2"  # of the cells, for any other
    scores = score_all(index, Q, probed.centers_of(index), space)
    limits = np.sort(scores, axis=1)[:, 6] + 1e-5 * max(scores.max(), 1)
    for q, lists in enumerate(probed.lists_of(index, Q)):
        assert len(lists) == 7 and scores[q, list(lists)].max() <= limits[q]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("adaptive", [True, False])
def test_more_probes_only_add_lists(metric, adaptive, X, Q):
    index = in_rows(X, metric=metric, n_lists=40, adaptive=adaptive)
    fewer = [set()] * len(Q)
    for n_probes in (1, 2, 3, 5, 6, 9, 15, 25, 39, 40):
        more = probed.lists_of(index.set_params(n_probes=n_probes), Q)
        assert all(one <= other for one, other in zip(fewer, more))
        fewer = more
    assert all(len(lists) == 40 for lists in more)


@pytest.mark.jit
@way
@pytest.mark.parametrize("adaptive", [True, False])
def test_recall_does_not_fall_with_more_probes(make, adaptive):
    X, Q = uniform(2000, 8), uniform(100, 8, seed=1)
    index = listed(make, X, adaptive=adaptive, rerank=200)
    exact, found = naive.nearest_distances(X, Q, 10), []
    for n_probes in (1, 3, 8, 20, 89):
        distances, _ = index.set_params(n_probes=n_probes).kneighbors(Q, 10)
        found.append(naive.recall(distances, exact))
    assert found == sorted(found) and found[0] < 0.9 and found[-1] == 1


@pytest.mark.jit
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
@pytest.mark.parametrize("n_probes", [2, 3, 5, 8, 16, 30])
def test_an_adaptive_search_probes_as_many_lists_on_the_average(metric, n_probes):
    X = indexes.rows(3000, 10)
    index = in_rows(X, metric=metric, n_probes=n_probes)
    counts = [len(lists) for lists in probed.lists_of(index, X)]
    assert 0.85 * n_probes <= np.mean(counts) <= 1.15 * n_probes
    assert 1 <= min(counts) < n_probes < max(counts) <= 2 * n_probes


def test_inner_products_take_a_fixed_number_of_lists(X, Q):
    index = in_rows(X, metric="inner_product", n_lists=40, n_probes=6)
    assert all(len(lists) == 6 for lists in probed.lists_of(index, Q))


def test_the_default_probes_enough_lists():
    X = indexes.rows(60)
    index = in_rows(X, n_lists=50, adaptive=False)
    assert all(len(lists) == 32 for lists in probed.lists_of(index, X))


@pytest.mark.parametrize(
    ("metric", "limit"),
    [("euclidean", np.inf), ("euclidean", 1.5), ("inner_product", np.inf)],
)
def test_products_propose_few_more_cells_than_are_wanted(metric, limit):
    X, Q = uniform(4000, 16) - 0.5, uniform(60, 16, seed=1) - 0.5
    index = in_rows(X, metric=metric, n_lists=1200, max_train=1200)
    lists, queries = index.index_.route, probed.asked(index, Q)
    weights = cells.weigh(lists.cells, 16)
    space = "ip" if metric == "inner_product" else "l2"
    scores = score_all(index, Q, probed.centers_of(index), space)
    proposed = cells._proposed_cells(weights, queries, 64, limit)
    for row, own in zip(proposed, scores):
        nearest = np.sort(own)
        last = nearest[63]
        if limit < np.inf:
            first = nearest[: cells.FIRST]
            last = max(limit * first.mean(), first[-1])
        wanted = np.flatnonzero(own <= last * (1 - 1e-5))
        assert {*wanted} <= {*row[row >= 0]}
        assert (row >= 0).sum() < 2 * len(wanted) + 40


# Where a search ends.


@pytest.mark.parametrize("metric", SQUARED)
def test_no_row_is_nearer_than_its_list_can_be(metric):
    X, Q = indexes.rows(120, 3), 2 * indexes.rows(9, 3, seed=1)
    index = in_rows(X, metric=metric, n_lists=15)
    lists, queries = index.index_.route, probed.asked(index, Q)
    every = module.Probe(15, False, 120, False)
    probed_cells, bases = module.route(lists, queries, every)
    turns = module.plan_turns(lists, queries, probed_cells, bases)
    scores, some = score_all(index, Q, probed.rows_of(index)), 0
    for run, q, low in zip(turns.runs, turns.queries, turns.lows):
        ids = lists.ids[lists.starts[run] : lists.starts[run + 1]]
        assert low >= 0
        if len(ids):
            assert scores[q, ids].min() >= low
            some += low > 0.2 * scores[q, ids].min() > 0
    assert len(turns.runs) == 15 * 9 and some > 0


@pytest.mark.jit
@way
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner_product"])
def test_lists_that_are_passed_over_hold_no_neighbour(make, metric):
    X, Q = uniform(3000, 2), uniform(200, 2, seed=1)
    index = listed(make, X, metric=metric, n_probes=40)
    found, _ = index.kneighbors(Q, 10)
    far = np.full(len(index.index_.route.radii), np.inf, np.float32)
    route = index.index_.route._replace(radii=far)
    index.index_ = index.index_._replace(route=route)
    wanted, _ = index.kneighbors(Q, 10)
    if make is WAYS["rows"]:
        assert_array_equal(found, wanted)
    else:  # estimates differ from scores, by which lists are passed over
        assert np.mean(np.abs(found - wanted) <= 1e-6) >= 0.995


@pytest.mark.parametrize("k", [20, 60])
@way
def test_lists_with_too_few_rows_are_not_the_end(make, k, X, Q):
    index = listed(make, X, n_lists=40, n_probes=1)
    distances, ids = index.kneighbors(Q, k)
    assert ids.shape == (15, k) and ids.min() >= 0
    assert all(len({*row}) == k for row in ids)
    every = naive.distances(X, Q)
    assert_allclose(distances, np.take_along_axis(every, ids, 1), rtol=1e-5, atol=1e-6)


def test_lists_without_rows_are_probed_in_vain(Q):
    X = np.repeat(indexes.rows(3), 20, axis=0)
    index = in_rows(X, n_lists=30, n_probes=2)
    assert (index.list_sizes_ == 0).sum() >= 27
    assert all(len({*row}) == 25 for row in index.kneighbors(Q, 25)[1])


# What an answer does not depend on.


@pytest.mark.jit
@way
@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_batches_their_order_and_threads_do_not_matter(make, metric):
    X, Q = uniform(3000, 8), uniform(300, 8, seed=1)
    index = listed(make, X, metric=metric, n_lists=400, n_probes=12, n_jobs=1)
    whole = index.kneighbors(Q)
    assert_same(index.set_params(n_jobs=2).kneighbors(Q), whole)
    order = np.random.default_rng(0).permutation(300)
    assert_same(index.kneighbors(Q[order]), [part[order] for part in whole])
    for size in (1, 2, 33, 150):
        some = slice(100, 100 + size)
        assert_same(index.kneighbors(Q[some]), [part[some] for part in whole])


@pytest.mark.jit
@way
def test_queries_far_apart_share_a_batch(make):
    X = uniform(2000, 8)
    Q = X[:100] + np.where(np.arange(100) % 2, 0, 1000)[:, None]
    index = listed(make, X)
    whole = index.kneighbors(Q.astype(np.float32))
    for part, other in zip(index.kneighbors(X[1:100:2]), whole):
        assert_array_equal(part, other[1::2])


# Candidates.


@pytest.mark.parametrize("n", [1, 64, 65, 300])
def test_what_is_repeated_is_dropped(n):
    rng = np.random.default_rng(n)
    ids = rng.integers(-1, n, (7, 2 * n)).astype(np.int32)
    wanted = ids.copy()
    for row in wanted:
        met = set()
        for j, i in enumerate(row):
            row[j] = -1 if i in met else i
            met.add(i)
    module.drop_repeated(ids, n)
    assert_array_equal(ids, wanted)


def test_candidates_are_the_best_by_estimate(X, Q):
    index = listed(WAYS["sums"], X, n_lists=5)
    ids, every = probed.proposed(index, Q)
    some, best = probed.proposed(index, Q, room=7)
    assert (np.diff(every, axis=1) >= 0).all()
    assert_array_equal(some, ids[:, :7])
    assert_array_equal(best, every[:, :7])


@pytest.mark.parametrize("name", ["rows", "factors", "bytes"])
def test_estimates_are_near_the_scores(name):
    X, Q = indexes.rows(200, 8), indexes.rows(9, 8, seed=1)
    X *= np.random.default_rng(2).uniform(0.3, 3, (200, 1))  # of many lengths
    index = listed(WAYS[name], X, n_lists=2)
    ids, estimates = probed.proposed(index, Q)
    exact = score_all(index, Q, probed.rows_of(index))
    for q in range(len(Q)):
        some = ids[q] >= 0
        error = np.abs(estimates[q, some] - exact[q, ids[q, some]])
        assert error.mean() < 0.15 * np.abs(exact[q]).mean()


def test_candidates_are_of_the_lists_probed(X, Q):
    index = in_rows(X, n_lists=12, adaptive=False, n_probes=3)
    ids, _ = probed.proposed(index, Q, n_probes=3)
    of_row = np.empty(60, int)
    of_row[index.index_.route.ids] = probed.labels_of(index)
    for row, lists in zip(ids, probed.lists_of(index, Q)):
        assert {*row[row >= 0]} == {*np.flatnonzero(np.isin(of_row, list(lists)))}


def test_a_bound_is_that_of_the_list_which_holds_the_row(Q):
    X = indexes.rows(90, 12)
    index = listed(IVFNeighbors, X, quantizer=RaBitQ(4), n_lists=9)
    Q, route = indexes.rows(5, 12, seed=1), index.index_.route
    ids, estimates = probed.proposed(index, Q)
    probe = module.Probe(index.n_lists_, False, len(route.ids), True)
    some, bounds = module.candidates(
        route, index.index_.points, probed.asked(index, Q), probe
    )
    slot, cell = np.argsort(route.ids), probed.labels_of(index)
    far = np.sqrt(score_all(index, Q, probed.centers_of(index)))
    for q in range(len(Q)):
        estimate = np.empty(len(X))
        estimate[ids[q]] = estimates[q]
        expected = estimate - route.errors[slot] * far[q, cell[slot]]
        assert_allclose(bounds[q], expected[some[q]], rtol=1e-4, atol=1e-4)


def test_rows_of_two_lists_take_two_places_among_the_candidates():
    X, Q = indexes.rows(200, 8), indexes.rows(9, 8, seed=1)
    index = listed(WAYS["spill"], X, n_lists=9, n_probes=9, rerank=1)
    found = []

    def use(part, estimates, ids):
        found.extend(len({*row[row >= 0]}) for row in ids)

    queries, search = probed.asked(index, Q), index._search(10)
    propose(index.index_.route, index.index_, queries, search, use)
    assert len(found) == len(Q) and min(found) >= 10


@pytest.mark.jit
@pytest.mark.parametrize("n_bits", [1, 4])
def test_a_bound_finds_no_less_than_the_default(n_bits):
    X, Q = indexes.rows(3000, 24), indexes.rows(100, 24, seed=1)
    index = listed(IVFNeighbors, X, quantizer=RaBitQ(n_bits), n_probes=60)
    exact = naive.nearest_distances(X, Q, 10)
    plain, bound = (
        naive.recall(index.set_params(rerank=rerank).kneighbors(Q, 10)[0], exact)
        for rerank in (None, "bound")
    )
    assert bound >= plain


@pytest.mark.jit
def test_a_bound_that_is_learned_finds_most():
    X, Q = indexes.rows(3000, 24), indexes.rows(100, 24, seed=1)
    index = listed(IVFPQNeighbors, X, n_probes=110, rerank="bound")
    exact = naive.nearest_distances(X, Q, 10)
    assert naive.recall(index.kneighbors(Q, 10)[0], exact) >= 0.95
    assert 1 < index.index_.learned.overestimate < np.inf


@pytest.mark.jit
def test_more_candidates_find_more():
    X, Q = indexes.rows(2000, 24), indexes.rows(100, 24, seed=1)
    index = listed(IVFNeighbors, X, quantizer=ProductQuantizer(6, 4), n_probes=89)
    exact, found = naive.nearest_distances(X, Q, 10), []
    for rerank in (1, 3, 10, 50, 200):
        distances, _ = index.set_params(rerank=rerank).kneighbors(Q, 10)
        found.append(naive.recall(distances, exact))
    assert found == sorted(found) and found[0] < 0.7 and found[-1] == 1


# Parameters that are read when a query is made.


@pytest.mark.parametrize("params", [{"n_probes": 1}, {"rerank": 1}], ids=str)
def test_answers_change_without_fitting_again(params):
    X, Q = indexes.rows(120, 24), indexes.rows(40, 24, seed=1)
    index = listed(WAYS["sums"], X, n_subvectors=4, n_lists=20, n_probes=20)
    lists, before = index.index_.route, index.kneighbors(Q)
    after = index.set_params(**params).kneighbors(Q)
    assert (after[1] != before[1]).any() and (after[0] >= before[0]).all()
    assert_same(index.set_params(n_probes=20, rerank=None).kneighbors(Q), before)
    assert index.index_.route is lists


def test_adaptive_is_read_when_a_query_is_made(X, Q):
    index = in_rows(X, n_lists=40, n_probes=6, adaptive=False)
    assert {len(lists) for lists in probed.lists_of(index, Q)} == {6}
    index.set_params(adaptive=True)
    assert len({len(lists) for lists in probed.lists_of(index, Q)}) > 1


@pytest.mark.parametrize("n_probes", [0, -1, 2.5, "all"])
def test_a_wrong_number_of_probes_is_refused(n_probes, X):
    index = in_rows(X)
    with pytest.raises(ValueError, match=f"n_probes='?{n_probes}.*from 1 on"):
        index.set_params(n_probes=n_probes).kneighbors(X)


@pytest.mark.parametrize("rerank", [0, 0.5, "all"])
def test_a_wrong_number_of_candidates_is_refused(rerank, X):
    index = listed(WAYS["sums"], X)
    with pytest.raises(ValueError, match=f"rerank='?{rerank}.*from 1 on"):
        index.set_params(rerank=rerank).kneighbors(X)


def test_more_probes_than_lists_are_all_lists(X, Q):
    index = in_rows(X, n_lists=9, n_probes=9)
    expected = index.kneighbors(Q)
    assert_same(index.set_params(n_probes=10**9).kneighbors(Q), expected)
