"""What a score takes: told by every kind of points that is scored on the way."""

import coders
import numpy as np
import pytest
from helpers import normal

from sklearn_jin._memory import LINE
from sklearn_jin.points import work
from sklearn_jin.points.rows import ROWS, RowsL2


def coded(c, d):
    X = normal(60, d).astype(np.float32)
    quantizer = coders.repeatable(c()).fit(X)
    return quantizer.points(quantizer.transform(X), "l2")


def check(narrow, wide):
    for points in (narrow, wide):
        lines, arithmetic = work(points)
        assert (lines - 1) * LINE < points[0][0].nbytes <= lines * LINE
        assert 0 < arithmetic < 256
    assert work(narrow).lines <= work(wide).lines
    assert work(narrow).arithmetic < work(wide).arithmetic


@pytest.mark.parametrize("space", ROWS)
def test_work_grows_with_the_features_of_rows(space):
    check(*(ROWS[space](np.zeros((9, d), np.float32)) for d in (32, 256)))


@pytest.mark.jit
@pytest.mark.parametrize("c", coders.classes(), ids=lambda c: c.__name__)
def test_work_grows_with_the_features_of_codes(c):
    check(coded(c, 32), coded(c, 256))


def test_other_points_are_refused():
    with pytest.raises(TypeError, match="tuple has no registered work"):
        work(())
    assert work(RowsL2(np.zeros((1, 960), np.float32))).lines == 60
