"""What was measured, as a table, as JSON and as a picture."""

import json
import os
import platform

import numpy as np

import sklearn_jin

RECALLS = (0.9, 0.95, 0.99)

# Heading, and how a point is written below it.
COLUMNS = (
    ("index                    ", "{0.index:<25}"),
    ("setting       ", "{0.setting:<14}"),
    (" build s", "{0.build_s:>8.2f}"),
    ("bytes/row", "{0.bytes_per_row:>9.0f}"),
    (" recall", "{0.recall:>7.4f}"),
    ("QPS 1 thread", "{0.qps_one:>12,.0f}"),
    ("QPS all threads", "{0.qps_all:>15,.0f}"),
    ("  hops", "{0.hops:>6.0f}"),
    (" scores", "{0.scores:>7.0f}"),
    ("of bound", "{0.efficiency:>8.0%}"),
)


def machine():
    """The machine and the versions, in general terms, as a dict."""
    import numba
    import sklearn

    from sklearn_jin import _simd
    from sklearn_jin._threads import count_threads

    return {
        "sklearn_jin": sklearn_jin.__version__,
        "scikit-learn": sklearn.__version__,
        "numba": numba.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "vectors": _simd.LEVEL,
        "cores": os.cpu_count(),
        "threads": count_threads(None),
    }


def table(data, k, points):
    """Yield the lines of a table, each as soon as its point has been measured."""
    n, d = data.X.shape
    yield (
        f"{data.name}: {n:,} rows of {d}, {len(data.queries):,} queries, "
        f"{data.metric}, k = {k}"
    )
    yield "  ".join(heading for heading, _ in COLUMNS)
    for point in points:
        yield "  ".join(form.format(point) for _, form in COLUMNS)


def speed_at(points, recall, field):
    """Queries per second at ``recall`` on the frontier of ``points``, or None.

    Interpolated between the two settings around it, on the logarithm.
    """
    ranked = sorted(((p.recall, getattr(p, field)) for p in points), reverse=True)
    frontier, best = [], 0.0
    for point in ranked:
        if point[1] > best:
            frontier.append(point)
            best = point[1]
    reached, speeds = np.array(frontier[::-1]).T
    if reached[-1] < recall:
        return None
    return float(np.exp(np.interp(recall, reached, np.log(speeds))))


def summary(points):
    """Yield the lines of a table of queries per second at fixed recalls."""
    headings = [f"{recall:g}" for recall in RECALLS]
    yield f"{'queries/s at recall':<25}" + "".join(f"{h:>11}" for h in headings * 2)
    yield f"{'':<25}{'1 thread':>33}{'all threads':>33}"
    for name in dict.fromkeys(point.index for point in points):
        mine = [point for point in points if point.index == name]
        speeds = (
            speed_at(mine, recall, field)
            for field in ("qps_one", "qps_all")
            for recall in RECALLS
        )
        cells = (f"{'-' if s is None else format(s, ',.0f'):>11}" for s in speeds)
        yield f"{name:<25}" + "".join(cells)


def as_json(data, k, points):
    """All that was measured, as one JSON object."""
    n, d = data.X.shape
    about = {"name": data.name, "rows": n, "features": d, "metric": data.metric, "k": k}
    about["queries"] = len(data.queries)
    rows = [point._asdict() for point in points]
    return json.dumps({"data": about, "machine": machine(), "points": rows}, indent=2)


def picture(data, k, points, path):
    """Draw recall against queries per second and save it at ``path``."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    names = dict.fromkeys(point.index for point in points)
    for color, name in enumerate(names):
        mine = [point for point in points if point.index == name]
        for field, style, where in (
            ("qps_one", "-", "1 thread"),
            ("qps_all", "--", "all threads"),
        ):
            speeds = [getattr(point, field) for point in mine]
            look = {
                "color": f"C{color}",
                "linestyle": style,
                "label": f"{name}, {where}",
            }
            if mine[0].setting == "exact":
                axes.axhline(speeds[0], **look, linewidth=1)
            else:
                axes.plot([point.recall for point in mine], speeds, marker=".", **look)
    n, d = data.X.shape
    axes.set(
        yscale="log",
        xlabel=f"recall@{k}",
        ylabel="queries per second",
        title=f"{data.name}: {n:,} rows of {d}, {data.metric}",
    )
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize="small")  # over no curve
    figure.savefig(path, dpi=120)
    plt.close(figure)
