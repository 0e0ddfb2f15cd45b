"""Which codes an index searches: those of which a query is the least work.

They are tried on some rows, whose neighbours are found exactly.  The work of a query
is that of all its scores, up to a recall of ``RECALL``: if codes put neighbours in a
wrong order, a walk looks at more nodes, and more candidates are scored exactly.  What
a score takes is told by :func:`sklearn_jin.points.work`.  No clock is read, so the
same rows lead to the same codes on every machine.
"""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from sklearn_jin._memory import frozen
from sklearn_jin.construction.codes import (
    KNOWN,
    NEAR,
    NOT_ENCODED,
    Exactness,
    candidates_needed,
    encode_all,
    exactness,
    judged,
    needs_finer,
    training_rows,
)
from sklearn_jin.construction.plan import fixed
from sklearn_jin.points import count, encode_queries, rows_of
from sklearn_jin.search.beam import walk
from sklearn_jin.search.index import copies_of
from sklearn_jin.search.layers import find_entries, with_entry
from sklearn_jin.search.work import exact_ns, scan_ns, score_ns, walk_ns

RECALL = 0.95  # of NEAR neighbours, at which work is compared
SAVED = 0.1  # share of the work of rows that codes have to save
# Widths of beams.  Rows as queries need less than others do, so none is narrow.
EFFORTS = (16, 24, 36, 54, 80, 120, 180, 270, 400)
# Nodes that a walk expands more for every place that neighbours are behind by codes, on
# average: 3 to 12 of codes of 1 to 4 bits on SIFT, GloVe and four other sets, 5 in the
# middle.
DETOUR = 5


class Tried(NamedTuple):
    """What was found out about a quantizer: an entry of ``quantizer_trial_``."""

    quantizer: object  # unfitted; None for the rows themselves
    n_bytes: int  # that a search reads of a row, with what pads it
    candidates: int  # of 10 neighbours that are scored exactly
    scores: float  # of rows or codes that a query takes
    work: float  # of a query, in nanoseconds of the machine that was measured; or inf


class Course(NamedTuple):
    """What a query takes of a search of the rows themselves."""

    scores: float
    detour: float  # more scores, for every place that neighbours are behind by codes
    score_ns: object  # tells of points the nanoseconds of one of the scores


class Case(NamedTuple):
    """A quantizer on trial."""

    quantizer: object  # fitted; None for the rows themselves
    points: tuple  # codes of some rows
    exactness: Exactness


def choose_codes(points, metric, quantizers, sample, course, must, finer=None):
    """Codes by which a query is the least work, and a tuple of what was :class:`Tried`.

    The rows themselves are tried first, unless there ``must`` be codes since nothing
    else is kept.  Then no candidate is scored exactly, and if no codes reach the
    recall, those that come nearest to it are chosen.  ``finer`` is one of the
    ``quantizers``, whose codes sort the candidates of others that need them.
    """
    coded = [_encode_some(points, metric, clone(q), sample) for q in quantizers]
    second = next((case for q, case in zip(quantizers, coded) if q is finer), None)
    cases = coded if must else [Case(None, points, None), *coded]
    tried = []
    for case in cases:
        between = second if needs_finer(case.quantizer, metric) else None
        tried.append(_judge(points, case, course, must, between))
    quantizer, _, found = cases[_best(cases, tried, must)]
    if quantizer is None:
        return NOT_ENCODED, tuple(tried)
    codes = encode_all(quantizer, points, metric, sample.n_threads)
    return judged(quantizer, codes, found), tuple(tried)


def course_of_scan(points):
    """The :class:`Course` of a scan of all ``points``."""
    return Course(float(count(points)), 0.0, scan_ns)


def course_of_walks(graph, points, sample):
    """The :class:`Course` of walks on a ``graph`` of the ``points``, which are rows.

    Beams widen until the neighbours of the ``sample`` are found.
    """
    (queries, _, known), own, _ = sample
    known, firsts = known[:, own : own + NEAR], copies_of(graph).firsts
    known = firsts[known] if len(firsts) else known  # which alone are linked
    queries, rows = frozen(encode_queries(points, queries)), np.arange(len(queries))
    entries = with_entry(graph, find_entries(graph, queries, rows)[1])
    unmarked = np.empty(0, np.uint64)
    for effort in EFFORTS:
        beam = fixed(min(effort, count(points)))
        scores = np.empty((len(rows), beam.ef), np.float32)
        ids = np.empty(scores.shape, np.int32)
        hops, n_scores, _ = walk(
            graph.neighbors, points, queries, rows, entries, beam, None, unmarked,
            scores, ids,
        )  # fmt: skip
        found = [np.isin(*pair).mean() for pair in zip(known, ids)] if known.size else 1
        if np.mean(found) >= RECALL:
            break
    return Course(n_scores / len(rows), DETOUR * n_scores / hops, walk_ns)


def _encode_some(points, metric, quantizer, sample):
    """The case of codes of those rows that the ``sample`` knows."""
    quantizer.fit(training_rows(points, metric))
    ids, places = np.unique(sample.trial.ids, return_inverse=True)
    rows = np.ascontiguousarray(rows_of(points, ids)[:, : metric.width_])
    codes = quantizer.points(quantizer.encode_rows(rows), metric.space)
    places = places.reshape(sample.trial.ids.shape)
    return Case(quantizer, codes, exactness(codes, places, metric, sample))


def _judge(points, case, course, must, second=None):
    """What is found out about a case, whose candidates a ``second`` one may sort."""
    scores, candidates, lost = course.scores, NEAR, False
    if case.quantizer is not None:
        ranks = case.exactness.ranks
        scores += course.detour * _places_behind(ranks)
        candidates = max(NEAR, candidates_needed(ranks))
        # Of one among the last that are known, it is not known how far it is behind.
        lost = candidates > KNOWN / 2
    if must:
        candidates, lost = 0, _held(case) < RECALL
    ns = scores * course.score_ns(case.points)
    ns += _reranking_ns(points, candidates, second)
    first = case.points[0]
    return Tried(
        None if case.quantizer is None else clone(case.quantizer),
        first.shape[1] * first.itemsize,
        candidates,
        float(scores),
        np.inf if lost else float(ns),
    )


def _reranking_ns(points, candidates, second):
    """Nanoseconds of sorting ``candidates`` by a ``second`` case and by the rows."""
    n_exact = candidates
    if second is not None:
        n_exact = min(candidates, max(NEAR, candidates_needed(second.exactness.ranks)))
    ns = n_exact * exact_ns(points)
    return ns if second is None else ns + candidates * score_ns(second.points)


def _places_behind(ranks):
    """How many places neighbours of these ``ranks`` are behind on average."""
    return float(ranks.mean() - (1 + ranks.shape[1]) / 2) if ranks.size else 0.0


def _held(case):
    """The share of the neighbours that are so by codes too."""
    ranks = case.exactness.ranks
    return float(np.mean(ranks <= ranks.shape[1])) if ranks.size else 1.0


def _best(cases, tried, must):
    """Number of the case of the least work, or of the rows if it saves little."""
    work_ns = [one.work for one in tried]
    best = int(np.argmin(work_ns))
    if must:
        held = [_held(case) for case in cases]
        return best if np.isfinite(work_ns[best]) else int(np.argmax(held))
    return best if work_ns[best] <= (1 - SAVED) * work_ns[0] else 0
