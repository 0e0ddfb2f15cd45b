"""The fitted index as one value: what it weighs, and that damage to it is told."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from routes import DATA, NAMES, fitted

from sklearn_jin import FlatNeighbors, HNSWNeighbors, ScalarQuantizer
from sklearn_jin._simd import BLOCK
from sklearn_jin.search import fastscan
from sklearn_jin.search import index as module
from sklearn_jin.search.index import (
    FLAT,
    Index,
    Learned,
    allowed_ids,
    candidates_wanted,
    check,
    n_bytes,
    usage,
)


@pytest.fixture(params=NAMES)
def index(request):
    return fitted(request.param, "copies").index_


def arrays(record, path=()):
    """Every array in a record of records, by the names that lead to it."""
    if isinstance(record, np.ndarray):
        yield path, record
    elif isinstance(record, tuple):
        for name in getattr(record, "_fields", ()):  # () stands for nothing
            yield from arrays(getattr(record, name), (*path, name))


def replaced(record, path, array):
    """``record`` with another array at the end of ``path``."""
    if not path:
        return array
    part = replaced(getattr(record, path[0]), path[1:], array)
    return record._replace(**{path[0]: part})


def changed(array, place, value):
    array = np.array(array)
    array.flat[place] = value
    return array


def ids_of(index):
    """The arrays of a route that are ids, or tell where some are."""
    for path, array in arrays(index.route, ("route",)):
        if array.dtype in (np.int32, np.int64) and array.size:
            yield path, array


def test_what_fit_makes_is_sound(index):
    check(index)


def test_ids_beyond_the_rows_are_told(index):
    for path, array in ids_of(index):
        for place in (0, -1):
            for value in (-2, 10**6, 2**31 - 1, -(2**31)):
                damaged = replaced(index, path, changed(array, place, value))
                with pytest.raises(ValueError, match="damaged: it holds ids beyond"):
                    check(damaged)


WHOLE = ("points", "grid", "layout", "middles", "scales", "radius", "signs", "center")


def test_arrays_of_other_lengths_are_told(index):
    told = []
    for part in ("codes", "route"):
        for path, array in arrays(getattr(index, part), (part,)):
            if array.size and not {*WHOLE} & {*path[1:]}:
                axis = int(path[-1] in ("levels", "factors") and array.ndim > 1)
                other = np.delete(array, -1, axis)
                if path[-2] == "codes" and array.shape[axis] == 1:  # but one block
                    other = np.concatenate([array, array], axis)
                with pytest.raises(ValueError, match="fit it again"):
                    check(replaced(index, path, other))
                    pytest.fail(f"not told: {path}")
                told.append(path)
    assert told or index.route == FLAT


def test_ranks_of_another_layer_are_told():
    index = fitted("layers", "distinct").index_
    layers = index.route
    sizes = np.diff(layers.starts)
    assert len(sizes) > 1
    damaged = changed(layers.upper, 0, sizes[0])  # a rank of the next layer alone
    with pytest.raises(ValueError, match="damaged"):
        check(index._replace(route=layers._replace(upper=damaged)))
    starts = changed(layers.starts, 1, layers.starts[1] + 1)
    with pytest.raises(ValueError, match="damaged"):
        check(index._replace(route=layers._replace(starts=starts)))


def test_copies_that_follow_one_another_in_a_ring_are_told():
    index = fitted("layers", "copies").index_
    copies = index.route.copies
    for i, j in ((0, 0), (copies.following[0], 0)):
        ring = copies._replace(following=changed(copies.following, i, j))
        with pytest.raises(ValueError, match="damaged"):
            check(index._replace(route=index.route._replace(copies=ring)))


@pytest.mark.parametrize("name", ["flat-codes", "layers", "lists"])
def test_a_damaged_pickle_is_refused(name):
    index = copy.copy(fitted(name))
    sound, rows = index.index_, index.index_.points.X
    damaged = [replaced(sound, ("points", "X"), rows[:0])]
    for path, array in ids_of(sound):
        damaged.append(replaced(sound, path, changed(array, 0, 10**6)))
    for index.index_ in damaged:
        with pytest.raises(ValueError, match="the index is damaged"):
            pickle.loads(pickle.dumps(index))
    index.index_, index.n_samples_fit_ = sound, len(rows) + 1
    with pytest.raises(ValueError, match="the index is damaged"):
        pickle.loads(pickle.dumps(index))
    index.n_samples_fit_ = len(rows)
    assert_array_equal(
        pickle.loads(pickle.dumps(index)).kneighbors(rows[:, :6])[1],
        index.kneighbors(rows[:, :6])[1],
    )


@pytest.mark.parametrize("name", ["blocks", "lists-factors"])
def test_codes_that_another_cpu_turned_answer_alike(name):
    index, path = copy.copy(fitted(name)), ("route", "codes")[: 1 + (name != "blocks")]
    sound, blocks = index.index_, index.index_
    for part in path:
        blocks = getattr(blocks, part)
    queries, n = DATA["copies"], len(blocks.blocks) * BLOCK
    wanted = index.kneighbors(queries)
    for turn in (fastscan.turn_bytes, fastscan.turn_fours):
        turned = turn(fastscan.compact_codes(blocks, n))
        index.index_ = replaced(sound, (*path, "blocks"), turned)
        twin = pickle.loads(pickle.dumps(index))
        for found, part in zip(twin.kneighbors(queries), wanted):
            assert_array_equal(found, part)
        loaded = twin.index_.route if name == "blocks" else twin.index_.route.codes
        assert_array_equal(loaded.blocks, blocks.blocks)


@pytest.mark.parametrize(
    "kind", [FlatNeighbors(), HNSWNeighbors(exact_threshold=0)], ids=["flat", "graph"]
)
def test_codes_that_are_all_that_is_kept_are_one_record_in_a_pickle_too(kind):
    kind.set_params(quantizer=ScalarQuantizer(8), store_vectors=False, random_state=0)
    index = kind.fit(DATA["distinct"])
    for twin in (index, pickle.loads(pickle.dumps(index))):
        assert twin.index_.points is twin.index_.codes
        assert twin.memory_usage()["codes"] == 0
    assert_array_equal(twin.kneighbors()[1], index.kneighbors()[1])


def test_usage_counts_every_array_once(index):
    parts = (index.points, index.codes, index.route)
    n_every = sum(array.nbytes for part in parts for _, array in arrays(part))
    told = usage(index)
    assert told.keys() == {"points", "codes", "index"}
    assert sum(told.values()) == n_every + index.learned.spread.nbytes
    assert told["points"] == n_bytes(index.points) > 0


def test_codes_of_routes_are_counted_as_codes():
    for name in ("blocks", "lists-factors", "flat-codes", "layers-codes"):
        assert usage(fitted(name).index_)["codes"] > 0
    for name in ("flat", "layers", "lists"):
        assert usage(fitted(name).index_)["codes"] == 0


@pytest.mark.parametrize("allowed", [None, [1, 0, 1, 0], [0] * 4])
def test_allowed_ids_are_those_of_the_mask(allowed):
    mask = None if allowed is None else np.array(allowed, bool)
    found = allowed_ids(mask, 4)
    assert found.dtype == np.int32
    assert_array_equal(found, np.arange(4) if mask is None else np.flatnonzero(mask))


def test_other_routes_are_refused():
    with pytest.raises(TypeError, match="Learned has no registered propose"):
        module.propose(Learned(), None, None, None, None)


def with_codes(rerank, bounds=False):
    index = fitted("lists-factors" if bounds else "flat-codes").index_
    return index._replace(learned=Learned(rerank, 1.25))


WANTED = [  # k, rerank, most; room and overestimate
    (5, None, 99, (20, np.inf)),  # what was learned
    (5, 1, 99, (5, np.inf)),
    (5, 2.5, 99, (13, np.inf)),
    (5, 1e9, 40, (40, np.inf)),
    (50, 4, 40, (50, np.inf)),  # as many as neighbours at least
    (5, "bound", 40, (40, 1.25)),
    (5, "bound", 999, (60, 1.25)),  # no more than there are
]


@pytest.mark.parametrize("k, rerank, most, wanted", WANTED)
def test_as_many_candidates_are_wanted_as_asked_for(k, rerank, most, wanted):
    index = with_codes(4.0)
    assert candidates_wanted(index, k, rerank, most) == wanted
    finer = index._replace(finer=index.codes)  # end exact scoring always
    assert candidates_wanted(finer, k, rerank, most) == (wanted[0], 1.25)


@pytest.mark.parametrize(
    "k, rerank, most, wanted",
    [(1, None, 99, 7), (5, None, 99, 10), (1, None, 3, 3), (1, 2, 99, 2)],
)
def test_few_neighbours_have_the_least_number_of_candidates(k, rerank, most, wanted):
    index = with_codes(2.0)
    index = index._replace(learned=index.learned._replace(least=7))
    assert candidates_wanted(index, k, rerank, most) == (wanted, np.inf)


def test_bounds_of_codes_are_no_overestimate_and_rows_need_no_candidates():
    assert candidates_wanted(with_codes(4.0, True), 5, "bound", 40) == (40, 1.0)
    for rerank in (None, 3, "bound"):
        assert candidates_wanted(with_codes(None), 5, rerank, 40) == (5, np.inf)


def test_an_index_learned_nothing_by_default():
    index = Index(None, (), None, ())
    assert index.learned.rerank is None and index.learned.overestimate == np.inf
    assert len(index.learned.spread) == 0 and index.learned.decoder is None
