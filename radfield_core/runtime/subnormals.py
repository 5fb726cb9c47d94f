"""Flushing of subnormal floats to zero during training.

Once rays no longer sample an entry of a hash table, Adam's moments of that entry decay at each step. After some hundred
steps they become subnormal (below 1e-38), which may happen to a third of the table. Computing with subnormal numbers
makes a CPU about fifty times slower. Flushing them to zero changes no weight, because their contribution to a weight is
far smaller than the weight's last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def flushed() -> Iterator[None]:
    """Inside the block, flush subnormals to zero in this thread and in the threads that this thread starts.

    On a CPU that cannot flush subnormals, this has no effect.
    """
    for dtype in (np.float32, np.float64):
        np.finfo(dtype).smallest_subnormal  # noqa: B018  numpy caches the value, and warns if it computes it while flushing
    before = not bool(torch.tensor(1e-40) * 1.0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
