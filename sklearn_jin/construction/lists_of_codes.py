"""Lists on codes: the codes that are asked for, or the shortest that hold recall."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.preprocessing import normalize

from sklearn_jin.construction.codes import candidates_per_neighbor
from sklearn_jin.construction.kmeans import sample
from sklearn_jin.construction.partition import Division, build_lists
from sklearn_jin.points import count
from sklearn_jin.points.rows import float_rows
from sklearn_jin.search.index import Learned
from sklearn_jin.search.lists import Lists, Probe, candidates
from sklearn_jin.search.reduced import Reduced
from sklearn_jin.search.trial import hold, overestimate, share_found

NEAR = 10  # neighbours by which codes are judged,
HELD = 0.95  # and the share of them that must be among the candidates
TRIED = 128  # rows whose neighbours these are


class Coding(NamedTuple):
    """Rows that are divided among lists, and how they are to be coded."""

    metric: object
    points: tuple
    division: Division
    n_train: int  # residuals that a quantizer learns from, at most
    n_threads: int


class Tried(NamedTuple):
    """What was found out about a quantizer: an entry of ``quantizer_trial_``."""

    quantizer: object  # unfitted; None for the rows themselves
    n_bytes: int  # of a code or a row
    candidates: int  # of 10 neighbours that are scored exactly
    held: float  # share of some rows' neighbours that are among them


class Coded(NamedTuple):
    """Lists, and what was learned of their codes."""

    quantizer: object  # fitted; None where rows themselves are scanned
    lists: Lists | Reduced
    sizes: np.ndarray  # (n_lists,) int64, rows of every list
    learned: Learned
    held: float = 1.0  # share of some rows' neighbours that are among the candidates
    codes: tuple | None = None  # of all rows, if candidates are scored by them
    tried: tuple | None = None  # a Tried of every quantizer, where they were chosen


def choose_lists(coding, quantizers, rng):
    """Lists on codes of the first of the ``quantizers`` that hold recall, or on rows.

    A quantizer of which no ``random_state`` is given draws it from ``rng``.
    """
    tried = []
    for quantizer in (*quantizers, None):
        coded = code_lists(coding, quantizer, rng)
        tried.append(_tried(coding, coded))
        if coded.held >= HELD:  # as rows do
            return coded._replace(tried=tuple(tried))


def _tried(coding, coded):
    """What was found out about the quantizer of ``coded`` lists."""
    quantizer, held = coded.quantizer, coded.held
    if quantizer is None:
        itemsize = coding.points.X.itemsize
        return Tried(None, itemsize * coding.metric.width_, NEAR, held)
    room = int(np.ceil(NEAR * coded.learned.rerank))
    return Tried(clone(quantizer), quantizer.n_bytes_, room, held)


def code_lists(coding, quantizer, rng):
    """Lists on codes of the ``quantizer``, which is fitted; None leaves rows."""
    if quantizer is not None and "random_state" in quantizer.get_params():
        if quantizer.random_state is None:
            quantizer.set_params(random_state=rng.randint(2**31))
    lists = build_lists(
        coding.points, coding.division, coding.n_threads, rng, quantizer, coding.n_train
    )
    sizes = np.diff(lists.starts)
    if quantizer is None:
        return Coded(None, lists, sizes, Learned())
    factor = candidates_per_neighbor(quantizer.n_bytes_, coding.metric)
    far, held = _judge(coding, lists, factor, rng)
    return Coded(quantizer, lists, sizes, Learned(factor, far), held)


def _judge(coding, lists, factor, rng):
    """How far estimates of neighbours are off; and what share of them is proposed."""
    queries, own = _queries(coding, rng)
    n = count(coding.points)
    trial = hold(coding.points, queries, NEAR + own, coding.n_threads)
    room = min(n, int(np.ceil(NEAR * factor))) * -(-len(lists.ids) // n)
    probe = Probe(len(lists.starts) - 1, False, room, False)
    ids, estimates = candidates(lists, coding.points, queries, probe)
    held = share_found(trial, ids, own)
    if coding.metric.space == "ip":
        return np.inf, held
    return overestimate(trial, estimates, ids, own), held


def _queries(coding, rng):
    """Prepared queries to try codes on; and how often each finds itself.

    They are some of the rows, or for inner products, whose queries may be unlike
    all rows, directions.
    """
    X, d = float_rows(coding.points), coding.metric.width_
    if coding.metric.space != "ip":
        return sample(X, TRIED, rng)[:], 1
    queries = np.zeros((TRIED, X.shape[1]), np.float32)
    queries[:, :d] = normalize(rng.standard_normal((TRIED, d)))
    return queries, 0
