"""Queries that are limited to some of the fitted rows.

A filter is one for all queries or one for each.  Queries whose filters are alike are
answered together; where filters differ but leave out little, as those by groups, more
neighbours are asked for, and what is not allowed is dropped.
"""

from itertools import pairwise
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _to_object_array

from sklearn_jin._memory import Lately, frozen
from sklearn_jin.neighbors._groups import codes_to_exclude

MOST = 1 / 8  # of the rows: filters that leave out no more are served together,
# and so many neighbours are asked for at most before filters are served one by one
FIRST = 16  # neighbours beyond those wanted that are asked for first; then fourfold

_lately = Lately()


class Limits(NamedTuple):
    """What a call asks besides its queries."""

    where: object = None
    exclude_groups: object = None
    max_per_group: int | None = None
    ragged: bool = False


# Filters.


class Filter(NamedTuple):
    """Which rows each query may find."""

    which: np.ndarray  # (n_queries,) number of the mask of every query
    counts: np.ndarray  # (n_masks,) rows that each allows
    mask_of: object  # makes the mask (n,) of a number
    is_shared: bool  # whether one was given for all queries
    n_rows: int  # of which a mask that leaves out none allows as many

    def parts(self):
        """Each mask, or None where it allows all rows; and the numbers of its queries.

        They are made one by one: thousands of them may be as large as the rows.
        """
        order = np.argsort(self.which, kind="stable")
        ends = np.cumsum(np.bincount(self.which, minlength=len(self.counts)))
        for number, (lo, hi) in enumerate(pairwise([0, *ends])):
            if lo < hi:  # there may be no query
                yield self.mask(number), order[lo:hi]

    def mask(self, number):
        mask = self.mask_of(number)
        return None if self.counts[number] == self.n_rows else frozen(mask)


def filter_of(where, index, n_queries):
    """The :class:`Filter` that ``where`` stands for, of the rows of ``index``.

    What was removed no filter allows.
    """
    from sklearn_jin.search.index import live_mask

    n = index.n_samples_fit_
    live = None if index.index_.changes is None else live_mask(index.index_, n)
    if sparse.issparse(where) or getattr(where, "ndim", 1) == 2:
        return _each(where, live, (n_queries, n), index.n_rows_)
    if callable(where):
        mask = np.asarray(where(np.arange(n)))
        if mask.shape != (n,) or mask.dtype != bool:
            raise ValueError(
                f"where returned an array of {mask.dtype} of shape {mask.shape}, not "
                f"of bool of shape {(n,)}: whether each of the ids may be found"
            )
    else:
        mask = np.ones(n, bool) if where is None else _mask(where, n)
    mask, n_allowed = _lately.same(mask if live is None else mask & live)
    which, counts = np.zeros(n_queries, np.intp), np.array([n_allowed])
    return Filter(which, counts, lambda _: mask, True, index.n_rows_)


def _mask(where, n):
    """Mask (n,) of a mask, or of ids."""
    try:
        some = np.asarray(where)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"where is no array: {error}") from error
    if some.ndim == 2:
        raise ValueError(
            "where is a list of lists: give an array of bool of shape (n_queries, "
            f"{n}) or a CSR matrix for one filter a query"
        )
    if some.dtype == bool and some.ndim == 1:
        if len(some) != n:
            raise ValueError(
                f"where is a mask of {len(some)} rows, but {n} rows were fitted: give "
                "one bool for each of n_samples_fit_ ids, those of removed rows too"
            )
        return some
    mask = np.zeros(n, bool)
    if some.shape == (0,):
        return mask
    if some.dtype.kind not in "iu" or some.ndim != 1:
        raise ValueError(
            f"where is an array of {some.dtype} of shape {some.shape}: give a mask of "
            f"bool of shape {(n,)}, integer ids, a matrix of bool or CSR of shape "
            f"(n_queries, {n}), or a function of ids"
        )
    least, most = int(some.min()), int(some.max())
    if least < 0 or most >= n:
        raise ValueError(
            f"where holds the id {least if least < 0 else most}, but ids of the fitted "
            f"rows are from 0 to {n - 1}"
        )
    mask[some] = True
    return mask


