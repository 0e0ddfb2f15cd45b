"""Missing numbers are filled in as scikit-learn's imputer does."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.impute import KNNImputer

from sklearn_jin import ANNImputer, FlatNeighbors, HNSWNeighbors, load

pytestmark = pytest.mark.jit  # some hundred rows are looked up again and again


def holes(n=200, d=6, share=0.3, seed=0):
    """Rows of a few hidden features, some numbers missing, one row without any."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ rng.normal(size=(2, d))
    X += 0.1 * rng.normal(size=(n, d))
    X[rng.random(X.shape) < share] = np.nan
    X[n // 2] = np.nan
    return X


def squared(distances):
    return distances**2 + 1


@pytest.mark.parametrize("weights", ["uniform", "distance", squared])
@pytest.mark.parametrize("k", [1, 5, 150])
def test_with_all_candidates_it_is_scikit_learns(weights, k):
    X, Q = holes(), holes(50, seed=1)
    expected = KNNImputer(n_neighbors=k, weights=weights).fit(X)
    ours = ANNImputer(n_neighbors=k, weights=weights, n_candidates=len(X)).fit(X)
    assert_allclose(ours.transform(Q), expected.transform(Q), 1e-6, 1e-9)
    assert_allclose(ours.transform(X), expected.transform(X), 1e-6, 1e-9)


@pytest.mark.parametrize("missing_values", [np.nan, -1])
@pytest.mark.parametrize("keep", [False, True])
def test_empty_features_and_indicators_are_scikit_learns(missing_values, keep):
    X, Q = holes(), holes(50, seed=1)
    X[:, 2] = Q[:9, 3] = np.nan
    X, Q = (np.where(np.isnan(part), missing_values, part) for part in (X, Q))
    params = dict(
        missing_values=missing_values, add_indicator=True, keep_empty_features=keep
    )
    ours = ANNImputer(FlatNeighbors(), n_candidates=len(X), **params).fit(X)
    expected = KNNImputer(**params).fit(X)
    assert_allclose(ours.transform(Q), expected.transform(Q), 1e-6, 1e-9)
    names = ours.get_feature_names_out(), expected.get_feature_names_out()
    assert_array_equal(*names)
    whole = np.ones((3, X.shape[1]))
    assert_array_equal(ours.transform(whole), expected.transform(whole))


def test_a_feature_that_few_rows_have_is_looked_for():
    """None of the nearest rows has it: the index is asked for those that do."""
    X = np.arange(300.0)[:, None] * [1.0, 1.0]
    X[:290, 1] = np.nan
    ours = ANNImputer(FlatNeighbors(), n_neighbors=3, n_candidates=5).fit(X)
    assert_allclose(ours.transform([[4.0, np.nan]]), [[4.0, 291.0]])


def test_a_row_that_shares_no_feature_gets_the_mean():
    X = [[1.0, np.nan], [np.nan, 4.0], [3.0, np.nan], [np.nan, 8.0]]
    for n_candidates in (1, 4):
        ours = ANNImputer(n_candidates=n_candidates).fit(X)
        assert_allclose(ours.transform([[1.0, np.nan]]), [[1.0, 6.0]])


def test_batches_do_not_change_numbers():
    from sklearn import config_context

    X = holes(500)
    ours = ANNImputer(n_candidates=30).fit(X)
    expected = ours.transform(X)
    with config_context(working_memory=0.05):
        assert_array_equal(ours.transform(X), expected)
    one_by_one = np.vstack([ours.transform(row[None]) for row in X[:20]])
    assert_array_equal(one_by_one, expected[:20])


def test_more_rounds_find_more_of_the_donors():
    X = holes(2000, 10, share=0.15)
    expected = KNNImputer().fit_transform(X)
    missing = np.isnan(X)
    same = []
    for n_rounds in (1, 2):
        ours = ANNImputer(FlatNeighbors(), n_candidates=60, n_rounds=n_rounds)
        found = ours.fit_transform(X)
        same.append(np.mean(np.isclose(found, expected)[missing]))
    assert same[1] > 0.4 and same[1] > 4 * same[0], same


def test_rows_are_copied_unless_told_otherwise():
    X = holes()
    ours = ANNImputer().fit(X)
    Q = X.copy()
    ours.transform(Q)
    assert_array_equal(Q, X)
    ours.set_params(copy=False).transform(Q)
    assert not np.isnan(Q).any()


def test_output_may_be_a_data_frame():
    pytest.importorskip("pandas")
    ours = ANNImputer(add_indicator=True).set_output(transform="pandas")
    frame = ours.fit_transform(holes())
    assert list(frame) == list(ours.get_feature_names_out())


def test_a_metric_that_is_not_euclidean_is_refused():
    with pytest.raises(ValueError, match=r"'cosine'.*metric='euclidean'"):
        ANNImputer(FlatNeighbors(metric="cosine")).fit(holes())


@pytest.mark.parametrize("add_indicator", [False, True])
def test_an_imputer_is_kept(tmp_path, add_indicator):
    X = holes()
    ours = ANNImputer(HNSWNeighbors(), add_indicator=add_indicator).fit(X)
    ours.save(tmp_path / "imputer")
    loaded = load(tmp_path / "imputer", mmap_mode="r")
    assert_array_equal(loaded.transform(X), ours.transform(X))
