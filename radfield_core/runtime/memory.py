"""Running out of memory: recognized, and met with smaller chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

_T = TypeVar("_T")

SMALLEST = 16
"""Rays below which a chunk is not halved any more: memory that does not hold these holds nothing."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the machine has no memory left."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def with_smaller_chunks(run: Callable[[int], _T], chunk: int) -> tuple[_T, int]:
    """`run(chunk)`, with the chunk halved down to `SMALLEST` while memory runs out; and the chunk that fitted."""
    while True:
        try:
            return run(chunk), chunk
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or chunk <= SMALLEST:
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        chunk = max(SMALLEST, chunk // 2)
