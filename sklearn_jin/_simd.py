"""What Numba does not say by itself: vectors, prefetches, bits of a float.

Every operation is one piece of LLVM IR beside its plain meaning in Python,
which stands in where the compiler is switched off.  The IR is generic: it has
a lowering on every CPU, so no instruction can be missing.  ``LEVEL`` names
what the CPU offers and decides the width of the vectors.
"""

from functools import cache

import numpy as np
from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from sklearn_jin._jit import PLAIN
from sklearn_jin._memory import LINE

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
F32 = ir.FloatType()

# What a level asks of the CPU, best first.
LEVELS = {
    "avx512": {"avx512f", "avx512bw", "avx512vl"},
    "avx2": {"avx2", "fma"},
    "portable": set(),
}


@cache
def cpu_features():
    """Names of the CPU features that Numba compiles for.

    ``NUMBA_CPU_FEATURES`` and ``NUMBA_CPU_NAME`` are obeyed: an instruction
    outside of them would not be refused but would end the process.
    """
    if config.CPU_FEATURES is not None:
        flags = config.CPU_FEATURES.split(",")
        return frozenset(flag[1:] for flag in flags if flag.startswith("+"))
    if config.CPU_NAME not in (None, "host"):
        return frozenset()
    return frozenset(
        name for name, has in binding.get_host_cpu_features().items() if has
    )


def level():
    """Name of the best of ``LEVELS`` that the CPU supports."""
    return next(name for name, needs in LEVELS.items() if needs <= cpu_features())


LEVEL = level()
LANES = {"avx512": 16, "avx2": 8, "portable": 4}[LEVEL]  # float32 in one register


def emitted(plain):
    """Decorate an emitter of IR: its plain meaning runs where nothing is compiled."""
    return (lambda emit: plain) if PLAIN else intrinsic


def _address(context, builder, array_type, array, offset):
    """Pointer to the byte at ``offset`` of the data of ``array``."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(builder.bitcast(data, I8.as_pointer()), [offset])


def _row(context, builder, array_type, array, i):
    """Pointer to row ``i`` of a C-contiguous ``array``, and the row's bytes."""
    view = context.make_array(array_type)(context, builder, array)
    stride = builder.extract_value(view.strides, 0)
    data = builder.bitcast(view.data, I8.as_pointer())
    return builder.gep(data, [builder.mul(i, stride)]), stride


def _plain_prefetch(array, i, lines):
    return None


@emitted(_plain_prefetch)
def prefetch(typingctx, array, i, lines):
    """Ask for the first ``lines`` cache lines of row ``i`` of ``array``.

    Into the second-level cache: the first keeps only about 14 requests in
    flight.  Random rows of 512 bytes arrive every 50 ns so, 100 ns otherwise
    (Zen 4, rows beyond the third level).
    """
    signature = types.void(array, types.int64, types.int64)

    def codegen(context, builder, signature, args):
        row, _ = _row(context, builder, signature.args[0], args[0], args[1])
        call_type = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
        ask = cgutils.get_or_insert_function(
            builder.module, call_type, "llvm.prefetch.p0"
        )
        read, keep, data = (ir.Constant(I32, value) for value in (0, 2, 1))
        with cgutils.for_range(builder, args[2]) as loop:
            line = builder.gep(row, [builder.mul(loop.index, ir.Constant(I64, LINE))])
            builder.call(ask, [line, read, keep, data])
        return context.get_dummy_value()

    return signature, codegen


def _plain_squared_l2(X, i, Y, j):
    return np.float32(((X[i] - Y[j]) ** 2).sum(dtype=np.float32))


def _plain_dot(X, i, Y, j):
    return np.float32((X[i] * Y[j]).sum(dtype=np.float32))


def _plain_l1(X, i, Y, j):
    return np.float32(np.abs(X[i] - Y[j]).sum(dtype=np.float32))


def _plain_largest(X, i, Y, j):
    return np.float32(np.abs(X[i] - Y[j]).max(initial=0))


