"""Types of the arrays of records: the dtype, and how many dimensions.

``X: Float32[2]`` says as much to a reader, and to whoever takes a record from a file:
kernels read memory by these types, so no other may come to them.
"""

from typing import Annotated, NamedTuple, get_origin, get_type_hints

import numpy as np


class Form(NamedTuple):
    """What an array is to be."""

    dtypes: tuple  # one of these
    ndim: int | tuple  # or one of these

    def holds(self, array):
        """Whether ``array`` is such, in the order of C."""
        ndim = self.ndim if isinstance(self.ndim, tuple) else (self.ndim,)
        return (
            isinstance(array, np.ndarray)
            and array.dtype in self.dtypes
            and array.ndim in ndim
            and array.flags.c_contiguous
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


def forms_of(kind):
    """The :class:`Form` of each field of a record that is an array."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: hint.__metadata__[0]
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    }


def wrong_fields(record):
    """Names of the arrays of a record that are not as annotated."""
    kind = type(record)
    forms = forms_of(kind).items()
    wrong = [name for name, form in forms if not form.holds(getattr(record, name))]
    return [f"{kind.__name__}.{name}" for name in wrong]


def wrong_arrays(record):
    """As :func:`wrong_fields`, of the records in a record too."""
    wrong = wrong_fields(record)
    for part in record:
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            wrong += wrong_arrays(part)
    return wrong
