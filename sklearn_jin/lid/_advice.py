"""A report on how hard data are to search, and the index to begin with."""

from dataclasses import dataclass, fields
from numbers import Real

import numpy as np
from sklearn.utils.validation import check_array

from sklearn_jin._compat import Integers, validate_params
from sklearn_jin._numbers import squares
from sklearn_jin.construction.lid import (
    dimensions,
    first_ratios,
    log_ratios,
    log_sums,
    pool,
)
from sklearn_jin.lid._reports import contrast_of, hubness
from sklearn_jin.lid._rows import (
    FLOATS,
    INDEXES,
    distances_to_others,
    draw_rows,
    fit_copy,
    near_one,
)
from sklearn_jin.neighbors._flat import FlatNeighbors
from sklearn_jin.neighbors._graph import MIN_EF
from sklearn_jin.neighbors._hnsw import HNSWNeighbors

# Recommendations change at these numbers.
FEW_ROWS = 5000  # a scan is exact, needs no building and is quick enough
SETTLED_ROWS = 100_000  # up to this number the beam depends on the dimension alone
MANY_BYTES = 2**26  # of float32 rows: more than caches hold
LEAST_M, MOST_M = 16, 48
MOST_EF = 1000
LOW_CONTRAST = 1.5
HIGH_SKEWNESS = 2.0
MANY_DUPLICATES = 0.01
ADVICE = "A starting point: check it by measuring recall."


@dataclass(frozen=True, repr=False)
class Difficulty:
    """Report on data, and where to begin: see :func:`describe_difficulty`.

    Attributes
    ----------
    n_samples : int
        Number of rows.
    n_features : int
        Number of features.
    n_sampled : int
        Number of rows that were looked at.
    lid : float
        Intrinsic dimension around all of these together, by maximum likelihood.
    lid_quantiles : tuple of float
        Dimensions of single rows that 10, 50 and 90 % are below.
    two_nn : float
        Intrinsic dimension by two neighbours, as :class:`TwoNN` has it.
    contrast : float
        Relative contrast.
    skewness : float
        Skewness of ``N_k`` among the rows that were looked at.
    antihub_share : float
        Share of these that are nobody's neighbour among them.
    duplicate_share : float
        Share of them that another row equals.
    norm_spread : float
        Standard deviation of the rows' lengths by their mean.
    settings : dict or None
        Parameters of :class:`HNSWNeighbors` to begin with; None means
        :class:`FlatNeighbors`.
    reasons : tuple of str
        Sentences that say why.
    """

    n_samples: int
    n_features: int
    n_sampled: int
    lid: float
    lid_quantiles: tuple
    two_nn: float
    contrast: float
    skewness: float
    antihub_share: float
    duplicate_share: float
    norm_spread: float
    settings: dict | None
    reasons: tuple

    @property
    def index(self):
        """A new, unfitted estimator of the recommended index: keep it, and measure."""
        if self.settings is None:
            return FlatNeighbors()
        return HNSWNeighbors(**self.settings)

    def __repr__(self):
        named = ((f.name, getattr(self, f.name)) for f in fields(self))
        numbers = (f"{a}={v:.4g}" for a, v in named if isinstance(v, Real))
        return f"Difficulty({', '.join(numbers)}, index={self.index!r})"

    def __str__(self):
        low, median, high = self.lid_quantiles
        lines = {
            "rows": f"{self.n_samples:,} of {self.n_features:,} features; "
            f"{self.n_sampled:,} looked at",
            "intrinsic dimension": f"{self.lid:.1f} (maximum likelihood), "
            f"{self.two_nn:.1f} (TwoNN)",
            "of single rows": f"{low:.1f} (10 %), {median:.1f} (median), "
            f"{high:.1f} (90 %)",
            "relative contrast": f"{self.contrast:.2f}",
            "hubness": f"skewness {self.skewness:.2f}, "
            f"anti-hubs {self.antihub_share:.1%}",
            "duplicates": f"{self.duplicate_share:.1%}",
            "spread of lengths": f"{self.norm_spread:.1%}",
            "to begin with": " ".join(repr(self.index).split()),
        }
        table = [f"{name:<21}{line}" for name, line in lines.items()]
        return "\n".join([*table, *(f"- {reason}" for reason in self.reasons)])


