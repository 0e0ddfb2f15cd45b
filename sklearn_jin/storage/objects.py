"""Estimators as JSON and arrays, and back: by rules, and from a closed table of names.

An object is a record, an estimator, a metric or a ``RandomState``.  The manifest lists
them so that each refers only to those before it, the estimator that was saved being
the last; an object that stands in two places is one object afterwards, too.  Names of
classes are looked up among those of this package.  Nothing of a file is executed.
"""

import re
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

from sklearn_jin._arrays import wrong_attributes, wrong_fields
from sklearn_jin.metrics import METRICS
from sklearn_jin.storage.arrays import DTYPES

ESTIMATORS = {}  # classes by their names: filled as the package defines them
PACKAGES = ("points", "search", "construction")  # whose records are known
INDEX = "search.index.Index"
MOVED = {}  # names of records that are in other files since, by the old ones
RENAMED = {"KNNGraphTransformer": {"recall": "target_recall"}}  # parameters, by class
GENERATOR = "MT19937"  # what a RandomState draws from, if it was not told otherwise
DRAWN = 624  # numbers of its state
ATTRIBUTE = re.compile(r"(?!__)[A-Za-z_]\w*", re.ASCII)
SHOWN = 60  # characters of a value in a message
DEEPEST = 32  # lists, estimators and records within each other


# Names of classes.


@cache
def _modules(package):
    """Names of the modules of a package of this library."""
    folder = import_module(f"sklearn_jin.{package}").__path__
    return frozenset(module.name for module in iter_modules(folder))


def record_named(name):
    """The NamedTuple of this library with such a name, as ``points.rows.RowsL2``."""
    package, module, kind = MOVED.get(name, name).split(".")
    if package in PACKAGES and module in _modules(package):
        where = f"sklearn_jin.{package}.{module}"
        found = vars(import_module(where)).get(kind)
        if _is_record(found) and found.__module__ == where:
            return found
    raise ValueError(f"no record is named {name!r}")


def _is_record(kind):
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_make")


def _name_of_record(kind):
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("sklearn_jin.")
    try:
        return name if record_named(name) is kind else None
    except ValueError:
        return None


METRIC_CLASSES = {metric.__name__: metric for metric in METRICS.values()}


def live_of(index):
    """Number of the rows of an index that were not removed; None where none was."""
    return None if index.changes is None else index.changes.n_live


# Writing.


