"""
Lists of cells: what is probed, and what is found
=================================================

A partition index scans the lists of the cells that lie nearest to a query.  Here
are recall against speed as more lists are probed, beside a graph; what
``adaptive`` and the quantizer change; how many rows lists have; and inner products
of rows with queries that are unlike them.

The figures are those of the machine that ran this script.  With a file name,
``python examples/plot_partitions.py FILE.npz`` only writes 100,000 rows and their
queries, those of the last section, for ``python -m sklearn_jin benchmark
FILE.npz``.
"""

# %%
# Data
# ----
#
# 50 overlapping clusters of different widths.  For the last section, rows in
# clusters whose lengths differ, and queries that are not near to any cluster: they
# have a mean of their own, and vary most in other directions.

import sys
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    ProductQuantizer,
    RaBitQ,
    ScaNNNeighbors,
)
from sklearn_jin.benchmark import counting

K, PASSES = 10, 3


def clusters(n, d=48, n_clusters=50, seed=0):
    """Rows (n, d) in clusters."""
    rng = np.random.default_rng(seed)
    centers = 0.3 * rng.standard_normal((n_clusters, d))
    widths = rng.uniform(0.5, 1.0, n_clusters)
    which = rng.integers(0, n_clusters, n)
    noise = rng.standard_normal((n, d)) / np.sqrt(1 + np.arange(d) / 4)
    return (centers[which] + widths[which, None] * noise).astype(np.float32)


