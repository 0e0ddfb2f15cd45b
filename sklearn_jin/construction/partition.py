"""Partitions: rows by the cell of their nearest centre, and codes of what is left.

The coarse half of IVF-PQ (Jegou, Douze & Schmid 2011) and of ScaNN (Guo et al.
2020): k-means, whatever the metric, for cells are to hold what is near each other.
"""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import aligned, frozen, padded_width
from sklearn_jin._numbers import squares
from sklearn_jin._threads import run
from sklearn_jin.construction.kmeans import ULP, assign, kmeans, sample
from sklearn_jin.points import encode_queries, exact
from sklearn_jin.points.packing import float_column
from sklearn_jin.points.rows import RowsIP, RowsL2, float_rows
from sklearn_jin.search.cells import first_mean, nearest_cells
from sklearn_jin.search.fastscan import block
from sklearn_jin.search.lists import ADD_LEVELS, Lists
from sklearn_jin.search.scan import blas

TRAINED = 64  # rows that a centre is learned from, at most
CODED = 16384  # residuals that a quantizer is given to learn from, by default
N_ITER = 10  # rounds of k-means; 10 more change the rows to be scanned by 1 %
COUNTED = 256  # rows that tell how many lists are within what score
PART = 8192  # residuals coded at a time
CELLS = 2**18  # scores of a block of rows, as in k-means
APART = 8.0  # times the mean squared residual may centres lie from their middle
ALONE = 64.0  # times the square of its scale may a single centre lie from it
GROUPS = 16  # times as many middles are tried next


class Division(NamedTuple):
    """Rows in cells; one may be in two."""

    centers: np.ndarray  # (n_lists, d) float32
    starts: np.ndarray  # (n_lists + 1,) int64
    ids: np.ndarray  # (n_slots,) int32, the rows of the first list, then the second's
    labels: np.ndarray  # (n_slots,) int32, the list of every slot


def partition_rows(X, n_lists, rng, n_threads, n_train=None, spill=None):
    """Divide the rows of ``X`` (n, d), float32, among ``n_lists`` cells.

    Centres are learned from ``n_train`` rows, by default ``TRAINED`` a cell.  With
    ``spill`` each row is also in a second cell: see :func:`second_labels`.
    """
    with blas().limit(limits=1, user_api="blas"):  # the threads are ours
        some = sample(X, TRAINED * n_lists if n_train is None else n_train, rng)
        centers = kmeans(some, n_lists, rng, N_ITER, n_threads=n_threads)
        labels = assign(X, centers, n_threads)
        ids = np.arange(len(X), dtype=np.int32)
        if spill is not None and n_lists > 1:
            second = second_labels(X, centers, labels, spill, n_threads)
            labels, ids = np.concatenate([labels, second]), np.tile(ids, 2)
    order = np.argsort(labels, kind="stable")
    labels = labels[order]
    starts = np.searchsorted(labels, np.arange(n_lists + 1)).astype(np.int64)
    return Division(centers, starts, ids[order], labels)


