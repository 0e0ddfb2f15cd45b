"""
Memory and speed of rows in types of fewer bits
===============================================

``python examples/rows_in_types.py FILE`` measures a graph and a scan of the rows of a
file, whose numbers are integers from 0 to 255 as those of SIFT are, as float32, float16
and uint8.  Times are those of the thread alone, medians of passes that take turns.
"""

import argparse
import time

import numpy as np

from sklearn_jin import FlatNeighbors, HNSWNeighbors
from sklearn_jin.benchmark import load

K, PASSES = 10, 5
STORES = {"float32": "float32", "float16": "float16", "uint8": "input"}


def seconds(run):
    """What ``run`` takes of the thread's own time, and what it returns."""
    start = time.thread_time()
    found = run()
    return time.thread_time() - start, found


def measure(index, X, Q, true, efs=(None,)):
    """Print a line for every form of rows and width of beam."""
    fitted = {}
    for name, store in STORES.items():
        kept = X.astype(np.uint8) if name == "uint8" else X
        fitted[name] = type(index)(**{**index.get_params(), "store_vectors": store})
        fitted[name].fit(kept[:12_000]).kneighbors(Q[:50], K)  # compiles
        took, _ = seconds(lambda i=fitted[name], rows=kept: i.fit(rows))
        usage = {part: n // len(X) for part, n in fitted[name].memory_usage().items()}
        print(f"{name:<8} fit {took:.1f} s, bytes a row {usage}", flush=True)
    for ef in efs:
        times, recalls = {name: [] for name in fitted}, {}
        for _ in range(PASSES):
            for name, one in fitted.items():
                if ef is not None:
                    one.set_params(ef_search=ef)
                took, (distances, _) = seconds(lambda i=one: i.kneighbors(Q, K))
                times[name].append(took)
                recalls[name] = np.mean(distances <= true * (1 + 1e-3))
        for name, took in times.items():
            rate = len(Q) / np.median(took)
            print(f"{name:<8} ef_search={ef} recall {recalls[name]:.4f} {rate:.0f}/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    data = load(parser.parse_args().file)
    X, Q = (np.asarray(part, np.float32) for part in (data.X, data.queries))
    exact = FlatNeighbors(n_jobs=1).fit(X).kneighbors(Q, K)[0][:, -1:]
    measure(HNSWNeighbors(n_jobs=1, random_state=0), X, Q, exact, (25, 50, 100, 200))
    measure(FlatNeighbors(n_jobs=1), X, Q, exact)
