"""Random indexes of nasty rows, compared with the oracle of ``naive.py``.

``python tests/fuzz.py --seconds 600 --seed 1`` looks for longer than the suite does,
and for each fault that it finds prints the smallest data that still show it, as code.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import kernels

if __name__ == "__main__":
    import os

    os.environ["NUMBA_CACHE_DIR"] = str(kernels.folder())  # as the tests do
    sys.path.insert(0, str(kernels.PACKAGE.parent))

import indexes
import naive
import numpy as np
from scipy.sparse import csr_array
from sklearn.base import clone

import sklearn_jin
from sklearn_jin.metrics import METRICS

ROUNDING = 4 * 2.0**-24  # of float32 rows: see test_contract.py
EVERYTHING = 10**9  # candidates a neighbour, so that no row is left out

ROUTES = [
    *("Flat", "HNSW", "NSW", "Vamana", "SNG", "DualBranchHNSW"),
    *("IVF", "IVFPCA", "IVFPQ", "ScaNN", "KNNGraph"),
]
QUANTIZERS = [
    *(
        None,
        None,
        "auto",
        sklearn_jin.ScalarQuantizer(4),
        sklearn_jin.ScalarQuantizer(),
    ),
    *(sklearn_jin.RaBitQ(1), sklearn_jin.RaBitQ(4), sklearn_jin.SAQ(2)),
    sklearn_jin.PCAQuantizer(4),
    *(sklearn_jin.ProductQuantizer(n_bits=4), sklearn_jin.ProductQuantizer()),
    *(sklearn_jin.BinaryQuantizer(), sklearn_jin.TernaryQuantizer()),
]
FEW = [None, "auto", sklearn_jin.ScalarQuantizer(4)]  # whose kernels other tests need
KEPT = [True, True, "float16", "int8", False, "input"]
WITHOUT_CODES = True, "float16", "input"
NARROW = "uint8", "int8", "float16"


class Case(NamedTuple):
    index: object  # unfitted
    X: np.ndarray  # (n, d) float32 or float64; also of ``NARROW`` if that is kept
    Q: np.ndarray  # (n_queries, d), of the same type
    k: int
    later: int | None = None  # seeds changes and limits: see ``_check_changed``


# What is tried.


def case(seed, quantizers=QUANTIZERS, kept=KEPT):
    """The case of a number: a fault is told by it."""
    rng = np.random.default_rng(seed)
    X, Q = data(rng)
    metric = str(rng.choice(indexes.COMMON))
    if metric == "hellinger":
        X, Q = np.abs(X), np.abs(Q)
    k = int(rng.choice([1, min(5, len(X)), rng.integers(1, len(X) + 1), len(X)]))
    index = estimator(rng, metric, quantizers, kept)
    if getattr(index, "store_vectors", True) == "input" and rng.random() < 0.8:
        if METRICS[index.metric].keeps_types:
            X, Q = narrowed(rng, X, Q)
    later = int(rng.integers(2**31)) if rng.random() < 0.5 else None
    return Case(index, X, Q, k, later)


def narrowed(rng, X, Q):
    """Rows and queries that a type of few bits holds, all over its range or not."""
    dtype = np.dtype(rng.choice(NARROW))
    ends = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    least, most = float(ends.min), float(ends.max)
    size = max(float(np.abs(X).max()), 1e-300)
    top = most * rng.choice([1, 1, 0.02, 3])  # some are cut
    X, Q = (np.clip(part / size * top, least, most) for part in (X, Q))
    if dtype.kind != "f":
        X, Q = np.rint(X), np.rint(Q)
    return X.astype(dtype), Q.astype(dtype)


def data(rng):
    """Rows and queries: of one nature, and then spoilt in several ways."""
    n = int(rng.choice([1, 2, 3, 17, 60, 150, 300]))
    d = int(
        rng.choice([1, 2, 3, 8, 17, 40, 150], p=[0.1, 0.1, 0.1, 0.3, 0.2, 0.15, 0.05])
    )
    nature = rng.choice(["normal", "uniform", "integers", "few", "equal"])
    every = NATURES[nature](rng, n + 6, d)
    X, Q = every[:n], every[n:]
    for spoil in rng.choice(list(SPOILS), rng.integers(0, 3), replace=False):
        X, Q = SPOILS[spoil](rng, X, Q)
    size = 10.0 ** rng.choice([0, 0, 0, rng.uniform(-40, 30)])
    dtype = rng.choice([np.float32, np.float64])
    with np.errstate(over="ignore", under="ignore"):
        X, Q = ((size * part).astype(dtype) for part in (X, Q))
    most = np.finfo(np.float32).max / 4
    return np.clip(X, -most, most), np.clip(Q, -most, most)


NATURES = {
    "normal": lambda rng, n, d: rng.standard_normal((n, d)),
    "uniform": lambda rng, n, d: rng.random((n, d)),
    "integers": lambda rng, n, d: rng.integers(-2, 3, (n, d)).astype(float),
    "few": lambda rng, n, d: rng.standard_normal((4, d))[rng.integers(0, 4, n)],
    "equal": lambda rng, n, d: np.tile(rng.standard_normal(d), (n, 1)),
}


def outliers(rng, X, Q):
    far = rng.random(len(X)) < 0.1
    return np.where(far[:, None], 10.0 ** rng.integers(2, 9) * X, X), Q


def offset(rng, X, Q):
    shift = 10.0 ** rng.integers(1, 7) * rng.standard_normal(X.shape[1])
    return X + shift, Q + shift


def far_queries(rng, X, Q):
    return X, 10.0 ** rng.integers(-20, 20) * Q


def queries_of_rows(rng, X, Q):
    return X, X[rng.integers(0, len(X), len(Q))]


def zeros(rng, X, Q):
    return np.where(rng.random((len(X), 1)) < 0.2, 0.0, X), np.r_[0 * Q[:1], Q[1:]]


def unequal_features(rng, X, Q):
    sizes = 10.0 ** rng.uniform(-6, 6, X.shape[1])
    return X * sizes, Q * sizes


def sparse(rng, X, Q):
    some = rng.random(X.shape[1]) < 0.5
    return X * some, Q * some


SPOILS = {
    spoil.__name__: spoil
    for spoil in (
        *(outliers, offset, far_queries, queries_of_rows),
        *(zeros, unequal_features, sparse),
    )
}


def estimator(rng, metric, quantizers, kept):
    """An index of any route that serves the metric; half of them are to be exact."""
    route = rng.choice(ROUTES)
    kind = "Transformer" if route == "KNNGraph" else "Neighbors"
    c = getattr(sklearn_jin, f"{route}{kind}")
    params = {"metric": metric, "random_state": 0, "n_jobs": int(rng.integers(1, 3))}
    known, exact = c().get_params(), rng.random() < 0.5
    squared = METRICS[metric].space in ("l2", "ip")
    if metric not in c._parameter_constraints["metric"][0].options or (
        not squared and route in ("IVFPCA", "IVFPQ", "ScaNN")
    ):
        params["metric"] = metric = "euclidean"
        squared = True
    if "exact_threshold" in known and rng.random() < 0.9:
        params["exact_threshold"] = 0
    if "build" in known and squared:
        params["build"] = str(rng.choice(["insert", "partition"]))
    if "quantizer" in known and squared:
        params["quantizer"] = quantizers[rng.integers(len(quantizers))]
    if params.get("quantizer", known.get("quantizer")) not in (None, "auto"):
        params["store_vectors"] = kept[rng.integers(len(kept))]
        if hasattr(c, "_spill") and params["store_vectors"] is False:
            params["store_vectors"] = True
    elif "store_vectors" in known:
        some = [store for store in WITHOUT_CODES if store in kept]
        params["store_vectors"] = some[rng.integers(len(some))]
    if exact:
        most = {"ef_search": EVERYTHING, "n_probes": EVERYTHING, "rerank": EVERYTHING}
        params |= {name: most[name] for name in most if name in known}
    return c(**params)


# What is promised.


class Fault(AssertionError):
    """A promise that was not kept."""


def check(tried):
    """Raise whatever shows that a promise was not kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="target_recall=")  # KNNGraph tells so
        _check(*tried)


