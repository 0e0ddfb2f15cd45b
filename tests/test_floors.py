"""The architecture: a module imports from its own floor and from those below."""

import ast

import pytest
from kernels import PACKAGE

FLOORS = [
    [
        *("_jit", "_memory", "_simd", "_threads", "_dispatch", "_compat", "_version"),
        *("_arrays", "_numbers", "_told", "_links", "metrics"),
    ],
    ["points"],
    ["search"],
    ["construction", "storage"],
    ["neighbors", "quantizers", "lid", "supervised", "graphs", "_warmup"],
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
TOP = len(FLOORS)  # __init__, __main__ and what is built on fitted estimators
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 450  # lines of a file


def part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Parts of the package that a file imports, within functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for first, *rest in (name.split(".") for name in names):
            if first == PACKAGE.name:
                yield rest[0] if rest else "__init__"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path):
    here = FLOOR.get(part(path), TOP)
    above = [name for name in imports(path) if FLOOR.get(name, TOP) > here]
    assert not above, f"{path} of floor {here} imports {above} from above"


def test_every_floor_is_there():
    assert FLOOR.keys() <= {part(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) <= LONGEST
