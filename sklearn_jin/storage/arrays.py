"""Arrays as files: plain ``.npy``, little-endian, their numbers at a cache line.

What a file is to hold is told elsewhere, by a :class:`Stored`, so its header is not
parsed: it must be the very bytes that are written for such an array.  So no header can
ask for memory or for code, and a file is as long as it has to be or it is refused.
"""

import math
import mmap
import os
import stat
import zlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sklearn_jin._memory import LINE, aligned_empty, frozen
from sklearn_jin._threads import count_threads, run

MAGIC = b"\x93NUMPY\x01\x00"  # of version 1.0 of the format
DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8")
DTYPES += ("<f2", "<f4", "<f8")
CHUNK = 1 << 18  # bytes that a checksum finds in the cache: 4 GB/s, not 3
# Bytes that are written at a time: Linux keeps them in large pages then, and a map has
# such, too: of 700 MB a row is first read in 0.4 us instead of 2.4.
PIECE = 1 << 26
BLOCK = 1 << 22  # bytes that a thread reads or sums at a time
MANY = 1 << 24  # bytes that are worth two threads
POLYNOMIAL = 0xEDB88320  # of CRC-32
SMALL = 1 << 20  # bytes of an array that is read and checked whatever is asked for
MOST_DIMENSIONS = 8
# A link may lead out of the folder, and a pipe would be waited for.
READ = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    READ |= getattr(os, _flag, 0)


READ_AT = hasattr(os, "preadv")  # which Windows has not: there one thread reads


class Stored(NamedTuple):
    """What the manifest tells of an array."""

    file: str  # name within the folder
    dtype: str  # one of ``DTYPES``
    shape: tuple
    order: str  # "C", the last index runs fastest, or "F", the first
    crc32: str  # of the whole file, eight hexadecimal digits


