"""What every index promises of ``kneighbors``, whatever the index and the metric.

scikit-learn's own checks never call it.
"""

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

# Rows are kept as float32, so the difference of two is known to 2**-24 of
# their size, however near they are: what is beyond 1e-5 of a distance.
ROUNDING = 4 * 2.0**-24

# Metrics to which it is nothing where zero is.
SHIFTED_ALIKE = ["euclidean", "sqeuclidean", "manhattan", "chebyshev"]


def assert_valid(distances, ids, n_rows):
    """Distinct rows that exist, ascending."""
    assert ids.min() >= 0 and ids.max() < n_rows
    assert all(len(set(row)) == len(row) for row in ids)
    assert (np.diff(distances) >= 0).all()


def assert_true_distances(distances, ids, X, Q, metric):
    every = naive.distances(X, Q, metric)
    expected = np.take_along_axis(every, ids, axis=1)
    size = np.abs(every).max()
    if metric in ("cosine", "angular", "correlation"):
        size = 1  # rows are scaled to length 1, whatever the distances are
    assert_allclose(distances, expected, 1e-5, ROUNDING * size)


def fit(index, **data):
    return index.fit(indexes.rows(metric=index.metric, **data))


def rows_for(index, *args, **kwargs):
    return indexes.rows(*args, metric=index.metric, **kwargs)


# Shape of the answer.


def test_distances_come_first_then_ids(shell, X, Q):
    distances, ids = shell.fit(X).kneighbors(Q, 3)
    assert distances.shape == ids.shape == (15, 3)
    assert distances.dtype == np.float64 and ids.dtype == np.int64
    assert distances.flags.c_contiguous and ids.flags.c_contiguous


def test_ids_come_alone_without_distances(shell, X, Q):
    alone = shell.fit(X).kneighbors(Q, return_distance=False)
    assert_array_equal(alone, shell.kneighbors(Q)[1])


def test_own_rows_have_the_same_shape_of_answer(shell, X):
    distances, ids = shell.fit(X).kneighbors(n_neighbors=3)
    assert distances.shape == ids.shape == (60, 3)
    assert distances.dtype == np.float64 and ids.dtype == np.int64
    assert distances.flags.c_contiguous and ids.flags.c_contiguous


def test_neighbours_are_distinct_and_ascending(any_metric):
    Q = rows_for(any_metric, 15, seed=1)
    assert_valid(*fit(any_metric).kneighbors(Q, 20), 60)


def test_distances_are_those_of_the_metric(any_metric):
    X, Q = rows_for(any_metric), rows_for(any_metric, 15, seed=1)
    answer = any_metric.fit(X).kneighbors(Q, 20)
    assert_true_distances(*answer, X, Q, any_metric.effective_metric_)


def test_distances_between_own_rows_are_those_of_the_metric(any_metric):
    X = rows_for(any_metric)
    answer = any_metric.fit(X).kneighbors(n_neighbors=20)
    assert_true_distances(*answer, X, X, any_metric.effective_metric_)


def test_few_rows_are_found_exactly(any_metric):
    X, Q = rows_for(any_metric), rows_for(any_metric, 15, seed=1)
    ids = any_metric.fit(X).kneighbors(Q, 5, return_distance=False)
    assert_array_equal(ids, naive.nearest(X, Q, 5, any_metric.metric))


# Number of neighbours.


def test_one_neighbour_is_found(any_metric):
    X, Q = rows_for(any_metric), rows_for(any_metric, 15, seed=1)
    _, ids = any_metric.fit(X).kneighbors(Q, 1)
    assert_array_equal(ids, naive.nearest(X, Q, 1, any_metric.metric))


def test_all_rows_are_found(any_metric):
    _, ids = fit(any_metric).kneighbors(rows_for(any_metric, 3, seed=1), 60)
    assert_array_equal(np.sort(ids), np.tile(np.arange(60), (3, 1)))


def test_all_other_rows_are_found(any_metric):
    _, ids = fit(any_metric).kneighbors(n_neighbors=59)
    assert_array_equal(np.sort(np.c_[np.arange(60), ids]), [np.arange(60)] * 60)


