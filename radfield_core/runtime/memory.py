"""Running out of memory: detection, and retries with smaller chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

_T = TypeVar("_T")

MIN_CHUNK_RAYS = 16
"""Smallest chunk of rays; if this one does not fit into memory, no smaller one will."""


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error means that the device or the machine has no memory left."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def with_smaller_chunks(run: Callable[[int], _T], chunk: int) -> tuple[_T, int]:
    """Result of `run(chunk)` and the chunk that fitted into memory.

    Whenever memory runs out, the chunk is halved and `run` is called again, down to `MIN_CHUNK_RAYS`. The last
    out-of-memory error is raised.
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
