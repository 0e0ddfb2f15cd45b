"""Which file of a folder holds an array: known by which array it is, not what is in it.

Read-only arrays, as those of records are, never change.  So the file that one was read
from, or written to, holds it as long as both are there, and a later save to that folder
need not write it again.  Nothing of this is pickled or saved; it ends with the array.
"""

import weakref
from functools import partial

FOLDERS = 8  # of an array that are remembered, the latest

_files = {}  # by the id of an array: a weak reference to it, and Stored by folder


def remember(array, folder, stored):
    """Note that a file of ``folder`` holds ``array``, if nothing can change this."""
    if array.flags.writeable:
        return
    files = {**_of(array), folder: stored}
    latest = dict(list(files.items())[-FOLDERS:])
    key = id(array)
    # One assignment, for other threads; what one of them loses is written once more.
    _files[key] = weakref.ref(array, partial(_forget, key)), latest


def file_of(array, folder):
    """The :class:`Stored` that is known to hold ``array``, or None."""
    return None if array.flags.writeable else _of(array).get(folder)


def _of(array):
    ref, files = _files.get(id(array), (None, {}))
    return files if ref is not None and ref() is array else {}


def _forget(key, ref):
    if _files.get(key, (None,))[0] is ref:  # which another array may have taken
        del _files[key]
