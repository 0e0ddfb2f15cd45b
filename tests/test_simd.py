"""Vector code means what its plain Python means, at every level of the CPU."""

import numpy as np
import pytest
from child import python
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin import _simd
from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen

WIDTHS = range(4, 84, 4)
NUMBERS = np.array([0, 1e-45, 1e-38, 0.5, 1, 3, 1e38, np.inf, np.nan], np.float32)


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
def insert(keys, start, filled, key):
    return _simd.insert(keys, start, filled, key)


@kernel
def below(scores, start, bound):
    return _simd.below(scores, start, bound)


@kernel
def lowest(bits):
    return _simd.lowest(bits)


@kernel
def list_new(rows, i, met, start, found, first):
    return _simd.list_new(rows, i, met, start, found, first)


@kernel
def float_at(codes, i, at):
    return _simd.float_at(codes, i, at)


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


@kernel
def float_bits(x):
    return _simd.float_bits(x)


@kernel
def bits_float(bits):
    return _simd.bits_float(bits)


@kernel
def prefetch_lines(array, i, lines):
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


# Sums over fields

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
    "products1": (products1, _simd._plain_products(1), sum_of_products, 1),
    "products2": (products2, _simd._plain_products(2), sum_of_products, 2),
    "products4": (products4, _simd._plain_products(4), sum_of_products, 4),
    "products8": (products8, _simd._plain_products(8), sum_of_products, 8),
    "gaps4": (gaps4, _simd._plain_gaps(4), sum_of_squares, 4),
    "gaps8": (gaps8, _simd._plain_gaps(8), sum_of_squares, 8),
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
        found, plain = float_at(rows, 1, at), _simd._plain_float_at(rows, 1, at)
        assert_array_equal([found, plain], [number, number])


# Ascending keys

LAST = 2**64 - 1


def pool_of(keys, room, lanes=1):
    """Pools for ``room`` keys each, the middle one of which holds ``keys``."""
    places = (room + 7) // 8 * 8 + 8
    pools = np.full((lanes, places), LAST, np.uint64)
    pools[lanes // 2, : len(keys)] = np.sort(keys)
    return pools.reshape(-1), lanes // 2 * places, places


def inserted(keys, key, start, filled):
    """Rank and pool after an insertion, by a list."""
    some = keys[start : start + filled].tolist()
    rank = sum(other <= key for other in some)
    some.insert(rank, key)
    return rank, some


def check_insert(keys, key, room, lanes=1):
    pool, start, places = pool_of(np.array(keys, np.uint64), room, lanes)
    filled, before = min(len(keys), room - 1), pool.copy()
    rank, wanted = inserted(pool, key, start, filled)
    twin = pool.copy()
    assert insert(pool, start, filled, np.uint64(key)) == rank
    assert _simd._plain_insert(twin, start, filled, np.uint64(key)) == rank
    for found in (pool, twin):
        assert found[start : start + filled + 1].tolist() == wanted
        # Nothing but what drops out stands behind, and no other lane has changed.
        dropped = max(map(int, keys[filled:]), default=LAST)
        assert {*found[start + filled + 1 : start + places].tolist()} <= {dropped, LAST}
        assert_array_equal(found[:start], before[:start])
        assert_array_equal(found[start + places :], before[start + places :])


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 40])
@pytest.mark.parametrize("lanes", [1, 3])
def test_a_key_is_inserted_at_every_rank(n, lanes):
    for rank in range(n + 1):
        check_insert([10 * (i + 1) for i in range(n)], 10 * rank + 5, n + 1, lanes)


@pytest.mark.parametrize("room", [1, 2, 7, 8, 9, 16, 17, 33])
def test_the_last_key_of_a_full_pool_drops_out(room):
    for rank in range(room):
        check_insert([10 * (i + 1) for i in range(room)], 10 * rank + 5, room, 3)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 24])
