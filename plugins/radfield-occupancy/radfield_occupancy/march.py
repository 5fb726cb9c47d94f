"""Marching: the intervals of a ray's lattice of steps whose middles lie in occupied cells. The definition, in torch.

A ray's steps are numbered, and every step's ends follow from its number alone, so that implementations that skip empty
space agree with this one, which looks at every step, to the last bit:

    t_i = (t_first + min(i, n_even) · step) · growth[max(i − n_even, 0)]

Up to n_even steps are even; from there each is (1 + cone angle) times as long as the one before. Steps end at the far
limit, where the last one is cut short; a step without length is not kept. All of it is float32. R rays, N kept samples,
K steps on a lattice.
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
"""Cells per side of a brick; its octants have half as many. The kernels' shifts and masks say both as well."""

ROUNDING = 4e-7
"""Rounding error of a position, relative to its distance; kernels skip that much less of an empty block."""

EVEN = 1 << 30  # n_even of a lattice that never grows
MAX_GROWTH = 1e6  # a growing lattice ends where it has grown by this factor


@dataclass(frozen=True, eq=False)
class Grid:
    """Which cells are occupied. bits [L·res³/8] uint8: cell (l, x, y, z) is bit `index % 8` of byte `index // 8`.

    bricks [L·(res/8)³] uint8: for each octant of a brick of 8³ cells a bit, 4x + 2y + z, whether any of its 4³ cells is
    occupied. Level 0 spans center ± radius, each
    next one twice that; contracted: the one level spans the contracted ball of radius 2.
    """

    bits: Tensor
    bricks: Tensor
    resolution: int
    n_levels: int
    center: tuple[float, float, float]
    radius: float
    contracted: bool

    @property
    def bricks_hold(self) -> bool:
        """Whether a ray may leave an empty brick, or octant of one, in one step without passing an occupied cell.

        Inner levels must end at the borders of an outer level's bricks, else an empty brick may hide an occupied cell.
        Through contracted space rays are bent.
        """
        return not self.contracted and (self.n_levels == 1 or self.resolution % (4 * BRICK) == 0)

    def occupied(self, x: Tensor) -> Tensor:
        """Whether the cells around x [..., 3] are occupied [...]; outside the grid the nearest cell answers."""
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
class Lattice:
    """How far apart steps are, and where they must end. growth [G] float32 starts with 1; n_steps bounds K."""

    step: float
    cone_angle: float
    growth: Tensor
    n_steps: int
    max_samples: int

    @staticmethod
    def make(step: float, cone_angle: float, reach: float, max_samples: int) -> Lattice:
        """The lattice for rays of which at most a length `reach` (infinite when unbounded) is marched."""
        even = math.ceil(reach / step) + 2 if math.isfinite(reach) else EVEN
        if cone_angle == 0:
            return Lattice(step, 0.0, torch.ones(1), even, max_samples)
        n_growth = min(math.ceil(math.log(MAX_GROWTH) / math.log1p(cone_angle)), even)
        growth = torch.pow(torch.tensor(1.0 + cone_angle, dtype=torch.float64), torch.arange(n_growth + 1))
        return Lattice(step, cone_angle, growth.float(), min(even, math.ceil(1 / cone_angle) + n_growth), max_samples)

    def even_steps(self, t_first: Tensor) -> Tensor:
        """Number of even steps from t_first [R] until they begin to grow [R] int32."""
        if self.cone_angle == 0:
            return torch.full_like(t_first, EVEN, dtype=torch.int32)
        return ((self.step / self.cone_angle - t_first) / self.step).ceil().clamp_min(0).to(torch.int32)

    def edges(self, index: Tensor, t_first: Tensor, n_even: Tensor) -> Tensor:
        """t [R, K] of the lattice's edges with number index [K]."""
        growth = self.growth.to(t_first.device)
        even = torch.minimum(index, n_even[:, None])
        grown = (index - n_even[:, None]).clamp(0, len(growth) - 1)
        step = torch.tensor(self.step, dtype=torch.float32, device=t_first.device)
        return (t_first[:, None] + even.to(torch.float32) * step) * growth[grown.long()]


def march(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, grid: Grid, lattice: Lattice
) -> tuple[Tensor, Tensor, Packing]:
    """t_starts [N], t_ends [N] and packing of the steps in occupied cells, on rays [R, 3] from t_first to far [R]."""
    o, d, first, last = (x.detach().to(torch.float32).contiguous() for x in (origins, directions, t_first, far))
    kernels = MARCHING.pick(origins.device)
    run = reference if kernels is None else kernels.march
    t_starts, t_ends, counts = run(o, d, first, last, lattice.even_steps(first), grid, lattice)
    bound = min(lattice.n_steps, lattice.max_samples)
    packing = Packing.from_counts(counts, bound, total=t_starts.shape[0])
    return t_starts.to(origins.dtype), t_ends.to(origins.dtype), packing


def reference(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, n_even: Tensor, grid: Grid, lattice: Lattice
) -> tuple[Tensor, Tensor, Tensor]:
    """Look at every step of every ray: t_starts [N], t_ends [N], counts [R]."""
    index = torch.arange(lattice.n_steps + 1, dtype=torch.int32, device=origins.device)
    edges = lattice.edges(index, t_first, n_even)
    starts, ends = edges[:, :-1], torch.minimum(edges[:, 1:], far[:, None])
    middles = (starts + ends) * 0.5
    x = origins[:, None] + directions[:, None] * middles[..., None]
    kept = (starts < ends) & grid.occupied(x)
    kept &= kept.cumsum(1) <= lattice.max_samples
    return starts[kept], ends[kept], kept.sum(1)


def check(march: Callable[..., tuple[Tensor, Tensor, Tensor]], device: str) -> None:
    """March one ray through one full brick, so that a kernel that cannot work fails here."""
    full = torch.full((BRICK**3 // 8,), 255, dtype=torch.uint8, device=device)
    grid = Grid(full, full[:1], BRICK, 1, (0.0, 0.0, 0.0), 1.0, False)
    ray = torch.tensor([[1.0, 0.0, 0.0]], device=device)
    lattice = Lattice.make(0.5, 0.0, 2.0, 8)
    near, far = torch.zeros(1, device=device), torch.full((1,), 2.0, device=device)
    counts = march(-ray, ray, near, far, lattice.even_steps(near), grid, lattice)[2]
    if counts.tolist() != [4]:
        raise ArithmeticError("marching through a full grid keeps other than every step")
