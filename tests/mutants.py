"""How many deliberate faults the tests catch: ``python tests/mutants.py``.

Each mutant is one change of a copy of the sources.  The tests that mirror the file
are run; if they pass, and the fault is in no kernel, those of what every index
promises.  A mutant that lives tells of a promise that no test keeps, unless nothing
can tell the two apart.

``python tests/mutants.py beam prune`` tries those of files so named, ``--list`` only
looks whether every old text is there, ``--baseline`` runs the tests without a fault.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kernels
from mutations import MUTATIONS

ROOT = kernels.PACKAGE.parent
PATIENCE = 300  # seconds: tests that a fault makes endless have caught it
CONTRACT = ["tests/test_contract.py", "tests/test_contract_radius.py"]
MIRRORS = {  # where the tests of a file are not in the file of its name
    **{
        f"construction/{name}.py": [
            f"tests/construction/test_{name}.py",
            "tests/neighbors/test_changes.py",
            "tests/neighbors/test_machine.py",
        ]
        for name in ("alter", "extend")
    },
    "_memory.py": ["tests/test_memory.py"],
    "search/index.py": ["tests/search/test_index.py"],
    "search/answer.py": [
        "tests/search/test_answer.py",
        "tests/neighbors/test_machine.py",
    ],
    "metrics/lengths.py": ["tests/test_metrics.py"],
    "points/codes.py": ["tests/points/test_bits.py"],
    "points/product.py": [
        "tests/points/test_product.py",
        "tests/search/test_fastscan.py",
    ],
    "search/layers.py": [
        "tests/search/test_layers.py",
        "tests/neighbors/test_graphs.py",
    ],
    "points/scalar.py": [
        "tests/points/test_scalar.py",
        "tests/search/test_fastscan.py",
    ],
    "neighbors/_base.py": [
        "tests/test_contract_inputs.py",
        "tests/search/test_index.py",
        "tests/test_contract_graphs.py",
        *CONTRACT,
    ],
    "neighbors/_keeping.py": [
        "tests/search/test_index.py",
        "tests/storage/test_objects.py",
        "tests/storage/test_kept.py",
    ],
    "supervised/_base.py": ["tests/supervised/test_votes.py"],
    "neighbors/_inputs.py": ["tests/test_contract_inputs.py"],
    "neighbors/_queries.py": ["tests/test_contract_radius.py"],
    "neighbors/_groups.py": [
        "tests/neighbors/test_filters.py",
        "tests/neighbors/test_machine.py",
    ],
    **{
        f"neighbors/_{name}.py": [
            f"tests/neighbors/test_{name}.py",
            "tests/neighbors/test_machine.py",
        ]
        for name in ("changes", "filters")
    },
    "search/probing.py": ["tests/search/test_lists.py"],
    "search/reduced.py": [
        "tests/search/test_reduced.py",
        "tests/search/test_answer.py",
    ],
    "_simd/products.py": ["tests/simd/test_products.py"],
    "_simd/numbers.py": ["tests/simd/test_numbers.py"],
    "neighbors/_graph.py": ["tests/neighbors/test_graphs.py"],
    "neighbors/_partition.py": [
        "tests/neighbors/test_partitions.py",
        "tests/search/test_lists.py",
    ],
    "neighbors/_codes.py": ["tests/neighbors/test_codes.py"],
    "quantizers/_base.py": ["tests/test_quantizers.py"],
    "storage/folder.py": [
        "tests/storage/test_kept.py",
        "tests/storage/test_publish.py",
    ],
    "storage/places.py": ["tests/storage/test_kept.py"],
    **{
        f"storage/{name}.py": [
            f"tests/storage/test_{name}.py",
            "tests/storage/test_golden.py",
            "tests/storage/test_known.py",
            "tests/storage/test_publish.py",
            "tests/storage/test_damage.py",
            "tests/storage/test_portable.py",
        ]
        for name in ("arrays", "manifest", "objects", "publish", "kept", "known")
    },
}


def tests_of(file):
    """Files of tests, relative to the root, in rounds.

    Kernels run without the compiler, in which the promises of all indexes take an hour:
    their own tests are to catch their faults.
    """
    folder, _, name = file.rpartition("/")
    mirror = "/".join(filter(None, ("tests", folder, f"test_{name.lstrip('_')}")))
    promises = [["tests/test_faults.py", *CONTRACT]] if compiled(file) else []
    return [MIRRORS.get(file, [mirror]), *promises]


def compiled(file):
    """Whether the tests use compiled kernels: where the fault is in none of them."""
    return kernels.is_without_kernels(file)


def place(file, old):
    """The text of a file, in which ``old`` is once."""
    text = (kernels.PACKAGE / file).read_text()
    if (n := text.count(old)) != 1:
        raise LookupError(f"{file} has {n} times, not once: {old!r}")
    return text


def copied(where):
    """A copy of what the tests need; times are kept, and so are compiled kernels."""
    for name in ("sklearn_jin", "tests", "README.md", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, where / name, ignore=ignore)
        else:
            shutil.copy2(source, where / name)


def run(where, tests, with_compiler):
    """The name of the first test that fails, or what else went wrong."""
    tests = [test for test in tests if (where / test).exists()]
    if not tests:
        return []
    env = {**os.environ, "PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": "1"}
    env["NUMBA_DISABLE_JIT"] = str(int(not with_compiler))
    options = ["-q", "--maxfail=1", "-p", "no:cacheprovider", "--no-header"]
    try:
        told = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            **dict(cwd=where, env=env, capture_output=True, text=True),
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return [f"no end within {PATIENCE} s"]
    if told.returncode in (0, 5):  # passed, or all were skipped
        return []
    failed = re.findall(r"^(?:FAILED|ERROR) tests/(\S+)", told.stdout, re.M)
    return failed or [f"pytest ends by {told.returncode}"]


def catchers(where, file, old, new):
    """Which tests fail of the copy with one change."""
    path = where / "sklearn_jin" / file
    try:
        path.write_text(place(file, old).replace(old, new))
        for tests in tests_of(file):
            if failed := run(where, tests, compiled(file)):
                return failed
        return []
    finally:
        shutil.copy2(kernels.PACKAGE / file, path)


def baseline(where, files):
    """Tests that fail without any fault, by file."""
    bad = False
    for file in sorted(files):
        for tests in tests_of(file):
            failed = run(where, tests, compiled(file))
            bad |= bool(failed)
            print(f"{file}: {', '.join(tests)}: {failed or 'pass'}", flush=True)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", help="parts of the names of files")
    parser.add_argument("--list", action="store_true", help="only look for old texts")
    parser.add_argument("--baseline", action="store_true", help="without any fault")
    args = parser.parse_args()
    chosen = [
        (file, *change)
        for file, changes in MUTATIONS.items()
        for change in changes
        if not args.files or any(part in file for part in args.files)
    ]
    lost = []
    for file, old, _ in chosen:
        try:
            place(file, old)
        except (LookupError, OSError) as error:
            lost.append(str(error))
    print(*lost, sep="\n")
    if args.list:
        print(f"{len(chosen)} mutants, {len(lost)} of them without a place")
        return bool(lost)
    with tempfile.TemporaryDirectory() as where:
        where = Path(where)
        copied(where)
        if args.baseline:
            return baseline(where, {file for file, _, _ in chosen})
        alive = report(where, chosen)
    return bool(alive or lost)


def report(where, chosen):
    """Try every mutant; print who catches it; return those that live."""
    alive, tried = [], 0
    for file, old, new in chosen:
        try:
            started = time.monotonic()
            failed = catchers(where, file, old, new)
        except (LookupError, OSError):
            continue
        tried += 1
        told = ", ".join(failed) if failed else "NOBODY"
        print(f"{file}: {old!r} -> {new!r}")
        print(f"    {time.monotonic() - started:.0f} s, caught by {told}", flush=True)
        alive += [] if failed else [(file, old, new)]
    print(f"{tried - len(alive)} of {tried} mutants are caught")
    return alive


if __name__ == "__main__":
    sys.exit(main())
