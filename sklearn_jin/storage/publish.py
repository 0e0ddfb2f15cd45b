"""A folder that always holds a whole index: the old one, or the new one.

Files get names that were never used and are on the disk before the manifest that names
them takes the place of the old one, which is the only step that a reader sees.  Of
arrays that files of the old one hold, the new one names these files.  Then what the new
manifest does not name is removed; a save that was killed leaves that to the next one.
One process writes at a time, by a lock that ends with its process; readers take none.
"""

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path

from sklearn_jin._threads import run
from sklearn_jin.storage import arrays, known, manifest

LOCK = ".lock"
PART = ".part"  # of a manifest that is not there yet
OURS = re.compile(rf"{manifest.ARRAY.pattern}|[0-9a-f]{{16}}\{PART}")

try:
    from fcntl import LOCK_EX, flock

    def _lock(fd):
        flock(fd, LOCK_EX)
except ImportError:  # Windows
    import msvcrt
    import time

    def _lock(fd):
        while True:
            with suppress(OSError):
                return msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            time.sleep(0.05)


def publish(path, content, some_arrays):
    """Make the folder ``path`` hold the manifest ``content`` and ``some_arrays``.

    Returns the :class:`Stored` of each.  Whatever fails leaves there what was there
    before.
    """
    generation = content["generation"]
    check_place(path)
    made = not path.exists()
    with writing(path):
        check_place(path)
        try:
            stored = _commit(path, generation, content, some_arrays)
        except BaseException:
            if not _is_current(path, generation):
                remove(path, lambda name: name.startswith(generation))
                if made:
                    with suppress(OSError):
                        os.unlink(path / LOCK)
                        path.rmdir()
            raise
        named = {entry.file for entry in stored}
        remove(path, lambda name: name not in named)
        if made:
            sync_folder(path.parent)
    for array, entry in zip(some_arrays, stored):
        known.remember(array, str(path), entry)
    return stored


def _commit(path, generation, content, some_arrays):
    """Write what is new, and let the manifest take the place of the old one."""
    there = _files_there(path)
    stored = [_file_of(array, path, there) for array in some_arrays]
    new = {i: f"{generation}-{i}.npy" for i, at in enumerate(stored) if at is None}
    _write(path, new, some_arrays, stored)
    content = {**content, "arrays": [entry._asdict() for entry in stored]}
    part = path / f"{generation}{PART}"
    fd = os.open(part, arrays.create_flags(), 0o666)
    try:
        arrays.write_all(fd, manifest.as_bytes(content))
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(path)  # so that the files that it names are there if it is
    os.replace(part, path / manifest.NAME)
    sync_folder(path)
    return stored


def _write(path, names, some_arrays, stored):
    """Write the arrays of some numbers to files of some ``names``; fill ``stored``.

    Checksums are made while another thread waits for the disk, which takes as long: of
    0.5 GB 0.17 s, after 0.24 s of writing.  Made while files are written they would
    take the memory, and a processor, from that.  To ask the system to begin before
    (``posix_fadvise``) took longer, and up to a quarter of the file out of memory.
    """
    for i, name in names.items():
        arrays.write(some_arrays[i], path, name)

    def task(turn, _):
        if turn == 0:
            for name in names.values():
                arrays.sync(path, name)
        else:
            i, name = list(names.items())[turn - 1]
            stored[i] = arrays.stored_as(some_arrays[i], name)

    size = sum(some_arrays[i].nbytes for i in names)
    run(task, 1 + len(names), 1, arrays.threads_for(size))


def _files_there(path):
    """Arrays that the manifest which is there names, as far as sizes tell."""
    try:
        named = manifest.read(path)["arrays"]
    except (OSError, ValueError, LookupError):
        return []
    return [entry for entry in named if arrays.is_whole(path, entry)]


def _file_of(array, path, there):
    """The one of the files ``there`` that holds ``array``, or None."""
    if (entry := known.file_of(array, str(path))) in there:
        return entry
    return next((entry for entry in there if arrays.holds(path, entry, array)), None)


def _is_current(path, generation):
    """Whether the manifest is that of the ``generation``, whatever was interrupted."""
    try:
        return manifest.read(path)["generation"] == generation
    except (OSError, ValueError, LookupError):
        return False


def check_place(path):
    """Raise FileExistsError unless ``path`` may become, or is, a folder of ours."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise FileExistsError(
            f"{path} is a file and no folder that save made: choose another path, or "
            "remove it"
        )
    if is_index(path):
        return
    others = {name for name in os.listdir(path) if name != LOCK}
    if any(not OURS.fullmatch(name) for name in others):
        raise FileExistsError(
            f"{path} is a folder that holds something, but no index that save made: "
            "choose another path, or empty it"
        )


def is_index(path):
    """Whether the folder ``path`` has a manifest of ours, be it damaged."""
    try:
        fd, _ = arrays.opened(path, manifest.NAME)
    except (OSError, ValueError):
        return False
    with open(fd, "rb") as file:
        return manifest.is_ours(file.read(64))


@contextmanager
def writing(path):
    """As the only one who writes to the folder ``path``; others wait."""
    while True:
        path.mkdir(exist_ok=True)
        fd = _opened_lock(path / LOCK)
        try:
            _lock(fd)
            if _is_there(fd, path / LOCK):
                yield
                return
        finally:
            os.close(fd)  # which ends the lock


def _opened_lock(path):
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        if path.is_dir() or path.is_symlink():
            raise FileExistsError(
                f"{path} is no plain file, by which one save waits for another: remove "
                "it, or choose another path"
            ) from error
        raise


def _is_there(fd, path):
    """Whether a file is still the one of its name: who waited may have lost it."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def remove(path, unwanted):
    """Remove what a save wrote to the folder ``path``, where ``unwanted(name)``."""
    for name in os.listdir(path):
        if OURS.fullmatch(name) and unwanted(name):
            with suppress(OSError):  # on Windows a reader may have it open
                os.unlink(path / name)


def sync_folder(path):
    """Wait until the disk has the names of the folder ``path``."""
    if os.name == "nt":
        return
    fd = os.open(Path(path), os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
