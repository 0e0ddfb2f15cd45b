"""The flat route: every point, or every code, is scored.

Matrix products in float32 propose neighbours of many queries, exact scores in float64
choose among them.  A query whose choice the rounding of the products could have spoilt
is scanned by exact scores alone, so the answer does not depend on the batch.
"""

from functools import cache

import numpy as np
from sklearn import get_config
from threadpoolctl import ThreadpoolController

from sklearn_jin._jit import kernel, piece
from sklearn_jin._memory import frozen
from sklearn_jin._numbers import squares
from sklearn_jin._simd import below, lowest
from sklearn_jin._threads import run
from sklearn_jin.points import (
    count,
    encode_queries,
    exact,
    new_scratch,
    prefetch,
    score,
)
from sklearn_jin.points.codes import set_queries
from sklearn_jin.points.rows import ROWS, RowsIP, RowsL2, float_rows
from sklearn_jin.search import counters
from sklearn_jin.search.index import Flat, allowed_ids, propose
from sklearn_jin.search.keys import key_of, score_of, split_keys
from sklearn_jin.search.rerank import keep
from sklearn_jin.search.shortlist import (
    SORTED,
    SPARE,
    push,
    push_sorted,
    shortlists,
    top_k,
)

FEW = 8  # queries; so few are scanned one by one faster than by a matrix product
SHORT = 512  # points; so few are scored exactly sooner than estimates are sorted
MORE = 32  # candidates beyond k, so that rounding hides none
ROW_BLOCK = 4096  # rows, and queries, of one matrix product
QUERY_BLOCK = 1024
CODE_BLOCK = 4096  # codes that are compared with every query of a chunk
QUERIES_PER_TASK = 64
ROWS_PER_TASK = 512
INSERTED = 64  # neighbours; more are selected from all scores, not inserted one by one
COMPARED = 32  # scores that are compared with a bound at once
AHEAD = (
    8  # points that are asked for before they are scored, where they are not in a row
)
ULP = 2.0**-24  # relative rounding error of one float32 operation


@propose.register(Flat)
def propose_flat(route, index, queries, search, use):
    points = index.points if index.codes is None else index.codes
    some = allowed_ids(search.allowed, count(points))
    if index.codes is not None:
        _propose_each(points, queries, some, search.room, use, search.n_threads)
        return None
    room = min(search.k + MORE, len(some))
    if not isinstance(points, RowsL2 | RowsIP) or len(queries) <= FEW:
        is_code = not isinstance(points, tuple(ROWS.values()))  # no rows are kept
        if len(some) <= SHORT or is_code:
            return None  # of what is not proposed, all is scanned by exact scores
        last = _propose_each(points, queries, some, room, use, search.n_threads)
        return _limits(points, last) if room < len(some) else None
    limits, block = np.empty(len(queries)), _queries_at_once(room)
    for lo in range(0, len(queries), block):
        products = Products(index.points, queries[lo : lo + block], some, room)
        limits[lo : lo + block] = products.propose(lo, use, search.n_threads)
    return limits