@validate_params(
    {
        "X": ["array-like"],
        "n_neighbors": [Integers(3)],
        "n_samples": [Integers(2)],
        "random_state": ["random_state"],
        "index": [INDEXES, None],
    },
    prefer_skip_nested_validation=False,
)
def describe_difficulty(
    X, n_neighbors=10, n_samples=1000, random_state=None, index=None
):
    """Report how hard the rows of ``X`` are to search, and which index to try first.

    The recommendation follows a few rules.  Up to 5000 rows it is
    :class:`FlatNeighbors`.  Otherwise it is :class:`HNSWNeighbors` with ``M`` the
    multiple of 8 from the dimension on, within 16 and 48; ``ef_construction`` the
    larger of 200 and ``10 * M``; ``ef_search`` five times the dimension,
    as much again for each factor of ten in rows beyond 100,000, 1000 at most, and
    None, the default, where that is as wide; and ``quantizer="auto"`` where
    float32 rows take 64 MiB or more.  The dimension is the median of the rows', or
    that of all together if larger.  This is a starting point, to be checked by
    measuring recall.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        At least two rows.
    n_neighbors : int, default=10
        Neighbours that are looked at, at least 3: as many as you will ask for, and
        10 or more, since the dimension ``m`` of a single row is known to
        ``m / sqrt(n_neighbors - 3)``.
    n_samples : int, default=1000
        Rows, drawn at random, that are looked at.  Their neighbours are sought among
        all rows; only hubness, which needs the neighbours of all, is that of
        these rows by themselves, and is larger among more.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.  An integer makes the report repeatable.
    index : index estimator or None, default=None
        Finds the neighbours, as in :class:`LocalIntrinsicDimensionality`.

    Returns
    -------
    report : sklearn_jin.lid.Difficulty
        Numbers as attributes, ``index`` to be fitted, and ``reasons`` in words;
        ``print(report)`` shows all.  What cannot be told, because rows are too few or
        too many of them equal, is NaN.

    Raises
    ------
    ValueError
        If a parameter or ``X`` is invalid, or the index has another metric.

    See Also
    --------
    LocalIntrinsicDimensionality : Dimension around every row.
    TwoNN : Dimension at the smallest scale.
    hubness : Hubness of all rows.
    relative_contrast : Mean distance by that of the nearest.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_jin import describe_difficulty
    >>> X = np.random.default_rng(0).standard_normal((6000, 12))
    >>> report = describe_difficulty(X, random_state=0)
    >>> report.index
    HNSWNeighbors(ef_search=60)
    >>> report.n_sampled
    1000
    """
    X = check_array(X, dtype=FLOATS, order="C", ensure_min_samples=2)
    n, d = X.shape
    rows = draw_rows(n, n_samples, random_state)
    distances = distances_to_others(
        fit_copy(index, X), X, rows, min(n_neighbors, n - 1)
    )
    counts, sums = log_sums(distances)
    lid = dimensions(counts, sums)
    logs = log_ratios(first_ratios(distances))
    sample = X[rows]
    near = FlatNeighbors().fit(sample)
    found = hubness(near, n_neighbors=min(n_neighbors, len(rows) - 1))
    seen = {
        "lid": float(dimensions(*pool(counts, sums))),
        "lid_quantiles": _quantiles(lid),
        "two_nn": float(dimensions(np.int64(len(logs)), logs.sum())),
        "contrast": contrast_of(sample, distances),
        "skewness": found.skewness,
        "antihub_share": found.antihub_share,
        "duplicate_share": float((distances[:, 0] == 0).mean()),
        "norm_spread": _spread(np.sqrt(squares(near_one(sample)[0]))),
    }
    settings, reasons = _recommend(n, d, n_neighbors, seen)
    return Difficulty(n, d, len(rows), **seen, settings=settings, reasons=reasons)


def _spread(values):
    """Standard deviation by mean, 0 if all are 0."""
    return float(values.std() / values.mean()) if values.any() else 0.0


def _quantiles(lid):
    """Values that 10, 50 and 90 % are below, not interpolated: some are infinite."""
    known = lid[~np.isnan(lid)]
    if not len(known):
        return (np.nan,) * 3
    return tuple(np.quantile(known, [0.1, 0.5, 0.9], method="lower").tolist())


# Recommendations.


def _recommend(n, d, k, seen):
    """Parameters of ``HNSWNeighbors``, None for ``FlatNeighbors``; and why."""
    known = [m for m in (seen["lid"], seen["lid_quantiles"][1]) if not np.isnan(m)]
    m = max(known, default=0.0)
    settings, reasons = _exact(n) if n <= FEW_ROWS else _graph(n, d, k, m)
    if not known:
        told = 0 if settings is None else 1  # what follows from the dimension
        reasons[:told] = [
            "The dimension cannot be told, for rows are too few or too many are equal."
        ]
    advice = [] if settings is None else [ADVICE]
    return settings, (*reasons, *_remarks(seen), *advice)


def _exact(n):
    return None, [
        f"{n:,} rows are few: comparing a query with all of them is quick, exact "
        "and needs no building."
    ]


def _graph(n, d, k, m):
    M = int(np.clip(8 * np.ceil(min(m, MOST_M) / 8), LEAST_M, MOST_M))
    times = 5 * (1 + max(0.0, np.log10(n / SETTLED_ROWS)))
    ef = int(min(MOST_EF, 10 * np.ceil(min(m, MOST_EF) * times / 10)))
    params = {"M": M, "ef_construction": max(200, 10 * M)}
    params["ef_search"] = None if ef <= max(MIN_EF, 2 * k) else ef
    large = 4 * n * d >= MANY_BYTES
    params["quantizer"] = "auto" if large else None
    reasons = [
        f"Around a row the data have {m:.1f} dimensions, in each of which a node "
        f"of the graph needs neighbours: M={M}.",
        f"The more dimensions and rows, the more nodes a walk has to follow: "
        f"ef_search={params['ef_search']}"
        + (", the default, suffices." if params["ef_search"] is None else "."),
        f"Rows take {4 * n * d / 2**20:,.0f} MiB as float32, "
        + (
            "more than caches hold: codes are searched in less memory."
            if large
            else "which are searched as they are."
        ),
    ]
    return params, reasons


def _remarks(seen):
    """Sentences on what else the numbers tell."""
    if seen["contrast"] < LOW_CONTRAST:
        yield (
            f"Relative contrast is {seen['contrast']:.2f}: neighbours are hardly "
            "nearer than other rows.  Any graph finds that hard, so compare it with a "
            "scan, and ask what the neighbours mean."
        )
    if seen["skewness"] > HIGH_SKEWNESS and seen["duplicate_share"] < 1:
        yield (
            f"Some rows are neighbours of very many, and {seen['antihub_share']:.0%} "
            "of none: those are the ones that a graph misses.  Centring the data, or "
            "fewer features, may help."
        )
    if seen["duplicate_share"] > MANY_DUPLICATES:
        yield (
            f"{seen['duplicate_share']:.1%} of the rows have an exact duplicate, which "
            "takes a place among their neighbours: index distinct rows if that is "
            "not wanted."
        )
