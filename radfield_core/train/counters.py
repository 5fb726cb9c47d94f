"""Counters of the training loop. A checkpoint stores them beside the model and the optimizer."""

from __future__ import annotations

from dataclasses import dataclass


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
