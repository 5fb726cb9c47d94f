"""The thread policy: passive waits, so that a machine with fewer free cores than threads does not crawl.

OpenMP's threads spin at every barrier. As soon as another process wants one of the cores, every barrier waits for the
thread that lost its core while the others burn theirs, and a step takes many times as long. Sleeping instead costs
microseconds. The setting counts only before the OpenMP library is loaded, so this module imports no torch.
"""

from __future__ import annotations

import os
import sys

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
_USERS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def set_policy() -> str:
    """Make OpenMP wait passively unless the user set how it waits; returns the policy in words for the run header."""
    chosen = [name for name in _USERS[1:] if name in os.environ]
    threads = os.environ.get("OMP_NUM_THREADS")
    count = f"{threads} (OMP_NUM_THREADS)" if threads else "as many as torch chooses"
    if chosen:
        return f"{count}; waiting as {', '.join(f'{name}={os.environ[name]}' for name in chosen)} says"
    if "torch" in sys.modules:
        return f"{count}; waiting as OpenMP does by default, since torch was loaded before"
    os.environ.update(_PASSIVE)
    return f"{count}; passive waits"
