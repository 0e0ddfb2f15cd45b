"""Codes of rows: which are made, how exact they are, and what is kept beside them."""

from typing import NamedTuple

import numpy as np

from sklearn_jin._memory import aligned_empty, frozen, padded_width
from sklearn_jin.points import encode_queries, rows_of
from sklearn_jin.points.half import half
from sklearn_jin.search.rerank import estimate
from sklearn_jin.search.trial import Trial, growth, hold, overestimate

TRIED = 64  # rows whose neighbours tell how exact codes are
NEAR = 10  # neighbours for which a quantizer is chosen,
CROWDED = 4  # and the most candidates that each of them may cost
WIDE = 200  # features from which on candidates are sorted by finer codes,
SHORT = 4  # and bits a feature of the codes below which they are


class Encoded(NamedTuple):
    """Codes of all rows."""

    quantizer: object  # fitted; None where rows themselves are searched
    codes: tuple | None  # the record of the codes
    overestimate: float  # see :func:`sklearn_jin.search.trial.overestimate`
    finer: tuple | None = None  # codes that sort candidates: the overestimate is theirs


NOT_ENCODED = Encoded(None, None, np.inf)


def hold_rows(points, n_threads):
    """The trial of some of the rows."""
    some = points.X[:: -(-len(points.X) // TRIED)]
    return hold(points, some, CROWDED * NEAR + 1, n_threads)


def encode_rows(points, metric, quantizer, trial):
    """Codes of all rows by ``quantizer``, which is fitted.

    ``trial`` tells the overestimate; inner products, which have no trial, have none.
    """
    rows = points.X[:, : metric.width_]
    codes = quantizer.points(quantizer.fit_transform(rows), metric.space)
    if trial is None:
        return Encoded(quantizer, codes, np.inf)
    near = Trial(trial.queries, trial.scores[:, : NEAR + 1], trial.ids[:, : NEAR + 1])
    estimates = np.empty(near.ids.shape, np.float32)
    estimate(codes, frozen(encode_queries(codes, near.queries)), near.ids, estimates)
    return Encoded(quantizer, codes, overestimate(near, estimates, near.ids))


def with_finer(encoded, points, metric, quantizer, trial):
    """``encoded`` with codes by ``quantizer`` that sort candidates, if it is worth it.

    Where codes are short there are many candidates, and rows of many features take
    long to read: 60 cache lines each of 960.
    """
    if trial is None or encoded.quantizer is None:
        return encoded
    if metric.width_ < WIDE or 8 * encoded.quantizer.n_bytes_ >= SHORT * metric.width_:
        return encoded
    finer = encode_rows(points, metric, quantizer, trial)
    return encoded._replace(finer=finer.codes, overestimate=finer.overestimate)


def choose_codes(points, metric, quantizers, trial, must):
    """Codes of the first of the ``quantizers`` that tells neighbours apart.

    That is, by which at most ``CROWDED`` candidates a neighbour need to be scored
    exactly.  If none does, the last one's if there ``must`` be codes, or no codes.
    """
    room = growth(trial, NEAR)
    for quantizer in quantizers:
        encoded = encode_rows(points, metric, quantizer, trial)
        if encoded.overestimate <= room:
            return encoded
    return encoded if must else NOT_ENCODED


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

    ``store`` is "float32", "float16", "int8" (levels of ``grid``, a quantizer that is
    fitted here) or None for nothing but the codes.
    """
    if store == "float32":
        return points, None
    if store is None:
        return encoded.codes, encoded.quantizer
    if store == "float16":
        return half(points.X, metric.space), None
    codes = grid.fit_transform(points.X[:, : metric.width_])
    return grid.points(codes, metric.space), grid


def kept_rows(index):
    """Prepared float32 rows (n, width) that the kept points of ``index`` stand for."""
    points, decoder = index.points, index.learned.decoder
    if decoder is None:
        return rows_of(points, slice(None))
    d = index.metric.width_
    rows = aligned_empty(len(points.codes), padded_width(d))
    rows[:, :d] = decoder.inverse_transform(points.codes[:, : decoder.n_bytes_])
    rows[:, d:] = 0
    return frozen(rows)
