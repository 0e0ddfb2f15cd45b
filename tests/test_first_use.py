"""The first seconds: imports are light, kernels are cached where a folder allows it."""

import os
import shutil
from pathlib import Path

import indexes
import pytest
from child import python
from kernels import PACKAGE

import sklearn_jin


def test_importing_does_not_import_numba():
    code = """
import sys
import sklearn_jin
from sklearn.base import clone
for name in sklearn_jin.__all__:
    part = getattr(sklearn_jin, name)
    if hasattr(part, "fit"):
        clone(part()), repr(part()), part()._repr_html_()
print(sorted(name for name in sys.modules if name.split(".")[0] == "numba"))
"""
    assert python(code) == "[]"


FIT = """
import numpy as np, os, sklearn_jin
from sklearn_jin import FlatNeighbors
import sklearn_jin.construction.hnsw, sklearn_jin.search.beam as beam
assert sklearn_jin.__file__.startswith(os.getcwd())
print(FlatNeighbors(n_neighbors=1).fit(np.eye(5)).kneighbors(np.eye(5)[:3])[1].ravel())
print(getattr(beam.walk, "_cache", None).__class__.__name__)
"""


@pytest.fixture
def nowhere(tmp_path):
    """A copy of the package and an environment in which no folder takes a cache.

    Root may write anywhere; but nobody can make a folder where a file is.
    """
    shutil.copytree(
        PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in [tmp_path, *filter(Path.is_dir, list(tmp_path.rglob("*")))]:
        (folder / "__pycache__").touch()
    file = str(tmp_path / "__pycache__")
    env = {name: file for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")}
    return {"PYTHONPATH": str(tmp_path), "cwd": tmp_path, **env}


@pytest.mark.jit
def test_the_environment_of_the_next_test_takes_no_cache(nowhere):
    code = """
import numba, sklearn_jin._memory as module
try:
    numba.njit(cache=True)(module.padded_width)
except RuntimeError as error:
    print(error)
"""
    assert "cannot cache function" in python(code, NUMBA_CACHE_DIR="", **nowhere)


@pytest.mark.jit
def test_kernels_are_compiled_where_they_cannot_be_cached(nowhere):
    assert python(FIT, NUMBA_CACHE_DIR="", **nowhere) == "[0 1 2]\nNullCache"


@pytest.mark.jit
def test_kernels_are_cached_where_they_can_be(nowhere, tmp_path):
    cache = str(tmp_path / "cache")
    assert python(FIT, **{**nowhere, "NUMBA_CACHE_DIR": cache}).endswith(
        "FunctionCache"
    )
    assert os.listdir(cache)


COMPILED = """
import sys
import numpy as np
import sklearn_jin
from numba.core.dispatcher import Dispatcher

def compiled():
    modules = [m for name, m in sys.modules.items() if name.startswith("sklearn_jin")]
    parts = {id(part): part for m in modules for part in vars(m).values()}
    kernels = [part for part in parts.values() if isinstance(part, Dispatcher)]
    return {f"{k.__module__}.{k.__name__}": len(k.signatures) for k in kernels}

sklearn_jin.warmup(METRIC, CODES)
before = compiled()
assert before["sklearn_jin.search.beam.walk"] > 0
X = np.random.default_rng(0).random((1500, WIDTH))
for index in (sklearn_jin.HNSWNeighbors(), sklearn_jin.FlatNeighbors()):
    index.set_params(metric=METRIC, quantizer=CODES).fit(X).kneighbors()
    index.kneighbors(X)
    index.kneighbors(X[:1])
print([name for name, n in compiled().items() if n > before.get(name, 0)])
"""


def left_to_compile(metric, codes="None", width=9):
    code = COMPILED.replace("METRIC", repr(metric))
    return python(code.replace("CODES", codes).replace("WIDTH", str(width)))


@pytest.mark.jit
@pytest.mark.parametrize("metric", ["minkowski", "inner_product", "chebyshev"])
def test_after_a_warmup_nothing_is_left_to_compile(metric):
    assert left_to_compile(metric) == "[]"


@pytest.mark.jit
@pytest.mark.parametrize(
    "metric, width",  # of codes of 8 bits, and perhaps of 4
    [("minkowski", 70), ("inner_product", 9)],
)
def test_a_warmup_may_include_codes(metric, width):
    assert left_to_compile(metric, "'auto'", width) == "[]"


@pytest.mark.jit
def test_a_warmup_takes_any_quantizer():
    codes = "sklearn_jin.PCAQuantizer()"  # with finer codes of wide rows
    assert left_to_compile("cosine", codes, width=300) == "[]"


@pytest.mark.parametrize("metric", ["minkowski", "cosine", "manhattan"])
def test_a_warmup_returns_nothing(metric):
    assert sklearn_jin.warmup(metric) is None


@pytest.mark.parametrize("quantizer", [None, "auto"])
def test_a_warmup_refuses_an_unknown_metric(quantizer):
    told = r"'metric' parameter of warmup must be a str among \{.*'bogus' instead"
    with pytest.raises(ValueError, match=told):
        sklearn_jin.warmup("bogus", quantizer)
    with pytest.raises(ValueError, match="'quantizer' parameter of warmup must be a"):
        sklearn_jin.warmup(quantizer="bogus")


def test_indexes_are_listed():
    names = [c.__name__ for c in indexes.classes()]
    assert {"FlatNeighbors", "HNSWNeighbors", "HNSWTransformer"} <= {*names}
