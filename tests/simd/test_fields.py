"""Sums over the fields of codes are those of their definitions, whatever is around."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import _simd
from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen
from sklearn_jin._simd.fields import (
    _plain_bit_counts,
    _plain_float_at,
    _plain_gaps,
    _plain_products,
)

NUMBERS = np.array([0, 1e-45, 1e-38, 0.5, 1, 3, 1e38, np.inf, np.nan], np.float32)


@kernel
def float_at(codes, i, at):
    return _simd.float_at(codes, i, at)


@kernel
def bit_counts(codes, i, query, v):
    return _simd.bit_counts(codes, i, query, v)


@kernel
def products1(codes, i, at, lanes, query, v, to):
    return _simd.products1(codes, i, at, lanes, query, v, to)


@kernel
def products2(codes, i, at, lanes, query, v, to):
    return _simd.products2(codes, i, at, lanes, query, v, to)


@kernel
def products4(codes, i, at, lanes, query, v, to):
    return _simd.products4(codes, i, at, lanes, query, v, to)


@kernel
def products8(codes, i, at, lanes, query, v, to):
    return _simd.products8(codes, i, at, lanes, query, v, to)


@kernel
def gaps4(codes, i, at, lanes, query, v, to):
    return _simd.gaps4(codes, i, at, lanes, query, v, to)


@kernel
def gaps8(codes, i, at, lanes, query, v, to):
    return _simd.gaps8(codes, i, at, lanes, query, v, to)


SIZES = [16, 48, 64, 112, 128, 192]  # bytes of a row


def fields_of(row, bits):
    """All first fields of the words of ``row``, then all second ones, and so on."""
    words = np.ascontiguousarray(row).view("<u2").tolist()
    shifts = range(0, 16, bits)
    return [word >> shift & ((1 << bits) - 1) for shift in shifts for word in words]


def sum_of_products(row, query, bits):
    return sum(f * q for f, q in zip(fields_of(row, bits), query.tolist()))


def sum_of_squares(row, query, bits):
    fields = (f << (8 - bits) for f in fields_of(row, bits))
    return sum((f - q) ** 2 for f, q in zip(fields, query.tolist()))


SUMS = {
    "products1": (products1, _plain_products(1), sum_of_products, 1),
    "products2": (products2, _plain_products(2), sum_of_products, 2),
    "products4": (products4, _plain_products(4), sum_of_products, 4),
    "products8": (products8, _plain_products(8), sum_of_products, 8),
    "gaps4": (gaps4, _plain_gaps(4), sum_of_squares, 4),
    "gaps8": (gaps8, _plain_gaps(8), sum_of_squares, 8),
}


@pytest.fixture(params=SUMS)
def field_sum(request):
    """A kernel, its plain twin, its definition, and the bits of a field."""
    return SUMS[request.param]


def coded(size, bits, at=0, to=0, high=120, seed=0):
    """Codes of ``size`` bytes from ``at`` on, a query from ``to`` on; more around."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (3, at + size + 16), np.uint8)
    query = rng.integers(-high, high, (2, to + 8 * size // bits + 8), np.int16)
    return frozen(codes), query


@pytest.mark.parametrize("to", [0, 8, 24])
@pytest.mark.parametrize("at", [0, 16, 5])
@pytest.mark.parametrize("size", SIZES)
def test_sums_over_the_fields_of_a_row(field_sum, size, at, to):
    found, plain, expected, bits = field_sum
    codes, query = coded(size, bits, at, to)
    for i, v in np.ndindex(3, 2):
        wanted = expected(codes[i, at : at + size], query[v, to:], bits)
        args = codes, i, at, size // 2, query, v, to
        assert found(*args) == plain(*args) == np.float32(wanted)


@pytest.mark.parametrize("size", SIZES)
def test_every_field_of_a_row_counts_once(field_sum, size):
    found, _, expected, bits = field_sum
    top, n = (1 << bits) - 1, 8 * size // bits
    query, wanted = np.eye(n, dtype=np.int16), top
    if expected is sum_of_squares:  # all gaps but one are 0
        query, wanted = np.int16(top << (8 - bits)) - query, 1
    codes = frozen(np.full((1, size), 255, np.uint8))
    sums = [found(codes, 0, 0, size // 2, query, v, 0) for v in range(n)]
    assert_array_equal(sums, np.full(n, wanted))


@pytest.mark.parametrize("size", SIZES)
def test_sums_of_large_integers_err_by_float32_only(field_sum, size):
    found, plain, expected, bits = field_sum
    high = 1024 if expected is sum_of_squares else 32767
    codes, query = coded(size, bits, high=high)
    for i, v in np.ndindex(3, 2):
        wanted = expected(codes[i, :size], query[v], bits)
        largest = expected(codes[i, :size], -np.abs(query[v]), bits)
        args = codes, i, 0, size // 2, query, v, 0
        for value in (found(*args), plain(*args)):
            assert_allclose(value, wanted, rtol=0, atol=1e-6 * abs(largest))


@pytest.mark.parametrize("extreme", [-32768, 32767])
@pytest.mark.parametrize("size", SIZES)
def test_extreme_integers_do_not_overflow_in_products(size, extreme):
    codes = frozen(np.full((1, size), 255, np.uint8))
    for found, _, expected, bits in list(SUMS.values())[:4]:
        query = np.full((1, 8 * size // bits), extreme, np.int16)
        wanted = expected(codes[0], query[0], bits)
        value = found(codes, 0, 0, size // 2, query, 0, 0)
        assert_allclose(value, wanted, rtol=1e-6)


def test_no_fields_add_up_to_nothing(field_sum):
    codes, query = coded(16, field_sum[3])
    assert field_sum[0](codes, 1, 0, 0, query, 1, 0) == 0


@pytest.mark.parametrize("at", [0, 4, 7, 16, 60])
def test_floats_among_bytes(at):
    codes = np.random.default_rng(0).integers(0, 256, (3, 64), np.uint8)
    for number in NUMBERS:
        codes[1, at : at + 4] = np.frombuffer(number.tobytes(), np.uint8)
        rows = frozen(codes)
        found, plain = float_at(rows, 1, at), _plain_float_at(rows, 1, at)
        assert_array_equal([found, plain], [number, number])


@pytest.mark.parametrize("size", [8, 16, 56, 64, 72, 256])
def test_bits_of_two_rows_are_counted(size):
    rng = np.random.default_rng(size)
    codes, query = (frozen(rng.integers(0, 256, (3, size), np.uint8)) for _ in range(2))
    for i, v in np.ndindex(3, 3):
        common, differing = (
            int(np.unpackbits(bits).sum())
            for bits in (codes[i] & query[v], codes[i] ^ query[v])
        )
        for count in (bit_counts, _plain_bit_counts):
            assert count(codes, i, query, v) == common << 32 | differing
