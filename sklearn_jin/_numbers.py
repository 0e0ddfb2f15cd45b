"""Sizes of rows, which float32 and float64 hold within limits, and powers of two."""

import math

import numpy as np

# Rows whose largest number is outside SAFE are multiplied by a power of two, which
# is exact, and rows whose spread float32 would lose beside their mean are shifted.
SAFE = (2.0**-8, 2.0**8)
SQUARED = (2.0**-400, 2.0**400)  # sizes whose squares float64 holds with all digits
FACTORS = 1000  # exponents of which float64 has the power of two itself
NARROW = tuple(map(np.dtype, ("u1", "i1", "f2")))  # types that rows may be kept in
SAFE_OFFSET = 64.0  # standard deviations between a column's mean and zero
SAMPLE = 10_000  # rows that tell mean and spread
BLOCK = 8192  # rows prepared at a time,
NUMBERS = 2**20  # and their numbers, so that copies take some MB
FEW = 8192  # numbers: to find a place at a line for fewer takes longer than they do


def blocks(X):
    """Slices of the rows of ``X`` that leave room for copies in float64."""
    n, d = X.shape
    step = max(1, min(BLOCK, NUMBERS // d))
    return (slice(lo, lo + step) for lo in range(0, n, step))


def squares(X):
    """Squared lengths of the rows of ``X``, float64."""
    return np.einsum("ij,ij->i", X, X, dtype=np.float64)


def size_of(X):
    """Size of the largest number of ``X``."""
    return max(float(X.max()), -float(X.min()))


def all_below(size, X):
    """Whether all numbers of a few rows are known to be below ``size``, in 1 us.

    If this is False, one may be larger, infinite or NaN, or they are not few.
    """
    return X.size <= FEW and float(np.vdot(X, X)) < size * size


def safe_exponent(size, safe=SAFE):
    """The ``e`` that brings ``size * 2**e`` to [1/2, 1), or 0 if ``size`` is safe."""
    if size == 0 or not math.isfinite(size) or safe[0] < size <= safe[1]:
        return 0
    return -math.frexp(size)[1]


def times_power(X, exponents):
    """``X * 2**exponents``: float64, but ``X`` itself where the exponent is 0."""
    if isinstance(exponents, int) and exponents == 0:
        return X
    if np.abs(exponents).max() <= FACTORS:  # a product takes a tenth of the time
        return np.multiply(X, np.ldexp(1.0, exponents), dtype=np.float64)
    return np.ldexp(X.astype(np.float64), exponents)


def shift(X):
    """Means of the columns that lie far from 0, and 0 for others; None if none does."""
    some = X[:: -(-len(X) // SAMPLE)].astype(np.float64)
    exponent = safe_exponent(size_of(some), SQUARED)
    some = times_power(some, exponent)
    mean, spread = some.mean(axis=0), some.std(axis=0)
    far = np.abs(mean) > SAFE_OFFSET * spread
    return np.where(far, times_power(mean, -exponent), 0.0) if far.any() else None


def widened(X):
    """``X``, or where it is of a type of ``NARROW`` a float32 copy."""
    return X.astype(np.float32) if X.dtype in NARROW else X


def lengths_of(X):
    return np.sqrt(squares(X))


def measured(X):
    """Rows like ``X`` but for powers of two; their lengths, and the exponents.

    Rows whose squared lengths float64 does not hold are brought near 1, and
    were ``2**exponents`` as long; all others are those of ``X``.
    """
    lengths, exponents = lengths_of(X), np.zeros(len(X), np.int32)
    if X.dtype == np.float64:
        least, most = SQUARED
        odd = np.flatnonzero(~((least < lengths) & (lengths < most)))
        if len(odd):
            exponents[odd] = np.frexp(np.abs(X[odd]).max(axis=1))[1]
            X = X.copy()
            X[odd] = np.ldexp(X[odd], -exponents[odd, None])
            lengths[odd] = lengths_of(X[odd])
    return X, lengths, exponents


def length_exponents(X):
    """The ``e`` (n,) with lengths in [2**(e - 1), 2**e), 0 for 0; and which are not 0.

    Lengths are those of the rows of ``X``.
    """
    _, lengths, exponents = measured(X)
    return exponents + np.frexp(lengths)[1], lengths > 0
