"""What scores take, in nanoseconds that were measured once: choices need no clock.

They were measured as told in :class:`sklearn_jin.points.Work`.
"""

from sklearn_jin.points import fastscan_codes, work
from sklearn_jin.points.rows import RowsIP, RowsL2

LINE_NS = 3.0  # of a line that was asked for ahead: 2 if it was in the last cache, to 5
VISIT_NS = 12.0  # what a walk does for a score besides: codes of 8 bits of 100 and 128
# features take 20 to 25 in all, float32 rows of 960 features 254
EXACT = 1.2  # times the work of a float32 score is that of an exact one
PRODUCT_NS = 0.05  # of a feature in products with rows: .03 to .09 by the batch
TABLE_NS = 0.014  # of half a byte in tables in registers: 1.9 for 128, 13 for 960
SCAN_NS = 5.0  # of a score in a scan of codes one by one, besides its arithmetic


def score_ns(points):
    """Nanoseconds of a score of points that were asked for ahead."""
    lines, arithmetic = work(points)
    return LINE_NS * lines + arithmetic


def exact_ns(points):
    """Nanoseconds of an exact score of points that were asked for ahead."""
    return EXACT * score_ns(points)


def walk_ns(points):
    """Nanoseconds of a score of ``points`` on a walk."""
    return VISIT_NS + score_ns(points)


def scan_ns(points):
    """Nanoseconds of a score of ``points`` in a scan for many queries."""
    if isinstance(points, RowsL2 | RowsIP):
        return PRODUCT_NS * points.X.shape[1]
    nibbles = fastscan_codes(points)
    if nibbles is not None:
        return TABLE_NS * 2 * nibbles[0].shape[1]
    return SCAN_NS + work(points).arithmetic
