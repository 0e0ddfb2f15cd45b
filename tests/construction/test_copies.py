"""Copies: which rows they are, that the first of them is linked, and all are found."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_jin import HNSWNeighbors, _numbers
from sklearn_jin.construction import copies


@given(st.integers(1, 40), st.integers(0, 10**6))
@settings(max_examples=60)
def test_first_rows_and_owners_are_those_of_a_naive_search(n, seed):
    X = np.random.default_rng(seed).integers(0, 3, (n, 2)).astype(np.float32)
    firsts, owners = copies.distinct(X)
    naive_firsts = [i for i in range(n) if not (X[:i] == X[i]).all(axis=1).any()]
    assert_array_equal(firsts, naive_firsts)
    assert_array_equal(X[firsts[owners]], X)


@pytest.mark.parametrize("block", [4, 1000])
def test_rows_whose_hashes_collide_are_told_apart(monkeypatch, block):
    monkeypatch.setattr(_numbers, "BLOCK", block)
    X = np.repeat(np.arange(5, dtype=np.float32), 2)[:, None]
    monkeypatch.setattr(copies, "_hashes", lambda X: np.zeros(len(X), np.uint64))
    firsts, owners = copies.distinct(X)
    assert_array_equal(X[firsts[owners]], X)
    assert len(firsts) >= 5


def test_rows_that_differ_in_one_bit_are_no_copies():
    X = np.ones((3, 70), np.float32)
    X[1, 69] = np.nextafter(np.float32(1), np.float32(2))
    assert_array_equal(copies.distinct(X)[0], [0, 1])


def test_a_chain_leads_through_all_copies_in_their_order():
    X = np.array([7, 8, 7, 7, 9, 8], np.float32)[:, None]
    chain = copies.chained(*copies.distinct(X))
    assert_array_equal(chain.firsts, [0, 1, 0, 0, 4, 1])
    assert_array_equal(chain.following, [2, 5, 3, -1, -1, -1])


@pytest.mark.parametrize("build", ["insert", "partition"])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_all_copies_are_found_in_the_order_of_exact_search(build, k):
    rng = np.random.default_rng(0)
    X = rng.permutation(np.repeat(rng.standard_normal((30, 4)), 6, axis=0))
    index = HNSWNeighbors(exact_threshold=0, build=build, ef_search=60, random_state=0)
    distances, ids = index.fit(X).kneighbors(X[:20], k)
    exact = naive.nearest_distances(X, X[:20], k)
    np.testing.assert_allclose(distances, exact, atol=1e-6)
    assert all(len(set(row)) == k for row in ids)
    if k <= 6:
        assert_array_equal(
            ids[:, 0], [np.flatnonzero((X == x).all(1))[0] for x in X[:20]]
        )


def test_copies_find_one_another_and_not_themselves():
    X = np.repeat(np.random.default_rng(0).standard_normal((30, 4)), 6, axis=0)
    index = HNSWNeighbors(exact_threshold=0, random_state=0).fit(X)
    distances, ids = index.kneighbors(None, 5)
    assert not distances.any()
    assert not (ids == np.arange(180)[:, None]).any()
    assert_array_equal(np.sort(ids) // 6, np.repeat(np.arange(180)[:, None] // 6, 5, 1))
