"""Rows that come and go, and limited queries: against a dictionary and brute force.

``EXAMPLES=2000 pytest -q tests/neighbors/test_machine.py`` looks for longer; with
``QUICK=1`` too it shows what it finds as it is, which else is made small for minutes.
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

import sklearn_jin
from sklearn_jin import (
    DualBranchHNSWNeighbors,
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    IVFPCANeighbors,
    ScalarQuantizer,
    VamanaNeighbors,
)
from sklearn_jin._memory import Remembered
from sklearn_jin.construction import alter
from sklearn_jin.points import count
from sklearn_jin.search import filtered

QUICK = bool(os.environ.get("QUICK"))
EXAMPLES = int(os.environ.get("EXAMPLES", 15))
D = 5
EVERY = 10_000  # effort that leaves nothing out
CLOSE = {"rtol": 1e-5, "atol": 2e-6}


def routes():
    """An index of every route, which finds all neighbours."""
    graph = {"exact_threshold": 0, "random_state": 0, "adaptive": False}
    coded = {"quantizer": ScalarQuantizer(), "rerank": EVERY}
    lists = {"n_probes": EVERY, "rerank": EVERY, "exact_threshold": 0}
    yield FlatNeighbors()
    yield FlatNeighbors(**coded)
    yield FlatNeighbors(quantizer=ScalarQuantizer(n_bits=4), rerank=EVERY)
    yield HNSWNeighbors(**graph, M=4)
    yield HNSWNeighbors(**graph, **coded)
    yield HNSWNeighbors(**graph, metric="inner_product")
    yield DualBranchHNSWNeighbors(**graph)
    yield VamanaNeighbors(**graph, metric="cosine")
    yield IVFNeighbors(**lists, random_state=0, quantizer=None)
    yield IVFNeighbors(**lists, random_state=0)
    yield IVFPCANeighbors(**lists, random_state=0)


@pytest.fixture
def hasty(monkeypatch):
    """Few rows are built in and left out, and scans so dear that routes serve all."""
    monkeypatch.setattr(alter, "LEAST_LATER", 4)
    work = filtered.scan_work
    monkeypatch.setattr(filtered, "scan_work", lambda *args: 1e6 * work(*args))
    monkeypatch.setattr(filtered, "_plans", Remembered())


def drawn(rng, n, d=D):
    """Rows of small integers, so that some are alike."""
    return rng.integers(-2, 3, (n, d)).astype(float)


def true_distances(metric, queries, rows):
    if metric == "inner_product":
        return -queries @ rows.T
    if metric != "cosine":
        return cdist(queries, rows)
    sizes = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(rows, axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(sizes > 0, 1 - queries @ rows.T / sizes, 1.0)


def nearest(gaps, groups, most, k):
    """The ``k`` least of ``gaps``, of which no more than ``most`` are of a group."""
    if most is not None:
        parts = [np.sort(gaps[groups == g])[:most] for g in np.unique(groups)]
        gaps = np.concatenate(parts) if parts else gaps
    return np.sort(gaps)[:k]


KINDS = ["mask", "ids", "function", "matrix", "sparse"]
SHARES = [0.5, 0.1, 0.95, 1.0, 0.0]


class Model(RuleBasedStateMachine):
    """An index beside dictionaries of its rows and of their groups."""

    index = FlatNeighbors()

    @initialize(seed=st.integers(0, 9), n=st.integers(1, 30), grouped=st.booleans())
    def begin(self, seed, n, grouped):
        self.rng, self.grouped = np.random.default_rng(seed), grouped
        self.index = type(self).index.__sklearn_clone__()
        X, labels = drawn(self.rng, n), self.labels(n, 3)
        self.index.partial_fit(X, groups=labels)
        self.given, self.rows, self.groups = 0, {}, {}
        self.put(range(n), X, labels)

    def labels(self, n, n_kinds=6):
        return [
            f"g{i}" for i in self.rng.integers(n_kinds, size=n)
        ] * self.grouped or None

    def put(self, ids, X, labels):
        self.rows |= dict(zip(ids, X))
        self.groups |= dict(zip(ids, labels or []))
        self.given = max(self.given, *(i + 1 for i in ids))

    def chosen(self, most):
        n = min(len(self.rows), int(self.rng.integers(1, most + 1)))
        return self.rng.choice(list(self.rows), n, replace=False).tolist()

    # Changes.

    @rule(n=st.integers(1, 12), scale=st.sampled_from([1, 1, 1, 1000]))
    def add(self, n, scale):
        X, labels = scale * drawn(self.rng, n), self.labels(n)
        self.index.partial_fit(X, groups=labels)
        self.put(range(self.given, self.given + n), X, labels)

    @precondition(lambda self: self.rows)
    @rule(most=st.integers(1, 9))
    def remove(self, most):
        ids = self.chosen(most)
        self.index.remove(ids)
        for i in ids:
            del self.rows[i]
            self.groups.pop(i, None)

    @precondition(lambda self: self.rows)
    @rule(most=st.integers(1, 9), move=st.booleans())
    def replace(self, most, move):
        ids = self.chosen(most)
        X, labels = drawn(self.rng, len(ids)), self.labels(len(ids)) if move else None
        self.index.replace(ids, X, groups=labels)
        self.put(ids, X, labels)

    @precondition(lambda self: self.rows)
    @rule(renumber=st.booleans())
    def compact(self, renumber):
        new = self.index.compact(renumber)
        assert len(new) == self.given
        assert set(np.flatnonzero(new >= 0)) == set(self.rows)
        self.rows = {int(new[i]): row for i, row in self.rows.items()}
        self.groups = {int(new[i]): label for i, label in self.groups.items()}
        if renumber:
            self.given = len(self.rows)

    @rule(mapped=st.booleans())
    def keep(self, mapped):
        folder = self.folder / f"index{self.rng.integers(2**60)}"
        self.index.save(folder)
        self.index = sklearn_jin.load(folder)
        if mapped and self.rows:
            self.check(sklearn_jin.load(folder, mmap_mode="r"), drawn(self.rng, 2), 1)

    # Queries.

    @precondition(lambda self: self.rows)
    @rule(k=st.integers(1, 9), n=st.integers(1, 12))
    def ask(self, k, n):
        self.check(self.index, drawn(self.rng, n), min(k, len(self.rows)))

    @precondition(lambda self: len(self.rows) > 1)
    @rule(k=st.integers(1, 9))
    def ask_own(self, k):
        self.check(self.index, None, min(k, len(self.rows) - 1))

    @rule(
        k=st.integers(1, 9),
        n=st.integers(0, 12),
        kind=st.sampled_from([None, *KINDS]),
        share=st.sampled_from(SHARES),
        leave=st.booleans(),
        most=st.sampled_from([None, 1, 2]),
        ragged=st.booleans(),
    )
    def ask_within_limits(self, k, n, kind, share, leave, most, ragged):
        """Of ``n`` queries, or else of the rows themselves."""
        n = n if self.rows else max(1, n)  # to ask for none of none is refused
        queries = drawn(self.rng, n) if n else None
        where, allowed = self.filter(kind, share, n or len(self.rows))
        limits = {"where": where, "ragged": ragged}
        if self.grouped:
            labels = [f"g{i}" for i in self.rng.integers(8, size=n)] if n else True
            limits |= {"max_per_group": most}
            limits |= {"exclude_groups": labels if leave else None}
        self.check(self.index, queries, k, allowed, **limits)

    @rule(
        n=st.integers(0, 3),
        radius=st.sampled_from([0.0, 1.0, 2.5]),
        kind=st.sampled_from([None, *KINDS]),
        share=st.sampled_from(SHARES),
    )
    def ask_radius(self, n, radius, kind, share):
        queries = drawn(self.rng, n) if n else None
        where, allowed = self.filter(kind, share, n or len(self.rows))
        known, every, own = self.distances(queries)
        _, found = self.index.radius_neighbors(queries, radius, where=where)
        assert len(found) == len(every)
        for q, ids in enumerate(found):
            some = allowed[q][known] & (known != own[q])
            inside = known[some & (every[q] <= radius - 1e-6)]
            maybe = known[some & (every[q] <= radius + 1e-6)]
            assert len(set(ids)) == len(ids)
            assert set(inside) <= set(ids) <= set(maybe)

    def filter(self, kind, share, n):
        """A filter of ``n`` queries as users give it, and as a mask (n, ids)."""
        masks = self.rng.random((n, self.given)) < share
        if kind in (None, "mask", "ids", "function"):
            mask = masks[:1].any(axis=0) | (kind is None)
            where = {"mask": mask, "ids": np.flatnonzero(mask), None: None}
            return where.get(kind, lambda ids: mask[ids]), np.tile(mask, (n, 1))
        shares = self.rng.choice([share, share, 0.97, 0.3], (n, 1))
        masks = self.rng.random((n, self.given)) < shares
        masks[n // 2 :] = masks[: n - n // 2]  # of which some are alike
        return masks if kind == "matrix" else sparse.csr_array(masks), masks

    def distances(self, queries):
        """Ids that are there; how far each is from every query; and who is who."""
        known = np.array(sorted(self.rows), int)
        own = known if queries is None else np.full(len(queries), -1)
        rows = np.array([self.rows[i] for i in known]).reshape(-1, D)
        queries = rows if queries is None else queries
        return known, true_distances(self.index.metric, queries, rows), own

    def check(self, index, queries, k, allowed=None, **limits):
        """That an answer is that of brute force, by one thread and by two."""
        known, every, own = self.distances(queries)
        if "ef_search" in index.get_params():  # a walk of all: no scan in its place
            index.set_params(ef_search=max(1, count(index.index_.points) - 1))
        some = np.ones(every.shape, bool) if allowed is None else allowed[:, known]
        some = some & (known != own[:, None])
        groups = np.array([self.groups.get(i, "") for i in known])
        most, labels = limits.get("max_per_group"), limits.get("exclude_groups")
        if labels is not None:
            labels = groups if labels is True else np.array(labels)
            some &= groups != labels[:, None]
        gaps = [
            nearest(row[keep], groups[keep], most, k) for row, keep in zip(every, some)
        ]
        if not limits.get("ragged") and any(len(row) < k for row in gaps):
            with pytest.raises(ValueError, match="Expected n_neighbors"):
                index.kneighbors(queries, k, **limits)
            return
        found = index.set_params(n_jobs=1).kneighbors(queries, k, **limits)
        again = index.set_params(n_jobs=2).kneighbors(queries, k, **limits)
        assert len(found[0]) == len(found[1]) == len(every)
        for q, (distances, ids) in enumerate(zip(*found)):
            assert_array_equal(distances, again[0][q])
            assert_array_equal(ids, again[1][q])
            places = np.searchsorted(known, ids)
            assert len(set(ids)) == len(ids) and (known[places] == ids).all()
            assert some[q][places].all()
            assert (
                most is None
                or (np.unique(groups[places], return_counts=True)[1] <= most).all()
            )
            assert_allclose(distances, gaps[q], **CLOSE)
            assert_allclose(distances, every[q][places], **CLOSE)

    @invariant()
    def counts(self):
        index = self.index
        if "index_" not in vars(index):
            return
        assert (index.n_rows_, index.n_samples_fit_) == (len(self.rows), self.given)
        assert index.ids_.tolist() == sorted(self.rows)
        if self.grouped:
            labels = index.group_labels_[index.groups_[index.ids_]]
            assert labels.tolist() == [self.groups[i] for i in index.ids_]
            assert len(index.groups_) == self.given


@pytest.mark.parametrize("index", list(routes()), ids=str)
def test_every_route_is_as_a_dictionary(index, hasty, tmp_path):
    machine = type("Machine", (Model,), {"index": index, "folder": tmp_path})
    case = machine.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=25,
        deadline=None,
        derandomize=EXAMPLES == 15,
        phases=[Phase.generate] if QUICK else list(Phase),
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()
