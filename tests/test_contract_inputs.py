"""What every index takes, and how it refuses what it does not take."""

import re

import indexes
import numpy as np
import pytest
from helpers import assert_same
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.utils._param_validation import InvalidParameterError

DTYPES = [np.float64, np.float32, np.float16, np.uint8, np.int64, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_type_of_numbers_does_not_matter(shell, dtype):
    X = np.random.default_rng(0).integers(0, 9, (40, 6)).astype(dtype)
    as_given = shell.fit(X).kneighbors(X[:9], 20)
    as_float64 = shell.fit(X.astype(float)).kneighbors(X[:9].astype(float), 20)
    assert_array_equal(as_given[1], as_float64[1])
    assert_allclose(*(answer[0] for answer in (as_given, as_float64)), 1e-6)


def test_queries_may_be_of_another_type_than_the_rows(shell):
    X = np.random.default_rng(0).integers(0, 9, (40, 6)).astype(np.uint8)
    expected = shell.fit(X).kneighbors(X.astype(float))
    for dtype in DTYPES[:5]:
        assert_same(shell.kneighbors(X.astype(dtype)), expected)


def test_the_order_in_memory_does_not_matter(shell, X, Q):
    expected, by_columns = shell.fit(X).kneighbors(Q), np.asfortranarray
    assert_same(shell.fit(by_columns(X)).kneighbors(by_columns(Q)), expected)
    assert_same(shell.fit(np.repeat(X, 2, axis=0)[::2]).kneighbors(Q), expected)


def test_lists_are_taken(shell, X, Q):
    expected = shell.fit(X).kneighbors(Q)
    assert_same(shell.fit(X.tolist()).kneighbors(Q.tolist()), expected)


def test_data_that_cannot_be_written_are_taken_and_left_alone(shell):
    X = indexes.rows(metric=shell.metric)
    before = X.copy()
    X.flags.writeable = False
    shell.fit(X).kneighbors(X)
    assert_array_equal(X, before)


def test_data_that_change_later_do_not_change_the_index(shell):
    X = np.ascontiguousarray(indexes.rows(20, 16, metric=shell.metric), np.float32)
    Q = X.copy()
    expected = shell.fit(X).kneighbors(Q)
    X[:] = 0
    assert_same(shell.kneighbors(Q), expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_are_taken(shell, X, Q, library):
    frames = pytest.importorskip(library)
    names = [f"x{j}" for j in range(8)]
    table, queries = (frames.DataFrame(dict(zip(names, part.T))) for part in (X, Q))
    expected = shell.fit(X).kneighbors(Q)
    assert_same(shell.fit(table).kneighbors(queries), expected)
    assert_array_equal(shell.feature_names_in_, names)


def test_rows_without_names_are_told_of_where_there_were_names(shell, X):
    shell.fit(X).feature_names_in_ = np.array(list("abcdefgh"), dtype=object)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        shell.kneighbors(X)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_of_other_columns_are_refused(shell, X, library):
    frames = pytest.importorskip(library)
    shell.fit(frames.DataFrame({"a": X[:, 0], "b": X[:, 1]}))
    with pytest.raises(ValueError, match="feature names should match"):
        shell.kneighbors(frames.DataFrame({"a": X[:, 0], "c": X[:, 1]}))


def objects():
    X = indexes.rows(6, 8).astype(object)
    X[2, 1] = {"no": "number"}
    return X


def with_value(value):
    X = indexes.rows(6, 8)
    X[2, 1] = value
    return X


BAD = {
    "nan": (with_value(np.nan), "Input X contains NaN"),
    "infinity": (with_value(np.inf), "Input X contains infinity"),
    "huge": (with_value(-1e300), "X holds 1e\\+300, a value too large for dtype"),
    "one row": (indexes.rows(6, 8)[0], "Expected 2D array, got 1D array instead"),
    "three dimensions": (np.ones((3, 3, 8)), "dim 3"),
    "no rows": (np.empty((0, 8)), r"Found array with 0 sample\(s\)"),
    "no columns": (np.empty((6, 0)), r"0 feature\(s\)"),
    "complex": (indexes.rows(6, 8) + 1j, "Complex data not supported"),
    "objects": (objects(), "must be a string.* or a.* number"),
    "words": (np.full((6, 8), "word"), "could not convert string to float: .*word"),
}


@pytest.mark.parametrize("X, message", BAD.values(), ids=BAD)
def test_rows_that_are_no_numbers_are_refused(shell, X, message):
    with pytest.raises((ValueError, TypeError), match=message):
        shell.fit(X)


@pytest.mark.parametrize("Q, message", BAD.values(), ids=BAD)
def test_queries_that_are_no_numbers_are_refused(shell, X, Q, message):
    if Q.shape[-1] == 0:
        message = "X has 0 features|0 feature"
    shell.fit(X)
    for encode_queries in (shell.kneighbors, shell.radius_neighbors):
        with pytest.raises((ValueError, TypeError), match=message):
            encode_queries(Q)


def test_queries_of_another_width_are_refused(shell, X, Q):
    name = type(shell).__name__
    message = f"X has 7 features, but {name} is expecting 8 features as input"
    shell.fit(X)
    for encode_queries in (shell.kneighbors, shell.radius_neighbors):
        with pytest.raises(ValueError, match=message):
            encode_queries(Q[:, :7])


@pytest.mark.parametrize("format", ["csr_matrix", "csr_array", "coo_matrix"])
def test_sparse_rows_are_refused_with_a_way_out(shell, X, format):
    rows = getattr(sparse, format)(X)
    message = f"X is sparse, which {type(shell).__name__} does not take.*toarray.*SVD"
    with pytest.raises(TypeError, match=message):
        shell.fit(rows)
    with pytest.raises(TypeError, match=message):
        shell.fit(X).kneighbors(rows)


def test_negative_numbers_are_refused_by_hellinger(shell, X):
    shell.set_params(metric="hellinger")
    message = rf"X holds {X.min():.6g}, but metric='hellinger' takes no negative"
    with pytest.raises(ValueError, match=message):
        shell.fit(X)
    with pytest.raises(ValueError, match=message):
        shell.fit(np.abs(X)).kneighbors(X)


BAD_PARAMS = {
    "unknown metric": ({"metric": "bogus"}, InvalidParameterError, "'metric'.*'bogus'"),
    "precomputed": ({"metric": "precomputed"}, InvalidParameterError, "precomputed"),
    "metric": ({"metric": None}, InvalidParameterError, "'metric' parameter.*None"),
    "p": ({"p": 0.5}, ValueError, "p=0.5 is not supported for metric='minkowski'"),
    "negative p": ({"p": -1}, InvalidParameterError, "'p' parameter.*-1"),
    "metric_params": (
        {"metric_params": {"v": 1}},
        ValueError,
        "metric_params={'v': 1} is not supported: .* takes 'w', not 'v'",
    ),
    "n_neighbors": ({"n_neighbors": 0}, InvalidParameterError, "'n_neighbors'.*0"),
    "float n_neighbors": ({"n_neighbors": 2.5}, InvalidParameterError, "2.5"),
    "radius": ({"radius": -1.5}, InvalidParameterError, "'radius'.*-1.5"),
    "n_jobs": ({"n_jobs": 1.5}, InvalidParameterError, "'n_jobs'.*1.5"),
    "random_state": ({"random_state": "x"}, InvalidParameterError, "'random_state'"),
    "verbose": ({"verbose": -2}, InvalidParameterError, "'verbose'.*-2"),
}


@pytest.mark.parametrize("params, error, message", BAD_PARAMS.values(), ids=BAD_PARAMS)
def test_bad_parameters_are_refused_by_fit(shell, X, params, error, message):
    with pytest.raises(error, match=message):
        shell.set_params(**params).fit(X)


def test_an_unknown_metric_is_answered_with_all_that_are_known(shell, X):
    with pytest.raises(InvalidParameterError) as caught:
        shell.set_params(metric="bogus").fit(X)
    assert all(name in str(caught.value) for name in indexes.metrics(shell))


@pytest.mark.parametrize(
    "alias, name",
    [
        ({"metric": "l2"}, "euclidean"),
        ({"metric": "l1"}, "manhattan"),
        ({"metric": "cityblock"}, "manhattan"),
        ({"p": 1}, "manhattan"),
        ({"p": np.inf}, "chebyshev"),
        ({"metric_params": {}}, "euclidean"),
    ],
)
def test_other_names_of_a_metric_are_that_metric(shell, X, alias, name):
    expected = indexes.under(shell, name).fit(X).kneighbors()
    params = {"metric": "minkowski", "p": 2, **alias}
    assert_same(shell.set_params(**params).fit(X).kneighbors(), expected)
    assert shell.effective_metric_ == name


def test_messages_have_no_line_breaks_or_doubled_spaces(shell, X):
    for bad in (with_value(1e300), sparse.csr_matrix(X)):
        with pytest.raises((ValueError, TypeError)) as caught:
            shell.fit(bad)
        assert not re.search(r"\n|  ", str(caught.value))