def header_of(dtype, shape, order):
    """The bytes before the numbers of an array, whole lines of the cache."""
    shape = tuple(int(size) for size in shape)
    told = {"descr": dtype, "fortran_order": order == "F", "shape": shape}
    text = "{" + "".join(f"{key!r}: {value!r}, " for key, value in told.items()) + "}"
    size = -(-(len(MAGIC) + 2 + len(text) + 1) // LINE) * LINE - len(MAGIC) - 2
    return MAGIC + size.to_bytes(2, "little") + text.ljust(size - 1).encode() + b"\n"


def n_bytes(dtype, shape):
    """Bytes of the numbers of an array; an integer that does not overflow."""
    return math.prod(shape) * np.dtype(dtype).itemsize


def storable(array):
    """``array`` as its file has it: contiguous and little-endian; and its order.

    The order of what is contiguous is kept, for products round by it.
    """
    order = "C"
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        order = "F"
    dtype = array.dtype.newbyteorder("<")
    return np.asarray(array, dtype, order), order


def laid_out(array):
    """What the file of ``array`` holds: its :class:`Stored`, header and numbers.

    The name and the checksum are yet to be set; numbers are bytes, uint8.
    """
    array, order = storable(array)
    told = Stored("", array.dtype.str, array.shape, order, "")
    flat = array.reshape(-1, order=order).view(np.uint8)
    return told, header_of(*told[1:4]), flat


def stored_as(array, name):
    """The :class:`Stored` of ``array`` in the file ``name``."""
    told, header, flat = laid_out(array)
    crc = summed(flat, zlib.crc32(header), threads_for(len(flat)))
    return told._replace(file=name, crc32=f"{crc:08x}")


def write(array, path, name):
    """Make the file ``name`` in the folder ``path``, on the disk after :func:`sync`.

    There must be none of that name.
    """
    _, header, flat = laid_out(array)
    fd = os.open(path / name, create_flags(), 0o666)
    try:
        write_all(fd, header)
        for lo in range(0, len(flat), PIECE):
            write_all(fd, flat[lo : lo + PIECE].data)
    finally:
        os.close(fd)


def sync(path, name):
    """Wait until the disk has the file ``name`` of the folder ``path``."""
    fd = os.open(path / name, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_whole(path, stored):
    """Whether the file of ``stored`` is there, as far as its size tells."""
    try:
        fd, size = opened(path, stored.file)
        os.close(fd)
        check_size(stored, size)
    except (OSError, ValueError):
        return False
    return True


def holds(path, stored, array):
    """Whether the file of ``stored`` holds the very bytes of ``array``, undamaged.

    It is read as far as they are alike.
    """
    told, header, flat = laid_out(array)
    if told[1:4] != stored[1:4]:
        return False
    try:
        fd, _ = opened(path, stored.file)
    except (OSError, ValueError):
        return False
    try:
        crc = zlib.crc32(checked_header(stored, fd))
        for lo in range(0, len(flat), CHUNK):
            known = flat[lo : lo + CHUNK]
            found = np.empty_like(known)
            fill(fd, found.data, len(header) + lo, stored)
            if not np.array_equal(found, known):
                return False
            crc = zlib.crc32(found, crc)
    except (OSError, ValueError):
        return False
    finally:
        os.close(fd)
    return f"{crc:08x}" == stored.crc32


def summed(data, crc=0, n_threads=1, get=None):
    """The checksum of bytes, uint8, behind those of the checksum ``crc``.

    ``get(part, at)``, if any, fills every part of them first, which begins ``at``.
    """
    sums = [0] * -(-len(data) // BLOCK)

    def task(lo, hi):
        own = 0
        for at in range(lo, hi, CHUNK):
            part = data[at : min(at + CHUNK, hi)].data
            if get is not None:
                get(part, at)
            own = zlib.crc32(part, own)
        sums[lo // BLOCK] = own

    run(task, len(data), BLOCK, n_threads)
    for i, own in enumerate(sums):
        crc = joined(crc, own, min(BLOCK, len(data) - i * BLOCK))
    return crc


def joined(first, second, n):
    """CRC-32 of two runs of bytes by those of each; the second is of ``n`` bytes.

    The first is multiplied by ``x**(8 n)``, as ``crc32_combine`` of zlib does it.
    """
    return _product(_power(n), first) ^ second


@lru_cache(64)
def _power(n):
    """``x**(8 n)`` modulo the polynomial of CRC-32, whose lowest bit is the last."""
    power, factor = 1 << 31, 1 << 23
    while n:
        power = _product(factor, power) if n & 1 else power
        factor, n = _product(factor, factor), n >> 1
    return power


def _product(a, b):
    product = 0
    while a:
        product ^= b if a >> 31 else 0
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
    return product


def threads_for(size):
    """Threads that read, write or sum so many bytes: two, where they are many."""
    return min(2, count_threads(None)) if size > MANY else 1


def create_flags():
    """Flags by which a file is made that is not there yet."""
    return os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_all(fd, data):
    """Write all of ``data``, of which the system may take a part at a time."""
    data = memoryview(data)
    while len(data):
        data = data[os.write(fd, data) :]


def opened(path, name):
    """A descriptor of a file of the folder ``path``, and its size.

    Raises FileNotFoundError, and ValueError for what is no plain file.
    """
    try:
        fd = os.open(path / name, READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        if (path / name).is_symlink():
            raise ValueError(
                f"{path / name} is a symbolic link, which may lead anywhere: put the "
                "file itself there"
            ) from error
        raise
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        os.close(fd)
        raise ValueError(f"{path / name} is no plain file")
    return fd, about.st_size


def check_size(stored, size):
    """Raise ValueError unless a file of ``size`` bytes can hold what was stored."""
    header = header_of(stored.dtype, stored.shape, stored.order)
    expected = len(header) + n_bytes(stored.dtype, stored.shape)
    if size != expected:
        raise ValueError(
            f"{stored.file} has {size} bytes, but an array of shape {stored.shape} and "
            f"dtype {stored.dtype!r} takes {expected}"
        )


def read(stored, fd, verify=False):
    """The array of an open file of the right size, in memory as kernels like it.

    Small arrays are always compared with their checksum, others if they are to be.
    """
    header = checked_header(stored, fd)
    size = n_bytes(stored.dtype, stored.shape)
    room = aligned_empty(1, size, np.uint8)[0]
    n_threads = threads_for(size) if READ_AT else 1

    def get(part, at):
        fill(fd, part, len(header) + at, stored)

    if verify or size <= SMALL:
        check_sum(stored, summed(room, zlib.crc32(header), n_threads, get))
    else:
        run(lambda lo, hi: get(room[lo:hi].data, lo), size, BLOCK, n_threads)
    return shaped(room, stored)


def mapped(stored, fd, verify=False):
    """The array of an open file of the right size, read-only, where the file is.

    An array without numbers, which nothing can be mapped of, is made.
    """
    header = checked_header(stored, fd)
    size = n_bytes(stored.dtype, stored.shape)
    if not size:
        return frozen(shaped(np.empty(0, np.uint8), stored))
    pages = mmap.mmap(fd, len(header) + size, access=mmap.ACCESS_READ)
    whole = np.frombuffer(pages, np.uint8)
    if verify:
        check_sum(stored, summed(whole, n_threads=threads_for(size)))
    return shaped(whole[len(header) :], stored)


def shaped(room, stored):
    """Bytes as the array that they are."""
    dtype = np.dtype(stored.dtype)
    array = room.view(dtype).reshape(stored.shape, order=stored.order)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def checked_header(stored, fd):
    """The header of an open file, which is the one of such an array."""
    header = header_of(stored.dtype, stored.shape, stored.order)
    os.lseek(fd, 0, os.SEEK_SET)
    found = os.read(fd, len(header))
    if found != header:
        raise ValueError(
            f"{stored.file} has not the header of an array of shape {stored.shape} "
            f"and dtype {stored.dtype!r}"
        )
    return header


def fill(fd, part, at, stored):
    """Fill ``part``, a memoryview, from an open file, from byte ``at`` on."""
    while len(part):
        n = read_at(fd, part, at)
        if not n:
            raise ValueError(f"{stored.file} ends too early")
        part, at = part[n:], at + n


def read_at(fd, part, at):
    """Read bytes from the byte ``at`` on to a part of ``part``; how many there were."""
    if READ_AT:
        return os.preadv(fd, [part], at)
    os.lseek(fd, at, os.SEEK_SET)
    data = os.read(fd, len(part))
    part[: len(data)] = data
    return len(data)


def check_sum(stored, crc):
    """Raise ValueError unless a file has the checksum that it was written with."""
    if f"{crc:08x}" != stored.crc32:
        raise ValueError(
            f"{stored.file} has the checksum {crc:08x}, but was written with "
            f"{stored.crc32}"
        )
