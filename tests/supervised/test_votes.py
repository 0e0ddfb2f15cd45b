"""Predictions from neighbours of an index are those of scikit-learn's estimators."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)

from sklearn_jin import (
    ANNClassifier,
    ANNRadiusClassifier,
    ANNRadiusRegressor,
    ANNRegressor,
    FlatNeighbors,
    HNSWNeighbors,
    load,
)

PAIRS = {
    "classifier": (ANNClassifier, KNeighborsClassifier),
    "regressor": (ANNRegressor, KNeighborsRegressor),
    "radius classifier": (ANNRadiusClassifier, RadiusNeighborsClassifier),
    "radius regressor": (ANNRadiusRegressor, RadiusNeighborsRegressor),
}
by_pair = pytest.mark.parametrize("ours, theirs", PAIRS.values(), ids=PAIRS)


def squared(distances):
    """Weights that the array of arrays of a radius has too."""
    return distances**2 + 1


def rows(seed=0, n=120):
    """Rows of few places, so that copies and distances of zero are there."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    X[n // 2 :] = X[rng.integers(0, n // 2, n - n // 2)]
    return X


def targets(kind, seed=1, n=120):
    """Labels or numbers, which may have several columns."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 3, (n, 2))
    return {
        "texts": np.array(["b", "a", "longer"])[drawn[:, 0]],
        "objects": np.array(["b", "a", "longer"], object)[drawn[:, 0]],
        "numbers": drawn[:, 0] * 10 - 7,
        "bool": drawn[:, 0] > 0,
        "columns": drawn * [1, 5],
        "texts in columns": np.array(["y", "x", "z"])[drawn],
    }[kind]


def parameters(ours, weights):
    """Those that both have; copies tie at no place, since a radius has no last one."""
    params = {"weights": weights}
    if "radius" in ours().get_params():
        params["radius"] = 1.5
    if "outlier_label" in ours().get_params():
        params["outlier_label"] = "most_frequent"
    return params


def queries():
    """Other rows, fitted ones, and one far from all."""
    return np.vstack([rows(2, 30), rows()[:30], np.full((1, 4), 9.0)])


@by_pair
@pytest.mark.parametrize("weights", ["uniform", "distance", squared, None])
@pytest.mark.parametrize("kind", ["texts", "objects", "bool", "numbers", "columns"])
@pytest.mark.filterwarnings("ignore:One or more samples have no neighbors")
def test_an_exact_index_predicts_as_scikit_learn_does(ours, theirs, weights, kind):
    classifies, y = hasattr(ours, "predict_proba"), targets(kind)
    if not classifies and y.dtype.kind not in "ib":
        pytest.skip("a mean of texts")
    X, Q, params = rows(), queries(), parameters(ours, weights)
    if "radius" not in params:  # no ties at the last place: the rows are all different
        X = np.random.default_rng(3).normal(size=X.shape)
        Q = np.vstack([Q, X[:20]])
    model = ours(FlatNeighbors(), **params).fit(X, y)
    # Of whole targets scikit-learn makes no NaN for a query that has no neighbours.
    like = y if classifies else y.astype(np.float64)
    expected = theirs(algorithm="kd_tree", **params).fit(X, like)
    if not classifies:
        assert_allclose(model.predict(Q), expected.predict(Q), 1e-5, 1e-6)
        assert_allclose(model.predict(None), expected.predict(None), 1e-5, 1e-6)
        return
    for asked in (Q, None):
        assert_array_equal(model.predict(asked), expected.predict(asked))
        assert model.predict(asked).dtype == expected.predict(asked).dtype
        ours, theirs = model.predict_proba(asked), expected.predict_proba(asked)
        for found, wanted in zip(listed(ours), listed(theirs)):
            assert_allclose(found, wanted, 1e-4, 1e-5)
    for found, wanted in zip(listed(model.classes_), listed(expected.classes_)):
        assert_array_equal(found, wanted)
    assert model.outputs_2d_ == (y.ndim == 2)


def listed(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


@by_pair
def test_votes_of_copies_are_those_of_the_first_rows(ours, theirs):
    """Of equal distances the lowest number is taken, so that a vote is defined."""
    X, y = np.zeros((9, 2)), np.array([2, 2, 1, 1, 1, 0, 0, 0, 0])
    model = ours(FlatNeighbors()).fit(X, y)
    if "radius" in model.get_params():
        first = y
    else:
        first = y[:3]
        model.set_params(n_neighbors=3)
    wanted = np.bincount(first).argmax() if hasattr(ours, "classes_") else first.mean()
    assert_allclose(model.predict([[0.0, 0.0]]), wanted)


def test_a_tied_vote_goes_to_the_first_label():
    X, y = [[0.0], [1.0], [2.0], [3.0]], ["z", "b", "z", "b"]
    assert ANNClassifier(n_neighbors=4).fit(X, y).predict([[9.0]]) == ["b"]


def test_an_outlier_has_its_label_or_none():
    X, y, far = rows(), targets("numbers"), np.full((1, 4), 99.0)
    model = ANNRadiusClassifier(radius=0.5).fit(X, y)
    with pytest.raises(ValueError, match="No neighbors found"):
        model.predict(far)
    model = ANNRadiusClassifier(radius=0.5, outlier_label=-7).fit(X, y)
    assert model.predict(far) == [-7] and model.outlier_label_ == [-7]
    model = ANNRadiusClassifier(radius=0.5, outlier_label=5).fit(X, y)
    with pytest.warns(UserWarning, match="not in training"):
        assert model.predict(far) == [5] and (model.predict_proba(far) == 0).all()


def test_all_that_none_of_a_radius_meets_are_outliers():
    """scikit-learn's own regressor predicts the least integer, for NaN is none."""
    model = ANNRadiusRegressor(radius=0.5).fit(rows(), targets("numbers"))
    with pytest.warns(UserWarning, match="no neighbors"):
        assert np.isnan(model.predict(np.full((3, 4), 99.0))).all()


