"""Codes of principal components: what they leave out is counted by its length."""

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal
from scored import recall, scores_of

from sklearn_jin import FlatNeighbors, PCAQuantizer, RaBitQ


def decaying(n, d, power=1.0, seed=0, at=0.0):
    """Rows whose spreads fall as a power of the component, turned at random."""
    turn, _ = np.linalg.qr(np.random.default_rng(99).standard_normal((d, d)))
    rows = normal(n, d, seed).astype(np.float64) * np.arange(1, d + 1) ** -power
    return (rows @ turn + at).astype(np.float32)


def squared(X, Q):
    return ((Q[:, None].astype(np.float64) - X) ** 2).sum(axis=2)


def parts(quantizer, X):
    """Rows less the mean, their components and what codes stand for, in float64."""
    near = X.astype(np.float64) - quantizer.center_
    rows = near @ quantizer.directions_.astype(np.float64)
    back = quantizer.inverse_transform(quantizer.transform(X)).astype(np.float64)
    return near, rows, (back - quantizer.center_) @ quantizer.directions_


@pytest.mark.parametrize("n_bits", [4, 8])
@pytest.mark.parametrize("n_components", [1, 7, 24, 99])
def test_codes_have_the_promised_size(n_components, n_bits):
    quantizer = PCAQuantizer(n_components, n_bits=n_bits, random_state=0)
    codes = quantizer.fit_transform(decaying(60, 33))
    m = min(n_components, 33)
    assert quantizer.n_components_ == m and quantizer.directions_.shape == (33, m)
    assert codes.shape[1] == quantizer.n_bytes_ == -(-n_bits * m // 8) + 4


@pytest.mark.parametrize("n_bits, m", [(4, 120), (8, 60)])
def test_auto_fills_a_cache_line_where_spreads_fall(n_bits, m):
    quantizer = PCAQuantizer(n_bits=n_bits, random_state=0).fit(decaying(600, 200))
    assert quantizer.n_bytes_ == 64 and quantizer.n_components_ == m
    assert quantizer.explained_variance_ratio_ > 0.9


@pytest.mark.parametrize("power, n_bytes", [(0.5, 128), (0.4, 192), (0.0, 256)])
def test_auto_fills_more_lines_where_more_components_count(power, n_bytes):
    X = normal(1500, 300) * np.arange(1, 301, dtype=np.float32) ** -power
    quantizer = PCAQuantizer(n_bits=8, random_state=0).fit(X)
    assert quantizer.n_bytes_ == n_bytes and quantizer.n_components_ == n_bytes - 4


def test_auto_takes_all_of_few_features():
    quantizer = PCAQuantizer(random_state=0).fit(normal(90, 50))
    assert quantizer.n_components_ == 50
    assert quantizer.explained_variance_ratio_ == pytest.approx(1)


@pytest.mark.parametrize("n_bits", [4, 8])
@pytest.mark.parametrize("n_components", [5, 40])
@pytest.mark.parametrize("at", [0.0, 30.0])
def test_scores_are_those_of_the_formula(n_bits, n_components, at):
    X, Q = decaying(150, 40, at=at), decaying(20, 40, seed=1, at=at)
    quantizer = PCAQuantizer(n_components, n_bits=n_bits, random_state=0).fit(X)
    codes = quantizer.transform(X)
    x, rows, y = parts(quantizer, X)
    q, asked, _ = parts(quantizer, Q)
    add = (x**2).sum(axis=1) - 2 * (rows * (rows - y)).sum(axis=1)
    expected = (q**2).sum(axis=1)[:, None] + add - 2 * asked @ y.T
    tolerance = dict(rtol=1e-4, atol=1e-4 * expected.mean())
    for found in scores_of(quantizer.points(codes), Q):
        assert_allclose(found, np.maximum(expected, 0), **tolerance)
    products = (Q.astype(np.float64) @ quantizer.center_)[:, None]
    products = products + (asked + quantizer.center_ @ quantizer.directions_) @ y.T
    scores, exact = scores_of(quantizer.points(codes, "ip"), Q)
    tolerance["atol"] += 1e-6 * np.abs(products).max()
    assert_allclose(exact, -products, **tolerance)
    assert_allclose(scores, np.maximum(2 - products, 0), **tolerance)


def test_an_estimate_is_off_by_the_product_of_what_is_left_out():
    X, Q = decaying(300, 60, 0.5), decaying(40, 60, 0.5, seed=1)
    quantizer = PCAQuantizer(20, n_bits=8, random_state=0).fit(X)
    estimates, _ = scores_of(quantizer.points(quantizer.transform(X)), Q)
    (x, rows, _), (q, asked, _) = parts(quantizer, X), parts(quantizer, Q)
    products = q @ x.T - asked @ rows.T
    error = estimates - squared(X, Q)
    # Beyond that, errors are those of the grid across the row, whose mean is 0.
    grid = 2 * np.sqrt(squared(rows, asked) * quantizer.step_**2 / 12)
    rest = (error - 2 * products) / grid
    assert abs(rest.mean()) < 0.1 and 0.8 < rest.std() < 1.2
    assert np.abs(error).mean() > 3 * grid.mean()


@pytest.mark.parametrize("n_bits, most, lost", [(4, 0.15, 0.02), (8, 0.005, 2e-4)])
def test_nothing_is_left_out_of_all_components(n_bits, most, lost):
    X, Q = decaying(500, 30), decaying(50, 30, seed=1)
    quantizer = PCAQuantizer(30, n_bits=n_bits, random_state=0).fit(X)
    assert quantizer.explained_variance_ratio_ == pytest.approx(1)
    estimates, _ = scores_of(quantizer.points(quantizer.transform(X)), Q)
    true = squared(X, Q)
    assert np.sqrt(((estimates - true) ** 2).mean()) < most * true.mean()
    error = np.square(quantizer.inverse_transform(quantizer.transform(X)) - X).sum()
    assert error < lost * np.square(X - X.mean(axis=0)).sum()


def test_twice_the_components_of_half_the_bits_are_nearer_where_spreads_fall_slowly():
    X, Q = decaying(3000, 100, 0.5), decaying(60, 100, 0.5, seed=1)
    few, many = (
        PCAQuantizer(m, n_bits=n_bits, random_state=0).fit(X)
        for m, n_bits in ((16, 8), (32, 4))
    )
    assert few.n_bytes_ == many.n_bytes_
    found = [
        recall(scores_of(c.points(c.transform(X)), Q)[0], squared(X, Q))
        for c in (few, many)
    ]
    assert found[1] > found[0] + 0.03


def test_neighbours_are_nearer_than_by_bits_of_the_same_size():
    X, Q = decaying(2000, 128), decaying(60, 128, seed=1)
    ours, bits = PCAQuantizer(48, random_state=0), RaBitQ(1, random_state=0)
    found = [
        recall(scores_of(c.fit(X).points(c.transform(X)), Q)[0], squared(X, Q))
        for c in (ours, bits)
    ]
    assert ours.n_bytes_ == bits.n_bytes_ and found[0] > found[1] + 0.1


def test_an_offset_costs_nothing_but_the_digits_that_it_takes_from_rows():
    X, Q = decaying(200, 40, 0.5), decaying(20, 40, 0.5, seed=1)
    quantizer = PCAQuantizer(16, random_state=0)
    near, _ = scores_of(quantizer.fit(X).points(quantizer.transform(X)), Q)
    far, asked = X + np.float32(1e6), Q + np.float32(1e6)
    found, _ = scores_of(quantizer.fit(far).points(quantizer.transform(far)), asked)
    rounded = squared(far, asked) - squared(X, Q)
    errors = [s - squared(X, Q) for s in (near, found)]
    assert np.square(errors[1]).mean() < 1.3 * np.square(errors[0]).mean() + (
        4 * np.square(rounded).mean()
    )


def test_equal_rows_and_one_feature():
    same = np.full((20, 6), 3.5, np.float32)
    quantizer = PCAQuantizer(random_state=0).fit(same)
    assert quantizer.explained_variance_ratio_ == 1
    scores, exact = scores_of(quantizer.points(quantizer.transform(same)), same[:2])
    assert (scores == 0).all() and (exact == 0).all()
    X = normal(100, 1)
    quantizer = PCAQuantizer(n_bits=8, random_state=0).fit(X)
    scores, _ = scores_of(quantizer.points(quantizer.transform(X)), X[:5])
    assert_allclose(scores, squared(X, X[:5]), atol=0.06)


def test_a_few_rows_that_differ_among_equal_ones_have_a_grid():
    X = np.full((5000, 6), 3.5, np.float32)
    X[1], X[8] = 4, 3  # which are not among the rows that the grid is chosen on
    quantizer = PCAQuantizer(random_state=0).fit(X)
    back = quantizer.inverse_transform(quantizer.transform(X))
    assert_allclose(back[[1, 8]], X[[1, 8]], atol=0.1)


@pytest.mark.parametrize("size", [1e-42, 1e-30, 1e12, 5e36])
def test_an_index_is_served_at_any_size(size):
    Z, Q = decaying(300, 40), decaying(9, 40, seed=1)
    quantizer = PCAQuantizer(12, random_state=0)
    kept = {"quantizer": quantizer, "n_neighbors": 5, "rerank": 8}
    index = FlatNeighbors(**kept).fit((size * Z.astype(np.float64)).astype(np.float32))
    asked = (size * Q.astype(np.float64)).astype(np.float32)
    distances, ids = index.kneighbors(asked)
    assert np.isfinite(distances).all()
    if size > 1e-38:  # subnormal rows have few digits
        assert_array_equal(ids, FlatNeighbors(**kept).fit(Z).kneighbors(Q)[1])


def test_components_are_learned_from_as_many_rows_as_allowed():
    X = decaying(500, 20, 0.5)
    few, enough, every = (
        PCAQuantizer(5, max_train=n, random_state=0).fit(X) for n in (25, "auto", 500)
    )
    assert_array_equal(enough.directions_, every.directions_)
    held = [quantizer.explained_variance_ratio_ for quantizer in (few, every)]
    assert held[0] < held[1]
