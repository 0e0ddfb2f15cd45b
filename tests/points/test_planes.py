"""Codes on planes: scores are those of the formula, and bounds are below them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scored import bounds_of, scores_of

from sklearn_jin import points
from sklearn_jin.points.packing import pack_planes, plane_bytes, plane_layout
from sklearn_jin.points.planes import planes
from sklearn_jin.points.rotation import draw_signs, rotation_matrix

# Segments are pairs (numbers, bits).
LAYOUTS = [
    [(1, 1)],
    [(7, 1)],
    [(40, 2)],
    [(33, 3)],
    [(16, 4)],
    [(101, 5)],
    [(64, 6)],
    [(9, 7)],
    [(31, 8)],
    [(8, 6), (16, 3), (5, 1)],
    [(64, 8), (64, 1)],
]


def code(segments, n=6, n_factors=None, seed=0):
    """Numbers, factors and codes of rows in some segments."""
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, 1 << b, (n, d), np.uint8) for d, b in segments]
    n_factors = 2 + len(segments) if n_factors is None else n_factors
    factors = rng.random((n, n_factors), dtype=np.float32)
    packed = [pack_planes(part, b) for part, (_, b) in zip(parts, segments)]
    codes = np.hstack([*packed, factors.view(np.uint8)])
    return parts, factors, codes


def middles(segments):
    return [((1 << b) - 1) / 2 for _, b in segments]


def sized(segments):
    return sum(plane_bytes(*segment) for segment in segments)


@pytest.mark.parametrize("space", ["l2", "ip"])
@pytest.mark.parametrize("segments", LAYOUTS, ids=str)
def test_scores_are_those_of_the_formula(segments, space):
    rng = np.random.default_rng(1)
    parts, factors, codes = code(segments)
    D, at = sum(d for d, _ in segments), sized(segments)
    center, weights = rng.standard_normal((2, D)) / np.sqrt(D)
    scales = -rng.random(len(segments)) / 300
    record = planes(
        codes,
        segments,
        center,
        space,
        factors=(at, at + 4, -1),
        middles=middles(segments),
        scales=scales,
        weights=weights,
    )
    Q = rng.standard_normal((4, D)) / np.sqrt(D)
    if space == "l2":
        turned, expected = Q - center, ((Q - center) ** 2).sum(axis=1)[:, None]
    else:
        turned, expected = Q, 2 - (Q @ center)[:, None]
    expected, start = expected + factors[:, 0], 0
    for s, (part, middle) in enumerate(zip(parts, middles(segments))):
        z = (turned * weights)[:, start : start + part.shape[1]]
        expected = expected + scales[s] * factors[:, 1 + s] * (z @ (part - middle).T)
        start += part.shape[1]
    scores, exact = scores_of(record, Q)
    # A query of 16 bits errs by 2**-16 of its largest number, in every number.
    assert_allclose(scores, np.maximum(expected, 0), rtol=1e-4, atol=2e-3)
    if space == "l2":
        assert_allclose(exact, np.maximum(expected, 0), rtol=1e-5, atol=1e-5)
    else:
        assert_allclose(exact, expected - 2, rtol=1e-5, atol=1e-5)


def test_what_a_row_has_no_factor_for_is_left_out():
    (numbers,), _, codes = code([(12, 2)], n_factors=0)
    record = planes(codes, [(12, 2)], np.zeros(12), scales=[0.25])
    Q = np.random.default_rng(0).random((3, 12), dtype=np.float32)
    expected = (Q**2).sum(axis=1)[:, None] + 0.25 * Q @ numbers.T
    assert_allclose(scores_of(record, Q)[1], expected, rtol=1e-6)


def test_queries_are_turned_by_the_matrix_or_the_signs():
    (numbers,), _, codes = code([(6, 4)], n_factors=0)
    rng = np.random.default_rng(0)
    signs, Q = draw_signs(6, np.random.RandomState(0)), rng.standard_normal((3, 5))
    matrix = rotation_matrix(signs)
    squares = (Q**2).sum(axis=1)[:, None]
    expected = np.maximum(squares + Q @ matrix[:5] @ numbers.T, 0)
    for turns in ({"signs": signs}, {"matrix": matrix[:5]}):
        record = planes(codes, [(6, 4)], np.zeros(5), **turns)
        assert_allclose(scores_of(record, Q)[1], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("d", [1, 2, 7, 33])
def test_queries_do_not_depend_on_their_batch(d):
    _, _, codes = code([(d, 1)], n_factors=0)
    rng = np.random.default_rng(0)
    Q = rng.standard_normal((300, d)).astype(np.float32)
    matrix = rng.standard_normal((d, d))
    for space in ("l2", "ip"):
        record = planes(codes, [(d, 1)], rng.random(d), space, matrix=matrix)
        whole = points.encode_queries(record, Q)
        for n in (1, 7):
            assert_array_equal(points.encode_queries(record, Q[:n]), whole[:n])


@pytest.mark.parametrize("segments", LAYOUTS, ids=str)
def test_what_stands_behind_the_numbers_does_not_count(segments):
    """Words are read whole: beyond the numbers are factors, and the row's end."""
    _, _, codes = code(segments, n_factors=0)
    D = sum(d for d, _ in segments)
    full = np.hstack([codes, np.full((len(codes), 40), 255, np.uint8)])
    Q = np.random.default_rng(0).standard_normal((2, D))
    found = [scores_of(planes(c, segments, np.zeros(D)), Q) for c in (codes, full)]
    assert_array_equal(*(scores for scores, _ in found))
    assert_array_equal(*(exact for _, exact in found))


