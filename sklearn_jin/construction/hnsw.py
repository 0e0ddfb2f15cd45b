"""Hierarchical navigable small world graphs."""

from sklearn_jin.construction.plan import Plan, fixed, layer_sizes


def plan(n, M, ef_construction, alpha):
    """Layers of ``n`` nodes (Malkov & Yashunin 2020), the lowest with ``2 M`` edges.

    ``alpha`` is for distances; graphs take its square.
    """
    M = int(M)  # numbers of NumPy overflow
    return Plan(2 * M, fixed(ef_construction), (alpha**2,), layer_sizes(n, M), M)
