"""RaBitQ codes: a rotated row as whole numbers of ``B`` bits, and three factors.

Gao & Long 2024 for one bit, Gao et al. 2024 for more.  A number ``c`` stands
for ``y = c - (2**B - 1) / 2``, whose direction is near the row's; how long the
row is, and how near its direction, is in the factors.  Rows of 128 numbers
take about 2 microseconds each.
"""

import numpy as np

from sklearn_jin._jit import kernel

EPS = 1.9  # epsilon_0 of the papers: standard deviations, nearly, that a bound leaves
FACTORS = ADD, SCALE, ERR = range(3)

# Where the best step of the grid is looked for, in levels that the largest
# number of the row would get: 48 places, then 24 around the best of them.
# Against all steps that change a code, 1 - cos**2 is larger by 0.1 % at most
# for B <= 4 and D >= 16, by 3 % for B = 8 and D = 64.
COARSE, FINE = 48, 24


def encode(rows, bits):
    """Numbers (n, D), uint8, and factors (n, 3), float32, of rotated rows.

    ``r`` is the row, centred and rotated.  The factors are ``|r|**2``,
    ``-2 |r|**2 / <r, y>`` and, for a query of length 1, the error that the
    squared distance is within at the rate of ``EPS``.
    """
    numbers = np.empty(rows.shape, np.uint8)
    factors = np.zeros((len(rows), len(FACTORS)), np.float32)
    encode_rows(rows, 1 << (bits - 1), numbers, factors)
    return numbers, factors


def decode(numbers, bits, factors):
    """Rotated rows (n, D), float32: ``y`` times what leaves the least error."""
    y = numbers - np.float32(((1 << bits) - 1) / 2)
    # <r, y> / |y|**2, where the scale is -2 |r|**2 / <r, y>
    below = factors[:, SCALE] * np.einsum("ij,ij->i", y, y)
    some = below < 0
    times = np.zeros(len(y), np.float32)
    times[some] = -2 * factors[some, ADD] / below[some]
    return y * times[:, None]


@kernel
def encode_rows(rows, half, numbers, factors):
    """Fill ``numbers`` and ``factors``; ``half`` is 2**(B - 1)."""
    D = rows.shape[1]
    for i in range(len(rows)):
        row = rows[i]
        step = best_step(row, half)
        for j in range(D):
            level = min(np.int64(step * abs(row[j])), half - 1)
            numbers[i, j] = half + level if row[j] >= 0 else half - 1 - level
        measure(row, numbers[i], np.float64(half) - 0.5, factors[i])


@kernel
def best_step(row, half):
    """Levels per unit, at which the code is nearest to the row's direction.

    ``t`` of the paper, which tries every value that changes the code.
    """
    largest = np.float32(0)
    for j in range(len(row)):
        largest = max(largest, abs(row[j]))
    if half == 1 or not largest > 0:
        return np.float32(0)
    best, best_cosine = np.float32(0), np.float32(-1)
    # Far beyond the grid's levels, for the largest of many numbers is cut.
    low, high = np.float32(0.3 * half), np.float32(1.05 * half + 5)
    gap = (high - low) / np.float32(COARSE) / largest
    for place in range(COARSE + 1):
        step = low / largest + np.float32(place) * gap
        found = squared_cosine(row, step, half)
        if found > best_cosine:
            best, best_cosine = step, found
    first = best - gap
    for place in range(FINE + 1):
        step = first + np.float32(place) * (2 * gap / np.float32(FINE))
        found = squared_cosine(row, step, half)
        if found > best_cosine:
            best, best_cosine = step, found
    return best


@kernel
def squared_cosine(row, step, half):
    """Of the row and its code, times the row's squared length."""
    top, products, squares = np.float32(half - 1), np.float32(0), np.float32(0)
    for j in range(len(row)):
        size = abs(row[j])
        level = min(np.floor(step * size), top) + np.float32(0.5)
        products += level * size
        squares += level * level
    return products * products / squares


@kernel
def measure(row, numbers, middle, factors):
    """Fill the ``factors`` of one row, zeros where the row is at the centre."""
    length, products, squares = 0.0, 0.0, 0.0
    for j in range(len(row)):
        x, y = np.float64(row[j]), np.float64(numbers[j]) - middle
        length += x * x
        products += x * y
        squares += y * y
    if products > 0:
        # tan**2 of the angle; rounding may leave less than 0 where that is 0
        tangent = max(length * squares / (products * products) - 1, 0.0)
        factors[ADD], factors[SCALE] = length, -2 * length / products
        spread = tangent / max(len(row) - 1, 1)
        factors[ERR] = 2 * EPS * np.sqrt(length * spread)