def _vector_function(builder, name, lanes, n_args):
    vector = ir.VectorType(F32, lanes)
    call_type = ir.FunctionType(vector, [vector] * n_args)
    return cgutils.get_or_insert_function(
        builder.module, call_type, f"llvm.{name}.v{lanes}f32"
    )


def _fused(builder, a, b, total, lanes):
    return builder.call(_vector_function(builder, "fmuladd", lanes, 3), [a, b, total])


def _add_product(builder, x, y, total, lanes):
    return _fused(builder, x, y, total, lanes)


def _add_square(builder, x, y, total, lanes):
    gap = builder.fsub(x, y)
    return _fused(builder, gap, gap, total, lanes)


def _size(builder, x, y, lanes):
    return builder.call(
        _vector_function(builder, "fabs", lanes, 1), [builder.fsub(x, y)]
    )


def _add_size(builder, x, y, total, lanes):
    return builder.fadd(_size(builder, x, y, lanes), total)


def _max_size(builder, x, y, total, lanes):
    pick = _vector_function(builder, "maxnum", lanes, 2)
    return builder.call(pick, [_size(builder, x, y, lanes), total])


def _reduce(builder, total, lanes, largest):
    vector = ir.VectorType(F32, lanes)
    if largest:
        call_type, name = ir.FunctionType(F32, [vector]), "fmax"
    else:
        call_type, name = ir.FunctionType(F32, [F32, vector]), "fadd"
    reduce = cgutils.get_or_insert_function(
        builder.module, call_type, f"llvm.vector.reduce.{name}.v{lanes}f32"
    )
    start = [] if largest else [ir.Constant(F32, 0.0)]
    return builder.call(reduce, [*start, total], fastmath=("reassoc",))


def _row_distance(step, plain, largest=False):
    """Emit a loop over two rows: whole pairs of registers, then fours.

    Rows are padded with zeros to a multiple of four numbers, so no number is
    left over.  Two running totals hide the latency of the addition.
    """

    def emit(typingctx, X, i, Y, j):
        signature = types.float32(X, types.int64, Y, types.int64)

        def codegen(context, builder, signature, args):
            x, stride = _row(context, builder, signature.args[0], args[0], args[1])
            y, _ = _row(context, builder, signature.args[2], args[2], args[3])

            def block(total, offset, lanes):
                vector = ir.VectorType(F32, lanes).as_pointer()
                a, b = (
                    builder.load(
                        builder.bitcast(builder.gep(p, [offset]), vector), align=4
                    )
                    for p in (x, y)
                )
                builder.store(step(builder, a, b, builder.load(total), lanes), total)

            def zeros(lanes):
                return cgutils.alloca_once_value(
                    builder, ir.Constant(ir.VectorType(F32, lanes), [0.0] * lanes)
                )

            wide = 4 * LANES  # bytes of a register
            even, odd, rest = zeros(LANES), zeros(LANES), zeros(4)
            pairs = builder.udiv(stride, ir.Constant(I64, 2 * wide))
            with cgutils.for_range(builder, pairs) as loop:
                offset = builder.mul(loop.index, ir.Constant(I64, 2 * wide))
                block(even, offset, LANES)
                block(odd, builder.add(offset, ir.Constant(I64, wide)), LANES)
            done = builder.mul(pairs, ir.Constant(I64, 2 * wide))
            fours = builder.udiv(builder.sub(stride, done), ir.Constant(I64, 16))
            with cgutils.for_range(builder, fours) as loop:
                block(
                    rest,
                    builder.add(done, builder.mul(loop.index, ir.Constant(I64, 16))),
                    4,
                )
            even, odd, rest = (builder.load(total) for total in (even, odd, rest))
            if largest:
                pick = _vector_function(builder, "maxnum", LANES, 2)
                whole = _reduce(builder, builder.call(pick, [even, odd]), LANES, True)
                tail = _reduce(builder, rest, 4, True)
                return builder.select(
                    builder.fcmp_unordered(">", tail, whole), tail, whole
                )
            whole = _reduce(builder, builder.fadd(even, odd), LANES, False)
            return builder.fadd(whole, _reduce(builder, rest, 4, False))

        return signature, codegen

    return emitted(plain)(emit)


