"""Faults that were met once, each as the smallest data that showed it."""

import ctypes
import pickle
import random
import threading
import time
from fractions import Fraction

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import sklearn_jin
from sklearn_jin import (
    SAQ,
    BinaryQuantizer,
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    KNNGraphTransformer,
    ProductQuantizer,
    RaBitQ,
    ScalarQuantizer,
    SNGNeighbors,
)

GRAPHS = ["HNSW", "NSW", "Vamana", "SNG", "DualBranchHNSW"]
graphs = pytest.mark.parametrize(
    "graph", [getattr(sklearn_jin, f"{name}Neighbors") for name in GRAPHS]
)


def normal(n, d, size=1.0, seed=0):
    return (np.random.default_rng(seed).standard_normal((n, d)) * size).astype("f")


def assert_complete(distances, ids, n):
    """As many distinct rows as were asked for, at finite and ascending distances."""
    assert ids.min() >= 0 and ids.max() < n
    assert (np.diff(np.sort(ids)) > 0).all()
    assert np.isfinite(distances).all() and (np.diff(distances) >= 0).all()


def assert_exact(index, X, Q, k):
    distances, ids = index.fit(X).kneighbors(Q, k)
    assert_complete(distances, ids, len(X))
    expected = naive.nearest_distances(X, Q, k, index.effective_metric_)
    assert_allclose(distances, expected, 1e-5)


# Rows that are short of neighbours.


def outliers():
    X = normal(12000, 8)
    X[:20] += 1000
    return X, 30


def few_distinct_rows():
    return normal(20, 8)[np.arange(12000) % 20], 60


@pytest.mark.jit
@pytest.mark.parametrize("make", [outliers, few_distinct_rows])
def test_a_graph_of_rows_has_no_gaps(make):
    X, k = make()
    graph = KNNGraphTransformer(n_neighbors=k, random_state=0).fit_transform(X)
    assert graph.indices.min() >= 0 and np.isfinite(graph.data).all()
    assert_array_equal(np.diff(graph.indptr), k + 1)
    ids = np.sort(graph.indices.reshape(len(X), -1))
    assert (np.diff(ids) > 0).all()
    assert graph.T.tocsr().nnz == graph.nnz


# Search parameters without bounds.


@pytest.mark.parametrize("ef_search", [301, 10**7, 2**31, 2**62, 2**70])
def test_a_beam_is_no_wider_than_the_rows(ef_search):
    X, Q = normal(300, 8), normal(20, 8, seed=1)
    index = HNSWNeighbors(exact_threshold=0, ef_search=300, random_state=0, n_jobs=1)
    expected = index.fit(X).kneighbors(Q)
    started = time.perf_counter()
    found = index.set_params(ef_search=ef_search).kneighbors(Q)
    assert time.perf_counter() - started < 2
    assert_array_equal(found[1], expected[1])
    assert_exact(index, X, Q, 5)


@pytest.mark.parametrize("params", [{"n_probes": 2**62}, {"rerank": 1e300}])
def test_other_parameters_of_a_search_have_bounds_too(params):
    X, Q = normal(300, 8), normal(20, 8, seed=1)
    assert_exact(
        IVFNeighbors(exact_threshold=0, random_state=0, **{"n_probes": 999, **params}),
        *(X, Q, 5),
    )


@pytest.mark.jit
def test_lists_that_are_out_of_reach_are_no_room_to_write_to():
    X = np.random.default_rng(3).random((18000, 32), dtype=np.float32)
    index = IVFNeighbors(random_state=0, n_probes=79, n_jobs=1).fit(X)
    batch = index.kneighbors(X[:100])[1]
    alone = [index.kneighbors(X[i : i + 1])[1] for i in range(100)]
    assert_array_equal(batch, np.vstack(alone))


# A fit becomes visible at once or not at all.

OLD, NEW = normal(400, 6), normal(350, 6, seed=1)
ASKED = normal(40, 6, seed=2)


def refitted():
    """Of every class one setting, and codes on three routes."""
    yield from indexes.plain()
    for c in (FlatNeighbors, HNSWNeighbors, IVFNeighbors):
        yield c(quantizer=RaBitQ(), random_state=0)


def indexing(index):
    if "exact_threshold" in index.get_params():
        index.set_params(exact_threshold=0)
    return index.set_params(n_jobs=1)