def test_more_neighbours_than_rows_are_refused(shell, X, Q):
    message = "Expected n_neighbors <= n_samples_fit, but n_neighbors = 61, "
    message += "n_samples_fit = 60, n_samples = 15"
    with pytest.raises(ValueError, match=message):
        shell.fit(X).kneighbors(Q, 61)


def test_more_neighbours_than_other_rows_are_refused(shell, X):
    message = "Expected n_neighbors < n_samples_fit, but n_neighbors = 60, "
    message += "n_samples_fit = 60, n_samples = 60"
    with pytest.raises(ValueError, match=message):
        shell.fit(X).kneighbors(n_neighbors=60)


@pytest.mark.parametrize("k", [0, -3])
def test_no_neighbours_are_refused(shell, X, k):
    shell.fit(X)
    with pytest.raises(ValueError, match=f"Expected n_neighbors > 0. Got {k}"):
        shell.kneighbors(X, k)
    with pytest.raises(ValueError, match=f"Expected n_neighbors > 0. Got {k}"):
        shell.set_params(n_neighbors=k).kneighbors(X)


@pytest.mark.parametrize("k", [2.0, "2", [2]])
def test_a_number_of_neighbours_is_an_integer(shell, X, k):
    message = f"n_neighbors does not take {type(k)} value, enter integer value"
    with pytest.raises(TypeError, match=message):
        shell.fit(X).kneighbors(X, k)


def test_any_integer_is_a_number_of_neighbours(shell, X):
    assert shell.fit(X).kneighbors(X, np.uint8(3))[1].shape == (60, 3)


def test_n_neighbors_is_read_at_each_call(shell, X, Q):
    shell.fit(X).set_params(n_neighbors=7)
    assert_array_equal(shell.kneighbors(Q)[1], shell.kneighbors(Q, 7)[1])


def test_fewer_neighbours_are_the_first_of_more(any_metric):
    Q = rows_for(any_metric, 15, seed=1)
    few, more = (fit(any_metric).kneighbors(Q, k) for k in (3, 8))
    assert_array_equal(few[0], more[0][:, :3])
    assert_array_equal(few[1], more[1][:, :3])


# The fitted rows as queries.


def test_no_row_is_its_own_neighbour(any_metric):
    distances, ids = fit(any_metric).kneighbors()
    assert_valid(distances, ids, 60)
    assert not (ids == np.arange(60)[:, None]).any()


def test_own_rows_are_found_as_queries_are(any_metric):
    X = rows_for(any_metric)
    _, ids = any_metric.fit(X).kneighbors(n_neighbors=5)
    every = naive.distances(X, X, any_metric.metric)
    np.fill_diagonal(every, np.inf)
    assert_array_equal(ids, np.argsort(every, axis=1)[:, :5])


@pytest.mark.parametrize("k", [1, 5, 19])
def test_no_copy_of_a_row_is_its_own_neighbour(any_metric, k):
    distances, ids = any_metric.fit(np.ones((20, 3))).kneighbors(n_neighbors=k)
    assert_valid(distances, ids, 20)
    assert not (ids == np.arange(20)[:, None]).any()


def test_a_row_given_as_a_query_finds_itself_first(any_metric):
    if any_metric.metric != "inner_product":
        distances, ids = fit(any_metric).kneighbors(rows_for(any_metric), 1)
        assert_array_equal(ids[:, 0], np.arange(60))
        assert_allclose(distances, 0, atol=np.sqrt(ROUNDING) * ROUNDING)


# What a query leaves alone, and what it does not depend on.


def test_an_answer_depends_on_nothing_but_its_query(any_metric):
    Q = rows_for(any_metric, 15, seed=1)
    distances, ids = fit(any_metric).kneighbors(Q, 4)
    for q in range(15):
        alone = any_metric.kneighbors(Q[q : q + 1], 4)
        assert_array_equal(alone[0][0], distances[q])
        assert_array_equal(alone[1][0], ids[q])


