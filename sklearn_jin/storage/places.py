"""Pickles of what is mapped: they tell where it is, and what, instead of holding it."""

import errno
from contextlib import contextmanager

from sklearn_jin.storage.folder import Folder, Place
from sklearn_jin.storage.manifest import identities


def state_to_pickle(state):
    """A ``state`` in which the place of the index stands for what is mapped."""
    place, index = state.pop("_mapped", (None, None))
    if place is None or state.get("index_") is not index:  # it was fitted since
        return state
    with _told(place, "save it by its save, or load it with mmap_mode=None"):
        _folder(place).check_holds(place.identity)
    del state["index_"]
    return {**state, "_place": place}


def fetched(place):
    """The object at a :class:`Place`, mapped."""
    with _told(place, "put the folder back, or pickle the index anew"):
        return _folder(place).part(place.identity)


def renew(estimator, path, told, number_of):
    """Let an ``estimator`` that was saved tell the folder ``path``, if its own is gone.

    ``told`` is the manifest, and ``number_of`` gives the number of an object in it.
    """
    place, index = vars(estimator).get("_mapped", (None, None))
    if place is None or (number := number_of(index)) is None or _is_there(place):
        return
    estimator._mapped = Place(str(path), identities(told)[number]), index


def _is_there(place):
    try:
        _folder(place).check_holds(place.identity)
    except (OSError, ValueError):
        return False
    return True


def _folder(place):
    return Folder(place.path, map_them=True)


@contextmanager
def _told(place, way_out):
    """An error of a folder that is gone tells what it is needed for, and what to do."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(
            errno.ENOENT,
            "A mapped index is pickled as the folder that it was mapped from, which "
            f"holds no index any more: {way_out}",
            place.path,
        ) from None
