"""Vamana graphs."""

from sklearn_jin.build.grow import Plan, met


def plan(max_degree, search_list_size, alpha):
    """Two passes of RobustPrune (Subramanya et al. 2019, algorithm 3).

    ``alpha`` is for distances, as in the paper; graphs take its square.
    """
    return Plan(max_degree, met(search_list_size), (1.0, alpha**2))
