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

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
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


def _splat(builder, value, vector):
    """``value`` in every lane of a ``vector``."""
    none = ir.Constant(vector, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(
        builder.insert_element(none, value, I32(0)), none, zeros
    )


def _plain_prefetch(array, i, lines):
    return None


@emitted(_plain_prefetch)
def prefetch_lines(typingctx, array, i, lines):
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


# Codes: rows of bytes in which every 16 bits, little-endian, hold as many
# fields of ``bits`` bits as fit.  A query is 16-bit integers, of all first
# fields, then of all second ones, and so on; each section is of ``lanes``
# integers, in eights.


def _plain_fields(bits, codes, i, at, lanes):
    """Fields of row ``i`` from byte ``at`` on, as sections of ``lanes``."""
    words = codes[i, at : at + 2 * lanes].view(np.uint16).astype(np.int64)
    shifts = np.arange(0, 16, bits)[:, None]
    return (words >> shifts) & ((1 << bits) - 1)


def _plain_products(bits):
    def plain(codes, i, at, lanes, query, v, to):
        fields = _plain_fields(bits, codes, i, at, lanes).ravel()
        return np.float32((fields * query[v, to : to + len(fields)]).sum())

    return plain


def _plain_gaps(bits):
    def plain(codes, i, at, lanes, query, v, to):
        fields = _plain_fields(bits, codes, i, at, lanes).ravel() << (8 - bits)
        return np.float32(((fields - query[v, to : to + len(fields)]) ** 2).sum())

    return plain


# What LLVM makes of the plain words is at best the same, at worst ten
# instructions: the CPU's own names for sums of neighbouring products.
PAIRS = {
    "avx512": {32: "avx512.pmaddw.d.512", 16: "avx2.pmadd.wd", 8: "sse2.pmadd.wd"},
    "avx2": {16: "avx2.pmadd.wd", 8: "sse2.pmadd.wd"},
    "portable": {},
}[LEVEL]


def _paired_products(builder, a, b, lanes):
    """Sums of two neighbouring products, int32, of vectors of int16."""
    half = ir.VectorType(I32, lanes // 2)
    if lanes in PAIRS:
        call_type = ir.FunctionType(half, [a.type, a.type])
        name = f"llvm.x86.{PAIRS[lanes]}"
        multiply = cgutils.get_or_insert_function(builder.module, call_type, name)
        return builder.call(multiply, [a, b])
    none = ir.Constant(a.type, ir.Undefined)

    def part(x, first):
        picks = ir.Constant(half, list(range(first, lanes, 2)))
        return builder.sext(builder.shuffle_vector(x, none, picks), half)

    products = [builder.mul(part(a, first), part(b, first)) for first in (0, 1)]
    return builder.add(*products)


def _row_of_fields(bits, plain, gaps=False):
    """Emit a sum over all fields of a row: of 32 words at a time, then of eights.

    With ``gaps`` of (field << (8 - bits) - query)**2, else of field * query.
    """

    def field(builder, words, f, lanes):
        def constant(value):
            return ir.Constant(words.type, [value] * lanes)

        room = 8 - bits if gaps else 0  # zeros below the field
        shift = bits * f - room
        if shift > 0:
            words = builder.lshr(words, constant(shift))
        elif shift < 0:
            words = builder.shl(words, constant(-shift))
        return builder.and_(words, constant(((1 << bits) - 1) << room))

    def emit(typingctx, codes, i, at, lanes, query, v, to):
        signature = types.float32(
            codes, types.int64, types.int64, types.int64, query, types.int64,
            types.int64,
        )  # fmt: skip

        def codegen(context, builder, signature, args):
            kinds = signature.args
            row, _ = _row(context, builder, kinds[0], args[0], args[1])
            row = builder.gep(row, [args[2]])
            asked, _ = _row(context, builder, kinds[4], args[4], args[5])
            asked = builder.gep(asked, [builder.mul(args[6], I64(2))])
            section = builder.mul(args[3], I64(2))  # bytes of a section

            def load(start, offset, vector):
                place = builder.bitcast(
                    builder.gep(start, [offset]), vector.as_pointer()
                )
                return builder.load(place, align=1)

            def block(total, offset, n):
                vector = ir.VectorType(I16, n)
                words = load(row, offset, vector)
                for f in range(16 // bits):
                    value = field(builder, words, f, n)
                    other = load(
                        asked, builder.add(offset, builder.mul(section, I64(f))), vector
                    )
                    if gaps:
                        value = other = builder.sub(value, other)
                    step = _paired_products(builder, value, other, n)
                    builder.store(builder.add(builder.load(total), step), total)

            def zeros(n):
                vector = ir.VectorType(I32, n)
                return cgutils.alloca_once_value(builder, ir.Constant(vector, [0] * n))

            wide, rest = zeros(LANES), zeros(4)
            n_wide = builder.udiv(section, I64(4 * LANES))
            with cgutils.for_range(builder, n_wide) as loop:
                block(wide, builder.mul(loop.index, I64(4 * LANES)), 2 * LANES)
            done = builder.mul(n_wide, I64(4 * LANES))
            n_rest = builder.udiv(builder.sub(section, done), I64(16))
            with cgutils.for_range(builder, n_rest) as loop:
                offset = builder.add(done, builder.mul(loop.index, I64(16)))
                block(rest, offset, 8)
            # Exact as integers of 32 bits; all lanes together need not be.
            total = builder.sitofp(builder.load(rest), ir.VectorType(F32, 4))
            wide = builder.sitofp(builder.load(wide), ir.VectorType(F32, LANES))
            none = ir.Constant(wide.type, ir.Undefined)
            for first in range(0, LANES, 4):
                picks = ir.Constant(ir.VectorType(I32, 4), [*range(first, first + 4)])
                part = builder.shuffle_vector(wide, none, picks)
                total = builder.fadd(total, part)
            return _reduce(builder, total, 4, False)

        return signature, codegen

    return emitted(plain)(emit)


# Of ``lanes`` 16-bit words from byte ``at`` of row ``i`` of ``codes`` and the
# integers from ``to`` on of row ``v`` of ``query``, as float32.
products1, products2, products4, products8 = (
    _row_of_fields(bits, _plain_products(bits)) for bits in (1, 2, 4, 8)
)
gaps4, gaps8 = (_row_of_fields(bits, _plain_gaps(bits), True) for bits in (4, 8))


def _plain_float_at(codes, i, at):
    return codes[i, at : at + 4].view(np.float32)[0]


@emitted(_plain_float_at)
def float_at(typingctx, codes, i, at):
    """The float32 whose bytes stand from ``at`` on in row ``i`` of ``codes``."""
    signature = types.float32(codes, types.int64, types.int64)

    def codegen(context, builder, signature, args):
        row, _ = _row(context, builder, signature.args[0], args[0], args[1])
        place = builder.bitcast(builder.gep(row, [args[2]]), F32.as_pointer())
        return builder.load(place, align=1)

    return signature, codegen


def _plain_insert(keys, start, filled, key):
    row = keys[start : start + filled + 1]
    rank = int((row[:filled] <= key).sum())
    row[rank + 1 :] = row[rank:filled].copy()
    row[rank] = key
    return rank


@emitted(_plain_insert)
def insert(typingctx, keys, start, filled, key):
    """Put ``key`` among the ``filled`` ascending uint64 keys from ``start`` on.

    Returns its rank, behind equal ones.  Keys above it move up by one place,
    from the last on, eight at a time; up to eight places behind the last key
    are written to, which must hold nothing below it.
    """
    signature = types.int64(keys, types.int64, types.int64, types.uint64)

    def codegen(context, builder, signature, args):
        vector, flags = ir.VectorType(I64, 8), ir.VectorType(ir.IntType(1), 8)
        offset = builder.mul(args[1], I64(8))
        first = _address(context, builder, signature.args[0], args[0], offset)
        splat = _splat(builder, args[3], vector)
        at = cgutils.alloca_once_value(builder, builder.and_(args[2], I64(-8)))
        rank = cgutils.alloca_once_value(builder, I64(0))
        loop, whole, last, end = map(
            builder.append_basic_block, ("insert", "whole", "last", "inserted")
        )

        def eight(place, ahead=0):
            spot = builder.gep(
                first, [builder.mul(builder.add(place, I64(ahead)), I64(8))]
            )
            return builder.bitcast(spot, vector.as_pointer())

        builder.branch(loop)
        builder.position_at_end(loop)
        here = builder.load(at)
        some = builder.load(eight(here), align=8)
        above = builder.icmp_unsigned(">", some, splat)
        bits = builder.bitcast(above, I8)
        builder.cbranch(builder.icmp_unsigned("==", bits, I8(-1)), whole, last)

        builder.position_at_end(whole)
        builder.store(some, eight(here, 1), align=8)
        builder.store(builder.sub(here, I64(8)), at)
        builder.cbranch(builder.icmp_unsigned("==", here, I64(0)), end, loop)

        builder.position_at_end(last)
        name = "llvm.masked.store.v8i64.p0"
        masked = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [vector, vector.as_pointer(), I32, flags]),
            name,
        )
        builder.call(masked, [some, eight(here, 1), I32(8), above])
        count = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(I8, [I8]), "llvm.ctpop.i8"
        )
        below = builder.zext(builder.call(count, [builder.not_(bits)]), I64)
        builder.store(builder.add(here, below), rank)
        builder.branch(end)

        builder.position_at_end(end)
        found = builder.load(rank)
        spot = builder.gep(first, [builder.mul(found, I64(8))])
        builder.store(args[3], builder.bitcast(spot, I64.as_pointer()), align=8)
        return found

    return signature, codegen


