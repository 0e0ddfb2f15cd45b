"""Codes of rows: how exact they are, and what is kept of rows."""

from functools import partial

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import PCAQuantizer, RaBitQ, ScalarQuantizer
from sklearn_jin.construction import codes as module
from sklearn_jin.construction.codes import (
    KNOWN,
    NEAR,
    NOT_ENCODED,
    SHORT,
    TRIED,
    WIDE,
    Exactness,
    candidates_needed,
    candidates_per_neighbor,
    encode_rows,
    exactness,
    hold_rows,
    judged,
    kept,
    kept_rows,
    with_finer,
)
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS
from sklearn_jin.search.index import FLAT, Index, Learned


def prepared(X, name="euclidean"):
    metric = METRICS[name]().fit(X)
    return metric, ROWS[metric.space](metric.rows(X))


def sample_of(points, metric, seed=0):
    return hold_rows(points, metric.width_, np.random.RandomState(seed), 1)


def encoded(X, quantizer, name="euclidean"):
    metric, points = prepared(X, name)
    return encode_rows(points, metric, quantizer, sample_of(points, metric))


def test_codes_are_tried_on_some_rows_and_their_neighbours():
    metric, points = prepared(indexes.rows(300, 6))
    trial, own, _ = sample_of(points, metric)
    assert own == 1 and len(trial.ids) == TRIED
    rows = {row.tobytes() for row in points.X}
    assert {row.tobytes() for row in trial.queries} <= rows
    wanted = naive.nearest(points.X, trial.queries, KNOWN + 1)
    assert_array_equal(trial.ids, wanted)


