"""The directions in which rows differ most, and how many of them lists need.

Of a row ``x`` the first components ``x'`` are kept, and of the rest ``x"`` nothing but
a share of its squared length: a query ``z`` sorts rows by

    |z' - x'|^2 + share * |x"|^2.

The whole of it would be right if the rests of a query and of a row had nothing to do
with each other.  Those of near rows are alike, so less than the whole tells more: none
of it, or half, needs 27 instead of 160 candidates on a million clustered rows, and 25
instead of 40 on 60,000 images.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

from sklearn_jin._jit import kernel
from sklearn_jin._numbers import squares
from sklearn_jin._threads import run
from sklearn_jin.construction.codes import KNOWN, NEAR, candidates_needed
from sklearn_jin.construction.kmeans import sample as draw
from sklearn_jin.search.scan import blas

LEARNED = 4096  # rows that directions are learned from, or
PER_FEATURE = 4  # as many times the features
FEW = 0.05  # share of the rows; nothing is learned from as many if they are farther off
FAR = 16  # than so many times all others
ROUNDS = 3  # of subspace iteration
HELD = 0.99  # share of the variance that the most directions that are tried hold
STEP = 16  # their number is a multiple of this,
MOST = 256  # and no larger, or else all
SIZES = 16, 32, 48, 64, 96, 128, 160, 192, 224  # numbers that are tried
SHARES = np.array([0, 0.25, 0.5, 1], np.float32)  # of the rest that are tried
MARGIN = 1.5  # times the candidates of rows as queries: others need more
SEEN = 16384  # rows that stand for all that are near no query
PART = 4096  # rows that are looked at at a time,
COLUMNS = 256  # and columns of a product

# Nanoseconds of a query in a batch, measured on the machine of ``points.Work``.
LISTS = 12  # that a query scans, about
ROW_NS, BYTE_NS = 0.5, 0.006  # of a row in a list, and of each of its bytes
PRODUCT_NS = 0.02  # of a number times a number, in products of floats
CANDIDATE_NS, FEATURE_NS = 30.0, 0.25  # of a candidate, and of each of its features


class Wish(NamedTuple):
    """How many directions are taken."""

    sizes: tuple  # the numbers to choose from, ascending
    held: float = 0.0  # share of the variance that the chosen ones are to hold
    n_train: int | None = None  # rows to learn from at most; None for enough


class Tries(NamedTuple):
    """What is tried."""

    sizes: tuple  # numbers of components, ascending
    shares: np.ndarray  # (n,) float32, of the squared rest
    space: str = "l2"  # or "ip", whose scores have no squared lengths


class Reduction(NamedTuple):
    """How rows are reduced."""

    mean: np.ndarray  # (d,) float32, or zeros
    directions: np.ndarray  # (d, s) float32, orthogonal columns
    share: float  # of the squared rest of a row that estimates add


def principal(X, wish, rng, from_origin=False, n_threads=1):
    """Mean (d,) of some rows of ``X`` but for far ones, and directions (d, n).

    The mean is 0 where rows differ ``from_origin``, as inner products see them.
    There are as many directions as the least of the sizes that holds what is wished;
    if none does, as many as the last.

    The directions are the first principal components, in their order.
    """
    d = X.shape[1]
    enough = max(LEARNED, PER_FEATURE * d)
    some = draw(X, enough if wish.n_train is None else wish.n_train, rng)[:]
    some = some[np.isfinite(some).all(axis=1)]  # where nobody checked
    some = some if len(some) else np.zeros((1, d), np.float32)
    if from_origin:
        return np.zeros(d, np.float32), _components(some, wish, rng, n_threads)
    some = some[_is_near(some)]
    mean = some.mean(axis=0)
    return mean, _components(some - mean, wish, rng, n_threads)


def _is_near(rows):
    """Which ``rows`` are not among few that are far off, as seen from their median.

    A mean that far rows have moved is far from all, and all distances would be
    differences of large numbers.
    """
    gaps = squares(rows - np.median(rows, axis=0))
    usual = np.quantile(gaps, 1 - FEW)
    return gaps <= FAR**2 * max(usual, np.finfo(np.float32).tiny)


def turned(directions, rng):
    """Directions (d, n), float32, that span the same, turned at random.

    So all of them differ as much, which is what numbers of one scale hold best.
    """
    n = directions.shape[1]
    turn, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return (directions @ turn).astype(np.float32)


def _components(gaps, wish, rng, n_threads):
    """The first principal components (d, n), as many as wished; any basis for all."""
    d = gaps.shape[1]
    sizes = [size for size in wish.sizes if size < d]
    if not sizes:
        return np.eye(d, dtype=np.float32)
    spread = _spread(gaps, n_threads)
    U, values, _ = randomized_svd(spread, sizes[-1], n_iter=ROUNDS, random_state=rng)
    held = np.cumsum(values)[np.array(sizes) - 1] >= wish.held * np.trace(spread)
    if held.any():
        return U[:, : sizes[int(held.argmax())]]
    return U if len(sizes) == len(wish.sizes) else np.eye(d, dtype=np.float32)


def _spread(gaps, n_threads):
    """``gaps.T @ gaps``, in parts that do not depend on the number of threads."""
    spread = np.empty((gaps.shape[1], gaps.shape[1]), np.float32)

    def task(lo, hi):
        np.matmul(gaps.T, gaps[:, lo:hi], out=spread[:, lo:hi])

    run(task, len(spread), COLUMNS, n_threads)
    return spread


def reduction(X, plan, sample, rng, from_origin):
    """The :class:`Reduction` of rows ``X`` (n, d) to as many components as planned.

    ``"auto"`` takes as many as a query of the ``sample`` is the least work by; the
    share of the rest is that by which it needs the fewest candidates.  Nothing depends
    on the number of threads.
    """
    d, auto = X.shape[1], plan.n_components == "auto"
    sizes = range(STEP, min(MOST, d - 1) + 1, STEP) if auto else (plan.n_components,)
    wish = Wish(tuple(sizes), HELD if auto and not from_origin else 1.0)
    with blas().limit(limits=1, user_api="blas"):  # the threads are ours
        mean, U = principal(X, wish, rng, from_origin, sample.n_threads)
        size, share = U.shape[1], 0.0
        if size < d:
            sizes = (*(few for few in SIZES if auto and few < size), size)
            tries = Tries(sizes, SHARES)
            if from_origin:
                tries = Tries(sizes, SHARES[:1], "ip")
            ranks = ranks_by_size(X, (mean, U), tries, sample, rng)
            size, share = _least_work(ranks, tries, X.shape, plan.n_lists, auto)
        U = U[:, :size] if size < d else np.eye(d)
        return Reduction(mean, turned(U, rng), share)


def _least_work(ranks, tries, shape, n_lists, every):
    """The number of components and the share of the rest of the least work.

    ``every`` feature may be kept instead, of which no rest is left.
    """
    needed = MARGIN * np.apply_along_axis(candidates_needed, 2, ranks)
    shares = tries.shares[needed.argmin(axis=1)].tolist()
    options = list(zip(tries.sizes, needed.min(axis=1), shares))
    if every:
        options.append((shape[1], NEAR, 0.0))
    work = [work_ns(size, n, shape, n_lists) for size, n, _ in options]
    size, _, share = options[int(np.argmin(work))]
    return size, share


def ranks_by_size(X, axes, tries, sample, rng):
    """Ranks (n_sizes, n_shares, n_queries * near) of a sample's neighbours.

    They are ranks among all rows ``X``, from 1 on, by estimates from so many of the
    ``axes``, mean (d,) and principal components (d, n), and such shares of the rest as
    are among the ``tries``.  Of rows that are near no query, some stand for all.
    """
    (queries, _, ids), own, n_threads = sample
    near, (mean, U) = ids[:, own : own + NEAR], axes
    Z = (queries[:, : len(mean)] - mean) @ U
    limits = np.empty((len(tries.sizes), len(Z), len(tries.shares), near.shape[1]), "f")
    for q, rows in enumerate(near):
        some = _by_size(X[rows] - mean, Z[q : q + 1], U, tries)
        for s, (products, bases) in enumerate(some):
            limits[s, q] = bases - 2 * products

    def count(rows):
        counts = np.zeros((-(-len(rows) // PART), *limits.shape), np.int32)

        def task(lo, hi):
            some = _by_size(X[rows[lo:hi]] - mean, Z, U, tries)
            for s, (products, bases) in enumerate(some):
                count_before(products, bases, limits[s], counts[lo // PART, s])

        run(task, len(rows), PART, n_threads)
        return counts.sum(axis=0)

    known = np.unique(ids)
    others = np.setdiff1d(np.arange(len(X)), known, assume_unique=True)
    some = draw(others, SEEN, rng)
    ranks = count(known) + count(some) * (len(others) / max(1, len(some))) + 1 - own
    ranks = np.maximum(ranks, 1).transpose(0, 2, 1, 3)
    return ranks.reshape(len(tries.sizes), len(tries.shares), -1)


def _by_size(gaps, Z, U, tries):
    """Of every size products (n_queries, n) and bases (n_shares, n): see there."""
    rest, held = squares(gaps).astype(np.float32), np.zeros(len(gaps), np.float32)
    products = np.zeros((len(Z), len(gaps)), np.float32)
    for first, last in pairwise((0, *tries.sizes)):
        part = gaps @ U[:, first:last]
        products += Z[:, first:last] @ part.T
        more = squares(part).astype(np.float32)
        held, rest = held + more, rest - more
        bases = held + tries.shares[:, None] * np.maximum(rest, 0)
        yield products, bases if tries.space == "l2" else 0 * bases


@kernel
def count_before(products, bases, limits, counts):
    """Add to ``counts`` how many estimates ``bases - 2 * products`` are below limits.

    ``limits`` and ``counts`` are (n_queries, n_shares, near).
    """
    n = products.shape[1]
    estimates = np.empty(n, np.float32)
    for q in range(len(products)):
        for s in range(len(bases)):
            for i in range(n):
                estimates[i] = bases[s, i] - np.float32(2) * products[q, i]
            for j in range(limits.shape[2]):
                limit, below = limits[q, s, j], np.int32(0)
                for i in range(n):
                    below += estimates[i] < limit
                counts[q, s, j] += below


def work_ns(size, needed, shape, n_lists):
    """Nanoseconds of a query among rows of this ``shape`` by so many components.

    Infinite where more candidates are ``needed`` than may be.
    """
    n, d = shape
    if needed > KNOWN:
        return np.inf
    scanned = n * min(1.0, LISTS / n_lists)
    products = PRODUCT_NS * (d + n_lists) * size
    refined = needed * (CANDIDATE_NS + FEATURE_NS * d)
    return scanned * (ROW_NS + BYTE_NS * size) + products + refined
