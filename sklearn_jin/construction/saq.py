"""SAQ codes: principal components in segments, each with as many bits as it is worth.

Li et al. 2025.  Segments are runs of blocks of components; which, and with how
many bits a number, a dynamic program finds.  Within a segment codes are those
of CAQ: a grid, then coordinate ascent on the cosine of row and code.
"""

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin.points.packing import plane_bytes

FLOAT = 4  # bytes of a segment's factor
WORTH = 0.99  # of the error: what another segment has to bring it below
MOST_SEGMENTS = 8
LEAST = 1 + 1e-12  # by which the squared cosine has to rise for a move

# Of the squared product with a query, what is error: 1 / cos**2 - 1 of codes of
# 1 to 8 bits of normal numbers.  The released code has 2**-bits here.
ERRORS = (0.57, 0.133, 0.0374, 0.0107, 0.0029, 0.00074, 0.00018, 0.000046)
# The same of numbers that are left out: 1, and more because of near rows all of
# whose distance is estimated too large.  With 1, half of 128 equal variances
# got two bits, rather than all one, and recall@10 fell from 0.33 to 0.25.
LEFT_OUT = 1.5


def block_width(d):
    """Numbers of a block: 64 as in the paper, fewer where that were under 4 blocks."""
    return min(64, max(8, 8 * round(d / 32)))


def budget_bytes(d, n_bits):
    """Bytes for the planes of ``d`` numbers of ``n_bits`` bits on average."""
    whole = int(n_bits)
    return plane_bytes(d, whole) + int(np.ceil((n_bits - whole) * d / 8))


def plan(variances, block, budget):
    """Segments, pairs (numbers, bits), that leave the least error; None if none fit.

    Their planes and a float32 factor each, without that of the first, take
    ``budget`` bytes at most.  Numbers after the last segment are left out.  The
    error is the expected square of what is wrong in the product of two rows,
    where the paper has the error of a row.
    """
    ends = [*range(0, len(variances), block), len(variances)]
    n, size = len(ends) - 1, budget + FLOAT + 1
    sums = np.concatenate([[0], np.cumsum(variances)])[ends]
    squares = np.concatenate([[0], np.cumsum(variances**2)])[ends]
    left_out = LEFT_OUT * (squares[-1] - squares)
    best, least = None, np.inf
    errors = np.full((n + 1, size), np.inf)
    errors[0] = 0
    trail = []
    for _ in range(min(n, MOST_SEGMENTS)):
        errors, step = _add_segment(errors, ends, sums)
        trail.append(step)
        totals = errors[:, -1] + left_out
        j = int(totals.argmin())
        if totals[j] < WORTH * least or (best is None and np.isfinite(totals[j])):
            best, least = _trace(trail, j, ends), totals[j]
    return best


def _add_segment(errors, ends, sums):
    """Least errors (blocks, bytes) with one segment more, and how they came about."""
    n, size = errors.shape
    longer = np.full(errors.shape, np.inf)
    step = np.zeros((n, size, 2), np.int16)  # block where it starts, and its bits
    for j in range(1, n):
        for i in range(j):
            d = ends[j] - ends[i]
            spread = (sums[j] - sums[i]) ** 2 / d
            for bits, error in enumerate(ERRORS, 1):
                cost = plane_bytes(d, bits) + FLOAT
                if cost >= size:
                    break
                found = errors[i, : size - cost] + error * spread
                better = np.flatnonzero(found < longer[j, cost:]) + cost
                longer[j, better] = found[better - cost]
                step[j, better] = i, bits
    return longer, step


def _trace(trail, j, ends):
    """The segments that a plan of the first ``j`` blocks consists of."""
    segments, left = [], trail[0].shape[1] - 1
    for step in trail[::-1]:
        i, bits = map(int, step[j, left])
        d = ends[j] - ends[i]
        segments.append((d, bits))
        j, left = i, left - plane_bytes(d, bits) - FLOAT
    return segments[::-1]


def components(X, center):
    """Principal components (d, d), float64, as columns, and the variances."""
    total = np.zeros((X.shape[1], X.shape[1]))
    for lo in range(0, len(X), 4096):
        rows = X[lo : lo + 4096].astype(np.float64) - center
        total += rows.T @ rows
    variances, axes = np.linalg.eigh(total / len(X))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    # An axis may point either way; the largest number is made positive.
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))]
    return axes * np.where(largest < 0, -1, 1), variances


