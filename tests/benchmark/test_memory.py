"""A line of memory takes time, and a search is told how many it reads."""

import numpy as np
import pytest

from sklearn_jin import HNSWNeighbors, PCAQuantizer, ScalarQuantizer
from sklearn_jin.benchmark import memory


@pytest.mark.parametrize("n_bytes", [0, 1 << 14])
def test_a_line_takes_time(n_bytes):
    assert 0 < memory.line_seconds(n_bytes) < 1e-3


@pytest.mark.jit
def test_all_lines_are_read_once():
    lines = np.arange(200 * 64).reshape(200, 64).astype(np.uint8)
    order = np.random.default_rng(0).permutation(200).astype(np.int32)
    assert memory._read(lines, order) == lines[:, 0].sum(dtype=np.int64)


@pytest.mark.parametrize("n_bytes, lines", [(16, 1), (64, 1), (65, 2), (512, 8)])
def test_part_of_a_line_is_a_line(n_bytes, lines):
    assert memory.lines_of(np.zeros((3, n_bytes), np.uint8)) == lines


@pytest.mark.jit
def test_lines_of_finer_codes_are_read_too():
    X = np.random.default_rng(0).random((80, 200), dtype=np.float32)
    index = HNSWNeighbors(M=8, exact_threshold=0, random_state=0)
    index.set_params(quantizer=PCAQuantizer(100)).fit(X)
    # 54 bytes of a code, 208 numbers and 200 bytes of 3 candidates.
    lines = 10 * 1 + 100 * 1 + 3 * (13 + 4)
    assert memory.lines_read(index, hops=10, scores=100, exact=3) == lines


@pytest.mark.parametrize(
    "settings, lines",
    [
        # 16 edges of 4 bytes, a row of 80 numbers and as many of 3 candidates.
        ({}, 10 * 1 + 100 * 5 + 3 * 5),
        # 40 bytes of a code.
        ({"quantizer": ScalarQuantizer(4)}, 10 * 1 + 100 * 1 + 3 * 5),
        # Half of a row's bytes.
        (
            {"quantizer": ScalarQuantizer(4), "store_vectors": "float16"},
            10 * 1 + 100 * 1 + 3 * 3,
        ),
    ],
)
def test_lines_are_those_of_hops_scores_and_candidates(settings, lines):
    X = np.random.default_rng(0).random((80, 80), dtype=np.float32)
    index = HNSWNeighbors(M=8, ef_search=50, exact_threshold=0, random_state=0)
    index.set_params(**settings).fit(X)
    assert memory.lines_read(index, hops=10, scores=100, exact=3) == lines