def test_codes_of_inner_products_are_tried_on_rows_and_on_directions():
    metric, points = prepared(indexes.rows(300, 10) + 9, "inner_product")
    trial, own, _ = sample_of(points, metric)
    assert own == 0 and trial.ids.shape == (TRIED, KNOWN)
    some = trial.queries[: TRIED // 2]
    assert_allclose(np.linalg.norm(some, axis=1), 1, rtol=1e-6)
    assert (some[:, 10:] == 0).all() and (some.min(axis=1) < 0).all()
    rows = {row.tobytes() for row in points.X}
    assert {row.tobytes() for row in trial.queries[TRIED // 2 :]} <= rows


def test_the_sample_is_that_of_the_seed():
    metric, points = prepared(indexes.rows(300, 6))
    one, same, other = (sample_of(points, metric, seed) for seed in (0, 0, 1))
    assert_array_equal(one.trial.queries, same.trial.queries)
    assert (one.trial.queries != other.trial.queries).any()


def test_an_overestimate_is_that_of_the_nearest():
    X = indexes.rows(150, 6)
    coarse, fine = (encoded(X, ScalarQuantizer(n_bits)) for n_bits in (4, 8))
    assert 1 < fine.overestimate < 1.1 < coarse.overestimate < 3
    assert encoded(X, ScalarQuantizer(4), "inner_product").overestimate == np.inf
    assert NOT_ENCODED == (None, None, np.inf, None, 1, None)


@pytest.mark.parametrize(
    "d, bits, finer", [(WIDE, 2, True), (WIDE - 1, 2, False), (WIDE, SHORT, False)]
)
def test_short_codes_of_wide_rows_are_joined_by_finer_ones(d, bits, finer):
    metric, points = prepared(indexes.rows(60, d))
    sample, m = sample_of(points, metric), bits * d // 4 - 8  # of 4 bits, and a float32
    coarse = encode_rows(points, metric, PCAQuantizer(m, random_state=0), sample)
    both = with_finer(coarse, points, metric, ScalarQuantizer(8), sample)
    assert coarse.quantizer.n_bytes_ == -(-bits * d // 8)
    if not finer:
        assert both is coarse
        return
    fine = encode_rows(points, metric, ScalarQuantizer(8), sample)
    assert both.quantizer is coarse.quantizer and both.codes is coarse.codes
    assert_array_equal(both.finer.codes, fine.codes.codes)
    assert both.overestimate == fine.overestimate < coarse.overestimate
    assert with_finer(NOT_ENCODED, points, metric, None, sample) is NOT_ENCODED


def test_codes_are_judged_by_the_neighbours_without_the_query():
    X = np.random.default_rng(0).integers(0, 256, (200, 6)).astype(float)
    X[0, :2] = 0, 255  # so that codes of 8 bits are exact
    metric, points = prepared(X)
    sample = sample_of(points, metric)
    quantizer = ScalarQuantizer(8)
    codes = quantizer.points(quantizer.fit_transform(points.X[:, :6]), "l2")
    ids = sample.trial.ids
    exact = exactness(codes, ids, metric, sample)
    order = np.tile(np.arange(1, NEAR + 1), (TRIED, 1))
    assert_array_equal(exact.ranks, order)
    assert_allclose(exact.overestimate, 1, rtol=1e-5)
    # The query in the place of its neighbour is nearer: it is no neighbour, though.
    swapped = ids[:, [1, 0, *range(2, KNOWN + 1)]]
    assert_array_equal(exactness(codes, swapped, metric, sample).ranks, order)
    last = ids[:, [*range(NEAR - 1), NEAR, NEAR - 1, *range(NEAR + 1, KNOWN + 1)]]
    found = exactness(codes, last, metric, sample)
    assert_array_equal(found.ranks[:, -2:], np.tile([NEAR, NEAR - 1], (TRIED, 1)))
    assert found.overestimate > 1.01


def test_as_many_candidates_are_needed_as_hold_nearly_all_neighbours():
    ranks = np.r_[np.ones(996, int), np.full(4, 70)].reshape(100, 10)
    assert candidates_needed(ranks) == 1
    ranks[0] = 50
    assert candidates_needed(ranks) == 50
    assert candidates_needed(np.empty((3, 0), int)) == 1
    found = judged("q", "codes", Exactness(np.array([[3, 1], [2, 5]]), 1.5))
    assert found == ("q", "codes", 1.5, 2.5, 3, None)
    assert judged("q", "codes", Exactness(np.ones((2, 9), int), 1.5)).rerank == 1


def test_candidates_are_those_that_codes_need():
    X = indexes.rows(150, 6)
    metric, points = prepared(X)
    found = encode_rows(
        points, metric, RaBitQ(2, random_state=0), sample_of(points, metric)
    )
    trial = sample_of(points, metric).trial
    # By definition: the rank of each neighbour among all rows but the query.
    own = trial.ids[:, :1]
    decoded = found.quantizer.inverse_transform(
        found.quantizer.transform(points.X[:, : metric.width_])
    )
    gaps = naive.distances(decoded, trial.queries[:, : metric.width_])
    np.put_along_axis(gaps, own, np.inf, axis=1)
    order = np.argsort(np.argsort(gaps, axis=1), axis=1) + 1
    ranks = np.take_along_axis(order, trial.ids[:, 1 : NEAR + 1], axis=1)
    assert abs(found.rerank - candidates_needed(ranks) / NEAR) < 2
    short, long = (encoded(X, RaBitQ(b, random_state=0)) for b in (1, 4))
    assert short.rerank > found.rerank > long.rerank >= 1
    assert short.least >= long.least >= 1


def test_shorter_codes_are_reranked_more_and_those_of_inner_products_still_more():
    metric, _ = prepared(indexes.rows(9, 64))
    product, _ = prepared(indexes.rows(9, 64), "inner_product")
    factors = [candidates_per_neighbor(n, metric) for n in (4, 8, 16, 32, 64, 512)]
    assert factors == sorted(factors, reverse=True)
    assert (factors[0], factors[-1]) == (16, 1.5)
    assert candidates_per_neighbor(8, product) == 24
    assert candidates_per_neighbor(32, product) == candidates_per_neighbor(32, metric)


def test_rows_that_come_back_are_padded_with_zeros(monkeypatch):
    metric, points = prepared(indexes.rows(9, 5), "euclidean")
    encoded = encode_rows(points, metric, ScalarQuantizer(8), sample_of(points, metric))
    rows, decoder = kept(points, metric, None, encoded, None)
    index = Index(metric, rows, encoded.codes, FLAT, Learned(decoder=decoder))
    full = partial(np.full, fill_value=np.nan, dtype=np.float32)
    monkeypatch.setattr(module, "aligned_empty", lambda n, width: full((n, width)))
    assert_array_equal(kept_rows(index)[:, 5:], 0)


@pytest.mark.parametrize("name", ["euclidean", "inner_product"])
@pytest.mark.parametrize(
    "store, error", [("float32", 0), ("float16", 1e-3), ("int8", 0.02), (None, 0.3)]
)
def test_rows_are_kept_as_asked_for_and_come_back(store, error, name):
    metric, points = prepared(indexes.rows(60, 12), name)
    quantizer = RaBitQ(4, random_state=0)
    encoded = encode_rows(points, metric, quantizer, sample_of(points, metric))
    rows, decoder = kept(points, metric, store, encoded, ScalarQuantizer(8))
    assert (decoder is None) == (store in ("float32", "float16"))
    assert rows is {"float32": points, None: encoded.codes}.get(store, rows)
    index = Index(metric, rows, encoded.codes, FLAT, Learned(decoder=decoder))
    back = kept_rows(index)
    assert back.shape == points.X.shape and back.dtype == np.float32
    assert not back[:, metric.width_ :].any()
    assert_allclose(back, points.X, rtol=0, atol=error * np.abs(points.X).max())
