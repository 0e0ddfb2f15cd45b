"""``info PATH`` tells what a folder holds, and whether it is whole."""

import numpy as np
import pytest
from stored import files

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    LocalIntrinsicDimensionality,
    RaBitQ,
)
from sklearn_jin.__main__ import main
from sklearn_jin.storage import manifest
from sklearn_jin.storage.describe import fields_of


def told(capsys, *arguments):
    status = main(["info", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_an_index_is_described(tmp_path, capsys):
    X = np.random.default_rng(0).random((3000, 100), dtype=np.float32)
    FlatNeighbors(n_neighbors=7).fit(X).save(tmp_path / "kept")
    status, out, _ = told(capsys, tmp_path / "kept")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert status == 0
    assert lines["holds"] == "FlatNeighbors" and lines["parameters"] == "n_neighbors=7"
    assert lines["features"] == "100" and "rows          3,000" in out
    assert lines["bytes"].startswith("1,344,0") and "sklearn_jin 0.1" in out
    assert lines["rows"] == "RowsL2, 1,344,000 bytes"
    file, *_ = files(tmp_path / "kept")
    (large,) = (line for line in out.splitlines() if file.name in line)
    assert large.split()[:6] == ["X", "3,000", "x", "112", "of", "<f4"]
    assert "structure and 0 bytes tell" in out
    assert "structure and 1,344,0" in told(capsys, tmp_path / "kept", "--verify")[1]


def parts_of(estimator, path):
    """Fields by parts, of which each array is in one."""
    estimator.save(path)
    told = manifest.read(path)
    parts = {}
    for field in fields_of(told["objects"]):
        parts.setdefault(f"{field.part}: {field.record}", set()).add(field.name)
    numbers = [field.number for field in fields_of(told["objects"])]
    assert sorted(numbers) == [*range(len(told["arrays"]))]
    return parts


def test_the_parts_of_an_index_are_named_by_their_records(tmp_path, X):
    graph = HNSWNeighbors(exact_threshold=0, quantizer=RaBitQ(4), random_state=0)
    parts = parts_of(graph.fit(X), tmp_path / "graph")
    assert parts["rows: RowsL2"] == {"X"} and "codes" in parts["codes: PlanesL2"]
    assert {"neighbors", "landmarks.codes"} <= parts["graph: Layers"]
    assert parts["quantizer_: RaBitQ"] == {"center_", "signs_"}
    lists = IVFNeighbors(exact_threshold=0, random_state=0).fit(X)
    parts = parts_of(lists, tmp_path / "lists")
    assert {"ids", "starts", "codes.blocks"} <= parts["lists: Lists"]
    lid = LocalIntrinsicDimensionality(index=graph).fit(X)
    parts = parts_of(lid, tmp_path / "lid")
    assert {"lid_", "intervals_"} < parts["learned: LocalIntrinsicDimensionality"]
    assert "neighbors" in parts["graph: Layers"]


def test_a_quantizer_is_described(tmp_path, capsys, X):
    RaBitQ().fit(X).save(tmp_path / "kept")
    status, out, _ = told(capsys, tmp_path / "kept")
    assert status == 0 and "RaBitQ" in out and "the defaults" in out


@pytest.mark.parametrize("verify", [[], ["--verify"]])
def test_damage_is_told_and_is_the_exit_status(tmp_path, capsys, verify):
    X = np.random.default_rng(0).random((3000, 100), dtype=np.float32)
    HNSWNeighbors(exact_threshold=5000).fit(X).save(tmp_path / "kept")
    file = max(files(tmp_path / "kept"), key=lambda file: file.stat().st_size)
    with open(file, "r+b") as data:
        data.seek(-1, 2)
        data.write(b"\1")
    status, out, error = told(capsys, tmp_path / "kept", *verify)
    assert status == (2 if verify else 0) and ("checksum" in error) == bool(verify)
    assert ("whole" in out) == (not verify)


def test_nothing_is_told_of_nothing(tmp_path, capsys):
    status, out, error = told(capsys, tmp_path / "none")
    assert status == 2 and not out and "no index that save made" in error


def test_without_a_path_the_machine_is_told(capsys):
    status, out, _ = told(capsys)
    assert status == 0 and "vectors" in out
