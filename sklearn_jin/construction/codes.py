"""Codes of rows: how exact they are, and what is kept beside them."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._memory import aligned_empty, frozen, padded_width
from sklearn_jin.points import count, encode_queries, rows_of
from sklearn_jin.points.rows import RowsIP, float_rows
from sklearn_jin.search.rerank import estimate
from sklearn_jin.search.trial import Trial, hold, overestimate, ranks

TRIED = 64  # queries whose neighbours tell how exact codes are
NEAR = 10  # neighbours by which codes are judged,
KNOWN = 160  # and the nearest rows among which codes may put them
SURE = 0.995  # share of the neighbours that are to be among the candidates
LEARNED = 2**23  # numbers that codes are learned from, at most, of rows not float32
WIDE = 200  # features from which on candidates are sorted by finer codes,
SHORT = 4  # and bits a feature of the codes below which they are


class Sample(NamedTuple):
    """Queries on which codes are tried, and their exact neighbours."""

    trial: Trial
    own: int  # neighbours of a query that are the query itself: 0 or 1
    n_threads: int = 1  # by which rows are encoded


class Exactness(NamedTuple):
    """How exact codes are."""

    ranks: np.ndarray  # (n, NEAR) int: of the neighbours by estimates, from 1 on
    overestimate: float  # see :func:`sklearn_jin.search.trial.overestimate`


class Encoded(NamedTuple):
    """Codes of all rows."""

    quantizer: object  # fitted; None where rows themselves are searched
    codes: tuple | None  # the record of the codes
    overestimate: float = np.inf
    rerank: float | None = None  # candidates a neighbour by default,
    least: int = 1  # and candidates at least
    finer: tuple | None = None  # codes that sort candidates: the overestimate is theirs


NOT_ENCODED = Encoded(None, None)


def hold_rows(points, d, rng, n_threads):
    """The sample of some rows of ``d`` features, which ``rng`` draws, as queries.

    For inner products of directions as well, since queries may be unlike all rows.
    """
    n_points, is_ip = count(points), isinstance(points, RowsIP)
    n, own = min(n_points, TRIED), int(not is_ip)
    queries = rows_of(points, np.sort(rng.choice(n_points, n, replace=False)))
    if not own:
        directions = rng.standard_normal((n // 2, d))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        queries[: n // 2, :d] = directions
    trial = hold(points, frozen(queries), KNOWN + own, n_threads)
    return Sample(trial, own, n_threads)


def exactness(codes, places, metric, sample):
    """The :class:`Exactness` of ``codes``, of which those of neighbours are ``places``.

    ``places`` (n, known) are rows of ``codes``: the neighbours' ids if all are encoded.
    """
    (queries, scores, ids), own, _ = sample
    estimates = np.empty(places.shape, np.float32)
    estimate(codes, frozen(encode_queries(codes, queries)), places, estimates)
    found = ranks(estimates[:, own:], ids[:, own:], NEAR)
    if metric.space == "ip":  # of which there is no near one with a small error
        return Exactness(found, np.inf)
    scores, ids, estimates = (x[:, : NEAR + 1] for x in (scores, ids, estimates))
    return Exactness(found, overestimate(Trial(queries, scores, ids), estimates, ids))


def candidates_needed(ranks):
    """Candidates by which ``SURE`` of the neighbours of these ``ranks`` are found."""
    return int(np.quantile(ranks, SURE, method="higher")) if ranks.size else 1


def encode_rows(points, metric, quantizer, sample):
    """Codes of all rows by ``quantizer``, which is fitted, judged by the ``sample``."""
    quantizer.fit(training_rows(points, metric))
    codes = encode_all(quantizer, points, metric, sample.n_threads)
    return judged(quantizer, codes, exactness(codes, sample.trial.ids, metric, sample))


def training_rows(points, metric):
    """Float32 rows (n, d) that a quantizer learns from.

    They are all, but where rows are of another type no more than are quickly made.
    """
    X = float_rows(points, metric.width_)
    most = max(1, LEARNED // X.shape[1])
    return X[:: 1 if points.X.dtype == np.float32 else -(-len(X) // most)]


def encode_all(quantizer, points, metric, n_threads):
    """The record of the codes of all rows by a fitted ``quantizer``."""
    codes = quantizer.encode_rows(float_rows(points, metric.width_), n_threads)
    return quantizer.points(codes, metric.space)


def judged(quantizer, codes, exactness):
    """:class:`Encoded` rows of that exactness, by which candidates are counted."""
    ranks = exactness.ranks
    factor = max(1.0, candidates_needed(ranks) / max(1, ranks.shape[1]))
    least = candidates_needed(ranks[:, :1])
    return Encoded(quantizer, codes, exactness.overestimate, factor, least)


def has_wider(points, store):
    """Whether more than a byte a feature is kept of the rows ``points``.

    If not, codes of a byte are no way to read less of them.
    """
    return store not in (None, "int8") and points.X.itemsize > 1


def needs_finer(quantizer, metric):
    """Whether candidates of a fitted ``quantizer`` are to be sorted by finer codes.

    Where codes are short there are many candidates, and rows of many features take
    long to read: 60 cache lines each of 960.
    """
    if metric.space == "ip" or metric.width_ < WIDE or quantizer is None:
        return False
    return 8 * quantizer.n_bytes_ < SHORT * metric.width_


def with_finer(encoded, points, metric, quantizer, sample):
    """``encoded`` with codes by ``quantizer`` that sort candidates, if needed."""
    if not needs_finer(encoded.quantizer, metric):
        return encoded
    finer = encode_rows(points, metric, quantizer, sample)
    return encoded._replace(finer=finer.codes, overestimate=finer.overestimate)


def candidates_per_neighbor(n_bytes, metric):
    """Candidates a neighbour that are scored exactly by default.

    There are more for shorter codes, and still more where short codes are of inner
    products, of which there is no near one with a small error.
    """
    bits = 8 * n_bytes / metric.width_
    short = [24, 16] if metric.space == "ip" else [16, 8]
    return float(np.interp(bits, [1, 2, 4, 6, 8], [*short, 4, 2, 1.5]))


def kept(points, metric, store, encoded, grid):
    """What is kept of the rows ``points`` for exact scores; and its decoder, or None.

    ``store`` is "int8" (levels of ``grid``, a quantizer that is fitted here), None for
    nothing but the codes, or else for the points as they are.
    """
    if store is None:
        return encoded.codes, encoded.quantizer
    if store != "int8":
        return points, None
    grid.fit(training_rows(points, metric))
    return encode_all(grid, points, metric, 1), grid


def kept_rows(index):
    """Prepared float32 rows (n, width) that the kept points of ``index`` stand for."""
    points, decoder = index.points, index.learned.decoder
    if decoder is None:
        return frozen(rows_of(points, slice(None)))
    d = index.metric.width_
    rows = aligned_empty(len(points.codes), padded_width(d))
    rows[:, :d] = decoder.inverse_transform(points.codes[:, : decoder.n_bytes_])
    rows[:, d:] = 0
    return frozen(rows)
