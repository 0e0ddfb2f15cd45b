"""``est.save(path)``, ``load(path)``, and estimators that stay where they are kept."""

import errno
import inspect
import os
import platform
import secrets
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy
import sklearn
from sklearn.utils.validation import check_is_fitted

from sklearn_jin._memory import frozen
from sklearn_jin._version import __version__
from sklearn_jin.storage import arrays, manifest
from sklearn_jin.storage.objects import ESTIMATORS, INDEX, Reader, Writer
from sklearn_jin.storage.publish import publish

TRIES = 100  # saves that may overtake a reader
GONE = (errno.ENOENT, errno.ESTALE)


class Kept:
    """What an estimator needs to be kept on disk."""

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if cls.__module__.partition(".")[0] == "sklearn_jin":
            ESTIMATORS[cls.__name__] = cls

    def save(self, path):
        """Keep the fitted estimator in a folder, for :func:`sklearn_jin.load`.

        The folder holds plain ``.npy`` files and one ``manifest.json``.  An index that
        is there is replaced at once, when the new one is whole and on the disk:
        whoever loads meanwhile, or after a crash, gets the old one or the new one.  Who
        has mapped the old one keeps it.  A second ``save`` waits for the first.

        Parameters
        ----------
        path : str or path-like
            The folder.  It is made if it is not there; the one that it is to be in must
            be.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError
            If a parameter is neither a number, a text, None, a list, tuple or dict of
            such, a ``RandomState`` nor a quantizer or index of sklearn_jin, or an
            attribute that was set by hand has a name that is not ASCII.
        FileExistsError
            If something else is there.
        OSError
            If the disk is full or the folder is read-only.  What was there is left as
            it was.
        """
        check_is_fitted(self)
        twin = object.__new__(type(self))
        twin.__dict__ = vars(self).copy()  # another thread may fit meanwhile
        writer = Writer()
        writer.value(twin, type(self).__name__)
        content = {
            "generation": secrets.token_hex(8),
            "class": type(self).__name__,
            "made_by": versions(),
            "segments": [
                {"index": number, "rows": len(index.points[0]), "live": live_of(index)}
                for number, index in writer.indexes
            ],
            "objects": writer.objects,
        }
        path = Path(os.path.realpath(os.fspath(path)))
        publish(path, content["generation"], content, writer.arrays)

    @classmethod
    def default_params(cls):
        """The parameters and their defaults."""
        signature = inspect.signature(cls.__init__).parameters
        return {name: signature[name].default for name in cls._get_param_names()}

    def state_to_keep(self):
        """Attributes by their names, as a file is to have them."""
        return vars(self)

    def restored(self, place):
        """Check what was read; ``place(part)`` is where an object of it is mapped."""


class Place(NamedTuple):
    """Where a part of a mapped estimator is."""

    path: str  # of the folder, absolute
    identity: str  # of the manifest
    number: int  # of the object


def live_of(index):
    """Number of the rows of an index that were not removed; None where none was."""
    return None if index.changes is None else index.changes.n_live


def versions():
    """What a manifest says that it was made by."""
    return {
        "sklearn_jin": __version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }


def load(path, mmap_mode=None, verify=False):
    """Load an estimator that was kept by its ``save``.

    Structure, the ids within, and checksums of files up to a megabyte are checked.
    Nothing that a file holds is executed.

    Parameters
    ----------
    path : str or path-like
        The folder.
    mmap_mode : {"r"} or None, default=None
        None reads all into memory.  "r" maps the arrays of the index: nothing is
        read before it is asked for, and all processes that map the folder share one
        copy.  A pickle of such an estimator, as joblib makes for its workers, tells the
        folder instead of the arrays.
    verify : bool, default=False
        Whether to compare the checksums of large files too, which reads every
        byte: about 0.3 s a GB, and what the disk takes.

    Returns
    -------
    estimator : object
        As it was when it was saved, parameters included.

    Raises
    ------
    FileNotFoundError
        If there is no index at ``path``.
    ValueError
        If the folder is damaged, if a later version wrote it, or if ``mmap_mode`` is
        neither None nor "r".

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import sklearn_jin
    >>> X = np.random.default_rng(0).random((100, 8))
    >>> index = sklearn_jin.HNSWNeighbors(n_neighbors=3).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     index.save(f"{folder}/index")
    ...     loaded = sklearn_jin.load(f"{folder}/index")
    >>> bool((loaded.kneighbors(X)[1] == index.kneighbors(X)[1]).all())
    True
    """
    if mmap_mode not in (None, "r"):
        raise ValueError(
            f"mmap_mode={mmap_mode!r} must be None or 'r': files are never changed, "
            "for others may have mapped them; load with None, change, and save again"
        )
    return Folder(path, mmap_mode == "r", verify).objects()[-1]