def _check(index, X, Q, k, later):
    if later is not None:
        return _check_changed(index, X, Q, k, np.random.default_rng(later))
    index = clone(index).fit(X)
    answer = index.kneighbors(Q, k)
    _check_answer(index, X, Q, answer)
    for q in range(len(Q)):
        alone = index.kneighbors(Q[q : q + 1], k)
        for part, whole in zip(alone, answer):
            _require((part[0] == whole[q]).all(), f"query {q} alone has another answer")
    if (k := min(k, len(X) - 1)) > 0:
        distances, ids = index.kneighbors(n_neighbors=k)
        selves = np.arange(len(X))[:, None]
        _require(not (ids == selves).any(), "a row is its own neighbour")
        _check_answer(index, X, X, (distances, ids), own=True)


EVERY = np.array(True)


def _check_answer(index, X, Q, answer, own=False, among=EVERY):
    """Of the rows ``among``, a mask; None if nearer ones may be left out."""
    distances, ids = answer
    _require(ids.min() >= 0 and ids.max() < len(X), "an id is of no row")
    _require((np.diff(np.sort(ids)) > 0).all(), "a row occurs twice")
    _require(np.isfinite(distances).all(), "a distance is not finite")
    _require((np.diff(distances) >= 0).all(), "distances do not ascend")
    stored = getattr(index, "store_vectors", True)
    if stored not in (True, "input") or not _representable(X, Q):
        return
    X, Q = (part.astype(np.float64) for part in (X, Q))
    metric = index.effective_metric_
    every = naive.distances(X, Q, metric)
    near = np.take_along_axis(every, ids, axis=1)
    slack = ROUNDING * _size(X, Q, every, metric)
    right = np.abs(distances - near) <= 1e-5 * np.abs(near) + slack
    if metric == "angular":  # of opposite rows, by the cosine alone
        right |= np.abs(np.cos(np.pi * distances) - np.cos(np.pi * near)) <= slack
    _require(right.all(), "a distance is not the true one")
    if own:
        np.fill_diagonal(every, np.inf)
    if among is not None and is_exact(index, own):
        every = np.where(among, every, np.inf)
        best = np.sort(every, axis=1)[:, : ids.shape[1]]
        missed = np.sort(near, axis=1) - best > 1e-5 * np.abs(best) + 2 * slack
        missed &= (metric != "angular") | (best < 0.99)
        _require(not missed.any(), "a nearer row was missed")


