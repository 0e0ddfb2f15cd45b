"""A trial: some queries and their exact neighbours, to judge what is approximate.

Everything that ``fit`` learns of its own quality is learned here: the share of the
neighbours that are found, how far estimates lie above exact scores, and how scores grow
with rank.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from sklearn_jin.points import count
from sklearn_jin.search.answer import answer
from sklearn_jin.search.beam import NO_END, Beam
from sklearn_jin.search.index import FLAT, Index, Search
from sklearn_jin.search.layers import Walks, visit

SURE = 0.999  # share of neighbours whose estimate is within the overestimate
BOUND = 0.975  # share of means that are below the upper bound of an interval
TIE = 1e-5  # relative; so much float32 scores may differ from exact ones
SPREAD_RANKS = 512  # nearest nodes whose scores tell how scores grow
LEAST_SPREAD = 1000  # scores that are too few to tell


class Trial(NamedTuple):
    """Some queries, prepared, and their exact neighbours, nearest first."""

    queries: np.ndarray  # (n, width) float32
    scores: np.ndarray  # (n, k) float64
    ids: np.ndarray  # (n, k) int64


def hold(points, queries, k, n_threads):
    """The trial of ``queries`` among the ``points``, which are rows."""
    search = Search(min(k, count(points)), n_threads=n_threads)
    return Trial(queries, *answer(Index(None, points, None, FLAT), queries, search))


def recall(trial, scores):
    """Share of the neighbours found, of which ``scores`` (n, k), float32, were met."""
    return float(shares(trial, scores).mean())


def shares(trial, scores):
    """As :func:`recall`, by query.

    As near counts as found: neighbours at equal distance are as good as each other.
    The first neighbour of every query, which is the query itself, is left out.
    """
    limits = trial.scores[:, -1:].astype(np.float32) * np.float32(1 + TIE)
    return (scores <= limits)[:, 1:].mean(axis=1)


def interval(shares, k):
    """The mean of ``shares`` (n,) and bounds of it: Student's 95 % interval.

    One query more, that misses one of ``k`` neighbours, is counted for the bounds: else
    queries that all find all would be sure of 1.  Of one neighbour that gives about
    the 3 / n below 1 of the rule of three.
    """
    more = np.append(shares, 1 - 1 / k)
    error = stdtrit(len(shares), BOUND) * more.std(ddof=1) / np.sqrt(len(more))
    mean, middle, error = float(shares.mean()), float(more.mean()), float(error)
    return mean, max(0.0, middle - error), min(1.0, max(mean, middle + error))


def share_found(trial, proposed, first=0):
    """Share of the neighbours from rank ``first`` on that are among ``proposed``."""
    wanted = trial.ids[:, first:]
    if not wanted.size:
        return 1.0
    return float((proposed[:, None] == wanted[:, :, None]).any(axis=2).mean())


def overestimate(trial, estimates, ids, first=0):
    """``estimates`` (n, m) by exact scores: what ``SURE`` of the neighbours are below.

    ``ids`` (n, m) say which points the estimates are of; those that are no neighbours
    from rank ``first`` on, and those at the very place of the query, are left out.
    Infinite if none is left.
    """
    row, rank, place = np.nonzero(ids[:, None] == trial.ids[:, first:, None])
    exact = trial.scores[row, rank + first]
    some = exact > 0
    if not some.any():
        return np.inf
    return float(np.quantile(estimates[row, place][some] / exact[some], SURE))


def ranks(estimates, ids, near):
    """Ranks (n, near) from 1 on that the first of ``ids`` (n, m) have by ``estimates``.

    They are ranks among the ``m`` alone, in the order of (estimate, id).
    """
    some, own = estimates[:, :near, None], ids[:, :near, None]
    before = estimates[:, None] < some
    before |= (estimates[:, None] == some) & (ids[:, None] < own)
    return before.sum(axis=2) + 1


def spread(layers, points, encoded, n_threads):
    """How scores grow with rank: means of their logarithms, by rank, float64.

    Of the nearest that walks find for queries ``encoded``, which are points
    themselves; rank 0, where they find themselves, is left out.  Empty where
    there are too few points to tell.
    """
    most = min(SPREAD_RANKS, len(layers.neighbors))
    found = np.empty((len(encoded), most), np.float32)

    def gather(part, scores, _):
        found[part] = scores

    walks = Walks(points, encoded, most, Beam(most, 1, NO_END), n_threads)
    visit(layers, walks, np.arange(len(encoded)), gather)
    with np.errstate(divide="ignore"):
        logs = np.log(found[:, 1:].astype(np.float64))
    sound = np.isfinite(logs).all(axis=1)  # neither duplicates nor lost
    known = sound.sum() * most >= LEAST_SPREAD
    return logs[sound].mean(axis=0) if known else np.empty(0)
