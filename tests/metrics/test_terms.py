"""Metrics of terms: those of SciPy and scikit-learn, on hard rows too."""

import indexes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.metrics import DistanceMetric

import sklearn_jin
from sklearn_jin import FlatNeighbors, HNSWNeighbors, ScalarQuantizer
from sklearn_jin.metrics import metric_of
from sklearn_jin.points import exact, new_scratch, pair_score, score, set_query
from sklearn_jin.points.kinds import points_by, points_of

W = np.array([0.0, 1e-3, 1.0, 2.0, 50.0])
TERMS = {
    "hamming": ("hamming", 2, None),
    "canberra": ("canberra", 2, None),
    "braycurtis": ("braycurtis", 2, None),
    "jensenshannon": ("jensenshannon", 2, None),
    "bits": ("jensenshannon", 2, {"base": 2}),
    "p=3": ("minkowski", 3, None),
    "p=1.5": ("minkowski", 1.5, None),
    "p=4": ("minkowski", 4, {"w": W}),
    "p=2.7": ("minkowski", 2.7, {"w": W}),
    "p=1": ("minkowski", 1, {"w": W}),
    "p=90": ("minkowski", 90, None),
}


@pytest.fixture(params=TERMS)
def told(request):
    return TERMS[request.param]


def hard(n, told, seed=0):
    """Rows with copies, zeros, numbers of either sign and many sizes in a row."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5)) * 10.0 ** rng.integers(-9, 9, (n, 5))
    X[: n // 3] = rng.integers(-3, 4, (n // 3, 5))
    X[n // 2] = X[0]
    if told[0] == "jensenshannon":
        return np.abs(X) + (np.abs(X).sum(axis=1, keepdims=True) == 0)
    X[1] = 0
    return X


def expected(X, Q, told):
    """By SciPy or scikit-learn, whose powers overflow: these are of shares here."""
    name, p, params = told
    if name == "jensenshannon":
        return cdist(Q, X, name) / np.sqrt(np.log(2) if params else 1)
    if name != "minkowski":
        return DistanceMetric.get_metric(name).pairwise(Q, X)
    gaps = np.abs(Q[:, None] - X) * (params["w"] if params else np.ones(5)) ** (1 / p)
    most = gaps.max(axis=2, keepdims=True)
    shares = np.divide(gaps, most, out=0 * gaps, where=most > 0)
    return most[..., 0] * (shares**p).sum(axis=2) ** (1 / p)


def test_the_oracle_is_that_of_scikit_learn():
    X, Q = indexes.rows(20, 5), indexes.rows(4, 5, 1)
    for told in (told for told in TERMS.values() if told[0] == "minkowski"):
        _, p, params = told
        measured = DistanceMetric.get_metric("minkowski", p=p, **(params or {}))
        assert_allclose(expected(X, Q, told), measured.pairwise(Q, X), 1e-9)


def every_distance(index, X, Q, told):
    name, p, params = told
    index = index.set_params(metric=name, p=p, metric_params=params).fit(X)
    distances, ids = index.kneighbors(Q, len(X))
    return np.take_along_axis(distances, np.argsort(ids, axis=1), axis=1)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_distances_are_those_of_others_whatever_the_size(told, scale):
    X, Q = scale * hard(40, told), scale * hard(12, told, seed=1)
    Q[3] = X[7]
    found, true = every_distance(FlatNeighbors(), X, Q, told), expected(X, Q, told)
    size = np.abs(X).max() if told[0] == "minkowski" else 0
    assert_allclose(found, true, 1e-5, 1e-7 * (1 + size) * (scale if size == 0 else 1))
    assert found[3, 7] == 0
    few = FlatNeighbors(metric=told[0], p=told[1], metric_params=told[2]).fit(X)
    assert_allclose(few.kneighbors(Q[:2], 40)[0], np.sort(found[:2], axis=1), 1e-12)


def test_far_queries_are_as_far_as_they_are(told):
    X, Q = hard(40, told), 1e25 * hard(9, told, seed=1)
    found = every_distance(FlatNeighbors(), X, Q, told)
    assert_allclose(found, expected(X, Q, told), 1e-5, 1e-7)


@pytest.mark.jit
def test_a_graph_answers_as_a_scan_does(told):
    X, Q = (np.abs(indexes.rows(n, 5, seed)) for n, seed in ((900, 0), (60, 1)))
    X[500:505] = X[7]
    search = dict(metric=told[0], p=told[1], metric_params=told[2])
    graph = HNSWNeighbors(**search, exact_threshold=0, random_state=0).fit(X)
    found, ids = graph.kneighbors(Q)
    true, _ = FlatNeighbors(**search).fit(X).kneighbors(Q)
    assert np.mean(found <= true[:, -1:] * (1 + 1e-9)) > 0.97
    assert_allclose(found, np.take_along_axis(expected(X, Q, told), ids, 1), 1e-5)


def test_kernels_agree_with_each_other(told):
    X, Q = hard(20, told), hard(6, told, seed=1)
    _, metric = metric_of(*told)
    points = points_of(metric, X)
    queries, _ = metric.prepare_queries(Q)
    own, _ = metric.prepare_own(points.X)
    scratch = new_scratch(points, 1)
    for q in range(len(Q)):
        set_query(points, scratch, 0, queries, q)
        for i in range(len(X)):
            true = exact(points, queries, q, i)
            assert_allclose(score(points, scratch, 0, i), true, 2e-6)
            assert_allclose(pair_score(points, q, i), exact(points, own, q, i), 2e-6)


def test_what_was_told_is_kept_on_disk(told, tmp_path):
    X = hard(40, told)
    index = FlatNeighbors(metric=told[0], p=told[1], metric_params=told[2]).fit(X)
    index.save(tmp_path / "index")
    again = sklearn_jin.load(tmp_path / "index", mmap_mode="r")
    assert_array_equal(again.kneighbors(X)[0], index.kneighbors(X)[0])


def test_later_rows_are_measured_as_the_first_are(told):
    X, Q = hard(40, told), hard(9, told, seed=1)
    index = FlatNeighbors(metric=told[0], p=told[1], metric_params=told[2])
    both = np.vstack([X, 1e12 * X, 0.1 * X])
    expected = index.fit(both).kneighbors(Q, 120)
    index.fit(X).partial_fit(1e12 * X).partial_fit(0.1 * X)
    found = index.kneighbors(Q, 120)
    assert_allclose(found[0], expected[0], 1e-5, 1e-7)


def test_restored_rows_are_the_data():
    for told in TERMS.values():
        if told[0] == "jensenshannon" or told[2]:
            continue
        _, metric = metric_of(*told)
        X = hard(30, told)
        rows = points_of(metric, X).X
        assert_allclose(metric.restore(rows), X, 1e-6, 1e-7 * np.abs(X).max())


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16"])
@pytest.mark.parametrize("name", ["hamming", "canberra", "braycurtis", "p=3"])
def test_narrow_rows_are_kept_as_they_come(name, dtype):
    told = TERMS[name]
    X = np.random.default_rng(0).integers(0, 9, (40, 5)).astype(dtype)
    found = every_distance(FlatNeighbors(store_vectors="input"), X, X[:9], told)
    wide = X.astype(np.float64)
    assert_allclose(found, expected(wide, wide[:9], told), 1e-5)


def test_numbers_of_float64_are_equal_only_to_themselves():
    X = np.array([[0.1, 16777217.0], [0.1 + 1e-12, 16777216.0], [0.25, 5.0]])
    index = FlatNeighbors(metric="hamming").fit(X)
    expected = cdist(X, X, "hamming")
    distances, ids = index.kneighbors(X, 3)
    assert_array_equal(distances, np.take_along_axis(expected, ids, axis=1))
    assert_array_equal(index.kneighbors([[0.1 + 1e-9, 5.0]], 1)[0], [[0.5]])
    whole = FlatNeighbors(metric="hamming").fit(X[2:])
    assert_array_equal(whole.kneighbors([[0.25, 5.0 + 1e-12]], 1)[0], [[0.5]])
    rows = whole.partial_fit(X[:2]).kneighbors(X, 3)[0]
    assert_array_equal(np.sort(rows), np.sort(expected))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"metric": "hamming", "store_vectors": "float16"}, "'float16' rounds rows"),
        ({"metric": "canberra", "metric_params": {"w": W}}, "takes no parameters"),
        ({"p": 3, "metric_params": {"v": W}}, "takes 'w', not 'v'"),
        ({"p": np.inf, "metric_params": {"w": W}}, "needs a finite p"),
        ({"p": 3, "metric_params": {"w": -W}}, "must be numbers from 0 on"),
        ({"p": 3, "metric_params": {"w": W[:2]}}, "are for 2 features, but X has 5"),
        ({"metric": "jensenshannon"}, "X holds -.*takes no negative"),
        ({"metric": "jensenshannon", "metric_params": {"base": 1}}, "above 1"),
        (
            {"metric": "canberra", "quantizer": ScalarQuantizer(8)},
            "serves squared distances and inner products, not metric='canberra'",
        ),
    ],
)
def test_what_means_nothing_is_refused(params, message):
    with pytest.raises(ValueError, match=message):
        FlatNeighbors(**params).fit(hard(30, TERMS["p=3"]))


def test_a_row_of_zeros_has_no_distribution():
    X = np.array([[1.0, 2.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="row 1 of X is all zeros"):
        FlatNeighbors(metric="jensenshannon").fit(X)
    with pytest.raises(ValueError, match="row 0 of X is all zeros"):
        FlatNeighbors(metric="jensenshannon").fit(X[:1]).kneighbors(X[1:])


def test_later_rows_have_the_parameters_of_the_first():
    _, metric = metric_of(*TERMS["p=3"])
    points = points_of(metric, hard(9, TERMS["p=3"]))
    assert points_by(metric, hard(3, TERMS["p=3"])).p == points.p == 3
