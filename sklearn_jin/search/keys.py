"""Keys: a score and an id in one uint64, so that one comparison orders both.

A key is 32 bits of the score, 31 of the id, and a flag.  Scores are not negative, and
of two such float32 numbers the larger has the larger bits: so keys are ordered as
pairs (score, id) are.
"""

import numpy as np

from sklearn_jin._jit import kernel, piece
from sklearn_jin._simd import bits_float, float_bits

EXPANDED = np.uint64(1)  # the flag: the neighbours of the node were looked at
ID_BITS = np.uint64(0x7FFFFFFF)
NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)
INFINITE = np.uint64(0x7F800000 << 32)  # no key of a finite score is larger
ONE, THIRTY_TWO = np.uint64(1), np.uint64(32)
SAME_SCORE = np.uint64(0xFFFFFFFF)  # the bits of a key below its score


@kernel
def key_of(score, i):
    """Key of point ``i``; the flag is not set."""
    return (np.uint64(float_bits(score)) << THIRTY_TWO) | (np.uint64(i) << ONE)


@kernel
def id_of(key):
    return np.int64((key >> ONE) & ID_BITS)


@kernel
def score_of(key):
    """Score of a key; that of ``NO_KEY`` is NaN."""
    return bits_float(np.uint32(key >> THIRTY_TWO))


@piece
def is_in(words, i):
    """Whether bit ``i`` of ``words``, uint64, is set: whether id ``i`` is of a set."""
    return (words[i >> 6] >> np.uint64(i & 63)) & ONE != 0


def words_of(mask, dtype=np.uint64):
    """Words of the bits of ``mask``, the first the lowest; zeros fill up the last."""
    size = np.dtype(dtype).itemsize
    room = np.zeros(-(-len(mask) // (8 * size)) * size, np.uint8)
    packed = np.packbits(mask, bitorder="little")
    room[: len(packed)] = packed
    return room.view(np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False)


@kernel
def read_keys(keys, ids, scores):
    """Fill ``ids``, -1 where there is no key, and ``scores``, NaN there."""
    for q in range(len(keys)):
        for j in range(keys.shape[1]):
            key = keys[q, j]
            ids[q, j] = -1 if key == NO_KEY else id_of(key)
            scores[q, j] = score_of(key)


def split_keys(keys):
    """Ids, int32 with -1 where there is no key, and scores, float32, of ``keys``."""
    ids, scores = np.empty(keys.shape, np.int32), np.empty(keys.shape, np.float32)
    read_keys(keys, ids, scores)
    return ids, scores
