"""What the published algorithms ask of their graphs."""

import pytest

from sklearn_jin.construction import grow, hnsw, nsw, sng, vamana
from sklearn_jin.search.beam import NO_END


@pytest.mark.parametrize("n", [1, 60, 5000])
@pytest.mark.parametrize("M", [2, 16])
def test_hnsw_has_2m_edges_below_and_m_above(n, M):
    plan = hnsw.plan(n, M, 77, 1.5)
    assert (plan.width, plan.M, plan.alphas) == (2 * M, M, (2.25,))
    assert plan.sizes == grow.layer_sizes(n, M) and not plan.is_flat
    assert plan.beam == (77, 1, NO_END)


@pytest.mark.parametrize("n", [1, 60, 5000])
def test_flat_graphs_have_landmarks_and_alphas_for_distances(n):
    by_nsw, by_sng = nsw.plan(n, 8, 77, 1.5), sng.plan(n, 16, 77, 1.5)
    assert by_nsw == by_sng and by_nsw.alphas == (2.25,)
    by_vamana = vamana.plan(n, 16, 40, 1.5)
    assert by_vamana.alphas == (1.0, 2.25) and by_vamana.beam == grow.ever_kept(40)
    for plan in (by_nsw, by_vamana):
        assert plan.is_flat and plan.width == 16
        assert sum(plan.sizes) in (0, min(grow.LANDMARKS, n // 4))
