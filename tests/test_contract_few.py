"""Few rows go a short way: answers and errors are those of a batch."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import indexes
import numpy as np
import pytest
from helpers import assert_same
from numpy.testing import assert_array_equal

from sklearn_jin import HNSWNeighbors

SIZES = [1, 2, 3, 5, 8, 9, 16, 17]
PATIENCE = 120  # seconds until what should end is taken to hang


class Rows(np.ndarray):
    """An array of a class of its own."""


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


FORMS = {
    "float32": lambda X: X,
    "float64": lambda X: X.astype(np.float64),
    "by columns": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1].copy()[::-1],
    "read-only": read_only,
    "other bytes first": lambda X: X.astype(X.dtype.newbyteorder()),
    "a class of its own": lambda X: X.view(Rows),
    "lists": lambda X: X.tolist(),
}


def parts(Q):
    """Parts of the rows, of each of the ``SIZES``."""
    ends = np.cumsum(SIZES)
    assert ends[-1] == len(Q)
    return [slice(hi - size, hi) for hi, size in zip(ends, SIZES)]


def queries(metric="euclidean"):
    """As many float32 rows as all parts have."""
    return indexes.rows(sum(SIZES), seed=1, metric=metric).astype(np.float32)


def test_a_few_rows_are_answered_as_in_a_batch(any_metric):
    index = any_metric.fit(indexes.rows(metric=any_metric.metric))
    Q = queries(any_metric.metric)
    distances, ids = index.kneighbors(Q)
    for part in parts(Q):
        for form in ("float32", "float64"):
            answer = index.kneighbors(FORMS[form](Q[part]))
            assert_same(answer, (distances[part], ids[part]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_the_form_of_a_few_rows_does_not_matter(shell, X, form, n_jobs):
    index, Q = shell.set_params(n_jobs=n_jobs).fit(X), queries()
    distances, ids = index.kneighbors(Q)
    for part in parts(Q):
        answer = index.kneighbors(FORMS[form](Q[part]))
        assert_same(answer, (distances[part], ids[part]))


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e8, 1e15, 1e30])
def test_a_row_of_any_size_is_answered_as_in_a_batch(any_metric, scale):
    index = any_metric.fit(indexes.rows(metric=any_metric.metric))
    for dtype in (np.float32, np.float64):
        Q = (queries(any_metric.metric) * scale).astype(dtype)
        distances, ids = index.kneighbors(Q)
        for q in range(5):
            one = slice(q, q + 1)
            assert_same(index.kneighbors(Q[one]), (distances[one], ids[one]))


BAD = {
    "nan": (np.nan, "Input X contains NaN"),
    "infinity": (np.inf, "Input X contains infinity"),
    "minus infinity": (-np.inf, "Input X contains infinity"),
    "huge": (-1e300, "X holds 1e\\+300, a value too large for dtype"),
}


@pytest.mark.parametrize("value, message", BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("error")
def test_a_row_that_is_no_numbers_is_refused(shell, X, value, message):
    index, row = shell.fit(X), X[:1].copy()
    row[0, 3] = value
    with pytest.raises(ValueError, match=message):
        index.kneighbors(row)
    if abs(value) != 1e300:
        with pytest.raises(ValueError, match=message):
            index.kneighbors(row.astype(np.float32))


@pytest.mark.parametrize(
    "params, error", [({"n_jobs": 1.5}, TypeError), ({"n_neighbors": 0}, ValueError)]
)
def test_bad_parameters_are_refused_by_a_query_of_one_row(shell, X, params, error):
    shell.fit(X).set_params(**params)
    with pytest.raises(error, match=next(iter(params))):
        shell.kneighbors(X[:1])


@pytest.mark.jit
def test_sixteen_threads_may_ask_for_a_row_each(index, X):
    X = np.vstack([X, X + 1, X + 2])
    distances, ids = index.fit(X).kneighbors(X)
    with ThreadPoolExecutor(16) as pool:
        asked = [X[q : q + 1] for q in range(len(X))]
        for q, answer in enumerate(pool.map(index.kneighbors, asked)):
            assert_same(answer, (distances[q : q + 1], ids[q : q + 1]))


def answer_rows(index, X, expected):
    for q in range(len(X)):
        assert_array_equal(index.kneighbors(X[q : q + 1])[1], expected[q : q + 1])


@pytest.mark.jit
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_answers_rows_as_its_parent_does(many):
    index = HNSWNeighbors(random_state=0).fit(many)
    expected = index.kneighbors(many[:40])[1]
    answer_rows(index, many[:40], expected)
    context = multiprocessing.get_context("fork")
    child = context.Process(target=answer_rows, args=(index, many[:40], expected))
    child.start()
    child.join(PATIENCE)
    assert child.exitcode == 0
