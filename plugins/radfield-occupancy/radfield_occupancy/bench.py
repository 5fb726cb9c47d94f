"""Measures marching and grid updates: the torch definition and its kernels in one process, turn by turn."""

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
from radfield_occupancy.march import MARCHING, Grid, Lattice, march
from radfield_occupancy.sampler import OccupancySampler

RADIUS = 1.5


def measure(
    n_rays: int = 4096, resolution: int = 128, repeats: int = 7, device: str = "cpu", seed: int = 0
) -> list[dict[str, Any]]:
    """Milliseconds per backend to march rays that all meet a ball's hull, and the ratio to torch.

    The hull's thickness makes about 62 samples a ray (253 k of 4096 rays). Rows have op, backend, device, n_rays,
    n_samples, both_ms (the median) and speedup.
    """
    diagonal = 2 * math.sqrt(3) * RADIUS
    grid, lattice = hull_grid(resolution), Lattice.make(diagonal / 1024, 0.0, diagonal, 1024)
    origins, directions, near, far = (x.to(device) for x in hull_rays(n_rays, seed))
    grid = Grid(grid.bits.to(device), grid.bricks.to(device), resolution, 1, grid.center, RADIUS, False)

    def run() -> int:
        return march(origins, directions, near, far, grid, lattice)[0].shape[0]

    names = ["torch", *MARCHING.installed(device)]
    medians = medians_ms({name: with_backend(name, run) for name in names}, repeats, device)
    n_samples = run()
    return [
        {"op": "marching", "backend": name, "device": device, "n_rays": n_rays, "n_samples": n_samples,
         "both_ms": ms, "speedup": medians["torch"] / ms}
        for name, ms in medians.items()
    ]  # fmt: skip


def timings(device: str, repeats: int) -> list[Timing]:
    """What `radfield bench micro` shows of marching."""
    reference, *rows = measure(repeats=repeats, device=device)
    case = f"{reference['n_rays']} rays, {reference['n_samples'] // 1000}k samples kept"
    return [Timing("marching", case, row["backend"], reference["both_ms"], row["both_ms"]) for row in rows]


def measure_refresh(resolution: int = 64, repeats: int = 7, device: str = "cpu") -> list[dict[str, Any]]:
    """Milliseconds per training step of a grid update after warm-up, without the field's own time."""
    ctx = BuildContext(bounds=SceneBox(torch.zeros(3), RADIUS))
    config = OccupancyConfig(resolution=resolution, warmup_steps=16)
    sampler, field = OccupancySampler(config, ctx).to(device), _Ball()
    steps = (Step(turn * config.update_every, 1000, 0) for turn in count())
    update = median_ms(lambda: sampler.refresh(next(steps), field), repeats, device)  # type: ignore[arg-type]
    asked = median_ms(lambda: field.occupancy(torch.rand(field.asked, 3, device=device), sampler.step), repeats, device)
    per_step = max(0.0, update - asked) / config.update_every
    return [{"op": "grid update", "backend": "torch", "device": device, "resolution": resolution, "both_ms": per_step}]


class _Ball(DensityOccupancy):
    asked = 0

    def density(self, x: Tensor, cov: Tensor | None = None) -> Tensor:
        self.asked = len(x)
        return 50.0 * (x.norm(dim=-1) < 0.7).to(x.dtype)


def hull_rays(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Origins, directions, near and far of rays from a sphere of radius 4 to points in the ball."""
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(2, n, 3, generator=generator)
    origins = 4.0 * torch.nn.functional.normalize(normal[0], dim=-1)
    target = 0.6 * torch.nn.functional.normalize(normal[1], dim=-1) * torch.rand(n, 1, generator=generator)
    directions = torch.nn.functional.normalize(target - origins, dim=-1)
    return origins, directions, torch.full((n,), 4.0 - RADIUS), torch.full((n,), 4.0 + RADIUS)


def hull_grid(resolution: int) -> Grid:
    """A grid of which a ball's hull of radius 0.7 is occupied."""
    place = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    radius = RADIUS * torch.stack(torch.meshgrid(place, place, place, indexing="ij")).norm(dim=0)
    return Grid(*pack((radius - 0.7).abs()[None] < 0.07), resolution, 1, (0.0, 0.0, 0.0), RADIUS, False)
