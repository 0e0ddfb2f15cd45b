"""That kernels are compiled is told to who listens, and to nobody else."""

import logging

import numpy as np
import pytest

import sklearn_jin
from sklearn_jin import FlatNeighbors
from sklearn_jin._jit import kernel
from sklearn_jin._told import Compilations, compilations, event

pytestmark = pytest.mark.jit


@pytest.fixture
def heard():
    """A new listener in the place of none: as if the process had just begun."""
    listener = Compilations()
    event.unregister("numba:compile", compilations)
    event.register("numba:compile", listener)
    yield listener
    event.unregister("numba:compile", listener)
    event.register("numba:compile", compilations)


def new_kernels(module="sklearn_jin.example"):
    """Two kernels, one in the other, which no cache on disk has."""
    names = {"__name__": module, "kernel": kernel}
    exec("def inner(x):\n return x + 1\ninner = kernel(inner)", names)
    exec("def outer(x):\n return inner(x) * 2\nouter = kernel(outer)", names)
    return names["outer"]


def test_the_first_compilation_is_logged_once(heard, caplog):
    with caplog.at_level(logging.INFO, "sklearn_jin"):
        assert new_kernels()(3) == 8
        assert new_kernels()(3.5) == 9
    assert [r.message[:17] for r in caplog.records] == ["compiling kernels"]
    assert heard.count == 4 and heard.seconds > 0


def test_it_is_told_on_stderr_where_that_is_asked_for(heard, capsys):
    new_kernels()(1)
    assert capsys.readouterr() == ("", "")
    with heard.told("Some"):
        new_kernels()(1)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("[Some] compiling kernels")
    assert last.startswith("[Some] compiled 2 kernels in ")
    with heard.told("Some"):
        pass
    assert capsys.readouterr().err == ""


def test_kernels_of_others_are_not_told(heard, caplog):
    with caplog.at_level(logging.DEBUG, "sklearn_jin"):
        new_kernels("another.module")(1)
    assert heard.count == 0 and not caplog.records


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_fit_tells_what_it_compiles(verbose, monkeypatch, capsys):
    class Compiling(FlatNeighbors):
        def _index(self, *args):
            new_kernels()(1)
            return super()._index(*args)

    Compiling(verbose=verbose).fit(np.eye(3))
    assert ("[Compiling] compiled" in capsys.readouterr().err) == bool(verbose)


def test_a_representation_links_to_the_documentation_if_it_has_an_address(monkeypatch):
    from sklearn_jin import _links

    monkeypatch.setattr(_links, "address", lambda: "https://address.local/")
    for name in ("HNSWNeighbors", "ANNImputer", "RaBitQ", "TwoNN"):
        estimator = getattr(sklearn_jin, name)()
        link = f"https://address.local/generated/sklearn_jin.{name}.html"
        assert estimator._get_doc_link() == link
        assert link in estimator._repr_html_()
    monkeypatch.setattr(_links, "address", lambda: "")
    assert "address.local" not in FlatNeighbors()._repr_html_()
    assert FlatNeighbors()._get_doc_link() == ""