class Folder:
    """A folder that is read: its manifest, and the files that this names."""

    def __init__(self, path, map_them, verify=False):
        self.path = Path(os.path.realpath(os.fspath(path)))
        self._map, self._verify = map_them, verify
        self.manifest = None

    def objects(self, identity=None, last=None):
        """All objects, or the first ``last``, of any manifest or that ``identity``."""
        with self._readable(), ExitStack() as files:
            found = self._open(files)
            self._compare(identity)
            return self._objects(found, last)

    def check_identity(self, identity):
        """Raise an error unless the folder has the manifest ``identity``."""
        with self._readable():
            self.manifest = manifest.read(self.path)
            self._compare(identity)

    def _compare(self, identity):
        if identity not in (None, self.manifest["identity"]):
            raise ValueError(
                "another index was saved there since this one was mapped: load it "
                "again, or save each index that is passed around to its own folder"
            )

    def _objects(self, files, last):
        reader, entries = Reader(self._arrays(files)), self.manifest["objects"]
        for entry in entries[:last]:
            made = reader.read(entry)
            if isinstance(made, Kept):
                made.restored(partial(self._place, reader.objects))
        if last is None:
            self._check_segments(entries, reader.objects)
        return reader.objects

    def _arrays(self, files):
        """What gives an array by its number: see :class:`Reader`."""
        in_memory, in_files = {}, {}

        def array(number, kept):
            stored = self.manifest["arrays"][number]
            size = arrays.n_bytes(stored.dtype, stored.shape)
            is_mapped = kept and self._map and size > arrays.SMALL
            known = in_files if is_mapped else in_memory
            if number not in known:
                get = arrays.mapped if is_mapped else arrays.read
                known[number] = get(stored, files[number], self._verify)
            return frozen(known[number]) if kept else known[number]

        return array

    def _place(self, objects, part):
        """The :class:`Place` of an object, or None where it is in memory."""
        if not self._map:
            return None
        number = next(i for i, made in enumerate(objects) if made is part)
        return Place(str(self.path), self.manifest["identity"], number)

    def _check_segments(self, entries, objects):
        """Every index is a segment, and so are the rows that came later."""
        known = [
            (n, live_of(objects[n]))
            for n, entry in enumerate(entries)
            if entry["class"] == INDEX
        ]
        told = [(part["index"], part["live"]) for part in self.manifest["segments"]]
        if known != told:
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
            known, self.manifest = self.manifest, manifest.read(self.path)
            try:
                with ExitStack() as some:
                    found = [self._file(s, some) for s in self.manifest["arrays"]]
                    files.push(some.pop_all())
                    return found
            except OSError as error:
                if error.errno not in GONE:
                    raise
                if known and known["identity"] == self.manifest["identity"]:
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


# Pickles of what is mapped.


def state_to_pickle(state):
    """A ``state`` in which the place of the index stands for what is mapped."""
    known, index = state.pop("_mapped", (None, None))
    if known is None or state.get("index_") is not index:  # it was fitted since
        return state
    Folder(known.path, map_them=True).check_identity(known.identity)
    del state["index_"]
    return {**state, "_place": known}


def fetched(place):
    """The object at a :class:`Place`, mapped."""
    folder = Folder(place.path, map_them=True)
    return folder.objects(place.identity, place.number + 1)[place.number]
