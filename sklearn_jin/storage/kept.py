"""``est.save(path)``, ``load(path)``, and estimators that stay where they are kept."""

import inspect
import platform
import secrets

import numpy as np
import scipy
import sklearn
from sklearn.utils.validation import check_is_fitted

from sklearn_jin._arrays import wrong_attributes
from sklearn_jin._links import Linked
from sklearn_jin._version import __version__
from sklearn_jin.storage.folder import Folder, folder_at
from sklearn_jin.storage.objects import ESTIMATORS, Writer, live_of
from sklearn_jin.storage.places import renew
from sklearn_jin.storage.publish import publish


class Kept(Linked):
    """What an estimator needs to be kept on disk.

    ``_learned`` of a class has the types of the attributes that its ``fit`` adds to
    those of its bases, as records are annotated: who loads checks them.
    """

    _learned = {"n_features_in_": int}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        cls._learned = {
            name: wanted
            for base in reversed(cls.__mro__)
            for name, wanted in vars(base).get("_learned", {}).items()
        }
        if cls.__module__.partition(".")[0] == "sklearn_jin":
            ESTIMATORS[cls.__name__] = cls

    def save(self, path):
        """Keep the fitted estimator in a folder, for :func:`sklearn_jin.load`.

        The folder holds plain ``.npy`` files and one ``manifest.json``.  An index that
        is there is replaced at once, when the new one is whole and on the disk:
        whoever loads meanwhile, or after a crash, gets the old one or the new one.  Who
        has mapped the old one keeps it.  A second ``save`` waits for the first.

        Arrays that the folder holds already are not written again: after
        ``set_params`` a save takes milliseconds, whatever the size of the index.
        Those that were saved there or loaded from there are known; others are
        compared with the files as far as they are alike.  A folder that turned
        out to be damaged is to be removed first.

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
            such, a ``RandomState`` nor a quantizer or index of sklearn_jin, or holds
            itself, or an attribute that was set by hand has a name that is not ASCII;
            or if ``path`` is neither a text nor path-like.
        ValueError
            If ``path`` is empty.
        FileExistsError
            If something else is there.
        OSError
            If the disk is full or the folder is read-only.  What was there is left as
            it was.
        """
        check_is_fitted(self)
        path = folder_at(path)
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
        content["arrays"] = publish(path, content, writer.arrays)
        for part in (self, *writer.held):
            if isinstance(part, Kept):
                renew(part, path, content, writer.number_of)

    @classmethod
    def default_params(cls):
        """The parameters and their defaults."""
        signature = inspect.signature(cls.__init__).parameters
        return {name: signature[name].default for name in cls._get_param_names()}

    def state_to_keep(self):
        """Attributes by their names, as a file is to have them."""
        return vars(self)

    def restored(self, place):
        """Check what was read; ``place(part)`` is where an object of it is mapped.

        Parameters of other estimators may be unfitted, and have nothing learned.
        """
        if vars(self).keys().isdisjoint(self._learned):
            return
        if wrong := wrong_attributes(self, self._learned):
            raise ValueError(f"attributes are missing or of another type: {wrong}")
        for name in self._learned:
            if isinstance(part := getattr(self, name), Kept):
                check_is_fitted(part)


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
        byte: about 0.5 s a GB instead of 0.2, and what the disk takes.

    Returns
    -------
    estimator : object
        As it was when it was saved, parameters included.

    Raises
    ------
    FileNotFoundError
        If there is no index at ``path``.
    TypeError
        If ``path`` is neither a text nor path-like.
    ValueError
        If the folder is damaged, if a later version wrote it, if ``path`` is empty, or
        if ``mmap_mode`` is neither None nor "r".

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
    if mmap_mode is not None and not (isinstance(mmap_mode, str) and mmap_mode == "r"):
        raise ValueError(
            f"mmap_mode={mmap_mode!r} must be None or 'r': files are never changed, "
            "for others may have mapped them; load with None, change, and save again"
        )
    return Folder(path, mmap_mode is not None, verify).estimator()
