"""Reuse of large buffers. From 32 MiB on, malloc maps each array anew, and the system fills it with zeros first.

That costs a tenth of the encoding's time. Buffers are numpy's, because numpy asks for huge pages, which map faster.
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

MAPPED_BYTES = 1 << 25  # malloc returns freed blocks of this size to the system
LINE = 16  # float32 numbers in a cache line
_workspaces = threading.local()
_free: deque[Any] = deque(maxlen=2)  # buffers of the last large tensors that were freed: features and a gradient


def empty(*shape: int) -> Tensor:
    """An uninitialized float32 tensor; a large one reuses a freed buffer of about its size and starts at a cache line.

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
    """True if a tensor from `empty` is larger than most caches.

    Its first numbers leave the cache before they are read again, so writing it may as well bypass the cache.
    """
    return 4 * tensor.numel() >= MAPPED_BYTES


def _take(size: int) -> Any:
    for _ in range(len(_free)):
        try:
            buffer = _free.popleft()
        except IndexError:  # another thread took the last one
            return None
        if size + LINE <= buffer.size <= 1.25 * size + LINE:
            return buffer
        _free.append(buffer)
    return None


def workspace(name: str, *shape: int) -> Any:
    """This thread's float32 array of that name [shape]; it keeps its contents between calls and grows on demand."""
    size, kept = math.prod(shape), getattr(_workspaces, name, None)
    if kept is None or kept.size < size:
        kept = np.zeros(size, np.float32)
        setattr(_workspaces, name, kept)
    return kept[:size].reshape(shape)
