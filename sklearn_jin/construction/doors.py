"""Which landmarks are doors, and whether a graph needs any."""

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin._memory import frozen
from sklearn_jin.points import count, encode_queries, pair_score, rows_of, subset
from sklearn_jin.search.doors import Doors, enter_by_doors
from sklearn_jin.search.layers import Layers, descend
from sklearn_jin.search.rerank import estimate

HEADS = 3.0  # times the root of the landmarks; with 6 as many queries are lost
FEWEST = 64  # landmarks; fewer are looked at by a descent
TRIED = 512  # rows that tell how many descents are lost
ASTRAY = 2.0  # times the score of the nearest landmark: so far a wrong cluster is
LOST = 0.02  # share of descents that end in one and are worth doors: 0 to 1 % on SIFT
# and GloVe, 12 % and more on 300 clusters


def with_doors(layers, points, searched, rng):
    """``layers`` with doors, if more than ``LOST`` of the descents lose their way.

    As some rows tell: they are looked up among the landmarks of ``searched`` points.
    """
    if not isinstance(layers, Layers) or len(layers.members) < FEWEST:
        return layers
    doors = learn_doors(subset(points, layers.members), rng)
    opened = layers._replace(doors=doors)
    some = np.sort(rng.choice(count(points), min(count(points), TRIED), replace=False))
    queries = frozen(encode_queries(searched, rows_of(points, some)))
    every = np.arange(len(some))
    _, found, _ = descend(layers, queries, every, np.empty(0, np.bool_), np.float32(0))
    _, better, _ = enter_by_doors(opened, queries, every)
    far, near = (_nearest(searched, queries, ids) for ids in (found, better))
    return opened if np.mean(far > ASTRAY * near) > LOST else layers


def _nearest(points, queries, ids):
    """The least score of each query among the points of its row of ``ids``."""
    scores = np.empty(ids.shape, np.float32)
    estimate(points, queries, ids, scores)
    return scores.min(axis=1)


def learn_doors(landmarks, rng):
    """The :class:`~sklearn_jin.search.doors.Doors` to ``landmarks``, which are rows.

    Heads are drawn as k-means++ draws its first centres (Arthur & Vassilvitskii 2007):
    with a probability in proportion to the score from the nearest head before.  So
    every cluster gets one, however few rows it has; centres of k-means are where most
    rows are, and by them ten times as many queries were lost.
    """
    n = count(landmarks)
    heads = np.empty(min(n, int(HEADS * n**0.5)), np.int32)
    cells, gaps = np.zeros(n, np.int32), np.full(n, np.inf, np.float32)
    n_heads = draw_heads(landmarks, rng.random_sample(len(heads)), heads, cells, gaps)
    order = np.argsort(cells, kind="stable").astype(np.int32)
    starts = np.searchsorted(cells[order], np.arange(n_heads + 1)).astype(np.int64)
    return Doors(*map(frozen, (heads[:n_heads].copy(), starts, order)))


@kernel
def draw_heads(points, draws, heads, cells, gaps):
    """Draw ``heads``, and fill the cell of every point and its score from the head.

    Returns how many there are: fewer than asked for where points are copies of them.
    """
    for h in range(len(heads)):
        total = 0.0
        for i in range(len(gaps) if h > 0 else 0):
            total += gaps[i]
        if h > 0 and not 0 < total < np.inf:
            return h
        head, left = 0, draws[h] * total
        if h == 0:
            head = int(draws[0] * len(gaps))
        else:
            while head < len(gaps) - 1 and left >= gaps[head]:
                left -= gaps[head]
                head += 1
        heads[h] = head
        for i in range(len(gaps)):
            gap = pair_score(points, head, i)
            if gap < gaps[i]:
                gaps[i], cells[i] = gap, h
    return len(heads)
