"""Counters of the training loop. A checkpoint stores them beside the model and the optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

MAX_COUNT = 10**12
"""A checkpoint with a counter larger than this is rejected."""


@dataclass
class Counters:
    """The state of the training loop. A checkpoint stores every attribute.

    Attributes:
        step: number of steps taken.
        seconds: wall time of the steps. The time of evaluations and of saving is not counted.
        cpu_seconds: CPU time of the steps. The time of evaluations and of saving is not counted.
        n_rays: number of rays per step. The number may be fractional, so that small adjustments add up.
        samples_per_ray: mean number of samples per ray in the last step.
        rollbacks: number of times that training diverged and returned to an earlier state.
        skipped: number of steps that were skipped because the loss or a gradient was not finite.
        bad_in_a_row: number of steps skipped in a row, up to now.
        chunk_rays: number of rays in the largest micro-batch that fitted into memory; None if memory never ran out.
        restarts: number of times that training began again, because it was stuck from its start.
        watched_error: sum of the squared color errors of the steps that decide whether training is stuck.
        watched_spread: sum of the variances of the true colors in the same steps.
    """

    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    n_rays: float = 0.0
    samples_per_ray: float = 1.0
    rollbacks: int = 0
    skipped: int = 0
    bad_in_a_row: int = 0
    chunk_rays: int | None = None
    restarts: int = 0
    watched_error: float = 0.0
    watched_spread: float = 0.0

    def elapsed(self, clock: str) -> float:
        """Return the seconds that `trainer.max_seconds` counts. `clock` is the option `trainer.clock`."""
        return self.cpu_seconds if clock == "processor" else self.seconds

    @classmethod
    def of(cls, stored: Any) -> Counters:
        """Return the counters that a checkpoint stores. Raises ValueError for impossible values.

        Example:
            >>> Counters.of({"step": 3, "n_rays": 16.0}).step
            3
            >>> Counters.of({"step": -5, "n_rays": 16.0})
            Traceback (most recent call last):
            ...
            ValueError: the counter step is -5
        """
        names = {field.name: field.type for field in fields(cls)}
        if not isinstance(stored, dict) or not stored.keys() <= names.keys():
            raise ValueError("its counters have unknown names")
        for name, value in stored.items():
            kinds = (int, float) if names[name] == "float" else (int,)
            absent = value is None and names[name] == "int | None"
            lowest = 1 if name in ("n_rays", "chunk_rays") else 0
            if not absent and (
                type(value) not in kinds or not math.isfinite(value) or not lowest <= value <= MAX_COUNT
            ):
                raise ValueError(f"the counter {name} is {value!r:.40}")
        return cls(**stored)
