"""A loaded estimator is the one that was saved, mapped or not, wherever it is sent."""

import copy
import pickle
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from multiprocessing import get_context

import indexes
import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import assert_same
from numba import typeof
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from stored import everything, files, rewritten

import sklearn_jin
from sklearn_jin import (
    FlatNeighbors,
    FlatTransformer,
    HNSWNeighbors,
    IVFNeighbors,
    IVFPQNeighbors,
    LocalIntrinsicDimensionality,
    RaBitQ,
    TwoNN,
    load,
)
from sklearn_jin.quantizers._base import Quantizer
from sklearn_jin.storage import arrays, manifest

MODES = [None, "r"]


@pytest.fixture
def mapping(monkeypatch):
    """Let small arrays be mapped as large ones are."""
    monkeypatch.setattr(arrays, "SMALL", 0)


def quantizers():
    exported = (getattr(sklearn_jin, name) for name in sklearn_jin.__all__)
    kinds = [c for c in exported if isinstance(c, type) and issubclass(c, Quantizer)]
    return [c() for c in kinds]


def kept(index, path, mmap_mode=None, verify=True):
    index.save(path / "kept")
    return load(path / "kept", mmap_mode=mmap_mode, verify=verify)


# Round trips.


@pytest.mark.parametrize("mmap_mode", MODES)
def test_an_index_comes_back_bit_by_bit(any_metric, tmp_path, mapping, mmap_mode):
    X = indexes.rows(metric=any_metric.metric)
    expected = any_metric.fit(X).kneighbors(X)
    loaded = kept(any_metric, tmp_path, mmap_mode)
    assert everything(loaded) == everything(any_metric)
    assert_same(loaded.kneighbors(X), expected)
    assert loaded.memory_usage() == any_metric.memory_usage()


def test_a_transformer_comes_back(every_transformer, tmp_path, X, Q):
    expected = every_transformer.fit(X).transform(Q).toarray()
    loaded = kept(every_transformer, tmp_path)
    assert everything(loaded) == everything(every_transformer)
    assert_array_equal(loaded.transform(Q).toarray(), expected)
    names = every_transformer.get_feature_names_out()
    assert_array_equal(loaded.get_feature_names_out(), names)


@pytest.mark.parametrize("quantizer", quantizers(), ids=repr)
def test_a_quantizer_comes_back(quantizer, tmp_path, X, Q):
    quantizer = clone(quantizer).set_params(
        **{"random_state": 0} if "random_state" in quantizer.get_params() else {}
    )
    codes = quantizer.fit(X).transform(Q)
    for mmap_mode in MODES:
        loaded = kept(quantizer, tmp_path, mmap_mode)
        assert everything(loaded) == everything(quantizer)
        assert_array_equal(loaded.transform(Q), codes)
        back = loaded.inverse_transform(codes)
        assert_array_equal(back, quantizer.inverse_transform(codes))


CODES = [None, "auto", *quantizers(), RaBitQ(n_bits=4)]
STORES = [True, False, "float16", "int8"]


def coded():
    """Quantizers, forms of rows and metrics: every one once, or in full all crossed."""
    if indexes.FULL:
        return product(CODES, STORES, indexes.COMMON)
    return ((code, STORES[i % 4], "cosine") for i, code in enumerate(CODES))


@pytest.mark.jit
@pytest.mark.parametrize("make", [FlatNeighbors, HNSWNeighbors, IVFNeighbors])
def test_codes_and_what_is_kept_of_rows_come_back(make, tmp_path, Q, mapping):
    tried = 0
    for quantizer, store, metric in coded():
        X, Q = indexes.rows(metric=metric), indexes.rows(15, metric=metric)
        index = indexes.indexing(make, quantizer=quantizer, metric=metric)
        try:
            index.set_params(store_vectors=store, random_state=0).fit(X)
        except ValueError:
            continue  # what the index does not serve
        expected = index.kneighbors(Q)
        index.save(tmp_path / "kept")
        for mmap_mode in MODES:
            loaded = load(tmp_path / "kept", mmap_mode=mmap_mode, verify=True)
            assert everything(loaded) == everything(index)
            assert_same(loaded.kneighbors(Q), expected)
        tried += 1
    assert tried > 5


