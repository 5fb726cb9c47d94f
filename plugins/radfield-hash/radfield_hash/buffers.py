"""Reuse of large buffers.

For each array of 32 MiB or more, malloc maps new memory, which the operating system first fills with zeros. This takes
a tenth of the encoding's time. The buffers are allocated by numpy, because numpy requests huge pages, which are mapped
faster.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAPPED_BYTES = 1 << 25  # malloc returns freed blocks of at least this size to the operating system
LINE = 16  # number of float32 values in a cache line
_workspaces = threading.local()
_free: deque[Any] = deque(maxlen=2)  # the two buffers freed last, usually of features and a gradient


def empty(*shape: int) -> Tensor:
    """Return an uninitialized float32 tensor.

    A tensor of 32 MiB or more starts at a cache line. If a freed buffer of similar size exists, the tensor reuses it.

    Args:
        shape: sizes of the dimensions.

    Example:
        >>> empty(2, 3).shape
        torch.Size([2, 3])
    """
    size = math.prod(shape)
    if 4 * size < MAPPED_BYTES:
        return torch.from_numpy(np.empty(shape, np.float32))
    buffer = _take(size)
    buffer = np.empty(size + LINE, np.float32) if buffer is None else buffer
    begin = -buffer.ctypes.data // buffer.itemsize % LINE
    array = buffer[begin : begin + size].reshape(shape)
    weakref.finalize(array, _free.append, buffer).atexit = False
    return torch.from_numpy(array)


def outgrows_cache(tensor: Tensor) -> bool:
    """Return True if a tensor from `empty()` is larger than most caches.

    After such a tensor has been written, the cache no longer holds its first part, so writes may as well bypass the
    cache.
    """
    return 4 * tensor.numel() >= MAPPED_BYTES


def _take(size: int) -> Any:
    for _ in range(len(_free)):
        try:
            buffer = _free.popleft()
        except IndexError:  # another thread has taken the last buffer
            return None
        if size + LINE <= buffer.size <= 1.25 * size + LINE:
            return buffer
        _free.append(buffer)
    return None


def workspace(name: str, *shape: int) -> Any:
    """Return this thread's float32 array of the given name, in the given shape.

    A later call with the same name returns the same memory, including its contents. If a larger array is requested,
    new memory is allocated and filled with zeros.
    """
    size, kept = math.prod(shape), getattr(_workspaces, name, None)
    if kept is None or kept.size < size:
        kept = np.zeros(size, np.float32)
        setattr(_workspaces, name, kept)
    return kept[:size].reshape(shape)
