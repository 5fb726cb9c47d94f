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
_rooms = threading.local()
_left: deque[Any] = deque(maxlen=2)  # the memory of the last large tensors that are gone: features, and a gradient


def empty(*shape: int) -> Tensor:
    """A float32 tensor to be written. A large one takes the place of one that is gone, if that had about its size."""
    size = math.prod(shape)
    if 4 * size < MAPPED_BYTES:
        return torch.from_numpy(np.empty(shape, np.float32))
    memory = _take(size)
    array = (np.empty(size, np.float32) if memory is None else memory)[:size].reshape(shape)
    weakref.finalize(array, _left.append, array.base).atexit = False
    return torch.from_numpy(array)


def _take(size: int) -> Any:
    for _ in range(len(_left)):
        try:
            memory = _left.popleft()
        except IndexError:  # another thread was faster
            return None
        if size <= memory.size <= 1.25 * size:
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
