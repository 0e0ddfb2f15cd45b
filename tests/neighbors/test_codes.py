"""Indexes that search on codes: what is found, what is kept, what is refused."""

import copy
import pickle
import warnings

import coders
import indexes
import joblib
import naive
import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    HNSWTransformer,
    PCAQuantizer,
    RaBitQ,
    ScalarQuantizer,
)
from sklearn_jin.points.scalar import Scalar8
from sklearn_jin.search import counters
from sklearn_jin.search.index import check, n_bytes, usage

# Graphs of codes are slow as plain Python, and their parts are tested by themselves.
pytestmark = pytest.mark.jit

# Name of the class: parameters with which it searches on codes.
ROUTES = {"flat": (FlatNeighbors, {}), "graph": (HNSWNeighbors, {"exact_threshold": 0})}
METRICS = ["euclidean", "inner_product"]  # cosine is prepared as these are
KEPT = [True, "float32", "float16", "int8", False]
INDIRECT = ["route", "quantizer"]  # of parameters, those that are fixtures


@pytest.fixture(params=ROUTES)
def route(request):
    """Makes an index of one of the routes."""
    kind, fixed = ROUTES[request.param]
    return lambda quantizer, **params: kind(
        quantizer=quantizer, **{"random_state": 0, **fixed, **params}
    )


@pytest.fixture(params=coders.classes(), ids=lambda c: c.__name__)
def quantizer(request):
    return request.param()


def blobs(n=2000, d=24):
    X = make_blobs(n + 50, d, centers=20, random_state=0)[0].astype(np.float32)
    return X[50:], X[:50]


def cases():
    """Routes, quantizers and metrics: every two of them meet, or in full all three."""
    for r, name in enumerate(ROUTES):
        for i, c in enumerate(coders.classes()):
            for j, metric in enumerate(METRICS):
                if indexes.FULL or (r + i + j) % 2 == 0:
                    case_id = f"{name}-{c.__name__}-{metric}"
                    yield pytest.param(name, c, metric, id=case_id)


coded = pytest.mark.parametrize(
    "route, quantizer, metric", [*cases()], indirect=INDIRECT
)


def true_of(X, Q, ids, metric):
    return np.take_along_axis(naive.distances(X, Q, metric), ids, axis=1)


# What is found.


@pytest.mark.jit
@coded
def test_most_neighbours_are_found_with_many_candidates(route, quantizer, metric):
    X, Q = blobs()
    index = route(quantizer, metric=metric, rerank=80)
    if hasattr(index, "ef_search"):
        index.set_params(ef_search=800, adaptive=False)
    distances, ids = index.fit(X).kneighbors(Q, 10)
    exact = naive.nearest_distances(X, Q, 10, metric)
    overestimate = 1e-6 * np.abs(exact[:, -1:])
    assert np.mean(distances <= exact[:, -1:] + overestimate) >= 0.95
    assert_allclose(distances, true_of(X, Q, ids, metric), rtol=1e-4, atol=1e-5)
    assert (np.diff(distances) >= 0).all()
    assert all(len(set(row)) == 10 for row in ids)


@pytest.mark.jit
@pytest.mark.parametrize("metric", METRICS)
def test_more_candidates_find_more(route, metric):
    X, Q = blobs()
    index = route(RaBitQ(2), metric=metric)
    if hasattr(index, "ef_search"):
        index.set_params(ef_search=400)
    index.fit(X)
    exact = naive.nearest_distances(X, Q, 10, metric)
    found = []
    for rerank in (1, 4, 40):
        distances, _ = index.set_params(rerank=rerank).kneighbors(Q, 10)
        found.append(np.mean(distances <= exact[:, -1:] + 1e-6 * np.abs(exact[:, -1:])))
    assert found == sorted(found) and found[0] < found[-1]


