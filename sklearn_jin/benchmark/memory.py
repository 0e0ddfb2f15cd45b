"""The least time that a memory leaves to a search, and what share a search needs of it.

A walk reads from all over the index, so a query can not be faster than the
memory brings the cache lines that it reads.  How many these are follows from
the work that was counted and from the rows of the arrays; what one of them
takes is measured here.
"""

from time import perf_counter

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE, aligned_empty, frozen, lines_of
from sklearn_jin._simd import prefetch_lines

LARGEST = 64 << 20  # bytes that lines are read from, at most
AHEAD = 64  # lines that are asked for before they are read
REPEATS = 5


def line_seconds(n_bytes=LARGEST):
    """Seconds of one random cache line of ``n_bytes`` of memory, asked for ahead.

    One thread reads every line once.  The quickest of some passes counts, for
    it is to be a bound.
    """
    n_lines = max(AHEAD, min(n_bytes, LARGEST) // LINE)
    lines = aligned_empty(n_lines, LINE, np.uint8)
    lines[...] = 1
    order = frozen(np.random.default_rng(0).permutation(n_lines).astype(np.int32))
    lines, seconds = frozen(lines), []
    _read(lines, order[:AHEAD])  # compiled before the clock starts
    for _ in range(REPEATS):
        start = perf_counter()
        _read(lines, order)
        seconds.append(perf_counter() - start)
    return min(seconds) / n_lines


def lines_read(index, hops, scores, exact):
    """Cache lines that a query of a graph reads at least.

    A row of neighbours for every hop, a code or a row for every score, and a
    row for each of the candidates that are scored exactly, with its finer code.
    """
    fitted = index.index_
    points, finer = fitted.points, fitted.finer
    return (
        hops * lines_of(fitted.route.neighbors)
        + scores * lines_of((fitted.codes or points)[0])
        + exact * (lines_of(points[0]) + (lines_of(finer[0]) if finer else 0))
    )


@kernel
def _read(lines, order):
    """Read ``lines`` in that order; return a sum, so that all must be read."""
    total = np.int64(0)
    for j in range(min(AHEAD, len(order))):
        prefetch_lines(lines, order[j], 1)
    for j in range(len(order)):
        if j + AHEAD < len(order):
            prefetch_lines(lines, order[j + AHEAD], 1)
        total += lines[order[j], 0]
    return total
