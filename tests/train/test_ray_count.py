"""The number of rays: a memory budget per micro-batch, and a target number of samples per step."""

from __future__ import annotations

import pytest

from radfield_core.config.run import TrainerConfig
from radfield_core.train.counters import Counters
from radfield_core.train.ray_count import adapt_ray_count, micro_batch_rays


@pytest.mark.parametrize(
    ("samples_per_chunk", "samples_per_ray", "chunk_rays", "expected"),
    [
        (None, 8.0, None, 100),  # no budget: the whole batch
        (80, 8.0, None, 10),
        (87, 8.0, None, 10),
        (4, 8.0, None, 1),  # at least one ray, even if it exceeds the budget
        (80, 0.25, None, 80),  # rays without samples count as one sample each
        (8000, 8.0, None, 100),
        (800, 8.0, 30, 30),  # memory ran out before with more
        (80, 8.0, 30, 10),
    ],
)
def test_a_micro_batch_keeps_to_the_budget_of_samples(
    samples_per_chunk: int | None, samples_per_ray: float, chunk_rays: int | None, expected: int
) -> None:
    config = TrainerConfig(samples_per_chunk=samples_per_chunk)
    counters = Counters(samples_per_ray=samples_per_ray, chunk_rays=chunk_rays)
    assert micro_batch_rays(config, counters, 100) == expected


def test_the_ray_count_moves_a_tenth_of_the_way_to_the_target() -> None:
    counters = Counters(n_rays=100.0)
    adapt_ray_count(TrainerConfig(target_samples=4000, max_rays=1000), counters, 100, 2000)
    assert counters.samples_per_ray == 20.0
    assert counters.n_rays == pytest.approx(100 + 0.1 * (200 - 100))


@pytest.mark.parametrize(("n_samples", "expected"), [(0, 500.0), (10**9, 90.0)])
def test_the_ray_count_has_limits(n_samples: int, expected: float) -> None:
    counters = Counters(n_rays=100.0)
    adapt_ray_count(TrainerConfig(target_samples=4000, max_rays=500), counters, 100, n_samples)
    assert counters.n_rays == pytest.approx(expected, rel=1e-4)
    for _ in range(200):
        adapt_ray_count(TrainerConfig(target_samples=1, max_rays=500), counters, 100, 10**9)
    assert counters.n_rays == 1.0


def test_without_a_target_the_ray_count_stays() -> None:
    counters = Counters(n_rays=100.0)
    adapt_ray_count(TrainerConfig(target_samples=None), counters, 100, 7)
    assert counters.n_rays == 100.0 and counters.samples_per_ray == 0.07
