"""Products of many rows at once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin._jit import kernel
from sklearn_jin._simd.products import (
    FOUR,
    PANEL,
    QUERIES,
    ROWS,
    TALL,
    multiply_row,
    multiply_rows,
    score_block,
    score_blocks,
)

WAYS = {1: score_block, QUERIES: score_blocks}


@kernel
def times_one(rows, q, panels, p, products):
    multiply_row(rows, q, panels, p, panels.shape[1], products)


@kernel
def times_some(rows, q, panels, p, products):
    multiply_rows(rows, q, panels, p, panels.shape[1], products)


@kernel
def scores_of_one(blocks, b, queries, t, adds, terms, scores, good):
    return score_block(blocks, b, queries, t, adds, terms, scores, good)


@kernel
def scores_of_some(blocks, b, queries, t, adds, terms, scores, good):
    return score_blocks(blocks, b, queries, t, adds, terms, scores, good)


@pytest.mark.parametrize("d", [1, 3, 100])
def test_floats_are_multiplied_with_panels(d):
    rng = np.random.default_rng(d)
    rows = rng.standard_normal((TALL + 3, d + 2)).astype(np.float32)
    panels = rng.standard_normal((2, d, PANEL)).astype(np.float32)
    products = np.full((len(rows), 2 * PANEL), np.nan, np.float32)
    times_some(rows, 2, panels, 1, products)
    want = rows[:, :d].astype(np.float64) @ panels[1].astype(np.float64)
    some = slice(2, 2 + TALL)
    assert_allclose(products[some, PANEL:], want[some], rtol=1e-5, atol=1e-5)
    filled = ~np.isnan(products)  # and nothing else is
    assert filled[some, PANEL:].all() and filled.sum() == TALL * PANEL


def test_a_row_has_the_same_products_alone_as_among_others():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((TALL, 333)).astype(np.float32)
    panels = rng.standard_normal((1, 333, PANEL)).astype(np.float32)
    together, alone = np.empty((2, TALL, PANEL), np.float32)
    times_some(rows, 0, panels, 0, together)
    for q in range(TALL):
        times_one(rows, q, panels, 0, alone)
    assert_array_equal(together, alone)


def blocks_of(codes):
    """Blocks of rows of bytes (n, s), ``n`` and ``s`` being multiples."""
    n, s = codes.shape
    fours = codes.reshape(n // ROWS, ROWS, s // FOUR, FOUR).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(fours).reshape(n // ROWS, -1)


@pytest.mark.parametrize("s", [4, 12, 160, 1024])
@pytest.mark.parametrize("n", WAYS)
def test_bytes_are_multiplied_with_blocks(n, s):
    rng = np.random.default_rng(s)
    codes = rng.integers(0, 256, (3 * ROWS, s)).astype(np.uint8)
    queries = rng.integers(-127, 128, (QUERIES + 2, s)).astype(np.int8)
    codes[0], queries[1] = 255, 127  # as large as they get
    codes[1], queries[2] = 255, -127
    adds = rng.standard_normal((3, ROWS)).astype(np.float32)
    terms = rng.random((3, len(queries))).astype(np.float32)
    terms[1] /= 127 * s  # units
    exact = queries.astype(np.int64) @ codes.T.astype(np.int64)
    for b, t in ((0, 1), (2, 2)):
        part = slice(t, t + n)
        products = exact[part, b * ROWS : (b + 1) * ROWS].astype(np.float32)
        want = terms[0, part, None] - terms[1, part, None] * products + adds[b]
        terms[2, part] = np.median(want, axis=1)
        terms[2, t] = -np.inf
        scores, good = np.empty((n, ROWS), np.float32), np.empty(n, np.uint32)
        find = scores_of_one if n == 1 else scores_of_some
        found = find(blocks_of(codes), b, queries, t, adds, terms, scores, good)
        assert_allclose(scores, want, rtol=1e-5, atol=1e-5)
        below = scores <= terms[2, part, None]
        bits = (good[:, None] >> np.arange(ROWS, dtype=np.uint32) & 1).astype(bool)
        assert_array_equal(bits, below)
        assert found == sum(1 << j for j in range(n) if below[j].any())


def test_a_bound_that_is_no_number_lets_all_pass():
    terms = np.full((3, 1), np.nan, np.float32)
    terms[:2] = 1
    scores, good = np.empty((1, ROWS), np.float32), np.empty(1, np.uint32)
    blocks, queries = np.zeros((1, 4 * ROWS), np.uint8), np.zeros((1, 4), np.int8)
    adds = np.zeros((1, ROWS), np.float32)
    assert scores_of_one(blocks, 0, queries, 0, adds, terms, scores, good) == 1
    assert good[0] == 2**ROWS - 1
