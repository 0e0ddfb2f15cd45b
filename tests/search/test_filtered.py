"""What routes make of a mask: who is passed over, how far they go, when they scan."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from routes import NAMES, N, fitted, rows

from sklearn_jin._memory import frozen
from sklearn_jin.points import encode_queries
from sklearn_jin.points.rows import RowsL1
from sklearn_jin.search import filtered as module
from sklearn_jin.search.answer import answer
from sklearn_jin.search.index import Search, propose
from sklearn_jin.search.keys import is_in, words_of
from sklearn_jin.search.probing import ROOT, within_share

SLOTTED = [n for n in NAMES if n.startswith(("lists", "blocks", "reduced", "neighbor"))]
GRAPHS = [n for n in NAMES if n.startswith(("layers", "landmarks", "branches"))]
HALF = np.random.default_rng(2).random(N) < 0.5


@pytest.fixture
def dear(monkeypatch):
    """A scan is never worth while."""
    monkeypatch.setattr(module, "scan_work", lambda *_: 1e12)


def asked(index, n=12):
    return frozen(index.metric.prepare_queries(rows(n, seed=1))[0])


def proposed(index, queries, search):
    """Candidates of every query, without gaps."""
    found = [None] * len(queries)

    def use(part, estimates, ids):
        for q, row in zip(part, ids):
            found[q] = row[row >= 0].tolist()

    propose(index.route, index, queries, search, use)
    return found


def served(index, **asked):
    search = Search(3, **asked)
    return module.filtered(index.route, index, search)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_words_hold_a_bit_for_every_id(n, dtype):
    mask = np.random.default_rng(n).random(n) < 0.4
    words, size = words_of(mask, dtype), 8 * np.dtype(dtype).itemsize
    assert words.dtype == dtype and len(words) == -(-n // size)
    bits = [int(words[i // size]) >> i % size & 1 for i in range(len(words) * size)]
    assert_array_equal(bits[:n], mask)
    assert not any(bits[n:])
    if dtype == np.uint64:
        assert [bool(is_in(words, i)) for i in range(n)] == mask.tolist()


@pytest.mark.parametrize("name", SLOTTED)
@pytest.mark.usefixtures("dear")
def test_scans_propose_the_nearest_allowed(name):
    index = fitted(name).index_
    search = served(index, room=9, effort=3, allowed=HALF)
    if (
        hasattr(index.route, "starts")
        and len(search.sieve.live) < index.route.starts.size - 1
    ):
        pytest.skip("a list has no allowed row, so others are probed")
    if hasattr(search.sieve, "n_probes"):  # so many that no query ends sooner
        search = search._replace(effort=3, sieve=search.sieve._replace(n_probes=N))
    found = proposed(index, asked(index), search)
    every = search._replace(room=2 * N, sieve=None)
    for few, all_ in zip(found, proposed(index, asked(index), every)):
        right = [i for i in all_ if HALF[i]]
        assert few == right[: len(few)] and len(few) >= min(4, len(right))


@pytest.mark.parametrize("name", [n for n in SLOTTED if n != "blocks"])
@pytest.mark.usefixtures("dear")
def test_lists_without_an_allowed_row_are_not_probed(name):
    index = fitted(name).index_
    if not hasattr(index.route, "starts"):
        pytest.skip("there are no lists")
    ids = index.route.ids.reshape(len(index.route.ids), -1)
    step = len(ids) // index.route.starts[-1]
    for number in range(len(index.route.starts) - 1):
        lo, hi = index.route.starts[number : number + 2] * step
        own = ids[lo:hi][ids[lo:hi] >= 0]
        if not len(own):
            continue
        mask = np.zeros(N, bool)
        mask[own[0]] = True
        search = served(index, room=4, effort=1, allowed=mask)
        homes = np.unique(
            np.searchsorted(
                index.route.starts * step,
                np.flatnonzero((ids == own[0]).any(axis=1)),
                side="right",
            )
            - 1
        )
        assert_array_equal(search.sieve.live, homes)
        assert proposed(index, asked(index), search) == [[own[0]]] * 12


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.usefixtures("dear")
def test_walks_propose_allowed_nodes_alone(name):
    index = fitted(name).index_
    search = served(index, room=20, effort=20, allowed=HALF)
    searched = index.points if index.codes is None else index.codes
    assert search.sieve.share == HALF.mean()
    assert encode_queries(searched, asked(index)).shape[0] == 12
    for row in proposed(index, asked(index), search):
        assert len(row) >= 15 and HALF[row].all()
    wide = served(index, room=N, effort=N - 1, allowed=HALF)
    for row in proposed(index, asked(index), wide):
        assert {*row} == {*np.flatnonzero(HALF)}


@pytest.mark.parametrize("name", NAMES)
def test_few_allowed_points_are_scanned(name):
    index, few = fitted(name).index_, np.arange(N) % 20 == 3
    if hasattr(index.route, "neighbors") or hasattr(index.route, "starts"):
        assert served(index, room=9, effort=3, allowed=few) is None
    found = answer(index, asked(index), Search(3, 3, 3, allowed=few))
    assert_array_equal(np.sort(found[1], axis=1), [np.flatnonzero(few)] * 12)


@pytest.mark.usefixtures("dear")
def test_the_fewer_are_allowed_the_wider_a_walk_is():
    graph = fitted("layers").index_
    half, all_ = (
        served(graph, room=3, effort=3, allowed=mask).sieve.nodes
        for mask in (HALF, np.ones(N, bool))
    )
    assert half.width > all_.width and half.effort == all_.effort == 3


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_fewer_are_allowed_in_near_lists_the_more_are_probed(adaptive):
    rng = np.random.default_rng(0)
    cells = np.array([rng.permutation(40) for _ in range(30)], np.int32)
    cells[:, 38:] = -1
    scores = np.sort(rng.random(cells.shape, np.float32) + 1, axis=1)
    sizes = rng.integers(5, 9, 40)
    counts = 1 + rng.integers(0, sizes) // rng.integers(1, 9, 40)
    growth = np.linspace(1, 1.6, 40) if adaptive else np.empty(0)
    sieve = module.Slots(None, None, counts, sizes, growth, 5)
    probed, bases = within_share(sieve, cells.copy(), scores.copy())
    lengths = (probed >= 0).sum(axis=1)
    assert 5 < lengths.min() < lengths.max() == probed.shape[1] < 38
    for q, length in enumerate(lengths):
        assert_array_equal(probed[q, :length], cells[q, :length])
        assert_array_equal(bases[q, :length], scores[q, :length])
        assert np.isinf(bases[q, length:]).all()
        for j in range(length + 1):  # whether list j is probed
            some = cells[q, : j + 1]
            wanted = 5 * (sizes[some].sum() / counts[some].sum()) ** ROOT
            limit = 0
            if adaptive and j < 2 * wanted:
                limit = growth[min(int(wanted), 40) - 1] * scores[q, :5].mean()
            assert (j < length) == (j < wanted or scores[q, j] <= limit)


@pytest.mark.parametrize("name", GRAPHS)
def test_walks_that_take_too_long_are_given_up_for_a_scan(name, monkeypatch):
    index = fitted(name).index_
    wanted = answer(index, asked(index), Search(3, N, N, allowed=HALF))
    monkeypatch.setattr(module, "SURE", 1e9)
    monkeypatch.setattr(module, "scan_work", lambda *_: 1.0)
    search = served(index, room=9, effort=9, allowed=HALF)
    assert search.sieve.nodes.most == 0
    assert proposed(index, asked(index), search) == [[]] * 12
    found = answer(index, asked(index), Search(3, 9, 9, allowed=HALF))
    for some, right in zip(found, wanted):
        assert_array_equal(some, right)


def test_a_scan_takes_what_its_points_do():
    points = fitted("flat").index_.points
    assert module.scan_work(points, 20) == 2 * module.scan_work(points, 10) > 0
    assert module.scan_work(RowsL1(points.X), 10) > module.scan_work(points, 10)


@pytest.mark.parametrize("first, step", [(0, 1), (3, 64), (7, 100), (900, 1)])
def test_seeds_are_allowed_and_spread(first, step):
    places = np.zeros(1000, bool)
    places[first::step] = True
    allowed = np.flatnonzero(places)
    seeds = module._seeds(places, len(allowed))
    assert seeds.dtype == np.int32 and places[seeds].all()
    assert len({*seeds.tolist()}) == min(module.SEEDS, len(allowed))
    assert seeds.min() - allowed[0] < 100 and allowed[-1] - seeds.max() < 100
