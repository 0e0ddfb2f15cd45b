"""Rows that come and go: what is built in and left out, and what is refused."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import sklearn_jin
from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    IVFPCANeighbors,
    ScalarQuantizer,
    VamanaNeighbors,
)

EVERY = 10_000  # effort that leaves nothing out


def clustered(rng, n, d=16, n_clusters=20):
    centers = 4 * rng.standard_normal((n_clusters, d))
    return centers[rng.integers(0, n_clusters, n)] + rng.standard_normal((n, d))


def recall(index, queries, rows, ids_of_rows, k=10):
    found = index.kneighbors(queries, k, return_distance=False)
    true = ids_of_rows[np.argsort(cdist(queries, rows), axis=1)[:, :k]]
    return np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, true)]) / k


GRAPHS = [
    HNSWNeighbors(exact_threshold=0, random_state=0),
    HNSWNeighbors(exact_threshold=0, random_state=0, quantizer="auto"),
    VamanaNeighbors(exact_threshold=0, random_state=0),
]


@pytest.mark.parametrize("index", GRAPHS, ids=str)
def test_inserted_rows_are_found_as_fitted_ones(index):
    """Also those of clusters that no fitted row is near."""
    rng = np.random.default_rng(0)
    X = np.vstack([clustered(rng, 3000), 30 + clustered(rng, 1200)])
    index = index.__sklearn_clone__().fit(X[:3000])
    route = index.index_.route
    for lo in range(3000, 4200, 400):
        index.partial_fit(X[lo : lo + 400])
    assert index.index_.changes is None
    assert index.index_.route.upper is route.upper  # inserted, not built anew
    fresh = index.__sklearn_clone__().fit(X)
    queries = X[2500:3800:5] + 0.1 * rng.standard_normal((260, 16))
    every = np.arange(len(X))
    index.set_params(ef_search=20), fresh.set_params(ef_search=20)
    assert recall(index, queries, X, every) > recall(fresh, queries, X, every) - 0.01
    own = index.kneighbors(X, 1, return_distance=False)[:, 0]
    assert (own == every).mean() > 0.999


@pytest.mark.parametrize(
    "index", [*GRAPHS, IVFPCANeighbors(exact_threshold=0)], ids=str
)
def test_rows_that_went_hide_no_others(index):
    rng = np.random.default_rng(1)
    X = clustered(rng, 2000)
    index = index.__sklearn_clone__().fit(X)
    for part in np.array_split(rng.permutation(2000)[:1200], 4):
        index.remove(part)
    left = index.ids_
    assert len(left) == index.n_rows_ == 800
    assert (index.kneighbors(X[left], 1, return_distance=False)[:, 0] == left).all()
    assert recall(index, X[::7], X[left], left) > 0.97


def test_a_copy_is_found_when_the_linked_row_went():
    X = np.repeat(np.random.default_rng(2).random((300, 8)), 3, axis=0)
    index = HNSWNeighbors(exact_threshold=0, random_state=0).fit(X)
    index.remove(np.arange(0, 99, 3))
    found = index.kneighbors(X[:99:3], 2, return_distance=False)
    assert (found == np.arange(0, 99, 3)[:, None] + [1, 2]).all()


def test_answers_do_not_depend_on_threads_or_batches():
    rng = np.random.default_rng(3)
    X = clustered(rng, 3000)
    indexes = [
        HNSWNeighbors(exact_threshold=0, random_state=0, n_jobs=n).fit(X[:2000])
        for n in (1, 2)
    ]
    for index in indexes:
        index.partial_fit(X[2000:2900]).remove(np.arange(100)).partial_fit(X[2900:])
    one, two = (index.kneighbors(X[:500], 7) for index in indexes)
    alone = [indexes[0].kneighbors(X[q : q + 1], 7) for q in range(50)]
    for a, b, c in zip(one, two, zip(*alone)):
        assert (a == b).all() and (a[:50] == np.vstack(c)).all()


@pytest.mark.parametrize(
    "metric, first, later",
    [
        ("euclidean", 1.0, 1e12),
        ("manhattan", 1e-20, 1.0),
        ("cosine", 1.0, 0.0),
        ("inner_product", 1.0, 50.0),
    ],
)
def test_metrics_take_any_later_row(metric, first, later):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((400, 16)) * first
    more = rng.standard_normal((20, 16)) * later
    index = HNSWNeighbors(metric=metric, exact_threshold=0, ef_search=EVERY)
    index.fit(X).partial_fit(more[:10]).partial_fit(more[10:])
    fresh = FlatNeighbors(metric=metric).fit(np.vstack([X, more]))
    queries = np.vstack([X[:20], more])
    found, true = index.kneighbors(queries)[0], fresh.kneighbors(queries)[0]
    np.testing.assert_allclose(found, true, rtol=1e-5, atol=1e-6 * np.abs(true).max())


def test_rows_are_kept_in_the_type_that_they_came_in():
    rng = np.random.default_rng(5)
    X = rng.integers(0, 256, (500, 20)).astype(np.uint8)
    index = FlatNeighbors(store_vectors="input").fit(X[:400])
    index.partial_fit(X[400:].astype(np.float32))
    assert index.kneighbors(X[450:451], 1)[1] == 450
    assert index.index_.changes.later.points.X.dtype == np.uint8
    with pytest.raises(ValueError, match="store_vectors='input', which keeps rows as"):
        index.partial_fit(X[:1] + 0.5)


def test_codes_are_learned_again_when_rows_are_unlike_those_they_learned():
    rng = np.random.default_rng(6)
    X = clustered(rng, 2000)
    index = HNSWNeighbors(
        exact_threshold=0, random_state=0, quantizer=ScalarQuantizer(8)
    ).fit(X)
    low = index.quantizer_.low_
    index.partial_fit(X[:600] + 0.01)
    assert 0.5 < index.drift_ < 2 and (index.quantizer_.low_ == low).all()
    index.partial_fit(3 * X[:600])
    assert index.drift_ == 1 and not (index.quantizer_.low_ == low).all()


@pytest.fixture
def small():
    return HNSWNeighbors(random_state=0).fit(np.random.default_rng(7).random((50, 4)))


WRONG = [
    (lambda index: index.remove([50]), ValueError, "ids hold 50: ids are from 0 to 49"),
    (lambda index: index.remove(-1), ValueError, "ids hold -1"),
    (lambda index: index.remove([1, 1]), ValueError, "ids name 1 twice"),
    (lambda index: index.remove(3), ValueError, "ids name 3, which was removed before"),
    (lambda index: index.remove([0.5]), TypeError, "ids must be integers"),
    (lambda index: index.remove([[1], [2]]), TypeError, "of one dimension"),
    (lambda index: index.remove([True]), TypeError, "ids must be integers"),
    (lambda index: index.replace(3, np.ones((1, 4))), ValueError, "removed before"),
    (lambda index: index.replace([1, 2], np.ones((1, 4))), ValueError, "X has 1 rows"),
    (lambda index: index.replace(1, np.ones((1, 3))), ValueError, "3 features"),
    (lambda index: index.partial_fit(np.ones((2, 5))), ValueError, "5 features"),
    (lambda index: index.partial_fit([[np.nan] * 4]), ValueError, "NaN"),
    (lambda index: index.partial_fit([]), ValueError, "array"),
    (
        lambda index: index.set_params(M=5).partial_fit(np.ones((2, 4))),
        ValueError,
        "M was changed since fit, from 16 to 5",
    ),
    (
        lambda index: index.set_params(quantizer=ScalarQuantizer()).remove(0),
        ValueError,
        "quantizer was changed since fit",
    ),
    (lambda index: index.kneighbors(np.ones((1, 4)), 50), ValueError, "n_rows_ = 49"),
]


@pytest.mark.parametrize("call, error, message", WRONG)
def test_what_is_wrong_changes_nothing(small, call, error, message):
    small.remove(3)
    before, ids = small.index_, small.ids_
    with pytest.raises(error, match=message):
        call(small)
    assert small.index_ is before and (small.ids_ == ids).all()
    assert small.n_samples_fit_ == 50 and small.n_features_in_ == 4


def test_what_fails_half_way_changes_nothing(small, monkeypatch):
    before = dict(vars(small))

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(HNSWNeighbors, "_index", fail)
    with pytest.raises(MemoryError):
        small.partial_fit(np.full((1, 4), 1e30))
    with pytest.raises(MemoryError):
        small.remove(1).compact()
    assert vars(small).keys() == before.keys() and small.n_samples_fit_ == 50


def test_all_rows_may_go_and_others_come(small):
    small.remove(np.arange(50))
    assert small.n_rows_ == 0 and len(small.ids_) == 0
    with pytest.raises(ValueError, match="n_rows_ = 0"):
        small.kneighbors(np.ones((1, 4)), 1)
    with pytest.raises(ValueError, match="all rows were removed"):
        small.compact()
    small.partial_fit(np.eye(4))
    assert small.kneighbors(np.eye(4), 1)[1].ravel().tolist() == [50, 51, 52, 53]
    assert small.compact(renumber=True)[50:].tolist() == [0, 1, 2, 3]
    assert small.n_samples_fit_ == 4


def test_mapped_indexes_refuse_changes(small, tmp_path):
    small.save(tmp_path / "index")
    mapped = sklearn_jin.load(tmp_path / "index", mmap_mode="r")
    for change in (
        lambda: mapped.partial_fit(np.ones((1, 4))),
        lambda: mapped.remove(0),
        lambda: mapped.replace(0, np.ones((1, 4))),
        mapped.compact,
    ):
        with pytest.raises(ValueError, match="is mapped from a file"):
            change()
    mapped.fit(np.ones((3, 4))).partial_fit(np.ones((1, 4)))


def test_graphs_have_a_column_for_every_id():
    X = np.random.default_rng(8).random((30, 3))
    index = sklearn_jin.HNSWTransformer(n_neighbors=4).fit(X).remove([2, 7])
    graph = index.partial_fit(X[:5]).transform(X)
    assert graph.shape == (30, 35) and not graph[:, [2, 7]].nnz
    assert index.kneighbors_graph(None).shape[1] == 35
