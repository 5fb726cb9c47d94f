"""How much time the viewer may take from training."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Keeps the time for rendering below a share of the time that passes. Time in which training is paused is free.

    Args:
        share: the share, between 0 and 1.
        clock: function that returns seconds.

    Example:
        >>> now = 0.0
        >>> pace = Pace(0.2, lambda: now)
        >>> now = 10.0
        >>> pace.allows(2.0), pace.allows(2.1)
        (True, False)
        >>> pace.spend(1.5)
        >>> pace.allows(1.0)
        False
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter):
        self._share, self._clock = share, clock
        self._begun, self._spent = clock(), 0.0

    def allows(self, seconds: float) -> bool:
        """Return True if rendering may take so many seconds more."""
        return self._spent + seconds <= self._share * (self._clock() - self._begun)

    def spend(self, seconds: float) -> None:
        """Count time that was spent on rendering."""
        self._spent += seconds

    def forgive(self, seconds: float) -> None:
        """Leave out time in which training was paused."""
        self._begun += seconds