# Of row i of X and row j of Y, both float32 of the same padded width.
dot = _row_distance(_add_product, _plain_dot)
squared_l2 = _row_distance(_add_square, _plain_squared_l2)
l1 = _row_distance(_add_size, _plain_l1)
largest = _row_distance(_max_size, _plain_largest, largest=True)


def _plain_count_below(keys, start, n, key):
    return int((keys[start : start + n] < key).sum())


@emitted(_plain_count_below)
def count_below(typingctx, keys, start, n, key):
    """Number of ``keys[start : start + n]``, uint64, below ``key``; n in eights.

    In a sorted array that is the rank of ``key``: for some dozens of keys a
    third of the time of halving, whose every step waits for the last.
    """
    signature = types.int64(keys, types.int64, types.int64, types.uint64)

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(I64, 8)
        size = ir.Constant(I64, 8)
        offset = builder.mul(args[1], size)
        first = _address(context, builder, signature.args[0], args[0], offset)
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, [0] * 8))
        splat = builder.shuffle_vector(
            builder.insert_element(ir.Constant(vector, ir.Undefined), args[3], I32(0)),
            ir.Constant(vector, ir.Undefined),
            ir.Constant(ir.VectorType(I32, 8), [0] * 8),
        )
        with cgutils.for_range(builder, builder.udiv(args[2], size)) as loop:
            block = builder.gep(first, [builder.mul(loop.index, ir.Constant(I64, 64))])
            block = builder.bitcast(block, vector.as_pointer())
            below = builder.icmp_unsigned("<", builder.load(block, align=8), splat)
            # True extended by its sign is -1.
            count = builder.sub(builder.load(total), builder.sext(below, vector))
            builder.store(count, total)
        add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(I64, [vector]),
            "llvm.vector.reduce.add.v8i64",
        )
        return builder.call(add, [builder.load(total)])

    return signature, codegen


def _plain_shift_right(array, start, n):
    array[start + 1 : start + 1 + n] = array[start : start + n].copy()


@emitted(_plain_shift_right)
def shift_right(typingctx, array, start, n):
    """Move ``array[start : start + n]`` up by one place (``memmove``)."""
    signature = types.void(array, types.int64, types.int64)

    def codegen(context, builder, signature, args):
        item = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        size = ir.Constant(I64, item)
        source = _address(
            context, builder, signature.args[0], args[0], builder.mul(args[1], size)
        )
        target = builder.gep(source, [size])
        call_type = ir.FunctionType(
            ir.VoidType(), [I8.as_pointer(), I8.as_pointer(), I64, ir.IntType(1)]
        )
        move = cgutils.get_or_insert_function(
            builder.module, call_type, "llvm.memmove.p0.p0.i64"
        )
        volatile = ir.Constant(ir.IntType(1), 0)
        builder.call(move, [target, source, builder.mul(args[2], size), volatile])
        return context.get_dummy_value()

    return signature, codegen


def _plain_float_bits(x):
    return np.float32(x).view(np.uint32)


@emitted(_plain_float_bits)
def float_bits(typingctx, x):
    """The 32 bits of a float32; of two that are not negative the larger has more."""
    return types.uint32(types.float32), lambda c, builder, s, args: builder.bitcast(
        args[0], I32
    )


def _plain_bits_float(bits):
    return np.uint32(bits).view(np.float32)


@emitted(_plain_bits_float)
def bits_float(typingctx, bits):
    """The float32 of 32 bits."""
    return types.float32(types.uint32), lambda c, builder, s, args: builder.bitcast(
        args[0], F32
    )