def _plain_below(scores, start, bound):
    some = scores[start : start + 32]
    return np.uint32(sum(1 << j for j in np.flatnonzero(~(some > bound)).tolist()))


@emitted(_plain_below)
def below(typingctx, scores, start, bound):
    """Bit ``j`` of 32 tells whether ``scores[start + j]`` is not above ``bound``.

    So every bit is set where ``bound`` is NaN.
    """
    signature = types.uint32(scores, types.int64, types.float32)

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(F32, 32)
        offset = builder.mul(args[1], I64(4))
        first = _address(context, builder, signature.args[0], args[0], offset)
        splat = _splat(builder, args[2], vector)
        some = builder.load(builder.bitcast(first, vector.as_pointer()), align=4)
        return builder.bitcast(builder.fcmp_unordered("<=", some, splat), I32)

    return signature, codegen


def _plain_lowest(bits):
    return (int(bits) & -int(bits)).bit_length() - 1


@emitted(_plain_lowest)
def lowest(typingctx, bits):
    """Number of the lowest bit that is set in a uint32 or uint64 other than 0."""
    signature = types.int64(bits)
    kind = ir.IntType(bits.bitwidth)

    def codegen(context, builder, signature, args):
        call_type = ir.FunctionType(kind, [kind, ir.IntType(1)])
        count = cgutils.get_or_insert_function(
            builder.module, call_type, f"llvm.cttz.i{bits.bitwidth}"
        )
        place = builder.call(count, [args[0], ir.Constant(ir.IntType(1), 1)])
        return place if kind == I64 else builder.zext(place, I64)

    return signature, codegen