def test_a_wider_beam_has_more_candidates():
    X, Q = blobs(600)
    index = HNSWNeighbors(quantizer=ScalarQuantizer(8), exact_threshold=0).fit(X)
    index.set_params(adaptive=False, ef_search=400)
    with counters.counting() as work:
        index.kneighbors(Q, 5)
    assert work[counters.WORK.index("exact")] == 50 * len(Q)
    with counters.counting() as work:
        index.set_params(rerank=2).kneighbors(Q, 5)
    assert work[counters.WORK.index("exact")] == 10 * len(Q)


def test_as_many_candidates_as_asked_for_are_scored(X, Q):
    index = FlatNeighbors(quantizer=RaBitQ(1), rerank=60, random_state=0).fit(X)
    assert_array_equal(index.kneighbors(Q, 1)[1], naive.nearest(X, Q, 1))


@pytest.mark.jit
def test_a_bound_finds_what_it_is_for(route):
    X, Q = blobs()
    exact = naive.nearest_distances(X, Q, 10)
    distances, _ = route(ScalarQuantizer(4), rerank="bound").fit(X).kneighbors(Q, 10)
    assert naive.recall(distances, exact) >= 0.98


# What is kept.


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "kept, error", [(True, 1e-6), ("float32", 1e-6), ("float16", 2e-3), ("int8", 0.03)]
)
def test_distances_are_as_exact_as_what_is_kept(route, kept, error, metric):
    X, Q = normal(60, 12), normal(9, 12, seed=1)
    index = route(ScalarQuantizer(4), store_vectors=kept, metric=metric, rerank=99)
    distances, ids = index.fit(X).kneighbors(Q, 5)
    true = true_of(X, Q, ids, metric)
    size = np.abs(naive.distances(X, Q, metric)).max()
    assert_allclose(distances, true, rtol=0, atol=error * size)
    assert (np.diff(distances) >= 0).all()


@coded
def test_without_rows_distances_are_estimates(route, quantizer, metric):
    X, Q = normal(60, 12), normal(9, 12, seed=1)
    index = route(quantizer, store_vectors=False, metric=metric)
    distances, ids = index.fit(X).kneighbors(Q, 5)
    assert ids.shape == (9, 5) and np.isfinite(distances).all()
    assert all(len(set(row)) == 5 for row in ids)
    assert (np.diff(distances) >= 0).all()
    if metric != "inner_product":
        assert (distances >= 0).all()


def test_estimates_of_8_bits_are_near(route):
    X, Q = normal(60, 12), normal(9, 12, seed=1)
    distances, ids = route("auto", store_vectors=False).fit(X).kneighbors(Q, 5)
    assert_allclose(distances, true_of(X, Q, ids, "euclidean"), rtol=0.02)


def test_less_is_kept_when_less_is_asked_for(route):
    sizes = {}
    for kept in KEPT:
        index = route(ScalarQuantizer(4), store_vectors=kept).fit(normal(200, 60))
        sizes[kept] = index.memory_usage()["points"]
    assert sizes[True] == sizes["float32"] == 200 * 64 * 4
    assert sizes["float16"] < 0.51 * sizes[True]
    assert sizes["int8"] < 0.6 * sizes["float16"]
    assert sizes[False] < 0.6 * sizes["int8"]


def test_without_rows_codes_are_counted_once(route):
    index = route(ScalarQuantizer(4), store_vectors=False).fit(normal(60, 64))
    assert not hasattr(index.index_.points, "X")
    assert index.memory_usage()["codes"] == 0


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("metric", METRICS)
def test_own_rows_are_found_without_themselves(route, kept, metric):
    X = normal(60, 12)
    index = route(ScalarQuantizer(8), store_vectors=kept, metric=metric, rerank=99)
    distances, ids = index.fit(X).kneighbors(n_neighbors=5)
    assert ids.shape == (60, 5) and not (ids == np.arange(60)[:, None]).any()
    size = np.abs(naive.distances(X, X, metric)).max()
    assert_allclose(distances, true_of(X, X, ids, metric), rtol=0, atol=0.03 * size)


