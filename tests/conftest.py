"""Where kernels are cached, what data tests share, and which of them need a compiler.

The suite runs in three ways: as it is, with one thread (``OMP_NUM_THREADS=1``),
and with kernels as plain Python (``NUMBA_DISABLE_JIT=1``), which shows coverage.
"""

import getpass
import hashlib
import os
import tempfile
from pathlib import Path

# Numba compiles a cached kernel anew when its own file changes, not when a file
# that it calls into does: so every state of the sources has a folder of its own.
PACKAGE = Path(__file__).parents[1] / "sklearn_jin"
SOURCES = b"".join(path.read_bytes() for path in sorted(PACKAGE.rglob("*.py")))
CACHES = Path(tempfile.gettempdir(), f"sklearn_jin-tests-{getpass.getuser()}")
os.environ["NUMBA_CACHE_DIR"] = str(CACHES / hashlib.sha256(SOURCES).hexdigest()[:16])

import hypothesis  # noqa: E402
import indexes  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from sklearn.base import clone  # noqa: E402

# The same examples in every run, and none kept; compiling has no deadline.
hypothesis.settings.register_profile(
    "suite", derandomize=True, database=None, deadline=None
)
hypothesis.settings.load_profile("suite")

PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def pytest_ignore_collect(collection_path):
    """Look into ``tests/build``: pytest passes over folders of that name."""
    return False if collection_path == Path(__file__).parent / "build" else None


def pytest_collection_modifyitems(items):
    for item in items:
        if PLAIN and item.get_closest_marker("jit"):
            item.add_marker(pytest.mark.skip(reason="kernels are plain Python"))


@pytest.fixture(params=list(indexes.settings()), ids=indexes.name)
def index(request):
    """Every public index, unfitted, as it is and made to index the fewest rows."""
    return clone(request.param)


@pytest.fixture(params=list(indexes.measured()), ids=indexes.name)
def any_metric(request):
    """Every public index but the transformers, unfitted, under each of its metrics."""
    return clone(request.param)


@pytest.fixture(params=list(indexes.transformers()), ids=indexes.name)
def transformer(request):
    """Every public transformer, unfitted."""
    return clone(request.param)


@pytest.fixture(params=list(indexes.plain()), ids=indexes.name)
def neighbors(request):
    """Every public index that is no transformer, unfitted, with its defaults."""
    return clone(request.param)


@pytest.fixture
def X():
    """Rows: (60, 8)."""
    return indexes.rows()


@pytest.fixture
def Q():
    """Queries: (15, 8)."""
    return indexes.rows(15, seed=1)


@pytest.fixture
def many():
    """As many rows as make an index worth while: (3000, 10), float32."""
    return np.random.default_rng(0).random((3000, 10), dtype=np.float32)
