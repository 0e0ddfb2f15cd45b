"""What a folder holds, for people: ``python -m sklearn_jin info PATH``."""

from typing import NamedTuple

from sklearn_jin.storage import arrays
from sklearn_jin.storage.folder import Folder
from sklearn_jin.storage.objects import INDEX

PARTS = {  # of an Index, by its fields; a route is told by the file of its record
    "points": "rows",
    "codes": "codes",
    "finer": "finer codes",
    "learned": "learned",
    "metric": "metric",
    "route.layers": "graph",
    "route.branches": "graph",
    "route.lists": "lists",
    "route.reduced": "lists",
    "route.fastscan": "codes",
}


class Field(NamedTuple):
    """An array, and which part of what it is."""

    part: str  # as "graph": see ``PARTS``; or an attribute, as "quantizer_"
    record: str  # class of the record or the estimator that the part is
    name: str  # of the field, as "landmarks.X" for one of a record in it
    number: int  # of the array


def describe(path, verify=False):
    """Yield lines about the folder ``path``; raises the errors of ``load``.

    The last line says that it is whole, and by what that was found out.
    """
    folder = Folder(path, map_them=True, verify=verify)
    estimator = folder.estimator()
    told = folder.manifest
    stored = told["arrays"]
    sizes = [_size(entry) for entry in stored]
    yield _line("holds", told["class"])
    yield _line("parameters", _changed(estimator))
    yield _line("features", getattr(estimator, "n_features_in_", "unknown"))
    for segment in told["segments"]:
        yield _line("rows", f"{segment['rows']:,}")
    yield _line("bytes", f"{sum(sizes):,} in {len(stored)} arrays")
    yield _line("format", told["version"])
    yield _line("generation", told["generation"])
    made_by = (f"{name} {version}" for name, version in told["made_by"].items())
    yield _line("made by", ", ".join(made_by))
    yield from _table(fields_of(told["objects"]), stored)
    checked = sum(size for size in sizes if verify or size <= arrays.SMALL)
    yield _line("whole", f"as far as sizes, structure and {checked:,} bytes tell")


def fields_of(objects):
    """A :class:`Field` for each array of the objects of a manifest, once."""
    found, seen = [], set()
    _walk(objects, len(objects) - 1, ("", ""), "", found)
    return [f for f in found if not (f.number in seen or seen.add(f.number))]


def _walk(objects, number, part, prefix, found):
    """Append the fields of an object, which is of a ``part``, (its name, its class)."""
    entry = objects[number]
    kind = entry["class"].rpartition(".")[2]
    part = part[0], part[1] or kind
    values = {}
    for group in ("fields", "params", "fitted"):
        values |= entry.get(group, {})
    for name, value in values.items():
        for form, what in _numbers(value):
            if form == "array":
                found.append(Field(part[0] or "learned", part[1], prefix + name, what))
            elif entry["class"] == INDEX:
                label = _part_of(name, objects[what]["class"])
                _walk(objects, what, (label, ""), "", found)
            elif objects[what]["class"] == INDEX or not part[0]:
                _walk(objects, what, (name, ""), "", found)
            else:
                _walk(objects, what, part, f"{prefix}{name}.", found)


def _part_of(field, name):
    """What people call the field of an Index that holds a record of such a name."""
    if field == "route":
        field = "route." + name.split(".")[1]
    return PARTS.get(field, name.rpartition(".")[2])


def _numbers(value):
    """Pairs ("array" or "object", its number) in a value of a manifest."""
    if isinstance(value, list):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, dict):
        for form, what in value.items():
            if form in ("array", "object"):
                yield form, what
            elif form in ("tuple", "dict"):
                yield from _numbers(list(what.values()) if form == "dict" else what)


def _table(fields, stored):
    """Lines for the parts, the largest first, and below each for its arrays."""
    parts = {}
    for field in fields:
        parts.setdefault(field[:2], []).append(field)

    def size(fields):
        return sum(_size(stored[field.number]) for field in fields)

    for (part, record), fields in sorted(parts.items(), key=lambda p: -size(p[1])):
        yield _line(part, f"{record}, {size(fields):,} bytes")
        for field in sorted(fields, key=lambda field: -size([field])):
            entry = stored[field.number]
            shape = " x ".join(f"{n:,}" for n in entry.shape) or "1 number"
            row = f"  {field.name:<18} {f'{shape} of {entry.dtype}':<26}"
            yield f"{row} {_size(entry):>15,}  {entry.file}  crc32 {entry.crc32}"


def _size(entry):
    return arrays.n_bytes(entry.dtype, entry.shape)


def _line(name, value):
    return f"{name:<14}{value}" if len(name) < 14 else f"{name}  {value}"


def _changed(estimator):
    """The parameters that are not those of a new estimator, as its repr has them."""
    text = " ".join(repr(estimator).split())
    return text.partition("(")[2].removesuffix(")") or "the defaults"