class Writer:
    """Lists the objects and the arrays that an estimator consists of."""

    def __init__(self):
        self.objects, self.arrays = [], []
        self.indexes = []  # numbers of the objects that are an Index, and their rows
        self.held = []  # all that is numbered, so that no other gets its id
        self._numbers, self._within = {}, []

    def number_of(self, value):
        """The number of an object that was written, or None."""
        return self._numbers.get(id(value))

    def value(self, value, name):
        """What JSON is to hold of a ``value``, which messages call ``name``."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"float": repr(value)}
        if isinstance(value, np.generic):
            return self._scalar(value, name)
        if isinstance(value, np.ndarray):
            return self._array(value, name)
        if type(value) in (list, tuple, dict):
            with self._entered(value, name):
                return self._container(value, name)
        return {"object": self._object(value, name)}

    @contextmanager
    def _entered(self, value, name):
        """Within ``value``, which is in nothing that it holds."""
        if id(value) in self._within or len(self._within) == DEEPEST:
            raise TypeError(
                f"{name} is in itself, or in more than {DEEPEST} lists, tuples, dicts "
                "and estimators, which is not kept on disk: set it to something flatter"
            )
        self._within.append(id(value))
        yield
        self._within.pop()

    def _scalar(self, value, name):
        if type(value) is np.str_:
            return {"text": str(value)}
        dtype = value.dtype.newbyteorder("<")
        if dtype.str not in DTYPES:
            raise _refusal(value, name)
        return {"number": [dtype.str, np.asarray(value, dtype).tobytes().hex()]}

    def _array(self, array, name):
        if array.dtype == object and all(type(part) is str for part in array.flat):
            return {"texts": [list(array.shape), array.ravel().tolist()]}
        if (
            type(array) is np.ndarray and array.dtype.kind == "U"
        ):  # labels, for one, of so many characters each
            width = max(1, array.dtype.itemsize // 4)
            return {"texts": [list(array.shape), array.ravel().tolist(), width]}
        if type(array) not in (np.ndarray, np.memmap) or (
            array.dtype.newbyteorder("<").str not in DTYPES
        ):
            raise _refusal(array, name)
        place = array.__array_interface__["data"][0]
        key = (place, array.shape, array.strides, array.dtype.str)
        number = self._numbers.setdefault(key, len(self.arrays))
        if number == len(self.arrays):
            self.arrays.append(array)
        elif array.flags.writeable:  # what may change is compared with its file
            self.arrays[number] = array
        return {"array": number}

    def _container(self, value, name):
        if type(value) is dict:
            if any(type(key) is not str for key in value):
                raise _refusal(value, name)
            return {"dict": {k: self._part(value, k, name) for k in value}}
        parts = [self._part(value, i, name) for i in range(len(value))]
        return parts if type(value) is list else {"tuple": parts}

    def _part(self, value, key, name):
        return self.value(value[key], f"{name}[{key!r}]")

    def _object(self, value, name):
        """Number of an object, which is listed behind all that it consists of."""
        if id(value) not in self._numbers:
            with self._entered(value, name):
                entry = self._entry(value, name)
            self.held.append(value)
            self._numbers[id(value)] = len(self.objects)
            if entry["class"] == INDEX:
                self.indexes.append((len(self.objects), value))
            self.objects.append(entry)
        return self._numbers[id(value)]

    def _entry(self, value, name):
        kind = type(value)
        if _is_record(kind) and (known := _name_of_record(kind)):
            fields = {
                field: self.value(part, f"{name}.{field}")
                for field, part in _portable(value)._asdict().items()
            }
            return {"kind": "record", "class": known, "fields": fields}
        if ESTIMATORS.get(kind.__name__) is kind:
            state = self._attributes(value.state_to_keep(), name)
            names = kind._get_param_names()
            params = {name: state.pop(name) for name in names if name in state}
            return {
                "kind": "estimator",
                "class": kind.__name__,
                "params": params,
                "fitted": state,
            }
        if METRIC_CLASSES.get(kind.__name__) is kind:
            fitted = self._attributes(vars(value), name)
            return {"kind": "metric", "class": kind.__name__, "fitted": fitted}
        if kind is np.random.RandomState:
            state = value.get_state(legacy=False)
            if state["bit_generator"] == GENERATOR:
                state = self.value(state, name)
                return {"kind": "random_state", "class": GENERATOR, "state": state}
        raise _refusal(value, name)

    def _attributes(self, state, name):
        for attribute in state:  # a reader refuses others
            if type(attribute) is not str or not ATTRIBUTE.fullmatch(attribute):
                raise TypeError(
                    f"{name} has an attribute {attribute!r}, and files name attributes "
                    "by ASCII letters, digits and _, without __ in front: delete or "
                    "rename it, or pickle the estimator"
                )
        return {k: self.value(v, f"{name}.{k}") for k, v in state.items()}


def _portable(record):
    """A record as every CPU reads it."""
    from sklearn_jin.search.index import Index, for_any_cpu

    if not isinstance(record, Index):
        return record
    return record._replace(route=for_any_cpu(record.route))


def _refusal(value, name):
    try:
        shown = repr(value)
    except Exception:  # of a class of a user
        shown = object.__repr__(value)
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
    return TypeError(
        f"{name}={shown} is of type {type(value).__module__}.{type(value).__qualname__}"
        ", which is not kept on disk: numbers, texts, None, lists, tuples, dicts by "
        "text, arrays of numbers, RandomState and estimators of sklearn_jin are; set "
        "it to such a value, or pickle the estimator"
    )


# Reading.


class Reader:
    """Makes objects of what a manifest lists.

    ``array(number, kept)`` gives an array: ``kept`` ones stand in records, and may lie
    in a file; others belong to an estimator, which may change them.
    """

    def __init__(self, array):
        self._array, self.objects = array, []

    def read(self, entry):
        """Make and list the next object, which refers to those before it."""
        self.objects.append(getattr(self, f"_{_kind(entry)}")(entry))
        return self.objects[-1]

    def value(self, told, kept=False):
        """The value that JSON tells of."""
        if isinstance(told, list):
            return [self.value(part) for part in told]
        if not isinstance(told, dict):
            return told
        ((form, what),) = told.items()
        if form == "array":
            return self._array(_number(what), kept)
        if form == "object":
            return self.objects[_number(what)]
        return getattr(self, f"_value_{form}")(what)

    def _value_float(self, text):
        return {"inf": np.inf, "-inf": -np.inf, "nan": np.nan}[text]

    def _value_text(self, text):
        return np.str_(text)

    def _value_number(self, told):
        dtype, digits = told
        if dtype not in DTYPES:
            raise ValueError(f"dtype={dtype!r} is none")
        return np.frombuffer(bytes.fromhex(digits), dtype).astype(dtype[1:])[0]

    def _value_texts(self, told):
        shape, items, *width = told
        array = np.empty(len(items), f"U{_number(*width)}" if width else object)
        array[:] = [str(item) for item in items]
        return array.reshape(shape)

    def _value_tuple(self, parts):
        return tuple(self.value(part, kept=True) for part in parts)

    def _value_dict(self, parts):
        return {key: self.value(part) for key, part in parts.items()}

    def _record(self, entry):
        fields = {k: self.value(v, kept=True) for k, v in entry["fields"].items()}
        kind = record_named(entry["class"])
        record = kind(**fields)
        if wrong := wrong_fields(record):  # those in it were read before
            raise ValueError(f"fields of another type than they had: {wrong}")
        return record

    def _estimator(self, entry):
        kind = ESTIMATORS[entry["class"]]
        params = kind.default_params()
        names = RENAMED.get(entry["class"], {})
        given = {names.get(name, name): told for name, told in entry["params"].items()}
        if unknown := given.keys() - params.keys():
            raise ValueError(f"{kind.__name__} has no parameters {sorted(unknown)}")
        params |= self._state(given)
        state = {**params, **self._state(entry["fitted"])}
        estimator = kind.__new__(kind)
        estimator.__dict__.update(state)
        return estimator

    def _metric(self, entry):
        kind = METRIC_CLASSES[entry["class"]]
        metric = kind.__new__(kind)
        metric.__dict__.update(self._state(entry["fitted"]))
        if wrong := wrong_attributes(metric, kind.learned):
            raise ValueError(f"attributes are missing or of another type: {wrong}")
        return metric

    def _random_state(self, entry):
        if entry["class"] != GENERATOR:
            raise ValueError(f"no generator is named {entry['class']!r}")
        state = self.value(entry["state"])
        if not 0 <= state["state"]["pos"] <= DRAWN:  # which NumPy does not check
            raise ValueError(f"{GENERATOR} has no number {state['state']['pos']}")
        drawn = np.random.RandomState(0)
        drawn.set_state(state)
        return drawn

    def _state(self, told):
        for name in told:
            if not ATTRIBUTE.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an attribute")
        return {name: self.value(part) for name, part in told.items()}


def _kind(entry):
    kind = entry["kind"]
    if kind not in ("record", "estimator", "metric", "random_state"):
        raise ValueError(f"no kind of objects is named {kind!r}")
    return kind


def _number(what):
    """A number in a list; negative ones, which Python takes, are none."""
    if type(what) is not int or what < 0:
        raise ValueError(f"{what!r} is no number of an object or array")
    return what
