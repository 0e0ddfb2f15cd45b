"""The emitter: short Python functions that write LLVM IR.

A function decorated with :func:`emitted` is called once for every type of its
arguments, when a kernel that uses it is compiled.  It is given an :class:`Emitter`
and the arguments as they will be at run time: arrays as :class:`Array`, numbers as
:class:`Value`.  What it does with them becomes the machine code.
"""

from contextlib import contextmanager
from functools import wraps

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from sklearn_jin._jit import PLAIN

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32 = ir.FloatType()
VOID = ir.VoidType()
ANY = None  # a parameter of any type
INDEX = types.int64  # of a row, a place or a byte, or how many there are


def vector(element, n):
    """The type of vectors of ``n`` elements."""
    return ir.VectorType(element, n)


def emitted(plain, result, *params):
    """Decorate an emitter of IR that takes ``params`` and returns ``result``.

    Both are Numba types; a parameter may be ``ANY``.  ``plain`` means the same in
    Python: it takes the place of the function where nothing is compiled.
    """

    def decorate(write):
        @wraps(write)
        def typed(typingctx, *args):
            pairs = zip(args, params, strict=True)
            kinds = (own if want is ANY else want for own, want in pairs)
            return result(*kinds), codegen

        def codegen(context, builder, signature, args):
            found = write(
                Emitter(builder),
                *(
                    Array(context, builder, kind, arg)
                    if isinstance(kind, types.Array)
                    else Value(builder, arg)
                    for kind, arg in zip(signature.args, args)
                ),
            )
            return context.get_dummy_value() if found is None else found.ir

        return plain if PLAIN else intrinsic(typed)

    return decorate


def constant(kind, number):
    """``number`` as a constant, in every lane if ``kind`` is a vector."""
    if isinstance(kind, ir.VectorType):
        number = [number] * kind.count
    return ir.Constant(kind, number)


def _operator(name):
    def operate(self, other):
        return self._operate(name, other)

    return operate


class Value:
    """A number, or a vector of numbers, at run time.

    Python's operators work lane by lane.  The other operand has the same type, or
    is a number of Python.  Integers are unsigned: ``>>`` shifts zeros in, and ``//``
    and comparisons take no account of a sign.
    """

    def __init__(self, builder, value):
        self.builder, self.ir, self.kind = builder, value, value.type

    def _operate(self, name, other):
        of_floats = getattr(self.kind, "element", self.kind) == F32
        name = "f" + name if of_floats else name
        emit = getattr(self.builder, name)
        return Value(self.builder, emit(self.ir, self._operand(other)))

    def _operand(self, other):
        return other.ir if isinstance(other, Value) else constant(self.kind, other)

    __add__, __sub__, __mul__ = map(_operator, ("add", "sub", "mul"))
    __and__, __or__, __xor__ = map(_operator, ("and_", "or_", "xor"))
    __lshift__, __rshift__, __floordiv__ = map(_operator, ("shl", "lshr", "udiv"))

    def compare(self, sign, other):
        """One bit a lane, as "<=" and the like say; of floats also where one is NaN."""
        of_floats = getattr(self.kind, "element", self.kind) == F32
        emit = self.builder.fcmp_unordered if of_floats else self.builder.icmp_unsigned
        return Value(self.builder, emit(sign, self.ir, self._operand(other)))

    def choose(self, yes, no):
        """``yes`` where this bit is set, else ``no``."""
        return Value(self.builder, self.builder.select(self.ir, yes.ir, no.ir))

    def cast(self, how, kind):
        """As a ``kind``, by an LLVM conversion such as "zext" or "bitcast"."""
        return Value(self.builder, getattr(self.builder, how)(self.ir, kind))

    def splat(self, n):
        """A vector of ``n`` lanes, each of which is this number."""
        lanes = vector(self.kind, n)
        first = self.builder.insert_element(
            ir.Constant(lanes, ir.Undefined), self.ir, I32(0)
        )
        return Value(self.builder, first).shuffle([0] * n)

    def shuffle(self, lanes, more=None):
        """The ``lanes``, by number; those of the vector ``more`` count on."""
        lanes = ir.Constant(vector(I32, len(lanes)), list(lanes))
        more = ir.Constant(self.kind, ir.Undefined) if more is None else more.ir
        return Value(self.builder, self.builder.shuffle_vector(self.ir, more, lanes))


