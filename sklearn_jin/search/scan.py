"""Exact search over all points: the oracle, and the answer of last resort."""

from functools import cache

import numpy as np
from sklearn import get_config
from threadpoolctl import ThreadpoolController

from sklearn_jin._jit import kernel, piece
from sklearn_jin._memory import frozen
from sklearn_jin._simd import below, lowest
from sklearn_jin._threads import run
from sklearn_jin.metrics import squares
from sklearn_jin.points import encode_queries, exact, new_scratch, score
from sklearn_jin.points.codes import set_queries
from sklearn_jin.points.rows import RowsIP, RowsL2
from sklearn_jin.search import counters
from sklearn_jin.search.beam import COMPARED, key_of, score_of
from sklearn_jin.search.rerank import keep, refine
from sklearn_jin.search.shortlist import (
    SORTED,
    SPARE,
    ids_of,
    push,
    rank,
    shortlists,
    top_k,
)

FEW = 8  # queries; as many are scanned one by one faster than by a matrix product
MORE = 32  # proposals beyond k, so that rounding hides none
ROW_BLOCK = 4096  # rows, and queries, of one matrix product
QUERY_BLOCK = 1024
CODE_BLOCK = 4096  # codes that are compared with every query of a chunk
CHUNK = 64  # queries a thread takes at a time
ULP = 2.0**-24  # relative rounding error of one float32 operation


def scan(points, queries, k, n_threads):
    """Exact scores (n_queries, k), float64, and ids, int64, of the nearest points.

    Matrix products in float32 propose ``k + MORE`` points a query, and exact
    float64 scores choose among them.  Where the rounding of the products
    could have hidden a nearer point, the query is scanned one point at a time:
    so the answer does not depend on the batch.
    """
    n, queries = len(queries), frozen(encode_queries(points, queries))
    scores, ids = np.empty((n, k)), np.empty((n, k), np.int64)
    rest, room = np.arange(n), k + MORE
    if isinstance(points, RowsL2 | RowsIP) and n > FEW and len(points.X) >= room:
        sure = _scan_by_products(points, queries, room, scores, ids, n_threads)
        rest = np.flatnonzero(~sure)
    if len(rest):
        few = frozen(queries[rest])
        few_scores, few_ids = scores[rest], ids[rest]

        def task(lo, hi):
            scan_each(points, few, lo, hi, few_scores, few_ids)

        run(task, len(rest), 1, n_threads)
        scores[rest], ids[rest] = few_scores, few_ids
    return scores, ids


def scan_codes(codes, points, queries, k, rerank, overestimate, n_threads):
    """Exact scores and ids of the nearest of the best ``rerank >= k`` by code.

    Every code is scored, and what they propose is scored exactly as ``points``,
    as far as ``overestimate`` does not end it: see :func:`refine`.
    """
    n = len(queries)
    scores, ids = np.empty((n, k)), np.empty((n, k), np.int64)
    asked, second = (
        frozen(encode_queries(codes, queries)),
        frozen(encode_queries(points, queries)),
    )

    def task(lo, hi):
        best = shortlists(hi - lo, rerank)
        propose_codes(codes, asked[lo:hi], *best)
        choose(points, second, top_k(best), overestimate, scores, ids, lo, hi)

    run(task, n, CHUNK, n_threads)
    return scores, ids


def choose(points, queries, keys, overestimate, scores, ids, lo, hi):
    """Of the points that ``keys`` name write the nearest as rows ``lo`` to ``hi``."""
    estimates = (keys >> 32).astype(np.uint32).view(np.float32)
    choose_among(
        points, queries, ids_of(keys), estimates, overestimate, scores, ids, lo, hi
    )


def choose_among(
    points, queries, proposed, estimates, overestimate, scores, ids, lo, hi
):
    """As :func:`choose`, where ``proposed`` are ascending by ``estimates``."""
    rows = np.arange(lo, hi)
    n = refine(points, queries, rows, proposed, estimates, overestimate, scores, ids)
    counters.add(exact=n)


