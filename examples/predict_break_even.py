"""
When an index pays off for a classifier
=======================================

``ANNClassifier`` builds an index, which takes time that ``KNeighborsClassifier`` does
not need; its predictions then take less.  This prints, for several sizes of data, the
process time of fit and score of both, and from how many queries on the index is ahead:

    python examples/predict_break_even.py --rows 10000 100000 --features 16 128

Rows are normal numbers in as many clusters as there are classes, within a subspace of
16 dimensions, as data often are.  One thread, so that process time is what a core
takes.
"""

import argparse
from time import process_time

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from sklearn_jin import ANNClassifier

CLASSES, HIDDEN, QUERIES = 50, 16, 2000


def draw(n, d):
    """Rows, float32, and their classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, n)
    Z = 1.5 * rng.normal(size=(CLASSES, HIDDEN))[y] + rng.normal(size=(n, HIDDEN))
    X = Z @ rng.normal(size=(HIDDEN, d)) + 0.1 * rng.normal(size=(n, d))
    return X.astype(np.float32), y


def timed(call, *args):
    """What a call returns, and the seconds that it took."""
    start = process_time()
    result = call(*args)
    return result, process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--features", type=int, nargs="+", default=[16, 128])
    args = parser.parse_args()
    small, labels = draw(30_000, 16)  # compiles what is timed below
    ANNClassifier(n_jobs=1).fit(small, labels).score(small[:100], labels[:100])
    print(
        f"{'rows':>8} {'features':>8} {'classifier':>22} {'fit':>8} {'score':>8} right"
    )
    for n in args.rows:
        for d in args.features:
            X, y = draw(n + QUERIES, d)
            seconds = []
            for model in (KNeighborsClassifier(n_jobs=1), ANNClassifier(n_jobs=1)):
                _, fit = timed(model.fit, X[:n], y[:n])
                right, score = timed(model.score, X[n:], y[n:])
                name = type(model).__name__
                print(f"{n:8} {d:8} {name:>22} {fit:8.2f} {score:8.2f} {right:.4f}")
                seconds.append((fit, score / QUERIES))
            (fit, query), (our_fit, our_query) = seconds
            if our_query < query:
                ahead = max(0, (our_fit - fit) / (query - our_query))
                print(f"{'':17} ahead from {ahead:.0f} queries on")
            else:
                print(f"{'':17} never ahead: queries take longer")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