@pytest.mark.parametrize("kept", KEPT)
def test_balls_hold_what_is_within(route, kept):
    X, Q = normal(60, 12), normal(9, 12, seed=1)
    index = route(ScalarQuantizer(8), store_vectors=kept, rerank=99).fit(X)
    every = naive.distances(X, Q)
    for q, ids in enumerate(index.radius_neighbors(Q, 4.0)[1]):
        assert {*np.flatnonzero(every[q] < 3.8)} <= {*ids}
        assert {*ids} <= {*np.flatnonzero(every[q] < 4.2)}


@pytest.mark.parametrize("kept", KEPT)
def test_copies_answer_alike(route, quantizer, kept, tmp_path):
    X = normal(40, 12)
    index = route(quantizer, store_vectors=kept).fit(X)
    joblib.dump(index, tmp_path / "index")
    mapped = joblib.load(tmp_path / "index", mmap_mode="r")
    for twin in (pickle.loads(pickle.dumps(index)), mapped):
        assert twin.memory_usage() == index.memory_usage()
        for found, wanted in zip(twin.kneighbors(), index.kneighbors()):
            assert_array_equal(found, wanted)


# Parameters.


def test_the_quantizer_is_copied_and_not_fitted(route, quantizer):
    index = route(quantizer).fit(normal(40, 12))
    assert not hasattr(quantizer, "n_bytes_")
    assert type(index.quantizer_) is type(quantizer)
    assert index.quantizer_ is not quantizer and index.quantizer is quantizer


def test_a_clone_has_a_quantizer_of_its_own(route):
    index = route(ScalarQuantizer(4)).fit(normal(40, 12))
    twin = clone(index)
    assert not hasattr(twin, "quantizer_")
    assert twin.quantizer is not index.quantizer and twin.quantizer.n_bits == 4


def test_parameters_of_the_quantizer_are_parameters(route):
    index = route(ScalarQuantizer(4))
    assert index.get_params()["quantizer__n_bits"] == 4
    index.set_params(quantizer__n_bits=8).fit(normal(40, 12))
    assert index.quantizer_.n_bytes_ == 12


def test_codes_are_searched_over_in_a_pipeline():
    X, y = make_blobs(90, 4, random_state=0)
    index = HNSWTransformer(
        quantizer=ScalarQuantizer(), exact_threshold=0, random_state=0
    )
    model = make_pipeline(index, KNeighborsClassifier(metric="precomputed"))
    grid = {"hnswtransformer__quantizer__n_bits": [4, 8]}
    found = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert found.best_score_ > 0.8


@pytest.mark.parametrize("rerank", [1, 3.5, 1000, "bound", None])
def test_candidates_are_read_at_each_call(route, rerank):
    X, Q = normal(60, 12), normal(9, 12, seed=1)
    index = route(ScalarQuantizer(4)).fit(X).set_params(rerank=rerank)
    expected = route(ScalarQuantizer(4), rerank=rerank).fit(X).kneighbors(Q, 5)
    for found, wanted in zip(index.kneighbors(Q, 5), expected):
        assert_array_equal(found, wanted)


def wide(**params):
    """Rows of many features, queries, and parameters of short codes."""
    X = normal(340, 240) / np.arange(1, 241, dtype=np.float32) ** 0.5
    quantizer = PCAQuantizer(60, random_state=0)
    return X[40:], X[:40], {"quantizer": quantizer, "rerank": 10, **params}


def test_few_rows_are_read_where_finer_codes_sort_candidates(route):
    X, Q, params = wide(n_neighbors=5)
    index = route(**params).fit(X)
    with counters.counting() as work:
        index.kneighbors(Q)
    assert isinstance(index.index_.finer, Scalar8)
    assert len(Q) * 5 <= work[-1] < len(Q) * 9  # of 50 candidates each
    plain = copy.copy(index)
    plain.index_ = index.index_._replace(finer=None)
    for rerank in (10, "bound"):
        for found, wanted in zip(
            index.set_params(rerank=rerank).kneighbors(Q), plain.kneighbors(Q)
        ):
            assert_array_equal(found, wanted)


