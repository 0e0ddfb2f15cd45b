"""The report on difficulty, and the index that it recommends."""

import warnings

import numpy as np
import pytest
from dimensional import lid_of, line, normal
from numpy.testing import assert_allclose

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    TwoNN,
    describe_difficulty,
    hubness,
    relative_contrast,
)
from sklearn_jin.lid import _advice as module

POWERS = [-70, -3, 1, 60]


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contrast_and_report_do_not_know_the_scale(power, dtype):
    X = normal(80, 5).astype(dtype)
    scaled = X * dtype(2.0**power)
    assert relative_contrast(X, random_state=0) == relative_contrast(
        scaled, random_state=0
    )
    a, b = (describe_difficulty(rows, random_state=0) for rows in (X, scaled))
    assert a == b


def test_numbers_whose_squares_vanish_are_compared_all_the_same():
    X = normal(80, 5)
    a, b = (describe_difficulty(rows, random_state=0) for rows in (X, X * 2.0**-600))
    assert_allclose(b.contrast, a.contrast, rtol=1e-5)
    assert_allclose(b.norm_spread, a.norm_spread)
    assert_allclose(b.lid, a.lid, rtol=1e-5)


def test_a_report_agrees_with_its_parts():
    X = normal(90, 4)
    report = describe_difficulty(X, random_state=0)
    lid = lid_of(X, 10)
    assert (report.n_samples, report.n_features, report.n_sampled) == (90, 4, 90)
    assert_allclose(report.lid, lid.dimension_)
    quantiles = np.quantile(lid.lid_, [0.1, 0.5, 0.9], method="lower")
    assert_allclose(report.lid_quantiles, quantiles)
    assert_allclose(report.two_nn, TwoNN().fit(X).dimension_)
    assert_allclose(report.contrast, relative_contrast(X))
    found = hubness(FlatNeighbors().fit(X), n_neighbors=10)
    assert_allclose(report.skewness, found.skewness)
    assert report.antihub_share == found.antihub_share
    lengths = np.linalg.norm(X, axis=1)
    assert_allclose(report.norm_spread, lengths.std() / lengths.mean())
    assert report.duplicate_share == 0


def test_a_report_depends_on_the_seed_alone():
    X = normal(300, 5)
    a, b, c = (describe_difficulty(X, 10, 50, random_state=s) for s in (0, 0, 1))
    assert a == b != c and a.n_sampled == 50


def test_a_report_counts_duplicates():
    X = normal(60, 4)
    X[:20] = X[40]
    report = describe_difficulty(X)
    assert report.duplicate_share == 21 / 60
    assert any("35.0% of the rows" in reason for reason in report.reasons)


@pytest.mark.parametrize("X", [line(0, 1), line(0, 1, 3), np.ones((50, 3))])
def test_a_report_says_what_cannot_be_told(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module=r"sklearn_jin\.search")  # plain Python
        report = describe_difficulty(X)
    assert np.isnan([report.lid, *report.lid_quantiles]).all()
    assert "cannot be told" in str(report) and "nan" in str(report)


def test_a_report_of_rows_of_zeros_and_of_equal_distances():
    assert describe_difficulty(np.zeros((9, 2))).norm_spread == 0
    assert describe_difficulty(np.eye(30)).lid == np.inf


def test_a_report_is_for_people():
    report = describe_difficulty(normal(90, 4), random_state=0)
    text = str(report)
    for words in ("90 of 4 features", "intrinsic dimension", "FlatNeighbors()"):
        assert words in text
    assert max(map(len, text.split("\n")[:8])) < 80
    assert repr(report).startswith("Difficulty(n_samples=90, ")
    assert "\n" not in repr(report)


def test_a_report_is_not_changed():
    report = describe_difficulty(normal(30, 4))
    with pytest.raises(AttributeError):
        report.lid = 3


@pytest.mark.parametrize(
    "params, words",
    [({"n_neighbors": 2}, "n_neighbors"), ({"n_samples": 1}, "n_samples")],
)
def test_a_report_refuses_parameters_by_name(params, words):
    with pytest.raises(ValueError, match=f"'{words}' parameter of describe_difficulty"):
        describe_difficulty(normal(30, 4), **params)


def recommended(n, d, m, **seen):
    easy = {"contrast": 3, "skewness": 0, "antihub_share": 0, "duplicate_share": 0}
    seen = {"lid": m, "lid_quantiles": (m, m, m), **easy, **seen}
    return module._recommend(n, d, 10, seen)


def test_few_rows_are_scanned():
    assert recommended(5000, 100, 30)[0] is None
    assert recommended(5001, 100, 30)[0] is not None


def test_easy_rows_take_the_defaults():
    settings, _ = recommended(20_000, 10, 6)
    defaults = HNSWNeighbors().get_params()
    assert settings == {name: defaults[name] for name in settings}


def test_edges_grow_with_the_dimension():
    chosen = [recommended(10_000, 99, m)[0]["M"] for m in (1, 16, 16.1, 40, 41, 99)]
    assert chosen == [16, 16, 24, 40, 48, 48]
    assert recommended(10_000, 99, 40)[0]["ef_construction"] == 400


def test_beams_grow_with_the_dimension_and_the_rows():
    def ef(n, m):
        return recommended(n, 10, m)[0]["ef_search"]

    assert ef(10_000, 10) is None
    assert ef(10_000, 20) == ef(100_000, 20) == 100
    assert ef(1_000_000, 20) == 200 and ef(10_000_000, 20) == 300
    assert ef(10_000, np.inf) == 1000


def test_many_bytes_are_searched_as_codes():
    assert recommended(2**18, 64, 10)[0]["quantizer"] == "auto"
    assert recommended(2**18 - 1, 64, 10)[0]["quantizer"] is None


def test_the_higher_of_two_dimensions_counts():
    settings, _ = recommended(10_000, 99, 30, lid_quantiles=(5, 12, 20))
    assert settings["M"] == 32


def test_recommendations_say_why():
    _, reasons = recommended(
        10_000, 99, 30, contrast=1.2, skewness=4, antihub_share=0.2, duplicate_share=0.1
    )
    text = " ".join(reasons)
    for words in (
        "30.0 dimensions",
        "M=32",
        "1.20",
        "20% of none",
        "10.0% of the rows",
    ):
        assert words in text
    assert len(recommended(10_000, 99, 30)[1]) == len(reasons) - 3
    assert reasons[-1] == module.ADVICE not in recommended(50, 99, 30)[1]


@pytest.mark.jit
def test_the_recommended_index_finds_most_neighbours():
    X = np.random.default_rng(0).random((6000, 24), dtype=np.float32)
    report = describe_difficulty(X, random_state=0)
    index = report.index.set_params(random_state=0).fit(X)
    exact = FlatNeighbors().fit(X).kneighbors(X[:300], 10)[0]
    found = index.kneighbors(X[:300], 10)[0]
    assert report.settings is not None and len(X) > index.exact_threshold
    assert np.mean(found <= exact[:, -1:]) > 0.95