@pytest.mark.parametrize("segments", LAYOUTS, ids=str)
def test_no_word_reaches_beyond_the_row(segments):
    record = planes(code(segments)[2], segments, np.zeros(1))
    for plane in plane_layout(segments):
        assert plane.at + 2 * plane.words <= record.codes.shape[1]


@pytest.mark.parametrize("space, half", [("l2", 1), ("ip", 0.5)])
def test_bounds_are_below_the_scores_by_the_error_times_the_query(space, half):
    _, factors, codes = code([(20, 2)], n_factors=3)
    at = sized([(20, 2)])
    record = planes(
        codes, [(20, 2)], np.zeros(20), space, (at, at + 4, at + 8), scales=[half]
    )
    Q = np.random.default_rng(0).random((3, 20), dtype=np.float32)
    gap = half * np.linalg.norm(Q, axis=1)[:, None] * factors[:, 2]
    expected = np.maximum(scores_of(record, Q)[0] - gap, 0)
    assert_allclose(bounds_of(record, Q), expected, rtol=1e-5, atol=1e-5)


def test_bounds_without_errors_are_the_scores():
    record = planes(code([(20, 2)])[2], [(20, 2)], np.zeros(20))
    Q = np.random.default_rng(0).standard_normal((3, 20))
    assert_array_equal(bounds_of(record, Q), scores_of(record, Q)[0])


def test_long_queries_of_8_bits_do_not_overflow():
    codes = np.full((1, 3000), 255, np.uint8)
    record = planes(codes, [(3000, 8)], np.zeros(3000))
    scores, exact = scores_of(record, np.ones((1, 3000)))
    assert_allclose(scores, exact, rtol=1e-4)


def test_a_query_of_zeros_is_a_query():
    record = planes(code([(20, 2)], n_factors=0)[2], [(20, 2)], np.zeros(20))
    assert_array_equal(scores_of(record, np.zeros((1, 20)))[0], np.zeros((1, 6)))


@pytest.mark.parametrize("space", ["l2", "ip"])
def test_taken_points_are_of_the_same_kind(space):
    record = planes(code([(20, 3)])[2], [(20, 3)], np.zeros(20), space)
    some = points.subset(record, np.array([4, 0]))
    assert type(some) is type(record) and not some.codes.flags.writeable
    Q = np.random.default_rng(0).standard_normal((2, 20))
    assert_array_equal(scores_of(some, Q)[0], scores_of(record, Q)[0][:, [4, 0]])
