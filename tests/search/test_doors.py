"""Doors: the nearest landmarks of the cells whose heads are nearest."""

import numpy as np
import pytest
from helpers import normal, record
from numpy.testing import assert_array_equal

from sklearn_jin._memory import frozen
from sklearn_jin.points import subset
from sklearn_jin.search.doors import (
    ENTRIES,
    NO_DOORS,
    OPENED,
    Doors,
    enter_by_doors,
    ranges_of_doors,
)
from sklearn_jin.search.layers import Layers, find_entries


def layers_of(X, members, heads):
    """Layers without edges whose landmarks are in the cells of some ``heads``."""
    gaps = np.square(X[members][:, None] - X[members[heads]]).sum(axis=2)
    cells = gaps.argmin(axis=1)
    order = np.argsort(cells, kind="stable").astype(np.int32)
    starts = np.searchsorted(cells[order], np.arange(len(heads) + 1))
    doors = Doors(frozen(heads), frozen(starts.astype(np.int64)), frozen(order))
    nothing = frozen(np.full((len(X), 8), -1, np.int32))
    none = frozen(np.zeros((0, 2), np.int32))
    return Layers(
        nothing, none, frozen(np.zeros(1, np.int64)), frozen(members),
        subset(record(X), members), doors=doors,
    )  # fmt: skip


@pytest.mark.parametrize("n_heads", [1, 3, 17])
def test_the_nearest_landmarks_of_the_nearest_cells_are_entered(n_heads):
    X, queries = normal(300, 6), normal(20, 6, seed=1)
    rng = np.random.default_rng(2)
    members = rng.permutation(300)[:90].astype(np.int32)
    heads = np.sort(rng.choice(90, n_heads, replace=False)).astype(np.int32)
    layers = layers_of(X, members, heads)
    rows = np.arange(5, 20)
    asked = record(queries).X
    ranks, entries, work = enter_by_doors(layers, asked, rows)
    scores = np.square(queries[:, None] - X[members]).sum(axis=2)
    n_scores = 0
    for i, q in enumerate(rows):
        cells = np.argsort(scores[q][heads])[:OPENED]
        starts, order = layers.doors.starts, layers.doors.ranks
        some = np.concatenate([order[starts[c] : starts[c + 1]] for c in cells])
        best = some[np.argsort(scores[q][some])][:ENTRIES]
        assert_array_equal(entries[i][: len(best)], members[best])
        assert tuple(ranks[i]) == (cells[0], best[0])
        n_scores += n_heads + len(some)
    assert tuple(work) == (0, n_scores, 0)
    assert_array_equal(find_entries(layers, asked, rows)[1], entries)


def test_a_damaged_door_is_told():
    layers = layers_of(
        normal(50, 4), np.arange(30, dtype=np.int32), np.array([3, 9], np.int32)
    )
    doors = layers.doors

    def wrong(doors):
        return any(
            not all(low <= x <= high for x in np.ravel(part))
            for part, low, high in ranges_of_doors(doors, 30)
        )

    assert not wrong(doors) and not wrong(NO_DOORS)
    assert wrong(doors._replace(heads=np.array([3, 30], np.int32)))
    assert wrong(doors._replace(starts=doors.starts[::-1].copy()))
    assert wrong(doors._replace(ranks=doors.ranks[:-1]))
    assert wrong(NO_DOORS._replace(heads=doors.heads))