def _check_changed(index, X, Q, k, rng):
    """As :func:`_check`, of rows that come and go, and of queries within limits.

    What is wrong is refused, and changes nothing.
    """
    n, groups = len(X), rng.integers(0, 1 + rng.integers(6), len(X))
    first = int(rng.integers(1, n + 1))
    index = clone(index).fit(X[:first], groups=groups[:first])
    rows, there = X.copy(), np.arange(n) < first
    ends = np.unique(rng.integers(first, n + 1, 2))
    for lo, hi in pairwise([first, *ends[ends > first]]):
        index.partial_fit(X[lo:hi], groups=groups[lo:hi])
        there[lo:hi] = True
        gone = np.flatnonzero(there & (rng.random(n) < rng.choice([0.02, 0.4])))
        index.remove(gone)
        there[gone] = False
        moved = np.flatnonzero(there & (rng.random(n) < 0.1))
        index.replace(moved, X[moved[::-1]]) if len(moved) else None
        rows[moved] = X[moved[::-1]]
    _check_refused(index, rng)
    known = np.flatnonzero(there)
    _require(np.array_equal(index.ids_, known), "other rows are there")
    if rng.random() < 0.3 and len(known):
        new = index.compact(renumber=True)
        _require(np.array_equal(np.flatnonzero(new >= 0), known), "other rows are left")
        rows, groups = rows[known], groups[known]
    else:
        rows, groups = rows[: index.n_samples_fit_], groups[: index.n_samples_fit_]
    live = np.zeros(len(rows), bool)
    live[index.ids_] = True
    _require(
        np.array_equal(index.group_labels_[index.groups_[live]], groups[live]),
        "groups are others",
    )
    _check_limits(index, rows, Q, k, (live, groups), rng)


