"""Vector code means what its plain Python means, at every level of the CPU."""

import numpy as np
import pytest
from child import python
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import _simd
from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen

WIDTHS = range(4, 84, 4)


@kernel
def squared_l2(X, i, Y, j):
    return _simd.squared_l2(X, i, Y, j)


@kernel
def dot(X, i, Y, j):
    return _simd.dot(X, i, Y, j)


@kernel
def l1(X, i, Y, j):
    return _simd.l1(X, i, Y, j)


@kernel
def largest(X, i, Y, j):
    return _simd.largest(X, i, Y, j)


@kernel
def shift_right(array, start, n):
    _simd.shift_right(array, start, n)


@kernel
def count_below(keys, start, n, key):
    return _simd.count_below(keys, start, n, key)


@kernel
def float_bits(x):
    return _simd.float_bits(x)


@kernel
def bits_float(bits):
    return _simd.bits_float(bits)


@kernel
def prefetch(array, i, lines):
    _simd.prefetch(array, i, lines)
    return array[i, 0]


def gaps(X, i, Y, j):
    return np.abs(X[i].astype(np.float64) - Y[j])


DISTANCES = [
    (dot, lambda X, i, Y, j: X[i].astype(np.float64) @ Y[j]),
    (squared_l2, lambda *rows: (gaps(*rows) ** 2).sum()),
    (l1, lambda *rows: gaps(*rows).sum()),
    (largest, lambda *rows: gaps(*rows).max()),
]


@pytest.fixture(params=DISTANCES, ids=["dot", "squared_l2", "l1", "largest"])
def distance(request):
    return request.param


def rows(n, width, seed=0):
    """Whole numbers, whose sums are exact in float32, in an array not to be written."""
    X = np.random.default_rng(seed).integers(-99, 99, (n, width))
    return frozen(X.astype(np.float32))


@pytest.mark.parametrize("width", WIDTHS)
def test_distances_of_rows(distance, width):
    (found, expected), X, Y = distance, rows(3, width), rows(2, width, seed=1)
    for i, j in np.ndindex(3, 2):
        assert found(X, i, Y, j) == expected(X, i, Y, j)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_of_a_row_counts_once(distance, width):
    (found, _), X = distance, frozen(np.eye(width, dtype=np.float32))
    other = frozen(np.full((1, width), float(found is dot), np.float32))
    assert_array_equal([found(X, i, other, 0) for i in range(width)], np.ones(width))


def test_rows_need_no_alignment(distance):
    (found, expected), room = distance, rows(1, 1000)[0]
    for start in range(1, 20):
        X = frozen(room[start : start + 360].reshape(5, 72))
        assert found(X, 1, X, 4) == expected(X, 1, X, 4)


def test_sums_are_as_good_as_those_of_float32(distance):
    found, expected = distance
    X = frozen(np.random.default_rng(0).random((9, 512), dtype=np.float32))
    for i, j in np.ndindex(9, 9):
        # 512 / 8 terms in each of at least 8 sums: as many roundings at most
        assert_allclose(found(X, i, X, j), expected(X, i, X, j), 80 * 2.0**-24)


@pytest.mark.parametrize("at", [0, 5, 33, 47, 50])
@pytest.mark.parametrize("distance", DISTANCES[:3], ids=["dot", "squared_l2", "l1"])
def test_a_nan_makes_the_sum_nan(distance, at):
    X = rows(2, 52).copy()
    X[1, at] = np.nan
    assert np.isnan(distance[0](frozen(X), 0, frozen(X), 1))


def test_an_infinite_gap_is_infinite(distance):
    X = rows(2, 52).copy()
    X[1, 7] = np.inf
    assert abs(distance[0](frozen(X), 0, frozen(X), 1)) == np.inf


@pytest.mark.parametrize("dtype", [np.uint64, np.int32, np.float32])
@pytest.mark.parametrize("start, n", [(0, 0), (0, 9), (3, 1), (2, 6)])
def test_shift_right_moves_up_by_one(dtype, start, n):
    array = np.arange(10, dtype=dtype)
    expected = array.copy()
    expected[start + 1 : start + 1 + n] = array[start : start + n]
    shift_right(array, start, n)
    assert_array_equal(array, expected)


@pytest.mark.parametrize("start, n", [(0, 0), (0, 8), (3, 16), (5, 64)])
@pytest.mark.parametrize("key", [0, 7, 2**63, 2**64 - 1])
def test_count_below_compares_unsigned_numbers(start, n, key):
    numbers = np.array([0, 3, 7, 9, 2**63, 2**64 - 1], np.uint64)
    keys = np.random.default_rng(0).choice(numbers, 70)
    expected = (keys[start : start + n] < np.uint64(key)).sum()
    assert count_below(keys, start, n, np.uint64(key)) == expected


NUMBERS = np.array([0, 1e-45, 1e-38, 0.5, 1, 3, 1e38, np.inf, np.nan], np.float32)


def test_float_bits_are_the_bits_of_the_number():
    assert [float_bits(x) for x in NUMBERS] == NUMBERS.view(np.uint32).tolist()


def test_bits_float_is_the_number_of_the_bits():
    found = np.array([bits_float(bits) for bits in NUMBERS.view(np.uint32)], np.float32)
    assert_array_equal(found.view(np.uint32), NUMBERS.view(np.uint32))


def test_bits_rank_as_numbers_do():
    bits = [float_bits(x) for x in NUMBERS]
    assert bits == sorted(bits)


def test_prefetch_may_be_asked_for_more_lines_than_there_are():
    assert prefetch(rows(3, 4), 2, 16) == rows(3, 4)[2, 0]


# Levels, in processes that compile for another CPU

BASELINE = "+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx"
FEATURES = {
    "portable": "",
    "avx2": f"{BASELINE},+avx2,+fma",
    "avx512": f"{BASELINE},+avx2,+fma,+avx512f,+avx512bw,+avx512vl",
}
SEARCH = """
import numpy as np
from sklearn_jin import HNSWNeighbors, _simd
X = np.random.default_rng(0).integers(-9, 9, (500, 37))
index = HNSWNeighbors(exact_threshold=0, random_state=0, n_jobs=1).fit(X)
ids = index.kneighbors(n_neighbors=7, return_distance=False)
print(_simd.LEVEL, ids.ravel().tolist())
"""


LOWER = [level for level in FEATURES if level != _simd.LEVEL]


@pytest.fixture(scope="module")
def found():
    """What a process finds that compiles for this CPU."""
    return python(SEARCH)


@pytest.mark.jit
@pytest.mark.parametrize("level", LOWER)
def test_every_level_of_the_cpu_finds_the_same(level, found):
    if not _simd.LEVELS[level] <= _simd.cpu_features():
        pytest.skip(f"this CPU has no {level}")
    cpu = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": FEATURES[level]}
    assert python(SEARCH, **cpu) == found.replace(_simd.LEVEL, level)


@pytest.mark.parametrize(
    "cpu, level",
    [
        ({"NUMBA_CPU_NAME": "generic"}, "portable"),
        ({"NUMBA_CPU_NAME": "nehalem"}, "portable"),
        ({"NUMBA_CPU_FEATURES": "+avx2,+fma,-avx512f"}, "avx2"),
        ({"NUMBA_CPU_FEATURES": "-avx2,+fma"}, "portable"),
        ({}, _simd.LEVEL),
    ],
)
def test_the_level_is_that_of_the_cpu_that_is_compiled_for(cpu, level):
    code = "from sklearn_jin import _simd; print(_simd.LEVEL)"
    assert python(code, **cpu) == level
