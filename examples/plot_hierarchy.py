"""
Hierarchy, hubs and degrees
===========================

Does a graph need upper layers that lead to an entry?  Do hubs, rows that are near to
many others, take their place?  Do two hierarchies serve hard queries better than one,
and how many edges should a row have?  Each question gets a function, a table and a
picture.

As it stands this runs in half a minute.  The figures of the documentation's page on
graphs are those of::

    python examples/plot_hierarchy.py --dims 8 16 32 64 128 \\
        --rows 20000 --seeds 2 FILE ...

``FILE`` is what ``python -m sklearn_jin benchmark`` takes: ``.npy``, ``.npz`` or
``.hdf5``.  ``--save FOLDER`` saves the pictures.
"""

# %%
# Rows and queries
# ----------------
# Independent normals of several dimensions, as in the study that asked whether the
# hierarchy is needed; clusters; and files.  Cosine distances are Euclidean ones of
# normalized rows, so all is Euclidean here.  A query's local intrinsic dimension,
# from its 20 true neighbours, says how hard it is; it puts queries into terciles.

import argparse
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import skew
from sklearn.preprocessing import normalize

from sklearn_jin import (
    DualBranchHNSWNeighbors,
    FlatNeighbors,
    HNSWNeighbors,
    KNNGraphTransformer,
    NSWNeighbors,
    SNGNeighbors,
    k_occurrence,
    warmup,
)
from sklearn_jin._memory import frozen
from sklearn_jin.benchmark import counting, load
from sklearn_jin.construction.lid import dimensions, log_sums
from sklearn_jin.construction.plan import ever_kept
from sklearn_jin.points import encode_queries
from sklearn_jin.search.layers import Walks, visit

parser = argparse.ArgumentParser()
parser.add_argument("files", nargs="*", metavar="FILE")
parser.add_argument("--rows", type=int, default=5_000, help="of generated data")
parser.add_argument("--dims", type=int, nargs="*", default=[8, 32, 128])
parser.add_argument("--seeds", type=int, default=1, help="graphs of each kind")
parser.add_argument("--save", type=Path, help="folder for the pictures")
args = parser.parse_args()

K = 10
N_QUERIES = 500  # that are timed
N_VISITORS = 2_000  # queries whose visits are counted, at most
LID_NEIGHBORS = 20
TARGET = 0.95  # recall at which indexes are compared
ENOUGH = 0.97  # recall from which on wider beams are not measured,
N_BEAMS = 3  # once so many were
PASSES, SECONDS = (2, 10), 0.5  # best of how many, and the time that is enough
VISIT_EF = 100
DEGREES = (16, 24, 32, 48, 64, 96)


class Task(NamedTuple):
    """Rows, queries, and what is right."""

    name: str
    X: np.ndarray
    visitors: np.ndarray
    queries: np.ndarray  # the first of the visitors
    bound: np.ndarray  # (n_queries, 1): the largest distance of a neighbour
    thirds: tuple  # numbers of the queries of low, middle and high local dimension


def task(name, X, visitors):
    queries = visitors[:N_QUERIES]
    distances, _ = FlatNeighbors().fit(X).kneighbors(queries, LID_NEIGHBORS)
    by_lid = np.argsort(dimensions(*log_sums(distances)))
    bound = distances[:, K - 1 : K] * (1 + 1e-6)  # rows that tie are as good
    return Task(name, X, visitors, queries, bound, tuple(np.array_split(by_lid, 3)))


def normals(d):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((args.rows + N_VISITORS, d), dtype=np.float32)
    return task(f"normals, {d}", X[N_VISITORS:], X[:N_VISITORS])


def read(source):
    data = load(source, n_queries=N_VISITORS)
    X, queries = data.X.astype(np.float32), data.queries.astype(np.float32)
    if data.metric in ("cosine", "angular"):
        X, queries = normalize(X), normalize(queries)
    elif data.metric != "euclidean":
        raise SystemExit(f"{source}: metric {data.metric} is not studied here")
    return task(data.name.replace(":", " "), X, queries)