def _check_refused(index, rng):
    """That what is wrong is refused."""
    before, wrong = index.index_, [[-1], [index.n_samples_fit_], [0.5], [[0]]]
    some = index.ids_[:1].tolist()
    for ids in [*wrong, *([some * 2] if some else [])]:
        for change in (index.remove, lambda ids: index.replace(ids, index._fit_X[:1])):
            try:
                change(ids)
            except (TypeError, ValueError):
                continue
            raise Fault(f"a wrong id is taken: {ids}")
    _require(index.index_ is before, "what is wrong changes an index")


def _check_limits(index, X, Q, k, kept, rng):
    """Answers within a filter of every kind, and within groups."""
    live, groups = kept
    mask = rng.random(len(X)) < rng.choice([0.05, 0.5, 0.97, 1])
    masks = rng.random((len(Q), len(X))) < rng.choice([0.1, 0.6, 0.97], (len(Q), 1))
    every = np.tile(mask, (len(Q), 1))
    for where, allowed in (
        (mask, every), (np.flatnonzero(mask), every), (lambda ids: mask[ids], every),
        (masks, masks), (csr_array(masks), masks), (None, every | True),
    ):  # fmt: skip
        asked, most = rng.integers(0, 7, len(Q)), [None, 1, 3][rng.integers(3)]
        asked = asked if rng.random() < 0.5 else None
        some = allowed & live
        if asked is not None:
            some &= groups != asked[:, None]
        limits = dict(where=where, exclude_groups=asked, max_per_group=most)
        distances, ids = index.kneighbors(Q, k, ragged=True, **limits)
        for q, row in enumerate(ids):
            _require(some[q][row].all(), "a row is found that is not allowed")
            n_each = np.bincount(groups[some[q]], minlength=1)
            n_most = n_each.sum() if most is None else np.minimum(n_each, most).sum()
            _require(len(row) == min(k, n_most), "there are more rows than were found")
            if len(row):
                _require(
                    most is None or np.bincount(groups[row]).max() <= most,
                    "a group has more than its most",
                )
                answer = distances[q][None], row[None]
                true = some[q] if most is None else None
                _check_answer(index, X, Q[q : q + 1], answer, among=true)


def _require(kept, promise):
    if not kept:
        raise Fault(promise)


def _size(X, Q, every, metric):
    """What rounding is relative to."""
    if metric in ("cosine", "angular", "correlation"):
        return 1
    if metric == "inner_product":
        lengths = (np.linalg.norm(part.astype(float), axis=1).max() for part in (X, Q))
        return np.prod([*lengths])
    if metric == "sqeuclidean":
        return np.abs(every).max()
    if metric == "hellinger":  # which shifts no rows
        return np.sqrt(max(X.max(), Q.max()))
    return max(np.abs(every).max(), np.abs(X - X.astype(float).mean(axis=0)).max())


def _representable(X, Q):
    """Whether float32 tells rows from one another as well as the oracle does."""
    return X.dtype == Q.dtype and X.dtype != np.float64


def is_exact(index, own):
    """Whether the index promises to miss nothing."""
    params, coded = index.get_params(), getattr(index, "quantizer_", None) is not None
    if len(index._fit_X) <= params.get("exact_threshold", 0) and not coded:
        return True
    if isinstance(index, sklearn_jin.KNNGraphTransformer):
        return not own
    complete = params.get("ef_search", params.get("n_probes")) == EVERYTHING
    complete |= isinstance(index, sklearn_jin.FlatNeighbors)
    return complete and (not coded or params.get("rerank") == EVERYTHING)


# The smallest data that show a fault.


def fault_of(tried):
    """What is wrong with a case, as a text, or None."""
    try:
        check(tried)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _kind(fault):
    """A fault without its numbers."""
    return re.sub(r"[-+.e\d]+", "", fault)


