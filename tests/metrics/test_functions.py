"""Functions as metrics: compiled, called for every score, never read from a file."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from sklearn_jin import FlatNeighbors, HNSWNeighbors, IVFNeighbors
from sklearn_jin.points.functions import RowsOfFunction
from sklearn_jin.search.index import check


def rooted(x, y):
    total = 0.0
    for j in range(len(x)):
        total += abs(x[j] - y[j]) ** 0.5
    return total


def rows(n=60, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 4))


def expected(X, Q):
    return np.sort(cdist(Q, X, rooted), axis=1)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("metric", [rooted, njit(rooted)], ids=["python", "numba"])
def test_distances_are_what_the_function_returns(metric, size):
    X, Q = size * rows(), size * rows(9, seed=1)
    X[7], Q[2] = X[3], X[3]
    index = FlatNeighbors(metric=metric, n_neighbors=20).fit(X)
    assert_allclose(index.kneighbors(Q)[0], expected(X, Q)[:, :20], 1e-14)
    assert_array_equal(index.kneighbors(Q)[1][2, :2], [3, 7])
    assert_array_equal(index._fit_X, X)
    assert index.effective_metric_ == "function"


@pytest.mark.jit
def test_a_graph_answers_by_the_function_here_and_when_it_is_unpickled(tmp_path):
    X, Q = rows(1000), rows(50, seed=1)
    index = HNSWNeighbors(metric=rooted, exact_threshold=0, random_state=0).fit(X[:900])
    index.partial_fit(X[900:])  # beside the graph
    found, _ = index.kneighbors(Q)
    true = expected(X, Q)[:, :5]
    assert np.mean(found <= true[:, -1:] * (1 + 1e-9)) > 0.97
    again = pickle.loads(pickle.dumps(index))
    assert_array_equal(again.kneighbors(Q)[0], found)
    assert_array_equal(again.partial_fit(Q).kneighbors(Q, 1)[0], 0)
    # In another process the function has another place, in landmarks too.
    np.save(tmp_path / "Q.npy", Q)
    (tmp_path / "index.pickle").write_bytes(pickle.dumps(index))
    asked = (
        "import pickle, sys, numpy as np; sys.path.insert(0, sys.argv[2]);"
        "sys.argv[1] += '/'; folder = sys.argv[1];"
        "index = pickle.load(open(folder + 'index.pickle', 'rb'));"
        "np.save(folder + 'found.npy', index.kneighbors(np.load(folder + 'Q.npy'))[0])"
    )
    where = __file__.rpartition("/")[0]
    subprocess.run([sys.executable, "-c", asked, str(tmp_path), where], check=True)
    assert_array_equal(np.load(tmp_path / "found.npy"), found)


def test_a_function_is_in_no_file(tmp_path):
    index = FlatNeighbors(metric=rooted).fit(rows())
    with pytest.raises(TypeError, match=r"metric=<function rooted.*or pickle"):
        index.save(tmp_path / "index")


def test_no_other_address_is_called():
    index = FlatNeighbors(metric=rooted).fit(rows()).index_
    assert isinstance(index.points, RowsOfFunction)
    wrong = index._replace(points=index.points._replace(address=12345))
    with pytest.raises(ValueError, match="the index is damaged"):
        check(wrong)


def text_of_rows(x, y):
    return str(x)


def one_argument(x):
    return 0.0


def negative(x, y):
    return -1.0 - x[0] * 0


def not_finite(x, y):
    return np.nan * x[0]


@pytest.mark.jit
@pytest.mark.parametrize("metric", [text_of_rows, one_argument])
def test_what_numba_can_not_compile_is_refused_with_a_way_out(metric):
    name = metric.__name__
    message = rf"metric={name} is not compiled by Numba: .*numba\.njit\({name}\)"
    with pytest.raises(ValueError, match=message):
        FlatNeighbors(metric=metric).fit(rows())


@pytest.mark.parametrize("metric", [negative, not_finite])
def test_what_is_no_distance_is_refused(metric):
    message = f"metric={metric.__name__} returned .* for rows 0 and 0 of X"
    with pytest.raises(ValueError, match=message):
        FlatNeighbors(metric=metric).fit(rows())


def test_what_means_nothing_is_refused():
    with pytest.raises(ValueError, match="takes no parameters"):
        FlatNeighbors(metric=rooted, metric_params={"p": 1}).fit(rows())
    with pytest.raises(ValueError, match="'float16' rounds rows"):
        FlatNeighbors(metric=rooted, store_vectors="float16").fit(rows())
    with pytest.raises(ValueError, match=r"is not served by IVFNeighbors: use .*HNSW"):
        IVFNeighbors(metric=rooted).fit(rows())
