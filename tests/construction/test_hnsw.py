"""An HNSW graph: what the paper's parameters ask of it."""

import numpy as np
import pytest

from sklearn_jin.construction import hnsw
from sklearn_jin.construction.plan import layer_sizes
from sklearn_jin.search.beam import NO_END


@pytest.mark.parametrize("n", [1, 60, 5000])
@pytest.mark.parametrize("M", [2, 16])
def test_a_plan_has_2m_edges_below_and_m_above(n, M):
    plan = hnsw.plan(n, M, 77, 1.2)
    assert (plan.width, plan.M, plan.alphas) == (2 * M, M, (1.2**2,))
    assert plan.sizes == layer_sizes(n, M)


def test_a_beam_is_as_wide_as_asked_and_ends_by_itself():
    assert hnsw.plan(100, 4, 77, 1.1).beam == (77, 1, NO_END)
    assert np.isinf(NO_END)
