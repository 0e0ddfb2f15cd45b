"""Rows are padded to what vectors read, and start at a cache line."""

import mmap
from collections import namedtuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin._memory import (
    HUGE,
    LARGE,
    LINE,
    SHORT,
    Lately,
    Remembered,
    Zeros,
    aligned,
    aligned_codes,
    aligned_empty,
    frozen,
    moved,
    padded_bytes,
    padded_width,
    settled,
)

PAGED = hasattr(mmap, "MADV_HUGEPAGE")
LARGE_STEP = HUGE if PAGED else LINE
RECORD = namedtuple("Record", "rows numbers more")


def test_padded_rows_hold_the_numbers_in_whole_steps():
    for d in range(1, 200):
        width, step = padded_width(d), 4 if d < SHORT else 16
        assert d <= width < d + step and width % step == 0


def test_padded_codes_are_whole_steps():
    for n in range(200):
        size, step = padded_bytes(n), 16 if n <= LINE // 2 else LINE
        assert max(n, 1) <= size < max(n, 1) + step and size % step == 0


@pytest.mark.parametrize("n", [1, 2, 7])
def test_rows_start_at_a_line(n):
    rows = aligned_empty(n, 12)
    assert rows.ctypes.data % LINE == 0
    assert rows.shape == (n, 12) and rows.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
def test_rows_of_any_type_start_at_a_line(dtype):
    rows = aligned_empty(5, 3, dtype)
    assert rows.ctypes.data % LINE == 0
    assert rows.shape == (5, 3) and rows.dtype == dtype and rows.flags.c_contiguous


