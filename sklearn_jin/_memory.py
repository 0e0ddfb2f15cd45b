"""Rows where a CPU likes them: padded, and starting at a cache line."""

import numpy as np

LINE = 64  # bytes of a cache line
SHORT = 48  # numbers; shorter rows are not worth whole lines


def padded_width(d):
    """Numbers of a float32 row of ``d``: whole lines, or fours where it is short."""
    step = 4 if d < SHORT else LINE // 4
    return max(step, -(-d // step) * step)


def aligned_empty(n, width):
    """Array of shape (n, width), float32, whose first row starts at a line."""
    room = np.empty(4 * n * width + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + 4 * n * width].view(np.float32).reshape(n, width)


def aligned(rows):
    """``rows`` itself if they start at a line, else a copy that does."""
    if rows.ctypes.data % LINE == 0:
        return rows
    copy = aligned_empty(*rows.shape)
    copy[...] = rows
    return copy


def settled(part):
    """A record that was read or copied, as it was built: aligned and read-only.

    What is mapped from a file stays there.
    """
    if isinstance(part, np.ndarray):
        rows = part.dtype == np.float32 and part.ndim == 2
        in_memory = not isinstance(part, np.memmap)
        return frozen(aligned(part) if rows and in_memory else part)
    if isinstance(part, tuple):
        return type(part)._make(map(settled, part))
    return part


def frozen(array):
    """``array`` as a read-only view.

    Kernels are given read-only arrays throughout: one compilation serves what
    lies in memory and what is mapped from a file.
    """
    array = array.view()
    array.flags.writeable = False
    return array