def test_the_order_of_queries_does_not_matter(any_metric):
    Q = rows_for(any_metric, 70, seed=1)
    distances, ids = fit(any_metric).kneighbors(Q)
    order = np.random.default_rng(0).permutation(70)
    shuffled = any_metric.kneighbors(Q[order])
    assert_array_equal(shuffled[0], distances[order])
    assert_array_equal(shuffled[1], ids[order])


@pytest.mark.jit
def test_many_queries_are_answered_as_few_are(neighbors, many):
    neighbors.fit(many[200:])
    every = neighbors.kneighbors(many[:200], 7)
    some = [neighbors.kneighbors(many[lo : lo + 3], 7) for lo in range(0, 198, 3)]
    for part in (0, 1):
        assert_array_equal(every[part][:198], np.vstack([s[part] for s in some]))


def test_working_memory_does_not_matter(index, X):
    expected = index.fit(X).kneighbors(X)
    with config_context(working_memory=1e-6):
        for found, wanted in zip(index.kneighbors(X), expected):
            assert_array_equal(found, wanted)


# Hard rows.


def test_rows_and_queries_of_zeros_are_found(any_metric):
    X, Q = rows_for(any_metric), rows_for(any_metric, 4, seed=1)
    X[::7], Q[1] = 0, 0
    answer = any_metric.fit(X).kneighbors(Q, 60)
    assert_valid(*answer, 60)
    assert_true_distances(*answer, X, Q, any_metric.metric)


def test_rows_of_nothing_but_zeros_are_found(any_metric):
    X = np.zeros((20, 3))
    answer = any_metric.fit(X).kneighbors(X[:2], 20)
    assert_valid(*answer, 20)
    assert_true_distances(*answer, X, X[:2], any_metric.metric)


@pytest.mark.parametrize("metric", ["cosine", "correlation"])
def test_a_row_of_zeros_is_at_distance_one(index, metric):
    X = np.vstack([np.zeros((3, 4)), indexes.rows(9, 4)])
    distances, _ = index.set_params(metric=metric).fit(X).kneighbors(X[:3], 12)
    assert_array_equal(distances, 1)


def test_rows_of_one_number_are_found(any_metric):
    X, Q = rows_for(any_metric, 40, 1), rows_for(any_metric, 5, 1, seed=1)
    answer = any_metric.fit(X).kneighbors(Q, 9)
    assert_valid(*answer, 40)
    assert_true_distances(*answer, X, Q, any_metric.metric)


def test_a_single_row_is_found(any_metric):
    X, Q = rows_for(any_metric, 1), rows_for(any_metric, 3, seed=1)
    answer = any_metric.fit(X).kneighbors(Q, 1)
    assert_array_equal(answer[1], [[0]] * 3)
    assert_true_distances(*answer, X, Q, any_metric.metric)


def test_a_single_row_has_no_neighbour(shell):
    with pytest.raises(ValueError, match="n_neighbors = 1, n_samples_fit = 1"):
        shell.fit([[1.0, 2.0]]).kneighbors(n_neighbors=1)


def test_two_rows_are_found(any_metric):
    X, Q = rows_for(any_metric, 2), rows_for(any_metric, 3, seed=1)
    answer = any_metric.fit(X).kneighbors(Q, 2)
    assert_valid(*answer, 2)
    assert_true_distances(*answer, X, Q, any_metric.metric)
    assert_array_equal(any_metric.kneighbors(n_neighbors=1)[1], [[1], [0]])


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_the_size_of_numbers_does_not_matter(any_metric, size):
    X, Q = rows_for(any_metric), rows_for(any_metric, 15, seed=1)
    answer = any_metric.fit(size * X).kneighbors(size * Q, 5)
    assert_array_equal(answer[1], naive.nearest(X, Q, 5, any_metric.metric))
    assert_true_distances(*answer, size * X, size * Q, any_metric.metric)


