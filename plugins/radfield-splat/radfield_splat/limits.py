"""Limits for files of Gaussians from strangers."""

from __future__ import annotations

from pathlib import Path

from radfield_core import DatasetError

MAX_READ = 10_000_000
"""Largest number of Gaussians that is read from a file; at degree 3, they need 2.4 GiB of memory."""

MAX_FILE_BYTES = 1 << 32
"""Largest size of a file that is read."""


def refuse_count(n: int, path: Path) -> int:
    """Return a number of Gaussians.

    Raises:
        DatasetError: the number is above MAX_READ.
    """
    if n > MAX_READ:
        raise DatasetError(f"states {n} Gaussians, but at most {MAX_READ} are read", path=str(path))
    return n
