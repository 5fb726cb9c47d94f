"""Numbers too small for a float's exponent, taken as zero while training.

Adam's memory of a table entry that no ray meets any more decays from step to step, and after some hundred steps lies
below 1e-38: subnormal. A CPU works on such numbers in microcode, fifty times slower, and a third of a hash table may
hold them. They change no weight: what they would add is far below a float's last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def flushed() -> Iterator[None]:
    """Have this thread, and those that it starts, take subnormal numbers as zero; where the CPU cannot, do nothing."""
    for dtype in (np.float32, np.float64):
        np.finfo(dtype).smallest_subnormal  # noqa: B018 - worked out once, with a warning if there are none by then
    before = not bool(torch.tensor(1e-40) * 1.0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
