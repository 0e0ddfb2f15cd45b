"""A folder holds the old index or the new one, whatever happens to who writes it."""

import errno
import itertools
import os
import random
import resource
import signal
import threading
import time

import numpy as np
import pytest
from stored import (
    ROWS,
    assert_tidy,
    everything,
    files,
    index_of,
    regrown,
    saved,
)

from sklearn_jin import FlatNeighbors, ScalarQuantizer, load
from sklearn_jin.storage import arrays, folder, manifest, publish

KILLS = int(os.environ.get("KILLS", "12"))  # 200 by hand


@pytest.fixture
def path(tmp_path):
    """A folder in which an index is, and the bytes of all its files."""
    index_of(1).save(tmp_path / "kept")
    return tmp_path / "kept"


def content(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_an_index_is_replaced_and_its_files_removed(path):
    before = content(path)
    index_of(2).save(path)
    assert saved(path) == 2
    assert_tidy(path)
    left = content(path).keys() & before.keys() - {manifest.NAME, publish.LOCK}
    assert all(np.load(path / name).size == 0 for name in left)  # as in every index


def test_all_is_on_the_disk_before_the_manifest_names_it(path, monkeypatch):
    coded = FlatNeighbors(quantizer=ScalarQuantizer()).fit(ROWS)
    done, real = [], {name: getattr(os, name) for name in ("fsync", "replace")}

    def fsync(fd):
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        real["fsync"](fd)

    def replace(*names):
        done.append("replace")
        real["replace"](*names)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    coded.save(path)
    told = manifest.read(path)
    new = told["generation"]
    first = [s.file for s in told["arrays"] if s.file.startswith(new)]
    assert len(first) > 2
    part = new + publish.PART
    assert done == [*first, part, path.name, "replace", path.name]


def test_a_quantizer_may_take_the_place_of_an_index(path):
    ScalarQuantizer().fit(ROWS).save(path)
    assert isinstance(load(path), ScalarQuantizer)
    assert_tidy(path)


def test_who_has_mapped_the_old_index_keeps_it(path, monkeypatch):
    monkeypatch.setattr(arrays, "SMALL", 0)
    old = load(path, mmap_mode="r")
    index_of(2).save(path)
    assert everything(old) == everything(index_of(1))


# Whatever fails leaves what was there.


class Stop(BaseException):
    """Raised in the place of a call of the system."""


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("new", ["", "new", "a part"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), Stop()], ids=repr)
def test_a_call_that_fails_leaves_what_was_there(path, monkeypatch, call, new, error):
    again = index_of(2)
    if new == "a part":
        again = regrown(2)
    elif new:
        path = path.parent / "new"
    before, done, real = {}, [], getattr(os, call)
    if path.exists():
        index_of(1).save(path)
        before = content(path)

    def failing(*arguments):
        done.append(arguments)
        if len(done) == turn:
            raise error
        return real(*arguments)

    for turn in range(1, 30):  # noqa: B007
        done.clear()
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            try:
                again.save(path)
            except type(error):
                pass
            else:
                break
        if (path / manifest.NAME).exists() and saved(path, again) == 2:
            index_of(1).save(path)  # what failed came after the new one was there
            before = content(path)
        elif before:
            assert content(path) == before
        else:
            assert not path.exists()
    assert turn > 1 and saved(path, again) == 2
    assert_tidy(path)


