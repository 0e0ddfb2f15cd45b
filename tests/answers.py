"""Answers of single routes, for the tests of what they propose."""

import numpy as np

from sklearn_jin.search.answer import answer
from sklearn_jin.search.index import FLAT, Index, Learned, Search


def scan(points, queries, k, n_threads=1):
    """Exact scores and ids by the flat route."""
    search = Search(k, k, n_threads=n_threads)
    return answer(Index(None, points, None, FLAT), queries, search)


def scan_codes(codes, points, queries, k, search):
    """As :func:`scan`, where codes propose ``search.room`` candidates."""
    return answer(Index(None, points, codes, FLAT), queries, search._replace(k=k))


def search_route(route, points, queries, search, codes=None, spread=(), finer=None):
    """Scores and ids of the candidates that a route proposes."""
    learned = Learned(1.0, spread=np.asarray(spread))
    index = Index(None, points, codes, route, learned, finer)
    return answer(index, queries, search)
