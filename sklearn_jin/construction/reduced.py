"""Rows turned to the directions in which they differ most, and divided into cells."""

from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

from sklearn_jin._jit import kernel
from sklearn_jin._memory import aligned, aligned_empty, frozen, padded_width
from sklearn_jin._simd.products import FOUR, PANEL, ROWS
from sklearn_jin._threads import run
from sklearn_jin.construction.codes import KNOWN, NEAR, candidates_needed
from sklearn_jin.construction.kmeans import sample
from sklearn_jin.construction.partition import lists_growth, partition_rows
from sklearn_jin.metrics import squares
from sklearn_jin.points import count
from sklearn_jin.points.panels import panels_of
from sklearn_jin.points.rows import RowsIP, RowsL2, float_rows
from sklearn_jin.search.probing import Probe
from sklearn_jin.search.reduced import (
    MIDDLE,
    TOP,
    Basis,
    Reduced,
    candidates,
    reduce,
)
from sklearn_jin.search.scan import blas

LEARNED = 4096  # rows that directions are learned from, or
PER_FEATURE = 4  # as many times the features
ROUNDS = 3  # of subspace iteration
HELD = 0.95  # share of the variance that directions are to hold by default,
LEAST = 64  # which are no fewer,
STEP = 16  # a multiple of this,
MOST = 256  # and no more, or else all
LISTED = 48  # rows that a centre is learned from, at most
PART = 4096  # rows that are turned at a time
LISTS_PER_TASK = 4
FEWEST_RERANK = 2.5  # candidates a neighbour by default, and KNOWN / NEAR at most


class Wish(NamedTuple):
    """How many directions are taken."""

    sizes: tuple  # the numbers to choose from, ascending
    held: float = 0.0  # share of the variance that the chosen ones are to hold
    n_train: int | None = None  # rows to learn from at most; None for enough


def principal(X, wish, rng, from_origin=False):
    """Mean (d,) of some rows of ``X``, and directions (d, n) of the rest.

    The mean is 0 where rows differ ``from_origin``, as inner products see them.
    There are as many directions as the least of the sizes that holds what is wished;
    if none does, as many as the last.

    The directions span the first principal components, turned at random so that all
    of them differ as much, which is what numbers of one scale hold best.
    """
    d = X.shape[1]
    enough = max(LEARNED, PER_FEATURE * d)
    some = sample(X, enough if wish.n_train is None else wish.n_train, rng)[:]
    some = some[np.isfinite(some).all(axis=1)]  # where nobody checked
    some = some if len(some) else np.zeros((1, d), np.float32)
    mean = np.zeros(d, np.float32) if from_origin else some.mean(axis=0)
    U = _components(some - mean, wish, rng)
    turn, _ = np.linalg.qr(rng.standard_normal((U.shape[1], U.shape[1])))
    return mean, (U @ turn).astype(np.float32)


def _components(gaps, wish, rng):
    """The first principal components (d, n), as many as wished; any basis for all."""
    d = gaps.shape[1]
    sizes = [size for size in wish.sizes if size < d]
    if not sizes:
        return np.eye(d, dtype=np.float32)
    spread = gaps.T @ gaps
    U, values, _ = randomized_svd(spread, sizes[-1], n_iter=ROUNDS, random_state=rng)
    held = np.cumsum(values)[np.array(sizes) - 1] >= wish.held * np.trace(spread)
    if held.any():
        return U[:, : sizes[int(held.argmax())]]
    return U if len(sizes) == len(wish.sizes) else np.eye(d, dtype=np.float32)


class Plan(NamedTuple):
    """What lists are wanted."""

    n_lists: int
    n_components: int | str  # or "auto"
    n_train: int | None = None  # rows that centres are learned from; None for as many


def reduce_rows(points, d, plan, rng, n_threads):
    """The record :class:`Reduced` of ``points``, rows of ``d`` features; list sizes.

    Nothing depends on the number of threads.
    """
    X, is_ip = float_rows(points, d), isinstance(points, RowsIP)
    with blas().limit(limits=1, user_api="blas"):  # the threads are ours
        mean, directions = principal(X, _wish(plan, d), rng, is_ip)
    n_components = directions.shape[1]
    start = np.zeros(-(-n_components // PANEL) * PANEL, np.float32)
    start[:n_components] = mean @ directions
    basis = Basis(panels_of(directions), frozen(start))
    Z, adds_rest = Turned(basis, X, n_components), not is_ip and n_components < d
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
    elif adds_rest:
        adds.ravel()[some] += _rest(Z, mean, n_threads)[ids[some]]
    middles = np.zeros((0 if is_ip else len(c2), blocks.shape[1] // ROWS), np.float32)
    middles[:, :n_components] = centers[: len(middles)]
    lists = Reduced(
        basis, panels_of(centers.T), frozen(np.ones_like(c2) if is_ip else c2),
        *map(frozen, (starts, aligned(blocks), adds, middles, scales, ids, growth)),
    )  # fmt: skip
    return lists, np.diff(division.starts)


def lists_of(points, d, rng, n_threads):
    """The record :class:`Reduced` of ``points``, in as many lists as their root."""
    plan = Plan(max(1, round(count(points) ** 0.5)), "auto")
    return reduce_rows(points, d, plan, rng, n_threads)[0]


def learn_rerank(lists, sample):
    """Candidates a neighbour by which nearly all of a sample's neighbours are found.

    If all ``lists`` are scanned, and within limits: see
    :func:`sklearn_jin.construction.codes.candidates_needed`.
    """
    (queries, _, ids), own, _ = sample
    near, room = ids[:, own : own + NEAR], KNOWN + own
    if not near.size:
        return FEWEST_RERANK
    found, _ = candidates(lists, queries, Probe(len(lists.squares), False, room))
    places = near[:, :, None] == found[:, None]
    ranks = np.where(places.any(axis=2), places.argmax(axis=2) + 1 - own, KNOWN)
    return max(FEWEST_RERANK, candidates_needed(ranks) / near.shape[1])


def _wish(plan, d):
    if plan.n_components != "auto":
        return Wish((plan.n_components,))
    return Wish((*range(LEAST, MOST + 1, STEP), d), HELD)


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


def _rest(Z, mean, n_threads):
    """The squares (n,) of what reduced rows lack."""
    rest = np.empty(len(Z), np.float32)

    def task(lo, hi):
        lost = squares(Z.X[lo:hi] - mean) - squares(Z[lo:hi])
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
