"""Constructors made from fields, and docs of transformers from those of indexes."""

import pickle
import re
from inspect import cleandoc, signature

import indexes
import numpy as np
import pytest
from sklearn.base import clone

from sklearn_jin import HNSWNeighbors, HNSWTransformer, IVFPQNeighbors
from sklearn_jin._compat import Integers
from sklearn_jin.neighbors._base import NeighborsTransformer

X = indexes.rows(20)
CLASSES = pytest.mark.parametrize("c", indexes.classes())
MADE = [c for c in indexes.classes() if issubclass(c, NeighborsTransformer)]


def documented(c, section):
    """Names of the entries of a section, and their texts."""
    text = re.split(rf"^{section}\n-+\n", cleandoc(c.__doc__), flags=re.M)[1]
    text = re.split(r"^\w[\w ]*\n---", text, flags=re.M)[0]
    entries = re.findall(r"^(\w+) : .*\n((?:(?:    .*)?\n)*)", text, flags=re.M)
    return dict(entries)


def plain(text):
    return " ".join(text.split())


@CLASSES
def test_parameters_are_documented_in_the_order_of_the_signature(c):
    assert list(documented(c, "Parameters")) == list(signature(c).parameters)


@CLASSES
def test_every_parameter_has_a_constraint(c):
    assert set(c().get_params()) <= set(c._parameter_constraints)


@CLASSES
def test_parameters_are_keywords_and_no_attributes_of_the_class(c):
    with pytest.raises(TypeError, match="positional"):
        c(3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        c(foo=3)
    assert not [name for name in c().get_params() if hasattr(c, name)]


@CLASSES
def test_clones_pickles_and_repr_hold_what_was_set(c):
    index = c(n_neighbors=3, p=1)
    assert repr(index) == f"{c.__name__}(n_neighbors=3, p=1)"
    for other in (clone(index), pickle.loads(pickle.dumps(index))):
        assert other.get_params() == index.get_params()
        assert other != index


@CLASSES
def test_true_is_no_integer(c):
    index = c()
    integers = [
        name
        for name in index.get_params()
        if any(isinstance(r, Integers) for r in index._parameter_constraints[name])
    ]
    assert "n_neighbors" in integers
    for name in integers:
        expected = f"'{name}' parameter of {c.__name__} must be .*an int in.* Got True"
        with pytest.raises(ValueError, match=expected):
            c(**{name: True}).fit(X)


@CLASSES
def test_a_radius_may_be_infinite_or_given_later(c):
    index = c(radius=np.inf).fit(X)
    ids = index.radius_neighbors(X[:2], return_distance=False)
    assert [len(row) for row in ids] == [20, 20]
    index = c(radius=None).fit(X)
    index.radius_neighbors(X[:2], radius=1.0)
    with pytest.raises(ValueError, match="radius=None"):
        index.radius_neighbors(X[:2])


@CLASSES
def test_the_number_of_neighbours_may_be_given_later_but_not_to_a_transformer(c):
    index = c(n_neighbors=None)
    if c in MADE:
        with pytest.raises(ValueError, match="'n_neighbors' parameter"):
            index.fit(X)
        return
    assert index.fit(X).kneighbors(X[:2], 3)[1].shape == (2, 3)
    with pytest.raises(TypeError, match="NoneType"):
        index.kneighbors(X[:2])


@pytest.mark.parametrize("c", [c for c in MADE if c.__name__ != "KNNGraphTransformer"])
@pytest.mark.parametrize("section", ["Parameters", "Attributes"])
def test_a_transformer_documents_what_its_index_does(c, section):
    mine, theirs = documented(c, section), documented(c.__bases__[1], section)
    mine.pop("mode", None)
    assert list(mine) == list(theirs)
    other = {n for n in mine if plain(mine[n]) != plain(theirs[n])}
    assert other == (
        {"n_neighbors", "metric"} if section == "Parameters" else {"n_samples_fit_"}
    )


@CLASSES
def test_every_attribute_of_an_index_is_documented_once(c):
    index = c().fit(X, groups=np.arange(20)).remove(3)
    known = {n for n in dir(index) if n.endswith("_") and n[0] != "_"}
    told = documented(c, "Attributes")
    assert known <= set(told) and set(told) - known <= {"feature_names_in_"}
    for name in told:
        assert c.__doc__.count(f"\n{name} : ") + c.__doc__.count(f" {name} : ") == 1


def test_an_example_of_its_own_is_kept():
    assert "make_pipeline" in HNSWTransformer.__doc__


@CLASSES
def test_documentation_is_numpydoc(c):
    validate = pytest.importorskip("numpydoc.validate").validate
    assert validate(f"sklearn_jin.{c.__name__}")["errors"] == []


def test_a_class_of_users_may_write_its_constructor():
    class Wide(HNSWNeighbors):
        def __init__(self, *, n_neighbors=5):
            super().__init__(n_neighbors=n_neighbors, M=32)

    assert repr(Wide(n_neighbors=3)) == "Wide(n_neighbors=3)"
    assert Wide().fit(X).kneighbors(X[:1])[1].shape == (1, 5)


def test_lists_of_product_codes_take_no_quantizer():
    assert not hasattr(IVFPQNeighbors(), "quantizer")
    assert "quantizer" not in IVFPQNeighbors._parameter_constraints
