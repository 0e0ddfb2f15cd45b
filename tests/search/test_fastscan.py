"""Scans of codes by tables: the same proposals as codes scored one by one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import (
    SAQ,
    BinaryQuantizer,
    ProductQuantizer,
    RaBitQ,
    ScalarQuantizer,
    TernaryQuantizer,
)
from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen
from sklearn_jin._simd import BLOCK, sum_tables
from sklearn_jin.points import encode_queries
from sklearn_jin.points.rows import RowsIP, RowsL2
from sklearn_jin.search import fastscan
from sklearn_jin.search.answer import answer
from sklearn_jin.search.index import Index, Search, for_this_cpu
from sklearn_jin.search.rerank import estimate

CODES = {
    "product": ProductQuantizer(5, 4, random_state=0),
    "scalar4": ScalarQuantizer(4),
    "feature": ScalarQuantizer(4, range="feature"),
    "row6": ScalarQuantizer(6, range="row"),
    "rabitq1": RaBitQ(1, random_state=0),
    "rabitq3": RaBitQ(3, random_state=0),
    "rabitq4": RaBitQ(4, random_state=0),
    "binary": BinaryQuantizer(),
    "ternary": TernaryQuantizer(),
}


def rows(n, d, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return X / np.linalg.norm(X, axis=1).max()


def record(name, n, space="l2", d=12):
    X = rows(n, d)
    codes = CODES[name].fit(X).transform(X)
    return CODES[name].points(codes, space), {"l2": RowsL2, "ip": RowsIP}[space](
        frozen(X)
    )


def estimates(points, Q):
    n = len(points.codes)
    ids = np.tile(np.arange(n), (len(Q), 1))
    scores = np.empty((len(Q), n), np.float32)
    estimate(points, frozen(encode_queries(points, Q)), ids, scores)
    return scores


def search(points, second, Q, k, room, n_threads=1):
    """The answer by the tables of the codes of ``points``, and exact scores."""
    index = Index(None, second, None, fastscan.block(points))
    return answer(index, frozen(Q), Search(k, room, n_threads=n_threads))


def table_scores(points, Q):
    """Scores of all codes by the tables themselves, before they are bytes."""
    blocks = fastscan.block(points)
    entries, outer, inner, _ = fastscan.fastscan_tables(
        blocks.points, encode_queries(blocks.points, Q)
    )
    codes, _ = fastscan.fastscan_codes(points)
    n_bytes = codes.shape[1]
    place = np.arange(n_bytes)
    sums = entries[:, place, 0, codes & 15] + entries[:, place, 1, codes >> 4]
    scores = inner[:, None] + sums.sum(axis=2)
    if blocks.factors.size:
        add, scale = blocks.factors.reshape(2, -1)[:, : len(codes)]
        scores = add + scale * scores
    return outer[:, None] + scores


@pytest.mark.parametrize("space", ["l2", "ip"])
@pytest.mark.parametrize("name", CODES)
def test_tables_hold_the_scores_of_codes(name, space):
    points, _ = record(name, 150, space)
    Q = rows(5, 12, seed=1)
    scores = estimates(points, Q)
    by_tables = np.maximum(table_scores(points, Q), 0)
    # A query on the grid of a scalar code is rounded, in a table it is not.
    assert_allclose(by_tables, scores, atol=1e-2 * scores.max())


def test_codes_that_are_no_nibbles_have_no_blocks():
    X = rows(50, 12)
    for quantizer in (ScalarQuantizer(8), ProductQuantizer(3, 8)):
        codes = quantizer.fit(X).transform(X)
        assert fastscan.block(quantizer.points(codes)) is None
    segments = SAQ(4, random_state=0).fit(rows(300, 128) * np.arange(128, 0, -1))
    codes = segments.transform(rows(10, 128))
    if len(segments.points(codes).middles) > 1:
        assert fastscan.block(segments.points(codes)) is None


@kernel
def all_sums(blocks, tables, sums):
    for b in range(len(blocks)):
        sum_tables(blocks, b, tables, 0, 1, sums[b])


@pytest.mark.parametrize("n_bytes", [1, 2, 7, 64])
@pytest.mark.parametrize("turn", [fastscan.turn_bytes, fastscan.turn_fours])
def test_sums_are_those_of_the_entries(turn, n_bytes):
    rng = np.random.default_rng(n_bytes)
    codes = rng.integers(0, 256, (150, n_bytes)).astype(np.uint8)
    blocks = frozen(turn(codes))
    entries = rng.integers(0, 256, (2, n_bytes, 2, 16)).astype(np.uint8)
    padded = np.zeros((2, n_bytes + n_bytes % 2, 2, 16), np.uint8)
    padded[:, :n_bytes] = entries
    sums = np.zeros((3, 2, BLOCK), np.uint16)
    all_sums(blocks, padded.reshape(2, -1), sums)
    place = np.arange(n_bytes)
    picked = entries[:, place, 0, codes & 15].astype(int)
    picked += entries[:, place, 1, codes >> 4]
    found = sums.transpose(1, 0, 2).reshape(2, -1)[:, : len(codes)]
    assert_array_equal(found, picked.sum(axis=2))


LAYOUTS = {True: fastscan.turn_fours, False: fastscan.turn_bytes}


@pytest.mark.parametrize("quads", LAYOUTS)
@pytest.mark.parametrize("n", [1, 64, 150])
@pytest.mark.parametrize("name", ["product", "scalar4", "rabitq3"])
def test_blocks_are_turned_for_the_cpu_that_loads_them(monkeypatch, quads, n, name):
    points, _ = record(name, n)
    codes, _ = fastscan.fastscan_codes(points)
    monkeypatch.setattr(fastscan, "QUADS", quads)
    wanted = fastscan.block(points)
    assert_array_equal(wanted.blocks, LAYOUTS[quads](codes))
    assert for_this_cpu(wanted) is wanted
    for turn in LAYOUTS.values():
        written = wanted._replace(blocks=frozen(turn(codes)))
        assert_array_equal(fastscan.compact_codes(written, n), codes)
        loaded = for_this_cpu(written)
        assert_array_equal(loaded.blocks, wanted.blocks)
        assert not loaded.blocks.flags.writeable
        assert all(part is own for part, own in zip(loaded[1:], wanted[1:]))


SHAPES = {"bytes": np.zeros((1, 64)), "fours": np.zeros((1, 1, 128))}


@pytest.fixture(params=SHAPES)
def blocks_like(request):
    """An array of the shape of blocks of either space."""
    return SHAPES[request.param]


def test_bytes_stand_for_the_tables(blocks_like):
    entries = np.random.default_rng(0).normal(size=(4, 6, 2, 16)).astype(np.float32)
    as_bytes, unit, least = fastscan.as_bytes(blocks_like, entries, np.inf)
    back = as_bytes.reshape(entries.shape) * unit[:, None, None, None]
    lows = entries.min(axis=3, keepdims=True)
    assert_allclose(back, entries - lows, atol=0.51 * unit.max())
    assert_allclose(least, lows.sum(axis=(1, 2, 3)), rtol=1e-5)
    assert as_bytes.max() == 255


@pytest.mark.parametrize("far", [4.0, np.inf])
@pytest.mark.parametrize("n_bytes", [257, 258, 600])
def test_sums_of_many_entries_do_not_overflow(blocks_like, n_bytes, far):
    entries = np.random.default_rng(0).random((1, n_bytes, 2, 16), dtype=np.float32)
    pairs = fastscan.as_bytes(blocks_like, entries, far)[0].reshape(-1, 2, 16)
    assert pairs.max(axis=2).sum(dtype=int) <= 65535


def test_far_entries_are_cut(blocks_like):
    entries = np.ones((1, 2, 2, 16), np.float32)
    entries[..., 0], entries[0, 0, 0, 3] = 0, 1000
    as_bytes, unit, _ = fastscan.as_bytes(blocks_like, entries, 4.0)
    assert as_bytes.max() == 255 and unit[0] * 255 < 100


@pytest.mark.parametrize("space", ["l2", "ip"])
@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("n", [1, 65, 200])
def test_reranking_all_is_exact(name, space, n):
    points, second = record(name, n, space)
    Q, k = rows(4, 12, seed=1), min(3, n)
    scores, ids = search(points, second, Q, k, n, 2)
    gaps = -Q @ second.X.T if space == "ip" else ((Q[:, None] - second.X) ** 2).sum(2)
    assert_array_equal(ids, np.argsort(gaps, axis=1, kind="stable")[:, :k])
    assert_allclose(scores, np.sort(gaps, axis=1)[:, :k], atol=1e-6)


@pytest.mark.jit
@pytest.mark.parametrize("name", ["product", "scalar4", "rabitq4"])
def test_a_large_scan_proposes_what_codes_propose(name):
    n, d, room = 30_000, 12, 40
    points, second = record(name, n)
    Q = rows(20, d, seed=1)
    best = np.sort(estimates(points, Q), axis=1)[:, :room]
    _, ids = search(points, second, Q, room, room)
    found = np.sort(np.take_along_axis(estimates(points, Q), ids, 1), axis=1)
    assert (np.diff(np.sort(ids, axis=1), axis=1) > 0).all()
    # Bytes round; what is proposed is hardly farther than what should be.
    assert_allclose(found.mean(axis=1), best.mean(axis=1), rtol=0.02)


@pytest.mark.jit
def test_a_sample_that_is_too_good_loses_nothing():
    # All near codes are where the sample looks: its bound is met by too few.
    n = 64 * 128 * 3
    every = n // (fastscan.SAMPLE_BLOCKS * BLOCK)
    X = np.full((n, 4), 100.0, np.float32)
    sampled = (np.arange(n) // BLOCK) % every == 0
    X[sampled] = rows(sampled.sum(), 4)
    quantizer = ScalarQuantizer(4).fit(X)
    points = quantizer.points(quantizer.transform(X))
    room = int(sampled.sum()) + 100
    _, ids = search(points, RowsL2(frozen(X)), X[:2], room, room)
    assert (np.sort(ids, axis=1)[:, 0] >= 0).all()
    assert (np.diff(np.sort(ids, axis=1), axis=1) > 0).all()


def test_the_answer_does_not_depend_on_the_batch():
    points, second = record("product", 200)
    Q = rows(40, 12, seed=1)
    whole = search(points, second, Q, 5, 20, 2)
    for q in range(0, 40, 7):
        one = search(points, second, Q[q : q + 1], 5, 20)
        assert_array_equal(one[1][0], whole[1][q])
        assert_array_equal(one[0][0], whole[0][q])