def _plain_list_new(rows, i, met, start, found, first):
    n = 0
    for j in rows[i]:
        if j < 0:
            break
        word, bit = start + (int(j) >> 6), np.uint64(1) << np.uint64(int(j) & 63)
        if not met[word] & bit:
            met[word] |= bit
            found[first + n] = j
            n += 1
    return n


@emitted(_plain_list_new)
def list_new(typingctx, rows, i, met, start, found, first):
    """List the numbers of row ``i`` up to the first -1 that were not met before.

    Number ``j`` was met if bit ``j`` of the uint64 words of ``met`` from
    ``start`` on is set; it is set now.  The new ones stand in ``found`` from
    ``first`` on, which has room for the row.  Returns how many they are.
    There is no branch on what can not be foretold, and no counting of
    references, which cost a tenth of a search.
    """
    signature = types.int64(rows, types.int64, met, types.int64, found, types.int64)

    def codegen(context, builder, signature, args):
        kinds = signature.args
        row, stride = _row(context, builder, kinds[0], args[0], args[1])
        row = builder.bitcast(row, I32.as_pointer())
        words, room = (
            _address(
                context, builder, kinds[k], args[k], builder.mul(args[k + 1], I64(size))
            )
            for k, size in ((2, 8), (4, 4))
        )
        words = builder.bitcast(words, I64.as_pointer())
        room = builder.bitcast(room, I32.as_pointer())
        n = cgutils.alloca_once_value(builder, I64(0))
        with cgutils.for_range(builder, builder.udiv(stride, I64(4))) as loop:
            j = builder.load(builder.gep(row, [loop.index]))
            with builder.if_then(builder.icmp_signed("<", j, I32(0)), likely=False):
                loop.do_break()
            j64 = builder.zext(j, I64)
            word = builder.gep(words, [builder.lshr(j64, I64(6))])
            shift = builder.and_(j64, I64(63))
            bits, at = builder.load(word), builder.load(n)
            builder.store(builder.or_(bits, builder.shl(I64(1), shift)), word)
            builder.store(j, builder.gep(room, [at]))
            old = builder.and_(builder.lshr(bits, shift), I64(1))
            builder.store(builder.add(at, builder.xor(old, I64(1))), n)
        return builder.load(n)

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


