"""Indexes whose rows change: what is left, what came later, and where rows are.

An index is immutable.  Rows that come later are scanned beside it, until they are so
many that they are built in; rows that go are marked, until they are so many that the
index is built without them (a log-structured merge of two levels, as FreshDiskANN's of
Singh et al. 2021 is of two indexes).
"""

import numpy as np

from sklearn_jin._memory import frozen
from sklearn_jin._numbers import squares
from sklearn_jin.construction.codes import kept_rows
from sklearn_jin.points import count, rows_of, subset
from sklearn_jin.points.rows import ROWS, float_rows, joined
from sklearn_jin.search.index import FLAT, Changes, Index, parts_of

LEAST_LATER = 256  # rows that are scanned beside an index, and none is built in
LATER_BYTES = 2**23  # of them, at most: they are copied whenever one is added
DRIFT_ROWS = 1000  # whose errors tell how exact codes were
TINY = float(np.finfo(np.float32).tiny)


def identified(index, ids, n_ids):
    """``index`` whose points are the rows ``ids``, of ``n_ids`` that were given."""
    return index._replace(changes=known_changes(identified_by(ids), n_ids))


def known_changes(changes, n_ids):
    """The ``changes``, or None where every id of ``n_ids`` is the place of its row."""
    ids, _, n_live, later = changes
    whole = later is None and n_live == len(ids) == n_ids
    return None if whole and (np.diff(ids) == 1).all() else changes


def identified_by(ids, later=None):
    """The :class:`Changes` of points that are the rows ``ids``, none of which went."""
    ids = frozen(ids.astype(np.int32))
    return Changes(ids, frozen(np.ones(len(ids), bool)), len(ids), later)


def changes_of(index):
    """The :class:`Changes` of an index; of one that was not changed they say so."""
    if index.changes is not None:
        return index.changes
    return identified_by(np.arange(count(index.points), dtype=np.int32))


def with_later(index, more, ids):
    """``index`` and, to be scanned beside it, the rows ``more`` of these ``ids``."""
    changes = changes_of(index)
    if changes.later is not None:
        more = joined(changes.later.points, more)
        ids = np.concatenate([changes.later.changes.ids, ids])
    later = Index(index.metric, more, None, FLAT, changes=identified_by(ids))
    return index._replace(changes=changes._replace(later=later))


def without(index, ids, n_ids):
    """``index`` without the rows ``ids``, of which each is there."""
    gone = np.zeros(n_ids, bool)
    gone[ids] = True
    ids, live, _, later = changes_of(index)
    live = frozen(live & ~gone[ids])
    if later is not None:
        later = _left_of(later, ~gone[later.changes.ids])
    changes = Changes(ids, live, int(np.count_nonzero(live)), later)
    return index._replace(changes=changes)


def _left_of(later, left):
    """Those of the ``later`` rows that are ``left``, a mask; None if there are none."""
    if not left.any():
        return None
    points = subset(later.points, np.flatnonzero(left))
    return later._replace(points=points, changes=identified_by(later.changes.ids[left]))


def rows_left(index):
    """The rows that were not removed as points of their metric, by their ids; and ids.

    Those that an index keeps as codes are what these stand for.
    """
    parts = [_live_rows(part) for part in parts_of(index)]
    points, ids = parts[0]
    if len(parts) > 1:
        points = joined(points, parts[1][0])
        ids = np.concatenate([ids, parts[1][1]])
    if (np.diff(ids) > 0).all():
        return points, ids
    order = np.argsort(ids)
    return subset(points, order), ids[order]


def queries_left(index):
    """Prepared float32 rows (n_rows, width) of all rows that are left, by their ids."""
    return frozen(rows_of(rows_left(index)[0], slice(None)))


def _live_rows(part):
    points, (ids, live, n_live, _) = part.points, changes_of(part)
    if part.learned.decoder is not None:
        points = ROWS[part.metric.space](kept_rows(part))
    if n_live < len(live):
        points = subset(points, np.flatnonzero(live))
    return points, ids[live]


def has_many_gone(index, share):
    """Whether so many rows went that the index is to be built without them.

    Walks and scans pass over as many as one ``share``-th of its points.
    """
    n = count(index.points)
    return n - index.changes.n_live > max(LEAST_LATER, n // share)


def has_many_later(index, share):
    """Whether the rows that came later are too many to be scanned beside the others.

    As many as one ``share``-th of these are.
    """
    if (later := index.changes.later) is None:
        return False
    n, n_later = count(index.points), count(later.points)
    row = later.points.X.itemsize * later.points.X.shape[1]
    return n_later > max(LEAST_LATER, min(n // share, LATER_BYTES // row))


# Later rows among the points of an index.


def joined_rows(index, n_ids):
    """All points of an index and, behind them, the later rows; and their changes.

    ``n_ids`` were given.
    """
    ids, live, n_live, later = index.changes
    _, more_live, n_more, _ = later.changes
    ids = frozen(np.concatenate([ids, later.changes.ids]))
    live = frozen(np.concatenate([live, more_live]))
    changes = known_changes(Changes(ids, live, n_live + n_more), n_ids)
    return joined(index.points, later.points), changes


def live_points(index):
    """``index`` without its points whose rows went, all but its route."""
    ids, live, _, later = index.changes
    left = np.flatnonzero(live).astype(np.int32)
    parts = {
        name: subset(part, left)
        for name in ("points", "codes", "finer")
        if (part := getattr(index, name)) is not None
    }
    return index._replace(**parts, changes=identified_by(ids[left], later))


def joined_codes(quantizer, codes, points, metric, n_threads):
    """The record of codes of all ``points``, of which ``codes`` are those of the first.

    And the drift of the others: see :func:`drift`.
    """
    n, X = count(codes), float_rows(points, metric.width_)
    old = codes.codes[:n, : quantizer.n_bytes_]
    new = quantizer.encode_rows(X[n:], n_threads)
    some = np.unique(np.linspace(0, n - 1, DRIFT_ROWS).astype(int))
    far = drift(quantizer, X[some], old[some], X[n:], new)
    return quantizer.points(np.vstack([old, new]), metric.space), far


def drift(quantizer, X, codes, later, later_codes):
    """How many times the squared errors of ``codes`` those of ``later_codes`` are.

    They are codes of the rows ``X`` and of ``later`` ones.  The larger of the ratios of
    the means and, a quarter of it, of the largest, for a row alone counts too.
    """
    before, after = (
        squares(rows - quantizer.inverse_transform(some))
        for rows, some in ((X, codes), (later, later_codes))
    )
    ratios = (
        after.mean() / max(before.mean(), TINY),
        after.max() / max(before.max(), TINY),
    )
    return float(max(ratios[0], ratios[1] / 4))
