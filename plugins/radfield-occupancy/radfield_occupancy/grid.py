"""The occupancy grid: what each cell remembers of the field, and which cells count as occupied.

L levels of res³ cells, each level spanning twice the one before. A cell remembers the largest opacity of one marching
step that was seen in it, fading at each visit (Instant-NGP, appendix C). Every update is a pure function of the state,
the step and the field, so a resumed run goes on bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_occupancy.march import BRICK


def pack(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """Bits [L·res³/8] and bricks [L·(res/8)³], both uint8, of cells [L, res, res, res] bool; see `march.Grid`."""
    levels, n = occupied.shape[0], occupied.shape[1]
    places = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=occupied.device)
    bits = (occupied.reshape(-1, 8) * places).sum(-1, dtype=torch.uint8)
    # Eight cells along z are one byte, so a brick is 8 × 8 bytes, and an octant one half of each of 4 × 4.
    b, half = n // BRICK, BRICK // 2
    octants = [part.view(levels, b, 2, half, b, 2, half, b).amax((3, 6)) > 0 for part in (bits & 15, bits >> 4)]
    in_order = torch.stack(octants, -1).permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 8)
    return bits, (in_order * places).sum(-1, dtype=torch.uint8)


def unpack(bits: Tensor, resolution: int) -> Tensor:
    """The inverse of `pack`: cells [L, res, res, res] bool."""
    places = torch.arange(8, dtype=torch.uint8, device=bits.device)
    return (bits[:, None] >> places & 1).bool().view(-1, resolution, resolution, resolution)


def world_points(
    cells: Tensor, jitter: Tensor, resolution: int, center: Tensor, radius: float, contracted: bool
) -> Tensor:
    """Points [M, 3] in the cells with flat index [M], at the share `jitter` [M, 3] of each cell's sides."""
    n, rows = resolution, cells.to(torch.int32)  # 32-bit division is twice as fast; the options keep indices below 2³¹
    planes = rows // n
    z, rows = rows - planes * n, planes
    planes = rows // n
    y, rows = rows - planes * n, planes
    level = rows // n
    u = (jitter + torch.stack([rows - level * n, y, z], -1)) * (2.0 / n) - 1.0
    if not contracted:
        return torch.addcmul(center, u, (radius * torch.exp2(level.to(u.dtype)))[:, None])
    v = 2.0 * u
    # The ball of radius 2 is all of space; the corners of its box are nowhere and stand for the farthest points.
    norm = v.norm(dim=-1, keepdim=True).clamp_max(2.0 - 1e-3)
    outside = norm > 1.0
    far = torch.nn.functional.normalize(v, dim=-1) / (2.0 - torch.where(outside, norm, 1.0))
    return center + radius * torch.where(outside, far, v)


def cells_to_visit(occupied: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Flat indices of cells to visit: a share of all cells, and of the occupied ones at most as many.

    Both are drawn evenly: one of each run of neighbors, so the indices ascend, which the field's tables like, and none
    is drawn twice within its part. A cell may be in both parts.
    """
    n, device = occupied.numel(), occupied.device
    wanted = max(1, int(n * share))
    full = occupied.reshape(-1).nonzero()[:, 0]
    return torch.cat([
        _one_of_each_run(n, wanted, generator, device),
        full if len(full) <= wanted else full[_one_of_each_run(len(full), wanted, generator, device)],
    ])  # fmt: skip


def remember(memory: Tensor, cells: Tensor, opacity: Tensor, decay: float) -> Tensor:
    """Memory [C] after visits: visited cells fade once, then keep the largest of what they had and what was seen.

    Where the field has no answer (NaN) a cell counts as opaque: it stays in view, so that the loss shows what is wrong.
    """
    opacity = opacity.nan_to_num(nan=1.0, posinf=1.0)
    faded = memory.index_copy(0, cells, memory.index_select(0, cells) * decay)
    return faded.scatter_reduce(0, cells, opacity.to(memory.dtype), "amax")


def occupied_cells(memory: Tensor, threshold: float) -> Tensor:
    """Cells [C] bool at least as opaque as min(mean of all, threshold).

    The published test is "more than"; "at least" leaves a grid of equal cells, in which nothing is known, full.
    """
    return memory >= memory.double().mean().clamp_max(threshold).to(memory.dtype)


def _one_of_each_run(n: int, m: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """m ascending numbers of [0, n), one from each of m runs that share [0, n) evenly [m] int64."""
    u = torch.rand(m, generator=generator, device=device)
    return ((torch.arange(m, device=device, dtype=torch.float64) + u) * (n / m)).to(torch.int64).clamp_max(n - 1)
