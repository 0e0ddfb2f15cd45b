"""Navigable small world graphs of one layer."""

from sklearn_jin.build.grow import Plan, fixed


def plan(M, ef_construction, alpha):
    """The lowest layer of HNSW by itself (Munyampirwa et al. 2024)."""
    return Plan(2 * M, fixed(ef_construction), (alpha,))