@pytest.mark.parametrize(
    "lid", [LocalIntrinsicDimensionality(), TwoNN(index=HNSWNeighbors())], ids=repr
)
def test_an_estimator_of_dimension_comes_back(lid, tmp_path, X):
    lid = clone(lid).fit(X)
    for mmap_mode in MODES:
        assert everything(kept(lid, tmp_path, mmap_mode)) == everything(lid)


def test_dimensions_around_new_rows_are_those_of_before(tmp_path, X, Q, mapping):
    lid = LocalIntrinsicDimensionality(index=HNSWNeighbors(random_state=0)).fit(X)
    loaded = pickle.loads(pickle.dumps(kept(lid, tmp_path, "r")))
    assert_array_equal(loaded.score_samples(Q), lid.score_samples(Q))


@pytest.mark.parametrize("mmap_mode", MODES)
def test_a_loaded_index_goes_on_as_the_saved_one_would(shell, tmp_path, X, mmap_mode):
    shell.fit(X)
    loaded = kept(shell, tmp_path, mmap_mode)
    for index in (shell, loaded):
        index.set_params(n_neighbors=3)
    assert_same(loaded.kneighbors(), shell.kneighbors())
    found, wanted = loaded.radius_neighbors(X, 2.0), shell.radius_neighbors(X, 2.0)
    assert all(map(np.array_equal, found[1], wanted[1]))
    assert clone(loaded).get_params() == shell.get_params()
    assert everything(loaded.fit(X[:40])) == everything(shell.fit(X[:40]))


def test_records_are_shared_as_they_were(tmp_path, X):
    index = FlatNeighbors(quantizer=RaBitQ(), store_vectors=False).fit(X)
    assert index.index_.codes is index.index_.points
    loaded = kept(index, tmp_path)
    assert loaded.index_.codes is loaded.index_.points
    assert loaded.quantizer_ is loaded.index_.learned.decoder
    assert len({file.stat().st_size for file in files(tmp_path / "kept")}) > 1


def test_kernels_serve_what_was_loaded_without_being_compiled_anew(
    index, tmp_path, X, mapping
):
    index.fit(X)
    for mmap_mode in MODES:
        loaded = kept(index, tmp_path, mmap_mode).index_
        for part in ("points", "codes", "route"):
            found, known = getattr(loaded, part), getattr(index.index_, part)
            assert typeof(found) == typeof(known)


def test_names_of_features_are_kept(tmp_path, X):
    frame = pd.DataFrame(X, columns=[f"Merkmal {i}" for i in range(7)] + ["ümläut"])
    loaded = kept(FlatTransformer().fit(frame), tmp_path)
    assert loaded.feature_names_in_.tolist() == frame.columns.tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.transform(frame.rename(columns={"ümläut": "umlaut"}))


def test_rows_of_float64_are_told_from_float32_as_before(tmp_path):
    X = np.random.default_rng(0).random((50, 4)) + 1e9  # shifted by float64 means
    index = FlatNeighbors().fit(X)
    assert index.index_.metric.shift_.dtype == np.float64
    assert_same(kept(index, tmp_path).kneighbors(X), index.kneighbors(X))


# What is mapped.


def test_what_is_mapped_is_the_file(tmp_path, X, mapping):
    index = FlatNeighbors().fit(X)
    rows = kept(index, tmp_path, "r").index_.points.X
    assert not rows.flags.owndata and not rows.flags.writeable
    assert rows.ctypes.data % 64 == 0
    names = [file.name for file in files(tmp_path / "kept")]
    with open("/proc/self/maps") as maps:
        assert any(name in maps.read() for name in names)


def test_a_pickle_of_a_mapped_index_tells_where_it_is(any_metric, tmp_path, mapping):
    X = np.tile(indexes.rows(metric=any_metric.metric), (40, 1))
    expected = any_metric.fit(X).kneighbors(X[:9])
    mapped = kept(any_metric, tmp_path, "r").set_params(n_neighbors=4)
    sent = pickle.dumps(mapped)
    assert len(sent) < len(pickle.dumps(any_metric)) / 4
    received = pickle.loads(sent)
    assert everything(received.index_) == everything(any_metric.index_)
    assert received.n_neighbors == 4
    assert_same(received.kneighbors(X[:9], 5), expected)
    assert len(pickle.dumps(received)) < 2 * len(sent)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_mapped_index_answers_alike(copied, tmp_path, X, mapping):
    index = HNSWNeighbors(exact_threshold=0, random_state=0).fit(X)
    mapped = kept(index, tmp_path, "r")
    assert_same(copied(mapped).kneighbors(X), index.kneighbors(X))


