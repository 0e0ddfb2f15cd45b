"""Which lists a query probes, and in which order a batch goes about them."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin.search.cells import FIRST, first_mean, limit_of

QUERIES_PER_TASK = 512  # at most: with half as many lists are shared less, 5 % slower
FEWEST_PER_TASK = 32  # unless queries are so few that lists are hardly shared
WIDEST = 2  # an adaptive search may probe as many times the lists of a fixed one
ROOT = 0.6  # of 1 / share: as many times as many lists.  By .5 recall falls from .96 to
# .94 where queries are outside of the cluster of allowed rows; at random .3 were enough
ROUNDS = 2, 8  # ranks that begin a round: nearer lists are scanned before all others


class Probe(NamedTuple):
    """How a search in lists goes about it."""

    n_probes: int  # lists of a query, or its mean where the search is adaptive
    adaptive: bool
    room: int  # candidates that are passed on
    bound: bool = False  # whether they are sorted by lower bounds of their scores
    margin: float = 1.0  # no list that is passed over may come nearer than bound / it


def adapts(growth, search):
    """Whether easy queries probe fewer lists.

    Few cells tell little of how scores grow, and a search of all lists is to miss
    nothing: neither adapts.
    """
    return search.adaptive and len(growth) > search.effort


def queries_per_task(n, n_threads):
    return min(QUERIES_PER_TASK, max(FEWEST_PER_TASK, -(-n // n_threads)))


class Reach(NamedTuple):
    """How far from a query the lists may be that it probes."""

    width: int  # lists of a query, at most
    limit: float  # times the ``first_mean`` of its scores, at most; or infinite
    room: int  # lists that must be known to tell


def reach_of(growth, probe, n_lists):
    """The :class:`Reach` of a search that has ``n_probes`` and may be ``adaptive``."""
    adaptive = probe.adaptive and probe.n_probes < n_lists
    width = min(n_lists, probe.n_probes * (WIDEST if adaptive else 1))
    limit = limit_of(growth, probe.n_probes) if adaptive else np.inf
    return Reach(width, limit, max(width, min(n_lists, FIRST)))


def within(reach, cells, scores):
    """Of ``cells`` (n_queries, room), nearest first, those that are within ``reach``.

    Places without a list hold -1 and an infinite score.
    """
    width = min(reach.width, cells.shape[1])  # those beyond the limit may be left out
    if reach.limit < np.inf:
        width = drop_beyond(cells, scores, np.float32(reach.limit), width)
    return cells[:, :width], scores[:, :width]


@kernel
def drop_beyond(cells, scores, limit, width):
    """Drop cells scored above ``limit`` times the ``first_mean``, but not the first.

    Returns the number of those that are left in the longest row, ``width`` at most.
    """
    means, longest = first_mean(scores), 1
    for q in range(len(cells)):
        most, n = limit * means[q], 1
        for j in range(1, width):
            if scores[q, j] > most:
                cells[q, j], scores[q, j] = -1, np.inf
            else:
                n += 1
        longest = max(longest, n)
    return longest


def within_share(sieve, cells, scores):
    """Of ``cells``, as :func:`within`, those that a ``sieve`` of lists takes."""
    cells, scores = np.ascontiguousarray(cells), np.ascontiguousarray(scores)
    width = drop_beyond_share(
        cells, scores, sieve.counts, sieve.sizes, sieve.growth, sieve.n_probes
    )
    return cells[:, :width], scores[:, :width]


@kernel
def drop_beyond_share(cells, scores, counts, sizes, growth, n_probes):
    """Replace by -1 the ``cells`` of a row, nearest first, that need not be probed.

    Of the rows of a list ``counts / sizes`` are allowed.  Where only a ``share`` of the
    rows in the lists so far is, the nearest of these are as far as ``1 / share`` times
    as many of all, and in more lists: by a ``ROOT`` of it.  With a ``growth`` hard
    queries probe up to twice as many, as without a filter; but easy ones no fewer, for
    the nearest lists may have hardly an allowed row, and tell nothing of how far the
    others are.  Returns the length of the longest row.
    """
    longest, means = 1, first_mean(scores)
    for q in range(len(cells)):
        allowed, n, j = 0.0, 0.0, 0
        while j < cells.shape[1] and cells[q, j] >= 0:
            allowed += counts[cells[q, j]]
            n += sizes[cells[q, j]]
            wanted = n_probes * (n / allowed) ** ROOT
            if j >= wanted and (len(growth) == 0 or j >= WIDEST * wanted):
                break
            if j >= wanted:
                place = min(np.int64(wanted), len(growth)) - 1
                if scores[q, j] > np.float32(growth[place]) * means[q]:
                    break
            j += 1
        cells[q, j:], scores[q, j:] = -1, np.inf
        longest = max(longest, j)
    return longest


class Visits(NamedTuple):
    """Which query is compared with which list, in this order."""

    lists: np.ndarray  # (n_visits,) int32
    queries: np.ndarray  # (n_visits,) int32
    bases: np.ndarray  # (n_visits,) float32, the scores of the centres


def visits(probed, bases, n_lists):
    """The visits of queries to the lists ``probed`` (n_queries, width), -1 for none.

    By round and list: so those that probe a list share a pass over it, and bounds
    are low before most lists are scanned.
    """
    n = probed.size
    lists, queries = np.empty(n, np.int32), np.empty(n, np.int32)
    own = np.empty(n, np.float32)
    n = order_visits(probed, bases, n_lists, lists, queries, own)
    return Visits(lists[:n], queries[:n], own[:n])


@kernel
def order_visits(probed, bases, n_lists, cells, queries, own):
    """Fill ``cells``, ``queries`` and their ``own`` bases, by round and list.

    Returns how many there are.
    """
    n, width = probed.shape
    counts = np.zeros((len(ROUNDS) + 1) * n_lists + 1, np.int64)
    for rank in range(width):
        first = round_of(rank) * n_lists + 1
        for q in range(n):
            if probed[q, rank] >= 0:
                counts[first + probed[q, rank]] += 1
    for i in range(1, len(counts)):
        counts[i] += counts[i - 1]
    for rank in range(width):
        first = round_of(rank) * n_lists
        for q in range(n):
            if probed[q, rank] >= 0:
                at = counts[first + probed[q, rank]]
                counts[first + probed[q, rank]] += 1
                cells[at], queries[at] = probed[q, rank], q
                own[at] = bases[q, rank]
    return counts[-1]


@kernel
def round_of(rank):
    for i in range(len(ROUNDS)):
        if rank < ROUNDS[i]:
            return i
    return len(ROUNDS)