def second_labels(X, centers, labels, weight, n_threads):
    """The second cell of every row, int32: SOAR's (Sun et al. 2024, section 3).

    Of ``r' = x - c'`` the least ``|r'|^2 + weight * <r', u>^2``, with ``u`` the
    direction of the first residual: a query for which the first cell looks bad,
    for it lies along ``u``, finds the second one good.
    """
    second = np.empty(len(X), np.int32)
    c2 = squares(centers).astype(np.float32)

    def task(lo, hi):
        x, own = X[lo:hi], labels[lo:hi]
        r = x - centers[own]
        lengths = np.sqrt(squares(r))[:, None]
        u = (r / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        along = np.einsum("ij,ij->i", x, u)[:, None] - u @ centers.T
        costs = c2 - 2 * (x @ centers.T) + np.float32(weight) * along**2
        costs[np.arange(len(x)), own] = np.inf
        second[lo:hi] = costs.argmin(axis=1)

    run(task, len(X), max(1, CELLS // len(centers)), n_threads)
    return second


def build_lists(points, division, n_threads, rng, quantizer=None, n_train=None):
    """The record :class:`Lists` of ``points``, on codes of a ``quantizer`` if given.

    The quantizer is fitted to residuals of ``n_train`` rows, all by default, scaled
    to lengths of 1 at most.
    """
    d = division.centers.shape[1]
    centers = np.zeros((len(division.centers), padded_width(d)), np.float32)
    centers[:, :d] = division.centers
    is_ip = isinstance(points, RowsIP)
    cells = (RowsIP if is_ip else RowsL2)(frozen(aligned(centers)))
    X = float_rows(points, d)
    gaps = _gaps(float_rows(points), cells.X, division, n_threads)
    lists = Lists(
        cells,
        frozen(division.starts),
        frozen(division.ids),
        radii=frozen(_radii(points, division, gaps)),
        growth=frozen(lists_growth(X, cells, rng)),
        codes=(),
        scales=frozen(np.ones(len(centers), np.float32)),
        adds=_none(),
        levels=frozen(np.zeros((2, len(centers)), np.float32)),
        errors=_none(),
        groups=frozen(np.zeros(len(centers), np.int32)),
        middles=frozen(np.zeros((1, d), np.float32)),
    )
    if quantizer is None:
        return lists
    with blas().limit(limits=1, user_api="blas"):
        residuals = Residuals(X, division, _scales(division, gaps))
        _fit(quantizer, residuals, rng, n_train, n_threads)
        return with_codes(lists, residuals, gaps, quantizer, rng, n_threads)


def _none():
    return frozen(np.empty(0, np.float32))


def _gaps(X, centers, division, n_threads):
    """How far, float32, the row of every slot lies from its centre."""
    gaps = np.empty(len(division.ids), np.float32)

    def task(lo, hi):
        rows = frozen(X[division.ids[lo:hi]])
        score_own(RowsL2(centers), rows, division.labels[lo:hi], gaps[lo:hi])

    run(task, len(gaps), PART, n_threads)
    return np.sqrt(gaps)


@kernel
def score_own(cells, rows, labels, scores):
    """Scores of the cells ``labels`` for as many ``rows``."""
    for s in range(len(rows)):
        scores[s] = exact(cells, rows, s, labels[s])


def _largest(division, gaps):
    """The largest of the ``gaps`` of every list."""
    largest = np.zeros(len(division.centers), np.float32)
    with np.errstate(invalid="ignore"):  # of rows with NaN, which nobody checked
        np.maximum.at(largest, division.labels, gaps)
    return largest


def _radii(points, division, gaps):
    """What :func:`sklearn_jin.search.lists.least` goes by.

    It needs a triangle inequality between the scores of rows and of cells.
    """
    if not isinstance(points, RowsL2 | RowsIP):
        return np.full(len(division.centers), np.inf, np.float32)
    return _largest(division, gaps) * np.float32(1 + 16 * ULP)


def _scales(division, gaps):
    """What counts as 1 of the residuals of every list: their root mean square.

    So one codebook serves narrow lists and wide ones.  But no residual is longer
    than 2, which scores of codes can not tell from longer ones.
    """
    n_lists = len(division.centers)
    counts = np.maximum(np.bincount(division.labels, minlength=n_lists), 1)
    total = np.bincount(division.labels, np.square(gaps, dtype=np.float64), n_lists)
    scales = np.maximum(np.sqrt(total / counts), _largest(division, gaps) / 2)
    return np.where(scales > 0, scales, 1).astype(np.float32)


def lists_growth(X, cells, rng):
    """Within what share of its first mean is the score of how many lists.

    ``X`` (n, d) are the rows, float32.  Entry ``p - 1`` is the limit within which ``p``
    lists are on the average.
    """
    n_lists = len(cells.X)
    if isinstance(cells, RowsIP) or n_lists < 2:
        return np.empty(0)
    some = sample(X, COUNTED, rng)[:]
    asked = np.zeros((len(some), cells.X.shape[1]), np.float32)
    asked[:, : some.shape[1]] = some
    _, scores = nearest_cells(cells, asked, n_lists)
    means = np.maximum(first_mean(scores), np.finfo(np.float32).tiny)[:, None]
    shares = np.sort((scores.astype(np.float64) / means).ravel())
    return shares[len(asked) - 1 :: len(asked)].copy()


class Residuals(NamedTuple):
    """What the rows of slots lie away from their centres, or from other places."""

    X: np.ndarray  # (n, d) float32, or FloatRows
    division: Division
    scales: np.ndarray  # (n_lists,) float32, the units of what is returned

    def rows(self, slots):
        """Rows of ``slots`` as they are."""
        return self.X[self.division.ids[slots]]

    def less(self, slots, places):
        """Rows of ``slots`` less the ``places`` (n_lists, d) of their lists."""
        labels = self.division.labels[slots]
        return (self.rows(slots) - places[labels]) / self.scales[labels, None]

    def __call__(self, slots):
        """Residuals of ``slots``."""
        return self.less(slots, self.division.centers)


def _fit(quantizer, residuals, rng, n_train, n_threads):
    n = len(residuals.division.ids)
    some = np.arange(n)
    if n_train is not None and n_train < n:
        some = np.sort(rng.choice(n, n_train, replace=False))
    quantizer.fit_residuals(residuals(some), residuals.rows(some), n_threads)


def with_codes(lists, residuals, gaps, quantizer, rng, n_threads):
    """``lists`` that are scanned by codes of the fitted ``quantizer``."""
    n, is_ip = len(lists.ids), isinstance(lists.cells, RowsIP)
    codes = np.empty((n, quantizer.n_bytes_), np.uint8)

    def encode(lo, hi):
        part = slice(lo, hi)
        rows = residuals.rows(part)
        codes[part] = quantizer.encode_residuals(residuals(part), rows)

    run(encode, n, PART, n_threads)
    record = quantizer.points(codes, "ip")
    own_scales = residuals.scales[residuals.division.labels]
    lists = lists._replace(scales=frozen(residuals.scales))
    if is_ip:  # nothing is to be added
        codes = block(record, scales=own_scales)
        return lists._replace(codes=record if codes is None else codes)
    groups, middles = _middles(residuals.division.centers, gaps, rng, lists.scales)
    own = np.empty(n, np.float32)

    def measure(lo, hi):
        rows = residuals.less(slice(lo, hi), middles[groups])
        own_products(record, frozen(encode_queries(record, rows)), lo, own[lo:hi])

    run(measure, n, PART, n_threads)
    adds = 2 * np.square(own_scales, dtype=np.float64) * own - np.square(gaps)
    lists = _added(lists, record, adds.astype(np.float32), own_scales)
    return lists._replace(
        errors=_errors(record, own_scales),
        groups=frozen(groups),
        middles=frozen(middles),
    )


def _added(lists, record, adds, scales):
    """``lists`` with the codes of ``record``, whose scores ``adds`` are part of."""
    blocks = block(record, adds, scales)
    if blocks is None:
        return lists._replace(codes=record, adds=frozen(adds))
    if blocks.factors.size:
        return lists._replace(codes=blocks)
    some = lists.starts[:-1] < lists.starts[1:]
    starts = lists.starts[:-1][some]
    low, step = levels = np.zeros((2, len(some)), np.float32)
    low[some] = np.minimum.reduceat(adds, starts)
    step[some] = (np.maximum.reduceat(adds, starts) - low[some]) / ADD_LEVELS
    step[step == 0] = np.finfo(np.float32).tiny
    own = np.repeat(np.arange(len(some)), np.diff(lists.starts))
    places = np.minimum(np.rint((adds - low[own]) / step[own]), ADD_LEVELS)
    return lists._replace(codes=block(record, places), levels=frozen(levels))


@kernel
def own_products(record, rows, first, products):
    """Inner products of ``rows`` with what the codes from ``first`` on stand for."""
    for i in range(len(products)):
        products[i] = -exact(record, rows, i, first + i)


def _middles(centers, gaps, rng, scales):
    """The group of every list, and the middle of each group.

    The tables of a query hold what it lies from a middle, so precision is lost
    where lists lie far from theirs: there are as many groups as that takes.  And a
    tight list among wide ones is a group by itself.
    """
    n_lists, n_groups = len(centers), 1
    near = APART * np.square(gaps, dtype=np.float64).mean()
    while True:
        middles = kmeans(centers, n_groups, rng, N_ITER)
        groups = assign(centers, middles)
        apart = squares(centers - middles[groups]).mean()
        if n_groups == n_lists or apart <= near:
            break
        n_groups = min(GROUPS * n_groups, n_lists)
    alone = squares(centers - middles[groups]) > ALONE * np.square(scales)
    groups[alone] = n_groups + np.arange(np.count_nonzero(alone))
    return groups, np.concatenate([middles, centers[alone]])


def _errors(record, scales):
    """How far an estimate is off for a query at distance 1 from the centre, or none."""
    if not hasattr(record, "factors") or record.factors[2] < 0:
        return _none()
    column = float_column(record.codes, record.factors[2])
    return frozen(2 * scales * record.scales[0] * column)
