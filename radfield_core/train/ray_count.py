"""Choice of the number of rays in a micro-batch and in a step.

A step may be split into micro-batches to save memory. The number of rays per step is adjusted so that a step has the
wanted number of samples.
"""

from __future__ import annotations

from radfield_core.config.run import TrainerConfig
from radfield_core.train.counters import Counters

SMOOTHING = 0.9  # weight of the current number of rays in its running average


def micro_batch_rays(config: TrainerConfig, counters: Counters, n_rays: int) -> int:
    """Return the number of rays in one micro-batch.

    A batch of `n_rays` rays is split into micro-batches of about `samples_per_chunk` samples.
    """
    chunk = n_rays
    if config.samples_per_chunk is not None:
        chunk = int(config.samples_per_chunk / max(counters.samples_per_ray, 1.0))
    return max(1, min(chunk, n_rays, counters.chunk_rays or n_rays))


def adapt_ray_count(config: TrainerConfig, counters: Counters, n_rays: int, n_samples: int) -> None:
    """Adjust the number of rays per step after a step with `n_rays` rays and `n_samples` samples.

    If `target_samples` is set, the number n becomes 0.9 n + 0.1 n · target_samples / n_samples, but at most `max_rays`.
    The time of a step then stays about the same while an occupancy grid learns which space is empty.
    """
    counters.samples_per_ray = n_samples / n_rays
    if config.target_samples is not None:
        wanted = counters.n_rays * config.target_samples / max(n_samples, 1)
        smoothed = SMOOTHING * counters.n_rays + (1.0 - SMOOTHING) * wanted
        counters.n_rays = min(max(smoothed, 1.0), float(config.max_rays))
