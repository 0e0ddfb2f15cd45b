"""The steps of a walk do to arrays what lists and sets would have done."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin import _simd
from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen
from sklearn_jin._simd.pool import (
    _plain_below,
    _plain_insert,
    _plain_list_new,
    _plain_lowest,
)

NUMBERS = np.array([0, 1e-45, 1e-38, 0.5, 1, 3, 1e38, np.inf, np.nan], np.float32)


@kernel
def insert(keys, start, filled, key):
    return _simd.insert(keys, start, filled, key)


@kernel
def below(scores, start, bound):
    return _simd.below(scores, start, bound)


@kernel
def lowest(bits):
    return _simd.lowest(bits)


@kernel
def list_new(rows, i, met, start, found, first):
    return _simd.list_new(rows, i, met, start, found, first)


@kernel
def float_bits(x):
    return _simd.float_bits(x)


@kernel
def bits_float(bits):
    return _simd.bits_float(bits)


# Ascending keys

LAST = 2**64 - 1


def pool_of(keys, room, lanes=1):
    """Pools for ``room`` keys each, the middle one of which holds ``keys``."""
    places = (room + 7) // 8 * 8 + 8
    pools = np.full((lanes, places), LAST, np.uint64)
    pools[lanes // 2, : len(keys)] = np.sort(keys)
    return pools.reshape(-1), lanes // 2 * places, places


def inserted(keys, key, start, filled):
    """Rank and pool after an insertion, by a list."""
    some = keys[start : start + filled].tolist()
    rank = sum(other <= key for other in some)
    some.insert(rank, key)
    return rank, some


def check_insert(keys, key, room, lanes=1):
    pool, start, places = pool_of(np.array(keys, np.uint64), room, lanes)
    filled, before = min(len(keys), room - 1), pool.copy()
    rank, wanted = inserted(pool, key, start, filled)
    twin = pool.copy()
    assert insert(pool, start, filled, np.uint64(key)) == rank
    assert _plain_insert(twin, start, filled, np.uint64(key)) == rank
    for found in (pool, twin):
        assert found[start : start + filled + 1].tolist() == wanted
        # Nothing but what drops out stands behind, and no other lane has changed.
        dropped = max(map(int, keys[filled:]), default=LAST)
        assert {*found[start + filled + 1 : start + places].tolist()} <= {dropped, LAST}
        assert_array_equal(found[:start], before[:start])
        assert_array_equal(found[start + places :], before[start + places :])


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 40])
@pytest.mark.parametrize("lanes", [1, 3])
def test_a_key_is_inserted_at_every_rank(n, lanes):
    for rank in range(n + 1):
        check_insert([10 * (i + 1) for i in range(n)], 10 * rank + 5, n + 1, lanes)


@pytest.mark.parametrize("room", [1, 2, 7, 8, 9, 16, 17, 33])
def test_the_last_key_of_a_full_pool_drops_out(room):
    for rank in range(room):
        check_insert([10 * (i + 1) for i in range(room)], 10 * rank + 5, room, 3)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 24])
def test_a_key_is_inserted_behind_equal_ones(n):
    for key in (4, 5, 6):
        check_insert([5] * n, key, n + 1)


@pytest.mark.parametrize("key", [0, 1, 2**63 - 1, 2**63, LAST - 1])
def test_keys_are_unsigned(key):
    check_insert([0, 3, 2**63 - 1, 2**63, 2**63 + 1, LAST - 1], key, 20)


few_keys = st.lists(st.integers(0, 30) | st.integers(0, LAST - 1), max_size=60)


@given(few_keys, st.integers(0, 30) | st.integers(0, LAST - 1), st.integers(0, 20))
@settings(max_examples=150)
def test_insertion_is_that_into_a_list(keys, key, more):
    check_insert(keys, key, len(keys) + 1 + more, 3)


@given(few_keys, st.integers(1, 40))
@settings(max_examples=100)
def test_insertions_sort_and_keep_the_smallest(keys, room):
    pool, start, places = pool_of([], room, 3)
    for n, key in enumerate(keys):
        if key < pool[start + room - 1]:
            insert(pool, start, min(n, room - 1), np.uint64(key))
    wanted = sorted(keys)[:room]
    assert pool[start : start + len(wanted)].tolist() == wanted
    assert (pool[:start] == LAST).all() and (pool[start + places :] == LAST).all()


# Scores that are near enough

SCORES = [0, 1e-45, 1, 2, np.inf, np.nan]


@given(
    st.lists(st.sampled_from(SCORES), min_size=32, max_size=32),
    st.sampled_from([*SCORES, 1.5, -np.inf]),
    st.sampled_from([0, 1, 5, 32]),
)
@settings(max_examples=150)
def test_below_tells_what_is_not_above_the_bound(values, bound, start):
    scores = np.full(start + 40, 1, np.float32)
    scores[start : start + 32], bound = values, np.float32(bound)
    wanted = sum(1 << j for j, score in enumerate(values) if not score > bound)
    assert below(scores, start, bound) == wanted
    assert _plain_below(scores, start, bound) == wanted


@pytest.mark.parametrize("j", range(32))
def test_each_score_has_its_own_bit(j):
    scores = np.full(32, 2, np.float32)
    scores[j] = 1
    assert below(scores, 0, np.float32(1.5)) == 1 << j


def test_nothing_is_known_to_be_above_a_missing_bound():
    scores = np.array([np.nan, np.inf] * 16, np.float32)
    assert below(scores, 0, np.float32(np.nan)) == 2**32 - 1
    assert below(scores, 0, np.float32(np.inf)) == 2**32 - 1
    assert below(scores, 0, np.float32(9)) == 0x55555555  # the NaNs


@given(st.integers(1, 2**32 - 1))
def test_lowest_is_the_number_of_zeros_below(bits):
    wanted = len(f"{bits:b}") - len(f"{bits:b}".rstrip("0"))
    assert lowest(np.uint32(bits)) == _plain_lowest(bits) == wanted


@pytest.mark.parametrize("j", range(32))
def test_lowest_of_one_bit(j):
    assert lowest(np.uint32(1 << j)) == j
    assert lowest(np.uint32(2**32 - (1 << j))) == j


# Nodes that were not met


def check_list_new(row, known, start=2, first=3):
    """List the new ones of ``row``, the second of three; 200 numbers there are."""
    rows = np.full((3, len(row)), 7, np.int32)
    rows[1] = row
    met = np.zeros(start + 4 + 2, np.uint64)
    met[:start], met[start + 4 :] = 9, 9  # other lanes'
    for j in known:
        met[start + j // 64] |= np.uint64(1 << j % 64)
    ends = row.index(-1) if -1 in row else len(row)
    wanted = [j for j in dict.fromkeys(row[:ends]) if j not in known]
    all_met = {*known, *row[:ends]}
    for function in (list_new, _plain_list_new):
        marks, found = met.copy(), np.full(first + len(row) + 2, -7, np.int32)
        assert function(frozen(rows), 1, marks, start, found, first) == len(wanted)
        assert found[first : first + len(wanted)].tolist() == wanted
        assert (found[:first] == -7).all() and (found[first + len(row) :] == -7).all()
        bits = np.unpackbits(marks[start : start + 4].view(np.uint8), bitorder="little")
        assert {*np.flatnonzero(bits).tolist()} == all_met
        assert_array_equal(marks[:start], met[:start])
        assert_array_equal(marks[start + 4 :], met[start + 4 :])


@pytest.mark.parametrize(
    "row",
    [
        [-1],
        [5],
        [0, 63, 64, 127, 128, 199],  # words' first and last bits; a full row
        [10, 11, 12, 13],  # one word
        [70, 3, 71, 2, -1, -1],
        [4, 4, 4],
        [8, -1, 9, 10],
        [9, 8, 7, 6, 5, -1],
    ],
    ids=str,
)
@pytest.mark.parametrize("known", [[], [5, 11, 64, 9], range(200)], ids=len)
def test_a_row_lists_what_was_not_met(row, known):
    check_list_new(row, known)


numbers = st.integers(0, 199)


@given(
    st.lists(numbers | st.just(-1), min_size=1, max_size=40),
    st.sets(numbers),
    st.integers(0, 3),
    st.integers(0, 5),
)
@settings(max_examples=150)
def test_rows_are_listed_by_the_definition(row, known, start, first):
    check_list_new(row, known, start, first)


def test_a_row_is_listed_once():
    rows = frozen(np.arange(24, dtype=np.int32).reshape(1, 24))
    met, found = np.zeros(1, np.uint64), np.empty(24, np.int32)
    assert list_new(rows, 0, met, 0, found, 0) == 24
    assert list_new(rows, 0, met, 0, found, 0) == 0


# Bits of a float


def test_float_bits_are_the_bits_of_the_number():
    assert [float_bits(x) for x in NUMBERS] == NUMBERS.view(np.uint32).tolist()


def test_bits_float_is_the_number_of_the_bits():
    found = np.array([bits_float(bits) for bits in NUMBERS.view(np.uint32)], np.float32)
    assert_array_equal(found.view(np.uint32), NUMBERS.view(np.uint32))


def test_bits_rank_as_numbers_do():
    bits = [float_bits(x) for x in NUMBERS]
    assert bits == sorted(bits)
