"""Parameters come back exactly or are refused by name; names are those of a table."""

import json
from collections import namedtuple
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from stored import everything, rewritten

from sklearn_jin import FlatNeighbors, HNSWNeighbors, RaBitQ, load
from sklearn_jin._memory import frozen
from sklearn_jin.storage import objects
from sklearn_jin.storage.objects import Reader, Writer, record_named


def there_and_back(value):
    writer = Writer()
    told = writer.value(value, "value")
    told, entries = json.loads(json.dumps([told, writer.objects], allow_nan=False))
    reader = Reader(lambda number, kept: writer.arrays[number])
    for entry in entries:
        reader.read(entry)
    return reader.value(told)


class Text(str):
    """A text, and yet none."""


class MyNeighbors(FlatNeighbors):
    """An index of a user."""


Pair = namedtuple("Pair", "one two")

KEPT = [
    *(None, True, False, 0, -1, 10**30, 0.1, -0.0, 5e-324, 1.7e308, "", "ä\n\ud800"),
    *(np.inf, -np.inf, np.nan),
    *(np.float64(0.1), np.float32(np.nan), np.float16(-0.0), np.int8(-3), np.bool_(1)),
    *(np.uint64(2**64 - 1), np.str_("cosine")),
    *([], [1, [2.5, None]], (), (1, "a", [np.inf]), {}, {"a": {"b": (1,)}}),
    *(np.zeros((0, 3), np.int32), np.arange(6.0).reshape(2, 3), np.array(2.5)),
    *(np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array([True, False])),
    *(np.array(["a", "b"], object), np.empty((0, 2), object)),
    *(np.array([["a"], ["bcd"]]), np.empty((0, 2), "U5"), np.array("ä")),
    *(np.random.RandomState(3), RaBitQ(4), HNSWNeighbors(radius=np.inf)),
]


