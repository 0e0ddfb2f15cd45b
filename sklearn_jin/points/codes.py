"""What rows of codes are to a route, whatever they stand for."""

from sklearn_jin._jit import kernel
from sklearn_jin._memory import LINE, aligned_codes
from sklearn_jin._simd import prefetch
from sklearn_jin.points import look


def take_codes(points, ids):
    return points._replace(codes=aligned_codes(points.codes[ids]))


def fetch_codes(points, i):
    prefetch(points.codes, i, (points.codes.shape[1] + LINE - 1) // LINE)


@kernel
def look_all(points, views, queries):
    """Make each of ``queries`` the query of the view of its number."""
    for q in range(len(queries)):
        look(points, views, q, queries, q)
