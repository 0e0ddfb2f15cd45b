"""
Is a stated recall met?
=======================

``target_recall`` is measured in ``fit`` on rows that are asked as if they had not been
fitted.  This asks queries that the index never saw, and prints their recall for every
target and number of neighbours, less the target, and what fit and calibration took:

    python examples/recall_as_stated.py FILE digits noise:20000x32

``FILE`` is as for ``python -m sklearn_jin benchmark``; its own queries are asked, and
where it has none, or of digits and uniform noise, rows that are held out.  Seconds are
those of the process on one thread.
"""

import argparse
from time import process_time

import numpy as np
from threadpoolctl import threadpool_limits

import sklearn_jin
from sklearn_jin import FlatNeighbors
from sklearn_jin.benchmark.data import load

INDEXES = ["HNSWNeighbors", "IVFNeighbors", "IVFPCANeighbors", "VamanaNeighbors"]
TARGETS, KS = (0.8, 0.9, 0.95, 0.99), (1, 10, 100)


def read(name, seed):
    """Rows, queries and metric."""
    if name.startswith("noise:"):
        n, d = map(int, name[6:].split("x"))
        X = np.random.default_rng(seed).random((n + 1000, d), dtype=np.float32)
        return X[1000:], X[:1000], "euclidean"
    data = load(None if name == "digits" else name, random_state=seed)
    return data.X.astype(np.float32), data.queries.astype(np.float32), data.metric


def share_found(distances, exact):
    """Share of the neighbours that are as near as the true ones; equal ones count."""
    return np.mean(distances <= exact[:, -1:] * (1 + 1e-6) + 1e-12)


def seconds(call, *args):
    """What a call returns, and the seconds of the process that it took."""
    start = process_time()
    return call(*args), process_time() - start


def measure(name, kind, seed):
    """Print what an index of one kind reaches on one set of data."""
    X, Q, metric = read(name, seed)
    truth, _ = FlatNeighbors(metric=metric, n_jobs=1).fit(X).kneighbors(Q, max(KS))
    index = getattr(sklearn_jin, kind)(metric=metric, random_state=seed, n_jobs=1)
    if kind == "HNSWNeighbors":
        index.set_params(quantizer="auto")
    _, fit = seconds(index.fit, X)
    index.set_params(target_recall=max(TARGETS))
    _, calibration = seconds(index.calibrate)
    cells = np.empty((len(KS), len(TARGETS)))
    for j, target in enumerate(TARGETS):
        index.set_params(target_recall=target).calibrate()
        for i, k in enumerate(KS):
            distances, _ = index.kneighbors(Q, k)
            cells[i, j] = share_found(distances, truth[:, :k]) - target
    found = " ".join(f"{cell:+.3f}" for cell in cells.ravel())
    print(
        f"{name[-24:]:24} {kind:16} {fit:6.2f} {calibration:6.2f} {found}", flush=True
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=["digits", "noise:20000x32"])
    parser.add_argument("--indexes", nargs="+", default=INDEXES)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    targets = " ".join(f"{t:6}" for t in TARGETS)
    print("recall less target".rjust(80), "of 1, 10 and 100 neighbours")
    print(f"{'':24} {'index':16} {'fit':>6} {'calibr':>6} {' '.join([targets] * 3)}")
    for name in args.data:
        for kind in args.indexes:
            measure(name, kind, args.seed)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