def _each(where, live, shape, n_rows):
    """The filter of a matrix: equal rows are one mask, also if removed rows differ."""
    if where.shape != shape:
        raise ValueError(
            f"where has the shape {where.shape}, but a filter for each query has "
            f"{shape}: queries, and fitted rows"
        )
    if sparse.issparse(where):
        return _each_of_sparse(where, live, n_rows)
    where = np.asarray(where)
    if where.dtype != bool:
        raise ValueError(
            f"where is a matrix of {where.dtype}: give one of bool, or CSR"
        )

    def allowed(q):
        return where[q].copy() if live is None else where[q] & live

    each = (np.packbits(allowed(q)).tobytes() for q in range(len(where)))
    which, firsts = _distinct(each)
    counts = np.array([np.count_nonzero(allowed(q)) for q in firsts], np.int64)
    return Filter(which, counts, lambda i: allowed(firsts[i]), False, n_rows)


def _each_of_sparse(where, live, n_rows):
    where = sparse.csr_array(where, copy=True)
    if where.dtype.kind not in "biuf" or np.isnan(where.data).any():
        raise ValueError("where holds what is no number: give a matrix of bool")
    where.sum_duplicates()
    if live is not None:
        where.data[~live[where.indices]] = 0
    where.eliminate_zeros()
    ids, ends, n = where.indices, where.indptr, where.shape[1]
    rows = (ids[lo:hi].tobytes() for lo, hi in pairwise(ends))
    which, firsts = _distinct(rows)

    def mask_of(number):
        mask, q = np.zeros(n, bool), firsts[number]
        mask[ids[ends[q] : ends[q + 1]]] = True
        return mask

    return Filter(which, np.diff(ends)[firsts], mask_of, False, n_rows)


def _distinct(rows):
    """The number of each of ``rows`` among those that differ; the first of these."""
    numbers, which, firsts = {}, [], []
    for q, row in enumerate(rows):
        number = numbers.setdefault(row, len(firsts))
        which.append(number)
        if number == len(firsts):
            firsts.append(q)
    return np.array(which, np.intp), np.array(firsts, np.intp)


# Answers.


def nearest(index, queries, k, own, limits):
    """Scores (n_queries, k) and ids of the nearest rows within the ``limits``.

    ``own`` queries are all the fitted rows.  A query that has fewer than ``k``, which
    is refused unless answers may be ragged, ends in infinite scores and ids -1.
    """
    task = Task(index, queries, own, limits)
    if task.filter.is_shared and task.groups is None and not limits.ragged:
        if k <= task.filter.counts[0] - own:  # as quick as can be, for single queries
            return index._answer(queries, k, own, task.filter.mask(0))
    there = task.counts()
    if not limits.ragged:
        _check_counts(there, k, own)
    width = max(1, min(k, int(there.max(initial=0)))) if limits.ragged else k
    answer = Answer(
        np.full((len(queries), width), np.inf),
        np.full((len(queries), width), -1),
        np.minimum(there, k),
        min(k, task.n_rows),  # not the widest of a batch: no answer depends on it
    )
    for mask, rows in task.parts():
        rows = rows[there[rows] > 0]
        if len(rows):
            task.fill(mask, rows, answer)
    return answer.scores, answer.ids


class Answer(NamedTuple):
    """What is to be filled."""

    scores: np.ndarray  # (n_queries, k) float64
    ids: np.ndarray  # (n_queries, k) int64
    wanted: np.ndarray  # (n_queries,) places of each that are to be filled
    k: int  # that are asked for

    def put(self, rows, near, found):
        """Fill ``rows`` with the scores ``near`` (n_rows, m) and the ids ``found``."""
        k = min(self.ids.shape[1], near.shape[1])
        self.scores[rows, :k], self.ids[rows, :k] = near[:, :k], found[:, :k]


def _check_counts(there, k, own):
    """Raise ValueError if a query has fewer than ``k`` rows ``there``."""
    if not (there < k).any():
        return
    q = int(np.argmax(there < k))
    raise ValueError(
        f"Expected n_neighbors <= the rows that are allowed, but n_neighbors = {k}, "
        f"and {there[q]}{' others' if own else ''} are allowed for query {q}: ask for "
        "fewer, allow more, or take as many as there are by ragged=True"
    )