def _plain_differing_bits(codes, i, query, v):
    return int(np.unpackbits(codes[i] ^ query[v]).sum())


@emitted(_plain_differing_bits)
def differing_bits(typingctx, codes, i, query, v):
    """Number of bits that differ in row ``i`` of ``codes`` and row ``v`` of ``query``.

    Rows of bytes, as long as each other, in eights.
    """
    signature = types.int64(codes, types.int64, query, types.int64)

    def codegen(context, builder, signature, args):
        row, stride = _row(context, builder, signature.args[0], args[0], args[1])
        asked, _ = _row(context, builder, signature.args[2], args[2], args[3])

        def count(offset, kind, name):
            a, b = (
                builder.load(
                    builder.bitcast(builder.gep(p, [offset]), kind.as_pointer()),
                    align=1,
                )
                for p in (row, asked)
            )
            ctpop = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind]), f"llvm.ctpop.{name}"
            )
            return builder.call(ctpop, [builder.xor(a, b)])

        vector = ir.VectorType(I64, 8)
        wide = cgutils.alloca_once_value(builder, ir.Constant(vector, [0] * 8))
        rest = cgutils.alloca_once_value(builder, I64(0))
        lines = builder.udiv(stride, I64(64))
        with cgutils.for_range(builder, lines) as loop:
            found = count(builder.mul(loop.index, I64(64)), vector, "v8i64")
            builder.store(builder.add(builder.load(wide), found), wide)
        done = builder.mul(lines, I64(64))
        words = builder.udiv(builder.sub(stride, done), I64(8))
        with cgutils.for_range(builder, words) as loop:
            found = count(
                builder.add(done, builder.mul(loop.index, I64(8))), I64, "i64"
            )
            builder.store(builder.add(builder.load(rest), found), rest)
        add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(I64, [vector]),
            "llvm.vector.reduce.add.v8i64",
        )
        return builder.add(builder.call(add, [builder.load(wide)]), builder.load(rest))

    return signature, codegen


BLOCK = 64  # codes that are looked up at once
QUADS = LEVELS["avx512"] | {"avx512vbmi", "avx512vnni"} <= cpu_features()
SHUFFLES = {"avx512": (64, "avx512.pshuf.b.512"), "avx2": (32, "avx2.pshuf.b")}


