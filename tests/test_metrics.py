"""A metric: its rows rank as it does, and scores come back as its own distances.

Scores are computed here from the prepared rows, so that no kernel is in play.
"""

import warnings

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_jin import FlatNeighbors, HNSWNeighbors, ScalarQuantizer, _numbers
from sklearn_jin.metrics import METRICS, effective_metric

# Rows are kept as float32: the difference of two is known to 2**-24 of their
# size, however near they are.
ROUNDING = 4 * 2.0**-24


def scores(metric, rows, queries):
    """Scores by their definitions, in float64, of prepared rows and queries."""
    gaps = queries[:, None].astype(np.float64) - rows[None]
    return {
        "l2": lambda: (gaps**2).sum(axis=2),
        "l1": lambda: np.abs(gaps).sum(axis=2),
        "linf": lambda: np.abs(gaps).max(axis=2),
        "ip": lambda: -(queries.astype(np.float64) @ rows.T),
    }[metric.space]()


def ask(name, X, Q):
    """Distances as the metric finishes them."""
    metric = METRICS[name]().fit(X)
    queries, finish = metric.prepare_queries(Q)
    return finish(scores(metric, metric.rows(X), queries))


def ask_own(name, X):
    metric = METRICS[name]().fit(X)
    rows = metric.rows(X)
    queries, finish = metric.prepare_own(rows)
    return finish(scores(metric, rows, queries))


def size(X, Q, name):
    return np.abs(naive.distances(X, Q, name)).max()


@pytest.fixture(params=indexes.COMMON)
def name(request):
    return request.param


def test_the_oracle_knows_the_common_metrics():
    assert list(naive.DISTANCES) == indexes.COMMON


@pytest.mark.parametrize("d", [1, 2, 3, 7, 16, 47, 48, 65, 513])
def test_finished_scores_are_distances(name, d):
    X, Q = indexes.rows(20, d, 0, name), indexes.rows(5, d, 1, name)
    atol = ROUNDING * size(X, Q, name)
    assert_allclose(ask(name, X, Q), naive.distances(X, Q, name), 1e-5, atol)


@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1e15, 1e30])
def test_the_size_of_numbers_does_not_matter(name, scale):
    X, Q = (scale * indexes.rows(n, 5, 0, name) for n in (20, 6))
    atol = ROUNDING * size(X, Q, name)
    assert_allclose(ask(name, X, Q), naive.distances(X, Q, name), 1e-5, atol)


@pytest.mark.parametrize("name", ["euclidean", "sqeuclidean", "manhattan", "chebyshev"])
def test_a_large_offset_costs_no_digits(name):
    X, Q = 1e6 + indexes.rows(20, 5, 0), 1e6 + indexes.rows(5, 5, 1)
    assert_allclose(ask(name, X, Q), naive.distances(X, Q, name), 1e-5)


@pytest.mark.parametrize("name", ["euclidean", "sqeuclidean", "manhattan", "chebyshev"])
def test_a_constant_column_does_not_matter(name):
    X, Q = indexes.rows(20, 5, 0), indexes.rows(5, 5, 1)
    far = [np.c_[np.full(len(part), 1e9), part] for part in (X, Q)]
    assert_allclose(ask(name, *far), naive.distances(X, Q, name), 1e-5, 1e-6)


def test_rows_of_zeros_are_as_far_as_the_metric_says(name):
    X, Q = indexes.rows(9, 4, 0, name), indexes.rows(4, 4, 1, name)
    X[[2, 5]], Q[1] = 0, 0
    atol = ROUNDING * size(X, Q, name)
    assert_allclose(ask(name, X, Q), naive.distances(X, Q, name), 1e-5, atol)


@pytest.mark.parametrize("name, far", [("cosine", 1), ("angular", 0.5)])
def test_a_row_of_zeros_is_far_from_every_row(name, far):
    X = np.vstack([np.zeros((2, 3)), np.eye(3)])
    assert_allclose(ask(name, X, X[:1]), np.full((1, 5), far), 1e-15)


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-200, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("name", ["cosine", "angular", "correlation", "inner_product"])
def test_rows_whose_squared_length_no_float_holds_have_a_direction(name, size):
    whole = np.random.default_rng(0).integers(1, 50, (9, 4)).astype(float)
    sized = np.where(np.arange(9)[:, None] % 2, whole, size * whole)
    if name == "inner_product":
        sized, whole = size * whole, naive.distances(whole, whole, name)
        small = ask(name, sized, np.eye(4))
        assert_allclose(small, -sized.T, 1e-6, 5e-324)
        return
    expected = naive.distances(whole, whole, name)
    assert_allclose(ask(name, sized, sized), expected, 1e-5, 1e-6)
    assert_allclose(ask_own(name, sized), expected, 1e-5, 1e-6)


