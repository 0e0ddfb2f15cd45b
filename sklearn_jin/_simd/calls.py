"""Functions of users, compiled by Numba and called by their addresses.

A kernel that took a function would be compiled for each, and never be kept on disk.  An
address is a number: one kernel calls any function.
"""

from threading import RLock

from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from sklearn_jin._jit import PLAIN, kernel
from sklearn_jin._simd.emit import ANY, I64, INDEX, Value, emitted

F64 = ir.DoubleType()
ROW = types.CPointer(types.float64)
SIGNATURE = types.float64(ROW, ROW, types.intp)

FUNCTIONS = {}  # what is called at an address: kept, for records hold the addresses
_addresses, _lock = {}, RLock()


def address_of(function):
    """Address at which kernels call ``function``, compiled when it is first asked.

    Raises ValueError if Numba can not compile it.
    """
    with _lock:
        if function not in _addresses:
            called = len(FUNCTIONS) + 1 if PLAIN else _compiled(function)
            address = called if PLAIN else called.address
            FUNCTIONS[address] = function if PLAIN else called
            _addresses[function] = address
        return _addresses[function]


def _compiled(function):
    inner = function
    if not isinstance(function, Dispatcher):
        inner = njit(nogil=True, error_model="numpy")(function)
    try:
        return cfunc(SIGNATURE, nopython=True)(_on_arrays(inner))
    except NumbaError as error:
        name = getattr(function, "__name__", function)
        raise ValueError(
            f"metric={name} is not compiled by Numba: write it of loops and of NumPy's "
            "functions on two float64 arrays of one dimension, so that "
            f"numba.njit({name})(x, y) works; Numba says: {_first_lines(error)}"
        ) from error


def _on_arrays(inner):
    """A function of two places in memory that calls ``inner`` with arrays."""

    def call(x, y, n):
        return 0.0 + inner(carray(x, (n,)), carray(y, (n,)))

    return call


def _first_lines(error):
    lines = (line.strip() for line in str(error).splitlines())
    return " ".join([line for line in lines if line][:4])


def _plain_call_at(address, X, i, Y, j):
    return float(FUNCTIONS[address](X[i], Y[j]))


@emitted(_plain_call_at, types.float64, types.int64, ANY, INDEX, ANY, INDEX)
def call_at(emit, address, X, i, Y, j):
    """What the function at ``address`` returns for rows of float64."""
    rows = [array.row(k).of(F64) for array, k in ((X, i), (Y, j))]
    kind = ir.FunctionType(F64, [rows[0].type, rows[1].type, I64])
    function = emit.builder.inttoptr(address.ir, kind.as_pointer())
    width = X.row_bytes // X.itemsize
    return Value(emit.builder, emit.builder.call(function, [*rows, width.ir]))


@kernel
def call_at_once(address, X, i, Y, j):
    """As :func:`call_at`, for those who are not compiled."""
    return call_at(address, X, i, Y, j)
