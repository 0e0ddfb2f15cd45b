"""Arrays are the files that NumPy writes and reads, and no other file is taken."""

import io
import os
import zlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin.storage import arrays
from sklearn_jin.storage.arrays import DTYPES, Stored, header_of

RNG = np.random.default_rng(0)
SHAPES = [(), (0,), (5,), (3, 0), (2, 3), (4, 3, 2)]


def write(array, path, name):
    arrays.write(array, path, name)
    return arrays.stored_as(array, name)


def opened(path, stored):
    fd, size = arrays.opened(path, stored.file)
    arrays.check_size(stored, size)
    return fd


def some(shape, dtype):
    return RNG.integers(0, 2, (*shape, np.dtype(dtype).itemsize), np.uint8).view(dtype)[
        ..., 0
    ]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", "CF")
def test_numpy_reads_what_is_written(tmp_path, shape, dtype, order):
    array = np.asarray(some(shape, dtype), order=order)
    stored = write(array, tmp_path, "a.npy")
    assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), array)
    assert int(stored.crc32, 16) == zlib.crc32((tmp_path / "a.npy").read_bytes())
    assert len(header_of(stored.dtype, shape, stored.order)) % 64 == 0
    for get in (arrays.read, arrays.mapped):
        found = get(stored, opened(tmp_path, stored), verify=True)
        assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.strides == array.strides or not found.size
        assert found.ctypes.data % 64 == 0 or not found.size
    assert not found.flags.writeable


@pytest.mark.parametrize("array", [np.arange(6, dtype=">i4"), np.arange(12)[::2]])
def test_what_lies_otherwise_in_memory_is_written_alike(tmp_path, array):
    stored = write(array, tmp_path, "a.npy")
    assert stored.dtype[0] == "<"
    assert_array_equal(np.load(tmp_path / "a.npy"), array)


def test_a_large_array_is_read_to_large_pages(tmp_path):
    array = RNG.random((1100, 1000), dtype=np.float32)
    stored = write(array, tmp_path, "a.npy")
    found = arrays.read(stored, opened(tmp_path, stored))
    assert found.ctypes.data % (1 << 21) == 0 and (found == array).all()


def test_a_file_is_never_written_over(tmp_path):
    write(np.zeros(3), tmp_path, "a.npy")
    with pytest.raises(FileExistsError):
        write(np.ones(3), tmp_path, "a.npy")
    assert_array_equal(np.load(tmp_path / "a.npy"), 0)


def test_a_system_that_takes_a_part_at_a_time_is_given_all(tmp_path, monkeypatch):
    some = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: some(fd, data[:7]))
    write(np.arange(50), tmp_path, "a.npy")
    assert_array_equal(np.load(tmp_path / "a.npy"), np.arange(50))


@pytest.mark.parametrize("read_at", {False, arrays.READ_AT})
def test_two_threads_read_and_sum_what_one_does(tmp_path, monkeypatch, read_at):
    monkeypatch.setattr(arrays, "READ_AT", read_at)
    stored = write(ARRAY, tmp_path, "a.npy")
    for name, size in (("SMALL", 0), ("MANY", 0), ("BLOCK", 48), ("CHUNK", 20)):
        monkeypatch.setattr(arrays, name, size)
    monkeypatch.setattr(arrays, "count_threads", lambda _: 8)
    assert arrays.stored_as(ARRAY, "a.npy") == stored
    for get in (arrays.read, arrays.mapped):
        for verify in (False, True):
            found = get(stored, opened(tmp_path, stored), verify)
            assert_array_equal(found, ARRAY)


@pytest.mark.parametrize("n", [0, 1, 7, 64, 1000, 4097])
def test_checksums_are_joined(n):
    data = RNG.integers(0, 256, 5000, np.uint8).tobytes()
    first, second = data[: 5000 - n], data[5000 - n :]
    assert arrays.joined(zlib.crc32(first), zlib.crc32(second), n) == zlib.crc32(data)


# Files that are others.

ARRAY = np.arange(40, dtype=np.int32).reshape(8, 5)
LIKE = {
    "dtype": ARRAY.astype(np.float32),
    "shape": ARRAY.reshape(5, 8),
    "order": np.asfortranarray(ARRAY),
    "flat": ARRAY.ravel(),
    "big-endian": ARRAY.astype(">i4"),
    "objects": ARRAY.astype(object),
}


@pytest.mark.parametrize("get", [arrays.read, arrays.mapped])
@pytest.mark.parametrize("other", LIKE.values(), ids=LIKE)
def test_an_array_of_another_kind_is_refused(tmp_path, other, get):
    stored = write(ARRAY, tmp_path, "a.npy")
    np.save(tmp_path / "a.npy", other)
    with pytest.raises(ValueError, match=r"a\.npy has"):
        get(stored, opened(tmp_path, stored))


@pytest.mark.parametrize("get", [arrays.read, arrays.mapped])
def test_verifying_finds_every_flipped_bit(tmp_path, get):
    stored = write(ARRAY, tmp_path, "a.npy")
    whole = (tmp_path / "a.npy").read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        (tmp_path / "a.npy").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.npy has"):
            get(stored, opened(tmp_path, stored), verify=True)


def test_a_small_array_is_always_verified_and_a_large_one_if_asked(tmp_path):
    for size, refused in ((arrays.SMALL, True), (arrays.SMALL + 1, False)):
        name = f"{size}.npy"
        stored = write(np.zeros(size, np.uint8), tmp_path, name)
        with open(tmp_path / name, "r+b") as file:
            file.seek(-1, io.SEEK_END)
            file.write(b"\1")
        fd = opened(tmp_path, stored)
        if refused:
            with pytest.raises(ValueError, match="checksum"):
                arrays.read(stored, fd)
        else:
            assert arrays.read(stored, fd)[-1] == 1


def test_sizes_are_compared_before_memory_is_taken():
    huge = Stored("a.npy", "<f8", (2**40, 2**40), "C", "00000000")
    with pytest.raises(ValueError, match=r"has 100 bytes, but .* takes 967140655"):
        arrays.check_size(huge, 100)
    small = Stored("a.npy", "<f8", (2,), "C", "00000000")
    arrays.check_size(small, 144)
    for size in (143, 145, 2**40):
        with pytest.raises(ValueError, match="takes 144"):
            arrays.check_size(small, size)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    stored = write(ARRAY, tmp_path, "a.npy")
    fd = opened(tmp_path, stored)
    os.truncate(tmp_path / "a.npy", 200)
    with pytest.raises(ValueError, match="ends too early"):
        arrays.read(stored, fd)


def test_only_plain_files_are_opened(tmp_path):
    write(ARRAY, tmp_path, "a.npy")
    os.symlink("a.npy", tmp_path / "link.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ValueError, match="is a symbolic link"):
        arrays.opened(tmp_path, "link.npy")
    for name in ("pipe.npy", "folder.npy"):
        with pytest.raises(ValueError, match="is no plain file"):
            arrays.opened(tmp_path, name)
    with pytest.raises(FileNotFoundError):
        arrays.opened(tmp_path, "none.npy")