@pytest.mark.parametrize("value", KEPT, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_exactly(value):
    assert everything(there_and_back(value)) == everything(value)


def test_a_generator_goes_on_where_it_was():
    drawn = np.random.RandomState(5)
    drawn.standard_normal(3)  # of which it holds one back
    back = there_and_back(drawn)
    assert back.standard_normal(5).tolist() == drawn.standard_normal(5).tolist()


REFUSED = [
    *(len, lambda: 0, object(), 1j, Fraction(1, 3), Path("x"), b"x", {1: 2}, {1, 2}),
    *(np.float64, np.dtype("f4"), np.longdouble(1), np.complex64(1)),
    *(np.ma.array(["a"]), np.array([1j]), np.array([object()]), np.array([1], object)),
    *(np.ma.array([1]), np.datetime64("2026-01-01")),
    *(np.zeros(2, [("a", "i4")]), Text("x"), Pair(1, 2), PCA(), MyNeighbors()),
    *(np.random.default_rng(0), np.random.RandomState(np.random.PCG64(0))),
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_what_can_not_come_back_is_refused_by_name(value):
    with pytest.raises(TypeError, match=r"(?s)^value.*not kept on disk") as refused:
        there_and_back(value)
    assert type(value).__qualname__ in str(refused.value)
    with pytest.raises(TypeError, match=r"^value\[1\]\['a'\]="):
        there_and_back([0, {"a": value}])


def test_what_is_within_itself_is_refused():
    endless, around = [], {"a": []}
    endless.append(endless)
    around["a"].append(around)
    index = HNSWNeighbors()
    index.set_params(radius=[index])
    for value, name in (
        (endless, r"value\[0\]"),
        (around, r"value\['a'\]\[0\]"),
        (index, r"value\.radius\[0\]"),
    ):
        with pytest.raises(TypeError, match=rf"^{name} is in itself"):
            there_and_back(value)


def test_what_is_nested_too_deep_is_refused():
    for depth in (objects.DEEPEST, objects.DEEPEST + 1, 2000):
        value = 1
        for _ in range(depth):
            value = [value]
        if depth == objects.DEEPEST:
            assert there_and_back(value) == value
            continue
        with pytest.raises(
            TypeError, match=r"^value\[0\]\[0\].* in more than 32 lists"
        ):
            there_and_back(value)


class Shy:
    """What does not tell what it is."""

    def __repr__(self):
        raise RuntimeError


def test_what_does_not_tell_what_it_is_is_refused():
    with pytest.raises(TypeError, match=r"^value=<.*Shy object.*not kept on disk"):
        there_and_back(Shy())


def test_what_stands_in_two_places_is_no_circle():
    pair, index = [1], HNSWNeighbors()
    value = [pair, pair, index, {"a": index}]
    assert everything(there_and_back(value)) == everything(value)


def test_a_parameter_is_refused_before_anything_is_written(tmp_path, X):
    index = FlatNeighbors().fit(X)
    index.save(tmp_path / "kept")
    before = sorted((tmp_path / "kept").iterdir())
    index.set_params(radius=Fraction(1, 3))
    for path in (tmp_path / "kept", tmp_path / "new"):
        with pytest.raises(TypeError, match=r"FlatNeighbors\.radius=Fraction\(1, 3\)"):
            index.save(path)
    assert sorted((tmp_path / "kept").iterdir()) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["größe", "of mine", "__mine", "mine\n"])
def test_an_attribute_that_no_reader_takes_is_refused(name, tmp_path, X):
    index = FlatNeighbors().fit(X)
    setattr(index, name, 1)
    with pytest.raises(TypeError, match=r"^FlatNeighbors has an attribute "):
        index.save(tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_an_index_of_a_user_is_refused(tmp_path, X):
    with pytest.raises(TypeError, match=r"^MyNeighbors.*test_objects\.MyNeighbors"):
        MyNeighbors().fit(X).save(tmp_path / "kept")


@pytest.mark.parametrize(
    "value", [np.float32(1.5), np.inf, np.random.RandomState(0), None], ids=[*"abcd"]
)
def test_parameters_of_an_index_come_back(value, tmp_path, X):
    index = FlatNeighbors().fit(X).set_params(radius=value, random_state=value)
    index.save(tmp_path / "kept")
    loaded = load(tmp_path / "kept")
    assert everything(loaded.get_params()) == everything(index.get_params())


# Names.


@pytest.mark.parametrize(
    "name",
    [
        *("os.path.join", "points.rows.np", "points.rows.RowsL3", "points.rows.LINE"),
        *("points.rows.Work", "neighbors._flat.FlatNeighbors", "points...os.system"),
        *("points.rows.__class__", "", "points.rows", "search.index.singledispatch"),
    ],
)
def test_no_other_name_is_looked_up(name):
    with pytest.raises(ValueError):
        record_named(name)


def test_a_record_that_moved_is_found(monkeypatch):
    monkeypatch.setitem(objects.MOVED, "points.old.Rows", "points.rows.RowsL2")
    assert record_named("points.old.Rows").__name__ == "RowsL2"


def change_object(kind, /, **change):
    def rewrite(manifest):
        entry = next(o for o in manifest["objects"] if o["kind"] == kind)
        entry.update(change)

    return rewrite


def change_params(**change):
    def rewrite(manifest):
        manifest["objects"][-1]["params"].update(change)

    return rewrite


def change_fitted(**change):
    def rewrite(manifest):
        manifest["objects"][-1]["fitted"].update(change)

    return rewrite


def private_attribute(manifest):
    metric = next(o for o in manifest["objects"] if o["kind"] == "metric")
    metric["fitted"]["__dict__"] = 1


FORGED = {
    "class": change_object("estimator", **{"class": "PCA"}),
    "private": change_object("estimator", **{"class": "object"}),
    "metric": change_object("metric", **{"class": "eval"}),
    "record": change_object("record", **{"class": "points.rows.Work"}),
    "kind": change_object("record", kind="value"),
    "number": change_object("record", fields={"X": 5}),
    "field": change_object("record", fields={"Y": {"array": 0}}),
    "itself": change_object("record", fields={"X": {"object": 1}}),
    "before": change_object("record", fields={"X": {"object": -1}}),
    "array": change_object("record", fields={"X": {"array": 99}}),
    "last array": change_object("record", fields={"X": {"array": -1}}),
    "form": change_params(p={"__class__": 1}),
    "private form": change_params(p={"_init__": 1}),
    "dtype": change_params(p={"number": ["O", "0000000000000000"]}),
    "digits": change_params(p={"number": ["<f8", "00"]}),
    "two forms": change_params(p={"text": "a", "float": "inf"}),
    "unknown": change_params(wings=2),
    "attribute": private_attribute,
    "metric of none": change_object("metric", fitted={}),
    "metric of texts": change_object("metric", fitted={"d_": "8", "shift_": None}),
    "field of another type": change_object("record", fields={"X": [1.0]}),
    "index of none": change_fitted(index_=None),
    "index": change_fitted(index_={"dict": {}}),
    "samples": change_fitted(n_samples_fit_=99),
    "features": change_fitted(n_features_in_=7),
    "another metric": change_fitted(effective_metric_="cosine"),
    "nothing learned": change_object("estimator", fitted={}),
    "a record at last": lambda manifest: manifest["objects"].pop(),
    "nothing": lambda manifest: manifest["objects"].clear(),
    "beyond": change_params(p={"tuple": [{"object": 99}]}),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_forged_manifest_is_refused(change, tmp_path, X):
    FlatNeighbors().fit(X).save(tmp_path / "kept")
    rewritten(tmp_path / "kept", change)
    with pytest.raises(ValueError, match=r"kept can not be loaded"):
        load(tmp_path / "kept")


@pytest.mark.parametrize("value", [{"tuple": [1, 2]}, {"object": 1}], ids=str)
def test_what_is_no_index_is_named(value, tmp_path, X):
    FlatNeighbors().fit(X).save(tmp_path / "kept")
    rewritten(tmp_path / "kept", change_fitted(index_=value))
    with pytest.raises(ValueError, match=r"index_ is no Index but (tuple|RowsL2)"):
        load(tmp_path / "kept")


def test_a_generator_beyond_its_state_is_refused(tmp_path, X):
    index = FlatNeighbors(random_state=np.random.RandomState(0)).fit(X)
    index.save(tmp_path / "kept")

    def beyond(manifest):
        drawn = next(o for o in manifest["objects"] if o["kind"] == "random_state")
        drawn["state"]["dict"]["state"]["dict"]["pos"] = 10**6

    rewritten(tmp_path / "kept", beyond)
    with pytest.raises(ValueError, match="MT19937 has no number 1000000"):
        load(tmp_path / "kept")


def test_a_parameter_that_an_older_version_lacked_takes_its_default(tmp_path, X):
    FlatNeighbors(n_neighbors=3).fit(X).save(tmp_path / "kept")
    rewritten(
        tmp_path / "kept", lambda m: m["objects"][-1]["params"].pop("n_neighbors")
    )
    assert load(tmp_path / "kept").n_neighbors == 5


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "record", "class": "search.index.Search", "fields": {"k": "5"}},
        {"kind": "record", "class": "points.rows.RowsL2", "fields": {"X": [1.0]}},
        {"kind": "metric", "class": "Euclidean", "fitted": {"d_": 3}},
        {"kind": "metric", "class": "Cosine", "fitted": {"d_": 3, "any_zero_": 0}},
    ],
    ids=lambda entry: entry["class"],
)
def test_every_object_is_of_its_types_by_itself(entry):
    with pytest.raises(ValueError, match=r"of another type.*: \["):
        Reader(None).read(entry)


def test_of_an_array_in_two_places_the_one_that_may_change_is_kept():
    array = np.arange(5)
    for value in ([frozen(array), array], [array, frozen(array)]):
        writer = Writer()
        assert writer.value(value, "value") == [{"array": 0}] * 2
        assert writer.arrays[0] is array


@pytest.mark.parametrize("number", [-1, True, 0.0, "0", None])
@pytest.mark.parametrize("form", ["object", "array"])
def test_a_number_counts_from_the_first(form, number):
    reader = Reader(lambda number, kept: number)
    reader.objects.append(1)
    with pytest.raises(ValueError, match="is no number of an object or array"):
        reader.value({form: number})