def _scan_by_products(points, queries, room, scores, ids, n_threads):
    """Fill ``scores`` and ``ids``; return which queries are sure to be right.

    ``room`` proposals are made, no more than there are points.
    """
    X, n = points.X, len(queries)
    is_ip = isinstance(points, RowsIP)
    # Near the middle of the data the products are small and round less.
    center = np.float32(0) if is_ip else X[:: -(-len(X) // 1000)].mean(axis=0)
    Q = queries - center
    q2 = np.ones(n) if is_ip else squares(Q)
    best = shortlists(n, room)
    query_block = _query_block()
    longest = 0.0
    with blas().limit(limits=n_threads, user_api="blas"):
        for first in range(0, len(X), ROW_BLOCK):
            block = X[first : first + ROW_BLOCK] - center
            x2 = np.ones(len(block)) if is_ip else squares(block)
            longest = max(longest, x2.max())
            for lo in range(0, n, query_block):
                part = slice(lo, lo + query_block)
                lists = (array[part] for array in best)
                _propose_block(Q[part], q2[part], block, x2, first, lists, n_threads)
    keys = top_k(best)

    def choose_part(lo, hi):
        choose(points, queries, keys[lo:hi], np.inf, scores, ids, lo, hi)

    run(choose_part, n, CHUNK, n_threads)
    # All others are estimated to be no nearer than the last proposal.  The
    # products err by at most d ULP of |q| |x|, the other steps by a few ULP.
    error = (X.shape[1] + 16) * ULP * (np.sqrt(q2) + np.sqrt(longest)) ** 2
    last = (keys[:, -1] >> 32).astype(np.uint32).view(np.float32)
    worst = 2 + 2 * scores[:, -1] if is_ip else scores[:, -1]
    return worst <= last - error


def _propose_block(Q, q2, block, x2, first, lists, n_threads):
    products, lists = Q @ block.T, tuple(lists)
    with np.errstate(over="ignore"):  # infinite products propose nothing: scanned
        q2, x2 = q2.astype(np.float32), x2.astype(np.float32)

    ids = np.arange(first, first + len(block), dtype=np.int32)

    def task(lo, hi):
        propose(products, q2, x2, ids, lo, hi, *lists)

    run(task, len(Q), CHUNK, n_threads)


def _query_block():
    """Queries of one product that keep it within scikit-learn's ``working_memory``."""
    rows = int(get_config()["working_memory"] * 2**20 / (4 * ROW_BLOCK))
    return max(1, min(rows, QUERY_BLOCK))


@cache
def blas():
    """Control of the threads of BLAS; to find the libraries takes milliseconds."""
    return ThreadpoolController()


@kernel
def scan_each(points, queries, lo, hi, scores, ids):
    """Fill rows ``lo`` to ``hi`` with the nearest points, each scored in float64."""
    k = ids.shape[1]
    for q in range(lo, hi):
        filled = np.int64(0)
        for i in range(len(points[0])):
            score = exact(points, queries, q, i)
            if filled < k or not score >= scores[q, k - 1]:
                filled = keep(scores, ids, q, filled, score, i)


@kernel
def propose(products, q2, x2, ids, lo, hi, keys, filled, bounds, marks, bins):
    """Offer the points ``ids`` to the shortlists of queries ``lo`` to ``hi``.

    ``products`` (n_queries, n_ids) holds <q, x>, so the score is estimated as
    ``q2 + x2 - 2 <q, x>``.
    """
    n, room = len(ids), keys.shape[1] // SPARE
    in_order = SORTED[0] <= room <= SORTED[1]
    estimates = np.full(COMPARED, np.inf, np.float32)
    met = np.empty(COMPARED, np.uint64)
    for q in range(lo, hi):
        bound = score_of(bounds[q])
        for first in range(0, n, COMPARED):
            estimate(products[q], q2[q], x2, first, min(COMPARED, n - first), estimates)
            good = below(estimates, 0, bound)
            if n - first < COMPARED:
                good &= (np.uint32(1) << np.uint32(n - first)) - np.uint32(1)
            n_met = 0
            while good != 0:
                j = lowest(good)
                good &= good - np.uint32(1)
                key = key_of(estimates[j], ids[first + j])
                if not in_order:
                    met[n_met] = key
                    n_met += 1
                elif key < bounds[q]:
                    rank(keys, filled, bounds, q, key)
                    bound = score_of(bounds[q])
            if n_met > 0:
                push(met, n_met, keys, filled, bounds, marks, bins, q)
                bound = score_of(bounds[q])


@piece
def estimate(products, q2, x2, first, n, estimates):
    """Fill ``estimates[:n]`` with the scores of points ``first`` on."""
    if n == COMPARED:  # a loop of known length becomes two vectors
        for j in range(COMPARED):
            gap = q2 + x2[first + j] - 2 * products[first + j]
            estimates[j] = max(gap, np.float32(0))
    else:
        for j in range(n):
            gap = q2 + x2[first + j] - 2 * products[first + j]
            estimates[j] = max(gap, np.float32(0))


@kernel
def propose_codes(codes, queries, keys, filled, bounds, marks, bins):
    """Offer all ``codes`` to the shortlists of the queries, by score.

    A block of codes, which stays near the CPU, is compared with every query.
    """
    n, n_queries = len(codes[0]), len(queries)
    scratch, met = new_scratch(codes, n_queries), np.empty(COMPARED, np.uint64)
    set_queries(codes, scratch, queries)
    for first in range(0, n, CODE_BLOCK):
        last = min(first + CODE_BLOCK, n)
        for q in range(n_queries):
            for lo in range(first, last, COMPARED):
                n_met = 0
                for i in range(lo, min(lo + COMPARED, last)):
                    met[n_met] = key_of(score(codes, scratch, q, i), i)
                    n_met += met[n_met] <= bounds[q]
                if n_met > 0:
                    push(met, n_met, keys, filled, bounds, marks, bins, q)