def test_a_full_disk_leaves_what_was_there(path):
    before = content(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (0, 100, 5000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            with pytest.raises(OSError):
                index_of(2).save(path)
            with pytest.raises(OSError):
                index_of(2).save(path.parent / "new")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert content(path) == before and not (path.parent / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_left_alone(path):
    before = content(path)
    path.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            index_of(2).save(path)
    finally:
        path.chmod(0o755)
    assert content(path) == before


def killed(index, path, seconds):
    """Save in a process that is killed after as many seconds."""
    if (process := os.fork()) == 0:
        try:
            index.save(path)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


@pytest.mark.parametrize("make", [index_of, regrown])
def test_a_process_killed_while_it_saves_leaves_the_old_or_the_new_index(path, make):
    again = make(2)
    draw, found, left = random.Random(0), [], 0
    started = time.perf_counter()
    index_of(1).save(path)
    usual = time.perf_counter() - started + 0.01  # and what a fork takes
    for _ in range(KILLS):
        killed(again, path, draw.uniform(0, usual))
        found.append(saved(path, again))
        left += len(files(path)) > len(manifest.read(path)["arrays"])
        index_of(1).save(path)
        assert_tidy(path)
    assert {*found} <= {1, 2}
    print(f"{found.count(1)} times the old one, {left} times with leftovers")


def test_a_first_save_that_is_killed_leaves_no_index_or_the_new_one(tmp_path):
    draw = random.Random(0)
    for turn in range(KILLS):
        path = tmp_path / str(turn)
        killed(index_of(2), path, draw.uniform(0, 0.02))
        if (path / manifest.NAME).exists():
            assert saved(path) == 2
        index_of(1).save(path)
        assert saved(path) == 1
        assert_tidy(path)


def test_what_a_killed_save_left_is_removed_by_the_next(path):
    for name in ("0123456789abcdef-0.npy", "0123456789abcdef.part"):
        (path / name).write_text("left")
    for name in ("notes.txt", "0123456789abcdef-x.npy", "a.npy"):
        (path / name).write_text("of a user")
    (path / "0123456789abcdef-7.npy").mkdir()
    assert saved(path) == 1
    index_of(2).save(path)
    left = content_names(path) - {s.file for s in manifest.read(path)["arrays"]}
    users = {"notes.txt", "0123456789abcdef-x.npy", "a.npy", "0123456789abcdef-7.npy"}
    assert left == {manifest.NAME, publish.LOCK, *users}


def content_names(path):
    return {file.name for file in path.iterdir()}


def test_a_first_save_that_was_killed_is_no_index_and_no_hindrance(tmp_path):
    path = tmp_path / "kept"
    path.mkdir()
    for name in ("0123456789abcdef-0.npy", "0123456789abcdef.part", publish.LOCK):
        (path / name).write_text("left")
    with pytest.raises(FileNotFoundError, match="no index that save made"):
        load(path)
    index_of(2).save(path)
    assert saved(path) == 2
    assert_tidy(path)


# Several at a time.


def test_one_writes_at_a_time(path):
    threads = [threading.Thread(target=index_of(n).save, args=[path]) for n in (2, 3)]
    with publish.writing(path):
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        assert saved(path) == 1 and all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    assert saved(path) in (2, 3)
    assert_tidy(path)


def test_who_waited_for_a_folder_that_is_gone_makes_it_anew(tmp_path):
    path = tmp_path / "kept"
    with publish.writing(path):
        thread = threading.Thread(target=index_of(2).save, args=[path])
        thread.start()
        time.sleep(0.2)
        (path / publish.LOCK).unlink()
        path.rmdir()
    thread.join()
    assert saved(path) == 2


def test_who_reads_while_others_write_gets_one_or_the_other(path):
    done = threading.Event()
    one, two = index_of(1), index_of(2)

    def write():
        while not done.is_set():
            two.save(path)
            one.save(path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert {saved(path) for _ in range(30)} <= {1, 2}
    finally:
        done.set()
        thread.join()


def test_a_reader_that_is_overtaken_reads_again(path, monkeypatch):
    opened, turns = arrays.opened, iter([index_of(2).save, index_of(3).save])

    def overtaken(where, name):
        if name != manifest.NAME and (save := next(turns, None)):
            with monkeypatch.context() as patch:
                patch.setattr(arrays, "opened", opened)
                save(path)
        return opened(where, name)

    monkeypatch.setattr(arrays, "opened", overtaken)
    assert load(path).n_neighbors == 3


def test_a_reader_does_not_try_for_ever(path, monkeypatch):
    opened, turns = arrays.opened, itertools.count(2)

    def overtaken(where, name):
        if name != manifest.NAME:
            with monkeypatch.context() as patch:
                patch.setattr(arrays, "opened", opened)
                index_of(next(turns)).save(path)
        return opened(where, name)

    monkeypatch.setattr(arrays, "opened", overtaken)
    monkeypatch.setattr(folder, "TRIES", 3)
    with pytest.raises(ValueError, match="replaced 3 times while it was read"):
        load(path)


# What is not ours is left alone.


def test_other_things_are_not_replaced(tmp_path):
    (tmp_path / "file").write_text("of a user")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.npy").write_text("of a user")
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / manifest.NAME).write_text("{}")
    os.symlink("nowhere", tmp_path / "link")
    for name in ("file", "full", "json"):
        with pytest.raises(FileExistsError, match="choose another path"):
            index_of(1).save(tmp_path / name)
    assert (tmp_path / "file").read_text() == "of a user"
    assert content_names(tmp_path / "full") == {"a.npy"}
    assert (tmp_path / "json" / manifest.NAME).read_text() == "{}"


def test_a_link_to_a_folder_is_followed(path):
    os.symlink(path, path.parent / "link")
    index_of(2).save(path.parent / "link")
    assert saved(path) == 2 and (path.parent / "link").is_symlink()


def test_a_manifest_that_is_a_link_is_not_ours(path):
    (path / manifest.NAME).rename(path.parent / "elsewhere")
    os.symlink(path.parent / "elsewhere", path / manifest.NAME)
    with pytest.raises(ValueError, match="is a symbolic link"):
        load(path)
    with pytest.raises(FileExistsError):
        index_of(2).save(path)


def test_a_damaged_index_may_be_replaced(path):
    data = (path / manifest.NAME).read_bytes()
    (path / manifest.NAME).write_bytes(data[: len(data) // 2])
    files(path)[0].unlink()
    index_of(2).save(path)
    assert saved(path) == 2
    assert_tidy(path)


def test_the_folder_around_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        index_of(1).save(tmp_path / "none" / "kept")
    assert not (tmp_path / "none").exists()


def test_a_lock_that_is_no_file_is_told(path):
    for make in (os.mkdir, lambda lock: os.symlink("nowhere", lock)):
        (path / publish.LOCK).rename(path.parent / f"lock of {make}")
        make(path / publish.LOCK)
        with pytest.raises(
            FileExistsError, match=r"\.lock is no plain file.*remove it"
        ):
            index_of(2).save(path)
        assert saved(path) == 1


def test_an_empty_folder_may_be_filled(tmp_path):
    index_of(1).save(tmp_path)
    assert saved(tmp_path) == 1
