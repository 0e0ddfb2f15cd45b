"""Random rotations in D log D steps instead of D squared, and products with any.

A turned row does not depend on the batch that it is in.
"""

import numpy as np

from sklearn_jin._jit import kernel

ROUNDS = 4
COLUMNS = 32  # rows turned side by side, so that every step is on whole vectors
PART = 4096  # rows of one product: their float64 copies stay small


def draw_signs(D, rng):
    """Random signs (ROUNDS, D), float32: they say which rotation it is."""
    return rng.choice(np.array([-1, 1], np.float32), (ROUNDS, D))


def turned_width(d):
    """Numbers of a turned row of ``d``: even, from 2 on."""
    return d + d % 2 if d > 1 else 1


def rotate(rows, signs):
    """``rows`` (n, D) turned by the orthogonal matrix that ``signs`` stand for.

    Rounds of random signs and a Walsh-Hadamard transform.  Where D is no power
    of two the transform covers the first and the last numbers in turn, as many
    as the largest power of two below D, and a butterfly joins the two halves
    of the row after each (as the RaBitQ library does it).
    """
    turned = np.empty(rows.shape, np.float32)
    turn(np.ascontiguousarray(rows, np.float32), signs, turned)
    return turned


def rotation_matrix(signs):
    """The matrix ``R`` with ``rotate(x) = x @ R``."""
    return rotate(np.eye(signs.shape[1], dtype=np.float32), signs)


def multiply(rows, matrix):
    """``rows @ matrix``, float32.

    Rounded from float64, for a product in float32 rounds a row by its place in
    the batch.
    """
    matrix = matrix.astype(np.float64)
    product = np.empty((len(rows), matrix.shape[1]), np.float32)
    for lo in range(0, len(rows), PART):
        part = slice(lo, lo + PART)
        product[part] = rows[part].astype(np.float64) @ matrix
    return product


@kernel
def turn(rows, signs, turned):
    """Fill ``turned`` with the rotated ``rows``, a block of columns at a time."""
    n, D = rows.shape
    t = 1
    while 2 * t <= D:
        t *= 2
    scale = np.float32(1) / np.sqrt(np.float32(t))
    joined = np.float32(1) if t == D else np.float32(0.5) ** np.float32(len(signs) / 2)
    block = np.zeros((D, COLUMNS), np.float32)
    for lo in range(0, n, COLUMNS):
        m = min(COLUMNS, n - lo)
        for j in range(D):
            for c in range(m):
                block[j, c] = rows[lo + c, j]
        for r in range(len(signs)):
            first = 0 if r % 2 == 0 else D - t
            for j in range(first, first + t):
                factor = scale * signs[r, j]
                for c in range(COLUMNS):
                    block[j, c] *= factor
            transform(block, first, t)
            if t < D:
                for j in range(D // 2):
                    butterfly(block, j, j + D // 2)
        for c in range(m):
            for j in range(D):
                turned[lo + c, j] = joined * block[j, c]


@kernel
def transform(block, first, t):
    """Walsh-Hadamard transform of ``t`` rows, a power of two, in place."""
    half = 1
    while half < t:
        for lo in range(first, first + t, 2 * half):
            for j in range(lo, lo + half):
                butterfly(block, j, j + half)
        half *= 2


@kernel
def butterfly(block, i, j):
    """Sum and difference of two rows take their places."""
    for c in range(COLUMNS):
        a, b = block[i, c], block[j, c]
        block[i, c], block[j, c] = a + b, a - b
