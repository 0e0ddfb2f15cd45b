"""Lists on codes: those asked for, or the shortest by which neighbours are found."""

import indexes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import IVFNeighbors, ProductQuantizer, RaBitQ
from sklearn_jin.construction import lists_of_codes as module
from sklearn_jin.construction.lists_of_codes import HELD, TRIED, Coding
from sklearn_jin.construction.partition import partition_rows
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS


def coding(X, metric="euclidean", n_lists=5):
    """Rows that are divided among lists."""
    metric = METRICS[metric]().fit(X)
    points = ROWS[metric.space](metric.rows(X))
    rng = np.random.RandomState(0)
    division = partition_rows(points.X[:, : metric.width_], n_lists, rng, 1)
    return Coding(metric, points, division, 10_000, 1)


def seeded():
    return np.random.RandomState(0)


@pytest.mark.parametrize("enough", [1, 2, 3])
def test_the_first_codes_that_hold_recall_are_taken(monkeypatch, enough):
    tried, quantizers = [], [ProductQuantizer(), RaBitQ(4)]

    def code(coding, quantizer, rng):
        tried.append(quantizer)
        held = HELD if len(tried) >= enough else HELD - 0.01
        return module.Coded(quantizer, None, None, None, held)

    monkeypatch.setattr(module, "code_lists", code)
    monkeypatch.setattr(module, "_tried", lambda coding, coded: coded.held)
    coded = module.choose_lists(None, quantizers, seeded())
    assert tried == [*quantizers, None][:enough]  # and rows, where none does
    assert coded.quantizer is tried[-1]
    assert coded.tried == (*[HELD - 0.01] * (enough - 1), HELD)


def test_rows_are_searched_where_there_are_no_codes():
    coded = module.code_lists(coding(indexes.rows(60)), None, seeded())
    assert coded.quantizer is None and coded.lists.codes == () and coded.held == 1
    assert coded.learned.rerank is None and coded.learned.overestimate == np.inf


def test_a_seed_is_drawn_where_none_is_given():
    some = coding(indexes.rows(60))
    for own, wanted in ((None, seeded().randint(2**31)), (5, 5)):
        coded = module.code_lists(some, RaBitQ(random_state=own), seeded())
        assert coded.quantizer.random_state == wanted


@pytest.mark.jit
def test_the_share_that_is_held_falls_with_shorter_codes():
    some = coding(indexes.rows(800, 24))
    short, long = (
        module.code_lists(some, quantizer, seeded())
        for quantizer in (ProductQuantizer(2, 4), RaBitQ(6))
    )
    assert short.held < HELD <= long.held <= 1
    assert 0 < short.learned.overestimate < np.inf  # whose estimates are all too small
    assert 1 < long.learned.overestimate < 1.2
    assert short.learned.rerank > long.learned.rerank >= 1


def test_codes_are_tried_on_some_rows_that_find_themselves():
    X = indexes.rows(300, 6)
    queries, own = module._queries(coding(X), seeded())
    assert own == 1 and queries.shape[0] == TRIED
    assert {*queries[:, 0]} <= {*X[:, 0].astype(np.float32)}


def test_codes_of_inner_products_are_tried_on_directions_unlike_the_rows():
    X = indexes.rows(300, 10) + 9  # rows that point in one direction, nearly
    queries, own = module._queries(coding(X, "inner_product"), seeded())
    assert own == 0 and (queries[:, 10:] == 0).all()
    assert_allclose(np.linalg.norm(queries, axis=1), 1, rtol=1e-6)
    assert np.linalg.norm(queries.mean(axis=0)) < 0.5


def test_inner_products_have_no_overestimate():
    some = coding(indexes.rows(60), "inner_product")
    coded = module.code_lists(some, RaBitQ(4), seeded())
    assert coded.learned.overestimate == np.inf and 0 < coded.held <= 1


@pytest.mark.jit
def test_an_index_has_what_was_chosen():
    X = indexes.rows(300, 6)
    index = IVFNeighbors(exact_threshold=0, random_state=0).fit(X)
    learned = index.index_.learned
    assert learned.rerank > 1 and 1 < learned.overestimate < np.inf
    last = index.quantizer_trial_[-1]
    assert last.n_bytes == index.quantizer_.n_bytes_ and last.held >= HELD
    assert last.candidates == np.ceil(10 * learned.rerank)
    assert not hasattr(last.quantizer, "n_bytes_")
    assert_array_equal(np.diff(index.index_.route.starts), index.list_sizes_)


@pytest.mark.jit
def test_rows_are_the_last_that_is_tried():
    X = 1e3 * indexes.rows(2, 24).repeat(300, axis=0) + 1e-2 * indexes.rows(600, 24)
    index = IVFNeighbors(exact_threshold=0, n_lists=2, random_state=0).fit(X)
    *codes, rows = index.quantizer_trial_
    assert all(one.held < HELD for one in codes) or rows.quantizer is not None
    assert IVFNeighbors(quantizer=None).fit(X).quantizer_trial_ is None
