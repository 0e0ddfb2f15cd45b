"""What scores take, as it was measured once."""

import pytest
from helpers import normal, record

from sklearn_jin import ScalarQuantizer
from sklearn_jin.points import work
from sklearn_jin.search.work import EXACT, LINE_NS, exact_ns, scan_ns, score_ns, walk_ns


def kinds():
    """Rows of 128 features, and codes of them of 4 and of 8 bits."""
    rows = normal(20, 128)
    codes = (
        quantizer.points(quantizer.fit_transform(rows), "l2")
        for quantizer in (ScalarQuantizer(4), ScalarQuantizer(8))
    )
    return record(rows), *codes


def test_a_score_takes_what_its_points_are():
    points, four, eight = kinds()
    assert walk_ns(four) < walk_ns(eight) < walk_ns(points)
    assert scan_ns(four) < scan_ns(points) < scan_ns(eight)  # tables, then products
    # As measured: a walk takes 20 to 25 ns, a scan 1.9, 6 and 12.
    assert 15 < walk_ns(four) < 30 and 1.2 < scan_ns(four) < 3
    assert 3 < scan_ns(points) < 9 and 6 < scan_ns(eight) < 18


def test_an_exact_score_takes_its_lines_and_its_arithmetic():
    for points in kinds():
        lines, rest = work(points)
        assert score_ns(points) == pytest.approx(LINE_NS * lines + rest)
        assert exact_ns(points) == pytest.approx(EXACT * score_ns(points))
