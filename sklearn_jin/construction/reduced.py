"""Rows turned to the directions in which they differ most, and divided into cells."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import aligned, aligned_empty, frozen, padded_width
from sklearn_jin._numbers import squares
from sklearn_jin._simd.products import FOUR, PANEL, ROWS
from sklearn_jin._threads import run
from sklearn_jin.construction.codes import KNOWN, candidates_needed, hold_rows
from sklearn_jin.construction.components import MARGIN, PART, reduction
from sklearn_jin.construction.partition import lists_growth, partition_rows
from sklearn_jin.points import count
from sklearn_jin.points.panels import panels_of
from sklearn_jin.points.rows import RowsIP, RowsL2, float_rows
from sklearn_jin.search.index import FEW, MANY, Learned
from sklearn_jin.search.probing import Probe
from sklearn_jin.search.reduced import (
    MIDDLE,
    TOP,
    Basis,
    Reduced,
    candidates,
    reduce,
)

LISTED = 48  # rows that a centre is learned from, at most
LISTS_PER_TASK = 4
FEWEST_RERANK = 2.5  # candidates a neighbour by default, and KNOWN / FEW at most,
FEWEST_FAR = 1.5  # and where MANY neighbours are wanted
ROOM = 4 * MANY  # candidates among which neighbours are looked for


class Plan(NamedTuple):
    """What lists are wanted."""

    n_lists: int
    n_components: int | str  # or "auto"
    n_train: int | None = None  # rows that centres are learned from; None for as many


def reduce_rows(points, d, plan, sample, rng):
    """The record :class:`Reduced` of ``points``, rows of ``d`` features; list sizes.

    The ``sample`` tells how much of the rows must be kept.  Nothing depends on the
    number of threads.
    """
    X, is_ip = float_rows(points, d), isinstance(points, RowsIP)
    n_threads = sample.n_threads
    mean, directions, share = reduction(X, plan, sample, rng, is_ip)
    n_components = directions.shape[1]
    start = np.zeros(-(-n_components // PANEL) * PANEL, np.float32)
    start[:n_components] = mean @ directions
    basis = Basis(panels_of(directions), frozen(start))
    Z = Turned(basis, X, n_components)
    if isinstance(X, np.ndarray):  # rows of other types take less memory than these
        Z = _made(Z, n_threads)
    n_train = LISTED * plan.n_lists if plan.n_train is None else plan.n_train
    division = partition_rows(Z, plan.n_lists, rng, n_threads, n_train)
    centers, c2 = division.centers, squares(division.centers).astype(np.float32)
    growth = np.empty(0)
    if not is_ip:
        growth = lists_growth(Z, _rows(centers), rng)
    blocks, adds, scales, ids, starts = _packed(division, Z, n_threads)
    some = ids >= 0
    if is_ip:
        adds.ravel()[some] = 0
    elif share > 0:
        rest = np.float32(share) * _rest(X, Z, mean, n_threads)
        adds.ravel()[some] += rest[ids[some]]
    middles = np.zeros((0 if is_ip else len(c2), blocks.shape[1] // ROWS), np.float32)
    middles[:, :n_components] = centers[: len(middles)]
    lists = Reduced(
        basis, panels_of(centers.T), frozen(np.ones_like(c2) if is_ip else c2),
        *map(frozen, (starts, aligned(blocks), adds, middles, scales, ids, growth)),
    )  # fmt: skip
    return lists, np.diff(division.starts)


def lists_of(points, d, rng, n_threads):
    """The record :class:`Reduced` of ``points``, in as many lists as their root.

    And the sample of rows by which it was made.
    """
    sample = hold_rows(points, d, rng, n_threads)
    plan = Plan(max(1, round(count(points) ** 0.5)), "auto")
    return reduce_rows(points, d, plan, sample, rng)[0], sample


def learn_rerank(lists, sample):
    """Candidates a neighbour by which nearly all of a sample's are found, as Learned.

    And the share of the ``FEW`` nearest that are found by so many, if all ``lists`` are
    scanned.  There are limits; see
    :func:`sklearn_jin.construction.codes.candidates_needed`.
    """
    (queries, _, ids), own, _ = sample
    found, _ = candidates(lists, queries, Probe(len(lists.squares), False, ROOM + own))
    ranks = _ranks_among(ids[:, own : own + MANY], found) - own
    few = ranks[:, :FEW]
    rerank = min(max(FEWEST_RERANK, _candidates_each(few)), KNOWN / FEW)
    far = min(rerank, max(FEWEST_FAR, _candidates_each(ranks)))
    held = np.mean(few <= rerank * few.shape[1]) if few.size else 1.0
    return Learned(rerank, far=far), float(held)


def _ranks_among(near, found):
    """Places from 1 on of ``near`` (n, k) among ``found`` (n, m): m + 1 for none."""
    places = near[:, :, None] == found[:, None]
    return np.where(places.any(axis=2), places.argmax(axis=2), found.shape[1]) + 1


def _candidates_each(ranks):
    """Candidates for each of the neighbours of these ``ranks`` (n, k)."""
    return MARGIN * candidates_needed(ranks) / max(1, ranks.shape[1])


def _rows(Z):
    """Reduced rows as points, whose score is the squared L2 distance."""
    X = aligned_empty(len(Z), padded_width(Z.shape[1]))
    X[:, : Z.shape[1]], X[:, Z.shape[1] :] = Z, 0
    return RowsL2(frozen(X))


class Turned:
    """Reduced rows of ``X``, made when they are read, by a slice or by ids.

    To make all of them at once would take as much memory as float32 rows do.
    """

    def __init__(self, basis, X, n_components):
        self.basis, self.X, self.shape = basis, X, (len(X), n_components)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, ids):
        return reduce(self.basis, self.X[ids])[:, : self.shape[1]]


def _made(Z, n_threads):
    """All of the reduced rows, an array."""
    rows = np.empty(Z.shape, np.float32)

    def task(lo, hi):
        rows[lo:hi] = Z[lo:hi]

    run(task, len(Z), PART, n_threads)
    return rows


def _rest(X, Z, mean, n_threads):
    """The squares (n,) of what reduced rows ``Z`` of ``X`` lack."""
    rest = np.empty(len(Z), np.float32)

    def task(lo, hi):
        lost = squares(X[lo:hi] - mean) - squares(Z[lo:hi])
        rest[lo:hi] = np.maximum(lost, 0)

    run(task, len(Z), PART, n_threads)
    return rest


def _packed(division, Z, n_threads):
    """The blocks of all lists, and what else is known of their rows."""
    sizes = np.diff(division.starts)
    starts = np.concatenate([[0], np.cumsum(-(-sizes // ROWS))])
    n_blocks, s = int(starts[-1]), -(-Z.shape[1] // FOUR) * FOUR
    blocks = np.full((n_blocks, s * ROWS), MIDDLE, np.uint8)
    adds = np.full((n_blocks, ROWS), np.inf, np.float32)
    ids = np.full(n_blocks * ROWS, -1, np.int32)
    scales = np.ones(len(sizes), np.float32)

    def task(lo, hi):
        rows = Z[division.ids[division.starts[lo] : division.starts[hi]]]
        pack(division, rows, lo, hi, starts, blocks, adds.ravel(), ids, scales)

    run(task, len(sizes), LISTS_PER_TASK, n_threads)
    return blocks, adds, scales, ids, starts


@kernel
def pack(division, rows, first, last, starts, blocks, adds, ids, scales):
    """Fill the blocks of some lists, and ``adds`` with ``|r|^2 - 2 <r, r - r'>``.

    ``rows`` are the reduced ones of these lists, by slot.
    With ``r'`` what the bytes stand for the product lacks ``-2 <z - c, r - r'>``, and a
    query for which that matters is near the row: there ``z - c`` is ``r``.
    """
    d, start = rows.shape[1], division.starts[first]
    for cell in range(first, last):
        center, largest = division.centers[cell], np.float32(0)
        for slot in range(division.starts[cell], division.starts[cell + 1]):
            row = rows[slot - start]
            for j in range(d):
                if abs(row[j] - center[j]) > largest:  # nor is a NaN
                    largest = abs(row[j] - center[j])
        scale = largest / np.float32(TOP) if largest > 0 else np.float32(1)
        scales[cell], per = scale, np.float32(1) / scale
        for slot in range(division.starts[cell], division.starts[cell + 1]):
            i, row = slot - division.starts[cell], rows[slot - start]
            b, place = starts[cell] + i // ROWS, i % ROWS
            add = np.float32(0)
            for j in range(d):
                gap = row[j] - center[j]
                level = np.floor(gap * per + np.float32(0.5))
                at = (j // FOUR) * (FOUR * ROWS) + place * FOUR + j % FOUR
                blocks[b, at] = np.int32(level) + MIDDLE
                add += gap * (2 * level * scale - gap)
            adds[b * ROWS + place] = add if add < np.inf else np.float32(np.inf)
            ids[b * ROWS + place] = division.ids[slot]
