"""Training that goes wrong: noticing that the loss jumped, and keeping the batch that could not be learned from."""

from __future__ import annotations

from collections import deque
from statistics import median

WINDOW = 100  # steps
FACTOR = 10.0


class SpikeWatch:
    """Compares each step's loss with the median of the steps before. Speaks once per `WINDOW` steps at most."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._silent = 0

    def add(self, loss: float) -> float | None:
        """Take note of a loss. How many times the median of the last steps it is, if that is more than `FACTOR`."""
        usual = median(self._losses) if len(self._losses) == WINDOW else 0.0
        self._losses.append(loss)
        self._silent -= 1
        if self._silent > 0 or not loss > FACTOR * usual > 0.0:
            return None
        self._silent = WINDOW
        return loss / usual