ROWS = [1e-310, 1e-40, 1e-30, 1.0, 1e14, 1e30]
FAR = [None, 1e9, 1e20, 1e25, 1e38]
SIZED = ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "hellinger"]


def sized_rows(n, d, size, seed, name="euclidean"):
    """Rows of numbers of about ``size``, float32 where that has it."""
    X = size * indexes.rows(n, d, seed, name) / 4
    return X if size < 1e-300 else X.astype(np.float32)


def expected_of(X, Q, name):
    """The oracle, on numbers that are brought near 1 for each query."""
    degree = {"sqeuclidean": 2, "hellinger": 0.5}.get(name, 1)
    found = []
    for q in Q:
        e = -2 * (int(np.frexp(max(np.abs(X).max(), np.abs(q).max()))[1]) // 2)
        pair = [np.ldexp(part.astype(np.float64), e) for part in (X, q[None])]
        found.append(np.ldexp(naive.distances(*pair, name)[0], int(-degree * e)))
    return np.array(found)


@pytest.mark.parametrize("size", ROWS)
@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("name", SIZED)
def test_rows_and_far_queries_of_any_size(name, size, far):
    X, Q = sized_rows(20, 5, size, 0, name), sized_rows(6, 5, far or size, 1, name)
    Q = np.vstack([Q, sized_rows(3, 5, size, 2, name)])  # and some that are not far
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ask(name, X, Q)
    expected = expected_of(X, Q, name)
    smallest = 5e-324 * 4  # what is lost where float64 itself has few digits
    atol = ROUNDING * expected.max(axis=1, keepdims=True) + smallest
    assert (np.abs(found - expected) <= atol + 1e-6 * expected).all()
    if size == 1.0 and far:  # of the queries that are not far nothing is lost
        assert_array_equal(found[6:], ask(name, X, Q[6:]))


@pytest.mark.parametrize("far", FAR[1:])
@pytest.mark.parametrize("name", SIZED)
def test_prepared_queries_have_squares_that_float32_holds(name, far):
    X, Q = sized_rows(20, 5, 1e-30, 0, name), sized_rows(6, 5, far, 1, name)
    queries, _ = METRICS[name]().fit(X).prepare_queries(Q)
    assert np.square(queries).sum(axis=1).max() < 2.0**121


@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize("scale", [2.0**-7, 1.0, 255.0])
def test_ordinary_numbers_are_kept_as_they_are(name, scale):
    X = np.abs(np.random.default_rng(0).uniform(-1, 1, (20, 5)) * scale)
    rows = METRICS[name]().fit(X).rows(X)[:, :5]
    kept = np.sqrt(X) if name == "hellinger" else X
    assert_array_equal(rows, kept.astype(np.float32))


def indexes_of_codes():
    yield FlatNeighbors(n_jobs=1)
    for store_vectors in ("int8", "float16", False):
        yield HNSWNeighbors(
            quantizer=ScalarQuantizer(8),
            store_vectors=store_vectors,
            exact_threshold=0,
            random_state=0,
            n_jobs=1,
        )


@pytest.mark.parametrize("size", ROWS)
@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("index", list(indexes_of_codes()), ids=str)
def test_an_index_answers_far_queries_whatever_the_size_of_its_rows(index, size, far):
    X, Q = sized_rows(60, 6, size, 0), sized_rows(12, 6, far or size, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distances, ids = clone(index).fit(X).kneighbors(Q, n_neighbors=3)
    expected = expected_of(X, Q, "euclidean")
    spread = np.abs(X).max().astype(np.float64)  # codes err by a share of it
    error = {"int8": 0.02, False: 0.02, "float16": 1e-3}.get(index.store_vectors, 1e-6)
    own = np.take_along_axis(expected, ids, axis=1)
    assert (np.abs(distances - own) <= error * spread + 1e-6 * own).all()
    best = np.sort(expected, axis=1)[:, :3]
    if index.store_vectors is True:
        assert (np.abs(distances - best) <= 1e-6 * best + 2e-323).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6, 1 / 3])
def test_a_constant_row_is_uncorrelated(value):
    X = np.vstack([np.full((2, 3), value), indexes.rows(4, 3)])
    assert_allclose(ask("correlation", X, X)[:2], np.ones((2, 6)), 1e-6)


