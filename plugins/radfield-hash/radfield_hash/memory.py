"""Memory that is used again. Above 32 MiB, malloc maps every array anew, and the system fills it with zeros first.

That takes a tenth of the encoding's time. numpy's memory, because numpy asks for huge pages, which are mapped sooner.
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

MAPPED_BYTES = 1 << 25  # from here on malloc does not keep what is freed
LINE = 16  # numbers, of a line of the cache
_rooms = threading.local()
_left: deque[Any] = deque(maxlen=2)  # the memory of the last large tensors that are gone: features, and a gradient


def empty(*shape: int) -> Tensor:
    """A float32 tensor to be written. A large one takes the place of one that is gone, if that had about its size.

    It starts where a line of the cache starts.
    """
    size = math.prod(shape)
    if 4 * size < MAPPED_BYTES:
        return torch.from_numpy(np.empty(shape, np.float32))
    memory = _take(size)
    memory = np.empty(size + LINE, np.float32) if memory is None else memory
    begin = -memory.ctypes.data // memory.itemsize % LINE
    array = memory[begin : begin + size].reshape(shape)
    weakref.finalize(array, _left.append, memory).atexit = False
    return torch.from_numpy(array)


def outgrows_cache(tensor: Tensor) -> bool:
    """Whether a tensor from `empty` is larger than most caches.

    Then what is written at its start is out of the cache again before it is read, and may as well not enter.
    """
    return 4 * tensor.numel() >= MAPPED_BYTES


def _take(size: int) -> Any:
    for _ in range(len(_left)):
        try:
            memory = _left.popleft()
        except IndexError:  # another thread was faster
            return None
        if size + LINE <= memory.size <= 1.25 * size + LINE:
            return memory
        _left.append(memory)
    return None


def room(name: str, *shape: int) -> Any:
    """This thread's array of that name, float32, as it was left; it grows if it must."""
    size, kept = math.prod(shape), getattr(_rooms, name, None)
    if kept is None or kept.size < size:
        kept = np.zeros(size, np.float32)
        setattr(_rooms, name, kept)
    return kept[:size].reshape(shape)
