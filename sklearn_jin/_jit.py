"""How every kernel is compiled.

Kernels take arrays and records of arrays and return arrays.  They release the
GIL, run serially (threads are those of :mod:`sklearn_jin._threads`) and are
kept on disk, so that a second process loads them instead of compiling.
Importing this module imports Numba; the estimators import it on first use.
"""

from numba import config, njit, typeof

from sklearn_jin import _told  # noqa: F401  # hears of what is compiled from here on

# fastmath=True would also promise that NaN and inf never occur, yet a short
# beam is padded with inf and a user may disable the check for NaN.  Only the
# freedom to re-order is granted.
FLAGS = {"reassoc", "contract", "arcp", "nsz"}

PLAIN = bool(config.DISABLE_JIT)  # kernels run as plain Python: for coverage


def kernel(function, flags=FLAGS, **options):
    """Compile ``function``, and keep the result where some folder is writable."""
    options |= dict(nogil=True, fastmath=flags, error_model="numpy")
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor a home is writable
        return njit(**options)(function)


def kernel_of_numbers(function):
    """As :func:`kernel`, where a NaN may come out as any number.

    Only so does the compiler make vectors of a loop that looks for the least.
    """
    return kernel(function, FLAGS | {"nnan"})


def loop(function):
    """As :func:`kernel`, for loops that allocate nothing and return no array.

    So references need not be counted, each an atomic instruction: a call that takes
    a record of seven arrays costs 100 ns for nothing else.  What it calls is to be
    a ``loop`` too.
    """
    return kernel(function, _nrt=False)


def piece(function):
    """Compile ``function`` into every kernel that calls it.

    For parts of a loop that take many arrays: to pass them costs more than
    they do.
    """
    return njit(inline="always", error_model="numpy")(function)


def call(kernel, entries, *args):
    """``kernel(*args)``, without a look at the types of the arguments if it is known.

    Numba looks at those of every call: 4 us for records of a dozen arrays.  In
    ``entries``, a dict, the compiled function is kept for calls whose arguments have
    the same types, which who passes it must be sure of; None keeps nothing.
    """
    entry = None if entries is None else entries.get(kernel)
    if entry is not None:
        return entry(*args)
    found = kernel(*args)
    if entries is not None and not PLAIN:
        compiled = kernel.overloads.get(tuple(map(typeof, args)))
        if compiled is not None:
            entries[kernel] = compiled.entry_point
    return found
