"""The one pool of threads: kernels release the GIL, so Python threads run them.

Work is cut into chunks that the threads take one after another.  A forked
child makes a pool of its own, for threads do not survive a fork.
"""

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from numbers import Integral

from joblib import effective_n_jobs
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads


@cache
def _pool():
    """The shared executor; its threads start when they are first needed."""
    return ThreadPoolExecutor(max_workers=256, thread_name_prefix="sklearn_jin")


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_pool.cache_clear)


def count_threads(n_jobs):
    """Number of threads that ``n_jobs`` stands for.

    ``None`` is what scikit-learn's own OpenMP code would use: all cores, within
    the limits of the machine, of ``OMP_NUM_THREADS``, of ``threadpoolctl`` and
    of a surrounding joblib worker.  An integer means what joblib makes of it.
    """
    if n_jobs is None:
        return _openmp_effective_n_threads()
    if not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs={n_jobs!r} must be None or an integer")
    # threadpoolctl, which bounds the threads of BLAS, takes no integer of NumPy.
    return max(1, int(effective_n_jobs(n_jobs)))


def run(task, n, chunk, n_threads):
    """Call ``task(lo, hi)`` for ranges of at most ``chunk`` that cover ``range(n)``."""
    n_threads = min(n_threads, -(-n // chunk))
    if n_threads <= 1:
        for lo in range(0, n, chunk):
            task(lo, min(lo + chunk, n))
        return
    turns = itertools.count(0, chunk)  # next() of it is atomic
    stopped = threading.Event()

    def take_turns():
        try:
            while not stopped.is_set() and (lo := next(turns)) < n:
                task(lo, min(lo + chunk, n))
        except BaseException:
            stopped.set()  # an error, or a user who interrupts: nobody goes on
            raise

    helpers = [_pool().submit(take_turns) for _ in range(n_threads - 1)]
    try:
        take_turns()
    finally:
        wait(helper for helper in helpers if not helper.cancel())
    for helper in helpers:
        if not helper.cancelled():
            helper.result()
