"""The command line: ``python -m sklearn_jin benchmark`` and ``info``."""

import argparse
import sys

from sklearn_jin.benchmark import load, measure, report
from sklearn_jin.benchmark.curve import QUANTIZERS, SWEEPS
from sklearn_jin.benchmark.peers import PEERS
from sklearn_jin.storage.describe import describe


def main(arguments=None):
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"sklearn_jin: {error}", file=sys.stderr)
        return 2


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_jin", description="Approximate nearest neighbours."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    bench = commands.add_parser(
        "benchmark",
        help="measure indexes: build time, memory, recall, queries per second",
    )
    bench.add_argument(
        "data",
        nargs="?",
        help=".npy, .npz or ann-benchmarks .hdf5 file, or clustered:ROWSxFEATURES; "
        "scikit-learn's digits by default",
    )
    bench.add_argument("-k", type=int, default=10, help="neighbours of a query (10)")
    bench.add_argument("--metric", help="metric; by default the file's, or euclidean")
    bench.add_argument("--queries", type=int, default=1000, help="most queries (1000)")
    bench.add_argument("--repeats", type=int, default=5, help="timed passes (5)")
    bench.add_argument(
        "--index",
        nargs="+",
        default=["HNSWNeighbors"],
        choices=SWEEPS,
        metavar="NAME",
        help="indexes to measure: " + ", ".join(SWEEPS) + " (HNSWNeighbors)",
    )
    bench.add_argument(
        "--quantizer",
        nargs="+",
        default=["none"],
        choices=QUANTIZERS,
        metavar="NAME",
        help="codes to search on, one curve each, none for the rows themselves; "
        "IVFPQNeighbors and ScaNNNeighbors have their own: " + ", ".join(QUANTIZERS),
    )
    bench.add_argument(
        "--peers",
        nargs="*",
        default=[],
        choices=PEERS,
        metavar="NAME",
        help="libraries to measure beside (pip install '.[bench]' in a clone): "
        + ", ".join(PEERS),
    )
    bench.add_argument("--json", action="store_true", help="print JSON, not a table")
    bench.add_argument(
        "--plot",
        metavar="FILE",
        default="sklearn_jin_benchmark.png",
        help="where to draw recall against speed (%(default)s)",
    )
    bench.add_argument("--no-plot", action="store_true", help="draw nothing")
    bench.set_defaults(run=_benchmark)
    info = commands.add_parser(
        "info",
        help="print versions and what the machine offers, or what a saved index is",
    )
    info.add_argument(
        "path", nargs="?", help="folder that save made; by default the machine is told"
    )
    info.add_argument(
        "--verify", action="store_true", help="compare the checksums of all its bytes"
    )
    info.set_defaults(run=_info)
    return parser


def _benchmark(options):
    data = load(options.data, metric=options.metric, n_queries=options.queries)
    points = []

    def measured():
        for point in measure(
            data,
            options.k,
            names=options.index,
            peers=options.peers,
            repeats=options.repeats,
            quantizers=options.quantizer,
        ):
            points.append(point)
            yield point

    if options.json:
        print(report.as_json(data, options.k, measured()))
    else:
        for line in report.table(data, options.k, measured()):
            print(line, flush=True)
        print("\n" + "\n".join(report.summary(points)))
    if not options.no_plot:
        _draw(data, options.k, points, options.plot)
    return 0


def _draw(data, k, points, path):
    """Draw the picture where matplotlib is installed; say so where it is not."""
    try:
        report.picture(data, k, points, path)
    except ImportError:
        print("no picture: pip install matplotlib", file=sys.stderr)
    else:
        print(f"picture: {path}", file=sys.stderr)


def _info(options):
    if options.path is not None:
        for line in describe(options.path, options.verify):
            print(line)
        return 0
    for name, value in report.machine().items():
        print(f"{name:<14}{value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