def _queries_at_once(room):
    """Queries whose shortlists fit scikit-learn's ``working_memory``."""
    return max(1, int(get_config()["working_memory"] * 2**20) // (10 * SPARE * room))


class Products:
    """Matrix products of some queries with the points ``some``, block by block.

    Near the middle of the data products are small and round less, so it is taken from
    rows and queries where scores are distances.
    """

    def __init__(self, points, queries, some, room):
        self.X, self.some, self.room = float_rows(points), some, room
        self.is_ip = isinstance(points, RowsIP)
        step = -(-len(self.X) // 1000)
        self.center = np.float32(0) if self.is_ip else self.X[::step].mean(axis=0)
        self.Q = queries - self.center
        self.q2 = np.ones(len(queries)) if self.is_ip else squares(self.Q)
        self.longest = 0.0

    def propose(self, first, use, n_threads):
        """Pass candidates to ``use``, of queries numbered from ``first`` on.

        Returns the queries' limits: see :func:`sklearn_jin.search.index.propose`.
        """
        best = shortlists(len(self.Q), self.room)
        with blas().limit(limits=n_threads, user_api="blas"):
            for start in range(0, len(self.some), ROW_BLOCK):
                self._push_block(start, best, n_threads)
        ids, estimates = split_keys(top_k(best))

        def use_part(lo, hi):
            use(np.arange(first + lo, first + hi), estimates[lo:hi], ids[lo:hi])

        run(use_part, len(ids), QUERIES_PER_TASK, n_threads)
        return self._limits(estimates[:, -1])

    def _push_block(self, start, best, n_threads):
        """Push the points of one block of rows to the shortlists of all queries."""
        ids = self.some[start : start + ROW_BLOCK]
        rows, x2 = self._centered(start, ids, n_threads)
        self.longest = max(self.longest, x2.max())
        step = _queries_of_a_product()
        for lo in range(0, len(self.Q), step):
            part = slice(lo, lo + step)
            lists = type(best)(*(array[part] for array in best))
            push_block(self.Q[part], self.q2[part], rows, x2, ids, lists, n_threads)

    def _centered(self, start, ids, n_threads):
        """The rows ``ids``, which stand at ``start``, less the center; squared lengths.

        By threads of our own: it is half of the work for a hundred queries.
        """
        whole = len(self.some) == len(self.X)
        rows, x2 = np.empty((len(ids), self.X.shape[1]), np.float32), np.ones(len(ids))

        def task(lo, hi):
            own = self.X[start + lo : start + hi] if whole else self.X[ids[lo:hi]]
            np.subtract(own, self.center, out=rows[lo:hi])
            if not self.is_ip:
                x2[lo:hi] = squares(rows[lo:hi])

        run(task, len(ids), ROWS_PER_TASK, n_threads)
        return rows, x2

    def _limits(self, last):
        """Limits of exact scores, of queries whose last candidates are ``last``.

        All other points are estimated to be no nearer than that.  A product errs by at
        most ``d`` ULP of ``|q| |x|``, the other steps by a few.
        """
        if self.room == len(self.some):  # all were proposed
            return np.full(len(last), np.inf)
        error = (self.X.shape[1] + 16) * ULP
        error *= (np.sqrt(self.q2) + np.sqrt(self.longest)) ** 2
        with np.errstate(invalid="ignore"):
            limits = last - error
        limits[~np.isfinite(limits)] = -np.inf  # what overflowed tells nothing
        # The score of an inner product is minus that, its estimate 2 less twice that.
        return (limits - 2) / 2 if self.is_ip else limits


def push_block(Q, q2, rows, x2, ids, lists, n_threads):
    """Push the points ``ids``, whose rows are ``rows``, to the shortlists of ``Q``."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows ends unsure
        products = Q @ rows.T
        q2, x2 = q2.astype(np.float32), x2.astype(np.float32)

    def task(lo, hi):
        push_products(products, q2, x2, ids, lo, hi, lists)

    run(task, len(Q), QUERIES_PER_TASK, n_threads)


def _queries_of_a_product():
    """Queries of one product that keep it within scikit-learn's ``working_memory``."""
    rows = int(get_config()["working_memory"] * 2**20 / (4 * ROW_BLOCK))
    return max(1, min(rows, QUERY_BLOCK))


@cache
def blas():
    """Control of the threads of BLAS; to find the libraries takes milliseconds."""
    return ThreadpoolController()


@kernel
def push_products(products, q2, x2, ids, lo, hi, lists):
    """Push the points ``ids`` to the shortlists of queries ``lo`` to ``hi``.

    ``products`` (n_queries, n_ids) holds <q, x>, so the score is estimated as
    ``q2 + x2 - 2 <q, x>``.
    """
    n, room = len(ids), lists.keys.shape[1] // SPARE
    in_order = SORTED[0] <= room <= SORTED[1]
    estimates = np.full(COMPARED, np.inf, np.float32)
    found = np.empty(COMPARED, np.uint64)
    for q in range(lo, hi):
        bound = score_of(lists.bounds[q])
        for first in range(0, n, COMPARED):
            size = min(COMPARED, n - first)
            _estimate(products[q], q2[q], x2, first, size, estimates)
            good = below(estimates, 0, bound)
            if n - first < COMPARED:
                good &= (np.uint32(1) << np.uint32(n - first)) - np.uint32(1)
            n_found = 0
            while good != 0:
                j = lowest(good)
                good &= good - np.uint32(1)
                key = key_of(estimates[j], ids[first + j])
                if not in_order:
                    found[n_found] = key
                    n_found += 1
                elif key < lists.bounds[q]:
                    push_sorted(lists.keys, lists.filled, lists.bounds, q, key)
                    bound = score_of(lists.bounds[q])
            if n_found > 0:
                push(found, n_found, lists, q)
                bound = score_of(lists.bounds[q])


@piece
def _estimate(products, q2, x2, first, n, estimates):
    """Fill ``estimates[:n]`` with the scores of points ``first`` on."""
    if n == COMPARED:  # a loop of known length becomes two vectors
        for j in range(COMPARED):
            gap = q2 + x2[first + j] - 2 * products[first + j]
            estimates[j] = max(gap, np.float32(0))
    else:
        for j in range(n):
            gap = q2 + x2[first + j] - 2 * products[first + j]
            estimates[j] = max(gap, np.float32(0))


def _propose_each(points, queries, some, room, use, n_threads):
    """Score the points ``some`` one by one, and pass the ``room`` best of each query.

    Returns the estimates (n_queries,) of the last that were passed.
    """
    encoded, last = frozen(encode_queries(points, queries)), np.empty(len(queries))
    counters.add(scores=len(queries) * len(some))

    def task(lo, hi):
        best = shortlists(hi - lo, room)
        push_codes(points, encoded[lo:hi], some, best)
        ids, estimates = split_keys(top_k(best))
        last[lo:hi] = estimates[:, -1]
        use(np.arange(lo, hi), estimates, ids)

    run(task, len(queries), min(QUERIES_PER_TASK, _queries_at_once(room)), n_threads)
    return last


def _limits(points, last):
    """Limits of exact scores, of queries whose last candidates are ``last``.

    All other rows are estimated to be no nearer, by sums of ``d`` float32 numbers that
    are not negative; or of products of rows and queries of length 1 at most.
    """
    error = (points.X.shape[1] + 16) * ULP
    if isinstance(points, RowsIP):  # whose exact score is minus the product
        return np.where(np.isfinite(last), last - 1 - error, -np.inf)
    return np.where(np.isfinite(last), last * (1 - 2 * error), -np.inf)


@kernel
def push_codes(codes, queries, some, lists):
    """Push the codes ``some`` to the shortlists of the queries, by score.

    A block of codes, which stays near the CPU, is compared with every query.
    """
    n, n_queries = len(some), len(queries)
    scratch, found = new_scratch(codes, n_queries), np.empty(COMPARED, np.uint64)
    set_queries(codes, scratch, queries)
    for first in range(0, n, CODE_BLOCK):
        last = min(first + CODE_BLOCK, n)
        for q in range(n_queries):
            for lo in range(first, last, COMPARED):
                n_found = 0
                for j in range(lo, min(lo + COMPARED, last)):
                    i = some[j]
                    found[n_found] = key_of(score(codes, scratch, q, i), i)
                    n_found += found[n_found] <= lists.bounds[q]
                if n_found > 0:
                    push(found, n_found, lists, q)


# Exact scores of all points: the answer of last resort.


def scan_each(points, queries, some, k, n_threads):
    """Exact scores (n_queries, k) and ids of the nearest of the points ``some``.

    ``queries`` are encoded for ``points``; there are ``k`` of ``some`` at least.
    """
    n = len(queries)
    scores, ids = np.empty((n, k)), np.empty((n, k), np.int64)

    def insert(lo, hi):
        insert_nearest(points, queries, lo, hi, some, scores, ids)

    def select(lo, hi):
        every = np.empty(len(some))
        for q in range(lo, hi):
            score_all(points, queries, q, some, every)
            order = _smallest(every, k)
            scores[q], ids[q] = every[order], some[order]

    run(insert if k <= INSERTED else select, n, 1, n_threads)
    return scores, ids


def _smallest(scores, k):
    """Places of the ``k`` smallest scores by (score, place), NaN last."""
    if k < len(scores) // 4:
        worst = np.partition(scores, k - 1)[k - 1]
        some = np.flatnonzero(scores <= worst)
        if len(some) >= k:  # not where the worst is NaN
            return some[np.argsort(scores[some], kind="stable")[:k]]
    return np.argsort(scores, kind="stable")[:k]


@piece
def ask_ahead(points, some, j):
    """Ask the memory for a point behind place ``j``, unless it will guess by itself."""
    if j + AHEAD < len(some) and some[j + AHEAD] != some[j] + AHEAD:
        prefetch(points, some[j + AHEAD])


@kernel
def score_all(points, queries, q, some, scores):
    """Fill ``scores`` with the exact ones of the points ``some``."""
    for j in range(len(some)):
        ask_ahead(points, some, j)
        scores[j] = exact(points, queries, q, some[j])


@kernel
def insert_nearest(points, queries, lo, hi, some, scores, ids):
    """Fill rows ``lo`` to ``hi`` with the nearest of ``some``, scored in float64."""
    k = ids.shape[1]
    for q in range(lo, hi):
        filled = np.int64(0)
        for j in range(len(some)):
            ask_ahead(points, some, j)
            i = np.int64(some[j])
            near = exact(points, queries, q, i)
            if filled < k or not near >= scores[q, k - 1]:
                filled = keep(scores, ids, q, filled, near, i)
