"""Benchmarks of ray marching and of grid updates.

The torch definition and the kernels run alternately in one process, so that changes in the machine's speed affect both.
"""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import torch
from torch import Tensor

from radfield_core import BuildContext, DensityOccupancy, SceneBox, Step
from radfield_core.bench import Timing, median_ms, medians_ms, with_backend
from radfield_occupancy.config import OccupancyConfig
from radfield_occupancy.grid import pack
from radfield_occupancy.march import MARCHING, Grid, StepLengths, march
from radfield_occupancy.sampler import OccupancySampler

RADIUS = 1.5


def measure(
    n_rays: int = 4096, resolution: int = 128, repeats: int = 7, device: str = "cpu", seed: int = 0
) -> list[dict[str, Any]]:
    """Measure the median time that each backend takes to march rays through a spherical shell.

    Each ray gets about 62 samples on average.

    Args:
        n_rays: number of rays; all of them hit the shell.
        resolution: cells per side of the grid.
        repeats: number of runs of each backend.
        device: "cpu" or "cuda".
        seed: seed of the rays.

    Returns:
        One row per backend, with the keys op, backend, device, n_rays, n_samples, both_ms and speedup. both_ms is the
        median time in milliseconds, and speedup is relative to torch.
    """
    diagonal = 2 * math.sqrt(3) * RADIUS
    grid, steps = shell_grid(resolution), StepLengths.make(diagonal / 1024, 0.0, diagonal, 1024)
    origins, directions, near, far = (x.to(device) for x in shell_rays(n_rays, seed))
    grid = Grid(grid.bits.to(device), grid.bricks.to(device), resolution, 1, grid.center, RADIUS, False)

    def run() -> int:
        return march(origins, directions, near, far, grid, steps)[0].shape[0]

    names = ["torch", *MARCHING.loadable(device)]
    medians = medians_ms({name: with_backend(name, run) for name in names}, repeats, device)
    n_samples = run()
    common = {"op": "marching", "device": device, "n_rays": n_rays, "n_samples": n_samples}
    return [
        {**common, "backend": name, "both_ms": ms, "speedup": medians["torch"] / ms} for name, ms in medians.items()
    ]


def timings(device: str, repeats: int) -> list[Timing]:
    """Return the timings of ray marching that `radfield bench micro` shows."""
    reference, *kernels = measure(repeats=repeats, device=device)
    case = f"{reference['n_rays']} rays, {reference['n_samples'] // 1000}k samples"
    return [Timing("marching", case, row["backend"], reference["both_ms"], row["both_ms"]) for row in kernels]


def measure_refresh(resolution: int = 64, repeats: int = 7, device: str = "cpu") -> list[dict[str, Any]]:
    """Measure the time of grid updates after the warm-up, in milliseconds per training step.

    The measured time does not include the evaluation of the field.
    """
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), RADIUS))
    config = OccupancyConfig(resolution=resolution, warmup_steps=16)
    sampler, field = OccupancySampler(config, ctx).to(device), _Ball()
    steps = (Step(turn * config.update_every, 1000, 0) for turn in count())
    update = median_ms(lambda: sampler.refresh(next(steps), field), repeats, device)  # type: ignore[arg-type]
    x = torch.rand(field.n_points, 3, device=device)
    evaluation = median_ms(lambda: field.occupancy(x, sampler.step), repeats, device)
    per_step = max(0.0, update - evaluation) / config.update_every
    return [{"op": "grid update", "backend": "torch", "device": device, "resolution": resolution, "both_ms": per_step}]


class _Ball(DensityOccupancy):
    """A ball of constant density. `n_points` counts the points of the most recent evaluation."""

    n_points = 0

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        self.n_points = len(x)
        inside: Tensor = x.norm(dim=-1) < 0.7
        return 50.0 * inside.to(x.dtype)


def shell_rays(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return origins, directions, near limits and far limits of n rays.

    The rays start on a sphere of radius 4 and aim at points inside the shell.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(2, n, 3, generator=generator)
    origins = 4.0 * torch.nn.functional.normalize(normal[0], dim=-1)
    target = 0.6 * torch.nn.functional.normalize(normal[1], dim=-1) * torch.rand(n, 1, generator=generator)
    directions = torch.nn.functional.normalize(target - origins, dim=-1)
    return origins, directions, torch.full((n,), 4.0 - RADIUS), torch.full((n,), 4.0 + RADIUS)


def shell_grid(resolution: int) -> Grid:
    """Return a grid whose occupied cells form a spherical shell of radius 0.7."""
    centers = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    radius = RADIUS * torch.stack(torch.meshgrid(centers, centers, centers, indexing="ij")).norm(dim=0)
    return Grid(*pack((radius - 0.7).abs()[None] < 0.07), resolution, 1, (0.0, 0.0, 0.0), RADIUS, False)
