"""Ray marching, defined in torch: steps along rays, kept if their middles lie in occupied cells.

Steps along a ray are numbered, and a step's end points follow from its number alone. Kernels that skip empty space
therefore agree to the last bit with this definition, which looks at every step:

    t_i = (t_first + min(i, n_even) · step) · growth[max(i − n_even, 0)]

The first n_even steps have equal length; after them, each step is (1 + cone angle) times as long as the previous one.
Steps end at the far limit, where the last one is cut short; a step of zero length is not kept. All arithmetic is
float32. R rays, N kept samples, K steps per ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from radfield_core.ops import Op, Packing

MARCHING = Op("marching", {"cpu": {"numba": "radfield_occupancy.cpu"}, "cuda": {"triton": "radfield_occupancy.gpu"}})

BRICK = 8
"""Cells per side of a brick; a brick has eight octants of half its side. The kernels' shifts and masks assume both."""

ROUNDING = 4e-7
"""Largest rounding error of a position, relative to its distance; kernels skip that much less of an empty block."""

UNLIMITED = 1 << 30  # number of even steps of a ray whose steps never grow
MAX_GROWTH = 1e6  # a ray ends where its steps have grown by this factor


@dataclass(frozen=True, eq=False)
class Grid:
    """Occupied cells of an occupancy grid.

    Level 0 spans center ± radius, and each further level is twice as wide. A contracted grid has one level, which spans
    the ball of radius 2 that contracted space fills.

    Attributes:
        bits: uint8 [L·res³/8]; cell (level, x, y, z) is bit `index % 8` of byte `index // 8`.
        bricks: uint8 [L·(res/8)³]; bit 4x + 2y + z of a brick's byte is set if that octant has an occupied cell.
        resolution: cells per side.
        n_levels: number of levels L.
        center: center of all levels.
        radius: half the side of level 0.
        contracted: True if the grid covers contracted space.
    """

    bits: Tensor
    bricks: Tensor
    resolution: int
    n_levels: int
    center: tuple[float, float, float]
    radius: float
    contracted: bool

    @property
    def skips_bricks(self) -> bool:
        """True if a ray may cross an empty brick, or an empty octant of one, in a single jump.

        An inner level must end at the borders of the next level's bricks: cells under it are not marked there, so a
        brick that it covers in part could look empty. In contracted space rays are bent.
        """
        return not self.contracted and (self.n_levels == 1 or self.resolution % (4 * BRICK) == 0)

    def occupied(self, x: Tensor) -> Tensor:
        """Occupancy, as bool [...], of the cells at x [..., 3]; outside the grid, of the nearest cell."""
        u = (x - x.new_tensor(self.center)) * (1.0 / self.radius)
        largest = u.abs().amax(-1)
        level = torch.zeros_like(largest, dtype=torch.int64)
        if self.contracted:
            norm = (u[..., 0] * u[..., 0] + u[..., 1] * u[..., 1] + u[..., 2] * u[..., 2]).sqrt()
            outside = norm > 1.0
            norm = torch.where(outside, norm, 1.0)
            u = u * torch.where(outside, (2.0 - 1.0 / norm) / norm, 1.0)[..., None] * 0.5
        else:
            scale = torch.ones_like(largest)
            for finer in range(self.n_levels - 1):
                beyond = largest > 2.0**finer
                level, scale = level + beyond, torch.where(beyond, scale * 0.5, scale)
            u = u * scale[..., None]
        cell = ((u + 1.0) * (0.5 * self.resolution)).to(torch.int64).clamp(0, self.resolution - 1)
        n = self.resolution
        index = ((level * n + cell[..., 0]) * n + cell[..., 1]) * n + cell[..., 2]
        return (self.bits[index >> 3].to(torch.int64) >> (index & 7) & 1).bool()


