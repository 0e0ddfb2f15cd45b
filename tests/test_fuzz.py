"""The fuzzer finds nothing in its first cases; ``fuzz.py`` tries more."""

import fuzz
import numpy as np
import pytest

from sklearn_jin import FlatNeighbors


@pytest.mark.jit
def test_random_indexes_of_nasty_rows_keep_their_promises():
    scripts = [
        script
        for *_, script in fuzz.faults(range(100), quantizers=fuzz.FEW, kept=[True])
    ]
    assert not scripts, "\n\n".join(scripts)


class Careless(FlatNeighbors):
    """An index that loses the nearest row of every query."""

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        distances, ids = super().kneighbors(X, n_neighbors + 1)
        return distances[:, 1:], ids[:, 1:]


def test_a_fault_is_found_and_shown_by_few_rows():
    rng = np.random.default_rng(0)
    X, Q = (rng.standard_normal((n, 4)).astype(np.float32) for n in (40, 5))
    tried = fuzz.Case(Careless(), X, Q, 3)
    fault = fuzz.fault_of(tried)
    assert fault == "Fault: a nearer row was missed"
    small = fuzz.smallest(tried, fault)
    assert fuzz.fault_of(small) == fault
    assert small.X.size < 10 and small.Q.size == 1
    script = fuzz.code(small, fault, 7)
    assert "np.array([[" in script and f"# {fault} (case 7)" in script


def test_a_number_stands_for_one_case():
    one, two = fuzz.case(3), fuzz.case(3)
    assert repr(one.index) == repr(two.index) and one.k == two.k
    np.testing.assert_array_equal(one.X, two.X)
