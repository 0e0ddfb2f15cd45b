"""Scores of product codes: those of the rows that the codes stand for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import points
from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE, aligned_codes, frozen
from sklearn_jin.points import product
from sklearn_jin.points.rotation import multiply

SHAPES = [(1, 1), (4, 2), (7, 3), (12, 5), (13, 4), (20, 19), (33, 8)]


def record(space, d, m, n=9, turned=False, seed=0):
    """Points of random codes, and the rows that they stand for."""
    bits, _ = space
    rng = np.random.default_rng(seed)
    sizes = np.array([len(part) for part in np.array_split(np.arange(d), m)])
    books = rng.standard_normal((m, 2**bits, sizes.max())).astype(np.float32)
    books /= 2 * np.sqrt(d)
    for s, size in enumerate(sizes):
        books[s, :, size:] = 0
    codes = rng.integers(0, 2**bits, (n, m)).astype(np.uint8)
    rows = np.hstack([books[s, codes[:, s], : sizes[s]] for s in range(m)])
    rotation = np.zeros((0, 0), np.float32)
    if turned:
        rotation = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
        rows = rows @ rotation.T
    made = product.KINDS[space](
        aligned_codes(product.pack(codes) if bits == 4 else codes),
        frozen(np.ascontiguousarray(books.transpose(0, 2, 1))),
        frozen(np.concatenate([[0], np.cumsum(sizes)])),
        frozen(rotation),
    )
    return made, rows


def asked(made, d, n=4, seed=1):
    """Queries (n, d), and as the points take them: prepared ones have padding."""
    Q = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return Q, points.encode_queries(made, frozen(np.pad(Q, [(0, 0), (0, 3)])))


@kernel
def all_scores(points_, queries, out, exact):
    scratch = points.new_scratch(points_, 3)
    for q in range(len(queries)):
        points.set_query(points_, scratch, 1, queries, 0)  # its scratch is used again
        points.set_query(points_, scratch, 1, queries, q)
        for i in range(out.shape[1]):
            points.prefetch(points_, i)
            out[q, i] = points.score(points_, scratch, 1, i)
            exact[q, i] = points.exact(points_, queries, q, i)


def scores(made, queries):
    out = np.empty((len(queries), len(made.codes)), np.float32)
    exact = np.empty(out.shape)
    all_scores(made, queries, out, exact)
    return out, exact


def expected(space, rows, Q):
    rows, Q = rows.astype(np.float64), Q.astype(np.float64)
    if space[1] == "ip":
        return -(Q @ rows.T)
    return np.square(Q[:, None] - rows).sum(axis=2)


@pytest.mark.parametrize("space", product.KINDS)
@pytest.mark.parametrize("d, m", SHAPES)
@pytest.mark.parametrize("turned", [False, True])
def test_scores_are_those_of_the_rows_that_codes_stand_for(space, d, m, turned):
    made, rows = record(space, d, m, turned=turned)
    Q, queries = asked(made, d)
    assert queries.flags.c_contiguous and queries.dtype == np.float32
    score, exact = scores(made, queries)
    right = expected(space, rows, Q)
    # float32: a sum of d terms errs by about d roundings of 2**-24
    assert_allclose(exact, right, 1e-5, 1e-5)
    assert_allclose(score - 2 * (space[1] == "ip"), exact, 1e-5, 1e-5)


@pytest.mark.parametrize("space", [(8, "l2"), (4, "l2")])
def test_a_row_is_at_distance_0_of_what_it_stands_for(space):
    made, rows = record(space, 12, 5)
    score, exact = scores(made, points.encode_queries(made, frozen(rows)))
    assert_array_equal(np.diag(score), 0)
    assert_array_equal(np.diag(exact), 0)
    assert (score >= 0).all()


@pytest.mark.parametrize("m", [1, 2, 5, 8])
def test_packed_codes_unpack(m):
    codes = np.random.default_rng(0).integers(0, 16, (20, m)).astype(np.uint8)
    packed = product.pack(codes)
    assert packed.shape == (20, (m + 1) // 2)
    assert_array_equal(product.unpack(packed, m), codes)


def test_halves_of_a_byte_are_far_sub_vectors():
    packed = product.pack(np.array([[1, 2, 3, 4, 5]], np.uint8))
    assert_array_equal(packed, [[1 + 16 * 4, 2 + 16 * 5, 3]])


@pytest.mark.parametrize("space", product.KINDS)
def test_taken_points_are_of_the_same_kind(space):
    made, _ = record(space, 12, 5)
    some = points.subset(made, np.array([7, 0, 3]))
    assert type(some) is type(made) and not some.codes.flags.writeable
    assert some.codes.ctypes.data % LINE == 0
    assert_array_equal(some.codes, made.codes[[7, 0, 3]])


def test_a_query_is_rotated_alike_in_every_batch():
    made, _ = record((8, "l2"), 33, 8, turned=True)
    Q, queries = asked(made, 33, n=50)
    for q in (0, 17, 49):
        assert_array_equal(points.encode_queries(made, Q[q : q + 1])[0], queries[q])


def test_rotated_rows_keep_their_distances():
    made, _ = record((8, "l2"), 12, 3, turned=True)
    X = np.random.default_rng(0).standard_normal((10, 12)).astype(np.float32)
    turned = multiply(X, made.rotation)
    gaps = np.linalg.norm(X[:, None] - X, axis=2)
    assert_allclose(np.linalg.norm(turned[:, None] - turned, axis=2), gaps, atol=1e-5)