def _plain_sums(blocks, b, tables, *queries_and_sums):
    *queries, sums = queries_and_sums
    codes = blocks[b].reshape(-1, BLOCK)
    for row, query in enumerate(queries):
        entries = tables[query].astype(np.uint16)
        if blocks.ndim == 3:
            sums[row] = _plain_quads(blocks[b], entries.reshape(-1, 4, 16))
            continue
        sums[row] = sum(
            np.minimum(pair[0][code & 15] + pair[1][code >> 4], 255)
            for pair, code in zip(entries.reshape(-1, 2, 16), codes)
        )


def _plain_quads(codes, entries):
    total, place = np.zeros(BLOCK, np.uint16), np.arange(4)
    for group, four in zip(codes.reshape(-1, 2, 16, 4), entries):
        halves = np.stack([group & 15, group >> 4], axis=1).reshape(BLOCK, 4)
        total += four[place, halves].sum(axis=1, dtype=np.uint16)
    return total


def _table_sums(n_queries):
    """Emit the sums of what 64 codes look up in the tables of some queries."""

    def generate(signature):
        def codegen(context, builder, signature, args):
            kinds, queries = signature.args, args[3:-1]
            codes, stride = _row(context, builder, kinds[0], args[0], args[1])
            rows = [_row(context, builder, kinds[2], args[2], q)[0] for q in queries]
            out = _address(context, builder, kinds[-1], args[-1], I64(0))
            if kinds[0].ndim == 3:
                n_groups = builder.udiv(stride, I64(2 * BLOCK))
                add_up = _permuted_sums if QUADS else _listed_quads
                add_up(builder, codes, rows, out, n_groups)
                return context.get_dummy_value()
            n_bytes = builder.udiv(stride, I64(BLOCK))
            if LEVEL in SHUFFLES:
                _shuffled_sums(builder, codes, rows, out, n_bytes)
            else:
                _listed_sums(builder, codes, rows, out, n_bytes)
            return context.get_dummy_value()

        return signature, codegen

    def emit_one(typingctx, blocks, b, tables, q, sums):
        return generate(types.void(blocks, types.int64, tables, types.int64, sums))

    def emit_two(typingctx, blocks, b, tables, q, r, sums):
        numbers = types.int64, types.int64
        return generate(types.void(blocks, types.int64, tables, *numbers, sums))

    emit = {1: emit_one, 2: emit_two}[n_queries]
    return emitted(_plain_sums)(emit)


# Fill ``sums`` (n_queries, 64), uint16, with those of the 64 codes of block ``b``.
# The rows of ``tables`` of one query, or of two, have 16 numbers for the low half of
# each byte of a code and 16 for the high one.  A register is the table, and the codes
# pick from it (Andre, Kermarrec & Le Scouarnec 2015, fast scan).
#
# ``blocks`` (n_blocks, n_bytes * 64) have the first bytes of 64 codes, then the
# second ones, and so on; the sum of a byte's two numbers counts as 255 at most.
#
# ``blocks`` (n_blocks, n_groups, 128) have groups of four halves of bytes, as many as
# a register of 64 entries serves, for instructions that pick from all 64 and that add
# up four neighbours: ``QUADS``, and two thirds of the time.  Of a group the first 64
# bytes are four halves of codes 0 to 15 each, the low ones, and of codes 16 to 31, the
# high ones; the other 64 are those of codes 32 to 63.
sum_table, sum_tables = map(_table_sums, (1, 2))


