"""The folder for compiled kernels; ``python tests/kernels.py`` prints it.

Numba compiles a cached kernel anew when its own file changes, not when a file that
it calls into does: so every state of the code that kernels consist of has a folder of
its own.  What only a reader sees, docstrings and comments, is no part of that state.
"""

import ast
import getpass
import hashlib
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "sklearn_jin"
WITHOUT_KERNELS = {
    *("__init__.py", "__main__.py", "_threads.py", "_version.py", "_warmup.py"),
    "metrics",
    "graphs.py",
    "_told.py",
    "_links.py",
    *("benchmark", "neighbors", "quantizers", "lid", "lid.py", "storage", "supervised"),
    *("construction/alter.py", "construction/extend.py", "search/answer.py"),
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def folder(package=PACKAGE):
    """Where the kernels of the package as it stands are kept."""
    state = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package)
        if not is_without_kernels(where.as_posix()):
            state.update(f"{where.as_posix()}\n{meaning(path.read_text())}\n".encode())
    kept = Path(tempfile.gettempdir(), f"sklearn_jin-tests-{getpass.getuser()}")
    return kept / state.hexdigest()[:16]


def is_without_kernels(file):
    """Whether a ``file`` of the package is none that kernels consist of."""
    return bool({file, file.split("/")[0]} & WITHOUT_KERNELS)


def meaning(source):
    """The syntax tree of ``source`` without docstrings, as a text."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    return ast.dump(tree)


if __name__ == "__main__":
    print(folder())