@pytest.mark.parametrize("size", [1e20, 1e-20])
def test_queries_of_another_size_than_the_rows_are_answered(any_metric, size):
    X, Q = rows_for(any_metric), size * rows_for(any_metric, 15, seed=1)
    answer = any_metric.fit(X).kneighbors(Q, 5)
    assert_valid(*answer, 60)
    assert_true_distances(*answer, X, Q, any_metric.metric)


@pytest.mark.jit
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_queries_of_another_size_than_the_rows_raise_no_warning(any_metric):
    Q = 1e20 * rows_for(any_metric, 15, seed=1)
    fit(any_metric).kneighbors(Q, 5)


@pytest.mark.parametrize("metric", SHIFTED_ALIKE)
def test_a_large_offset_costs_no_digits(index, metric):
    X, Q = 1e6 + indexes.rows(), 1e6 + indexes.rows(15, seed=1)
    distances, ids = indexes.under(index, metric).fit(X).kneighbors(Q, 5)
    assert_array_equal(ids, naive.nearest(X, Q, 5, metric))
    assert_allclose(distances, naive.nearest_distances(X, Q, 5, metric), 1e-5)


def test_numbers_that_are_missing_end_no_search(any_metric):
    X, Q = rows_for(any_metric), rows_for(any_metric, 15, seed=1)
    X[::5], Q[::3, 0] = np.nan, np.nan
    with config_context(assume_finite=True):
        any_metric.fit(X)
        for ids in (any_metric.kneighbors(Q, 20)[1], any_metric.kneighbors()[1]):
            assert ids.min() >= 0 and ids.max() < 60
            assert all(len(set(row)) == len(row) for row in ids)


@pytest.mark.filterwarnings(
    "ignore:target_recall=0.95 was not reached"
)  # of a few rows
def test_rows_without_missing_numbers_are_found_among_the_others(index, X, Q):
    X[::5] = np.nan
    with config_context(assume_finite=True):
        distances, ids = index.fit(X).kneighbors(Q, 4)
    whole = np.flatnonzero(~np.isnan(X[:, 0]))
    assert_array_equal(ids, whole[naive.nearest(X[whole], Q, 4)])
    assert np.isfinite(distances).all()


# Fitting again.


def test_fitting_again_forgets_the_rows_before(index, X, Q):
    again = clone(index).fit(1000 + np.hstack([X, X])).fit(X)
    assert again.n_features_in_ == 8
    for found, wanted in zip(again.kneighbors(Q), index.fit(X).kneighbors(Q)):
        assert_array_equal(found, wanted)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was(index, X, Q):
    expected = index.fit(X).kneighbors(Q)
    before = dict(vars(index))
    for bad in (np.full((9, 3), np.nan), np.ones((9, 3)) * 1e300, [[1j]], [1, 2]):
        with pytest.raises((ValueError, TypeError)):
            index.fit(bad)
    assert vars(index) == before
    for found, wanted in zip(index.kneighbors(Q), expected):
        assert_array_equal(found, wanted)


def test_a_metric_refused_leaves_the_estimator_as_it_was(shell, X, Q):
    expected = shell.fit(X).kneighbors(Q)
    with pytest.raises(ValueError, match="hellinger"):
        shell.set_params(metric="hellinger").fit(X[:9, :3])
    for found, wanted in zip(shell.kneighbors(Q), expected):
        assert_array_equal(found, wanted)


def test_a_first_fit_that_fails_leaves_nothing(shell, X):
    before = dict(vars(shell.set_params(metric="hellinger")))
    with pytest.raises(ValueError, match="hellinger"):
        shell.fit(X)
    assert vars(shell) == before


def test_nothing_is_answered_before_fit(shell, Q):
    for ask in (
        shell.kneighbors,
        shell.radius_neighbors,
        shell.kneighbors_graph,
    ):
        with pytest.raises(NotFittedError):
            ask(Q)


def test_fit_tells_what_it_saw(shell, X):
    shell.set_params(metric="l2").fit(X)
    assert (shell.n_samples_fit_, shell.n_features_in_) == X.shape
    assert shell.effective_metric_ == "euclidean"
    assert shell.effective_metric_params_ == {}