REFITTED = [indexing(index) for index in refitted()]
refits = pytest.mark.parametrize("unfitted", REFITTED, ids=indexes.name)


def own_answer(index, X):
    return [part.tobytes() for part in clone(index).fit(X).kneighbors(ASKED)]


@refits
def test_a_fit_between_two_steps_of_a_query_changes_nothing(unfitted, monkeypatch):
    index = clone(unfitted).fit(OLD)
    right = [part.tobytes() for part in index.kneighbors(ASKED)]
    prepare = type(index)._prepare

    def prepare_and_fit(self, X):
        prepared = prepare(self, X)
        index.fit(NEW)
        return prepared

    monkeypatch.setattr(type(index), "_prepare", prepare_and_fit)
    assert [part.tobytes() for part in index.kneighbors(ASKED)] == right


@pytest.mark.jit
@refits
def test_an_answer_belongs_to_one_fit(unfitted):
    index = clone(unfitted)
    right = [own_answer(index, X) for X in (OLD, NEW)]
    index.fit(OLD)
    wrong, done = [], threading.Event()

    def ask():
        while not done.is_set():
            try:
                answer = [part.tobytes() for part in index.kneighbors(ASKED)]
                if answer not in right:
                    wrong.append("an answer of neither")
            except Exception as error:
                wrong.append(repr(error))

    askers = [threading.Thread(target=ask) for _ in range(16)]
    for asker in askers:
        asker.start()
    stop = time.perf_counter() + 1
    while time.perf_counter() < stop and not wrong:
        index.fit(NEW)
        index.fit(OLD)
    done.set()
    for asker in askers:
        asker.join()
    assert wrong == []


class Interrupted(BaseException):
    """Raised in another thread, wherever that is."""


def interrupted(index, X, seconds):
    """Whether a fit was interrupted after as many seconds, rather than over before."""
    ended = []

    def fit():
        try:
            index.fit(X)
            ended.append(False)
        except Interrupted:
            ended.append(True)

    thread = threading.Thread(target=fit)
    thread.start()
    time.sleep(seconds)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted)
    )
    thread.join()
    return bool(ended and ended[0])


@pytest.mark.jit
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@refits
def test_an_interrupted_fit_leaves_an_index_of_one_fit(unfitted):
    index = clone(unfitted)
    right = [own_answer(index, X) for X in (OLD, NEW)]
    started = time.perf_counter()
    index.fit(OLD)
    usual = time.perf_counter() - started
    draw = random.Random(0)
    for turn in range(20):
        interrupted(index, (NEW, OLD)[turn % 2], draw.uniform(0, usual))
        assert [part.tobytes() for part in index.kneighbors(ASKED)] in right


@pytest.mark.jit
@refits
def test_a_pickle_is_of_one_fit(unfitted):
    index = clone(unfitted)
    right = [own_answer(index, X) for X in (OLD, NEW)]
    index.fit(OLD)
    done = threading.Event()

    def refit():
        while not done.is_set():
            index.fit(NEW).fit(OLD)

    fitter = threading.Thread(target=refit)
    fitter.start()
    try:
        for _ in range(10):
            copied = pickle.loads(pickle.dumps(index))
            assert [part.tobytes() for part in copied.kneighbors(ASKED)] in right
    finally:
        done.set()
        fitter.join()


# Parameters of a quantizer within an index.

BAD_QUANTIZERS = [
    ScalarQuantizer(n_bits=5),
    ScalarQuantizer(range="x"),
    RaBitQ(n_bits=9),
    SAQ(n_bits=-1),
    ProductQuantizer(max_train=0),
    ProductQuantizer(n_bits=3),
    BinaryQuantizer("x"),
]


@pytest.mark.parametrize("make", [FlatNeighbors, HNSWNeighbors, IVFNeighbors])
@pytest.mark.parametrize("quantizer", BAD_QUANTIZERS, ids=repr)
def test_an_index_refuses_what_its_quantizer_refuses(make, quantizer):
    X = normal(300, 8)
    with pytest.raises(ValueError) as alone:
        clone(quantizer).fit(X)
    with pytest.raises(ValueError) as within:
        make(quantizer=quantizer, exact_threshold=0).fit(X) if make is not (
            FlatNeighbors
        ) else make(quantizer=quantizer).fit(X)
    assert str(alone.value) in str(within.value)


