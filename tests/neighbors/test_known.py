"""Single queries, of which much is remembered, are answered as they are in a batch."""

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin import FlatNeighbors, HNSWNeighbors, IVFPCANeighbors, ScalarQuantizer
from sklearn_jin.neighbors import _known

SMALL = {"exact_threshold": 0, "random_state": 0, "n_jobs": 1}


def rows(n, d=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def fitted():
    return HNSWNeighbors(ef_search=12, **SMALL).fit(rows(400))


@pytest.fixture
def index():
    return fitted()


def check_single_queries(index, k=3):
    """Compare them, twice and of both types, with a batch that is too large for it."""
    Q = rows(2 * _known.FEW, index.n_features_in_, seed=9)
    batch = index.kneighbors(Q, k)
    for _ in range(2):
        for dtype in (np.float64, np.float32):
            own = index.kneighbors(Q.astype(dtype), k) if dtype != Q.dtype else batch
            for q in range(0, len(Q), 5):
                found = index.kneighbors(Q[q : q + 1].astype(dtype), k)
                for some, whole in zip(found, own):
                    assert_array_equal(some[0], whole[q])


def test_parameters_are_read_at_every_query(index):
    for k, ef in ((3, 12), (7, 12), (3, 90), (3, 400), (3, 12)):
        check_single_queries(index.set_params(ef_search=ef), k)
    assert len(_known.known_of(index, index.index_).searches) == 4


@pytest.mark.parametrize("ef", [12.0, [12], np.array([12]), True + 0.5])
def test_what_equals_a_parameter_is_refused_all_the_same(index, ef):
    index.kneighbors(rows(1))
    with pytest.raises(ValueError, match="ef_search"):
        index.set_params(ef_search=ef).kneighbors(rows(1))


def test_another_fit_is_another_index(index):
    check_single_queries(index)
    check_single_queries(index.set_params(quantizer=ScalarQuantizer(4)).fit(rows(300)))
    few = index.set_params(quantizer=None, store_vectors="float16", metric="cosine")
    check_single_queries(few.fit(rows(300, d=9)))
    check_single_queries(few.set_params(exact_threshold=1000).fit(rows(300)))


def test_a_query_that_a_fit_overtakes_keeps_to_its_own_index(index, monkeypatch):
    """As if another thread had fitted while the query was prepared."""
    other = fitted().set_params(quantizer=ScalarQuantizer(4)).fit(rows(50))
    before, prepare, used = index.kneighbors(rows(1), 3), HNSWNeighbors._prepare, []

    def overtaken(twin, X):
        monkeypatch.setattr(HNSWNeighbors, "_prepare", prepare)
        index.__dict__ = vars(other).copy()
        index.kneighbors(X, 3)  # so that its kernels are known
        return prepare(twin, X)

    def search(known, twin, k, found=_known.Known.search):
        used.append(known.index is twin.index_)
        assert used[-1]  # else arrays of other types, which may end the process
        return found(known, twin, k)

    monkeypatch.setattr(HNSWNeighbors, "_prepare", overtaken)
    monkeypatch.setattr(_known.Known, "search", search)
    for one, two in zip(before, index.kneighbors(rows(1), 3)):
        assert_array_equal(one, two)
    assert len(used) == 2


def test_changed_rows_are_found(index):
    check_single_queries(index)
    index.partial_fit(rows(3, seed=5) / 50)
    check_single_queries(index)
    assert index.kneighbors(np.zeros((1, 6)), 1)[1] >= 400
    index.remove([400, 401, 402]).compact()
    check_single_queries(index)


@pytest.mark.parametrize("kind", [FlatNeighbors, IVFPCANeighbors])
def test_other_indexes_remember_their_searches(kind):
    index = kind(random_state=0).fit(rows(1500))
    check_single_queries(index)


@pytest.mark.parametrize("replace", ["fit", "partial_fit", "del"])
def test_nothing_is_kept_of_an_index_that_is_gone(replace):
    index = fitted()
    index.kneighbors(rows(1))
    gone = weakref.ref(index.index_.points.X)
    if replace == "del":
        del index
    elif replace == "fit":
        index.fit(rows(20))
    else:
        index.partial_fit(rows(900, seed=1))
    gc.collect()
    assert gone() is None


class Wider(HNSWNeighbors):
    """Its search reads what no other does."""

    def _search(self, k):
        return super()._search(k)._replace(effort=self.width, adaptive=False)


def test_parameters_of_an_index_of_the_users_are_read_too():
    index = Wider(ef_search=12, **SMALL)
    index.width = 2
    index.fit(rows(400, d=30))
    Q = rows(16, d=30, seed=9)
    few = [index.kneighbors(Q, 1)[0] for index.width in (1, 399)]
    assert few[1].sum() < few[0].sum()
