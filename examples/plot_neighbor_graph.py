"""
The graph of the nearest neighbours of all rows
===============================================

What spectral clustering, UMAP or t-SNE begin with: the 15 nearest neighbours of
every row, as a sparse matrix.  ``KNNGraphTransformer`` finds them to the recall
that is asked for; beside it stand an index, scikit-learn's exact search and, where it
is installed, pynndescent.

The documentation's figures are those of
``python examples/plot_neighbor_graph.py FILE``.
"""

# %%
# Data
# ----
#
# A file, as ``python -m sklearn_jin benchmark`` takes it, or generated clusters.

import sys
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neighbors import KNeighborsTransformer

from sklearn_jin import HNSWTransformer, KNNGraphTransformer
from sklearn_jin.benchmark import load

K, RECALLS, REPEATS = 15, (0.8, 0.95, 0.98), 3
N_EXACT = 2_000  # rows that are searched exactly: for the recall, and for the time

files = [name for name in sys.argv[1:] if name.endswith((".npz", ".npy", ".hdf5"))]
data = load(files[0] if files else "clustered:20000x32", n_queries=100)
X, metric = data.X.astype(np.float32), data.metric

# %%
# Exact search
# ------------
#
# It takes as long for each of the rows, so some tell the time of all.

some = np.random.default_rng(0).choice(len(X), min(len(X), N_EXACT), replace=False)
scan = KNeighborsTransformer(n_neighbors=K, metric=metric, algorithm="brute").fit(X)
start = perf_counter()
exact = scan.transform(X[some]).indices.reshape(-1, K + 1)
scan_s = (perf_counter() - start) * len(X) / len(some)


def recall(graph):
    """Share of the true neighbours that ``graph`` holds, for some rows."""
    found = graph[some].indices.reshape(len(some), -1)
    return np.mean([len(np.intersect1d(*pair)) - 1 for pair in zip(found, exact)]) / K


# %%
# The others
# ----------
#
# All are fitted once to few rows first, which compiles their kernels or loads them.

given = {"n_neighbors": K, "metric": metric, "random_state": 0}
models = {
    f"KNNGraphTransformer, {r}": KNNGraphTransformer(target_recall=r, **given)
    for r in RECALLS
}
models["HNSWTransformer"] = HNSWTransformer(**given)
try:
    from pynndescent import PyNNDescentTransformer
except ImportError:
    print("not measured: pynndescent, which is not installed")
else:
    models["PyNNDescentTransformer"] = PyNNDescentTransformer(**given)

for model in models.values():
    parameters = {"exact_threshold": 0} if "exact_threshold" in vars(model) else {}
    type(model)(**{**model.get_params(), **parameters}).fit_transform(X[:4_000])

seconds, recalls = {name: [] for name in models}, {}
for _ in range(REPEATS):  # in turns, so that what slows the machine slows them all
    for name, model in models.items():
        start = perf_counter()
        graph = model.fit_transform(X)
        seconds[name].append(perf_counter() - start)
        recalls[name] = recall(graph)

print(f"{data.name}: {len(X):,} rows of {X.shape[1]}, {metric}, {K} neighbours")
print(f"{'':<26}{'seconds':>8}  {'to exact':>8}  {'recall':>6}")
print(f"{'KNeighborsTransformer':<26}{scan_s:8.2f}  {1:8.3f}  {1:6.3f}")
for name, times in seconds.items():
    best = min(times)
    print(f"{name:<26}{best:8.2f}  {best / scan_s:8.3f}  {recalls[name]:6.3f}")

# %%
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, times in seconds.items():
    ax.plot(min(times), recalls[name], "o", label=name)
ax.set(xlabel="seconds", ylabel="recall", title=f"{data.name}, {len(X):,} rows")
ax.set_xlim(left=0)
ax.grid(alpha=0.3)
ax.legend(fontsize="small")
plt.show()