@pytest.mark.parametrize("zeros", [0, 2])
def test_own_rows_are_asked_as_queries_are(name, zeros):
    X = indexes.rows(12, 4, 0, name)
    X[:zeros] = 0
    atol = ROUNDING * size(X, X, name)
    # a distance of 0 is a square root of rounding
    assert_allclose(
        ask_own(name, X),
        ask(name, X, X),
        1e-5,
        np.sqrt(ROUNDING) * atol,
    )


def test_a_row_is_at_distance_zero_from_itself(name):
    X = np.random.default_rng(0).integers(1, 9, (12, 5)).astype(float)
    if not METRICS[name].negative:
        assert_array_equal(np.diagonal(ask(name, X, X)), 0)


def test_prepared_rows_are_padded_and_cannot_be_written(name):
    X = indexes.rows(6, 5, 0, name)
    metric = METRICS[name]().fit(X)
    rows = metric.rows(X)
    assert rows.dtype == np.float32 and rows.shape[1] % 4 == 0
    assert not rows.flags.writeable
    assert_array_equal(rows[:, 5:], 0)


def test_rows_are_prepared_alike_in_blocks(name, monkeypatch):
    X = indexes.rows(11, 5, 0, name)
    metric = METRICS[name]().fit(X)
    at_once = metric.rows(X)
    monkeypatch.setattr(_numbers, "BLOCK", 4)
    assert_array_equal(metric.rows(X), at_once)


def test_preparing_leaves_the_data_alone(name):
    X = indexes.rows(6, 5, 0, name) * 1e30
    before = X.copy()
    ask(name, X, X)
    assert_array_equal(X, before)


def test_restored_rows_are_to_the_metric_what_the_data_were(name):
    X = 100 + indexes.rows(12, 4, 0, name)
    metric = METRICS[name]().fit(X)
    restored = metric.restore(metric.rows(X))
    expected, atol = naive.distances(X, X, name), 1e-3 * size(X, X, name)
    if name in ("cosine", "angular", "correlation"):  # nearly parallel rows
        atol = 1e-3
    assert_allclose(naive.distances(restored, restored, name), expected, 1e-5, atol)


def test_some_distances_can_be_finished_without_the_others():
    X, Q = indexes.rows(9, 4, 0), indexes.rows(4, 4, 1)
    X[0], Q[1] = 0, 0
    for metric in (METRICS[name]().fit(X) for name in ("cosine", "inner_product")):
        queries, finish = metric.prepare_queries(Q)
        every = scores(metric, metric.rows(X), queries)
        some = np.array([3, 1])
        assert_array_equal(finish(every[some], some), finish(every)[some])


def test_cosine_is_the_euclidean_distance_of_unit_rows():
    X, Q = indexes.rows(9, 4, 0), indexes.rows(4, 4, 1)
    units = [part / np.linalg.norm(part, axis=1)[:, None] for part in (X, Q)]
    assert_allclose(
        2 * ask("cosine", X, Q),
        ask("sqeuclidean", *units),
        1e-6,
    )


def test_the_length_of_a_vector_is_nothing_to_its_cosine():
    X, Q = indexes.rows(9, 4, 0), indexes.rows(4, 4, 1)
    assert_array_equal(ask("cosine", 4 * X, 0.5 * Q), ask("cosine", X, Q))


def test_negative_numbers_are_refused_by_hellinger():
    X = np.array([[0.25, 0.75], [1.5, -0.5]])
    with pytest.raises(ValueError, match=r"X holds -0\.5, but metric='hellinger'"):
        METRICS["hellinger"]().fit(X)
    with pytest.raises(ValueError, match=r"X holds -0\.5, but metric='hellinger'"):
        METRICS["hellinger"]().fit(np.abs(X)).prepare_queries(X)


@pytest.mark.parametrize(
    "metric, p, name",
    [
        ("minkowski", 1, "manhattan"),
        ("minkowski", 2, "euclidean"),
        ("minkowski", 2.0, "euclidean"),
        ("minkowski", np.inf, "chebyshev"),
        ("l1", 2, "manhattan"),
        ("cityblock", 2, "manhattan"),
        ("l2", 1, "euclidean"),
        ("cosine", 7, "cosine"),
        ("minkowski", 3, "minkowski"),
    ],
)
def test_other_names_of_a_metric(metric, p, name):
    assert effective_metric(metric, p) == name


@pytest.mark.parametrize("p", [0.5, np.nan, None])
def test_orders_below_one_are_refused(p):
    with pytest.raises(ValueError, match=f"p={p} is not supported"):
        effective_metric("minkowski", p)