# Queries and rows of very different sizes.


@pytest.mark.parametrize("exponents", [(14, 20), (0, 15), (-14, 18), (10, 30)])
@pytest.mark.parametrize("make", [FlatNeighbors, HNSWNeighbors])
def test_far_queries_are_answered_alike_in_a_batch_and_alone(make, exponents):
    X, Q = (normal(n, 4, 10.0**e, n) for n, e in zip((100, 20), exponents))
    index = make(n_neighbors=3, random_state=0).fit(X)
    distances, ids = index.kneighbors(Q)
    assert_complete(distances, ids, 100)
    alone = np.vstack([index.kneighbors(q[None])[1] for q in Q])
    assert_array_equal(ids, alone)


def test_far_queries_find_what_float32_tells_apart():
    X, Q = normal(100, 4, 1e14), normal(20, 4, 1e18, seed=1)
    _, ids = FlatNeighbors(n_neighbors=3).fit(X).kneighbors(Q)
    assert_array_equal(ids, naive.nearest(X, Q, 3))


# Numbers at the ends of their types.

LINE = np.arange(8).reshape(4, 2)
TINY = {
    "float32": (LINE * 1e-40).astype(np.float32),
    "float64": LINE * 1e-40,
    "least float64": LINE * 1e-310,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("X", TINY.values(), ids=TINY)
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_tiny_rows_are_at_true_distances(X, metric):
    index = FlatNeighbors(n_neighbors=4, metric=metric).fit(X)
    distances, ids = index.kneighbors(X[:1])
    wide = X.astype(np.float64) * 2.0**500  # whose squares do not vanish
    expected = naive.nearest_distances(wide, wide[:1], 4, metric) / 2.0**500
    assert_array_equal(ids, [[0, 1, 2, 3]])
    assert_allclose(distances, expected, rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_query_may_be_far_from_tiny_rows():
    X, Q = normal(50, 4, 1e-30), np.full((1, 4), 1e9, np.float32)
    distances, _ = FlatNeighbors(n_neighbors=3).fit(X).kneighbors(Q)
    assert_allclose(distances, 2e9, rtol=1e-5)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "hellinger"])
@pytest.mark.parametrize("others", [[], [[1e9]], [[3e-28]]])
def test_the_origin_is_not_far_from_tiny_rows(metric, others):
    X, Q = np.array([[0.0], [5e-27]]), np.array([[0.0], *others])
    distances, ids = FlatNeighbors(n_neighbors=2, metric=metric).fit(X).kneighbors(Q)
    assert_array_equal(ids[0], [0, 1])
    expected = naive.nearest_distances(X, Q[:1], 2, metric)
    assert_allclose(distances[:1], expected, 1e-5)


@pytest.mark.filterwarnings("error")
def test_queries_of_the_largest_numbers_raise_no_warning():
    X, Q = normal(20, 8, 1e30), 8e37 * np.sign(normal(5, 8, seed=1))
    assert_complete(*FlatNeighbors().fit(X).kneighbors(Q.astype(np.float32)), 20)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kept", ["int8", "float16", False])
def test_what_is_kept_of_rows_is_at_finite_distances(kept):
    X, Q = normal(200, 8), normal(5, 8, 1e25, seed=1)
    index = FlatNeighbors(quantizer=ScalarQuantizer(), store_vectors=kept)
    assert_complete(*index.fit(X).kneighbors(Q), 200)


@pytest.mark.parametrize("quantizer", [SAQ(n_bits=2), RaBitQ()], ids=repr)
def test_codes_of_large_rows_are_decoded_to_finite_rows(quantizer):
    X = normal(200, 8, 1e20)
    back = quantizer.fit(X).inverse_transform(quantizer.transform(X))
    assert np.isfinite(back).all()


# A beam as wide as the rows misses none.


@graphs
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
@pytest.mark.parametrize("narrow", [1, 2])
def test_the_widest_beam_is_exact_however_narrow_building_was(graph, metric, narrow):
    X, Q = normal(400, 47), normal(300, 47, seed=1)
    params = graph(metric=metric).get_params()
    width = next(
        name
        for name in ("search_list_size", "ef_construction", "width")
        if name in params
    )
    index = graph(metric=metric, exact_threshold=0, ef_search=400, random_state=0)
    index.set_params(**{width: narrow})
    assert_exact(index, X, Q, 5)
    assert_array_equal(index.kneighbors(X, 1)[1][:, 0], np.arange(400))


