"""A recall that is stated is met on queries that nobody saw, and by no great effort."""

import pickle
import warnings

import naive
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits

import sklearn_jin
from sklearn_jin import (
    DualBranchHNSWNeighbors,
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    IVFPCANeighbors,
    IVFPQNeighbors,
    NSWNeighbors,
    ScalarQuantizer,
    ScaNNNeighbors,
    SNGNeighbors,
    VamanaNeighbors,
)

GRAPHS = [HNSWNeighbors, NSWNeighbors, VamanaNeighbors, SNGNeighbors]
GRAPHS += [DualBranchHNSWNeighbors]
LISTS = [IVFNeighbors, IVFPCANeighbors, IVFPQNeighbors, ScaNNNeighbors]
N = 4000


def data(seed=0):
    """Rows that are hard to search for so few, and 500 more that nobody saw."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N + 500, 24)) + rng.integers(0, 2, (N + 500, 1))
    return X[:N].astype(np.float32), X[N:].astype(np.float32)


@pytest.fixture(scope="module")
def some():
    return data()


def made(c, **params):
    return c(**{"random_state": 0, "exact_threshold": 0, "n_jobs": 1, **params})


def found(index, X, Q, k):
    distances, _ = index.kneighbors(Q, k)
    return naive.recall(distances, naive.nearest_distances(X, Q, k))


@pytest.mark.jit
@pytest.mark.parametrize("c", GRAPHS + LISTS)
def test_queries_that_nobody_saw_find_what_was_stated(c, some):
    X, Q = some
    index = made(c, target_recall=0.9).fit(X)
    for target in (0.9, 0.98):
        index.set_params(target_recall=target)
        for k in (1, 10, 30):
            # 500 queries tell the recall to 0.01, a graph to one of 0.02 more.
            assert found(index, X, Q, k) > target - 0.015


@pytest.mark.jit
@pytest.mark.parametrize("c", [HNSWNeighbors, VamanaNeighbors, IVFPCANeighbors])
def test_more_recall_takes_more_effort_and_no_more_than_it_needs(c, some):
    X, Q = some
    index = made(c, target_recall=0.8).fit(X)
    efforts = {}
    for target in (0.8, 0.97):
        twin = index.set_params(target_recall=target)._twin()
        twin._choose(10)
        efforts[target] = twin._stated[1].effort
    assert 1.5 * efforts[0.8] < efforts[0.97]
    assert found(index.set_params(target_recall=0.8), X, Q, 10) < 0.94


@pytest.mark.jit
def test_the_calibration_is_a_table_that_can_be_read(some):
    index = made(HNSWNeighbors, target_recall=0.9).fit(some[0])
    table, asked = index.calibration_.table, index.calibration_.questions
    assert {s.k for s in table} == {1, 5, 10, 100}
    for s in table:
        assert 0 <= s.low <= s.recall <= s.high <= 1 and s.work > 0
    ten = sorted(s for s in table if s.k == 10)
    assert ten[-1].recall > ten[0].recall and ten[-1].work > ten[0].work
    assert len(asked.rows) == 1000 == len(set(asked.rows))
    assert index.calibration_.parameter == "ef_search"


@pytest.mark.jit
def test_a_row_that_is_asked_is_never_its_own_neighbour(some):
    from sklearn_jin.construction.calibrate import Source, ask_rows
    from sklearn_jin.search.answer import answer

    X = some[0].copy()
    X[10] = X[20]  # of which neither is alone
    for c in (HNSWNeighbors, IVFNeighbors, IVFPCANeighbors, FlatNeighbors):
        index = (made(c) if c is not FlatNeighbors else c()).fit(X)
        rows = np.arange(0, 4000, 50)
        for part in ask_rows(Source(index.index_, 1.1), rows, 5):
            own = part.rows.astype(np.int32)
            search = index._search(5)._replace(absent=own)
            _, ids = answer(part.index, part.queries, search)
            alone = (own != 10) & (own != 20)
            assert not (ids == own[:, None])[alone].any()
            assert not (part.ids == own[:, None]).any()


@pytest.mark.jit
@pytest.mark.parametrize("c", [HNSWNeighbors, IVFPCANeighbors])
def test_threads_do_not_change_the_calibration(c, some):
    one, two = (made(c, target_recall=0.9, n_jobs=n).fit(some[0]) for n in (1, 2))
    assert one.calibration_.table == two.calibration_.table
    for a, b in zip(one.calibration_.questions, two.calibration_.questions):
        assert_array_equal(a, b)


@pytest.mark.jit
def test_no_target_leaves_everything_as_it_was(some):
    X, Q = some
    plain, stated = made(HNSWNeighbors).fit(X), made(HNSWNeighbors, target_recall=0.9)
    assert plain.calibration_ is None
    stated.fit(X).set_params(target_recall=None)
    assert_array_equal(plain.kneighbors(Q)[1], stated.kneighbors(Q)[1])


@pytest.mark.jit
def test_files_pickles_and_clones(some, tmp_path):
    X, Q = some
    index = made(IVFPCANeighbors, target_recall=0.9).fit(X)
    expected = index.kneighbors(Q, 7)[1]  # which fit did not calibrate
    index.save(tmp_path)
    for twin in (
        pickle.loads(pickle.dumps(index)),
        sklearn_jin.load(tmp_path),
        sklearn_jin.load(tmp_path, mmap_mode="r"),
    ):
        assert twin.calibration_.table == index.calibration_.table
        assert_array_equal(twin.kneighbors(Q, 7)[1], expected)
    assert clone(index).target_recall == 0.9
    assert not hasattr(clone(index), "calibration_")


def test_what_contradicts_is_refused():
    X = np.random.default_rng(0).random((50, 4))
    with pytest.raises(ValueError, match=r"target_recall=0\.9.*ef_search=30"):
        made(HNSWNeighbors, target_recall=0.9, ef_search=30).fit(X)
    with pytest.raises(ValueError, match=r"target_recall=0\.9.*n_probes=3"):
        made(IVFNeighbors, target_recall=0.9, n_probes=3).fit(X)
    for wrong in (0, 1, 1.5, "high"):
        with pytest.raises(ValueError, match="target_recall"):
            made(HNSWNeighbors, target_recall=wrong).fit(X)
    index = made(HNSWNeighbors).fit(X)
    with pytest.raises(ValueError, match=r"not calibrated, as target_recall=None"):
        index.query_drift(X)
    for wrong in (0, 1.5, "few", True, [3, np.nan]):
        with pytest.raises(ValueError, match=r"k=.* must be an integer from 1 on"):
            index.calibrate(k=wrong)
    index.set_params(target_recall=0.9)
    with pytest.raises(ValueError, match=r"target_recall=0\.9 .* calibrate\(\)"):
        index.kneighbors(X)
    index.calibrate().kneighbors(X)
    index.set_params(adaptive=False)
    with pytest.raises(ValueError, match=r"adaptive was changed .* calibrate\(\)"):
        index.kneighbors(X)
    index.set_params(adaptive=True, target_recall=2)
    for wrong in (2, np.array(0.5)):
        with pytest.raises(ValueError, match=r"target_recall=.* must be None or"):
            index.set_params(target_recall=wrong).kneighbors(X)


@pytest.mark.parametrize("n", [1, 2, 3, 30])
def test_the_fewest_rows_are_calibrated(n):
    X = np.random.default_rng(0).random((n, 4))
    for c in (HNSWNeighbors, IVFNeighbors):
        for threshold in (0, 1000):
            index = made(c, target_recall=0.9, exact_threshold=threshold).fit(X)
            assert_array_equal(index.kneighbors(X, 1)[1][:, 0], np.arange(n))


@pytest.mark.jit
def test_a_recall_out_of_reach_is_told(some):
    X, _ = some
    index = made(IVFNeighbors, quantizer=sklearn_jin.RaBitQ(1), rerank=1)
    with pytest.warns(UserWarning, match=r"target_recall=0\.9 was not .*rerank"):
        index.set_params(target_recall=0.9).fit(X)
    best = max(s.recall for s in index.calibration_.table if s.k == 5)
    assert best < 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index.set_params(rerank=None).fit(X)  # and takes as many as it needs


@pytest.mark.jit
def test_queries_of_another_kind_are_told_and_calibrated_on(some):
    X, Q = some
    far = (Q + 6 * np.random.default_rng(5).standard_normal(Q.shape)).astype("f")
    index = made(HNSWNeighbors, target_recall=0.95, n_neighbors=10).fit(X)
    assert 0.8 < index.query_drift(Q) < 1.2 and index.query_drift(far) > 1.5
    index.calibrate(far[:250])
    assert index.calibration_.questions.queries.shape[0] == 250
    assert 0.8 < index.query_drift(far[250:]) < 1.2
    assert found(index, X, far[250:], 10) > 0.93
    assert found(index.calibrate(k=[7]), X, Q, 7) > 0.93
    assert any(s.k == 7 for s in index.calibration_.table)


@pytest.mark.jit
def test_recall_is_measured_at_any_time(some):
    X, Q = some
    for c in (HNSWNeighbors, IVFPCANeighbors):
        index = made(c, n_neighbors=10).fit(X)
        index.set_params(**{c._knob: 40})
        true = found(index, X, Q, 10)
        told = index.score_recall(Q)
        assert told.recall == pytest.approx(true, abs=1e-9)
        assert told.low < true < told.high
        own = index.score_recall(n_queries=1000)
        assert -0.04 < own.recall - true < 0.02
    assert FlatNeighbors().fit(X).score_recall().recall == 1
    with pytest.raises(ValueError, match=r"n_neighbors=4000 must be at most 3999"):
        index.score_recall(n_neighbors=4000)
    for wrong in (0, 2.5, "all", None):
        with pytest.raises(ValueError, match=r"n_queries=.* must be an integer"):
            index.score_recall(n_queries=wrong)


@pytest.mark.jit
def test_rows_that_are_not_kept_are_calibrated_on_in_fit_only(some):
    X, Q = some
    index = made(
        HNSWNeighbors,
        quantizer=ScalarQuantizer(8),
        store_vectors="int8",
        target_recall=0.9,
    ).fit(X)
    ids = index.kneighbors(Q, 10)[1]
    assert np.isin(ids, naive.nearest(X, Q, 10)).mean() > 0.8
    for call in (index.calibrate, index.score_recall):
        with pytest.raises(ValueError, match=r"'int8' keeps no rows .* in fit only"):
            call()


@pytest.mark.jit
def test_rows_that_come_and_go(some):
    X, Q = some
    index = made(HNSWNeighbors, target_recall=0.9).fit(X[:3000])
    before = index.calibration_.table
    index.partial_fit(X[3000:3100]).remove(np.arange(50))
    assert index.calibration_.table == before  # few
    assert found(index, X[50:3100], Q, 12) > 0.88  # measured anew, of rows left
    index.partial_fit(X[3100:])
    assert index.calibration_.n_rows == index.n_rows_ > 3900
    index.compact()
    assert index.calibration_.n_rows == index.n_rows_
    assert found(index, X[50:], Q, 10) > 0.88


@pytest.mark.jit
@pytest.mark.parametrize("metric", ["inner_product", "cosine", "manhattan"])
def test_other_metrics_are_calibrated(metric, some):
    X, Q = some
    index = made(HNSWNeighbors, metric=metric, target_recall=0.9, n_neighbors=10)
    told = index.fit(X).score_recall(Q)
    assert told.recall > 0.87
    assert np.isfinite(index.query_drift(Q))


@pytest.mark.jit
def test_searches_within_a_radius_and_limits_go_by_the_calibration(some):
    X, Q = some
    index = made(HNSWNeighbors, target_recall=0.95).fit(X)
    radius = float(np.median(naive.nearest_distances(X, Q, 20)[:, -1]))
    ids = index.radius_neighbors(Q, radius)[1]
    exact = FlatNeighbors().fit(X).radius_neighbors(Q, radius)[1]
    assert sum(map(len, ids)) > 0.93 * sum(map(len, exact))
    half = np.arange(N) % 2 == 0
    distances = index.kneighbors(Q, 10, where=half)[0]
    exact = naive.nearest_distances(X[half], Q, 10)
    assert naive.recall(distances, exact) > 0.93
    assert index.kneighbors(n_neighbors=10)[1].shape == (N, 10)


def test_efforts_grow_on_where_queries_are_not_short_of_neighbours_any_more():
    X = load_digits().data
    index = IVFPCANeighbors(n_neighbors=100, target_recall=0.99, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a recall that was not reached
        index.fit(X[:1500])
    assert index.score_recall(X[1500:]).recall > 0.98


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e4])
def test_products_drift_by_no_unit(scale):
    X, Q = data()
    index = HNSWNeighbors(metric="inner_product", target_recall=0.9, random_state=0)
    index.fit(scale * X[:1000])
    assert 0.8 < index.query_drift(scale * Q) < 1.25


def test_rows_of_lists_are_asked_among_all_others():
    from sklearn_jin.construction.calibrate import Source, ask_rows

    X, _ = data()
    index, rows = IVFNeighbors(random_state=0).fit(X), np.arange(0, N, 5)
    (part,) = ask_rows(Source(index.index_), rows, 5)  # a fifth of all at once
    assert_array_equal(part.ids, naive.nearest(X, X[rows], 6)[:, 1:])


def test_an_index_that_was_calibrated_after_a_change_is_loaded(tmp_path):
    X, Q = data()
    index = IVFPCANeighbors(target_recall=0.9, random_state=0).fit(X[:2000])
    index.partial_fit(X[2000:2005]).remove([7]).calibrate()
    index.save(tmp_path / "index")
    loaded = sklearn_jin.load(tmp_path / "index")
    assert loaded.calibration_.table == index.calibration_.table
    assert_array_equal(loaded.kneighbors(Q)[1], index.kneighbors(Q)[1])
