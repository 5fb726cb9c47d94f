"""A limit on the memory of the process: the memory of the machine.

Linux grants requests for more memory than the machine has. When a process then uses this memory, Linux kills the
process without a message. With the limit, a request for too much memory fails at once, and the program can report it.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_MEMORY = Path("/proc/meminfo")
_GPU = Path("/dev/nvidiactl")


@contextmanager
def limited_memory() -> Iterator[None]:
    """Inside the block, refuse requests for more memory than the machine has.

    Do nothing if the size of the memory is unknown, or if there is a GPU: its driver reserves much address space.
    """
    size = machine_memory()
    if size is None or _GPU.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lower = size if soft == resource.RLIM_INFINITY else min(size, soft)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (lower, hard))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def machine_memory() -> int | None:
    """Return the size in bytes of the memory that the process can use. Return None if the size is unknown.

    It is the size of main memory and swap together or, if that is smaller, the limit of the process's container.
    """
    try:
        rows = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        size = 1024 * sum(int(rows[name].split()[0]) for name in ("MemTotal", "SwapTotal"))
    except (OSError, ValueError, KeyError, IndexError):
        return None
    with suppress(OSError, ValueError):
        size = min(size, int(_CGROUP.read_text()))
    return size if size > os.sysconf("SC_PAGE_SIZE") else None
