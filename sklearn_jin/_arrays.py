"""Types of the arrays of records: the dtype, and how many dimensions.

``X: Float32[2]`` says as much to a reader, and to whoever takes a record from a file:
kernels read memory by these types, so no other may come to them.  What estimators and
metrics learn is told by the same types, in a dict.
"""

from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import Annotated, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

NUMBERS = {int: Integral, float: Real}  # numbers of NumPy are such, too


class Form(NamedTuple):
    """What an array is to be."""

    dtypes: tuple  # one of these
    ndim: int | tuple  # or one of these

    def holds(self, array):
        """Whether ``array`` is such, in whatever order."""
        ndim = self.ndim if isinstance(self.ndim, tuple) else (self.ndim,)
        return (
            isinstance(array, np.ndarray)
            and array.dtype in self.dtypes
            and array.ndim in ndim
        )


class Kind:
    """Arrays of some dtypes: ``Kind("f4")[2]`` annotates those of two dimensions."""

    def __init__(self, *dtypes):
        self.dtypes = tuple(map(np.dtype, dtypes))

    def __getitem__(self, ndim):
        return Annotated[np.ndarray, Form(self.dtypes, ndim)]


Float32, Float64 = Kind("f4"), Kind("f8")
Int32, Int64 = Kind("i4"), Kind("i8")
UInt8, UInt16, Bool = Kind("u1"), Kind("u2"), Kind("?")


def fits(value, wanted):
    """Whether a value is of an annotated type: a class, a :class:`Form`, or a union."""
    if get_origin(wanted) is Annotated:
        return wanted.__metadata__[0].holds(value)
    if get_origin(wanted) in (Union, UnionType):
        return any(fits(value, one) for one in get_args(wanted))
    return isinstance(value, NUMBERS.get(wanted, wanted))


@cache
def types_of(kind):
    """The annotated types of the fields of a record."""
    return get_type_hints(kind, include_extras=True)


def forms_of(kind):
    """The :class:`Form` of each field of a record that is an array."""
    return {
        name: wanted.__metadata__[0]
        for name, wanted in types_of(kind).items()
        if get_origin(wanted) is Annotated
    }


def wrong_fields(record):
    """Names of the fields of a record that are not as annotated, in the order of C."""
    kind = type(record)
    wrong = [
        name
        for name, wanted in types_of(kind).items()
        if not (fits(part := getattr(record, name), wanted) and _in_order(part))
    ]
    return [f"{kind.__name__}.{name}" for name in wrong]


def _in_order(part):
    return not isinstance(part, np.ndarray) or part.flags.c_contiguous


def wrong_arrays(record):
    """As :func:`wrong_fields`, of the records in a record too."""
    wrong = wrong_fields(record)
    for part in record:
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            wrong += wrong_arrays(part)
    return wrong


def wrong_attributes(instance, types):
    """Names of ``types`` that an instance lacks, or has with values of other types."""
    kind = type(instance).__name__
    return [
        f"{kind}.{name}"
        for name, wanted in types.items()
        if not hasattr(instance, name) or not fits(getattr(instance, name), wanted)
    ]
