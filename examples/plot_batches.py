"""
Batches: which index is fastest for how many queries
====================================================

A graph answers each query by itself.  Lists are scanned once for all queries of a batch
that probe them, and products of many queries take less than those of one.  So what is
fastest depends on how many queries come at once.

The documentation's picture is that of ``python examples/plot_batches.py
clustered:110000x128 1 10 100 1000 10000``.  A file takes the place of the first, as of
``python -m sklearn_jin benchmark``.
"""

# %%
# Data
# ----
#
# Rows in clusters of very different widths, and as many queries as the largest batch.

import sys
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from sklearn_jin import FlatNeighbors, HNSWNeighbors, IVFNeighbors, IVFPCANeighbors
from sklearn_jin.benchmark import load

K, RECALL = 10, 0.95
LEAST_SECONDS, FEWEST_PASSES = 0.3, 5

arguments = [a for a in sys.argv[1:] if ":" in a or "." in a or a.isdigit()]
source = next((a for a in arguments if not a.isdigit()), "clustered:12000x64")
sizes = [int(a) for a in arguments if a.isdigit()] or [1, 10, 100, 1000]

data = load(source, n_queries=max(sizes))
X, Q = (np.ascontiguousarray(part, np.float32) for part in (data.X, data.queries))
Q = np.tile(Q, (-(-max(sizes) // len(Q)), 1))  # if there are fewer
true = FlatNeighbors(metric=data.metric).fit(X).kneighbors(Q[:1000], K)[0][:, -1:]

# %%
# Indexes
# -------
#
# Each is set to the least effort that finds 95 % of the neighbours.

indexes = {
    "HNSWNeighbors": (HNSWNeighbors(), "ef_search"),
    "HNSWNeighbors, auto": (HNSWNeighbors(quantizer="auto"), "ef_search"),
    "IVFNeighbors": (IVFNeighbors(), "n_probes"),
    "IVFPCANeighbors": (IVFPCANeighbors(), "n_probes"),
    "FlatNeighbors": (FlatNeighbors(), None),
}
EFFORTS = 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 400, 800


def recall(index):
    distances, _ = index.kneighbors(Q[:1000], K)
    return np.mean(distances <= true + 1e-6 * np.abs(true))


for index, effort in indexes.values():
    index.set_params(metric=data.metric, random_state=0, n_jobs=1).fit(X)
    for value in EFFORTS if effort else ():
        if effort == "ef_search" and value < K:
            continue
        if recall(index.set_params(**{effort: value})) >= RECALL:
            break

# %%
# Times
# -----
#
# Microseconds a query on one thread: the median of several passes.


def microseconds(index, size):
    """Of a query in batches of ``size``, which differ from pass to pass."""
    times, first = [], 0
    index.kneighbors(Q[:size], K)
    while len(times) < FEWEST_PASSES or sum(times) < LEAST_SECONDS:
        first = (first + size) % (len(Q) - size + 1)
        start = perf_counter()
        index.kneighbors(Q[first : first + size], K)
        times.append(perf_counter() - start)
    return 1e6 * np.median(times) / size


fig, ax = plt.subplots(figsize=(6, 4))
print(f"{'':>20} " + " ".join(f"{size:>8,}" for size in sizes))
for name, (index, _) in indexes.items():
    times = [microseconds(index, size) for size in sizes]
    print(f"{name:>20} " + " ".join(f"{time:8.1f}" for time in times))
    ax.plot(sizes, times, "o-", label=name)
ax.set(xscale="log", yscale="log", xlabel="queries in a batch")
ax.set(ylabel="microseconds a query", title=f"recall {RECALL} on {source}, one thread")
ax.legend()
fig.tight_layout()
fig.savefig("batches.png", dpi=90)