def test_a_pickle_of_a_refitted_index_holds_its_arrays(tmp_path, X, mapping):
    mapped = kept(FlatNeighbors().fit(X), tmp_path, "r").fit(X[:30])
    for file in (tmp_path / "kept").iterdir():
        file.unlink()
    assert_same(pickle.loads(pickle.dumps(mapped)).kneighbors(), mapped.kneighbors())


def test_a_pickle_says_that_the_folder_is_gone(tmp_path, X, mapping):
    mapped = kept(FlatNeighbors().fit(X), tmp_path, "r")
    sent = pickle.dumps(mapped)
    (tmp_path / "kept").rename(tmp_path / "elsewhere")
    for act in (lambda: pickle.loads(sent), lambda: pickle.dumps(mapped)):
        with pytest.raises(FileNotFoundError, match=r"holds no index any more: .*kept"):
            act()
    assert len(mapped.kneighbors(X)[0]) == len(X)  # which it has mapped already
    mapped.save(tmp_path / "anew")  # as the message says
    assert_same(pickle.loads(pickle.dumps(mapped)).kneighbors(X), mapped.kneighbors(X))


def test_a_pickle_says_that_another_index_is_there(tmp_path, X, mapping):
    index = FlatNeighbors().fit(X)
    mapped = kept(index, tmp_path, "r")
    sent, expected = pickle.dumps(mapped), index.kneighbors(X)
    index.fit(X + 1).save(tmp_path / "kept")
    for act in (lambda: pickle.loads(sent), lambda: pickle.dumps(mapped)):
        with pytest.raises(ValueError, match="another index was saved there since"):
            act()
    assert_same(mapped.kneighbors(X), expected)


def test_a_mapped_index_may_be_saved_over_itself(tmp_path, X, mapping):
    mapped = kept(FlatNeighbors().fit(X), tmp_path, "r")
    sent = pickle.dumps(mapped)
    assert everything(kept(mapped, tmp_path, "r")) == everything(mapped)
    mapped.set_params(n_neighbors=3).save(tmp_path / "kept")
    for again in (pickle.loads(pickle.dumps(mapped)), pickle.loads(sent)):
        assert everything(again.index_) == everything(mapped.index_)
        assert len(pickle.dumps(again)) < 2000


def test_an_equal_index_may_take_the_place_of_a_mapped_one(tmp_path, X, mapping):
    index = HNSWNeighbors(exact_threshold=0, quantizer=RaBitQ(), random_state=0)
    mapped = kept(index.fit(X), tmp_path, "r")
    sent = pickle.dumps(mapped)
    shutil.rmtree(tmp_path / "kept")
    index.set_params(quantizer=None).save(tmp_path / "kept")  # numbered otherwise
    for again in (pickle.loads(sent), pickle.loads(pickle.dumps(mapped))):
        assert_same(again.kneighbors(X), mapped.kneighbors(X))


def test_a_copy_elsewhere_leaves_a_mapped_index_where_it_is(tmp_path, X, mapping):
    mapped = kept(FlatNeighbors().fit(X), tmp_path, "r")
    mapped.save(tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy")
    assert_same(pickle.loads(pickle.dumps(mapped)).kneighbors(X), mapped.kneighbors(X))


def test_an_estimator_around_a_mapped_index_is_pickled_likewise(tmp_path, X, mapping):
    lid = kept(LocalIntrinsicDimensionality().fit(X), tmp_path, "r")
    shutil.rmtree(tmp_path / "kept")
    lid.save(tmp_path / "anew")
    again = pickle.loads(pickle.dumps(lid))
    assert_array_equal(again.score_samples(X), lid.score_samples(X))


# Other processes.


@pytest.mark.jit
@pytest.mark.parametrize("method", ["fork", "spawn", "loky", "threads"])
def test_other_processes_answer_alike(method, tmp_path, X, mapping):
    if method == "spawn" and not indexes.FULL:
        pytest.skip("loky spawns, too")
    index = indexes.indexing(IVFNeighbors, n_jobs=1, random_state=0).fit(X)
    mapped = kept(index, tmp_path, "r")
    if method == "loky":
        answers = joblib.Parallel(2)(
            joblib.delayed(IVFNeighbors.kneighbors)(mapped, X) for _ in range(2)
        )
    elif method == "threads":
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(mapped.kneighbors, [X] * 8))
    else:
        with get_context(method).Pool(1) as pool:
            answers = pool.starmap(IVFNeighbors.kneighbors, [(mapped, X)])
    for answer in answers:
        assert_same(answer, index.kneighbors(X))


