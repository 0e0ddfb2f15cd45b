"""The manifest: what a folder holds, as JSON that ends in its own checksum.

Its two first lines tell what it is and in which version of the format, so that they
can be told of a later one, too; its last number is the CRC-32 of all bytes before the
line that it stands in.
"""

import hashlib
import json
import os
import re
import zlib

from sklearn_jin.storage.arrays import (
    DTYPES,
    MOST_DIMENSIONS,
    Stored,
    opened,
)

NAME = "manifest.json"
FORMAT = "sklearn_jin"
VERSION = 1
HEAD = re.compile(rb'\{\n "format": "sklearn_jin",\n "version": (\d{1,9}),\n')
TAIL = re.compile(rb' "crc32": "([0-9a-f]{8})"\n\}\n\Z')
ARRAY = re.compile(r"([0-9a-f]{16})-\d{1,9}\.npy")  # the first part is a generation
SUM = re.compile(r"[0-9a-f]{8}")


def as_bytes(manifest):
    """The file of a ``manifest``, a dict that JSON can hold."""
    whole = {"format": FORMAT, "version": VERSION, **manifest}
    body = json.dumps(whole, indent=1, allow_nan=False)[: -len("\n}")] + ",\n"
    body = body.encode("ascii")
    return body + b' "crc32": "%08x"\n}\n' % zlib.crc32(body)


def is_ours(data):
    """Whether bytes begin as a manifest does, of whatever version."""
    return HEAD.match(data) is not None


def parsed(data):
    """The dict that a manifest holds, its arrays as :class:`Stored`.

    Raises ValueError for what is none, of a later version, or damaged.
    """
    head, tail = HEAD.match(data), TAIL.search(data[-64:])
    if head is None:
        raise ValueError(f"{NAME} is none of sklearn_jin")
    if (version := int(head[1])) > VERSION:
        raise ValueError(
            f"it is of version {version} of the format, and this sklearn_jin reads "
            f"versions up to {VERSION}: install the sklearn_jin that wrote it, or a "
            "later one"
        )
    body = data[: len(data) - len(tail[0])] if tail else data
    if tail is None or b"%08x" % zlib.crc32(body) != tail[1]:
        raise ValueError(f"{NAME} is not as it was written")
    try:
        manifest = json.loads(data, parse_constant=_refuse)
        manifest["arrays"] = [_stored(entry) for entry in manifest["arrays"]]
        manifest["identity"] = f"{manifest['generation']}-{tail[1].decode()}"
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{NAME} is whole, but lists no arrays: {error!r}") from error
    return manifest


def read(path):
    """The manifest of the folder ``path``."""
    fd, size = opened(path, NAME)
    with open(fd, "rb") as file:
        data = file.read(size)
    return parsed(data)


def identities(manifest):
    """A text for each object of a manifest, which equal objects have alike.

    It is a digest of classes, of values and of the checksums of arrays, whatever the
    files are named: an index that was saved once more is the same one.
    """
    made = []
    for entry in manifest["objects"]:
        told = dict(entry)
        for group in ("fields", "params", "fitted"):
            if group in told:
                told[group] = _named(told[group], manifest["arrays"], made)
        text = json.dumps(told, sort_keys=True)
        made.append(hashlib.sha256(text.encode()).hexdigest())
    return made


def _named(values, arrays, made):
    return {name: _resolved(value, arrays, made) for name, value in values.items()}


def _resolved(value, arrays, made):
    """A value with what its numbers of arrays and of objects stand for."""
    if isinstance(value, list):
        return [_resolved(part, arrays, made) for part in value]
    if not isinstance(value, dict):
        return value
    ((form, what),) = value.items()
    if form == "array":
        return {form: arrays[what]._replace(file="")}
    if form == "object":
        return {form: made[what]}
    if form == "tuple":
        return {form: _resolved(what, arrays, made)}
    return {form: _named(what, arrays, made)} if form == "dict" else value


def _refuse(name):
    raise ValueError(f"{NAME} holds {name}")


def _stored(entry):
    """The :class:`Stored` of an entry, nothing of which is trusted."""
    stored = Stored(**{**entry, "shape": (shape := tuple(entry["shape"]))})
    if not ARRAY.fullmatch(stored.file) or os.path.basename(stored.file) != stored.file:
        raise ValueError(f"{stored.file!r} is no name of an array")
    if stored.dtype not in DTYPES or stored.order not in ("C", "F"):
        raise ValueError(f"{stored.file} has dtype={stored.dtype!r}, which is none")
    if not SUM.fullmatch(stored.crc32):
        raise ValueError(f"{stored.file} has no checksum")
    sizes = all(type(size) is int and size >= 0 for size in shape)
    if not sizes or len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"{stored.file} has shape={shape}, which is none")
    return stored