@pytest.mark.parametrize("dtype, width", [(np.float32, 1024), (np.uint8, 4096)])
def test_large_arrays_start_at_a_large_page(dtype, width):
    rows = aligned_empty(LARGE // 4096, width, dtype)
    assert rows.nbytes == LARGE and rows.ctypes.data % LARGE_STEP == 0
    rows[...] = 3
    assert (rows == 3).all() and rows.flags.writeable


def test_large_arrays_are_fresh_from_the_system():
    first = aligned_empty(LARGE, 1, np.uint8)
    first[...] = 255
    del first
    assert not PAGED or not aligned_empty(LARGE, 1, np.uint8).any()


def test_large_arrays_outlive_what_they_were_cut_from():
    parts = [aligned_empty(LARGE // 8, 2) for _ in range(3)]
    for value, part in enumerate(parts):
        part[...] = value
    scratch = [part[5:, 1] for part in parts]
    del parts, part
    for value, new_scratch in enumerate(scratch):
        assert (new_scratch == value).all()


def test_a_system_without_large_pages_has_lines(monkeypatch):
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    rows = aligned_empty(LARGE // 4 + 1, 1)
    assert rows.ctypes.data % LINE == 0 and rows.shape == (LARGE // 4 + 1, 1)


@pytest.mark.parametrize("n", [0, 3])
def test_no_rows_are_an_array(n):
    assert aligned_empty(0, n).shape == (0, n)


def test_alignment_keeps_the_numbers():
    rows = np.arange(120, dtype=np.float32)[4:].reshape(29, 4)
    assert aligned(rows).ctypes.data % LINE == 0
    assert_array_equal(aligned(rows), rows)


def test_aligned_rows_are_not_copied():
    rows = aligned_empty(3, 4)
    assert aligned(rows) is rows


def test_large_rows_are_aligned_to_pages():
    room = np.zeros(LARGE + 3 * HUGE, np.uint8)
    start = -room.ctypes.data % HUGE + LINE  # at a line, not at a page
    rows = room[start : start + LARGE].view(np.float32).reshape(-1, 4)
    found = aligned(rows)
    assert found.ctypes.data % LARGE_STEP == 0
    assert_array_equal(found, rows)
    assert aligned(found) is found


def test_moved_rows_are_a_copy():
    rows = aligned_empty(3, 4, np.int32)
    rows[...] = np.arange(12).reshape(3, 4)
    copy = moved(frozen(rows[:, ::2]))
    assert copy.ctypes.data % LINE == 0 and copy.dtype == np.int32
    assert copy.flags.writeable and not np.shares_memory(copy, rows)
    assert_array_equal(copy, rows[:, ::2])


@pytest.mark.parametrize(
    "used, n_bytes, width", [(5, 0, 16), (5, 20, 32), (5, 33, 64), (50, 3, 64)]
)
def test_codes_are_padded_with_zeros(used, n_bytes, width):
    codes = np.random.default_rng(0).integers(1, 256, (7, used), np.uint8)
    rows = aligned_codes(codes, n_bytes)
    assert rows.shape == (7, width) and rows.ctypes.data % LINE == 0
    assert_array_equal(rows[:, :used], codes)
    assert not rows[:, used:].any() and not rows.flags.writeable


def test_padded_codes_are_copied_as_they_are():
    codes = aligned_codes(np.ones((3, 20), np.uint8))
    again = aligned_codes(codes)
    assert_array_equal(again, codes)
    assert not np.shares_memory(again, codes)


def test_a_settled_record_is_aligned_and_read_only():
    room = np.arange(200, dtype=np.float32)
    part = room[(-room.ctypes.data % LINE + 4) // 4 :][:80].reshape(20, 4)
    record = RECORD(part, room, RECORD(part, "name", None))
    found = settled(record)
    for rows in (found.rows, found.more.rows):
        assert rows.ctypes.data % LINE == 0 and not rows.flags.writeable
        assert_array_equal(rows, part)
    assert np.shares_memory(found.numbers, room)  # no rows: nothing to align
    assert not found.numbers.flags.writeable
    assert found.more.numbers == "name" and found.more.more is None


def test_what_is_mapped_stays_where_it_is(tmp_path):
    np.save(tmp_path / "rows.npy", np.arange(40.0).reshape(10, 4))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")[1:]
    assert np.shares_memory(settled(rows), rows)


def test_frozen_is_a_view_that_leaves_the_array_writeable():
    array = np.zeros(3)
    new_scratch = frozen(array)
    assert np.shares_memory(new_scratch, array)
    assert array.flags.writeable and not new_scratch.flags.writeable


# Zeros that are used again.


def test_zeros_are_used_again_but_by_one_at_a_time():
    zeros = Zeros()
    first, second = zeros.take(10_000), zeros.take(10_000)
    assert not first.any() and len(first) >= 10_000
    assert not np.shares_memory(first, second)
    zeros.give(first)
    assert zeros.take(5_000) is first
    assert zeros.take(5_000) is not first


def test_zeros_that_are_too_few_are_replaced():
    zeros = Zeros()
    zeros.give(zeros.take(5_000))
    more = zeros.take(50_000)
    assert len(more) >= 50_000 and not more.any()


def test_few_zeros_are_none_and_too_many_are_not_kept():
    zeros = Zeros()
    assert len(zeros.take(Zeros.few)) == 0
    large = zeros.take(Zeros.many + 1)
    zeros.give(large)
    assert zeros.take(5_000) is not large


def test_no_more_zeros_are_kept_than_threads_need():
    zeros = Zeros()
    for array in [zeros.take(5_000) for _ in range(3 * Zeros.most)]:
        zeros.give(array)
    assert len(zeros._waiting) == Zeros.most


# What is remembered.


def test_what_was_made_of_arrays_ends_with_any_of_them():
    remembered, made = Remembered(), []
    one, two = frozen(np.arange(3)), frozen(np.arange(3))

    def get(*arrays, key=0):
        return remembered.get(arrays, key, lambda: made.append(0) or len(made))

    assert [get(one), get(one), get(two), get(one, two), get(one, key=1)] == [
        *(1, 1, 2, 3, 4)
    ]
    assert get(one, two) == 3
    del two
    assert len(remembered._made) == 2
    assert get(one, frozen(np.arange(3))) == 5
    for i in range(2 * Remembered.most):
        get(one, key=i)
    assert len(remembered._made) <= Remembered.most


def test_equal_masks_are_the_same_until_they_are_changed(monkeypatch):
    lately, mask = Lately(), np.arange(100) < 40
    kept, n = lately.same(mask)
    assert n == 40 and kept is not mask and not kept.flags.writeable
    assert lately.same(mask.copy())[0] is kept
    mask[[0, 50]] = mask[[50, 0]]  # as many
    assert_array_equal(lately.same(mask)[0], mask)
    assert kept[0] and lately.same(mask)[0] is not kept
    assert lately.same(kept[:99])[0].shape == (99,)
    for n in range(Lately.most):
        lately.same(np.arange(100) < n)
    assert len(lately._seen) == Lately.most and lately.same(kept)[0] is not kept
    monkeypatch.setattr(Lately, "n_bytes", 100)
    lately = Lately()
    assert lately.same(mask)[0] is not lately.same(mask)[0]
