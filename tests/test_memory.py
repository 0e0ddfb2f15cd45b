"""Rows are padded to what vectors read, and start at a cache line."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin._memory import (
    LINE,
    SHORT,
    aligned,
    aligned_empty,
    frozen,
    padded_width,
)


@pytest.mark.parametrize("d", range(1, 200))
def test_padded_rows_hold_the_numbers_in_whole_steps(d):
    width, step = padded_width(d), 4 if d < SHORT else 16
    assert d <= width < d + step and width % step == 0


@pytest.mark.parametrize("n", [1, 2, 7])
def test_rows_start_at_a_line(n):
    rows = aligned_empty(n, 12)
    assert rows.ctypes.data % LINE == 0
    assert rows.shape == (n, 12) and rows.dtype == np.float32


def test_alignment_keeps_the_numbers():
    rows = np.arange(120, dtype=np.float32)[4:].reshape(29, 4)
    assert aligned(rows).ctypes.data % LINE == 0
    assert_array_equal(aligned(rows), rows)


def test_aligned_rows_are_not_copied():
    rows = aligned_empty(3, 4)
    assert aligned(rows) is rows


def test_frozen_is_a_view_that_leaves_the_array_writeable():
    array = np.zeros(3)
    view = frozen(array)
    assert np.shares_memory(view, array)
    assert array.flags.writeable and not view.flags.writeable
