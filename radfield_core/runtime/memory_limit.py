"""A limit on the memory of the process: the memory of the machine.

Linux grants more memory than there is, and ends a process without a word when it uses it. With the limit, a request
that cannot be met fails at once, so that the program can say so.
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
    """Refuse requests for more memory than the machine has inside the block.

    Do nothing where the size of the memory is unknown, and where there is a GPU, whose driver reserves address space.
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
    """Return the size in bytes of the memory that the process can use: main memory and swap, or what its container
    may use. Return None if it is unknown.
    """
    try:
        rows = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        size = 1024 * sum(int(rows[name].split()[0]) for name in ("MemTotal", "SwapTotal"))
    except (OSError, ValueError, KeyError, IndexError):
        return None
    with suppress(OSError, ValueError):
        size = min(size, int(_CGROUP.read_text()))
    return size if size > os.sysconf("SC_PAGE_SIZE") else None
