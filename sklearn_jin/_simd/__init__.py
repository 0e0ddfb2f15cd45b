"""What Numba does not say by itself: vectors, prefetches, bits of a float.

Every operation is a few lines that emit LLVM IR, beside its plain meaning in Python,
which stands in where the compiler is switched off.  The IR is generic, so that it has
a lowering on every CPU, but for calls of the CPU's own instructions, which depend on
``LEVEL``.  That names what the CPU offers, and decides the width of the vectors.

``cpu``
    what the CPU offers
``emit``
    how IR is written
``numbers``
    the types in which rows keep their numbers
``rows``
    distances of rows
``fields``
    sums over the fields of codes
``pool``
    steps of a walk over a graph
``calls``
    functions of users
``fastscan``
    sums of numbers that codes pick from tables
"""

# ruff: noqa: F401, the rest of the library imports these names from here

from sklearn_jin._memory import LINE
from sklearn_jin._simd.cpu import LANES, LEVEL, LEVELS, cpu_features
from sklearn_jin._simd.fastscan import (
    BLOCK,
    QUADS,
    add_share,
    at_most,
    factored,
    sum_table,
    sum_tables,
)
from sklearn_jin._simd.fields import (
    bit_counts,
    differing_bits,
    float_at,
    gaps4,
    gaps8,
    products1,
    products2,
    products4,
    products8,
)
from sklearn_jin._simd.numbers import floats, number
from sklearn_jin._simd.pool import (
    below,
    bits_float,
    float_bits,
    insert,
    list_new,
    lowest,
)
from sklearn_jin._simd.rows import dot, l1, largest, prefetch_lines, squared_l2
