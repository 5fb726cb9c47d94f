"""sampler:occupancy, which takes samples in the occupied cells of a grid (instant-ngp, Müller et al. 2022).

Shapes: R rays, L levels, res cells per side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from radfield_core import (
    BuildContext,
    Field,
    HasOccupancy,
    Level,
    Problems,
    RayBundle,
    RaySamples,
    Sampler,
    SceneBox,
    Step,
    UsageError,
)
from radfield_occupancy import grid
from radfield_occupancy.config import OccupancyConfig
from radfield_occupancy.march import BRICK, Grid, StepLengths, march
from radfield_occupancy.visibility import visible

CELLS_PER_BATCH = 1 << 18
"""Number of cells for which the field is evaluated in one call."""


class OccupancySampler(Sampler):
    """Sampler that marches along rays through an occupancy grid. It gives one level of packed samples.

    The grid is stored in three buffers, which checkpoints include. Until the first update, every cell is occupied.

    Args:
        config: options.
        ctx: context with the scene's bounds.

    Attributes:
        memory: opacity of one step inside each cell, float32 [L, res³].
        bits: one bit per cell, set if the cell is occupied, uint8 [L·res³/8]; see `march.Grid`.
        bricks: one byte per brick of 8³ cells, which summarizes `bits`, uint8 [L·(res/8)³]; see `march.Grid`.

    Raises:
        UsageError: the options contradict each other.
    """

    memory: Tensor
    bits: Tensor
    bricks: Tensor

    def __init__(self, config: OccupancyConfig, ctx: BuildContext):
        super().__init__()
        _check(config)
        self.config = config
        self.early_stop_eps = 0.0 if config.early_stop == "never" else config.early_stop_eps
        self.contracted = config.contraction == "sphere"
        x, y, z = ctx.bounds.center.tolist()
        self.center = (x, y, z)
        self.radius = float(ctx.bounds.radius)
        outer = self.radius * 2.0 ** (config.n_levels - 1)
        self.box = SceneBox(ctx.bounds.center, outer, ctx.bounds.shape if config.n_levels == 1 else "box")
        diagonal = 2.0 * math.sqrt(3.0)
        self.step = config.step or diagonal * self.radius / config.num_samples
        reach = math.inf if self.contracted else diagonal * outer
        self.steps = StepLengths.make(self.step, config.cone_angle, reach, config.max_samples_per_ray)
        n = config.resolution
        self.register_buffer("memory", torch.zeros(config.n_levels, n**3))
        bits, bricks = grid.pack(torch.ones(config.n_levels, n, n, n, dtype=torch.bool))
        self.register_buffer("bits", bits)
        self.register_buffer("bricks", bricks)

    def extent(self, rays: RayBundle) -> tuple[Tensor, Tensor]:
        """Near and far limits [R] of the rays. If the grid is bounded, the limits are clipped to the grid."""
        if self.contracted:
            return rays.near, rays.far
        enter, leave = self.box.intersect(rays)
        near = torch.maximum(rays.near, enter)
        return near, torch.maximum(torch.minimum(rays.far, leave), near)

    @torch.no_grad()
    def refresh(self, step: Step, field: Field) -> None:
        """Update the grid once in every `update_every` steps.

        During the warm-up, an update evaluates all cells. After it, an update evaluates a random quarter of all cells,
        and at most the same number of occupied cells.

        Raises:
            UsageError: the field has no method `occupancy`.
        """
        if step.index % self.config.update_every:
            return
        if not isinstance(field, HasOccupancy):
            raise UsageError(
                "sampler:occupancy requires a field that provides occupancy", path="field", hint="radfield plugins list"
            )
        generator = step.generator("occupancy/grid", self.memory.device)
        n, memory = self.config.resolution, self.memory.view(-1)
        if step.index < self.config.warmup_steps:
            cells = torch.arange(memory.numel(), device=memory.device)
        else:
            cells = grid.cells_to_update(grid.unpack(self.bits, n), 0.25, generator)
        opacity = torch.cat([self._opacity(field, part, generator) for part in torch.split(cells, CELLS_PER_BATCH)])
        memory.copy_(grid.updated(memory, cells, opacity, self.config.decay))
        occupied = grid.occupied_cells(memory, self.config.threshold)
        bits, bricks = grid.pack(occupied.view(-1, n, n, n))
        self.bits.copy_(bits)
        self.bricks.copy_(bricks)

    def _opacity(self, field: HasOccupancy, cells: Tensor, generator: torch.Generator) -> Tensor:
        """Evaluate the field at a random point in each of the cells [M]. Return the opacity of one step at each point
        [M]."""
        jitter = torch.rand(len(cells), 3, generator=generator, device=cells.device)
        center = self.memory.new_tensor(self.center)
        x = grid.world_points(cells, jitter, self.config.resolution, center, self.radius, self.contracted)
        return field.occupancy(x, self.step)

    @torch.no_grad()
    def propose(self, rays: RayBundle, level: int, prev: Level | None, field: Field) -> RaySamples:
        """Return packed samples in occupied cells.

        In training, the first step of each ray is delayed by a random fraction of a step.
        """
        near, far = self.extent(rays)
        first = near
        if self.training:
            generator = self.generator("occupancy/march", near.device)
            share = torch.rand(len(rays), generator=generator, device=near.device, dtype=torch.float32)
            first = near + share * torch.clamp_min(self.config.cone_angle * near, self.step)
        starts, ends, packing = march(rays.origins, rays.directions, first, far, self.grid(), self.steps)
        samples = RaySamples.packed(rays, starts, ends, packing)
        if self._drops_samples:
            samples = visible(samples, field, self.config.early_stop_eps, self.config.alpha_threshold)
        return samples

    @property
    def _drops_samples(self) -> bool:
        """True if samples are evaluated and dropped before the model evaluates the rest.

        In rendering, the model itself stops early, so samples are dropped here only if `alpha_threshold` is above 0.
        """
        if self.training:
            return self.config.early_stop == "always"
        return self.config.early_stop != "never" and self.config.alpha_threshold > 0

    def grid(self) -> Grid:
        """Return the grid in the form that `march()` takes."""
        n = self.config.resolution
        return Grid(self.bits, self.bricks, n, self.config.n_levels, self.center, self.radius, self.contracted)

    def scalars(self) -> dict[str, Tensor]:
        """Return the fraction of occupied cells, from 0 to 1, for the log."""
        return {"occupied": grid.unpack(self.bits, self.config.resolution).float().mean()}


def _check(config: OccupancyConfig) -> None:
    problems = Problems()
    if config.resolution % BRICK:
        problems.add(
            "sampler.resolution", f"{config.resolution} is not a multiple of {BRICK}", "Set sampler.resolution=128"
        )
    if config.contraction == "sphere" and config.cone_angle == 0:
        problems.add(
            "sampler.cone_angle",
            "contraction=sphere requires steps that grow with distance",
            "Set sampler.cone_angle=0.004 or more",
        )
    if config.contraction == "sphere" and config.n_levels > 1:
        problems.add(
            "sampler.n_levels",
            "contraction=sphere needs only one level, which covers all of space",
            "Set sampler.n_levels=1",
        )
    problems.raise_as(UsageError)
