"""The thread policy: passive waits, so that a machine with fewer free cores than threads does not crawl.

OpenMP's threads spin at every barrier. As soon as another process wants one of the cores, every barrier waits for the
thread that lost its core while the others burn theirs, and a step takes many times as long. Sleeping instead costs
microseconds. The setting counts only before the OpenMP library is loaded, so this module imports no torch.
"""

from __future__ import annotations

import os
import sys

from radfield_core.errors import UsageError

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def requested() -> int | None:
    """The number of threads that OMP_NUM_THREADS asks for; None if it is not set. Of a list, one number for each level
    of nesting, the first.

    Raises UsageError for what is no positive whole number: of that, OpenMP makes a number of its own.
    """
    text = os.environ.get("OMP_NUM_THREADS")
    if text is None:
        return None
    counts = [int(part) if part.strip().isdecimal() and len(part) < 10 else 0 for part in text.split(",")]
    if min(counts) < 1:
        raise UsageError(
            f"{text!r:.80} is no positive whole number", path="OMP_NUM_THREADS", hint="OMP_NUM_THREADS=1, or unset it"
        )
    return counts[0]


def set_policy() -> str:
    """Make OpenMP wait passively unless the user set how it waits; returns the policy in words for the run header.

    Raises UsageError for a number of threads that is none.
    """
    chosen = [name for name in _PASSIVE if name in os.environ]
    threads = requested()
    count = "as many as torch chooses" if threads is None else f"{threads} (OMP_NUM_THREADS)"
    if chosen:
        return f"{count}; waiting as {', '.join(f'{name}={os.environ[name]}' for name in chosen)} says"
    if "torch" in sys.modules:
        return f"{count}; waiting as OpenMP does by default, since torch was loaded before"
    os.environ.update(_PASSIVE)
    return f"{count}; passive waits"
