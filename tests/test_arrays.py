"""Types of the arrays of records."""

from typing import NamedTuple

import numpy as np
import pytest

from sklearn_jin import FlatNeighbors, HNSWNeighbors
from sklearn_jin._arrays import (
    Float32,
    Int32,
    UInt8,
    fits,
    forms_of,
    wrong_arrays,
    wrong_attributes,
)
from sklearn_jin.search.index import check


class Some(NamedTuple):
    X: Float32[2]  # (n, d)
    ids: Int32[1] = np.zeros(1, np.int32)
    part: tuple = ()
    blocks: UInt8[2, 3] = np.zeros((1, 2), np.uint8)


ROWS = np.zeros((3, 2), np.float32)


@pytest.mark.parametrize(
    "record, wrong",
    [
        (Some(ROWS), []),
        (Some(ROWS, blocks=np.zeros((1, 2, 3), np.uint8)), []),
        (Some(ROWS.astype(np.float64)), ["Some.X"]),
        (Some(ROWS.ravel()), ["Some.X"]),
        (Some(np.asfortranarray(ROWS)), ["Some.X"]),
        (Some([[1.0]]), ["Some.X"]),
        (Some(ROWS, np.zeros(1, np.int64)), ["Some.ids"]),
        (Some(ROWS, part=Some(ROWS.astype(np.int32))), ["Some.X"]),
        (Some(ROWS, blocks=np.zeros(2, np.uint8)), ["Some.blocks"]),
    ],
)
def test_arrays_of_another_type_are_named(record, wrong):
    assert wrong_arrays(record) == wrong


@pytest.mark.parametrize(
    "value, wanted, does",
    [
        *((1, int, True), (np.int64(1), int, True), (1.5, int, False)),
        *((1, float, True), (np.float32(1), float, True), ("1", float, False)),
        *((None, int | None, True), ("a", int | None, False)),
        *((ROWS, Float32[2] | None, True), (None, Float32[2] | None, True)),
        *((ROWS[0], Float32[2] | None, False), (ROWS.T, Float32[2], True)),
        *(((), tuple | None, True), ([], tuple | None, False), ([], object, True)),
    ],
)
def test_a_value_fits_a_type(value, wanted, does):
    assert fits(value, wanted) == does


def test_attributes_that_lack_or_are_others_are_named():
    metric = FlatNeighbors().fit(ROWS).index_.metric
    assert wrong_attributes(metric, metric.learned) == []
    del metric.d_
    metric.shift_ = 5
    assert wrong_attributes(metric, metric.learned) == [
        "Euclidean.d_",
        "Euclidean.shift_",
    ]


def parts(record):
    """A record and those in it."""
    yield record
    for part in record:
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            yield from parts(part)


def test_every_array_of_an_index_has_a_type(index, X):
    index.fit(X)
    for record in parts(index.index_):
        arrays = {
            name
            for name, part in record._asdict().items()
            if isinstance(part, np.ndarray)
        }
        assert arrays <= {*forms_of(type(record))}
    assert wrong_arrays(index.index_) == []


def test_an_index_with_arrays_of_another_type_is_refused(X):
    index = HNSWNeighbors(exact_threshold=0).fit(X).index_
    graph = index.route._replace(neighbors=index.route.neighbors.astype(np.int64))
    with pytest.raises(ValueError, match=r"Layers\.neighbors.* of another type"):
        check(index._replace(route=graph))
    index = FlatNeighbors().fit(X).index_
    points = index.points._replace(X=index.points.X.astype(np.float64))
    with pytest.raises(ValueError, match=r"RowsL2\.X"):
        check(index._replace(points=points))
