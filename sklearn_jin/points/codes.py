"""What rows of codes are to a route, whatever they stand for."""

from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE, aligned_codes
from sklearn_jin._simd import prefetch_lines
from sklearn_jin.points import set_query


def subset_codes(points, ids):
    return points._replace(codes=aligned_codes(points.codes[ids]))


def prefetch_codes(points, i):
    prefetch_lines(points.codes, i, (points.codes.shape[1] + LINE - 1) // LINE)


@kernel
def set_queries(points, scratch, queries):
    """Make each of ``queries`` the query of the view of its number."""
    for q in range(len(queries)):
        set_query(points, scratch, q, queries, q)
