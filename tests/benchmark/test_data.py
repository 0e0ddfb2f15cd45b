"""Rows and queries from wherever they come."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_jin.benchmark import load


def rows(n=12, d=3):
    return np.arange(n * d, dtype=np.float32).reshape(n, d)


def test_digits_are_the_default():
    data = load()
    assert data.name == "digits" and data.metric == "euclidean"
    assert len(data.X) + len(data.queries) == 1797


def test_one_row_in_six_is_held_out(tmp_path):
    np.save(tmp_path / "rows.npy", rows())
    data = load(tmp_path / "rows.npy", metric="cosine")
    assert (data.name, data.metric) == ("rows", "cosine")
    assert (len(data.X), len(data.queries)) == (10, 2)
    both = np.vstack([data.X, data.queries])
    assert_array_equal(both[np.argsort(both[:, 0])], rows())


def test_a_file_may_bring_queries_and_a_metric(tmp_path):
    np.savez(tmp_path / "a.npz", train=rows(), test=rows(4), metric="cosine")
    data = load(tmp_path / "a.npz", n_queries=3)
    assert_array_equal(data.X, rows())
    assert_array_equal(data.queries, rows(3))
    assert data.metric == "cosine"


def test_files_of_ann_benchmarks_are_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["train"], file["test"] = rows(), rows(2)
        file.attrs["distance"] = "angular"
    data = load(tmp_path / "a.hdf5")
    assert_array_equal(data.queries, rows(2))
    assert data.metric == "cosine"


def test_generated_clusters_are_repeatable():
    one, two = load("clustered:60x4"), load("clustered:60x4")
    assert_array_equal(one.X, two.X)
    assert one.X.shape == (50, 4) and one.queries.shape == (10, 4)


def test_unknown_files_are_refused():
    with pytest.raises(ValueError, match=r"'rows.csv' is not known: give a file that"):
        load("rows.csv")


def test_an_archive_of_several_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=rows(), b=rows())
    with pytest.raises(ValueError, match="holds 2 arrays of rows"):
        load(tmp_path / "a.npz")


def test_pickles_are_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load(tmp_path / "a.npy")
