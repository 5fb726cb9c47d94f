"""Definition of ray marching in torch. A ray is divided into steps, and steps in occupied cells are kept.

The steps of a ray are numbered, and the end points of a step depend only on its number. The definition examines every
step. Kernels skip empty space, but agree with the definition to the last bit. Step i starts at

    t_i = (t_first + min(i, n_even) · step) · growth[max(i − n_even, 0)]

The first n_even steps have equal length. Each later step is (1 + cone angle) times as long as the previous one. The
last step is cut off at the far limit of the ray. Steps of zero length are dropped. All arithmetic is float32.

Shapes: R rays, N kept samples, K steps per ray.
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
"""Number of cells per side of a brick, which is a cube of cells.

An octant is one of the eight cubes of 4³ cells that make up a brick. The kernels contain shifts and masks that are
correct only for bricks of 8³ cells.
"""

ROUNDING = 4e-7
"""Largest rounding error of a computed position, relative to the numbers from which it is computed.

Kernels shorten their jumps by this error.
"""

UNLIMITED = 1 << 30  # the number of equal steps if the steps of a ray never grow
MAX_GROWTH = 1e6  # a ray ends when its steps have grown by this factor


@dataclass(frozen=True, eq=False)
class Grid:
    """Occupied cells of an occupancy grid.

    Level 0 spans center ± radius, and each further level is twice as wide as the previous one. A contracted grid has a
    single level, which spans the contracted space, a ball of radius 2.

    Attributes:
        bits: uint8 [L·res³/8]; the cell with flat index i of (level, x, y, z) is bit i % 8 of byte i // 8.
        bricks: uint8 [L·(res/8)³]; bit 4x + 2y + z of a brick's byte is set if octant (x, y, z) has occupied cells.
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
        """True if a ray may cross an empty brick, or an empty octant, in a single jump.

        With several levels, jumps are allowed only if the border of each level coincides with brick borders of the next
        level. Otherwise, a brick could look empty although it is not, because cells of a level are not marked in the
        region that a finer level covers. In contracted space, rays are curved, so they never jump.
        """
        return not self.contracted and (self.n_levels == 1 or self.resolution % (4 * BRICK) == 0)

    def occupied(self, x: Tensor) -> Tensor:
        """Return a bool mask [...] that is True where the cell at x [..., 3] is occupied.

        For a point outside the grid, the nearest cell is used.
        """
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
        step: length of the equal steps at the start of a ray.
        cone_angle: each later step is (1 + cone_angle) times as long as the previous one; if 0, all steps are equal.
        growth: float32 [G]; entry k is the factor by which k growing steps increase t.
        n_steps: largest number K of steps per ray.
        max_samples: largest number of kept samples per ray.
    """

    step: float
    cone_angle: float
    growth: Tensor
    n_steps: int
    max_samples: int

    @staticmethod
    def make(step: float, cone_angle: float, reach: float, max_samples: int) -> StepLengths:
        """Return the step lengths for rays that are at most `reach` long. `reach` may be infinite."""
        even = math.ceil(reach / step) + 2 if math.isfinite(reach) else UNLIMITED
        if cone_angle == 0:
            return StepLengths(step, 0.0, torch.ones(1), even, max_samples)
        n_growth = min(math.ceil(math.log(MAX_GROWTH) / math.log1p(cone_angle)), even)
        growth = torch.pow(torch.tensor(1.0 + cone_angle, dtype=torch.float64), torch.arange(n_growth + 1))
        return StepLengths(
            step, cone_angle, growth.float(), min(even, math.ceil(1 / cone_angle) + n_growth), max_samples
        )

    def n_even(self, t_first: Tensor) -> Tensor:
        """Return the number of equally long steps of each ray, int32 [R]. The first steps start at t_first [R]."""
        if self.cone_angle == 0:
            return torch.full_like(t_first, UNLIMITED, dtype=torch.int32)
        return ((self.step / self.cone_angle - t_first) / self.step).ceil().clamp_min(0).to(torch.int32)

    def edges(self, index: Tensor, t_first: Tensor, n_even: Tensor) -> Tensor:
        """Return the distances t [R, K] at which steps start. `index` [K] holds the numbers of the steps."""
        growth = self.growth.to(t_first.device)
        even = torch.minimum(index, n_even[:, None])
        grown = (index - n_even[:, None]).clamp(0, len(growth) - 1)
        step = torch.tensor(self.step, dtype=torch.float32, device=t_first.device)
        return (t_first[:, None] + even.to(torch.float32) * step) * growth[grown.long()]


def march(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, grid: Grid, steps: StepLengths
) -> tuple[Tensor, Tensor, Packing]:
    """March along rays with the active backend, and keep the steps in occupied cells (instant-ngp, appendix E).

    A step is kept if its center lies in an occupied cell.

    Args:
        origins: ray origins [R, 3].
        directions: unit vectors [R, 3] along the rays.
        t_first: distances [R] at which the first steps start.
        far: distances [R] at which rays end.
        grid: occupied cells.
        steps: lengths of the steps.

    Returns:
        t_starts [N] and t_ends [N] of the kept steps, and the packing that assigns them to rays.
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
    """Examine every step of every ray. Return t_starts [N] and t_ends [N] of the kept steps, and counts [R].

    A ray's count is the number of its kept steps.
    """
    index = torch.arange(steps.n_steps + 1, dtype=torch.int32, device=origins.device)
    edges = steps.edges(index, t_first, n_even)
    starts, ends = edges[:, :-1], torch.minimum(edges[:, 1:], far[:, None])
    middles = (starts + ends) * 0.5
    x = origins[:, None] + directions[:, None] * middles[..., None]
    kept = (starts < ends) & grid.occupied(x)
    kept &= kept.cumsum(1) <= steps.max_samples
    return starts[kept], ends[kept], kept.sum(1)


def check(march: Callable[..., tuple[Tensor, Tensor, Tensor]], device: str) -> None:
    """Self-test on loading: march one ray through one fully occupied brick.

    A broken kernel then fails here, not during training.

    Raises:
        ArithmeticError: the kernel does not keep all four steps of the ray.
    """
    full = torch.full((BRICK**3 // 8,), 255, dtype=torch.uint8, device=device)
    grid = Grid(full, full[:1], BRICK, 1, (0.0, 0.0, 0.0), 1.0, False)
    ray = torch.tensor([[1.0, 0.0, 0.0]], device=device)
    steps = StepLengths.make(0.5, 0.0, 2.0, 8)
    near, far = torch.zeros(1, device=device), torch.full((1,), 2.0, device=device)
    counts = march(-ray, ray, near, far, steps.n_even(near), grid, steps)[2]
    if counts.tolist() != [4]:
        raise ArithmeticError(f"marching through a full grid kept {counts.tolist()[0]} of 4 steps")
