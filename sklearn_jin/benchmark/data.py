"""Data to measure on: scikit-learn's digits, generated clusters, or a file."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

HELD_OUT = 6  # one row in six is a query where the data bring none of their own
ANN_BENCHMARKS_METRICS = {"angular": "cosine", "euclidean": "euclidean"}


class Data(NamedTuple):
    """Rows to be indexed, and queries that are not among them."""

    name: str
    X: np.ndarray  # (n_samples, n_features)
    queries: np.ndarray  # (n_queries, n_features)
    metric: str


def load(source=None, metric=None, n_queries=1000, random_state=0):
    """Load rows and queries.

    Parameters
    ----------
    source : str or path, default=None
        None for scikit-learn's digits; ``"clustered:ROWSxFEATURES"`` for generated
        clusters of very different sizes; or a file: ``.npy`` (rows), ``.npz``
        (``train`` and ``test``, or one array of rows; ``metric``), or ``.hdf5`` as
        ann-benchmarks has them (needs h5py).
    metric : str, default=None
        Metric; None takes the file's own, else ``"euclidean"``.
    n_queries : int, default=1000
        Most queries to use.
    random_state : int, default=0
        Draws generated rows, and the queries where the data bring none.

    Returns
    -------
    data : Data
        Name, rows, queries and metric.

    Raises
    ------
    ValueError
        If the file's kind or contents are not known.
    """
    rng = check_random_state(random_state)
    name, X, queries, own_metric = _read(source, rng)
    if queries is None:
        X, queries = _hold_out(X, n_queries, rng)
    return Data(name, X, queries[:n_queries], metric or own_metric or "euclidean")


def _read(source, rng):
    """Name, rows, queries or None, metric or None."""
    if source is None:
        from sklearn.datasets import load_digits

        return "digits", load_digits(return_X_y=True)[0], None, None
    if shape := re.fullmatch(r"clustered:(\d+)x(\d+)", str(source)):
        return str(source), _clustered(*map(int, shape.groups()), rng), None, None
    path = Path(source)
    readers = {
        ".npy": _read_npy,
        ".npz": _read_npz,
        ".hdf5": _read_hdf5,
        ".h5": _read_hdf5,
    }
    if path.suffix not in readers:
        raise ValueError(
            f"{str(source)!r} is not known: give a file that ends in "
            f"{', '.join(readers)}, or clustered:ROWSxFEATURES"
        )
    return path.stem, *readers[path.suffix](path)


def _read_npy(path):
    return np.load(path, allow_pickle=False), None, None


def _read_npz(path):
    with np.load(path, allow_pickle=False) as file:
        metric = str(file["metric"]) if "metric" in file else None
        if "train" in file:
            return file["train"], file["test"] if "test" in file else None, metric
        rows = [file[key] for key in file if file[key].ndim == 2]
    if len(rows) != 1:
        raise ValueError(
            f"{str(path)!r} holds {len(rows)} arrays of rows: name one of them 'train'"
        )
    return rows[0], None, metric


def _read_hdf5(path):
    try:
        import h5py
    except ImportError as error:
        raise ValueError(f"{str(path)!r} needs h5py: pip install h5py") from error
    with h5py.File(path, "r") as file:
        metric = ANN_BENCHMARKS_METRICS.get(file.attrs.get("distance"))
        return file["train"][:], file["test"][:], metric


def _hold_out(X, n_queries, rng):
    """Rows to index and rows to ask for, drawn from ``X``."""
    order = rng.permutation(len(X))
    n = max(1, min(n_queries, len(X) // HELD_OUT))
    return X[order[n:]], X[order[:n]]


def _clustered(n, d, rng):
    """Normal clusters of very different sizes and widths, narrow in most directions."""
    n_clusters = max(1, int(np.sqrt(n)))
    centers = rng.standard_normal((n_clusters, d))
    widths = rng.uniform(0.2, 1.0, n_clusters)
    owner = rng.choice(n_clusters, n, p=rng.dirichlet(np.ones(n_clusters)))
    noise = rng.standard_normal(
        (n, d),
    ) / np.sqrt(1 + np.arange(d) / 4)
    return (centers[owner] + widths[owner, None] * noise).astype(np.float32)