def smallest(tried, fault):
    """The case without all that can be left out while the kind of fault remains."""
    kind = _kind(fault)

    def still(other):
        found = fault_of(other)
        return found is not None and _kind(found) == kind

    for _ in range(3):
        before = tried
        for part, axis in (("Q", 0), ("X", 0), ("X", 1)):
            tried = _without(tried, part, axis, still)
        for k in (1, 2, 3, 5):
            if k < tried.k and still(tried._replace(k=k)):
                tried = tried._replace(k=k)
                break
        if before is tried:
            break
    return tried


def _without(tried, part, axis, still):
    """The case less what is not needed along an axis: halves first, then singles."""
    size = getattr(tried, part).shape[axis] // 2
    while size >= 1:
        at = 0
        while at < (length := getattr(tried, part).shape[axis]) and length > 1:
            keep = np.delete(np.arange(length), np.s_[at : at + size])
            other = _taken(tried, part, axis, keep) if len(keep) else tried
            if other is not tried and still(other):
                tried = other
            else:
                at += size
        size //= 2
    return tried


def _taken(tried, part, axis, keep):
    if axis == 1:
        return tried._replace(X=tried.X[:, keep].copy(), Q=tried.Q[:, keep].copy())
    other = tried._replace(**{part: getattr(tried, part)[keep]})
    return other._replace(k=min(other.k, len(other.X)))


def code(tried, fault, seed):
    """A fault as a script."""
    index, X, Q, k, later = tried
    lines = ["import numpy as np", "from sklearn_jin import *", ""]
    if X.size + Q.size <= 400:
        dtype = f"np.{X.dtype}"
        lines += [
            f"{name} = np.array({part.tolist()}, {dtype})"
            for name, part in zip("XQ", (X, Q))
        ]
    else:
        lines += [f"from fuzz import case  # {X.shape}", f"_, X, Q, *_ = case({seed})"]
    lines += [f"index = {index!r}".replace("\n", "")]
    if later is None:
        lines += [f"index.fit(X).kneighbors(Q, {k})"]
    else:
        lines += ["import fuzz", f"fuzz.check(fuzz.Case(index, X, Q, {k}, {later}))"]
    lines += [f"# {fault} (case {seed})"]
    return "\n".join(lines)


# Running.


def faults(seeds, shrink=True, **kinds):
    """(number, fault, script) of every case of ``seeds`` that is not right."""
    for seed in seeds:
        tried = case(seed, **kinds)
        fault = fault_of(tried)
        if fault is not None:
            small = smallest(tried, fault) if shrink else tried
            yield seed, fault, code(small, fault, seed)


def _numbers(first, seconds, at):
    """Numbers of cases until time is over, each noted in the file ``at``."""
    stop, seed = time.monotonic() + seconds, first
    while time.monotonic() < stop:
        at.write_text(str(seed))
        yield seed
        seed += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="the first is 1e6 times it")
    parser.add_argument("--few", action="store_true", help="few kinds of codes")
    parser.add_argument("--no-shrink", action="store_true", help="only tell of faults")
    parser.add_argument("--child", nargs=2, metavar=("FIRST", "FILE"))
    args = parser.parse_args()
    if args.child:
        return _search(args)
    stop, first, n_faults = time.monotonic() + args.seconds, args.seed * 10**6, 0
    at = Path(tempfile.mkdtemp(), "case")
    begun = first
    while (left := stop - time.monotonic()) > 0:
        given = [a for a in sys.argv[1:] if a in ("--few", "--no-shrink")]
        child = [sys.executable, __file__, "--seconds", str(left), *given]
        status = subprocess.run([*child, "--child", str(begun), str(at)]).returncode
        begun = int(at.read_text()) + 1
        n_faults += status != 0
        if status not in (0, 1):  # a crash: the next process goes on behind it
            print(f"# case {begun - 1} ended the process by {status}\n", flush=True)
    print(f"{begun - first} cases" + (", no fault" if not n_faults else ""))
    return int(n_faults > 0)


def _search(args):
    kinds = {"quantizers": FEW, "kept": [True]} if args.few else {}
    numbers = _numbers(int(args.child[0]), args.seconds, Path(args.child[1]))
    found = False
    for _, _, script in faults(numbers, not args.no_shrink, **kinds):
        print(script, end="\n\n", flush=True)
        found = True
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