def _permuted_sums(builder, codes, rows, out, n_groups):
    """Sums of numbers picked from registers of 64 entries."""
    vector, ints = ir.VectorType(I8, 64), ir.VectorType(I32, 16)
    words = ir.VectorType(I16, 32)
    pick = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [vector, vector]),
        "llvm.x86.avx512.permvar.qi.512",
    )
    add = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ints, [ints, ints, ints]),
        "llvm.x86.avx512.vpdpbusd.512",
    )
    low = ir.Constant(vector, [15] * 64)
    which = ir.Constant(vector, [0, 16, 32, 48] * 16)  # of the four tables
    fours = ir.Constant(words, [4] * 32)
    ones = builder.bitcast(ir.Constant(vector, [1] * 64), ints)

    def load(start, offset):
        place = builder.gep(start, [offset])
        return builder.load(builder.bitcast(place, vector.as_pointer()), align=1)

    totals = [[cgutils.alloca_once(builder, ints) for _ in range(4)] for _ in rows]
    for total in (total for some in totals for total in some):
        builder.store(ir.Constant(ints, [0] * 16), total)
    with cgutils.for_range(builder, n_groups) as loop:
        table_at = builder.mul(loop.index, I64(64))
        entries = [load(row, table_at) for row in rows]
        for side in range(2):
            at = builder.add(builder.mul(loop.index, I64(2 * BLOCK)), I64(64 * side))
            some = load(codes, at)
            high = builder.lshr(builder.bitcast(some, words), fours)
            for half, nibbles in enumerate((some, builder.bitcast(high, vector))):
                places = builder.or_(builder.and_(nibbles, low), which)
                for table, own in zip(entries, totals):
                    picked = builder.bitcast(builder.call(pick, [table, places]), ints)
                    total = own[2 * side + half]
                    sums = builder.call(add, [builder.load(total), picked, ones])
                    builder.store(sums, total)
    for row, own in enumerate(totals):
        for part, total in enumerate(own):
            sums = builder.trunc(builder.load(total), ir.VectorType(I16, 16))
            spot = builder.gep(out, [I64(2 * (BLOCK * row + 16 * part))])
            target = builder.bitcast(spot, ir.VectorType(I16, 16).as_pointer())
            builder.store(sums, target, align=1)


def _listed_quads(builder, codes, rows, out, n_groups):
    """The same where the CPU has no such instructions."""
    out = builder.bitcast(out, I16.as_pointer())
    with cgutils.for_range(builder, I64(BLOCK)) as code:
        lane = builder.and_(code.index, I64(15))
        side = builder.shl(builder.lshr(code.index, I64(5)), I64(6))
        first = builder.add(side, builder.shl(lane, I64(2)))
        half = builder.and_(builder.lshr(code.index, I64(4)), I64(1))
        shift = builder.trunc(builder.shl(half, I64(2)), I8)
        totals = [cgutils.alloca_once_value(builder, I16(0)) for _ in rows]
        for total in totals:
            builder.store(I16(0), total)
        with cgutils.for_range(builder, n_groups) as loop:
            group = builder.add(builder.mul(loop.index, I64(2 * BLOCK)), first)
            for s in range(4):
                byte = builder.load(builder.gep(codes, [builder.add(group, I64(s))]))
                nibble = builder.and_(builder.lshr(byte, shift), I8(15))
                at = builder.add(builder.mul(loop.index, I64(64)), I64(16 * s))
                at = builder.add(at, builder.zext(nibble, I64))
                for table, total in zip(rows, totals):
                    entry = builder.load(builder.gep(table, [at]))
                    entry = builder.zext(entry, I16)
                    builder.store(builder.add(builder.load(total), entry), total)
        for row, total in enumerate(totals):
            spot = builder.add(code.index, I64(BLOCK * row))
            builder.store(builder.load(total), builder.gep(out, [spot]))


