"""Where kernels are cached, what data tests share, and which of them need a compiler.

The suite runs in three ways: as it is, with one thread (``OMP_NUM_THREADS=1``),
and with kernels as plain Python (``NUMBA_DISABLE_JIT=1``), which shows coverage.
"""

import os

import kernels

os.environ["NUMBA_CACHE_DIR"] = str(kernels.folder())  # before Numba is imported

import hypothesis
import indexes
import numpy as np
import pytest
from sklearn.base import clone

# The same examples in every run, and none kept; compiling has no deadline.
hypothesis.settings.register_profile(
    "suite", derandomize=True, database=None, deadline=None
)
hypothesis.settings.load_profile("suite")

PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


# Estimators, unfitted, that a test of this argument meets one by one.
ESTIMATORS = {
    "index": indexes.settings,
    "shell": indexes.shells,
    "any_metric": indexes.measured,
    "transformer": indexes.transformers,
    "every_transformer": indexes.every_transformer,
    "neighbors": indexes.plain,
}


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="cross all settings")


def pytest_configure(config):
    indexes.FULL = config.getoption("--full")


def pytest_generate_tests(metafunc):
    marks = metafunc.definition.iter_markers("parametrize")
    own = {name for mark in marks for name in str(mark.args[0]).split(", ")}
    own |= vars(metafunc.module).keys()  # a fixture of the file's own
    for argument, make in ESTIMATORS.items():
        if argument in metafunc.fixturenames and argument not in own:
            metafunc.parametrize(
                argument, list(make()), ids=indexes.name, indirect=True
            )


def pytest_collection_modifyitems(items):
    for item in items:
        if PLAIN and item.get_closest_marker("jit"):
            item.add_marker(pytest.mark.skip(reason="kernels are plain Python"))


def estimator(request):
    return clone(request.param)


for argument in ESTIMATORS:
    globals()[argument] = pytest.fixture(estimator, name=argument)


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
