"""Occupancy grid: the opacity stored in each cell, and the cells that count as occupied.

The grid has L levels of res³ cells. Each level is twice as wide as the previous one. A cell stores the opacity of one
marching step inside the cell. An update evaluates the field in some of the cells. The stored opacity of such a cell is
multiplied by a decay factor, and is then replaced by the new opacity if that is larger (instant-ngp, appendix C).

An update depends only on the grid's state, the training step and the field. A resumed run therefore equals an
uninterrupted one to the last bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_occupancy.march import BRICK


def pack(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """Pack bool cells [L, res, res, res]. Return bits [L·res³/8] and bricks [L·(res/8)³], both uint8.

    `march.Grid` defines bits and bricks.

    Example:
        >>> bits, bricks = pack(torch.ones(1, 8, 8, 8, dtype=torch.bool))
        >>> bits.shape, bricks
        (torch.Size([64]), tensor([255], dtype=torch.uint8))
    """
    levels, n = occupied.shape[0], occupied.shape[1]
    powers = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=occupied.device)
    bits = (occupied.reshape(-1, 8) * powers).sum(-1, dtype=torch.uint8)
    # Each byte holds eight cells along z. A brick is 8 × 8 bytes, and an octant is one half of each of 4 × 4 bytes.
    b, half = n // BRICK, BRICK // 2
    octants = [part.view(levels, b, 2, half, b, 2, half, b).amax((3, 6)) > 0 for part in (bits & 15, bits >> 4)]
    in_order = torch.stack(octants, -1).permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 8)
    return bits, (in_order * powers).sum(-1, dtype=torch.uint8)


def unpack(bits: Tensor, resolution: int) -> Tensor:
    """Return the bool cells [L, res, res, res] that `pack()` turned into the bits [L·res³/8]."""
    shifts = torch.arange(8, dtype=torch.uint8, device=bits.device)
    return (bits[:, None] >> shifts & 1).bool().view(-1, resolution, resolution, resolution)


def world_points(
    cells: Tensor, jitter: Tensor, resolution: int, center: Tensor, radius: float, contracted: bool
) -> Tensor:
    """Return the world coordinates [M, 3] of points, each given by a cell and a position within the cell.

    Args:
        cells: flat indices [M] of cells.
        jitter: position [M, 3] of each point within its cell, from 0 to 1 along each axis.
        resolution: cells per side.
        center: center of the grid [3].
        radius: half the side of level 0.
        contracted: True if the grid covers contracted space.
    """
    # Division of int32 is twice as fast as division of int64, and indices stay below 2³¹.
    n, rows = resolution, cells.to(torch.int32)
    planes = rows // n
    z, rows = rows - planes * n, planes
    planes = rows // n
    y, rows = rows - planes * n, planes
    level = rows // n
    u = (jitter + torch.stack([rows - level * n, y, z], -1)) * (2.0 / n) - 1.0
    if not contracted:
        return torch.addcmul(center, u, (radius * torch.exp2(level.to(u.dtype)))[:, None])
    v = 2.0 * u
    # Contraction maps all of space into the ball of radius 2. A cell outside the ball stands for a very distant point.
    norm = v.norm(dim=-1, keepdim=True).clamp_max(2.0 - 1e-3)
    outside = norm > 1.0
    far = torch.nn.functional.normalize(v, dim=-1) / (2.0 - torch.where(outside, norm, 1.0))
    return center + radius * torch.where(outside, far, v)


def cells_to_update(occupied: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return the flat indices of the cells to update, in two parts.

    The first part is drawn from all cells, and contains the given share of them. The second part is drawn from the
    occupied cells, and is at most as large as the first part.

    Each part is a stratified sample: the cells are divided into equally long runs, and one cell is drawn from each run.
    Within a part, all cells differ, and indices ascend, which makes hash table lookups faster. A cell may be in both
    parts.
    """
    n, device = occupied.numel(), occupied.device
    wanted = max(1, int(n * share))
    full = occupied.reshape(-1).nonzero()[:, 0]
    return torch.cat(
        [
            _stratified(n, wanted, generator, device),
            full if len(full) <= wanted else full[_stratified(len(full), wanted, generator, device)],
        ]
    )


def updated(memory: Tensor, cells: Tensor, opacity: Tensor, decay: float) -> Tensor:
    """Return the stored opacities [C] after an update.

    The stored opacity of an updated cell decays once. If the new opacity is larger, it replaces the stored one. A new
    opacity that is NaN counts as 1, so that samples are still taken in the cell, and the NaN shows in the loss.
    """
    opacity = opacity.nan_to_num(nan=1.0, posinf=1.0)
    faded = memory.index_copy(0, cells, memory.index_select(0, cells) * decay)
    return faded.scatter_reduce(0, cells, opacity.to(memory.dtype), "amax")


def occupied_cells(memory: Tensor, threshold: float) -> Tensor:
    """Return a bool mask [C] that is True for cells with an opacity of at least min(mean of all cells, threshold).

    The published test is "greater than". With "at least", all cells count as occupied at the start of training, when
    all opacities are equal.
    """
    return memory >= memory.double().mean().clamp_max(threshold).to(memory.dtype)


def _stratified(n: int, m: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Divide the range 0 … n − 1 into m equally long parts, and draw one number from each. Return int64 [m]."""
    u = torch.rand(m, generator=generator, device=device)
    return ((torch.arange(m, device=device, dtype=torch.float64) + u) * (n / m)).to(torch.int64).clamp_max(n - 1)