class Pointer:
    """A place in the data of an array, to which offsets in bytes are added.

    It is aligned as the numbers of the array are.
    """

    def __init__(self, builder, address, align):
        self.builder, self.address, self.align = builder, address, align

    def __add__(self, offset):
        offset = offset.ir if isinstance(offset, Value) else I64(offset)
        address = self.builder.gep(self.address, [offset])
        return Pointer(self.builder, address, self.align)

    def at(self, i):
        """Where number ``i`` of the array stands, counted from here on."""
        number = ir.IntType(8 * self.align)
        address = self.builder.gep(self.of(number), [i.ir])
        address = self.builder.bitcast(address, I8.as_pointer())
        return Pointer(self.builder, address, self.align)

    def of(self, kind):
        """The address, as LLVM's type of pointers to a ``kind``."""
        return self.builder.bitcast(self.address, kind.as_pointer())

    def load(self, kind):
        """The number or vector that stands here."""
        return Value(self.builder, self.builder.load(self.of(kind), align=self.align))

    def store(self, value):
        """Let ``value`` stand here."""
        self.builder.store(value.ir, self.of(value.kind), align=self.align)


class Array:
    """An array at run time, C-contiguous."""

    def __init__(self, context, builder, kind, value):
        self.builder, self.ndim, self.dtype = builder, kind.ndim, kind.dtype
        self.itemsize = kind.dtype.bitwidth // 8
        view = context.make_array(kind)(context, builder, value)
        data = builder.bitcast(view.data, I8.as_pointer())
        self.data = Pointer(builder, data, align=self.itemsize)
        self.row_bytes = Value(builder, builder.extract_value(view.strides, 0))

    def row(self, i):
        """Pointer to row ``i``."""
        return self.data + self.row_bytes * i


class Variable:
    """A variable of the emitted code: ``value`` is read and assigned to."""

    def __init__(self, builder, kind, value=0):
        self.builder, self.kind = builder, kind
        self.place = cgutils.alloca_once(builder, kind)
        self.value = Value(builder, constant(kind, value))

    @property
    def value(self):
        """What it is at this point of the emitted code."""
        return Value(self.builder, self.builder.load(self.place))

    @value.setter
    def value(self, value):
        self.builder.store(value.ir, self.place)


class Emitter:
    """What is neither an operation on a value nor on a place."""

    def __init__(self, builder):
        self.builder = builder

    def constant(self, kind, numbers):
        """A constant; one number stands in every lane of a vector."""
        whole = ir.Constant if isinstance(numbers, list) else constant
        return Value(self.builder, whole(kind, numbers))

    def variable(self, kind, value=0):
        """A variable that starts as ``value``, in every lane."""
        return Variable(self.builder, kind, value)

    def call(self, name, result, *args, fastmath=()):
        """Call the LLVM intrinsic ``name``, which returns a ``result``.

        In the name ``{}`` stands for the type of the last argument, where LLVM has
        one function for each type: "llvm.ctpop.{}".
        """
        args = [arg.ir if isinstance(arg, Value) else arg for arg in args]
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(result, [arg.type for arg in args]),
            name.format(_suffix(args[-1].type)),
        )
        found = self.builder.call(function, args, fastmath=fastmath)
        return Value(self.builder, found)

    def fused(self, a, b, total):
        """``a * b + total``."""
        return self.call("llvm.fmuladd.{}", a.kind, a, b, total)

    def absolute(self, x):
        """``x`` without its sign, of floats."""
        return self.call("llvm.fabs.{}", x.kind, x)

    def larger(self, a, b):
        """The larger one of two floats, or the one that is not NaN."""
        return self.call("llvm.maxnum.{}", a.kind, a, b)

    def count_ones(self, bits):
        """Number of bits that are set."""
        return self.call("llvm.ctpop.{}", bits.kind, bits)

    def sum_lanes(self, x):
        """Sum of the lanes of a vector, of floats in any order."""
        if x.kind.element != F32:
            return self.call("llvm.vector.reduce.add.{}", x.kind.element, x)
        name, zero = "llvm.vector.reduce.fadd.{}", constant(F32, 0)
        return self.call(name, F32, zero, x, fastmath=("reassoc",))

    def largest_lane(self, x):
        """The largest lane of a vector of floats."""
        name = "llvm.vector.reduce.fmax.{}"
        return self.call(name, F32, x, fastmath=("reassoc",))

    @contextmanager
    def loop(self, n):
        """Run the block ``n`` times: yields its index, and what ends the loop."""
        with cgutils.for_range(self.builder, n.ir) as loop:
            yield Value(self.builder, loop.index), loop.do_break

    def when(self, condition, likely=None):
        """Run the block if ``condition``, a bit, is set, which may be ``likely``."""
        return self.builder.if_then(condition.ir, likely)

    def cover(self, n_bytes, *steps):
        """Call each of ``steps``, pairs (size, body), with the offsets of its blocks.

        The first has as many blocks of its ``size`` in ``n_bytes`` as are whole, and
        the next has those of what is left.
        """
        done = self.constant(I64, 0)
        for size, body in steps:
            n = (n_bytes - done) // size
            with self.loop(n) as (block, _):
                body(done + block * size)
            done = done + n * size


def _suffix(kind):
    """The name that LLVM's intrinsics have for a type."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{_suffix(kind.element)}"
    return "f32" if kind == F32 else f"i{kind.width}"