def test_finer_codes_are_counted_with_the_codes(route):
    X, _, params = wide()
    index = route(**params).fit(X)
    plain = index.index_._replace(finer=None)
    told = index.memory_usage()
    assert told["codes"] - usage(plain)["codes"] == n_bytes(index.index_.finer)
    assert told["index"] == usage(plain)["index"]


@pytest.mark.parametrize(
    "params",
    [
        {"store_vectors": False},
        {"store_vectors": "int8"},
        {"metric": "inner_product"},
        {"quantizer": ScalarQuantizer(4)},
    ],
    ids=str,
)
def test_nothing_but_short_codes_of_kept_rows_needs_finer_ones(route, params):
    X, Q, params = wide(**params)
    index = route(**params).fit(X)
    assert index.index_.finer is None
    assert index.kneighbors(Q, 3)[1].shape == (40, 3)


def test_a_graph_of_few_rows_has_no_codes():
    X, _, params = wide()
    index = HNSWNeighbors(**params).fit(X).index_
    assert index.codes is None and index.finer is None


def test_damaged_finer_codes_are_told(route):
    X, _, params = wide()
    index = route(**params).fit(X).index_
    for finer in (
        index.finer._replace(codes=index.finer.codes[:-1]),
        index.finer._replace(codes=index.finer.codes[:, :192]),
    ):
        with pytest.raises(ValueError, match="fit it again"):
            check(index._replace(finer=finer))


def test_threads_change_nothing(route, quantizer):
    X = normal(300, 12) if compiled() else normal(40, 12)
    one, two = (route(quantizer, n_jobs=n).fit(X) for n in (1, 2))
    for found, wanted in zip(two.kneighbors(), one.kneighbors()):
        assert_array_equal(found, wanted)


def compiled():
    from sklearn_jin._jit import PLAIN

    return not PLAIN


def test_the_seed_of_the_index_is_that_of_its_quantizer(route):
    X = normal(40, 12)
    fitted = [route(RaBitQ(), random_state=s).fit(X).quantizer_ for s in (1, 1, 2)]
    signs = [quantizer.signs_ for quantizer in fitted]
    assert_array_equal(signs[0], signs[1])
    assert (signs[0] != signs[2]).any()
    own = route(RaBitQ(random_state=1), random_state=5).fit(X).quantizer_
    assert_array_equal(own.signs_, signs[0])


# "auto".


def low(n, d):
    """Rows of ten directions, so that neighbours are well apart."""
    return normal(n, 10) @ normal(10, d, seed=1)


@pytest.mark.jit
def test_auto_takes_few_bits_of_wide_rows(route):
    index = route("auto").fit(low(2000, 192))
    assert index.quantizer_.n_bits == 4
    rows, four, eight = index.quantizer_trial_
    assert rows.quantizer is None and four.quantizer.n_bits == 4
    assert four.work < min(rows.work, eight.work) < np.inf


@pytest.mark.jit
def test_auto_takes_no_codes_of_narrow_rows_on_a_graph():
    index = HNSWNeighbors(quantizer="auto", random_state=0).fit(low(2000, 8))
    assert index.quantizer_ is None and index.index_.codes is None
    assert len(index.quantizer_trial_) == 3


@pytest.mark.jit
def test_auto_takes_no_4_bits_where_rows_are_crowded(route):
    X = 100 * normal(20, 128).repeat(100, axis=0) + 1e-2 * normal(2000, 128, 1)
    quantizer = route("auto").fit(X).quantizer_
    assert quantizer is None or quantizer.n_bits == 8
    assert route("auto", store_vectors=False).fit(X).quantizer_.n_bits == 8


