"""Flushing of subnormal floats to zero during training.

Adam's moments of a hash-table entry that no ray meets any more decay from step to step and become subnormal (below
1e-38) after some hundred steps. A CPU computes subnormal numbers in microcode, fifty times slower, and a third of a
hash table may hold them. Flushing them changes no weight: their contribution is far below a float's last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def flushed() -> Iterator[None]:
    """Flush subnormals to zero in this thread and the threads it starts, if the CPU supports it."""
    for dtype in (np.float32, np.float64):
        np.finfo(dtype).smallest_subnormal  # noqa: B018  numpy caches this, and warns if it is computed while flushing
    before = not bool(torch.tensor(1e-40) * 1.0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
