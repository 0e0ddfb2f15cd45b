"""A folder that is read: its manifest, the files that this names, and what they make.

Readers take no lock.  Who is overtaken by a save, which removes files, reads again.
"""

import errno
import os
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sklearn.utils.validation import check_is_fitted

from sklearn_jin._memory import frozen
from sklearn_jin.storage import arrays, known, manifest
from sklearn_jin.storage.objects import INDEX, Reader, live_of

TRIES = 100  # saves that may overtake a reader
GONE = (errno.ENOENT, errno.ESTALE)


def folder_at(path):
    """The place of a folder that a user names, absolute and without links."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str):
        raise TypeError(
            f"path={path!r} must be a text or a path-like object of one: os.fsdecode "
            "makes a text of bytes"
        )
    if not text:
        raise ValueError("path='' must name a folder: '.' is the current one")
    return Path(os.path.realpath(text))


class Place(NamedTuple):
    """Where a part of a mapped estimator is."""

    path: str  # of the folder, absolute
    identity: str  # of the part: see :func:`sklearn_jin.storage.manifest.identities`


class Folder:
    """A folder that is read: its manifest, and the files that this names."""

    def __init__(self, path, map_them, verify=False):
        self.path = folder_at(path)
        self._map, self._verify = map_them, verify
        self.manifest = None

    def estimator(self):
        """What was saved, whole."""
        with self._readable(), ExitStack() as files:
            found = self._open(files)
            objects = self._objects(found, self.manifest["objects"])
            self._check_segments(objects)
            made = objects[-1]
            check_is_fitted(made)  # which it was when it was saved
            return made

    def part(self, identity):
        """The object of an identity: see :class:`Place`."""
        with self._readable(), ExitStack() as files:
            found = self._open(files)
            last = self._number(identity) + 1
            return self._objects(found, self.manifest["objects"][:last])[-1]

    def check_holds(self, identity):
        """Raise an error unless the folder has an object of an identity."""
        with self._readable():
            self.manifest = manifest.read(self.path)
            self._number(identity)

    def _number(self, identity):
        there = manifest.identities(self.manifest)
        if identity not in there:
            raise ValueError(
                "another index was saved there since this one was mapped: load it "
                "again, or save each index that is passed around to its own folder"
            )
        return there.index(identity)

    def _objects(self, files, entries):
        reader = Reader(self._arrays(files))
        for entry in entries:
            made = reader.read(entry)
            if entry["kind"] == "estimator":
                made.restored(partial(self._place, reader.objects))
        return reader.objects

    def _arrays(self, files):
        """What gives an array by its number: see :class:`Reader`."""
        in_memory, in_files = {}, {}

        def array(number, kept):
            stored = self.manifest["arrays"][number]
            size = arrays.n_bytes(stored.dtype, stored.shape)
            is_mapped = kept and self._map and size > arrays.SMALL
            seen = in_files if is_mapped else in_memory
            if number not in seen:
                get = arrays.mapped if is_mapped else arrays.read
                seen[number] = get(stored, files[number], self._verify)
            made = frozen(seen[number]) if kept else seen[number]
            known.remember(made, str(self.path), stored)
            return made

        return array

    def _place(self, objects, part):
        """The :class:`Place` of an object, or None where it is in memory."""
        if not self._map:
            return None
        number = next(i for i, made in enumerate(objects) if made is part)
        return Place(str(self.path), manifest.identities(self.manifest)[number])

    def _check_segments(self, objects):
        """Every index is a segment, and so are the rows that came later."""
        entries = self.manifest["objects"]
        there = [n for n, entry in enumerate(entries) if entry["class"] == INDEX]
        told = [(part["index"], part["live"]) for part in self.manifest["segments"]]
        if told != [(n, live_of(objects[n])) for n in there]:
            raise ValueError(
                "it holds segments or removed rows that this sklearn_jin does not "
                "know: install a later one"
            )

    def _open(self, files):
        """Descriptors of all arrays, of one state of the folder; fills ``manifest``.

        A save that ends meanwhile removes files that were to be opened: then there is
        another manifest, and it is read.
        """
        for _ in range(TRIES):
            before, self.manifest = self.manifest, manifest.read(self.path)
            try:
                with ExitStack() as some:
                    found = [self._file(s, some) for s in self.manifest["arrays"]]
                    files.push(some.pop_all())
                    return found
            except OSError as error:
                if error.errno not in GONE:
                    raise
                if before and before["identity"] == self.manifest["identity"]:
                    raise ValueError(
                        f"{Path(error.filename).name} is missing"
                    ) from None
        raise ValueError(f"it was replaced {TRIES} times while it was read")

    def _file(self, stored, files):
        fd, size = arrays.opened(self.path, stored.file)
        files.callback(os.close, fd)
        arrays.check_size(stored, size)
        return fd

    @contextmanager
    def _readable(self):
        """Errors of what is read become errors that name the folder."""
        try:
            yield
        except FileNotFoundError:
            raise FileNotFoundError(
                errno.ENOENT, "There is no index that save made", str(self.path)
            ) from None
        except NotADirectoryError:
            raise NotADirectoryError(
                errno.ENOTDIR,
                "This is a file, and save makes folders; joblib.load reads what "
                "joblib.dump wrote",
                str(self.path),
            ) from None
        except (OSError, MemoryError):
            raise
        except ValueError as error:
            raise ValueError(f"{self.path} can not be loaded: {error}") from error
        except Exception as error:  # of a manifest that is whole, but none of ours
            raise ValueError(
                f"{self.path} can not be loaded, it is damaged: {error!r}"
            ) from error
