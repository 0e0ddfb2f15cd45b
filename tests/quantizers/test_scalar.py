"""Scalar codes: near their numbers, on the best grid, as large as documented."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scored import scores_of

from sklearn_jin import ScalarQuantizer
from sklearn_jin.quantizers._scalar import CUTS

RANGES = ["global", "feature", "row"]


def normal(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def decoded(quantizer, X):
    return quantizer.inverse_transform(quantizer.transform(X))


@pytest.mark.parametrize("range", RANGES)
@pytest.mark.parametrize("d", [1, 2, 3, 7, 33])
def test_codes_have_the_documented_size(range, d):
    sizes = {4: -(-d // 2), 6: -(-d // 2) + -(-d // 4), 8: d}
    for n_bits, size in sizes.items():
        quantizer = ScalarQuantizer(n_bits, range=range).fit(normal(20, d))
        assert quantizer.n_bytes_ == size + 4 * (range == "row")


def test_errors_of_8_bits_are_at_most_a_510th_of_the_range():
    X = normal(200, 9) * np.arange(1, 10, dtype=np.float32)
    gap = np.abs(decoded(ScalarQuantizer().fit(X), X) - X)
    assert gap.max() <= np.ptp(X) / 510 * (1 + 1e-5)
    gaps = np.abs(decoded(ScalarQuantizer(range="feature").fit(X), X) - X)
    assert (gaps.max(axis=0) <= np.ptp(X, axis=0) / 510 * (1 + 1e-5)).all()


def test_errors_of_a_row_follow_from_its_own_size():
    X = normal(200, 9) * np.exp2(np.arange(200) % 12, dtype=np.float32)[:, None]
    quantizer = ScalarQuantizer(range="row").fit(X)
    gaps = np.abs(decoded(quantizer, X) - X).max(axis=1)
    most = np.abs(X - X.mean(axis=0)).max(axis=1)
    assert (gaps <= most / 255 * (1 + 1e-3)).all()


@pytest.mark.parametrize("n_bits", [4, 6])
def test_no_ends_that_are_tried_have_less_error(n_bits):
    X = np.random.default_rng(0).standard_t(2, (3000, 5)).astype(np.float32)
    found = ((decoded(ScalarQuantizer(n_bits).fit(X), X) - X) ** 2).mean()
    top, errors = 2**n_bits - 1, []
    for low in np.quantile(X, CUTS):
        for high in np.quantile(X, [1 - cut for cut in CUTS]):
            step = (high - low) / top
            levels = np.clip(np.rint((X - low) / step), 0, top)
            errors.append(((X - low - step * levels) ** 2).mean())
    assert_allclose(found, min(errors), rtol=1e-4)
    assert n_bits == 6 or min(errors) < errors[0]  # of the whole range


@pytest.mark.parametrize("n_bits", [4, 6, 8])
def test_features_of_other_units_have_grids_of_their_own(n_bits):
    X = normal(300, 4) * np.float32([1e-3, 1, 1e3, 1e6])
    lost = (decoded(ScalarQuantizer(n_bits, range="feature").fit(X), X) - X).std(axis=0)
    assert (lost < 0.15 * X.std(axis=0)).all()


@pytest.mark.parametrize("space", ["l2", "ip"])
@pytest.mark.parametrize("range", RANGES)
@pytest.mark.parametrize("n_bits", [4, 6, 8])
def test_scores_are_those_of_the_decoded_rows(n_bits, range, space):
    X, Q = normal(30, 21) / 9 + 0.1, normal(4, 21, seed=1) / 9
    quantizer = ScalarQuantizer(n_bits, range=range).fit(X)
    codes = quantizer.transform(X)
    back = quantizer.inverse_transform(codes).astype(np.float64)
    scores, exact = scores_of(quantizer.points(codes, space), Q)
    if space == "l2":
        expected = ((Q[:, None] - back) ** 2).sum(axis=2)
        assert_allclose(scores, expected, rtol=0.02)
    else:
        expected = -Q @ back.T
        assert_allclose(scores, 2 + expected, rtol=0.01)
    assert_allclose(exact, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("range", RANGES)
@pytest.mark.parametrize("n_bits", [4, 6, 8])
def test_numbers_beyond_the_fitted_ones_are_cut(n_bits, range):
    X = normal(50, 6)
    quantizer = ScalarQuantizer(n_bits, range=range).fit(X)
    back = decoded(quantizer, 100 * X)
    assert np.isfinite(back).all()
    if range != "row":
        assert np.abs(back).max() <= np.abs(X).max() * (1 + 1e-5)


@pytest.mark.parametrize("range", RANGES)
@pytest.mark.parametrize("n_bits", [4, 6, 8])
def test_constants_are_kept_as_they_are(n_bits, range):
    X = np.full((9, 4), 7, np.float32)
    assert_allclose(decoded(ScalarQuantizer(n_bits, range=range).fit(X), X), X)


@pytest.mark.parametrize("n_bits", [0, 5, 16, "8"])
def test_other_numbers_of_bits_are_refused(n_bits):
    with pytest.raises(ValueError, match=f"'n_bits' parameter.*{n_bits}"):
        ScalarQuantizer(n_bits).fit(normal(9, 4))


def test_other_ranges_are_refused():
    with pytest.raises(ValueError, match=r"'range' parameter.*'column'"):
        ScalarQuantizer(range="column").fit(normal(9, 4))
