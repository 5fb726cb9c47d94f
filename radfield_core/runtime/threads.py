"""The number of OpenMP's threads and the way in which they wait for each other, so that more threads are never slower.

By default, OpenMP's threads wait in an endless busy loop. If another process holds the core of the thread that they
wait for, they occupy their own cores all that time, and a training step takes many times as long. Threads that sleep at
once have to be woken for each of the hundreds of small operations of a step. On two free cores, two such threads are
slower than one. So threads wait in a busy loop for some microseconds and then sleep, and there are only as many threads
as cores are free when the program starts. Both must be set before the OpenMP library is loaded, so this module does not
import torch.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from radfield_core.errors import UsageError

SPINS = 1_000
"""Number of rounds of the busy loop before a thread sleeps. They take about 20 microseconds.

The number was measured on two cores that six other processes used. There, a step of `ngp-small` with two threads took
2.4 to 4 times as long as with one thread if the loop had 10 000 rounds. With 1000 rounds, it took 1.1 to 1.3 times as
long, and without the loop 0.4 to 1.0 times.
"""

_WAITING = {"GOMP_SPINCOUNT": str(SPINS), "KMP_BLOCKTIME": "0"}  # GCC's OpenMP; LLVM's, which counts milliseconds
_CHOSEN_BY_USER = ("OMP_WAIT_POLICY", *_WAITING)
_LOOK_SECONDS = 0.2
_CPU_TIMES, _CPU_QUOTA = Path("/proc/stat"), Path("/sys/fs/cgroup/cpu.max")
_IDLE, _WAITS_FOR_DISK = 3, 4  # columns of /proc/stat


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
    """Choose the number of OpenMP's threads and how they wait, unless the user has set these in the environment.

    Returns:
        The number of threads and their wait policy, as text to print at the start of a run.

    Raises:
        UsageError: OMP_NUM_THREADS is not a positive whole number.
    """
    threads = requested()
    if "torch" in sys.modules:
        count = "number chosen by torch" if threads is None else f"{threads} (OMP_NUM_THREADS)"
        return f"{count}; OpenMP's own settings, because torch was loaded before"
    if threads is not None:
        count = f"{threads} (OMP_NUM_THREADS)"
    elif (free := free_cores()) < (cores := _cores()):
        os.environ["OMP_NUM_THREADS"] = str(free)
        count = f"{free}, because {free} of {cores} cores are free; to change it, set OMP_NUM_THREADS"
    else:
        count = "number chosen by torch"
    if chosen := [f"{name}={os.environ[name]}" for name in _CHOSEN_BY_USER if name in os.environ]:
        return f"{count}; wait policy from {', '.join(chosen)}"
    os.environ.update(_WAITING)
    return f"{count}; waiting actively for microseconds, then passively"


def free_cores() -> int:
    """Return the number of cores, at least 1, that this process may use and that are free now.

    A core is free while no process runs on it. If the container limits the computing time, this counts as fewer cores.
    """
    cores = _cores()
    idle = _idle_cores(cores)
    return max(1, min(cores, round(idle), _quota(cores)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _idle_cores(cores: int) -> float:
    """Return the mean number of idle cores over a short time, among those that this process may use."""
    if cores == 1:
        return 1.0
    try:
        before = _cpu_times()
        time.sleep(_LOOK_SECONDS)
        shares = [
            (idle - before[name][0]) / max(total - before[name][1], 1) for name, (idle, total) in _cpu_times().items()
        ]
        return sum(shares)
    except (OSError, ValueError, IndexError, KeyError):  # not Linux
        return cores - os.getloadavg()[0] if hasattr(os, "getloadavg") else float(cores)


def _cpu_times() -> dict[str, tuple[int, int]]:
    """Return core -> (idle time, whole time) for the cores that this process may use, in ticks of the clock."""
    wanted = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    rows = [line.split() for line in _CPU_TIMES.read_text().splitlines() if line.split(" ", 1)[0] in wanted]
    if len(rows) != len(wanted):
        raise ValueError("a core is not listed")
    times = {name: [int(value) for value in values[:8]] for name, *values in rows}
    return {name: (each[_IDLE] + each[_WAITS_FOR_DISK], sum(each)) for name, each in times.items()}


def _quota(cores: int) -> int:
    """Return the number of cores that the limit of a container allows, rounded up. Without a limit, return `cores`."""
    try:
        quota, period = _CPU_QUOTA.read_text().split()
        return cores if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return cores
