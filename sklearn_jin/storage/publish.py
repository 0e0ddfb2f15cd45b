"""A folder that always holds a whole index: the old one, or the new one.

Files get names that were never used and are on the disk before the manifest that names
them takes the place of the old one, which is the only step that a reader sees.  Then
what the new manifest does not name is removed; a save that was killed leaves that to
the next one.  One process writes at a time, by a lock that ends with its process;
readers take none.
"""

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path

from sklearn_jin.storage import arrays, manifest

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


def publish(path, generation, content, some_arrays):
    """Make the folder ``path`` hold the manifest ``content`` and ``some_arrays``.

    Whatever fails leaves there what was there before.
    """
    check_place(path)
    made = not path.exists()
    with writing(path):
        check_place(path)
        try:
            _commit(path, generation, content, some_arrays)
        except BaseException:
            if not _is_current(path, generation):
                remove(path, lambda name: name.startswith(generation))
                if made:
                    with suppress(OSError):
                        os.unlink(path / LOCK)
                        path.rmdir()
            raise
        remove(path, lambda name: not name.startswith(generation))
        if made:
            sync_folder(path.parent)


def _commit(path, generation, content, some_arrays):
    """Write all, and let the manifest take the place of the old one."""
    stored = [
        arrays.write(array, path, f"{generation}-{i}.npy")
        for i, array in enumerate(some_arrays)
    ]
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
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(path / LOCK, flags, 0o666)
        try:
            _lock(fd)
            if _is_there(fd, path / LOCK):
                yield
                return
        finally:
            os.close(fd)  # which ends the lock


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
