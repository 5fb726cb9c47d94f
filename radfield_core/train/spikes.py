"""Detection of sudden jumps of the loss."""

from __future__ import annotations

from collections import deque
from statistics import median

WINDOW_STEPS = 100
"""Number of earlier steps whose median loss is compared with a step's loss; also the least distance of two reports."""

MIN_SPIKE_RATIO = 10.0
"""A loss above this multiple of the median is a spike."""


class SpikeWatch:
    """Compares each step's loss with the median loss of the `WINDOW_STEPS` steps before it."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._silent_steps = 0

    def add(self, loss: float) -> float | None:
        """Record a step's loss.

        Returns:
            The loss as a multiple of the median if the loss is a spike, else None. For `WINDOW_STEPS` steps after a
            spike, the result is always None.
        """
        usual = median(self._losses) if len(self._losses) == WINDOW_STEPS else 0.0
        self._losses.append(loss)
        self._silent_steps -= 1
        if self._silent_steps > 0 or not loss > MIN_SPIKE_RATIO * usual > 0.0:
            return None
        self._silent_steps = WINDOW_STEPS
        return loss / usual
