"""Codes of rows: how exact they are, which are chosen, and what is kept of rows."""

from functools import partial

import indexes
import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import PCAQuantizer, RaBitQ, ScalarQuantizer
from sklearn_jin.construction import codes as module
from sklearn_jin.construction.codes import (
    CROWDED,
    NEAR,
    NOT_ENCODED,
    SHORT,
    TRIED,
    WIDE,
    candidates_per_neighbor,
    choose_codes,
    encode_rows,
    hold_rows,
    kept,
    kept_rows,
    with_finer,
)
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS
from sklearn_jin.search.index import FLAT, Index, Learned
from sklearn_jin.search.trial import growth


def prepared(X, name="euclidean"):
    metric = METRICS[name]().fit(X)
    return metric, ROWS[metric.space](metric.rows(X))


def test_rows_are_tried_on_themselves_and_their_neighbours():
    _, points = prepared(indexes.rows(150, 6))
    trial = hold_rows(points, 2)
    assert len(trial.ids) <= TRIED
    assert_array_equal(trial.queries, points.X[::3])
    wanted = naive.nearest(points.X, points.X[::3], CROWDED * NEAR + 1)
    assert_array_equal(trial.ids, wanted)


def test_an_overestimate_is_that_of_the_nearest():
    metric, points = prepared(indexes.rows(150, 6))
    trial = hold_rows(points, 1)
    coarse, fine = (
        encode_rows(points, metric, ScalarQuantizer(n_bits), trial) for n_bits in (4, 8)
    )
    assert 1 < fine.overestimate < 1.1 < coarse.overestimate < 3
    assert encode_rows(points, metric, ScalarQuantizer(4), None).overestimate == np.inf
    assert NOT_ENCODED == (None, None, np.inf, None)


@pytest.mark.parametrize(
    "d, bits, finer", [(WIDE, 2, True), (WIDE - 1, 2, False), (WIDE, SHORT, False)]
)
def test_short_codes_of_wide_rows_are_joined_by_finer_ones(d, bits, finer):
    metric, points = prepared(indexes.rows(60, d))
    trial, m = hold_rows(points, 1), bits * d // 4 - 8  # of 4 bits, and a float32
    coarse = encode_rows(points, metric, PCAQuantizer(m, random_state=0), trial)
    both = with_finer(coarse, points, metric, ScalarQuantizer(8), trial)
    assert coarse.quantizer.n_bytes_ == -(-bits * d // 8)
    if not finer:
        assert both is coarse
        return
    fine = encode_rows(points, metric, ScalarQuantizer(8), trial)
    assert both.quantizer is coarse.quantizer and both.codes is coarse.codes
    assert_array_equal(both.finer.codes, fine.codes.codes)
    assert both.overestimate == fine.overestimate < coarse.overestimate
    assert with_finer(coarse, points, metric, ScalarQuantizer(8), None) is coarse
    assert with_finer(NOT_ENCODED, points, metric, None, trial) is NOT_ENCODED


@pytest.mark.parametrize("enough", [0, 1, 2])
@pytest.mark.parametrize("must", [False, True])
def test_the_first_codes_that_tell_neighbours_apart_are_chosen(
    monkeypatch, enough, must
):
    metric, points = prepared(indexes.rows(150, 6))
    trial, tried = hold_rows(points, 1), []
    room = growth(trial, NEAR)

    def encode(points, metric, quantizer, trial):
        tried.append(quantizer)
        far = room if len(tried) > enough else 1.01 * room
        return module.Encoded(quantizer, (), far)

    monkeypatch.setattr(module, "encode_rows", encode)
    found = choose_codes(points, metric, "ab", trial, must)
    assert "".join(tried) == "ab"[: enough + 1]
    assert found.quantizer == (["a", "b", "b"] if must else ["a", "b", None])[enough]


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
    encoded = encode_rows(points, metric, ScalarQuantizer(8), None)
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
    encoded = encode_rows(points, metric, RaBitQ(4, random_state=0), None)
    rows, decoder = kept(points, metric, store, encoded, ScalarQuantizer(8))
    assert (decoder is None) == (store in ("float32", "float16"))
    assert rows is {"float32": points, None: encoded.codes}.get(store, rows)
    index = Index(metric, rows, encoded.codes, FLAT, Learned(decoder=decoder))
    back = kept_rows(index)
    assert back.shape == points.X.shape and back.dtype == np.float32
    assert not back[:, metric.width_ :].any()
    assert_allclose(back, points.X, rtol=0, atol=error * np.abs(points.X).max())