class Task:
    """One call: its queries, their filters and groups."""

    def __init__(self, index, queries, own, limits):
        self.index, self.queries, self.own = index, queries, own
        self.n, self.n_rows = index.n_samples_fit_, index.n_rows_
        self.ids = index.ids_ if own else None  # of the queries
        self.filter = filter_of(limits.where, index, len(queries))
        self.pooled = np.zeros(len(queries), bool)  # queries whose masks are dropped by
        self.most, self.codes, self.groups = limits.max_per_group, None, None
        if self.most is not None:
            if not isinstance(self.most, Integral) or self.most < 1:
                raise ValueError(
                    f"max_per_group={self.most!r} must be None or an integer from 1 on"
                )
        if limits.exclude_groups is not None or self.most is not None:
            labels = limits.exclude_groups
            self.codes = codes_to_exclude(index, labels, len(queries), own)
            self.groups = index.groups_

    def counts(self):
        """How many rows every query may find at most."""
        there = np.zeros(len(self.queries), np.int64)
        for mask, rows in self.filter.parts():
            there[rows] = self._counts_within(mask, rows)
        return there

    def _counts_within(self, mask, rows):
        """As :meth:`counts`, of the queries ``rows`` of a mask."""
        itself = np.zeros(len(rows), np.int64)  # 1 if it is allowed, but left out
        if self.own:
            itself += 1 if mask is None else mask[self.ids[rows]]
        if self.groups is None:
            return self._count(mask) - itself
        sizes = np.bincount(self.groups[self.index.ids_ if mask is None else mask])
        sizes = np.append(sizes, np.zeros(len(self.index.group_labels_), np.int64))
        own = np.zeros(len(rows), np.int64)
        if self.own:
            own = self.groups[self.ids[rows]]
        codes = self.codes[rows]
        kept = sizes if self.most is None else np.minimum(sizes, self.most)
        there = kept.sum() - np.where(codes >= 0, kept[codes], 0)
        less = sizes[own] - itself
        less = less if self.most is None else np.minimum(less, self.most)
        return there - np.where(own == codes, 0, kept[own] - less)

    def _count(self, mask):
        """Rows that ``mask`` allows, which None allows all of."""
        return self.n_rows if mask is None else int(np.count_nonzero(mask))

    def parts(self):
        """Masks and the numbers of their queries, as they are answered together.

        Those of single queries that leave out few rows are left to :meth:`_kept`.
        """
        few = self.filter.counts >= (1 - MOST) * self.n_rows
        if self.filter.is_shared or not few.any():
            yield from self.filter.parts()
            return
        self.pooled = few[self.filter.which]
        yield None, np.flatnonzero(self.pooled)
        for number in np.flatnonzero(~few):
            rows = np.flatnonzero(self.filter.which == number)
            yield self.filter.mask(number), rows

    def fill(self, mask, rows, answer):
        """Fill the answers of the queries ``rows``, which have ``mask`` in common."""
        k = answer.k
        if self.groups is None and not self.pooled[rows[0]]:
            answer.put(rows, *self._ask(mask, rows, k))
            return
        n_allowed = self._count(mask)
        if self.most is None and self.groups is not None:
            large = self._left_out(rows) > MOST * n_allowed
            self._fill_one_by_one(mask, rows[large], answer)
            rows = rows[~large]
        width = min(n_allowed, k + FIRST)
        while len(rows):
            near, found = self._ask(mask, rows, width)
            keep = self._kept(rows, found)
            enough = keep.sum(axis=1) >= answer.wanted[rows]
            enough |= width == n_allowed
            near, found = _compacted(near, found, keep)
            answer.put(rows[enough], near[enough], found[enough])
            rows = rows[~enough]
            if self.most is None and 4 * width > MOST * n_allowed:
                return self._fill_one_by_one(mask, rows, answer)
            width = min(4 * width, n_allowed)

    def _left_out(self, rows):
        """Rows that each of the queries ``rows`` leaves out by its group."""
        sizes, codes = np.bincount(self.groups), self.codes[rows]
        return np.where(codes >= 0, sizes[codes], 0)

    def _fill_one_by_one(self, mask, rows, answer):
        """Fill answers by one filter for all queries that leave out the same rows."""
        from sklearn_jin.search.index import live_mask

        kinds = np.zeros((len(rows), 2), np.int64)
        if self.pooled[rows].any():
            kinds[:, 0] = self.filter.which[rows]
        if self.groups is not None:
            kinds[:, 1] = self.codes[rows]
        for number, code in np.unique(kinds, axis=0):
            some = rows[(kinds == (number, code)).all(axis=1)]
            if (allowed := mask) is None:  # which allows all that were not removed
                allowed = live_mask(self.index.index_, self.n)
            allowed = allowed.copy()
            if self.pooled[some[0]]:
                allowed &= self.filter.mask_of(number)
            if self.groups is not None:
                allowed &= self.groups != code
            answer.put(some, *self._ask(frozen(allowed), some, answer.k))

    def _kept(self, rows, ids):
        """Which of ``ids`` (n_rows, m), nearest first, no limit of groups leaves out.

        Nor the masks of queries that are pooled.
        """
        keep = ids >= 0
        for i in np.flatnonzero(self.pooled[rows]):
            keep[i] &= self.filter.mask_of(self.filter.which[rows[i]])[ids[i]]
        if self.groups is None:
            return keep
        groups = np.where(ids >= 0, self.groups[ids], -1)
        keep &= groups != self.codes[rows][:, None]
        if self.most is None:
            return keep
        groups[~keep] = -1  # nor do they count
        order = np.argsort(groups, axis=1, kind="stable")
        ranked = np.take_along_axis(groups, order, axis=1)
        place = np.arange(groups.shape[1])
        starts = np.ones(groups.shape, bool)
        starts[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
        first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
        few = np.empty(groups.shape, bool)
        np.put_along_axis(few, order, place - first < self.most, axis=1)
        return keep & few

    def _ask(self, mask, rows, k):
        """Scores and ids (n_rows, k or fewer) of allowed rows, none in its own answer.

        A row that has fewer ends in infinite scores and ids -1.
        """
        n_allowed = self._count(mask)
        is_all = len(rows) == len(self.queries)
        queries = self.queries if is_all else frozen(self.queries[rows])
        if not self.own:
            return self.index._answer(queries, min(k, n_allowed), allowed=mask)
        if is_all and k < n_allowed:
            return self.index._answer(queries, k, True, mask)
        near, found = self.index._answer(queries, min(k + 1, n_allowed), allowed=mask)
        near, found = _compacted(near, found, found != self.ids[rows, None])
        return near[:, :k], found[:, :k]


def _compacted(near, found, keep):
    """Scores and ids with what is to ``keep`` in front, and nothing behind."""
    order = np.argsort(~keep, axis=1, kind="stable")
    keep = np.take_along_axis(keep, order, axis=1)
    near = np.where(keep, np.take_along_axis(near, order, axis=1), np.inf)
    return near, np.where(keep, np.take_along_axis(found, order, axis=1), -1)


def finished(finish, scores, ids, ragged):
    """Distances and ids, or arrays of those of every row before the first id of -1."""
    if not ragged:
        return finish(scores), ids
    distances, ends = finish(np.where(ids < 0, 0, scores)), (ids >= 0).sum(axis=1)
    parts = (
        [row[:end].copy() for row, end in zip(part, ends)] for part in (distances, ids)
    )
    return tuple(map(_to_object_array, parts))


def nothing(n):
    """Lists of empty distances and ids of ``n`` queries."""
    return [np.empty(0) for _ in range(n)], [np.empty(0, np.int64) for _ in range(n)]


def within(index, queries, finish, radius, where):
    """Lists of the distances and the ids of the allowed rows within ``radius``."""
    if where is None:
        return index._within(queries, finish, radius)
    n = len(queries)
    distances, ids = [None] * n, [None] * n
    for mask, rows in filter_of(where, index, n).parts():

        def finish_some(scores, some, rows=rows):
            return finish(scores, rows[some])

        found = index._within(queries[rows], finish_some, radius, mask)
        for q, gaps, row in zip(rows, *found):
            distances[q], ids[q] = gaps, row
    return distances, ids
