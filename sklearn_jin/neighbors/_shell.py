"""The shell of an index: its parameters as fields, and what is made from them.

``shell`` makes the constructor of an index from its fields, and ``transformer`` the
documentation of a transformer from that of its index.  The documentation of an index
itself is written by hand, in full, where a reader of its file looks for it; the order
of the parameters there is that of the signature.
"""

import re
import sys
from dataclasses import dataclass, fields
from inspect import Parameter, Signature, cleandoc
from numbers import Real
from textwrap import indent

from sklearn_jin._compat import Instances, Interval, StrOptions
from sklearn_jin.quantizers._base import Quantizer

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:

    def dataclass_transform(**_):
        """Tell type checkers nothing."""
        return lambda decorator: decorator


@dataclass_transform(kw_only_default=True, eq_default=False)
def shell(cls):
    """Add the constructor, and to the constraints those of the bases.

    Editors take the class for a dataclass, which it is: its constructor only stores
    the fields.  Its signature is the one that a constructor written by hand had.  The
    attributes that every index has are added to those that it documents.
    """
    cls.__doc__ = _with_common_attributes(cls.__doc__)
    cls = dataclass(kw_only=True, eq=False, repr=False)(cls)
    cls.__init__.__signature__ = _signature(cls)
    for field in fields(cls):
        if field.name in vars(cls):
            delattr(cls, field.name)  # else help would list them as data of the class
    cls._parameter_constraints = {
        name: constraints
        for base in reversed(cls.__mro__)
        for name, constraints in vars(base).get("_parameter_constraints", {}).items()
    }
    return cls


@dataclass_transform(kw_only_default=True, eq_default=False)
def transformer(cls):
    """As :func:`shell`, of a transformer whose second base is its index.

    What the docstring does not say is added from that of the index.
    """
    if cls.__doc__:  # which python -OO leaves out
        cls.__doc__ = _transformer_doc(cls, cls.__bases__[1])
    return shell(cls)


def _signature(cls):
    """Signature of the constructor: keywords, in the order of their documentation."""
    documented = list(_entries(_sections(cls.__doc__ or "").get("Parameters", "")))
    rank = {name: i for i, name in enumerate(documented)}
    keywords = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default)
        for field in sorted(fields(cls), key=lambda f: rank.get(f.name, len(rank)))
    ]
    return Signature([Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *keywords])


# Attributes of every index, documented behind ``n_samples_fit_``.

COMMON = """\
n_rows_ : int
    Number of rows that can be found: those given by :meth:`fit`,
    :meth:`partial_fit` and :meth:`replace`, less those removed.
ids_ : ndarray of shape (`n_rows_`,), int64
    Ids of these rows, ascending.
drift_ : float
    How many times the squared error of the codes of the rows that they were learned
    from the error of those is that were built in last; 1 where all are learned from
    all, as after :meth:`fit`.  Above 2 they are learned again.
groups_ : ndarray of shape (`n_samples_fit_`,), int64
    The group of every id, as a place in ``group_labels_``.  Only if :meth:`fit` was
    given ``groups``.
group_labels_ : ndarray of shape (n_groups,)
    The labels of the groups.  Only if :meth:`fit` was given ``groups``.
"""


def _with_common_attributes(doc):
    """The docstring of an index, completed; what lacks attributes stays as it is."""
    found = re.search(r"^( *)n_samples_fit_ : .*\n(?:\1 +.*\n)+", doc or "", re.M)
    if not found or "n_rows_ : " in doc:
        return doc
    more = indent(COMMON, found.group(1))
    return doc[: found.end()] + more + doc[found.end() :]


# Documentation of transformers.

GRAPH = """\
A transformed row holds ``n_neighbors + 1`` distances in ascending order
(``mode="distance"``) or ``n_neighbors`` ones (``mode="connectivity"``); a fitted row
begins with itself.
"""
MODE = """\
mode : {"distance", "connectivity"}, default="distance"
    What the graph holds.
"""
N_NEIGHBORS = """\
n_neighbors : int, default=5
    Neighbours of every row, without the row itself for ``mode="distance"``.
"""
REFUSED = """\
    A transformer refuses ``"inner_product"``, whose distances may be negative: a
    precomputed graph must hold none that are.
"""
N_SAMPLES = """\
n_samples_fit_ : int
    Number of ids that were given, and of output features.
"""
SEE_ALSO = """\
{index} : The same index, without the transformer.
sklearn.neighbors.KNeighborsTransformer : The exact graph, by trees or by brute force.
"""
EXAMPLES = """\
>>> from sklearn_jin import {transformer}
>>> X = [[0.0], [1.0], [5.0]]
>>> {transformer}(n_neighbors=1).fit_transform(X).toarray()
array([[0., 1., 0.],
       [1., 0., 0.],
       [0., 4., 0.]])
"""
ORDER = "Parameters", "Attributes", "See Also", "Notes", "References", "Examples"


def _transformer_doc(cls, index):
    """Numpydoc of a transformer: its own docstring, completed from its index's."""
    own, found = _sections(cls.__doc__), _sections(index.__doc__)
    parameters = _entries(found["Parameters"])
    parameters["n_neighbors"] = N_NEIGHBORS
    parameters["metric"] += REFUSED
    attributes = {**_entries(found["Attributes"]), "n_samples_fit_": N_SAMPLES}
    made = {
        **found,
        "Parameters": MODE + "".join(parameters.values()),
        "Attributes": "".join(attributes.values()),
        "See Also": SEE_ALSO.format(index=index.__name__),
        "Examples": EXAMPLES.format(transformer=cls.__name__),
        **own,
    }
    # The first sentence of an index says what it is; what follows, how it works.
    how = found[""].partition("\n\n")[2]
    head = f"{own['']}\n{GRAPH}\n{how}"
    names = [name for name in ORDER if name in made]
    return "\n".join([head, *(f"{n}\n{'-' * len(n)}\n{made[n]}" for n in names)])


def _sections(doc):
    """Texts of the sections of a docstring by their names; the first has none."""
    text = cleandoc(doc) + "\n"
    head, *rest = re.split(r"^(\w[\w ]*)\n-{3,}\n", text, flags=re.MULTILINE)
    bodies = [body.rstrip() + "\n" for body in [head, *rest[1::2]]]
    return dict(zip(["", *rest[::2]], bodies))


def _entries(body):
    """Entries of a section of parameters or attributes, by their names."""
    entries = re.split(r"^(?=\w)", body, flags=re.MULTILINE)
    return {entry.partition(" : ")[0]: entry for entry in entries if entry}


# What indexes on codes have in common.


@shell
class Reranked:
    """Parameters of what searches codes and scores the best candidates exactly."""

    rerank: float | str | None = None
    store_vectors: bool | str = True

    _parameter_constraints = {
        "rerank": [
            Interval(Real, 1, None, closed="left"),
            StrOptions({"bound"}),
            None,
        ],
        "store_vectors": [
            "boolean",
            StrOptions({"float32", "float16", "int8", "input"}),
        ],
    }


@shell
class Coded(Reranked):
    """Parameters of what searches codes by any quantizer."""

    quantizer: Quantizer | str | None = None

    _parameter_constraints = {
        "quantizer": [
            Instances(Quantizer, "a quantizer of sklearn_jin, such as RaBitQ()"),
            StrOptions({"auto"}),
            None,
        ]
    }
    _learned = {"quantizer_": Quantizer | None, "quantizer_trial_": tuple | None}
