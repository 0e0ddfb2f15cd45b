"""Lists of principal components: what is theirs alone among the lists."""

import indexes
import naive
import numpy as np
import pytest
from helpers import normal, share_found
from numpy.testing import assert_array_equal
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_jin import (
    FlatNeighbors,
    IVFNeighbors,
    IVFPCANeighbors,
    IVFPCATransformer,
    PCAQuantizer,
)
from sklearn_jin.benchmark import counting

# Slow as plain Python, for which the parts are tested by themselves.
pytestmark = pytest.mark.jit


def wide(n, d=210, rank=20, seed=0):
    """Rows that lie near a space of few dimensions, whatever the ``seed``."""
    turn = np.random.default_rng(9).standard_normal((rank, d))
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, rank)) @ turn + rng.standard_normal((n, d)) / 3
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def data():
    return wide(6000), wide(200, seed=1)


@pytest.mark.parametrize("metric", indexes.CODED)
@pytest.mark.parametrize("k", [1, 10, 100])
def test_nearly_all_neighbours_are_found(data, metric, k):
    X, Q = data
    index = IVFPCANeighbors(metric=metric, n_probes=60, random_state=0).fit(X)
    ids = index.kneighbors(Q, k, return_distance=False)
    assert share_found(ids, naive.nearest(X, Q, k, metric)) > 0.97


def test_few_components_are_taken_where_few_tell_neighbours_apart(data):
    index = IVFPCANeighbors(random_state=0).fit(data[0])
    assert 0 < index.n_components_ <= 64
    assert index.n_lists_ == round(6000**0.5) == len(index.list_sizes_)
    assert index.list_sizes_.sum() == 6000
    other = IVFPCANeighbors(n_components=20, random_state=0).fit(data[0])
    assert other.n_components_ == 20
    assert other.memory_usage()["codes"] < index.memory_usage()["codes"]


def test_lists_take_components_as_a_quantizer(data):
    X, Q = data
    lists = {"n_lists": 77, "n_probes": 20, "random_state": 0}
    one = IVFPCANeighbors(n_components=24, **lists).fit(X)
    other = IVFNeighbors(quantizer=PCAQuantizer(24, n_bits=8), **lists).fit(X)
    assert other.quantizer_.n_bits == 8 and other.memory_usage() == one.memory_usage()
    for k in (1, 30):
        for found, expected in zip(other.kneighbors(Q, k), one.kneighbors(Q, k)):
            assert_array_equal(found, expected)


def test_more_components_than_features_are_all():
    X = wide(1500, 7, 3)
    index = IVFPCANeighbors(n_components=100, random_state=0).fit(X)
    assert index.n_components_ == 7


def test_memory_is_as_the_notes_say(data):
    X = data[0]
    index = IVFPCANeighbors(n_components=30, random_state=0).fit(X)
    usage, slots = index.memory_usage(), len(index.index_.route.ids)
    assert len(X) <= slots < len(X) + 32 * index.n_lists_
    rows = len(X) * 256  # whole lines of bytes
    assert 0 <= usage["codes"] - slots * (32 + 4) - rows < 100
    assert usage["points"] == len(X) * 4 * 224


@pytest.mark.parametrize("store", ["float16", "int8"])
def test_less_may_be_kept_of_the_rows(data, store):
    X, Q = data
    index = IVFPCANeighbors(store_vectors=store, n_probes=40, random_state=0).fit(X)
    _, ids = index.kneighbors(Q, 10)
    assert share_found(ids, naive.nearest(X, Q, 10)) > 0.9
    assert index.memory_usage()["points"] < len(X) * 2 * 224 + 1000


def test_rows_are_read_only_where_bytes_leave_doubt(data):
    X, Q = data
    index = IVFPCANeighbors(rerank=10, random_state=0).fit(X)
    with counting() as work:
        index.kneighbors(Q, 10)
    assert 10 * len(Q) <= work[3] < 20 * len(Q)  # of 100 candidates each


def test_rerank_and_probes_are_read_when_a_query_is_made(data):
    X, Q = data
    index = IVFPCANeighbors(n_components=8, random_state=0).fit(X)
    exact = naive.nearest_distances(X, Q, 10)
    found = [
        naive.recall(index.set_params(rerank=r, n_probes=p).kneighbors(Q, 10)[0], exact)
        for r, p in ((1, 4), (10, 4), (10, 77))
    ]
    assert found[0] < found[1] < found[2]


def test_answers_do_not_depend_on_the_batch(data):
    X, Q = data
    index = IVFPCANeighbors(n_probes=4, rerank=1.5, random_state=0).fit(X)
    expected = index.kneighbors(Q)
    for n in (1, 7, 64):
        parts = [index.kneighbors(Q[lo : lo + n]) for lo in range(0, len(Q), n)]
        for found, wanted in zip(zip(*parts), expected):
            assert_array_equal(np.concatenate(found), wanted)


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev"])
def test_metrics_without_components_are_refused(metric):
    with pytest.raises(ValueError, match=f"metric='{metric}' is not served by IVFPCA"):
        IVFPCANeighbors(metric=metric).fit(indexes.rows(9))


@pytest.mark.parametrize("value", [0, 2.5, "all", True])
def test_wrong_components_are_refused(value):
    with pytest.raises(InvalidParameterError, match="'n_components' parameter"):
        IVFPCANeighbors(n_components=value).fit(indexes.rows(9))


def test_components_are_searched_over_in_a_pipeline():
    X, y = make_blobs(120, 4, centers=4, random_state=0)
    index = IVFPCATransformer(exact_threshold=0, n_lists=20, random_state=0)
    model = make_pipeline(index, KNeighborsClassifier(metric="precomputed"))
    grid = {"ivfpcatransformer__n_components": [1, 4]}
    found = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert (found.cv_results_["mean_test_score"] > 0.8).all()


@pytest.mark.parametrize("n_far, far", [(60, 1e6), (10, 1e9)])
def test_few_rows_that_are_far_off_take_no_neighbours_from_the_others(n_far, far):
    X = normal(3000, 8) @ normal(8, 64, seed=1)
    X[:n_far] += far
    index = IVFPCANeighbors(n_neighbors=10, random_state=0).fit(X)
    exact = FlatNeighbors(n_neighbors=10).fit(X)
    near, found = (i.kneighbors(X[100:400])[0] for i in (exact, index))
    assert np.mean(found <= near[:, -1:] * (1 + 1e-6) + 1e-6) > 0.95


def test_lists_hold_rows_where_bytes_do_not_tell_them_apart():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6000, 24)) * 10 ** rng.uniform(-3, 3, (6000, 1))
    Q = 1.01 * X[:200]
    index = IVFPCANeighbors(random_state=0).fit(X)
    assert index.n_components_ == 0 and index.quantizer_ is None
    ids = index.kneighbors(Q, 10, return_distance=False)
    assert share_found(ids, naive.nearest(X, Q, 10)) > 0.97
