"""Detection of sudden jumps of the loss."""

from __future__ import annotations

from collections import deque
from statistics import median

WINDOW_STEPS = 100
"""Each loss is compared with the median loss of this many preceding steps.

After a spike, no further spike is reported for the same number of steps.
"""

MIN_SPIKE_RATIO = 10.0
"""A loss that exceeds the median loss by more than this factor is a spike."""


class SpikeWatch:
    """Compares each step's loss with the median loss of the `WINDOW_STEPS` steps before it."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=WINDOW_STEPS)
        self._silent_steps = 0

    def add(self, loss: float) -> float | None:
        """Record a step's loss.

        Returns:
            The loss divided by the median if the loss is a spike, or None if it is not. For `WINDOW_STEPS` steps after
            a spike, the result is always None.
        """
        usual = median(self._losses) if len(self._losses) == WINDOW_STEPS else 0.0
        self._losses.append(loss)
        self._silent_steps -= 1
        if self._silent_steps > 0 or not loss > MIN_SPIKE_RATIO * usual > 0.0:
            return None
        self._silent_steps = WINDOW_STEPS
        return loss / usual
