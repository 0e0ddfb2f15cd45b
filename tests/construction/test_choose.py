"""Which codes are chosen: by the definition of their work, and on data that tell."""

import indexes
import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import FlatNeighbors, HNSWNeighbors, PCAQuantizer, ScalarQuantizer
from sklearn_jin.construction import choose as module
from sklearn_jin.construction.choose import (
    DETOUR,
    NEAR,
    RECALL,
    Case,
    Course,
    choose_codes,
    course_of_scan,
    course_of_walks,
)
from sklearn_jin.construction.codes import KNOWN, Exactness, hold_rows
from sklearn_jin.construction.grow import draw_order, grow
from sklearn_jin.construction.hnsw import plan
from sklearn_jin.metrics import METRICS
from sklearn_jin.points.rows import ROWS
from sklearn_jin.search.index import NO_COPIES, Copies
from sklearn_jin.search.layers import Layers
from sklearn_jin.search.work import exact_ns, scan_ns, score_ns, walk_ns

BITS = 4, 8


def prepared(X, name="euclidean"):
    metric = METRICS[name]().fit(X)
    return metric, ROWS[metric.space](metric.rows(X))


def chosen(X, name="euclidean", scores=500.0, must=False, seed=0):
    """Bits of the codes that are chosen for walks of so many scores; what was tried."""
    metric, points = prepared(X, name)
    sample = hold_rows(points, metric.width_, np.random.RandomState(seed), 1)
    quantizers = [ScalarQuantizer(bits) for bits in BITS]
    course = Course(scores, 60.0, walk_ns)
    found = choose_codes(points, metric, quantizers, sample, course, must)
    quantizer = found[0].quantizer
    return (quantizer.n_bits if quantizer else None), found


def low(n, d, scale=1.0):
    """Rows of ten directions, so that neighbours are well apart."""
    return normal(n, 10) @ normal(10, d, seed=1)


# What is chosen.


@pytest.mark.jit
def test_4_bits_win_where_rows_are_wide_and_neighbours_apart():
    assert chosen(low(400, 256))[0] == 4


@pytest.mark.jit
def test_8_bits_win_where_4_lose_neighbours():
    # Pairs of clusters far apart, by which a grid of 16 levels is too coarse.
    X = 10 * normal(8, 256).repeat(50, axis=0) + low(400, 256) / 16
    bits, (_, tried) = chosen(X)
    assert bits == 8
    assert tried[1].candidates > tried[2].candidates
    assert tried[1].scores > tried[2].scores >= tried[0].scores == 500


@pytest.mark.jit
def test_codes_are_refused_where_none_tells_neighbours_apart():
    X = 1e3 * normal(2, 64).repeat(250, axis=0) + 1e-2 * normal(500, 64, seed=1)
    bits, (encoded, tried) = chosen(X)
    assert bits is None and encoded.codes is None and encoded.rerank is None
    assert [one.work for one in tried[1:]] == [np.inf, np.inf]


def test_codes_are_refused_where_they_save_little():
    assert chosen(low(400, 8))[0] is None  # whose float32 rows are a line as well


@pytest.mark.jit
def test_codes_that_must_be_are_those_that_keep_neighbours():
    X = 10 * normal(8, 64).repeat(50, axis=0) + low(400, 64) / 16
    assert chosen(low(400, 64))[0] == 4 or chosen(low(400, 64), must=True)[0] == 8
    bits, (_, tried) = chosen(X, must=True)
    assert bits == 8 and len(tried) == 2
    crowded = 1e3 * normal(2, 64).repeat(250, axis=0) + 1e-2 * normal(500, 64, seed=1)
    assert chosen(crowded, must=True)[0] in BITS  # though both lose them


def test_inner_products_are_tried_too():
    bits, (encoded, tried) = chosen(low(400, 256), "inner_product")
    assert bits in BITS and len(tried) == 3 and np.isfinite(tried[2].work)
    assert encoded.overestimate == np.inf


