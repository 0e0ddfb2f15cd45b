"""A manifest is as this version or an older one wrote it, or it is refused."""

import json
import zlib

import pytest

from sklearn_jin.storage import manifest

ENTRY = {
    "file": "0123456789abcdef-3.npy",
    "dtype": "<f4",
    "shape": [2, 3],
    "order": "C",
    "crc32": "01234567",
}
CONTENT = {"generation": "0123456789abcdef", "arrays": [ENTRY], "more": "ü\n"}
DATA = manifest.as_bytes(CONTENT)


def test_a_manifest_is_json_that_ends_in_its_checksum():
    told = json.loads(DATA)
    assert told["format"] == "sklearn_jin" and told["more"] == "ü\n"
    body = DATA[: DATA.rindex(b' "crc32"')]
    assert told["crc32"] == f"{zlib.crc32(body):08x}"


def test_what_was_written_is_read():
    read = manifest.parsed(DATA)
    assert read["more"] == CONTENT["more"]
    assert read["arrays"][0].shape == (2, 3)
    assert read["identity"] == f"0123456789abcdef-{read['crc32']}"


def test_every_other_byte_is_refused():
    for at in range(len(DATA)):
        for byte in {DATA[at] ^ 1, DATA[at] ^ 128, ord("0"), ord(" ")} - {DATA[at]}:
            with pytest.raises(ValueError):
                manifest.parsed(DATA[:at] + bytes([byte]) + DATA[at + 1 :])


def test_every_shorter_or_longer_file_is_refused():
    for size in range(len(DATA)):
        with pytest.raises(ValueError):
            manifest.parsed(DATA[:size])
    for more in (b"\n", b" ", b"x", DATA):
        with pytest.raises(ValueError):
            manifest.parsed(DATA + more)


def test_a_later_version_is_refused_with_what_to_do():
    later = DATA.replace(b'"version": 1', b'"version": 2')
    assert manifest.is_ours(later)
    with pytest.raises(ValueError, match=r"version 2 of the format.*install the"):
        manifest.parsed(later)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"format": "sklearn_jin"}'])
def test_other_files_are_none(data):
    assert not manifest.is_ours(data)
    with pytest.raises(ValueError, match="is none of sklearn_jin"):
        manifest.parsed(data)


@pytest.mark.parametrize(
    "change",
    [
        *({"file": name} for name in ("../0123456789abcdef-3.npy", "/etc/passwd")),
        *({"file": name} for name in ("a.npy", "0123456789abcdef-3.npy\n", "..", "")),
        *({"file": name} for name in (5, None, "0123456789abcdef-/../3.npy")),
        *({"dtype": name} for name in ("O", "|O", "<U3", ">f4", "f4", "<c8", None, 1)),
        *({"shape": shape} for shape in ([-1], [1.5], ["2"], [True], [1] * 9, None, 3)),
        *({"order": order} for order in ("A", "", None, 1)),
        *({"crc32": crc} for crc in ("", "0123456g", "012345678", 5, None)),
        {"more": 1},
    ],
    ids=str,
)
def test_no_entry_is_trusted(change):
    data = manifest.as_bytes({**CONTENT, "arrays": [{**ENTRY, **change}]})
    with pytest.raises((ValueError, TypeError)):
        manifest.parsed(data)


def with_more(more):
    """A manifest that is whole, and holds some JSON that no save writes."""
    body = DATA.replace(b'"more"', b'"less": ' + more + b',\n "more"')
    body = body[: body.rindex(b' "crc32"')]
    return body + b' "crc32": "%08x"\n}\n' % zlib.crc32(body)


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="holds NaN"):
        manifest.parsed(with_more(b"NaN"))


def test_lists_that_are_too_deep_are_refused():
    depth = 10**6
    with pytest.raises(ValueError, match="lists no arrays: RecursionError"):
        manifest.parsed(with_more(b"[" * depth + b"]" * depth))


OBJECTS = [
    {
        "kind": "record",
        "class": "a",
        "fields": {"X": {"array": 0}, "y": {"float": "inf"}},
    },
    {"kind": "record", "class": "b", "fields": {"X": {"tuple": [{"object": 0}, 1]}}},
    {"kind": "record", "class": "b", "fields": {"X": {"dict": {"p": {"object": 0}}}}},
]


def identities(objects=OBJECTS, **change):
    read = manifest.parsed(manifest.as_bytes({**CONTENT, "objects": objects}))
    read["arrays"] = [s._replace(**change) for s in read["arrays"]]
    return manifest.identities(read)


def test_equal_objects_are_told_alike_whatever_their_files_and_numbers():
    known = identities()
    assert len({*known}) == len(OBJECTS)
    assert identities(file="fedcba9876543210-0.npy") == known
    moved = [{"kind": "metric", "class": "c", "fitted": {}}, OBJECTS[0]]
    moved.append({**OBJECTS[1], "fields": {"X": {"tuple": [{"object": 1}, 1]}}})
    assert identities(moved)[1:] == known[:2]


@pytest.mark.parametrize(
    "change",
    [{"crc32": "76543210"}, {"dtype": "<i4"}, {"shape": (3, 2)}, {"order": "F"}],
)
def test_objects_of_other_arrays_are_told_apart(change):
    assert not {*identities()} & {*identities(**change)}
