"""Vamana graphs."""

from sklearn_jin.construction.plan import ever_kept, flat


def plan(n, max_degree, search_list_size, alpha):
    """Two passes of RobustPrune (Subramanya et al. 2019, algorithm 3).

    ``alpha`` is for distances, as in the paper; graphs take its square.
    """
    return flat(n, int(max_degree), ever_kept(search_list_size), (1.0, alpha**2))
