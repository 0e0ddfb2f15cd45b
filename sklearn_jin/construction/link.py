"""Edges back to new nodes, the bound on degrees, and nodes that none leads to."""

import numpy as np

from sklearn_jin._jit import kernel
from sklearn_jin.construction.prune import add_diverse, prune, rank_candidates
from sklearn_jin.search.beam import places


def edges(heads, tails, n):
    """Sources, where each one's targets start, and the targets, of edges given so."""
    targets, starts = grouped(heads, tails, n)
    sources = np.flatnonzero(np.diff(starts)).astype(np.int32)
    return sources, np.append(starts[sources], starts[-1]), targets


def grouped(keys, values, n):
    """``values`` by their key, of ``n``, else in their order; and where each starts."""
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=n), out=starts[1:])
    groups = np.empty(len(values), np.int32)
    distribute(keys, values, starts[:-1].copy(), groups)
    return groups, starts


@kernel
def distribute(keys, values, places, groups):
    """Put every value in the next of the ``places`` of its key."""
    for i in range(len(keys)):
        groups[places[keys[i]]] = values[i]
        places[keys[i]] += 1


@kernel
def add_edges(
    points, neighbors, degrees, sources, starts, targets, width, alpha, lo, hi
):
    """Give ``sources[lo:hi]`` the edges that are new; prune rows that overflow.

    A row may grow to the whole breadth of ``neighbors``, which is larger than
    ``width``: so one pruning serves many edges.
    """
    breadth = neighbors.shape[1]
    most = breadth
    for s in range(lo, hi):
        most = max(most, degrees[sources[s]] + starts[s + 1] - starts[s])
    ids, sorted_ids = np.empty(most, np.int32), np.empty(most, np.int32)
    scores, keys = np.empty(most, np.float32), np.empty(places(most), np.uint64)
    for s in range(lo, hi):
        source, n = sources[s], np.int64(degrees[sources[s]])
        for j in range(n):
            ids[j] = neighbors[source, j]
        for j in range(starts[s], starts[s + 1]):
            if targets[j] not in ids[:n]:
                ids[n] = targets[j]
                n += 1
        if n <= breadth:
            for j in range(degrees[source], n):
                neighbors[source, j] = ids[j]
            degrees[source] = n
        else:
            rank_candidates(points, source, ids, n, keys, sorted_ids, scores)
            degrees[source] = prune(
                points, sorted_ids, scores, n, width, alpha, neighbors[source]
            )


@kernel
def bound_degrees(points, neighbors, nodes, width, alpha, rows, lo, hi):
    """Write the edges of ``nodes[lo:hi]`` to ``rows``, at most ``width`` of each."""
    breadth = neighbors.shape[1]
    ids, scores = np.empty(breadth, np.int32), np.empty(breadth, np.float32)
    keys = np.empty(places(breadth), np.uint64)
    for i in range(lo, hi):
        node, n = nodes[i], 0
        while n < breadth and neighbors[node, n] >= 0:
            n += 1
        if n <= width:
            for j in range(width):
                rows[i, j] = neighbors[node, j] if j < n else -1
            continue
        rank_candidates(points, node, neighbors[node], n, keys, ids, scores)
        prune(points, ids, scores, n, width, alpha, rows[i])


@kernel
def heal(points, neighbors, live, alpha, rows, lo, hi):
    """Write to ``rows`` edges of the nodes ``lo`` to ``hi`` that lead to live ones.

    A node that was linked to one that is not ``live`` chooses anew, among its own live
    neighbours and those of the nodes that went (Singh et al. 2021, FreshDiskANN,
    algorithm 4).  A node that is not live has no edges.
    """
    width = neighbors.shape[1]
    most = width * (width + 1)
    ids, sorted_ids = np.empty(most, np.int32), np.empty(most, np.int32)
    scores, keys = np.empty(most, np.float32), np.empty(places(most), np.uint64)
    for node in range(lo, hi):
        rows[node] = -1
        if not live[node]:
            continue
        _, n = live_around(neighbors, live, node, False, ids)
        if n <= width:
            rows[node, :n] = ids[:n]
        else:
            rank_candidates(points, node, ids, n, keys, sorted_ids, scores)
            prune(points, sorted_ids, scores, n, width, alpha, rows[node])


@kernel
def replace_edges(points, neighbors, live, alpha, rows, lo, hi):
    """Write to ``rows`` the edges of the nodes ``lo`` to ``hi``, to live ones alone.

    In the place of those that led to others come edges that these had made needless,
    by the rule of ``prune``: to their neighbours, if none of the edges that are left
    makes them needless too.  So they are about those of a graph in which the others had
    never been, where :func:`heal` makes more of them.  Nodes that are not live keep
    theirs.
    """
    width = neighbors.shape[1]
    most = width * (width + 1)
    ids, sorted_ids = np.empty(most, np.int32), np.empty(most, np.int32)
    scores, keys = np.empty(most, np.float32), np.empty(places(most), np.uint64)
    for node in range(lo, hi):
        if not live[node]:
            rows[node] = neighbors[node]
            continue
        kept, n = live_around(neighbors, live, node, True, ids)
        rows[node, :kept] = ids[:kept]
        more = n - kept
        rank_candidates(points, node, ids[kept:], more, keys, sorted_ids, scores)
        add_diverse(points, sorted_ids, scores, more, width, alpha, rows[node], kept)


