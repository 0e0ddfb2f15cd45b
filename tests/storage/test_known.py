"""What a folder holds already is named again instead of written, and nothing else."""

import gc
import os
import pickle
import shutil

import numpy as np
import pytest
from stored import ROWS, assert_tidy, files, index_of, regrown, saved, written

from sklearn_jin import FlatNeighbors, RaBitQ, ScalarQuantizer, load
from sklearn_jin.storage import arrays, known, manifest


@pytest.fixture
def path(tmp_path):
    """A folder in which an index is."""
    index_of(1).save(tmp_path / "kept")
    return tmp_path / "kept"


def test_an_index_that_did_not_change_is_a_manifest_alone(path):
    index = FlatNeighbors(quantizer=ScalarQuantizer(4))
    index.fit(ROWS + 1e6)  # whose means are kept, too, as an array that may change
    assert len(written(index, path)) > 7
    assert written(index, path) == []
    assert written(index.set_params(n_neighbors=3), path) == []
    for mmap_mode in (None, "r"):
        assert written(load(path, mmap_mode=mmap_mode), path) == []
    assert len(written(index, path.parent / "elsewhere")) > 7
    assert written(index, path) == []


def test_what_changed_alone_is_written(path):
    index = index_of(1)
    index.save(path)
    assert written(regrown(3), path) == [3]
    assert written(index_of(1), path) == [0]
    assert written(index_of(2), path) == [ROWS.size]


def test_what_is_known_is_not_read(path, monkeypatch):
    index = index_of(2)
    index.save(path)
    monkeypatch.setattr(arrays, "holds", None)
    index.set_params(n_neighbors=7).save(path)
    load(path, mmap_mode="r").save(path)
    assert load(path).n_neighbors == 7


def test_an_array_that_may_change_is_compared(path):
    quantizer = RaBitQ(random_state=0).fit(ROWS)
    quantizer.save(path)
    quantizer.center_[3] += 1
    assert written(quantizer, path) == [ROWS.shape[1]]


def test_what_may_change_or_could_is_not_known():
    array = np.arange(5)
    known.remember(array, "folder", "file")  # which may be changed after that
    array.flags.writeable = False
    assert known.file_of(array, "folder") is None
    known.remember(array, "folder", "file")
    assert known.file_of(array, "folder") == "file"
    array.flags.writeable = True
    assert known.file_of(array, "folder") is None


def test_what_another_process_saved_is_told_from_what_is_known(path):
    index = index_of(2)
    index.save(path)
    for other in (index_of(3), index_of(2)):
        if (process := os.fork()) == 0:
            try:
                other.save(path)
            finally:
                os._exit(0)
        os.waitpid(process, 0)
        index.save(path)
        assert saved(path) == 2
        assert_tidy(path)


@pytest.mark.parametrize("lost", ["folder", "manifest", "file", "bytes"])
def test_what_was_lost_in_between_is_written_again(path, lost):
    index = index_of(2)
    index.save(path)
    file = max(files(path), key=lambda file: file.stat().st_size)
    if lost == "folder":
        shutil.rmtree(path)
    elif lost == "manifest":
        (path / manifest.NAME).unlink()
    elif lost == "file":
        file.unlink()
    else:
        os.truncate(file, 200)
    assert ROWS.size in written(index, path)


def test_a_file_that_is_damaged_holds_no_array(path):
    index = index_of(2)
    index.save(path)
    damaged = max(files(path), key=lambda file: file.stat().st_size)
    with open(damaged, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    assert written(index_of(2), path) == [ROWS.size]


def test_what_was_read_from_a_damaged_file_is_written_with_its_own_checksum(
    path, monkeypatch
):
    monkeypatch.setattr(arrays, "SMALL", 0)
    damaged = max(files(path), key=lambda file: file.stat().st_size)
    with open(damaged, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    unknown = pickle.loads(pickle.dumps(load(path)))
    assert written(unknown, path) == [ROWS.size]


def test_of_an_array_what_is_known_ends_with_it(path):
    index = index_of(2)
    index.save(path)
    rows = index.index_.points.X
    assert known.file_of(rows, str(path)) in manifest.read(path)["arrays"]
    for n in range(2 * known.FOLDERS):
        known.remember(rows, str(n), "file")
    assert known.file_of(rows, str(n)) == "file"
    assert known.file_of(rows, str(path)) is None  # of the latest folders alone
    other = rows[:5]
    known._files[id(other)] = known._files[id(rows)]  # as if it had the place of rows
    assert known.file_of(other, str(n)) is None
    number = id(rows)
    assert number in known._files
    del rows, index
    gc.collect()
    assert number not in known._files
