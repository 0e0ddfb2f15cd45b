"""Kernels are compiled anew where code changes, and not where its description does."""

import shutil

import kernels
import pytest

CODE = '''"""What is here."""
STEP = 2


def twice(x):
    """Twice ``x``."""
    return STEP * x  # which is exact
'''


@pytest.mark.parametrize(
    "old, new", [("What", "All that"), ("Twice", "Two"), ("#", "##")]
)
def test_words_mean_nothing(old, new):
    assert kernels.meaning(CODE.replace(old, new)) == kernels.meaning(CODE)


@pytest.mark.parametrize(
    "old, new", [("STEP = 2", "STEP = 3"), ("STEP * x", "x * STEP")]
)
def test_code_does(old, new):
    assert kernels.meaning(CODE.replace(old, new)) != kernels.meaning(CODE)


@pytest.mark.parametrize(
    "file, is_kernel",
    [
        ("search/beam.py", True),
        ("points/new.py", True),
        ("construction/extend.py", False),
        ("construction/link.py", True),
        ("metrics/lengths.py", False),
        ("neighbors/_base.py", False),
        ("quantizers/_saq.py", False),
        ("__main__.py", False),
    ],
)
def test_a_change_below_the_estimators_takes_another_folder(tmp_path, file, is_kernel):
    package = tmp_path / "sklearn_jin"
    shutil.copytree(kernels.PACKAGE, package)
    with open(package / file, "a") as code:
        code.write("\nADDED = 1\n")
    assert (kernels.folder(package) != kernels.folder()) == is_kernel
