"""The nearest few of many keys, in whatever order they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._jit import kernel
from sklearn_jin.search.keys import NO_KEY, key_of
from sklearn_jin.search.shortlist import (
    SPARE,
    cut,
    others,
    push,
    push_sorted,
    select_smallest,
    shortlists,
    top_k,
)


@kernel
def push_all(some, lists, q):
    push(some, len(some), lists, q)


@kernel
def push_all_sorted(some, lists, q):
    for key in some:
        if key < lists.bounds[q]:
            push_sorted(lists.keys, lists.filled, lists.bounds, q, key)


def smallest(some, room, push_some=push_all):
    """Of the middle one of three lists: its keys as they are settled."""
    lists = shortlists(3, room)
    push_some(np.array(some, np.uint64), lists, 1)
    kept = top_k(lists)
    assert kept.shape == (3, room) and (kept[[0, 2]] == NO_KEY).all()
    return kept[1]


pushes = pytest.mark.parametrize("push_some", [push_all, push_all_sorted])


@pushes
@given(some=st.sets(st.integers(0, 2**63), max_size=200), room=st.integers(1, 9))
def test_the_smallest_keys_are_kept_in_order(push_some, some, room):
    expected = sorted(some)[:room]
    kept = smallest(list(some), room, push_some)
    assert_array_equal(kept[: len(expected)], np.array(expected, np.uint64))
    assert (kept[len(expected) :] == NO_KEY).all()


@pushes
@pytest.mark.parametrize("order", [1, -1])
def test_ascending_and_descending_keys(push_some, order):
    keys = np.arange(1000, dtype=np.uint64)[::order]
    assert_array_equal(smallest(keys, 7, push_some), np.arange(7))


def test_a_bound_is_set_when_a_list_is_cut():
    lists = shortlists(1, 2)
    push_all(np.arange(2 * SPARE - 1, dtype=np.uint64), lists, 0)  # of one score
    assert lists.bounds[0] >= 2 * SPARE - 2
    push_all(np.array([99], np.uint64), lists, 0)
    assert lists.filled[0] == 2 and lists.bounds[0] == 1


def test_what_is_at_the_bound_is_not_dropped():
    lists = shortlists(1, 3)
    lists.keys[0, :6], lists.filled[0], lists.bounds[0] = [5, 9, 2, 7, 4, 8], 6, 5
    assert_array_equal(top_k(lists)[0], [2, 4, 5])


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=60), st.integers(1, 9))
def test_a_bound_is_never_below_the_last_of_the_best(some, room):
    lists = shortlists(1, room)
    for n, key in enumerate(some):
        push_all(np.array([key], np.uint64), lists, 0)
        if n + 1 >= room:
            assert lists.bounds[0] >= sorted(some[: n + 1])[room - 1]


@given(st.permutations(range(40)), st.integers(1, 40))
def test_selection_puts_the_smallest_first_and_the_largest_of_them_last(order, room):
    keys = np.array([order], np.uint64)
    select_smallest(keys, 0, 40, room)
    assert sorted(keys[0, :room]) == [*range(room)] and keys[0, room - 1] == room - 1
    assert sorted(keys[0]) == [*range(40)]


def test_others_are_all_but_the_own_or_the_last():
    ids = np.array([[3, 1, 2], [1, 3, 2], [1, 2, 3], [7, -1, -1]])
    keep = others(ids, np.array([3, 3, 9, 7]))
    assert_array_equal(ids[keep].reshape(4, 2), [[1, 2], [1, 2], [1, 2], [-1, -1]])


@pytest.mark.parametrize("n", [21, 40, 64])
@pytest.mark.parametrize("kind", ["distinct", "ties"])
def test_a_cut_leaves_little_more_than_the_room(n, kind):
    rng, room = np.random.default_rng(n), 16
    scores = rng.random(n).astype(np.float32)
    if kind == "ties":
        scores = np.round(scores, 1)
    lists = shortlists(2, room)
    every = [key_of(score, i) for i, score in enumerate(scores)]
    keys = np.array(every, np.uint64)
    lists.keys[1, :n], lists.filled[1] = keys, n
    cut(lists.keys, lists.filled, lists.bounds, 1)
    left = lists.filled[1]
    assert room <= left <= room + room // 4
    assert_array_equal(np.sort(lists.keys[1, :left]), np.sort(keys)[:left])
    beyond = np.sort(keys)[left:]
    assert lists.keys[1, :left].max() <= lists.bounds[1]
    assert not len(beyond) or lists.bounds[1] < beyond[0]
    assert lists.filled[0] == 0 and lists.bounds[0] == NO_KEY