def inner_products(n, d=64, n_queries=500, seed=0):
    """Rows (n, d) of varying lengths, and queries (n_queries, d) unlike them."""
    rng = np.random.default_rng(seed)
    n_clusters = int(np.sqrt(n))
    centers = rng.standard_normal((n_clusters, d))
    rows = centers[rng.integers(0, n_clusters, n)]
    rows = rows + 0.7 * rng.standard_normal((n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows *= rng.lognormal(0, 0.3, (n, 1))
    turned, _ = np.linalg.qr(rng.standard_normal((d, d)))
    spread = 2 / np.sqrt(1 + np.arange(d))
    queries = rng.standard_normal((n_queries, d)) * spread @ turned
    queries += 0.2 * rng.standard_normal(d)
    return rows.astype(np.float32), queries.astype(np.float32)


for file in (name for name in sys.argv[1:] if name.endswith(".npz")):
    rows, queries = inner_products(100_000, n_queries=1000)
    np.savez(file, train=rows, test=queries, metric="inner_product")
    sys.exit()

rows = clusters(20_500)
rows, queries = rows[:20_000], rows[20_000:]
true, _ = FlatNeighbors(n_neighbors=K).fit(rows).kneighbors(queries)

# %%
# Measure
# -------
#
# One thread, the best of three passes over all queries.  A row that ties with the
# last neighbour is as good as it.


def curve(index, name, values, queries=queries, true=true):
    """Recall, queries per second and rows scored for each of ``values``."""
    index.set_params(n_jobs=1)
    points = []
    for value in values:
        index.set_params(**{name: value})
        with counting() as work:
            distances, _ = index.kneighbors(queries)
        seconds = []
        for _ in range(PASSES):
            start = perf_counter()
            index.kneighbors(queries)
            seconds.append(perf_counter() - start)
        within = true[:, -1:] + 1e-6 * np.abs(true[:, -1:])
        recall = np.mean(distances <= within)
        points.append((recall, len(queries) / min(seconds), work[1] / len(queries)))
        print(
            f"{name}={value:<4} recall {recall:.4f}  {points[-1][1]:>9,.0f}/s"
            f"  {points[-1][2]:>7,.0f} scores"
        )
    return np.array(points).T


def fitted(index, rows=rows):
    """Fit ``index``, once to few rows, which compiles its kernels or loads them."""
    index.fit(rows[:2000])
    start = perf_counter()
    index.fit(rows)
    print(f"\n{index}\nbuilt in {perf_counter() - start:.2f} s")
    return index


given = {"n_neighbors": K, "random_state": 0}
n_probes = [2, 4, 8, 16, 32, 64]

# %%
# Beside a graph
# --------------
#
# One fit serves all values of ``n_probes``, as of ``ef_search``.

lists = fitted(IVFNeighbors(**given))
found = {"IVFNeighbors": curve(lists, "n_probes", n_probes)}
graph = fitted(HNSWNeighbors(**given))
found["HNSWNeighbors"] = curve(graph, "ef_search", [10, 14, 20, 28, 40, 80])

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for name, (recalls, speeds, _) in found.items():
    axes.plot(recalls, speeds, marker="o", label=name)
axes.set(
    yscale="log",
    xlabel=f"recall of {K} neighbours",
    ylabel="queries per second, one thread",
    title=f"{len(rows):,} rows of {rows.shape[1]}",
)
axes.grid(alpha=0.3)
axes.legend()

# %%
# As many lists for every query, or by distance
# ---------------------------------------------
#
# With ``adaptive``, ``n_probes`` is a mean.  The rows that are scored tell what that
# gains whatever the machine.

fixed = curve(lists.set_params(adaptive=False), "n_probes", n_probes)
lists.set_params(adaptive=True)

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for label, (recalls, _, scores) in (
    ("adaptive", found["IVFNeighbors"]),
    ("as many for every query", fixed),
):
    axes.plot(scores, recalls, marker="o", label=label)
axes.set(
    xscale="log",
    xlabel="codes scored for a query",
    ylabel=f"recall of {K} neighbours",
)
axes.grid(alpha=0.3)
axes.legend()

# %%
# Batches
# -------
#
# Queries of a batch share passes over lists, and what a call costs by itself.

lists.set_params(n_probes=16)
for size in (1, 10, 100, 500):
    seconds = []
    for _ in range(PASSES):
        start = perf_counter()
        for lo in range(0, len(queries), size):
            lists.kneighbors(queries[lo : lo + size])
        seconds.append(perf_counter() - start)
    print(f"batches of {size:<3} {len(queries) / min(seconds):>9,.0f}/s")

# %%
# Quantizers
# ----------
#
# Without codes the rows themselves are scanned.  Codes of 4 bits are scanned by
# tables in registers, and those of 8 bits one by one.  The best candidates are
# scored again on the rows.

kinds = {
    "none": None,
    "ProductQuantizer, 4 bits": ProductQuantizer(n_bits=4),
    "ProductQuantizer, 8 bits": ProductQuantizer(n_bits=8),
    "RaBitQ, 4 bits": RaBitQ(n_bits=4),
}
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for label, quantizer in kinds.items():
    index = fitted(IVFNeighbors(quantizer=quantizer, **given))
    recalls, speeds, _ = curve(index, "n_probes", n_probes)
    axes.plot(recalls, speeds, marker="o", label=label)
axes.set(
    yscale="log",
    xlabel=f"recall of {K} neighbours",
    ylabel="queries per second, one thread",
    title="IVFNeighbors by quantizer",
)
axes.grid(alpha=0.3)
axes.legend()

# %%
# How many rows lists have
# ------------------------
#
# ``imbalance_`` is how many times the rows of lists of equal size are scanned by a
# query that probes lists at the rate of their rows.

print(f"{lists.n_lists_} lists, imbalance {lists.imbalance_:.2f}")
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.hist(lists.list_sizes_, bins=40)
axes.axvline(lists.list_sizes_.mean(), color="C1", label="mean")
axes.set(xlabel="rows of a list", ylabel="lists")
axes.legend()

# %%
# Inner products of queries unlike the rows
# -----------------------------------------
#
# The rows of the largest inner products are spread over many cells, and some of
# these look bad.  With ``spill`` every row is in a second list, so that more is
# found in as many lists.  Lists are twice as long, so what counts is the panel on
# the right.


def compare_spills(n=20_000, n_probes=(8, 16, 32, 64, 128)):
    """Recall of :class:`ScaNNNeighbors` by ``spill``, against what is scanned."""
    rows, queries = inner_products(n)
    same = {"metric": "inner_product", **given}
    exact = FlatNeighbors(n_neighbors=K, metric="inner_product").fit(rows)
    true, _ = exact.kneighbors(queries)
    _, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for label, spill in (("one list", False), ("second nearest", 0), ("SOAR", True)):
        index = fitted(ScaNNNeighbors(spill=spill, **same), rows)
        recalls, speeds, _ = curve(index, "n_probes", n_probes, queries, true)
        panels[0].plot(n_probes, recalls, marker="o", label=label)
        panels[1].plot(recalls, speeds, marker="o", label=label)
    panels[0].set(xscale="log", xlabel="n_probes", ylabel=f"recall of {K} neighbours")
    panels[1].set(
        yscale="log",
        xlabel=f"recall of {K} neighbours",
        ylabel="queries per second, one thread",
    )
    for panel in panels:
        panel.grid(alpha=0.3)
    panels[0].legend()


compare_spills()
plt.show()
