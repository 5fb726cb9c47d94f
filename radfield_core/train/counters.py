"""Counters of the training loop, which checkpoints hold in addition to the model and the optimizer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counters:
    """State of the training loop; every field is saved in checkpoints.

    Attributes:
        step: steps taken.
        seconds: wall time of the steps, without evaluation and saving.
        cpu_seconds: CPU time of the steps, without evaluation and saving.
        n_rays: rays per step. The number may be fractional, so that small adjustments add up.
        samples_per_ray: mean samples per ray in the last step.
        rollbacks: number of times that training diverged and returned to an earlier state.
        skipped: steps skipped because the loss or a gradient was not finite.
        bad_in_a_row: steps skipped since the last good step.
        chunk_rays: largest micro-batch that fitted into memory; None if memory never ran out.
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
