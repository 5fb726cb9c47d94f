"""The thread policy: threads sleep while they wait, so that a busy machine does not slow training to a crawl.

OpenMP's threads spin at every barrier. When another process takes one of the cores, the other threads burn theirs
waiting for the thread that lost its core, and a step takes many times as long. Sleeping costs microseconds instead.
The setting has an effect only before the OpenMP library is loaded, so this module does not import torch.
"""

from __future__ import annotations

import os
import sys

from radfield_core.errors import UsageError

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def requested() -> int | None:
    """Number of threads that OMP_NUM_THREADS requests; None if it is unset.

    OMP_NUM_THREADS may be a list with one number for each level of nesting; the first one counts.

    Raises:
        UsageError: OMP_NUM_THREADS is not a positive whole number; OpenMP would silently choose its own.
    """
    text = os.environ.get("OMP_NUM_THREADS")
    if text is None:
        return None
    counts = [int(part) if part.strip().isdecimal() and len(part) < 10 else 0 for part in text.split(",")]
    if min(counts) < 1:
        raise UsageError(
            f"{text!r:.80} is not a positive whole number",
            path="OMP_NUM_THREADS",
            hint="Set OMP_NUM_THREADS=1, or unset it",
        )
    return counts[0]


def set_policy() -> str:
    """Make OpenMP's threads sleep while they wait, unless the user chose otherwise.

    Returns:
        The number of threads and the policy as text for the run's header.

    Raises:
        UsageError: OMP_NUM_THREADS is not a positive whole number.
    """
    threads = requested()
    count = "number chosen by torch" if threads is None else f"{threads} (OMP_NUM_THREADS)"
    if chosen := [f"{name}={os.environ[name]}" for name in _PASSIVE if name in os.environ]:
        return f"{count}; wait policy from {', '.join(chosen)}"
    if "torch" in sys.modules:
        return f"{count}; OpenMP's default wait policy, because torch was loaded before"
    os.environ.update(_PASSIVE)
    return f"{count}; passive waiting"