def turned(axes, segments, rng):
    """The first ``axes`` (d, D), those of each segment turned at random among them."""
    parts, start = [], 0
    for d, _ in segments:
        q, r = np.linalg.qr(rng.standard_normal((d, d)))
        q *= np.where(np.diag(r) < 0, -1, 1)  # so that all rotations are alike
        parts.append(axes[:, start : start + d] @ q)
        start += d
    return np.hstack(parts)


def encode(rows, segments, n_rounds):
    """Numbers (n, D), uint8, and a scale (n, n_segments), float32, of turned rows.

    The scale is ``-2 |r|**2 / <r, y>`` of a segment ``r`` of the row and the
    values ``y`` of its numbers, 0 where the segment is 0.
    """
    numbers = np.empty(rows.shape, np.uint8)
    scales = np.zeros((len(rows), len(segments)), np.float32)
    start = 0
    for s, (d, bits) in enumerate(segments):
        part = slice(start, start + d)
        encode_rows(rows[:, part], 1 << bits, n_rounds, numbers[:, part], scales[:, s])
        start += d
    return numbers, scales


@kernel
def encode_rows(rows, levels, n_rounds, numbers, scales):
    """Fill ``numbers`` and ``scales`` of one segment, of ``levels`` a number."""
    d = rows.shape[1]
    for i in range(len(rows)):
        row, code = rows[i], numbers[i]
        largest = np.float32(0)
        for j in range(d):
            largest = max(largest, abs(row[j]))
        if not largest > 0:
            code[:] = 0
            continue
        for j in range(d):
            place = (row[j] / largest + np.float32(1)) * np.float32(levels // 2)
            code[j] = min(np.int64(place), levels - 1)
        adjust(row, code, levels, n_rounds)
        products, _ = measure(row, code, levels)
        length = 0.0
        for j in range(d):
            length += np.float64(row[j]) ** 2
        scales[i] = -2 * length / products


@kernel
def adjust(row, code, levels, n_rounds):
    """Move every number of ``code`` up or down as long as the cosine rises.

    Coordinate ascent, ``n_rounds`` times over the row or until nothing moves.
    A number is done when it can move neither way; what rounding alone makes
    better is left.
    """
    middle = np.float64(levels - 1) / 2
    for _ in range(n_rounds):
        # From scratch in each round: the sums drift.
        products, squares = measure(row, code, levels)
        moved = False
        for j in range(len(row)):
            x = np.float64(row[j])
            number = np.int64(code[j])
            for s in (1, -1):
                while 0 <= number + s < levels:
                    more = products + s * x
                    wide = squares + 2 * s * (number - middle) + 1
                    if more * more * squares <= products * products * wide * LEAST:
                        break
                    number += s
                    products, squares, moved = more, wide, True
            code[j] = number
        if not moved:
            break


@kernel
def measure(row, code, levels):
    """``<r, y>`` and ``|y|**2`` of a row and the values of its code."""
    middle = np.float64(levels - 1) / 2
    products, squares = 0.0, 0.0
    for j in range(len(row)):
        y = np.float64(code[j]) - middle
        products += np.float64(row[j]) * y
        squares += y * y
    return products, squares


def values(numbers, segments):
    """``y`` (n, D), float32, of numbers."""
    middles = [np.full(d, ((1 << bits) - 1) / 2) for d, bits in segments]
    return numbers - np.concatenate(middles).astype(np.float32)


def squared_cosines(rows, numbers, scales, segments):
    """Mean squared cosine, float32, of every segment of rows and its values."""
    y, means, start = values(numbers, segments), [], 0
    for s, (d, _) in enumerate(segments):
        part = slice(start, start + d)
        # <r, y> is -2 |r|**2 / scale.
        above = 4 * np.square(rows[:, part]).sum(axis=1, dtype=np.float64)
        below = np.square(scales[:, s : s + 1] * y[:, part]).sum(axis=1)
        some = below > 0
        means.append(np.divide(above, below, out=np.ones(len(y)), where=some).mean())
        start += d
    return np.array(means, np.float32)