@pytest.mark.parametrize("name", ["euclidean", "inner_product"])
@pytest.mark.parametrize(
    "X",
    [normal(1, 5), normal(2, 5), normal(9, 1), normal(300, 1), np.full((30, 4), 7.0)],
    ids=["one row", "two rows", "few, one feature", "one feature", "equal rows"],
)
@pytest.mark.parametrize("must", [False, True])
@pytest.mark.filterwarnings("ignore:invalid value")  # of plain kernels, of equal rows
def test_few_and_odd_rows_have_a_choice(X, name, must):
    bits, (encoded, tried) = chosen(X, name, must=must)
    assert bits in BITS if must else bits in (None, *BITS)
    assert len(tried) == 3 - must
    assert all(one.work > 0 and one.scores > 0 for one in tried)
    assert not must or len(encoded.codes.codes) == len(X)


def test_the_choice_is_that_of_the_seed():
    X = low(400, 64)
    one, same = (chosen(X, seed=3)[1] for _ in range(2))
    assert repr(one[1]) == repr(same[1])
    assert_array_equal(one[0].codes.codes, same[0].codes.codes)
    assert isinstance(one[1], tuple)


def test_what_was_tried_is_told_by_unfitted_quantizers():
    _, (encoded, (rows, four, eight)) = chosen(low(400, 128))
    assert rows.quantizer is None and (rows.n_bytes, rows.candidates) == (512, NEAR)
    assert (four.n_bytes, eight.n_bytes) == (64, 128)
    assert not hasattr(four.quantizer, "n_bytes_") and four.quantizer.n_bits == 4
    assert hasattr(encoded.quantizer, "n_bytes_")


# The work of a case, by its definition.


def judge(ranks, must=False, scores=100.0, finer=None):
    _, points = prepared(normal(20, 32))
    codes = ScalarQuantizer(8).fit(points.X[:, :32])
    codes = codes.points(codes.transform(points.X[:, :32]), "l2")
    case = Case(ScalarQuantizer(8), codes, Exactness(np.array(ranks), 1.0))
    course = Course(scores, 7.0, walk_ns)
    second = None if finer is None else case._replace(exactness=Exactness(finer, 1.0))
    return module._judge(points, case, course, must, second), points, codes