def test_the_number_of_threads_may_be_another(tmp_path, X):
    index = IVFPQNeighbors(exact_threshold=0, random_state=0, n_jobs=1).fit(X)
    loaded = kept(index, tmp_path).set_params(n_jobs=2)
    assert_same(loaded.kneighbors(X), index.kneighbors(X))


def test_a_read_only_folder_is_read(tmp_path, X):
    index = FlatNeighbors().fit(X)
    index.save(tmp_path / "kept")
    for file in (tmp_path / "kept").iterdir():
        file.chmod(0o444)
    (tmp_path / "kept").chmod(0o555)
    try:
        for mmap_mode in MODES:
            loaded = load(tmp_path / "kept", mmap_mode=mmap_mode)
            assert_same(loaded.kneighbors(X), index.kneighbors(X))
    finally:
        (tmp_path / "kept").chmod(0o755)


# What is refused.


def test_an_unfitted_estimator_is_not_saved(tmp_path):
    for unfitted in (FlatNeighbors(), RaBitQ(), TwoNN()):
        with pytest.raises(NotFittedError):
            unfitted.save(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("mmap_mode", ["r+", "c", "w+", True, 0, np.array(["r", "r"])])
def test_files_are_mapped_read_only_or_not_at_all(tmp_path, X, mmap_mode):
    FlatNeighbors().fit(X).save(tmp_path / "kept")
    told = re.escape(f"mmap_mode={mmap_mode!r} must be None or 'r'")
    with pytest.raises(ValueError, match=told):
        load(tmp_path / "kept", mmap_mode=mmap_mode)


def test_several_segments_and_removed_rows_are_for_later_versions(tmp_path, X):
    def removed(manifest):
        manifest["segments"][0]["live"] = 0

    def grown(manifest):
        manifest["segments"] *= 2

    for change in (removed, grown):
        FlatNeighbors().fit(X).save(tmp_path / "kept")
        rewritten(tmp_path / "kept", change)
        with pytest.raises(ValueError, match="install a later one"):
            load(tmp_path / "kept")


def test_a_path_is_a_text_or_a_path(tmp_path, X, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = FlatNeighbors().fit(X)
    for path in (b"kept", 5, None, [tmp_path]):
        for act in (index.save, load):
            with pytest.raises(TypeError, match=re.escape(f"path={path!r} must be a")):
                act(path)
    for act in (index.save, load):
        with pytest.raises(ValueError, match=r"path='' must name a folder"):
            act("")
    assert not list(tmp_path.iterdir())


def test_an_unfitted_estimator_is_no_part_of_a_fitted_one(tmp_path, X):
    LocalIntrinsicDimensionality(index=FlatNeighbors()).fit(X).save(tmp_path / "lid")
    coded = FlatNeighbors(quantizer=RaBitQ(), store_vectors=False).fit(X)
    coded.save(tmp_path / "coded")

    def lid(manifest):
        manifest["objects"][-1]["fitted"]["index_"] = {"object": 0}

    def decoder(manifest):
        for entry in manifest["objects"]:
            if entry["class"] == "search.index.Learned":
                entry["fields"]["decoder"] = {"object": 0}

    for change in (lid, decoder):
        path = tmp_path / ("lid" if change is lid else "coded")
        assert not manifest.read(path)["objects"][0]["fitted"]
        rewritten(path, change)
        with pytest.raises(ValueError, match=r"can not be loaded.*not fitted yet"):
            load(path)


def test_what_is_no_index_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no index that save made"):
        load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no index that save made"):
        load(tmp_path)
    joblib.dump(FlatNeighbors(), tmp_path / "file")
    with pytest.raises(NotADirectoryError, match=r"joblib\.load"):
        load(tmp_path / "file")


def test_a_relative_path_is_sent_as_an_absolute_one(tmp_path, X, monkeypatch, mapping):
    monkeypatch.chdir(tmp_path)
    FlatNeighbors().fit(X).save("kept")
    sent = pickle.dumps(load("kept", mmap_mode="r"))
    monkeypatch.chdir("/")
    assert pickle.loads(sent).n_samples_fit_ == len(X)