@pytest.mark.parametrize("ways", ["insert", "partition"])
def test_the_widest_beam_is_exact_for_own_rows(ways):
    X = normal(400, 16)
    index = HNSWNeighbors(
        exact_threshold=0, ef_search=400, ef_construction=1, random_state=0, build=ways
    ).fit(X)
    distances, _ = index.kneighbors()
    assert_allclose(distances, naive.nearest_distances(X, X, 6)[:, 1:], 1e-5, 1e-6)


@pytest.mark.jit
def test_rows_find_themselves_in_many_features():
    X = np.random.default_rng(0).random((2000, 910), dtype="f")
    index = HNSWNeighbors(metric="cosine", random_state=0).fit(X)
    assert np.mean(index.kneighbors(X, 1)[1][:, 0] == np.arange(2000)) > 0.99


# A query that equals a row ends its walk.


@pytest.mark.jit
def test_a_query_that_equals_a_row_takes_no_longer_than_one_beside_it():
    X = normal(20000, 32)
    index = HNSWNeighbors(n_neighbors=1, random_state=0, n_jobs=1).fit(X)
    seconds = []
    for Q in (X, X + np.float32(1e-4)):
        index.kneighbors(Q[:100])
        started = time.perf_counter()
        index.kneighbors(Q)
        seconds.append(time.perf_counter() - started)
    assert seconds[0] < 3 * seconds[1]


# k near n.


@pytest.mark.jit
def test_all_rows_are_ranked_as_fast_as_most():
    X, Q = normal(20000, 8), normal(20, 8, seed=1)
    index, seconds = FlatNeighbors(n_jobs=1).fit(X), []
    for k in (19900, 20000):
        index.kneighbors(Q[:1], k)
        started = time.perf_counter()
        answer = index.kneighbors(Q, k)
        seconds.append(time.perf_counter() - started)
    assert_complete(*answer, 20000)
    assert seconds[1] < 3 * seconds[0] + 0.1


def test_the_widest_beam_of_a_graph_of_single_candidates_is_exact():
    X, Q = normal(400, 47), normal(300, 47, seed=1)
    index = SNGNeighbors(
        metric="manhattan", search_list_size=1, exact_threshold=0, ef_search=400
    )
    assert_exact(index.set_params(random_state=0), X, Q, 5)


@graphs
def test_zeros_of_either_sign_are_equal(graph):
    rng = np.random.default_rng(0)
    X, Q = rng.standard_normal((1500, 16)), rng.standard_normal((50, 16))
    X[rng.random(1500) < 0.8] *= 0.0
    exact = naive.nearest_distances(X, Q, 10)
    distances, _ = graph(random_state=0, exact_threshold=0).fit(X).kneighbors(Q, 10)
    assert naive.recall(distances, exact) > 0.97


@graphs
def test_numbers_of_numpy_do_not_overflow(graph):
    X = normal(300, 4)
    name = "M" if "M" in graph().get_params() else "max_degree"
    answers = [
        graph(**{name: number}, exact_threshold=0, random_state=0).fit(X).kneighbors()
        for number in (100, np.int8(100))
    ]
    for found, wanted in zip(*answers):
        assert_array_equal(found, wanted)


def test_neighbors_of_a_graph_may_be_a_small_number_of_numpy():
    X = normal(300, 4)
    graph = sklearn_jin.FlatTransformer(n_neighbors=np.uint8(255)).fit(X).transform(X)
    assert graph.nnz == 300 * 256


@pytest.mark.parametrize("radius", [10**30, Fraction(100, 3)])
def test_a_radius_may_be_any_number(radius):
    X = normal(30, 2)
    ids = FlatNeighbors().fit(X).radius_neighbors(X, radius, return_distance=False)
    assert all(len(row) == 30 for row in ids)


def test_an_index_without_stored_rows_may_tell_the_dimension():
    index = KNNGraphTransformer(random_state=0)
    lid = sklearn_jin.LocalIntrinsicDimensionality(index=index).fit(normal(300, 4))
    assert 2 < lid.dimension_ < 6
