"""What users are told of their own accord: that kernels are compiled."""

import logging
import sys
from contextlib import contextmanager
from time import perf_counter

from numba.core import event

LOG = logging.getLogger("sklearn_jin")
PACKAGE = "sklearn_jin"
FIRST = (
    "compiling kernels, which takes some seconds and is done once: they are kept on "
    "disk where a folder is writable (see sklearn_jin.warmup)"
)


class Compilations(event.Listener):
    """Counts the kernels of this package that are compiled, not loaded from disk.

    The first of a process is logged at the level INFO, each at DEBUG.  Who listens on
    stderr is told when the first one begins and, at the end, how long all took.

    Numba compiles in one thread at a time, which holds its lock; a kernel that is
    compiled within another counts, and its seconds are those of the outer one.
    """

    def __init__(self):
        self.count, self.seconds = 0, 0.0
        self._depth, self._start = 0, 0.0
        self._names = []  # of the estimators that tell on stderr

    def on_start(self, event):
        """Note when a kernel begins to be compiled, and tell of the first."""
        if not _is_own(event):
            return
        if self.count == 0:
            LOG.info(FIRST)
        if self._names:
            name, told = self._names[-1]
            if not told:
                print(f"[{name}] {FIRST}", file=sys.stderr)
                self._names[-1] = name, True
        if self._depth == 0:
            self._start = perf_counter()
        self._depth += 1
        self.count += 1

    def on_end(self, event):
        """Add what the outermost kernel took."""
        if not _is_own(event):
            return
        LOG.debug("compiled %s", event.data["dispatcher"].py_func.__qualname__)
        self._depth -= 1
        if self._depth == 0:
            self.seconds += perf_counter() - self._start

    @contextmanager
    def told(self, name):
        """Tell on stderr, in the name of an estimator, of what is compiled within."""
        count, seconds = self.count, self.seconds
        self._names.append((name, False))
        try:
            yield
        finally:
            self._names.pop()
            if (n := self.count - count) > 0:
                took = self.seconds - seconds
                print(f"[{name}] compiled {n} kernels in {took:.1f} s", file=sys.stderr)


def _is_own(event):
    function = getattr(event.data.get("dispatcher"), "py_func", None)
    return getattr(function, "__module__", "").partition(".")[0] == PACKAGE


compilations = Compilations()
event.register("numba:compile", compilations)
