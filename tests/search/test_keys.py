"""Keys: a score and an id in one number, in the order of both."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin._jit import kernel
from sklearn_jin.search.keys import (
    EXPANDED,
    INFINITE,
    NO_KEY,
    id_of,
    key_of,
    score_of,
    split_keys,
)

numbers = st.tuples(st.floats(0, allow_nan=False, width=32), st.integers(0, 2**31 - 1))


@kernel
def opened(key):
    return score_of(key), id_of(key)


def key(score, i):
    return key_of(np.float32(score), i)


@given(numbers)
@settings(max_examples=50)
def test_a_key_gives_back_what_it_was_made_of(number):
    assert opened(key(*number)) == number
    assert opened(np.uint64(key(*number)) | EXPANDED) == number


@given(numbers, numbers)
@settings(max_examples=50)
def test_keys_are_ordered_as_pairs_of_score_and_id(one, other):
    assert (key(*one) < key(*other)) == (one < other)


def test_what_is_not_finite_is_ordered_last():
    assert key(3e38, 2**31 - 1) < INFINITE <= key(np.inf, 0) < key(np.nan, 0) < NO_KEY


def test_keys_are_split_into_ids_and_scores():
    ids = np.array([[0, 5], [2**31 - 1, 7]])
    keys = np.array([[key(i / 2, i) for i in row] for row in ids], np.uint64)
    keys[:, 1] |= EXPANDED
    found, scores = split_keys(keys)
    assert (found.dtype, scores.dtype) == (np.int32, np.float32)
    assert_array_equal(found, ids)
    assert_array_equal(scores, np.float32(ids / 2))
    keys[1, 1] = NO_KEY
    found, scores = split_keys(keys)
    assert found[1, 1] == -1 and np.isnan(scores[1, 1])
    assert_array_equal(found.ravel()[:3], ids.ravel()[:3])