def _listed_sums(builder, codes, rows, out, n_bytes):
    """Sums of looked up numbers where the CPU has no such instruction."""
    add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(I8, [I8, I8]), "llvm.uadd.sat.i8"
    )
    out = builder.bitcast(out, I16.as_pointer())
    with cgutils.for_range(builder, I64(BLOCK)) as code:
        totals = [cgutils.alloca_once_value(builder, I16(0)) for _ in rows]
        for total in totals:
            builder.store(I16(0), total)
        with cgutils.for_range(builder, n_bytes) as loop:
            place = builder.add(builder.mul(loop.index, I64(BLOCK)), code.index)
            byte = builder.zext(builder.load(builder.gep(codes, [place])), I64)
            start = builder.mul(loop.index, I64(32))
            halves = [
                builder.add(start, builder.and_(byte, I64(15))),
                builder.add(start, builder.add(builder.lshr(byte, I64(4)), I64(16))),
            ]
            for table, total in zip(rows, totals):
                picked = [builder.load(builder.gep(table, [half])) for half in halves]
                pair = builder.zext(builder.call(add, picked), I16)
                builder.store(builder.add(builder.load(total), pair), total)
        for row, total in enumerate(totals):
            spot = builder.add(code.index, I64(BLOCK * row))
            builder.store(builder.load(total), builder.gep(out, [spot]))