@kernel
def live_around(neighbors, live, node, one_way, ids):
    """Fill ``ids`` with live neighbours of a node, and then those of nodes that went.

    Returns how many are the former, and how many all.  With ``one_way`` nodes that went
    count only if they were not linked back.
    """
    own = np.int64(0)
    for neighbor in neighbors[node]:
        if neighbor >= 0 and live[neighbor]:
            ids[own] = neighbor
            own += 1
    n = own
    for gone in neighbors[node]:
        if gone < 0 or live[gone] or (one_way and node in neighbors[gone]):
            continue
        for neighbor in neighbors[gone]:
            if neighbor >= 0 and live[neighbor] and neighbor != node:
                if neighbor not in ids[:n]:
                    ids[n] = neighbor
                    n += 1
    return own, n


@kernel
def merge(rows, others):
    """Edges of two graphs on the same nodes, those of ``rows`` first, each once."""
    n, width = rows.shape
    merged = np.full((n, width + others.shape[1]), -1, np.int32)
    for node in range(n):
        filled = 0
        for j in range(merged.shape[1]):
            neighbor = rows[node, j] if j < width else others[node, j - width]
            if neighbor >= 0 and neighbor not in merged[node, :filled]:
                merged[node, filled] = neighbor
                filled += 1
    return merged


@kernel
def lift_in_degrees(neighbors, least):
    """Change edges until ``least`` lead to every node, if its neighbours can give them.

    A row that is far from all others is near to none, so pruning leaves it hardly an
    edge, and a query at its very place passes it by: of 2,000 random rows of 910
    features 65 were not found at ``ef_search=50``, now 4 are not.  A neighbour of such
    a node gives an empty place, or that of its farthest edge to a node that has more
    than twice ``least``.
    """
    n = len(neighbors)
    in_degrees = np.zeros(n, np.int64)
    for node in range(n):
        for neighbor in neighbors[node]:
            if neighbor >= 0:
                in_degrees[neighbor] += 1
    for node in range(n):
        for donor in neighbors[node]:
            if donor < 0 or in_degrees[node] >= least:
                break
            place = _place_to_give(neighbors, in_degrees, donor, node, 2 * least)
            if place >= 0:
                if neighbors[donor, place] >= 0:
                    in_degrees[neighbors[donor, place]] -= 1
                neighbors[donor, place] = node
                in_degrees[node] += 1


@kernel
def _place_to_give(neighbors, in_degrees, donor, node, many):
    """A place in the row of ``donor`` for an edge to ``node``; -1 if it has none."""
    place = -1
    for j, neighbor in enumerate(neighbors[donor]):
        if neighbor == node:
            return -1
        if neighbor < 0:
            return j
        if in_degrees[neighbor] > many:
            place = j
    return place


@kernel
def connect(neighbors, entry):
    """Change edges until every node is reached from ``entry``; return how many are not.

    A node that is not reached gets an edge from a reached one near it: into an
    empty place, or in place of an edge that reached nothing new.  Such a place
    always exists: ``n`` reached nodes are joined by ``n - 1`` edges.
    """
    n = len(neighbors)
    parent = np.full(n, -1, np.int32)  # the node that first led there
    parent[entry] = entry
    queue, seen = np.empty(n, np.int32), np.full(n, -1, np.int32)
    queue[0] = entry
    missing = n - _spread(neighbors, parent, queue, 1)
    for node in range(n):
        if parent[node] >= 0:
            continue
        donor = _nearby_donor(neighbors, parent, node, queue, seen)
        if donor < 0:
            donor = np.int32(0)
            while parent[donor] < 0 or _spare_place(neighbors, parent, donor) < 0:
                donor += 1
        neighbors[donor, _spare_place(neighbors, parent, donor)] = node
        parent[node], queue[0] = donor, node
        missing -= _spread(neighbors, parent, queue, 1)
    return missing


@kernel
def _spread(neighbors, parent, queue, n_queued):
    """Set the ``parent`` of all that the queue leads to; return its length then."""
    head = 0
    while head < n_queued:
        node = queue[head]
        head += 1
        for neighbor in neighbors[node]:
            if neighbor < 0:
                break
            if parent[neighbor] < 0:
                parent[neighbor] = node
                queue[n_queued] = neighbor
                n_queued += 1
    return n_queued


@kernel
def _nearby_donor(neighbors, parent, node, queue, seen):
    """The first reached node with a spare place that ``node`` leads to, or -1."""
    queue[0], seen[node] = node, node
    head, n_queued = 0, 1
    while head < n_queued:
        at = queue[head]
        head += 1
        if parent[at] >= 0 and _spare_place(neighbors, parent, at) >= 0:
            return at
        for neighbor in neighbors[at]:
            if neighbor < 0:
                break
            if seen[neighbor] != node:
                seen[neighbor] = node
                queue[n_queued] = neighbor
                n_queued += 1
    return -1


@kernel
def _spare_place(neighbors, parent, node):
    """A place in the row of ``node`` that is empty or reached nothing new, or -1."""
    place = -1
    for j, neighbor in enumerate(neighbors[node]):
        if neighbor < 0:
            return j
        if parent[neighbor] != node:
            place = j
    return place