def test_a_key_is_inserted_behind_equal_ones(n):
    for key in (4, 5, 6):
        check_insert([5] * n, key, n + 1)


@pytest.mark.parametrize("key", [0, 1, 2**63 - 1, 2**63, LAST - 1])
def test_keys_are_unsigned(key):
    check_insert([0, 3, 2**63 - 1, 2**63, 2**63 + 1, LAST - 1], key, 20)


few_keys = st.lists(st.integers(0, 30) | st.integers(0, LAST - 1), max_size=60)


@given(few_keys, st.integers(0, 30) | st.integers(0, LAST - 1), st.integers(0, 20))
@settings(max_examples=150)
def test_insertion_is_that_into_a_list(keys, key, more):
    check_insert(keys, key, len(keys) + 1 + more, 3)


@given(few_keys, st.integers(1, 40))
@settings(max_examples=100)
def test_insertions_sort_and_keep_the_smallest(keys, room):
    pool, start, places = pool_of([], room, 3)
    for n, key in enumerate(keys):
        if key < pool[start + room - 1]:
            insert(pool, start, min(n, room - 1), np.uint64(key))
    wanted = sorted(keys)[:room]
    assert pool[start : start + len(wanted)].tolist() == wanted
    assert (pool[:start] == LAST).all() and (pool[start + places :] == LAST).all()


# Scores that are near enough

SCORES = [0, 1e-45, 1, 2, np.inf, np.nan]


@given(
    st.lists(st.sampled_from(SCORES), min_size=32, max_size=32),
    st.sampled_from([*SCORES, 1.5, -np.inf]),
    st.sampled_from([0, 1, 5, 32]),
)
@settings(max_examples=150)
def test_below_tells_what_is_not_above_the_bound(values, bound, start):
    scores = np.full(start + 40, 1, np.float32)
    scores[start : start + 32], bound = values, np.float32(bound)
    wanted = sum(1 << j for j, score in enumerate(values) if not score > bound)
    assert below(scores, start, bound) == wanted
    assert _simd._plain_below(scores, start, bound) == wanted


@pytest.mark.parametrize("j", range(32))
def test_each_score_has_its_own_bit(j):
    scores = np.full(32, 2, np.float32)
    scores[j] = 1
    assert below(scores, 0, np.float32(1.5)) == 1 << j


def test_nothing_is_known_to_be_above_a_missing_bound():
    scores = np.array([np.nan, np.inf] * 16, np.float32)
    assert below(scores, 0, np.float32(np.nan)) == 2**32 - 1
    assert below(scores, 0, np.float32(np.inf)) == 2**32 - 1
    assert below(scores, 0, np.float32(9)) == 0x55555555  # the NaNs


@given(st.integers(1, 2**32 - 1))
def test_lowest_is_the_number_of_zeros_below(bits):
    wanted = len(f"{bits:b}") - len(f"{bits:b}".rstrip("0"))
    assert lowest(np.uint32(bits)) == _simd._plain_lowest(bits) == wanted


@pytest.mark.parametrize("j", range(32))
def test_lowest_of_one_bit(j):
    assert lowest(np.uint32(1 << j)) == j
    assert lowest(np.uint32(2**32 - (1 << j))) == j


# Nodes that were not met


