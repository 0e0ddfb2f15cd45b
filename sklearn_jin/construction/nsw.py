"""Navigable small world graphs of one layer."""

from sklearn_jin.construction.plan import fixed, flat


def plan(n, M, ef_construction, alpha):
    """The lowest layer of HNSW by itself (Munyampirwa et al. 2024).

    ``alpha`` is for distances; graphs take its square.
    """
    return flat(n, 2 * int(M), fixed(ef_construction), (alpha**2,))
