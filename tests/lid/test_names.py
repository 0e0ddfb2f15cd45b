"""What is public under ``sklearn_jin.lid``, and what its files hold."""

import pickle

import pytest
from dimensional import normal
from numpy.testing import assert_array_equal

from sklearn_jin import LocalIntrinsicDimensionality, TwoNN, lid

PUBLIC = [
    "Difficulty",
    "Hubness",
    "LocalIntrinsicDimensionality",
    "TwoNN",
    "describe_difficulty",
    "hubness",
    "k_occurrence",
    "relative_contrast",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_pickled_and_found_again(name):
    thing = getattr(lid, name)
    assert name in lid.__all__
    assert pickle.loads(pickle.dumps(thing)) is thing
    old = f"csklearn_jin.lid\n{name}\n.".encode()  # as pickles of one file named it
    assert pickle.loads(old) is thing


@pytest.mark.parametrize("estimator", [LocalIntrinsicDimensionality(5), TwoNN()])
def test_fitted_estimators_are_pickled(estimator):
    fitted = estimator.fit(normal(40, 3))
    copy = pickle.loads(pickle.dumps(fitted))
    assert copy.dimension_ == fitted.dimension_
    assert_array_equal(copy.confidence_interval_, fitted.confidence_interval_)


def test_reports_are_pickled():
    X = normal(40, 3)
    report = lid.describe_difficulty(X, random_state=0)
    assert pickle.loads(pickle.dumps(report)) == report
    found = lid.hubness([[1], [2], [0]])
    assert_array_equal(pickle.loads(pickle.dumps(found)).counts, found.counts)