def test_work_is_that_of_the_walk_its_detour_and_the_candidates():
    ranks = np.tile(np.arange(1, NEAR + 1), (4, 1))
    ranks[0, -1] = 30  # twenty places behind, one of forty neighbours
    found, points, codes = judge(ranks)
    assert found.candidates == 30
    assert found.scores == pytest.approx(100 + 7 * 20 / 40)
    wanted = found.scores * walk_ns(codes) + 30 * exact_ns(points)
    assert found.work == pytest.approx(wanted)
    assert judge(np.full((4, NEAR), KNOWN))[0].work == np.inf
    assert judge(np.full((4, NEAR), KNOWN // 2))[0].work < np.inf


@pytest.mark.parametrize("last, n_exact", [(NEAR, NEAR), (17, 17), (99, 30)])
def test_finer_codes_sort_candidates_and_leave_few_to_the_rows(last, n_exact):
    ranks = np.tile(np.arange(1, NEAR + 1), (4, 1))
    ranks[0, -1] = 30
    finer = np.tile(np.arange(1, NEAR + 1), (4, 1))
    finer[0, -1] = last
    found, points, codes = judge(ranks, finer=finer)
    wanted = found.scores * walk_ns(codes) + n_exact * exact_ns(points)
    assert found.work == pytest.approx(wanted + 30 * score_ns(codes))


def test_codes_alone_must_hold_the_recall_and_have_no_candidates():
    ranks = np.tile(np.arange(1, NEAR + 1), (10, 1))
    found, _, codes = judge(ranks, must=True)
    assert found.candidates == 0 and found.work == pytest.approx(100 * walk_ns(codes))
    ranks[: int(100 * (1 - RECALL)) + 1, -1] = NEAR + 1
    assert judge(ranks, must=True)[0].work == np.inf


@pytest.mark.parametrize("saved, best", [(0.2, 1), (0.05, 0)])
def test_codes_have_to_save_a_tenth(saved, best):
    tried = [module.Tried(None, 0, 10, 1.0, ns) for ns in (1.0, 1 - saved)]
    assert module._best([None, None], tried, False) == best


# The course of a search.


def test_a_scan_scores_all():
    _, points = prepared(normal(20, 4))
    assert course_of_scan(points) == (20.0, 0.0, scan_ns)


def line(n, copies=NO_COPIES):
    """Rows on a line, each linked with the next ones; and what walks need of them."""
    X = np.arange(n)[:, None] * np.ones((1, 4))
    metric, points = prepared(X)
    order = np.arange(n)
    neighbors = np.stack([order - 1, order + 1], axis=1).astype(np.int32)
    neighbors[-1, 1] = -1
    neighbors[0] = 1, -1
    nothing = np.empty((0, 1), np.int32), np.zeros(1, np.int64)
    entry = np.zeros(1, np.int32)
    landmarks = type(points)(points.X[:1])
    graph = Layers(neighbors, *nothing, entry, landmarks, copies)
    return metric, points, graph


def test_walks_are_counted_where_they_find_the_neighbours():
    metric, points, graph = line(60)
    sample = hold_rows(points, metric.width_, np.random.RandomState(0), 1)
    course = course_of_walks(graph, points, sample)
    # Along a line a walk from one end goes to the query, a score a node, and beyond.
    far = sample.trial.queries[:, 0].argsort().argsort()
    assert 30 <= course.scores <= 60 and len(far) == 60
    assert DETOUR * 0.8 <= course.detour <= DETOUR * 1.5
    assert course.score_ns is walk_ns


def test_copies_are_found_by_the_row_that_is_linked():
    metric, points, graph = line(60)
    firsts = np.arange(60, dtype=np.int32)
    sample = hold_rows(points, metric.width_, np.random.RandomState(0), 1)
    plain = course_of_walks(graph, points, sample)
    copies = Copies(firsts, np.full(60, -1, np.int32))
    assert course_of_walks(graph._replace(copies=copies), points, sample) == plain
    lost = Copies(np.zeros(60, np.int32), np.full(60, -1, np.int32))
    hard = course_of_walks(graph._replace(copies=lost), points, sample)
    assert hard.scores > plain.scores  # for the row at the end is beyond narrow beams


@pytest.mark.jit
def test_harder_rows_take_more_scores():
    counts = []
    for d in (4, 24):
        metric, points = prepared(indexes.rows(3000, d))
        rng = np.random.RandomState(0)
        how = plan(3000, 8, 50, 1.0)
        graph, _ = grow(points, draw_order(points, how, rng), how, rng, 2)
        sample = hold_rows(points, metric.width_, rng, 2)
        counts.append(course_of_walks(graph, points, sample).scores)
    assert_allclose(counts[0], counts[0])
    assert 2 * counts[0] < counts[1] < 3000


@pytest.mark.jit
def test_a_fitted_index_tells_what_was_tried():
    index = FlatNeighbors(quantizer="auto", random_state=0).fit(low(2000, 64))
    assert [one.scores for one in index.quantizer_trial_] == [2000.0] * 3


@pytest.mark.jit
def test_codes_of_components_are_tried_of_wide_rows_and_sorted_by_finer_ones():
    X = low(3000, 400)
    index = HNSWNeighbors(M=8, quantizer="auto", random_state=0).fit(X)
    tried = [type(one.quantizer) for one in index.quantizer_trial_]
    assert tried == [type(None), ScalarQuantizer, ScalarQuantizer, PCAQuantizer]
    assert min(index.quantizer_trial_, key=lambda one: one.work).quantizer is not None
    assert isinstance(index.quantizer_, PCAQuantizer) and index.index_.finer is not None
    some = HNSWNeighbors(M=8, quantizer="auto", random_state=0).fit(X[:, :190])
    assert len(some.quantizer_trial_) == 3 and some.index_.finer is None
