"""The wait policy of OpenMP's threads: they sleep while they wait, so that training stays fast on a busy machine.

By default, OpenMP's threads wait at every barrier in a busy loop. If another process takes the core of one thread, the
other threads occupy their cores while they wait for this thread, and a training step takes many times as long. Threads
that sleep instead lose only microseconds. The policy must be set before the OpenMP library is loaded, so this module
does not import torch.
"""

from __future__ import annotations

import os
import sys

from radfield_core.errors import UsageError

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def requested() -> int | None:
    """Return the number of threads that the environment variable OMP_NUM_THREADS requests. If it is unset, return None.

    OMP_NUM_THREADS may list one number for each level of nested parallelism. In this case, return the first number.

    Raises:
        UsageError: OMP_NUM_THREADS is not a positive whole number. OpenMP would silently ignore such a value.
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
    """Make OpenMP's threads sleep while they wait, unless the user has set a wait policy in the environment.

    Returns:
        The number of threads and their wait policy, as text to print at the start of a run.

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