def _shuffled_sums(builder, codes, both, out, n_bytes):
    """Sums of numbers that registers look up, those of even and odd codes apart.

    Queries share the codes and their halves: a sixth of the time for two of them.
    """
    width, name = SHUFFLES[LEVEL]
    vector, words = ir.VectorType(I8, width), ir.VectorType(I16, width // 2)
    shuffle = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector, vector]), f"llvm.x86.{name}"
    )
    add = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [vector, vector]),
        f"llvm.uadd.sat.v{width}i8",
    )
    repeat = ir.Constant(ir.VectorType(I32, width), [*range(16)] * (width // 16))

    def constant(value):
        return ir.Constant(words, [value] * (width // 2))

    def load(start, offset, kind):
        place = builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())
        return builder.load(place, align=1)

    def entries(table, offset):
        some = load(table, offset, ir.VectorType(I8, 16))
        return builder.shuffle_vector(some, some, repeat)

    def add_to(total, value):
        builder.store(builder.add(builder.load(total), value), total)

    for first in range(0, BLOCK, width):
        totals = [
            [cgutils.alloca_once(builder, words) for _ in ("all", "odd")] for _ in both
        ]
        for total in (total for pair in totals for total in pair):
            builder.store(constant(0), total)
        with cgutils.for_range(builder, n_bytes) as loop:
            place = builder.add(builder.mul(loop.index, I64(BLOCK)), I64(first))
            some = load(codes, place, words)
            halves = [
                builder.bitcast(builder.and_(half, constant(0x0F0F)), vector)
                for half in (some, builder.lshr(some, constant(4)))
            ]
            low = builder.mul(loop.index, I64(32))
            high = builder.add(low, I64(16))
            for table, (whole, odd) in zip(both, totals):
                found = [
                    builder.call(shuffle, [entries(table, offset), half])
                    for offset, half in zip((low, high), halves)
                ]
                pair = builder.bitcast(builder.call(add, found), words)
                add_to(whole, pair)
                add_to(odd, builder.lshr(pair, constant(8)))
        for row, (whole, odd) in enumerate(totals):
            odds = builder.load(odd)
            # Modulo 2**16 the high bytes are what they were, times 256.
            evens = builder.sub(builder.load(whole), builder.shl(odds, constant(8)))
            mixed = [x for j in range(width // 2) for x in (j, j + width // 2)]
            order = ir.Constant(ir.VectorType(I32, width), mixed)
            spot = builder.gep(out, [I64(2 * (BLOCK * row + first))])
            target = builder.bitcast(spot, ir.VectorType(I16, width).as_pointer())
            builder.store(builder.shuffle_vector(evens, odds, order), target, align=1)


def _plain_add_share(sums, row, adds, b, share):
    sums[row] += (adds[b].astype(np.uint32) * int(share) >> 16).astype(np.uint16)


@emitted(_plain_add_share)
def add_share(typingctx, sums, row, adds, b, share):
    """Add ``adds[b] * share / 65536``, whole ones, to ``sums[row]``, all uint16."""
    signature = types.void(sums, types.int64, adds, types.int64, types.uint16)

    def codegen(context, builder, signature, args):
        vector, wide = ir.VectorType(I16, BLOCK), ir.VectorType(I32, BLOCK)
        spots = [
            builder.bitcast(
                _row(context, builder, signature.args[k], args[k], args[k + 1])[0],
                vector.as_pointer(),
            )
            for k in (0, 2)
        ]
        some, more = (builder.load(spot, align=2) for spot in spots)
        share = builder.zext(_splat(builder, args[4], vector), wide)
        product = builder.mul(builder.zext(more, wide), share)
        high = builder.lshr(product, ir.Constant(wide, [16] * BLOCK))
        total = builder.add(some, builder.trunc(high, vector))
        builder.store(total, spots[0], align=2)
        return context.get_dummy_value()

    return signature, codegen


def _plain_factored(sums, row, factors, b, offset, inner, unit, bound, scores):
    near = inner + unit * sums[row].astype(np.float32)
    scores[:BLOCK] = np.maximum(offset + factors[0, b] + factors[1, b] * near, 0)
    good = np.flatnonzero(~(scores[:BLOCK] > bound))
    return np.uint64(sum(1 << int(j) for j in good))


@emitted(_plain_factored)
def factored(typingctx, sums, row, factors, b, offset, inner, unit, bound, scores):
    """Scores of 64 codes; bit ``j`` tells whether ``scores[j]`` is not above ``bound``.

    ``factors`` (2, n_blocks, 64) are what is added and what scales, float32, and the
    score is ``offset + added + scale * (inner + unit * sums[row])``, or 0 if less.
    """
    number = types.float32
    signature = types.uint64(
        sums, types.int64, factors, types.int64, number, number, number, number, scores
    )

    def codegen(context, builder, signature, args):
        kinds, vector = signature.args, ir.VectorType(F32, BLOCK)

        def load(start):
            return builder.load(builder.bitcast(start, vector.as_pointer()), align=4)

        def fused(a, b, total):
            return _fused(builder, a, b, total, BLOCK)

        row, _ = _row(context, builder, kinds[0], args[0], args[1])
        words = builder.bitcast(row, ir.VectorType(I16, BLOCK).as_pointer())
        total = builder.uitofp(builder.load(words, align=2), vector)
        added, half = _row(context, builder, kinds[2], args[2], I64(0))
        at = builder.mul(args[3], I64(4 * BLOCK))
        scale = builder.gep(added, [builder.add(half, at)])
        added = builder.gep(added, [at])
        offset, inner, unit, bound = (_splat(builder, x, vector) for x in args[4:8])
        near = fused(unit, total, inner)
        score = fused(load(scale), near, builder.fadd(offset, load(added)))
        zero = ir.Constant(vector, [0.0] * BLOCK)
        least = builder.fcmp_ordered("<", score, zero)
        score = builder.select(least, zero, score)
        out = _address(context, builder, kinds[8], args[8], I64(0))
        builder.store(score, builder.bitcast(out, vector.as_pointer()), align=4)
        return builder.bitcast(builder.fcmp_unordered("<=", score, bound), I64)

    return signature, codegen


def _plain_at_most(sums, row, most):
    bits = (1 << int(j) for j in np.flatnonzero(sums[row, :BLOCK] <= most))
    return np.uint64(sum(bits))


@emitted(_plain_at_most)
def at_most(typingctx, sums, row, most):
    """Bit ``j`` of 64 tells whether uint16 ``sums[row, j]`` is at most ``most``."""
    signature = types.uint64(sums, types.int64, types.uint16)

    def codegen(context, builder, signature, args):
        vector = ir.VectorType(I16, BLOCK)
        first, _ = _row(context, builder, signature.args[0], args[0], args[1])
        splat = _splat(builder, args[2], vector)
        some = builder.load(builder.bitcast(first, vector.as_pointer()), align=2)
        return builder.bitcast(builder.icmp_unsigned("<=", some, splat), I64)

    return signature, codegen
