"""The index that suits the data: which is taken, why, and that it answers as one."""

import pickle

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import sklearn_jin
from sklearn_jin import AutoNeighbors, FlatNeighbors
from sklearn_jin.neighbors import _auto


def made(**params):
    return AutoNeighbors(**{"random_state": 0, "n_neighbors": 10, **params})


@pytest.fixture(scope="module")
def few(request):
    """Another index than a scan is tried from 1,000 rows on."""
    patch = pytest.MonkeyPatch()
    patch.setattr(_auto, "FEW", 1000)
    patch.setattr(_auto, "SAMPLE", 3000)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def some():
    X = np.random.default_rng(0).standard_normal((6300, 12)).astype(np.float32)
    return X[:6000], X[6000:]


def test_few_rows_are_compared_with_all():
    X, Q = indexes.rows(300), indexes.rows(20, seed=1)
    index = made().fit(X)
    assert isinstance(index.best_estimator_, FlatNeighbors)
    assert index.calibrate().calibration_ is None and index.estimated_recall_.low == 1
    with pytest.raises(ValueError, match="FlatNeighbors was taken, which is exact"):
        index.query_drift(Q)
    assert [(a.name, a.reason) for a in index.alternatives_] == [("FlatNeighbors", "")]
    assert_array_equal(index.kneighbors(Q)[1], naive.nearest(X, Q, 10))


@pytest.mark.jit
def test_the_choice_is_told_and_reaches_the_recall(few, some):
    X, Q = some
    index = made().fit(X)
    told = {a.name: a for a in index.alternatives_}
    assert set(told) == {"FlatNeighbors", "HNSWNeighbors", "IVFPCANeighbors"}
    taken = [a for a in told.values() if not a.reason]
    best = type(index.best_estimator_).__name__
    assert [a.name for a in taken] == [best] != ["FlatNeighbors"]
    assert taken[0].work == min(a.work for a in told.values() if a.low >= 0.95)
    assert all(a.memory >= X.nbytes for a in told.values())
    distances, ids = index.kneighbors(Q)
    found = naive.recall(distances, naive.nearest_distances(X, Q, 10))
    assert found > 0.94 and index.estimated_recall_.low >= 0.95
    assert_array_equal(index.best_estimator_.kneighbors(Q)[1], ids)
    for twin in (made().fit(X), pickle.loads(pickle.dumps(index))):
        assert twin.alternatives_ == index.alternatives_
        assert_array_equal(twin.kneighbors(Q)[1], ids)


@pytest.mark.jit
def test_memory_and_seconds_are_limits(few, some):
    X, _ = some
    flat = made(max_memory=1.02 * 4 * 12 * 6000).fit(X)
    assert isinstance(flat.best_estimator_, FlatNeighbors)
    assert sum("max_memory" in a.reason for a in flat.alternatives_) == 2
    with pytest.raises(ValueError, match=r"max_memory=1000 .*float16"):
        made(max_memory=1000).fit(X)
    quick = made(fit_seconds=1e-9).fit(X)
    assert isinstance(quick.best_estimator_, FlatNeighbors)
    assert sum("fit_seconds" in a.reason for a in quick.alternatives_) == 2


@pytest.mark.jit
@pytest.mark.parametrize("name", ["HNSWNeighbors", "IVFPCANeighbors"])
def test_what_was_taken_is_kept_and_takes_later_rows(few, some, name, tmp_path):
    X, Q = some
    with pytest.MonkeyPatch.context() as patch:
        kept = {n: _auto.KNOWN[n] for n in ("FlatNeighbors", name)}
        patch.setattr(_auto, "KNOWN", kept)
        index = made(target_recall=0.9).fit(X[:5000])
        assert type(index.best_estimator_).__name__ == name
        index.save(tmp_path)
        loaded = sklearn_jin.load(tmp_path)
        assert_array_equal(loaded.kneighbors(Q)[1], index.kneighbors(Q)[1])
        index.partial_fit(X[5000:]).remove(np.arange(100))
        assert index.n_rows_ == 5900
        ids = index.kneighbors(Q)[1]
        exact = naive.nearest(X[100:], Q, 10) + 100
        hits = [len({*a} & {*b}) for a, b in zip(ids.tolist(), exact.tolist())]
        assert sum(hits) / ids.size > 0.88
        index.compact()
        assert index.kneighbors(Q)[1].min() >= 100


@pytest.mark.jit
def test_metrics_that_lists_do_not_serve_have_a_graph(few, some):
    index = made(metric="manhattan").fit(some[0][:2000])
    assert {a.name for a in index.alternatives_} == {"FlatNeighbors", "HNSWNeighbors"}


@pytest.mark.jit
def test_another_target_needs_no_fit(few, some):
    X, Q = some
    index = made(target_recall=0.8).fit(X)
    low, high = (
        index.set_params(target_recall=target).estimated_recall_.low
        for target in (0.8, 0.99)
    )
    assert 0.8 <= low < high and high >= 0.985
    assert index.kneighbors(Q)[1].shape == (300, 10)
