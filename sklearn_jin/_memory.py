"""Rows where a CPU likes them: padded, and starting at a cache line."""

import mmap
import weakref
from functools import partial

import numpy as np

LINE = 64  # bytes of a cache line
LARGE = 1 << 22  # bytes of an array that is worth large pages
HUGE = 1 << 21  # bytes of a large page
SHORT = 48  # numbers; shorter rows are not worth whole lines


def padded_width(d):
    """Numbers of a float32 row of ``d``: whole lines, or fours where it is short."""
    step = 4 if d < SHORT else LINE // 4
    return max(step, -(-d // step) * step)


def aligned_empty(n, width, dtype=np.float32):
    """Array of shape (n, width) whose first row starts at a line."""
    size = np.dtype(dtype).itemsize * n * width
    step = HUGE if size >= LARGE and hasattr(mmap, "MADV_HUGEPAGE") else LINE
    if step == HUGE:
        # From the allocator it may be used memory, in small pages: fresh from
        # the system a walk is a tenth faster, for it reads all over the array.
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        pages = mmap.mmap(-1, size + step, flags=private)
        pages.madvise(mmap.MADV_HUGEPAGE)
        room = np.frombuffer(pages, np.uint8)
    else:
        room = np.empty(size + step, np.uint8)
    start = -room.ctypes.data % step
    return room[start : start + size].view(dtype).reshape(n, width)


def aligned(rows):
    """``rows`` as :func:`aligned_empty` places them: a copy, if they must be moved."""
    step = LINE if rows.nbytes < LARGE else HUGE
    return rows if rows.ctypes.data % step == 0 else moved(rows)


def moved(rows):
    """Copy of ``rows`` as :func:`aligned_empty` places them."""
    copy = aligned_empty(*rows.shape, rows.dtype)
    copy[...] = rows
    return copy


def padded_bytes(n):
    """Bytes of a row of codes of ``n``: whole lines, or 16s up to half a line."""
    step = 16 if n <= LINE // 2 else LINE
    return max(step, -(-n // step) * step)


def lines_of(rows):
    """Cache lines of one of ``rows``."""
    return -(-rows.shape[1] * rows.itemsize // LINE)


def aligned_codes(codes, n_bytes=0):
    """Copy of rows of codes, padded with zeros to ``n_bytes`` at least, read-only."""
    n, used = codes.shape
    rows = aligned_empty(n, padded_bytes(max(used, n_bytes)), np.uint8)
    rows[:, :used], rows[:, used:] = codes, 0
    return frozen(rows)


def settled(part, seen=None):
    """A record that was read or copied, as it was built: aligned and read-only.

    What is mapped from a file stays there.  What was unpickled lies wherever
    the pickle had it, in small pages: a large array is moved to large ones.  A record
    that stands in two places is one record afterwards too.
    """
    seen = {} if seen is None else seen
    if isinstance(part, np.ndarray):
        if part.ndim > 1 and part.size and not isinstance(part, np.memmap):
            part = aligned(part.reshape(len(part), -1)).reshape(part.shape)
        return frozen(part)
    if isinstance(part, tuple) and part:
        if id(part) not in seen:
            fields = (settled(field, seen) for field in part)
            seen[id(part)] = type(part)._make(fields)
        return seen[id(part)]
    return part


def frozen(array):
    """``array`` as a read-only view.

    Kernels are given read-only arrays throughout: one compilation serves what
    lies in memory and what is mapped from a file.
    """
    if not array.flags.writeable:
        return array
    array = array.view()
    array.flags.writeable = False
    return array


class Remembered:
    """What was made of arrays, for as long as these, which nobody changes, live.

    Single queries ask for it, which take as long as to make it would.
    """

    most = 64

    def __init__(self):
        self._made = {}

    def get(self, arrays, key, make):
        """What ``make()`` gave for ``arrays`` and ``key`` when it was first asked."""
        key = *map(id, arrays), key
        owners, made = self._made.get(key, ((), None))
        if not owners or any(own() is not a for own, a in zip(owners, arrays)):
            if len(self._made) >= self.most:
                self._made.clear()
            made = make()
            forget = partial(self._forget, key)
            self._made[key] = [weakref.ref(a, forget) for a in arrays], made
        return made

    def _forget(self, key, _):
        self._made.pop(key, None)


class Lately:
    """Masks that were seen lately, by which an equal one is known for the same.

    What is :class:`Remembered` of one then serves the other.  The owner of a mask may
    change it, so that neither its place nor a hash is enough: masks that set as many
    are compared, which takes 8 us of 100,000.
    """

    most = 4
    n_bytes = 1 << 26  # of all of them

    def __init__(self):
        self._seen = ()

    def same(self, mask):
        """A read-only mask equal to ``mask``, bool (n,), and how many it sets."""
        n = int(np.count_nonzero(mask))
        for seen, n_set in self._seen:
            if n_set == n and len(seen) == len(mask) and (seen == mask).all():
                return seen, n
        mask = frozen(mask.copy())
        if mask.nbytes <= self.n_bytes // self.most:
            self._seen = (mask, n), *self._seen[: self.most - 1]  # at once
        return mask, n


class Zeros:
    """Arrays of zeros, uint64, that are used again: large ones are slow to make.

    Who takes one leaves zeros in it and gives it back, or else drops it.  A thread, or
    a query within a query, takes its own.  At most 16 of 4 MB wait to be used.
    """

    few = 1 << 12  # numbers; so few are cleared as fast as they are passed around
    many = 1 << 19  # more are not kept
    most = 16  # arrays

    def __init__(self):
        self._waiting = []
        self._nothing = np.zeros(0, np.uint64)

    def take(self, n):
        """An array of ``n`` zeros or more, or of none where they are ``few``."""
        if n <= self.few:
            return self._nothing
        try:
            array = self._waiting.pop()  # which no other thread can get as well
        except IndexError:
            array = self._nothing
        return array if len(array) >= n else np.zeros(n, np.uint64)

    def give(self, array):
        """Let others use ``array``, which holds zeros."""
        if self.few < len(array) <= self.many and len(self._waiting) < self.most:
            self._waiting.append(array)
