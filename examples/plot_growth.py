"""
How building grows with the number of rows
==========================================

Rows of 64 features in clusters, ten times as many from step to step: how long
it takes to find the graph of their 15 nearest neighbours, to a recall of 0.95,
and to build an index of them.

The documentation's figures are those of ``python examples/plot_growth.py 10000
30000 100000 300000 1000000``.
"""

# %%
# Data
# ----
#
# As many clusters as the square root of the rows, whose widths differ.

import sys
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from sklearn_jin import HNSWNeighbors, KNNGraphTransformer

D, K = 64, 15


def clusters(n, seed=0):
    """Rows (n, 64), float32."""
    rng = np.random.default_rng(seed)
    n_clusters = int(np.sqrt(n))
    centers = rng.standard_normal((n_clusters, D), dtype=np.float32)
    which = rng.integers(0, n_clusters, n)
    widths = rng.uniform(0.3, 1, n_clusters).astype(np.float32)
    noise = rng.standard_normal((n, D), dtype=np.float32)
    return centers[which] + widths[which, None] * noise


def seconds(task):
    start = perf_counter()
    result = task()
    return perf_counter() - start, result


# %%
# Times
# -----
#
# A small fit comes first, which compiles the kernels or loads them.

numbers = [n for n in sys.argv[1:] if n.isdigit()]
sizes = [int(n) for n in numbers] or [3_000, 10_000, 30_000]

graph = KNNGraphTransformer(n_neighbors=K, exact_threshold=0, random_state=0)
index = HNSWNeighbors(exact_threshold=0, build="partition", random_state=0)
graph.fit_transform(clusters(2_000))
index.fit(clusters(2_000))

times = []
print(f"{'rows':>9}  {'graph, s':>8}  {'recall':>6}  {'index, s':>8}")
for n in sizes:
    X = clusters(n)
    of_graph, _ = seconds(lambda X=X: graph.fit_transform(X))
    of_index, _ = seconds(lambda X=X: index.fit(X))
    times.append((of_graph, of_index))
    print(f"{n:>9,}  {of_graph:8.2f}  {graph.recall_:6.3f}  {of_index:8.2f}")

# %%
# Exponents
# ---------
#
# The slope of the logarithms: 1 is in proportion to the rows, 2 is that of
# comparing all with all.

slopes = np.polyfit(np.log(sizes), np.log(times), 1)[0]
print("time grows as the rows to the power of", *np.round(slopes, 2))

fig, ax = plt.subplots(figsize=(6, 4))
for name, slope, of in zip(("graph of 15 neighbours", "index"), slopes, zip(*times)):
    ax.loglog(sizes, of, "o-", label=f"{name}: rows to the power of {slope:.2f}")
ax.set(xlabel="rows", ylabel="seconds", title="64 features, in clusters")
ax.legend()
fig.tight_layout()
plt.show()
