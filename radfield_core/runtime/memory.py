"""Out-of-memory errors, retries with smaller chunks of rays, and the return of freed memory to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import torch

_T = TypeVar("_T")

MIN_CHUNK_RAYS = 16
"""Number of rays in the smallest chunk to try. If not even this chunk fits into memory, the error is raised."""


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error means that the GPU or the machine has run out of memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def with_smaller_chunks(run: Callable[[int], _T], chunk: int) -> tuple[_T, int]:
    """Call `run(chunk)`. Whenever memory runs out, halve `chunk` and call `run` again.

    If even a chunk of `MIN_CHUNK_RAYS` rays does not fit into memory, raise the out-of-memory error.

    Returns:
        The result of `run`, and the number of rays in the chunk that fitted into memory.
    """
    while True:
        try:
            return run(chunk), chunk
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or chunk <= MIN_CHUNK_RAYS:
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        chunk = max(MIN_CHUNK_RAYS, chunk // 2)


def release_freed() -> None:
    """Return memory that was freed, and that the C library still holds, to the system. Without glibc, do nothing.

    glibc returns freed memory only above the last block in use. After a training, it can hold 200 MiB that nobody uses.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