# %%
# Measure
# -------
# Beams are doubled until recall suffices.  The indexes take turns, on one thread, so
# that what slows the machine slows them all; the best pass counts.  A value at a
# recall is interpolated between two beams, on its logarithm.


class Point(NamedTuple):
    """One index with one beam."""

    ef: int
    recall: float
    scores: float  # rows scored for a query
    speed: float  # queries per second, on one thread
    thirds: tuple  # recall of every tercile


def measure(indexes, task):
    """Curves of the ``indexes``, for the same beams."""
    curves, ef = {name: [] for name in indexes}, K
    while ef <= len(task.X) // 4:
        seconds = {name: [] for name in indexes}
        found, n_scores = {}, {}
        for n_passes in range(PASSES[1]):
            if n_passes >= PASSES[0] and min(map(sum, seconds.values())) > SECONDS:
                break
            for name, index in indexes.items():
                index.set_params(ef_search=ef, n_jobs=1)
                with counting() as work:
                    start = perf_counter()
                    distances, _ = index.kneighbors(task.queries, K)
                    seconds[name].append(perf_counter() - start)
                found[name], n_scores[name] = distances <= task.bound, work[1]
        for name, curve in curves.items():
            hits, n = found[name], len(task.queries)
            thirds = tuple(float(hits[third].mean()) for third in task.thirds)
            speed = n / min(seconds[name])
            curve.append(Point(ef, hits.mean(), n_scores[name] / n, speed, thirds))
        reached = min(curve[-1].recall for curve in curves.values())
        if reached >= ENOUGH and len(curve) >= N_BEAMS:
            break
        ef *= 2
    return curves


def at_target(curve, field):
    """A field of a point, where the curve has the recall ``TARGET``; else NaN."""
    recalls = [point.recall for point in curve]
    if recalls[-1] < TARGET:
        return np.nan
    values = [getattr(point, field) for point in curve]
    return float(np.exp(np.interp(TARGET, recalls, np.log(values))))


def ratio(curves, field, one, other):
    """Ratio of a field at ``TARGET`` for every seed: of ``one`` to the ``other``."""
    return np.array(
        [at_target(c[one], field) / at_target(c[other], field) for c in curves]
    )


def spread(values, digits=2):
    """The median and the range of what the seeds gave, as text."""
    if np.isnan(values).any():
        return "-"
    middle, least, most = np.median(values), np.min(values), np.max(values)
    text = f"{middle:,.{digits}f}"
    return (
        text if len(values) == 1 else f"{text} ({least:.{digits}f}-{most:.{digits}f})"
    )


def mean(values, digits=0):
    return "-" if np.isnan(values).any() else f"{np.mean(values):,.{digits}f}"


def table(title, heading, rows):
    """Print a table as reStructuredText."""
    cells = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells
    ]
    print("", title, "", rule, lines[0], rule, *lines[1:], rule, sep="\n", flush=True)


def save(figure, name):
    if args.save is not None:
        figure.savefig(args.save / f"{name}.png", dpi=72)


# %%
# All graphs have the same degree, 32 at most, the same pruning and the same beam of
# construction.  Beams of queries have a fixed width.

COMMON = {"adaptive": False, "exact_threshold": 0}
KINDS = {
    "NSW": NSWNeighbors,
    "HNSW": HNSWNeighbors,
    "dual": DualBranchHNSWNeighbors,
}


class Study(NamedTuple):
    """What was measured on one task."""

    task: Task
    curves: list  # for every seed, the curve of every kind
    n_bytes: dict  # of the index for a row, without the rows themselves
    seconds: dict  # of building on all threads, for every kind those of the seeds
    indexes: dict  # the fitted ones of the first seed


