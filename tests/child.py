"""Processes of their own: for what happens once, and for other environments."""

import os
import subprocess
import sys

BASELINE = "+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx"
FEATURES = {  # of CPUs of every level, for ``NUMBA_CPU_FEATURES``
    "portable": "",
    "avx2": f"{BASELINE},+avx2,+fma",
    "avx512": f"{BASELINE},+avx2,+fma,+avx512f,+avx512bw,+avx512vl",
}


def python(code, cwd=None, **env):
    """What ``code`` prints in a new interpreter."""
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **env},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()