@dataclass(frozen=True, eq=False)
class StepLengths:
    """Lengths of the steps along rays.

    Attributes:
        step: length of an even step.
        cone_angle: growth of later steps; 0 keeps all steps even.
        growth: float32 [G], factor on t after each number of growing steps; starts with 1.
        n_steps: largest number of steps K of a ray.
        max_samples: largest number of kept samples of a ray.
    """

    step: float
    cone_angle: float
    growth: Tensor
    n_steps: int
    max_samples: int

    @staticmethod
    def make(step: float, cone_angle: float, reach: float, max_samples: int) -> StepLengths:
        """Step lengths for rays that are marched over at most the length `reach`, which may be infinite."""
        even = math.ceil(reach / step) + 2 if math.isfinite(reach) else UNLIMITED
        if cone_angle == 0:
            return StepLengths(step, 0.0, torch.ones(1), even, max_samples)
        n_growth = min(math.ceil(math.log(MAX_GROWTH) / math.log1p(cone_angle)), even)
        growth = torch.pow(torch.tensor(1.0 + cone_angle, dtype=torch.float64), torch.arange(n_growth + 1))
        return StepLengths(
            step, cone_angle, growth.float(), min(even, math.ceil(1 / cone_angle) + n_growth), max_samples
        )

    def n_even(self, t_first: Tensor) -> Tensor:
        """Number of even steps, int32 [R], of rays that start at t_first [R]."""
        if self.cone_angle == 0:
            return torch.full_like(t_first, UNLIMITED, dtype=torch.int32)
        return ((self.step / self.cone_angle - t_first) / self.step).ceil().clamp_min(0).to(torch.int32)

    def edges(self, index: Tensor, t_first: Tensor, n_even: Tensor) -> Tensor:
        """Starts t [R, K] of the steps with numbers `index` [K]."""
        growth = self.growth.to(t_first.device)
        even = torch.minimum(index, n_even[:, None])
        grown = (index - n_even[:, None]).clamp(0, len(growth) - 1)
        step = torch.tensor(self.step, dtype=torch.float32, device=t_first.device)
        return (t_first[:, None] + even.to(torch.float32) * step) * growth[grown.long()]


def march(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, grid: Grid, steps: StepLengths
) -> tuple[Tensor, Tensor, Packing]:
    """Steps along rays, kept if their middles lie in occupied cells (instant-ngp, appendix E), by the active backend.

    Args:
        origins: ray origins [R, 3].
        directions: unit vectors [R, 3].
        t_first: distances [R] at which the first steps start.
        far: distances [R] at which rays end.
        grid: occupied cells.
        steps: lengths of the steps.

    Returns:
        t_starts [N], t_ends [N] and their packing.
    """
    o, d, first, last = (x.detach().to(torch.float32).contiguous() for x in (origins, directions, t_first, far))
    backend = MARCHING.pick(origins.device)
    run = reference if backend is None else backend.march
    t_starts, t_ends, counts = run(o, d, first, last, steps.n_even(first), grid, steps)
    bound = min(steps.n_steps, steps.max_samples)
    packing = Packing.from_counts(counts, bound, total=t_starts.shape[0])
    return t_starts.to(origins.dtype), t_ends.to(origins.dtype), packing


def reference(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, n_even: Tensor, grid: Grid, steps: StepLengths
) -> tuple[Tensor, Tensor, Tensor]:
    """t_starts [N], t_ends [N] and counts [R] of the kept steps; looks at every step of every ray."""
    index = torch.arange(steps.n_steps + 1, dtype=torch.int32, device=origins.device)
    edges = steps.edges(index, t_first, n_even)
    starts, ends = edges[:, :-1], torch.minimum(edges[:, 1:], far[:, None])
    middles = (starts + ends) * 0.5
    x = origins[:, None] + directions[:, None] * middles[..., None]
    kept = (starts < ends) & grid.occupied(x)
    kept &= kept.cumsum(1) <= steps.max_samples
    return starts[kept], ends[kept], kept.sum(1)


def check(march: Callable[..., tuple[Tensor, Tensor, Tensor]], device: str) -> None:
    """March one ray through one full brick, so that a kernel that cannot run fails when it is loaded.

    Raises:
        ArithmeticError: the kernel does not keep all four steps.
    """
    full = torch.full((BRICK**3 // 8,), 255, dtype=torch.uint8, device=device)
    grid = Grid(full, full[:1], BRICK, 1, (0.0, 0.0, 0.0), 1.0, False)
    ray = torch.tensor([[1.0, 0.0, 0.0]], device=device)
    steps = StepLengths.make(0.5, 0.0, 2.0, 8)
    near, far = torch.zeros(1, device=device), torch.full((1,), 2.0, device=device)
    counts = march(-ray, ray, near, far, steps.n_even(near), grid, steps)[2]
    if counts.tolist() != [4]:
        raise ArithmeticError(f"marching through a full grid kept {counts.tolist()[0]} of 4 steps")
