"""Threads: as many as asked for, and none that a fork or an error leaves hanging."""

import multiprocessing
import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from child import python
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_limits

from sklearn_jin import FlatNeighbors, HNSWNeighbors
from sklearn_jin._threads import count_threads, run

PATIENCE = 120  # seconds until what should end is taken to hang

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")


# run


@given(st.integers(0, 50), st.integers(1, 9), st.integers(1, 5))
@settings(max_examples=100)
def test_chunks_cover_the_range_once(n, chunk, n_threads):
    ranges = []
    run(lambda lo, hi: ranges.append((lo, hi)), n, chunk, n_threads)
    ranges.sort()
    assert [i for lo, hi in ranges for i in range(lo, hi)] == list(range(n))
    assert all(hi - lo <= chunk for lo, hi in ranges)


def test_as_many_threads_work_as_are_asked_for():
    everyone = threading.Barrier(3)  # opens only when three wait at once
    run(lambda lo, hi: everyone.wait(PATIENCE), 5, 2, 3)


def test_one_thread_is_the_caller():
    names = []
    run(lambda lo, hi: names.append(threading.current_thread()), 5, 2, 1)
    assert set(names) == {threading.current_thread()}


@pytest.mark.parametrize("n_threads", [1, 2, 4])
@pytest.mark.parametrize("bad", [0, 7, 19])
def test_an_error_of_any_chunk_is_raised(n_threads, bad):
    def task(lo, hi):
        if lo <= bad < hi:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(task, 20, 1, n_threads)


def test_nobody_works_on_after_an_error_was_raised():
    working, done = set(), []

    def task(lo, hi):
        working.add(lo)
        time.sleep(0.001)
        working.remove(lo)
        done.append(lo)
        if lo == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(task, 10_000, 1, 3)
    assert not working and len(done) < 10_000


def test_threads_serve_again_after_an_error():
    with pytest.raises(TypeError):
        run(None, 20, 1, 3)
    test_as_many_threads_work_as_are_asked_for()


def test_many_callers_share_the_pool():
    sums = np.zeros(8, int)

    def call(i):
        parts = []
        run(lambda lo, hi: parts.append(hi - lo), 500, 3, 4)
        sums[i] = sum(parts)

    callers = [threading.Thread(target=call, args=[i]) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert_array_equal(sums, 500)


# count_threads


@pytest.mark.parametrize("n", [1, 2, 7, np.int64(2), np.uint8(3)])
def test_an_integer_is_a_number_of_threads(n):
    assert count_threads(n) == n and type(count_threads(n)) is int


@pytest.mark.parametrize("make", [FlatNeighbors, HNSWNeighbors])
def test_an_index_takes_any_integer_for_a_number_of_threads(make):
    X = np.random.default_rng(0).random((200, 6))
    assert_array_equal(
        make(n_jobs=np.int64(2)).fit(X).kneighbors()[1],
        make(n_jobs=2).fit(X).kneighbors()[1],
    )


def test_negative_numbers_count_from_all_cores():
    assert count_threads(-1) == joblib.cpu_count()
    assert count_threads(-joblib.cpu_count() - 5) == 1


def test_no_threads_at_all_are_refused():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        count_threads(0)


def test_none_keeps_within_the_limits_of_threadpoolctl():
    with threadpool_limits(1, user_api="openmp"):
        assert count_threads(None) == 1


def test_an_integer_exceeds_the_limits_of_threadpoolctl():
    with threadpool_limits(1, user_api="openmp"):
        assert count_threads(3) == 3


@pytest.mark.parametrize("n", [1, 3])
def test_none_keeps_within_the_limits_of_the_environment(n):
    code = "from sklearn_jin._threads import count_threads as c; print(c(None))"
    assert python(code, OMP_NUM_THREADS=str(n)) == str(n)


def test_workers_share_the_cores():
    n_cores, count = joblib.cpu_count(), joblib.delayed(count_threads)
    counts = joblib.Parallel(n_jobs=n_cores, backend="loky")([count(None)] * n_cores)
    assert counts == [1] * n_cores


@pytest.mark.parametrize("n_jobs", [0, -1000])
def test_n_jobs_means_what_it_means_to_joblib(n_jobs):
    index = FlatNeighbors(n_jobs=n_jobs).fit(np.eye(9))
    if n_jobs == 0:
        with pytest.raises(ValueError, match="n_jobs == 0"):
            index.kneighbors()
    else:
        assert index.kneighbors()[1].shape == (9, 5)


# Forks. The pool has worked, in parent and child: there are several chunks of queries.


def used(make):
    """A fitted index that has used two threads, its queries, and its answer."""
    X = np.random.default_rng(0).random((150, 6))
    index = make(n_jobs=2).fit(X)
    return index, X, index.kneighbors(X)[1]


INDEXES = [
    lambda n_jobs: HNSWNeighbors(exact_threshold=0, random_state=0, n_jobs=n_jobs),
    lambda n_jobs: FlatNeighbors(n_jobs=n_jobs),
]


def ended(pid):
    """Exit code of a child, which is killed if it hangs."""
    for _ in range(20 * PATIENCE):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", INDEXES, ids=["hnsw", "flat"])
def test_a_forked_child_can_ask(make):
    index, X, expected = used(make)
    if (pid := os.fork()) == 0:
        try:
            os._exit(0 if (index.kneighbors(X)[1] == expected).all() else 3)
        finally:
            os._exit(4)
    assert ended(pid) == 0
    assert_array_equal(index.kneighbors(X)[1], expected)


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", INDEXES, ids=["hnsw", "flat"])
def test_a_forked_child_can_fit(make):
    index, X, expected = used(make)
    if (pid := os.fork()) == 0:
        try:
            os._exit(0 if (index.fit(X).kneighbors(X)[1] == expected).all() else 3)
        finally:
            os._exit(4)
    assert ended(pid) == 0


def answer(connection, index, X):
    connection.send(index.kneighbors(X)[1])
    connection.close()


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", INDEXES, ids=["hnsw", "flat"])
def test_a_forked_process_can_ask(make):
    index, X, expected = used(make)
    context = multiprocessing.get_context("fork")
    ours, its = context.Pipe()
    child = context.Process(target=answer, args=(its, index, X))
    child.start()
    try:
        assert ours.poll(PATIENCE), "the child hangs"
        assert_array_equal(ours.recv(), expected)
    finally:
        child.kill()
        child.join()


def test_importing_needs_no_fork():
    # as on Windows
    code = """
import concurrent.futures.thread, logging, os, random, joblib, sklearn.neighbors
del os.register_at_fork
import sklearn_jin._threads
"""
    assert python(code) == ""
