"""A fitted index is arrays: the same for any threads, and left alone by queries."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import indexes
import joblib
import numpy as np
import pytest
from child import python
from helpers import assert_same
from numba import typeof
from sklearn.base import clone


def arrays(part):
    """All arrays within records of records."""
    if isinstance(part, tuple):
        return [array for field in part for array in arrays(field)]
    return [part] if isinstance(part, np.ndarray) else []


def state(estimator):
    """All that a fitted index holds, but for its parameters."""
    learned = {name: part for name, part in vars(estimator).items() if name[-1] == "_"}
    for name, part in learned.items():
        if hasattr(part, "get_params"):
            learned[name] = state(part)
        elif isinstance(part, tuple | np.ndarray):
            learned[name] = [(a.shape, a.dtype, a.tobytes()) for a in arrays(part)]
        elif isinstance(part, float):
            learned[name] = repr(part)  # NaN is NaN
    return learned


# Queries leave no trace.


def test_questions_change_nothing(any_metric):
    X = indexes.rows(metric=any_metric.metric)
    before = joblib.hash(vars(any_metric.fit(X)))
    any_metric.kneighbors(X)
    any_metric.kneighbors()
    any_metric.radius_neighbors(X, 0.5)
    any_metric.kneighbors_graph(X)
    assert joblib.hash(vars(any_metric)) == before


def test_transforming_changes_nothing(transformer, X):
    before = joblib.hash(vars(transformer.fit(X)))
    transformer.transform(X)
    assert joblib.hash(vars(transformer)) == before


def test_fitting_changes_no_parameter(any_metric):
    before = joblib.hash(any_metric.get_params())
    any_metric.fit(indexes.rows(metric=any_metric.metric))
    assert joblib.hash(any_metric.get_params()) == before


# Copies.


def test_a_pickle_answers_alike(any_metric):
    X = indexes.rows(metric=any_metric.metric)
    expected = any_metric.fit(X).kneighbors(X)
    assert_same(pickle.loads(pickle.dumps(any_metric)).kneighbors(X), expected)


def test_a_pickle_of_a_pickle_is_the_same(index, X):
    once = pickle.loads(pickle.dumps(index.fit(X)))
    assert state(pickle.loads(pickle.dumps(once))) == state(index)


def test_a_deep_copy_stands_alone(index, X, Q):
    expected = index.fit(X).kneighbors(Q)
    twin = copy.deepcopy(index)
    index.fit(X[:9, :3])
    assert_same(twin.kneighbors(Q), expected)


def test_a_clone_is_not_fitted(shell, X):
    assert not hasattr(clone(shell.fit(X)), "n_samples_fit_")


def test_arrays_mapped_from_a_file_answer_alike(any_metric, tmp_path):
    X = indexes.rows(metric=any_metric.metric)
    expected = any_metric.fit(X).kneighbors(X)
    joblib.dump(any_metric, tmp_path / "index")
    mapped = joblib.load(tmp_path / "index", mmap_mode="r")
    assert isinstance(mapped.index_.points.X, np.memmap)
    assert_same(mapped.kneighbors(X), expected)


def test_copies_are_served_by_the_same_kernels(index, X, tmp_path):
    joblib.dump(index.fit(X), tmp_path / "index")
    mapped = joblib.load(tmp_path / "index", mmap_mode="r")
    for twin in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index), mapped):
        for part in ("points", "codes", "route"):
            same = getattr(twin.index_, part), getattr(index.index_, part)
            assert typeof(same[0]) == typeof(same[1])


def test_a_pickle_of_another_version_warns(shell, X):
    written = shell.fit(X).__getstate__()
    written["_sklearn_jin_version"] = "0.0.0"
    with pytest.warns(
        UserWarning, match=r"was pickled by sklearn-jin 0\.0\.0, this is"
    ):
        clone(shell).__setstate__(written)


def test_a_pickle_of_this_version_does_not_warn(shell, X):
    shell.fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(shell))


# Threads and chance.


@pytest.mark.parametrize("n_jobs", [2, None])
def test_threads_change_nothing(any_metric, n_jobs):
    X = indexes.rows(metric=any_metric.metric)
    one = clone(any_metric).set_params(n_jobs=1).fit(X)
    several = any_metric.set_params(n_jobs=n_jobs).fit(X)
    assert state(several) == state(one)
    assert_same(several.kneighbors(), one.kneighbors())


@pytest.mark.jit
@pytest.mark.parametrize("n_jobs", [2, 4])
def test_threads_change_nothing_where_all_of_them_work(neighbors, n_jobs):
    X = np.random.default_rng(0).random((6000, 8), dtype=np.float32)
    one = clone(neighbors).set_params(n_jobs=1).fit(X)
    several = neighbors.set_params(n_jobs=n_jobs).fit(X)
    assert state(several) == state(one)
    assert_same(several.kneighbors(), one.kneighbors())


@pytest.mark.jit
def test_eight_threads_may_ask_one_index(index, X):
    X = np.vstack([X, X + 1, X + 2])
    expected = index.fit(X).kneighbors(X)
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(index.kneighbors, [X] * 16):
            assert_same(answer, expected)


def test_eight_threads_may_fit_their_own_index(index, X):
    expected = clone(index).fit(X)
    with ThreadPoolExecutor(8) as pool:
        for fitted in pool.map(lambda _: clone(index).fit(X), range(8)):
            assert state(fitted) == state(expected)


def test_a_seed_makes_an_index_repeatable(any_metric):
    X = indexes.rows(metric=any_metric.metric)
    any_metric.set_params(random_state=42)
    assert state(clone(any_metric).fit(X)) == state(any_metric.fit(X))


def test_a_generator_is_as_good_as_a_seed(shell, X):
    seeded = clone(shell).set_params(random_state=7).fit(X)
    drawn = shell.set_params(random_state=np.random.RandomState(7)).fit(X)
    assert_same(drawn.kneighbors(), seeded.kneighbors())


def answers():
    """What every index answers, as a text that another process can send."""
    X, hashes = indexes.rows(), {}
    for index in indexes.settings():
        hashes[indexes.name(index)] = joblib.hash(index.fit(X).kneighbors())
    return repr(hashes)


def test_another_process_gets_the_same_answers():
    code = "import test_contract_state; print(test_contract_state.answers())"
    here = str(Path(__file__).parent)
    assert python(code, PYTHONPATH=here, PYTHONHASHSEED="1") == answers()


def test_memory_used_is_that_of_the_arrays(index, X):
    usage = index.fit(X).memory_usage()
    every, points = (
        sum(array.nbytes for array in arrays(part))
        for part in (index.index_, index.index_.points)
    )
    assert sum(usage.values()) == every and usage["points"] == points >= 60 * 8 * 4
    if index.index_.codes is not None or index.index_.learned.rerank is not None:
        assert usage["codes"] >= 60 * index.quantizer_.n_bytes_
    else:
        assert usage["codes"] == 0