def check_list_new(row, known, start=2, first=3):
    """List the new ones of ``row``, the second of three; 200 numbers there are."""
    rows = np.full((3, len(row)), 7, np.int32)
    rows[1] = row
    met = np.zeros(start + 4 + 2, np.uint64)
    met[:start], met[start + 4 :] = 9, 9  # other lanes'
    for j in known:
        met[start + j // 64] |= np.uint64(1 << j % 64)
    ends = row.index(-1) if -1 in row else len(row)
    wanted = [j for j in dict.fromkeys(row[:ends]) if j not in known]
    all_met = {*known, *row[:ends]}
    for function in (list_new, _simd._plain_list_new):
        marks, found = met.copy(), np.full(first + len(row) + 2, -7, np.int32)
        assert function(frozen(rows), 1, marks, start, found, first) == len(wanted)
        assert found[first : first + len(wanted)].tolist() == wanted
        assert (found[:first] == -7).all() and (found[first + len(row) :] == -7).all()
        bits = np.unpackbits(marks[start : start + 4].view(np.uint8), bitorder="little")
        assert {*np.flatnonzero(bits).tolist()} == all_met
        assert_array_equal(marks[:start], met[:start])
        assert_array_equal(marks[start + 4 :], met[start + 4 :])


@pytest.mark.parametrize(
    "row",
    [
        [-1],
        [5],
        [0, 63, 64, 127, 128, 199],  # words' first and last bits; a full row
        [10, 11, 12, 13],  # one word
        [70, 3, 71, 2, -1, -1],
        [4, 4, 4],
        [8, -1, 9, 10],
        [9, 8, 7, 6, 5, -1],
    ],
    ids=str,
)
@pytest.mark.parametrize("known", [[], [5, 11, 64, 9], range(200)], ids=len)
def test_a_row_lists_what_was_not_met(row, known):
    check_list_new(row, known)


numbers = st.integers(0, 199)


@given(
    st.lists(numbers | st.just(-1), min_size=1, max_size=40),
    st.sets(numbers),
    st.integers(0, 3),
    st.integers(0, 5),
)
@settings(max_examples=150)
def test_rows_are_listed_by_the_definition(row, known, start, first):
    check_list_new(row, known, start, first)


def test_a_row_is_listed_once():
    rows = frozen(np.arange(24, dtype=np.int32).reshape(1, 24))
    met, found = np.zeros(1, np.uint64), np.empty(24, np.int32)
    assert list_new(rows, 0, met, 0, found, 0) == 24
    assert list_new(rows, 0, met, 0, found, 0) == 0


# Bits of a float


def test_float_bits_are_the_bits_of_the_number():
    assert [float_bits(x) for x in NUMBERS] == NUMBERS.view(np.uint32).tolist()


def test_bits_float_is_the_number_of_the_bits():
    found = np.array([bits_float(bits) for bits in NUMBERS.view(np.uint32)], np.float32)
    assert_array_equal(found.view(np.uint32), NUMBERS.view(np.uint32))


def test_bits_rank_as_numbers_do():
    bits = [float_bits(x) for x in NUMBERS]
    assert bits == sorted(bits)


@kernel
def add_share(sums, row, adds, b, share):
    _simd.add_share(sums, row, adds, b, share)


@pytest.mark.parametrize("share", [0, 1, 700, 65535])
def test_a_share_of_numbers_is_added_to_one_row_of_sums(share):
    rng = np.random.default_rng(share)
    sums, adds = rng.integers(0, 30000, (2, 3, 64)).astype(np.uint16)
    adds[1, :2] = 0, 32767  # as large as they may be
    wanted = sums.copy()
    wanted[2] += (adds[1].astype(np.int64) * share // 65536).astype(np.uint16)
    add_share(sums, 2, adds, 1, np.uint16(share))
    assert_array_equal(sums, wanted)


@kernel
def factored(sums, row, factors, b, offset, inner, unit, bound, scores):
    return _simd.factored(sums, row, factors, b, offset, inner, unit, bound, scores)


@pytest.mark.parametrize("bound", [-1, 0, 40, np.inf, np.nan])
def test_scores_of_codes_with_factors_are_compared_with_a_bound(bound):
    rng = np.random.default_rng(0)
    sums = rng.integers(0, 65536, (2, 64)).astype(np.uint16)
    factors = rng.standard_normal((2, 3, 64)).astype(np.float32)
    factors[0, 2, :4] = np.inf, -np.inf, np.nan, -1e6
    scores = np.empty(64, np.float32)
    offset, inner, unit, bound = np.float32([10, -30, 1e-3, bound])
    bits = factored(sums, 1, factors, 2, offset, inner, unit, bound, scores)
    near = -30 + 1e-3 * sums[1].astype(np.float64)
    exact = 10 + factors[0, 2] + factors[1, 2] * near
    assert_allclose(scores, np.maximum(exact, 0), rtol=1e-5, atol=1e-4)
    wanted = [not score > bound for score in scores]
    assert [bool(int(bits) >> j & 1) for j in range(64)] == wanted
    assert np.isnan(scores[2]) and scores[1] == scores[3] == 0


def test_prefetch_may_be_asked_for_more_lines_than_there_are():
    assert prefetch_lines(rows(3, 4), 2, 16) == rows(3, 4)[2, 0]


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


PRIMITIVES = """
import numpy as np
from sklearn_jin import _simd
from sklearn_jin._jit import kernel

@kernel
def run(codes, query, scores, rows, keys, sums, masks, met, found):
    for i in range(len(codes)):
        for s, size in enumerate((16, 48, 64, 112, 128, 192)):
            n = size >> 1
            sums[i, s, 0] = _simd.products1(codes, i, 16, n, query, 0, 8)
            sums[i, s, 1] = _simd.products2(codes, i, 16, n, query, 1, 8)
            sums[i, s, 2] = _simd.products4(codes, i, 16, n, query, 0, 8)
            sums[i, s, 3] = _simd.products8(codes, i, 16, n, query, 1, 8)
            sums[i, s, 4] = _simd.gaps4(codes, i, 0, n, query, 0, 8)
            sums[i, s, 5] = _simd.gaps8(codes, i, 0, n, query, 1, 8)
        sums[i, :, 6] = _simd.float_at(codes, i, 3)
    for j, bound in enumerate(scores[:8]):
        masks[j] = _simd.below(scores, j, bound)
        masks[8 + j] = _simd.lowest(masks[j] | np.uint32(1 << (3 * j)))
    n = np.int64(0)
    for i in range(len(rows)):
        n += _simd.list_new(rows, i, met, 1, found, n)
        key = np.uint64(rows[i, 0] + 1) << np.uint64(50)
        masks[16 + i] = _simd.insert(keys, 48, min(i, 39), key)
    return n

rng = np.random.default_rng(0)
codes = rng.integers(0, 256, (3, 256), np.uint8)
codes[:, 3:7] = np.array([[1.5], [-2], [1e-40]], np.float32).view(np.uint8)
query = rng.integers(-60, 60, (2, 8 + 192 * 8), np.int16)
scores = rng.integers(0, 9, 64).astype(np.float32)
scores[[2, 3, 20, 30]] = np.nan, np.inf, np.nan, np.inf
rows = rng.integers(-1, 6000, (60, 40)).astype(np.int32)
rows[:, 0] = rng.permutation(60)  # the keys
keys = np.full(144, 2**64 - 1, np.uint64)
sums, masks = np.empty((3, 6, 7), np.float32), np.zeros(76, np.uint32)
met, found = np.zeros(100, np.uint64), np.full(2500, -1, np.int32)
n = run(codes, query, scores, rows, keys, sums, masks, met, found)
told = [sums, masks, keys, met, found[:n]]
print(_simd.LEVEL, [array.ravel().tolist() for array in told])
"""


LOWER = [level for level in FEATURES if level != _simd.LEVEL]


@pytest.fixture(scope="module", params=[PRIMITIVES, SEARCH], ids=["parts", "search"])
def found(request):
    """Code, and what a process finds by it that compiles for this CPU."""
    return request.param, python(request.param)


@pytest.mark.jit
@pytest.mark.parametrize("level", LOWER)
def test_every_level_of_the_cpu_finds_the_same(level, found):
    if not _simd.LEVELS[level] <= _simd.cpu_features():
        pytest.skip(f"this CPU has no {level}")
    cpu = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": FEATURES[level]}
    code, told = found
    assert python(code, **cpu) == told.replace(_simd.LEVEL, level)


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