@pytest.mark.parametrize("quantizer", [None, ScalarQuantizer(4)], ids=str)
def test_nothing_is_tried_where_codes_are_given(route, quantizer):
    assert route(quantizer).fit(normal(40, 12)).quantizer_trial_ is None


def test_without_rows_codes_are_the_only_choice(route):
    index = route("auto", store_vectors=False).fit(normal(400, 12))
    assert [one.quantizer.n_bits for one in index.quantizer_trial_] == [4, 8]
    assert all(one.candidates == 0 for one in index.quantizer_trial_)


def test_candidates_are_as_many_as_were_needed(route):
    index = route(RaBitQ(1, random_state=0)).fit(normal(400, 12))
    learned = index.index_.learned
    assert learned.rerank > 3 and learned.least > 3
    assert route(ScalarQuantizer(8)).fit(normal(400, 12)).index_.learned.rerank < 2


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev"])
def test_auto_takes_no_codes_for_metrics_without_any(route, metric):
    index = route("auto", metric=metric).fit(normal(40, 12))
    assert index.quantizer_ is None and index.index_.codes is None


# What is refused.


def test_a_quantizer_is_refused_by_metrics_without_codes(route):
    message = r"quantizer=.*metric='manhattan': use quantizer=None or 'auto'"
    with pytest.raises(ValueError, match=message):
        route(ScalarQuantizer(), metric="manhattan").fit(normal(40, 12))


@pytest.mark.parametrize("kept", [False, "int8"])
def test_rows_are_not_dropped_without_codes(route, kept):
    message = f"store_vectors='?{kept}'?.*quantizer=None.*choose a quantizer"
    with pytest.raises(ValueError, match=message):
        route(None, store_vectors=kept).fit(normal(40, 12))


@pytest.mark.parametrize("rerank", [0, 0.5, "all"])
def test_a_wrong_number_of_candidates_is_refused(route, rerank):
    with pytest.raises(InvalidParameterError, match=f"'rerank'.*{rerank}"):
        route("auto", rerank=rerank).fit(normal(40, 12))
    index = route(ScalarQuantizer()).fit(normal(40, 12)).set_params(rerank=rerank)
    with pytest.raises(ValueError, match=r"rerank=.* must be None, 'bound' or a n"):
        index.kneighbors()


@pytest.mark.parametrize("params", [{"quantizer": "best"}, {"store_vectors": "int4"}])
def test_other_parameters_are_refused(route, params):
    (name,) = params
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter"):
        route(**{"quantizer": None, **params}).fit(normal(40, 12))


# Hard rows.


@pytest.mark.parametrize("kept", [True, False])
def test_one_row_is_found(route, quantizer, kept):
    index = route(quantizer, store_vectors=kept).fit(normal(1, 5))
    assert_array_equal(index.kneighbors(normal(3, 5, 1), 1)[1], [[0]] * 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("quantizer", ["auto", ScalarQuantizer(4)], ids=str)
def test_equal_rows_raise_no_warning(route, quantizer):
    if not compiled():
        warnings.simplefilter("ignore", RuntimeWarning)
    distances, ids = route(quantizer).fit(np.full((30, 4), 7.0)).kneighbors()
    assert_array_equal(distances, 0)
    assert not (ids == np.arange(30)[:, None]).any()


def test_copies_are_all_found(route, quantizer):
    X = np.repeat(10 * normal(4, 6), 5, axis=0)
    ids = route(quantizer, rerank=99).fit(X).kneighbors(X[::5], 5)[1]
    assert_array_equal(np.sort(ids), np.arange(20).reshape(4, 5))


def test_another_quantizer_is_refused_by_names_that_users_know(X):
    told = r"must be a quantizer of sklearn_jin, such as RaBitQ\(\), .*'auto'.* or None"
    for quantizer in ("saq2", KNeighborsClassifier(), RaBitQ):
        with pytest.raises(InvalidParameterError, match=told):
            HNSWNeighbors(quantizer=quantizer).fit(X)
