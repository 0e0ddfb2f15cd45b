"""Processes of their own: for what happens once, and for other environments."""

import os
import subprocess
import sys


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
