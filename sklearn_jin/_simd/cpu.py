"""The CPU that Numba compiles for: its features, and how wide its vectors are."""

from functools import cache

from llvmlite import binding
from numba import config

# The features of the CPU that a level needs, the best level first.
LEVELS = {
    "avx512": {"avx512f", "avx512bw", "avx512vl"},
    "avx2": {"avx2", "fma"},
    "portable": set(),
}


@cache
def cpu_features():
    """Names of the CPU features that Numba compiles for.

    ``NUMBA_CPU_FEATURES`` and ``NUMBA_CPU_NAME`` are obeyed: an instruction
    outside of them would not be refused but would end the process.
    """
    if config.CPU_FEATURES is not None:
        flags = config.CPU_FEATURES.split(",")
        return frozenset(flag[1:] for flag in flags if flag.startswith("+"))
    if config.CPU_NAME not in (None, "host"):
        return frozenset()
    return frozenset(
        name for name, has in binding.get_host_cpu_features().items() if has
    )


def level():
    """Name of the best of ``LEVELS`` that the CPU supports."""
    return next(name for name, needs in LEVELS.items() if needs <= cpu_features())


LEVEL = level()
LANES = {"avx512": 16, "avx2": 8, "portable": 4}[LEVEL]  # float32 in one register
