"""What training remembers from step to step, beside the model and the optimizer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counters:
    """What the trainer remembers from step to step, all of it kept in checkpoints.

    step: steps taken. seconds, cpu_seconds: training time by the clock and of the processor, without evaluation and
    saving. n_rays, samples_per_ray: as the last steps had them. rollbacks: times
    that training went back after divergence. skipped, bad_in_a_row: steps without a finite loss and gradient.
    chunk_rays: largest micro-batch that fitted into memory, if one did not.
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
