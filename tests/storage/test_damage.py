"""A damaged file is an error or changes no answer; none ends the process or hangs."""

import os

import indexes
import numpy as np
import pytest
from stored import everything, files, rewritten

from sklearn_jin import (
    DualBranchHNSWNeighbors,
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    IVFPCANeighbors,
    RaBitQ,
    ScalarQuantizer,
    load,
)
from sklearn_jin.storage import arrays, manifest

FLIPS = int(os.environ.get("FLIPS", "100"))  # a kind of index; 3400 by hand

KINDS = [
    IVFNeighbors(),
    HNSWNeighbors(quantizer=RaBitQ(4), store_vectors="int8"),
    IVFPCANeighbors(),
    DualBranchHNSWNeighbors(),
    FlatNeighbors(quantizer=ScalarQuantizer(4)),
    HNSWNeighbors(metric="inner_product"),
]


@pytest.fixture(params=KINDS, ids=indexes.name, scope="module")
def saved(request, tmp_path_factory):
    """A folder in which an index is, the index, and queries."""
    params = {"random_state": 0, "n_jobs": 1}
    index = indexes.indexing(
        type(request.param), **request.param.get_params(deep=False)
    )
    index.set_params(**{k: v for k, v in params.items()})
    X, Q = indexes.rows(200), indexes.rows(20, seed=1)
    path = tmp_path_factory.mktemp("kept")
    index.fit(X).save(path)
    return path, index, Q


class Damage:
    """A file that is something else for a while."""

    def __init__(self, file):
        self.file, self.whole = file, file.read_bytes()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.write_bytes(self.whole)

    def flip(self, draw):
        """Change one bit somewhere, or a byte."""
        data = bytearray(self.whole)
        at = draw.integers(len(data))
        bit = 1 << draw.integers(8)
        data[at] ^= bit if draw.random() < 0.5 else draw.integers(1, 256)
        self.file.write_bytes(data)


def flips(path, n):
    """Damage one byte in all the files of a folder, every size of file as often."""
    draw = np.random.default_rng(0)
    whole = [Damage(file) for file in (path / manifest.NAME, *files(path))]
    for _ in range(n):
        with whole[draw.integers(len(whole))] as damage:
            damage.flip(draw)
            yield draw.random() < 0.5


def test_every_flipped_byte_is_found(saved):
    path, index, _ = saved
    for mapped in flips(path, FLIPS):
        with pytest.raises(ValueError, match="can not be loaded"):
            load(path, mmap_mode="r" if mapped else None, verify=True)
    assert everything(load(path, verify=True)) == everything(index)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_without_checksums_no_flipped_byte_is_worse_than_a_wrong_answer(
    saved, monkeypatch
):
    path, index, Q = saved
    monkeypatch.setattr(arrays, "check_sum", lambda *_: None)
    monkeypatch.setattr(arrays, "SMALL", 0)
    refused = 0
    for mapped in flips(path, FLIPS):
        try:
            damaged = load(path, mmap_mode="r" if mapped else None)
        except ValueError:
            refused += 1
            continue
        for own in (None, Q):
            try:
                distances, ids = damaged.kneighbors(own)
            except (ValueError, IndexError):
                continue  # an error is no answer
            assert ids.min() >= 0 and ids.max() < index.n_samples_fit_
            assert distances.shape == ids.shape
    assert 0 < refused < FLIPS


def test_every_truncated_or_longer_file_is_found(saved):
    path, _, _ = saved
    for file in (path / manifest.NAME, *files(path)):
        with Damage(file) as damage:
            size = len(damage.whole)
            for left in {0, 1, 64, 127, 128, size // 2, size - 1} - {size}:
                file.write_bytes(damage.whole[:left])
                with pytest.raises(ValueError, match="can not be loaded"):
                    load(path)
            file.write_bytes(damage.whole + b"\0")
            with pytest.raises(ValueError, match="can not be loaded"):
                load(path)


def test_a_missing_array_is_found(saved):
    path, _, _ = saved
    for file in files(path):
        with Damage(file):
            file.unlink()
            with pytest.raises(ValueError, match=f"{file.name} is missing"):
                load(path)


def test_arrays_that_changed_places_are_found(saved):
    path, _, _ = saved
    sizes = {}
    for file in files(path):
        sizes.setdefault(file.read_bytes()[:128], []).append(file)
    for one, two, *_ in (same for same in sizes.values() if len(same) > 1):
        if one.read_bytes() != two.read_bytes():
            with Damage(one) as first, Damage(two) as second:
                one.write_bytes(second.whole)
                two.write_bytes(first.whole)
                with pytest.raises(ValueError, match="checksum"):
                    load(path)


def forged(**change):
    def rewrite(read):
        read["arrays"][0].update(change)

    return rewrite


FORGED = {
    "huge": (forged(shape=[2**62, 2**62]), "takes"),
    "large": (forged(shape=[10**12, 8]), "takes"),
    "negative": (forged(shape=[-1, 8]), "which is none"),
    "of no rows": (forged(shape=[0, 2**62]), "has"),
    "dtype": (forged(dtype="<f8"), "takes"),
    "objects": (forged(dtype="|O"), "which is none"),
    "above": (forged(file="../0123456789abcdef-0.npy"), "no name"),
    "absolute": (forged(file="/etc/passwd"), "no name"),
}


@pytest.mark.parametrize("change, told", FORGED.values(), ids=FORGED)
def test_a_forged_array_is_refused(change, told, tmp_path, X):
    FlatNeighbors().fit(X).save(tmp_path / "kept")
    rewritten(tmp_path / "kept", change)
    with pytest.raises(ValueError, match=told):
        load(tmp_path / "kept")


def test_links_are_not_followed(tmp_path, X):
    path = tmp_path / "kept"
    FlatNeighbors().fit(X).save(path)
    file, *_ = files(path)
    file.rename(tmp_path / "elsewhere.npy")
    file.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(ValueError, match="is a symbolic link"):
        load(path)