def study(task):
    """Fit every kind with every seed, and measure them side by side."""
    print(f"{task.name}: {len(task.X):,} rows of {task.X.shape[1]}", flush=True)
    curves, first, seconds = [], None, {name: [] for name in KINDS}
    for seed in range(args.seeds):
        indexes = {}
        for name, kind in KINDS.items():
            start = perf_counter()
            indexes[name] = kind(random_state=seed, **COMMON).fit(task.X)
            seconds[name].append(perf_counter() - start)
        first = first or indexes
        curves.append(measure(indexes, task))
    n_bytes = {}
    for name, index in first.items():
        total = sum(index.memory_usage().values()) - index.index_.points.X.nbytes
        n_bytes[name] = total / len(task.X)
    return Study(task, curves, n_bytes, seconds, first)


# %%
# Flat against hierarchical
# -------------------------
# ``NSWNeighbors`` is the lowest layer of ``HNSWNeighbors`` by itself: a walk starts
# from the nearest of 256 landmarks instead of descending.  The scores for a query
# include those of finding an entry.


def flat_or_hierarchical(studies):
    rows = []
    for s in studies:
        scores = [
            np.array([at_target(c[name], "scores") for c in s.curves])
            for name in ("NSW", "HNSW")
        ]
        # The least beam may do better already: then that is what is compared.
        least = min(c[name][0].recall for c in s.curves for name in ("NSW", "HNSW"))
        rows.append(
            (
                s.task.name + (" [*]_" if least > TARGET else ""),
                *map(mean, scores),
                spread(scores[0] / scores[1]),
                spread(ratio(s.curves, "speed", "NSW", "HNSW")),
                *(f"{s.n_bytes[name]:.0f}" for name in ("NSW", "HNSW")),
                f"{s.n_bytes['NSW'] / s.n_bytes['HNSW']:.2f}",
            )
        )
    heading = (
        "data", "scores, NSW", "scores, HNSW", "scores, ratio", "QPS, ratio",
        "bytes a row, NSW", "bytes a row, HNSW", "bytes, ratio",
    )  # fmt: skip
    table(f"Flat to hierarchical, at recall {TARGET}", heading, rows)

    n_columns = min(4, len(studies))
    n_rows = -(-len(studies) // n_columns)
    figure, grid = plt.subplots(
        n_rows,
        n_columns,
        figsize=(2.8 * n_columns, 0.4 + 2.4 * n_rows),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for ax in grid.flat[len(studies) :]:
        ax.set_axis_off()
    for ax, s in zip(grid.flat, studies):
        for name, style in (("NSW", "o-"), ("HNSW", "s--")):
            for seed, curves in enumerate(s.curves):
                points = curves[name]
                ax.plot(
                    [p.recall for p in points], [p.speed for p in points], style,
                    color="C0" if name == "NSW" else "C1", markersize=3, linewidth=1,
                    label=name if seed == 0 else None,
                )  # fmt: skip
        ax.set(yscale="log", title=s.task.name)
        ax.grid(alpha=0.3)
    grid[0, 0].legend(fontsize="small")
    figure.supxlabel(f"recall of {K} neighbours")
    figure.supylabel("queries per second")
    save(figure, "hierarchy_curves")


warmup()
by_dimension = [study(normals(d)) for d in args.dims]
sources = [f"clustered:{args.rows}x32", *args.files]
studies = [*by_dimension, *(study(read(source)) for source in sources)]
flat_or_hierarchical(studies)
plt.show()

# %%
# Hubs
# ----
# Skewness, 0 for counts that are spread evenly, of three counts of every row: of how
# many rows it is a neighbour; how many edges of the graph lead to it; and how many of
# the queries have it in their beam on the way.


def visits(index, queries):
    """How often every row enters the beam of one of the ``queries``."""
    counts, beam = np.zeros(index.n_samples_fit_, np.int64), ever_kept(VISIT_EF)

    def note(part, scores, ids):
        np.add.at(counts, ids[ids >= 0], 1)

    prepared, _ = index._prepare(queries)
    points = index.index_.points
    encoded = frozen(encode_queries(points, prepared))
    walks = Walks(points, encoded, beam.ef, beam, 1)
    visit(index.index_.route, walks, np.arange(len(queries)), note)
    return counts


def hubs(studies):
    """Print and return the skewness of every count on every task."""
    skewness, rows = [], []
    for s in studies:
        near = KNNGraphTransformer(
            n_neighbors=K, target_recall=0.99, exact_threshold=50_000, random_state=0
        ).fit(s.task.X)
        counts = {"neighbours": k_occurrence(near.kneighbors(return_distance=False))}
        shares = []
        for name in ("NSW", "HNSW"):
            index = s.indexes[name]
            edges = index.index_.route.neighbors
            counts[f"edges, {name}"] = np.bincount(
                edges[edges >= 0], minlength=len(s.task.X)
            )
            visited = counts[f"visits, {name}"] = visits(index, s.task.visitors)
            most = np.sort(visited)[-max(1, len(visited) // 100) :]
            shares.append(most.sum() / visited.sum())
        skewness.append({name: float(skew(count)) for name, count in counts.items()})
        rows.append(
            (
                s.task.name,
                *(f"{value:.1f}" for value in skewness[-1].values()),
                *(f"{share:.1%}" for share in shares),
                f"{visited.mean():.1f}",
            )
        )
    heading = (
        "data", *skewness[0], "visits to 1 % of rows, NSW", "the same, HNSW",
        "visits a row",
    )  # fmt: skip
    table("Skewness", heading, rows)
    return skewness


skewness = hubs(studies)

# %%
# What dimension does to both: left the ratio of flat to hierarchical, right the
# skewness.


def over_dimensions(studies, skewness):
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for field, label, mark in (("speed", "QPS", "o"), ("scores", "scores", "s")):
        ratios = np.array([ratio(s.curves, field, "NSW", "HNSW") for s in studies])
        middle = np.median(ratios, axis=1)
        ends = [middle - ratios.min(axis=1), ratios.max(axis=1) - middle]
        axes[0].errorbar(args.dims, middle, ends, marker=mark, capsize=3, label=label)
    axes[0].axhline(1, color="gray", linewidth=0.8)
    axes[0].set_ylabel(f"NSW to HNSW at recall {TARGET}")
    for name, mark in zip(skewness[0], "osD^v"):
        axes[1].plot(args.dims, [s[name] for s in skewness], marker=mark, label=name)
    axes[1].set_ylabel("skewness")
    for ax in axes:
        ax.set(xscale="log", xlabel="dimension of normals")
        ax.minorticks_off()
        ax.set_xticks(args.dims, map(str, args.dims))
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")
    save(figure, "hierarchy_dimensions")


over_dimensions(by_dimension, skewness[: len(by_dimension)])
plt.show()

# %%
# Two branches
# ------------
# ``DualBranchHNSWNeighbors`` inserts rows of large local dimension first and enters
# from two hierarchies.  It is to help hard queries, so recall is shown by tercile of
# their local dimension, at equal beams; differences are those to ``HNSWNeighbors``.


def gains(s, j, third):
    """Recall of two branches less that of one, for a beam and a tercile, by seed."""
    return np.array(
        [c["dual"][j].thirds[third] - c["HNSW"][j].thirds[third] for c in s.curves]
    )


def n_beams(s):
    return min(len(c["HNSW"]) for c in s.curves)


def dual_branch(studies):
    rows, totals = [], []
    for s in studies:
        for j in range(n_beams(s)):
            points = {n: [c[n][j] for c in s.curves] for n in ("HNSW", "dual")}
            scores = {n: np.array([p.scores for p in points[n]]) for n in points}
            rows.append(
                (
                    s.task.name,
                    str(points["HNSW"][0].ef),
                    mean([p.recall for p in points["HNSW"]], 3),
                    mean([p.recall for p in points["dual"]], 3),
                    *(f"{1000 * gains(s, j, t).mean():+.0f}" for t in range(3)),
                    spread(scores["dual"] / scores["HNSW"]),
                )
            )
        seconds = [np.array(s.seconds[name]) for name in ("dual", "HNSW")]
        totals.append(
            (
                s.task.name,
                spread(ratio(s.curves, "scores", "dual", "HNSW")),
                spread(ratio(s.curves, "speed", "dual", "HNSW")),
                spread(seconds[0] / seconds[1]),
            )
        )
    heading = (
        "data", "ef", "recall, HNSW", "recall, dual", "low LID, 1/1000", "middle",
        "high LID", "scores, ratio",
    )  # fmt: skip
    table("Two branches at equal beams", heading, rows)
    heading = "data", "scores, ratio", "QPS, ratio", "build time, ratio"
    table(f"Two branches to one, at recall {TARGET}", heading, totals)


def gains_by_beam(studies):
    figure, axes = plt.subplots(
        1, len(studies), figsize=(1 + 3.4 * len(studies), 3.6), layout="constrained",
        sharey=True, squeeze=False,
    )  # fmt: skip
    for ax, s in zip(axes[0], studies):
        efs = [point.ef for point in s.curves[0]["HNSW"][: n_beams(s)]]
        for t, name in enumerate(("low LID", "middle", "high LID")):
            values = np.array([gains(s, j, t) for j in range(n_beams(s))])
            middle = np.median(values, axis=1)
            ends = [middle - values.min(axis=1), values.max(axis=1) - middle]
            ax.errorbar(efs, middle, ends, marker="osD"[t], capsize=3, label=name)
        ax.axhline(0, color="gray", linewidth=0.8)
        ax.set(xscale="log", xlabel="ef_search", title=s.task.name)
        ax.minorticks_off()
        ax.set_xticks(efs, map(str, efs))
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel("recall, two branches less one")
    axes[0, 0].legend(fontsize="small")
    save(figure, "hierarchy_branches")


dual_branch(studies)
gains_by_beam(studies[len(by_dimension) :])
plt.show()

# %%
# Degrees
# -------
# ``SNGNeighbors`` learns its bound on degrees from a graph of a sample.  Here the
# bound is swept for, too.


def degrees(tasks):
    figure, axes = plt.subplots(
        1, len(tasks), figsize=(1 + 3.4 * len(tasks), 3.6), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    heading = (
        "max_degree", "mean degree", "scores", "QPS to the best",
        "build time to the calibrated",
    )  # fmt: skip
    for ax, t in zip(axes[0], tasks):
        found, rows, indexes, seconds = [], [], {}, {}
        for bound in (*DEGREES, "auto"):
            index = SNGNeighbors(max_degree=bound, random_state=0, **COMMON)
            start = perf_counter()
            indexes[bound] = index.fit(t.X)
            seconds[bound] = perf_counter() - start
        for bound, curve in measure(indexes, t).items():
            index = indexes[bound]
            edges = (index.index_.route.neighbors >= 0).sum(axis=1).mean()
            speed, scores = (at_target(curve, field) for field in ("speed", "scores"))
            found.append((index.max_degree_, edges, scores, speed, seconds[bound]))
        best = np.nanmax([speed for *_, speed, _ in found])
        for j, (bound, edges, scores, speed, build_s) in enumerate(found):
            learned = " (calibrated)" if j == len(DEGREES) else ""
            rows.append(
                (
                    f"{bound}{learned}",
                    f"{edges:.1f}",
                    mean([scores]),
                    "-" if np.isnan(speed) else f"{speed / best:.2f}",
                    f"{build_s / found[-1][-1]:.2f}",
                )
            )
        table(f"Degrees of SNG on {t.name}, at recall {TARGET}", heading, rows)
        swept = found[:-1]
        ax.plot([f[0] for f in swept], [f[3] for f in swept], "o-", label="given")
        ax.plot(found[-1][0], found[-1][3], "*", markersize=12, label="calibrated")
        ax.set(xlabel="max_degree", title=t.name)
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel(f"queries per second at recall {TARGET}")
    axes[0, 0].legend(fontsize="small")
    save(figure, "hierarchy_degrees")


degrees([s.task for s in studies[len(by_dimension) :]])
plt.show()
