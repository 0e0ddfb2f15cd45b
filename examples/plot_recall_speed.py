"""
Recall against speed
====================

An approximate index answers faster than an exact one because it looks at fewer
rows, and it may miss a neighbour for the same reason.  How often, is its *recall*:
the share of the true neighbours that it found.  The width of its search, here
``ef_search``, trades one for the other, and can be changed without a new fit.

The figures are those of the machine that ran this script.
"""

# %%
# Rows and queries
# ----------------
# 50 overlapping clusters of different widths in 64 dimensions: 20,000 rows to be
# found, and 1,000 queries that are not among them.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from sklearn_jin import FlatNeighbors, HNSWNeighbors, warmup

rng = np.random.default_rng(0)
n_rows, n_queries, n_features, n_clusters, k = 20_000, 1_000, 64, 50, 10
centers = 0.3 * rng.standard_normal((n_clusters, n_features))
widths = rng.uniform(0.5, 1.0, n_clusters)
cluster = rng.integers(n_clusters, size=n_rows + n_queries)
noise = rng.standard_normal((n_rows + n_queries, n_features))
noise /= np.sqrt(1 + np.arange(n_features) / 4)
X = (centers[cluster] + widths[cluster, None] * noise).astype(np.float32)
X, queries = X[:n_rows], X[n_rows:]

# %%
# Measure
# -------
# Kernels are compiled, or loaded from disk, before the clock starts.  The median
# of five passes over all queries counts, on one thread.

warmup()


def queries_per_second(index):
    seconds = []
    for _ in range(5):
        start = perf_counter()
        index.kneighbors(queries)
        seconds.append(perf_counter() - start)
    return n_queries / np.median(seconds)


exact = FlatNeighbors(n_neighbors=k, n_jobs=1).fit(X)
true_distances, _ = exact.kneighbors(queries)
exact_speed = queries_per_second(exact)

start = perf_counter()
index = HNSWNeighbors(n_neighbors=k, n_jobs=1, random_state=0).fit(X)
print(f"graph built in {perf_counter() - start:.1f} s")
print(f"exact search    recall 1       {exact_speed:>8,.0f}/s")

widths_of_search = [10, 14, 20, 28, 40, 56, 80, 112, 160, 226, 320]
recalls, speeds = [], []
for ef_search in widths_of_search:
    index.set_params(ef_search=ef_search)
    distances, _ = index.kneighbors(queries)
    # By distance: a row that ties with the last neighbour is as good.
    recalls.append(np.mean(distances <= true_distances[:, -1:] * (1 + 1e-6)))
    speeds.append(queries_per_second(index))
    print(f"ef_search={ef_search:<4} recall {recalls[-1]:.4f}  {speeds[-1]:>8,.0f}/s")

# %%
# The picture
# -----------
# Up and to the right is better.  The line of exact search has recall 1 throughout.

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(recalls, speeds, marker="o", label="HNSWNeighbors")
axes.axhline(exact_speed, color="C1", linestyle="--", label="FlatNeighbors (exact)")
for ef_search, recall, speed in zip(widths_of_search, recalls, speeds):
    if ef_search in (10, 20, 40, 80, 320):
        axes.annotate(
            f"ef_search={ef_search}",
            (recall, speed),
            xytext=(-6, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize="small",
        )
axes.set(
    yscale="log",
    xlabel=f"recall of {k} neighbours",
    ylabel="queries per second, one thread",
    title=f"{n_rows:,} rows of {n_features}",
)
axes.margins(x=0.15)
axes.grid(alpha=0.3)
axes.legend()
plt.show()
