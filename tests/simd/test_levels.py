"""Every level of the CPU finds the same, in processes that compile for it."""

import pytest
from child import FEATURES, python

from sklearn_jin import _simd

SEARCH = """
import numpy as np
from sklearn_jin import HNSWNeighbors, _simd
X = np.random.default_rng(0).integers(-9, 9, (500, 37))
index = HNSWNeighbors(exact_threshold=0, random_state=0, n_jobs=1).fit(X)
ids = index.kneighbors(n_neighbors=7, return_distance=False)
told = [ids.ravel().tolist()]
for store, own in (("float16", X), ("input", X.astype(np.int8))):
    index = HNSWNeighbors(exact_threshold=0, random_state=0, store_vectors=store)
    ids = index.fit(own).kneighbors(X[:60], 7, return_distance=False)
    told.append(ids.ravel().tolist())
print(_simd.LEVEL, told)
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

@kernel
def run_blocks(blocks, quads, tables, factors, sums, scores, masks):
    for b in range(len(blocks)):
        _simd.sum_table(blocks, b, tables, 0, sums[b])
        _simd.sum_tables(blocks, b, tables, 1, 2, sums[3 + b])
        _simd.sum_table(quads, b, tables, 0, sums[6 + b])
        _simd.sum_tables(quads, b, tables, 1, 2, sums[9 + b])
        _simd.add_share(sums[b], 0, sums[3 + b], 1, np.uint16(40000))
        zero, one, bound = np.float32(0), np.float32(1), np.float32(900)
        masks[b] = _simd.factored(
            sums[b], 0, factors, b, one, zero, one, bound, scores[b]
        )
        masks[3 + b] = _simd.at_most(sums[b], 0, np.uint16(900))
        masks[6 + b] = _simd.differing_bits(tables, b, blocks, b)
        masks[9 + b] = _simd.lowest(masks[b] | np.uint64(1 << 40))

@kernel
def run_rows(arrays, others, found):
    for i in range(len(arrays)):
        for j in range(len(others)):
            found[i, j, 0] = _simd.dot(arrays, i, others, j)
            found[i, j, 1] = _simd.squared_l2(arrays, i, others, j)
            found[i, j, 2] = _simd.l1(arrays, i, others, j)
            found[i, j, 3] = _simd.largest(arrays, i, others, j)

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

blocks = rng.integers(0, 256, (3, 6 * 64), np.uint8)
quads = rng.integers(0, 256, (3, 3, 128), np.uint8)
tables = rng.integers(0, 256, (3, 6 * 64), np.uint8)
factors = rng.integers(-3, 3, (2, 3, 64)).astype(np.float32)
sums, scores = np.zeros((12, 2, 64), np.uint16), np.zeros((3, 64), np.float32)
masks = np.zeros(12, np.uint64)
run_blocks(blocks, quads, tables, factors, sums, scores, masks)
told += [sums, scores, masks]

numbers, whole = rng.integers(-9, 9, (2, 4, 76)).astype(np.float32)
ends = np.tile(np.array([-1, 0, 2.0**-24, -(2.0**-15)], np.float32), (4, 19))
for typed in (
    numbers.astype(np.int8), abs(numbers).astype(np.uint8),
    numbers.astype(np.float16).view(np.uint16), ends.astype(np.float16).view(np.uint16),
):
    for other in (whole, typed):
        found = np.empty((4, 4, 4), np.float32)
        run_rows(typed, other, found)
        told += [found]
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
