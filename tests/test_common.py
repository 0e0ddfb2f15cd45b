"""scikit-learn's own checks, those that it keeps for its own estimators included."""

import indexes
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_jin import (
    ANNClassifier,
    ANNImputer,
    ANNRadiusClassifier,
    ANNRadiusRegressor,
    ANNRegressor,
)

PREDICTING = [
    *(ANNClassifier(), ANNRegressor(), ANNImputer()),
    *(
        ANNRadiusClassifier(outlier_label="most_frequent"),
        ANNRadiusRegressor(radius=3.0),
    ),
]

BY_HAND = [
    "check_dataframe_column_names_consistency",
    "check_param_validation",
    "check_inplace_ensure_writeable",
]
BY_HAND_FOR_TRANSFORMERS = [
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_set_output_transform_polars",
]


@parametrize_with_checks(list(indexes.checked()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:One or more samples have no neighbors")
@parametrize_with_checks(PREDICTING)
def test_scikit_learn_checks_of_what_predicts(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", PREDICTING, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("check", BY_HAND)
def test_checks_of_scikit_learn_for_its_own_that_predict(estimator, check):
    getattr(checks, check)(type(estimator).__name__, clone(estimator))


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names")
@pytest.mark.parametrize("check", BY_HAND)
def test_checks_of_scikit_learn_for_itself(index, check):
    getattr(checks, check)(type(index).__name__, index)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names")
@pytest.mark.parametrize("check", BY_HAND_FOR_TRANSFORMERS)
def test_checks_of_scikit_learn_for_its_transformers(transformer, check):
    getattr(checks, check)(type(transformer).__name__, transformer)


def test_every_index_has_a_transformer():
    names = [c.__name__ for c in indexes.classes()]
    neighbors, transformers = (
        {name.removesuffix(kind) for name in names if name.endswith(kind)}
        for kind in ("Neighbors", "Transformer")
    )
    assert neighbors == transformers - {"KNNGraph"}  # which serves no queries