@by_pair
@pytest.mark.jit
def test_threads_and_batches_do_not_change_predictions(ours, theirs, many):
    y = (many[:, 0] * 5).astype(int)
    params = {"n_neighbors": 7} if "n_neighbors" in ours().get_params() else {}
    params |= {"radius": 0.4} if "radius" in ours().get_params() else {}
    graph = HNSWNeighbors(exact_threshold=0, random_state=0)
    one, two = (
        ours(graph, weights="distance", n_jobs=n, **params).fit(many, y) for n in (1, 2)
    )
    expected = one.predict(many[:50])
    assert two.index_.n_jobs == 2 and graph.n_jobs is None
    assert_array_equal(two.predict(many[:50]), expected)
    apart = [two.predict(many[i : i + 1])[0] for i in range(50)]
    assert_array_equal(apart, expected)


@pytest.mark.jit
def test_a_graph_predicts_nearly_as_a_scan_does(many):
    y = (many[:, :2].sum(axis=1) * 4).astype(int)
    graph = HNSWNeighbors(exact_threshold=0, random_state=0)
    exact = ANNClassifier(FlatNeighbors()).fit(many[:2500], y[:2500])
    ours = ANNClassifier(graph).fit(many[:2500], y[:2500])
    assert np.mean(ours.predict(many[2500:]) == exact.predict(many[2500:])) > 0.98


def test_parameters_are_read_when_a_prediction_is_made():
    X, y = rows(), targets("columns")
    model = ANNRegressor(FlatNeighbors()).fit(X, y)
    changed = model.set_params(n_neighbors=2, weights="distance").predict(rows(5))
    anew = clone(model).fit(X, y).predict(rows(5))
    assert_array_equal(changed, anew)
    assert not np.array_equal(clone(model).set_params(n_neighbors=5), anew)


def test_a_grid_search_reaches_the_index():
    grid = {"index__metric": ["cosine", "l2"], "n_neighbors": [1, 3]}
    model = ANNClassifier(HNSWNeighbors(random_state=0))
    search = GridSearchCV(model, grid, cv=2, error_score="raise")
    search.fit(rows(), targets("texts"))
    best = search.best_estimator_
    assert best.index_.metric == search.best_params_["index__metric"]
    assert best.index is not best.index_ and not hasattr(best.index, "index_")


def test_inverse_distances_need_distances():
    X, y = rows(), targets("numbers")
    model = ANNClassifier(FlatNeighbors(metric="inner_product")).fit(X, y)
    assert model.predict(X).shape == (len(X),)
    for weighted in (model.set_params(weights="distance").predict, model.fit):
        with pytest.raises(ValueError, match="weights='distance' are inverse"):
            weighted(*((X, y) if weighted == model.fit else (X,)))


@by_pair
def test_a_fit_that_fails_leaves_the_estimator(ours, theirs):
    model = ours(**parameters(ours, "uniform")).fit(rows(), targets("numbers"))
    expected = model.predict(rows())
    with pytest.raises(ValueError):
        model.fit(rows(), np.full(120, np.nan))
    assert_array_equal(model.predict(rows()), expected)


@by_pair
@pytest.mark.parametrize("kind", ["texts", "numbers", "texts in columns", "objects"])
def test_an_estimator_is_kept(ours, theirs, kind, tmp_path):
    if not hasattr(ours, "predict_proba") and kind != "numbers":
        pytest.skip("a mean of texts")
    X, y = rows(), targets(kind)
    model = ours(HNSWNeighbors(), **parameters(ours, "distance")).fit(X, y)
    model.save(tmp_path / "model")
    for mmap_mode in (None, "r"):
        loaded = load(tmp_path / "model", mmap_mode=mmap_mode)
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert loaded.predict(X).dtype == model.predict(X).dtype


@pytest.mark.parametrize(
    "name", ["ANNImputer", *(ours.__name__ for ours, _ in PAIRS.values())]
)
def test_documentation_is_numpydoc(name):
    validate = pytest.importorskip("numpydoc.validate").validate
    errors = validate(f"sklearn_jin.{name}")["errors"]
    assert errors == []


def test_rows_that_changed_without_their_targets_are_told():
    X, y = np.arange(8.0)[:, None], np.arange(8) % 2
    votes = ANNClassifier(FlatNeighbors(), n_neighbors=3).fit(X, y)
    votes.index_.remove([0])
    assert votes.predict(X).shape == (8,)  # a row that is gone has no vote
    with pytest.raises(ValueError, match=r"8 targets, .* of which 7 are left"):
        votes.predict(None)
    votes.index_.partial_fit(X[:2])
    for predict in (votes.predict, votes.predict_proba):
        with pytest.raises(ValueError, match=r"8 targets, .* fit again"):
            predict(X)
