"""The nearest few of many keys, in whatever order they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._jit import kernel
from sklearn_jin.search.keys import NO_KEY, key_of, split_keys
from sklearn_jin.search.shortlist import (
    SPARE,
    push,
    select_smallest,
    shortlists,
    top_k,
)


@kernel
def push_all(some, lists, q):
    push(some, len(some), lists, q)


def smallest(some, room):
    """Of the middle one of three lists: its keys as they are settled."""
    lists = shortlists(3, room)
    push_all(np.array(some, np.uint64), lists, 1)
    kept = top_k(lists)
    assert (kept[[0, 2]] == NO_KEY).all()
    return kept[1]


@given(st.sets(st.integers(0, 2**63), max_size=200), st.integers(1, 9))
def test_the_smallest_keys_are_kept_in_order(some, room):
    expected = sorted(some)[:room]
    kept = smallest(list(some), room)
    assert_array_equal(kept[: len(expected)], np.array(expected, np.uint64))
    assert (kept[len(expected) :] == NO_KEY).all()


@pytest.mark.parametrize("order", [1, -1])
def test_ascending_and_descending_keys(order):
    keys = np.arange(1000, dtype=np.uint64)[::order]
    assert_array_equal(smallest(keys, 7), np.arange(7))


def test_a_bound_is_set_when_a_list_is_cut():
    lists = shortlists(1, 2)
    push_all(np.arange(2 * SPARE - 1, dtype=np.uint64), lists, 0)  # of one score
    assert lists.bounds[0] >= 2 * SPARE - 2
    push_all(np.array([99], np.uint64), lists, 0)
    assert lists.filled[0] == 2 and lists.bounds[0] == 1


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=60), st.integers(1, 9))
def test_a_bound_is_never_below_the_last_of_the_best(some, room):
    lists = shortlists(1, room)
    for n, key in enumerate(some):
        push_all(np.array([key], np.uint64), lists, 0)
        if n + 1 >= room:
            assert lists.bounds[0] >= sorted(some[: n + 1])[room - 1]


@given(st.permutations(range(40)), st.integers(1, 40))
def test_a_cut_puts_the_smallest_first_and_the_largest_of_them_last(order, room):
    keys = np.array([order], np.uint64)
    select_smallest(keys, 0, 40, room)
    assert sorted(keys[0, :room]) == [*range(room)] and keys[0, room - 1] == room - 1
    assert sorted(keys[0]) == [*range(40)]


def test_ids_are_those_of_keys_and_minus_one_where_there_is_none():
    ids = np.array([[0, 5], [2**31 - 1, 7]])
    keys = np.array([[key_of(np.float32(2), i) for i in row] for row in ids], np.uint64)
    keys |= np.array([[0, 1], [0, 1]], np.uint64)  # the flag is no part of an id
    assert_array_equal(split_keys(keys)[0], ids)
    keys[1, 1] = NO_KEY
    assert_array_equal(split_keys(keys)[0], [[0, 5], [2**31 - 1, -1]])
    assert split_keys(keys)[0].dtype == np.int32
