"""Occupancy grid: the opacity stored in each cell, and the cells that count as occupied.

The grid has L levels of res³ cells. Each level is twice as wide as the previous one. A cell stores the largest opacity
of one marching step that was found in it, and the stored value decays at each update (instant-ngp, appendix C). An
update depends only on the grid's state, the training step and the field. A resumed run therefore equals an
uninterrupted one to the last bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_occupancy.march import BRICK


def pack(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """Bits [L·res³/8] and bricks [L·(res/8)³], both uint8, from bool cells [L, res, res, res]. See `march.Grid`.

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
    """Bool cells [L, res, res, res] from bits [L·res³/8]. The inverse of `pack`."""
    shifts = torch.arange(8, dtype=torch.uint8, device=bits.device)
    return (bits[:, None] >> shifts & 1).bool().view(-1, resolution, resolution, resolution)


def world_points(
    cells: Tensor, jitter: Tensor, resolution: int, center: Tensor, radius: float, contracted: bool
) -> Tensor:
    """World coordinates [M, 3] of points in cells.

    Args:
        cells: flat indices [M] of cells.
        jitter: position [M, 3] of each point within its cell, from 0 to 1 along each axis.
        resolution: cells per side.
        center: center of the grid [3].
        radius: half the side of level 0.
        contracted: True if the grid covers contracted space.
    """
    # int32, because its division is twice as fast, and indices stay below 2³¹.
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
    # Contraction maps all of space into the ball of radius 2. A cell outside the ball is given a very distant point.
    norm = v.norm(dim=-1, keepdim=True).clamp_max(2.0 - 1e-3)
    outside = norm > 1.0
    far = torch.nn.functional.normalize(v, dim=-1) / (2.0 - torch.where(outside, norm, 1.0))
    return center + radius * torch.where(outside, far, v)


def cells_to_update(occupied: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Flat indices of the cells to update: first a share of all cells, then at most as many occupied cells.

    Each part is a stratified sample: the cells are divided into equally long runs, and one cell is drawn from each run.
    Within a part, no cell is drawn twice, and indices ascend, which makes hash table lookups faster. A cell may be in
    both parts.
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
    """Stored opacities [C] after an update.

    The stored opacity of an updated cell decays once, and is then replaced by the new opacity if that is larger. A
    cell whose new opacity is NaN counts as opaque. It is therefore still sampled, and the loss shows the fault.
    """
    opacity = opacity.nan_to_num(nan=1.0, posinf=1.0)
    faded = memory.index_copy(0, cells, memory.index_select(0, cells) * decay)
    return faded.scatter_reduce(0, cells, opacity.to(memory.dtype), "amax")


def occupied_cells(memory: Tensor, threshold: float) -> Tensor:
    """Bool mask [C] of the cells whose opacity is at least min(mean of all cells, threshold).

    The published test is "greater than". With "at least", all cells stay occupied as long as they are equal, as they
    are when training starts.
    """
    return memory >= memory.double().mean().clamp_max(threshold).to(memory.dtype)


def _stratified(n: int, m: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Ascending random numbers, int64 [m]: one from each of m equally long parts of the range 0 … n − 1."""
    u = torch.rand(m, generator=generator, device=device)
    return ((torch.arange(m, device=device, dtype=torch.float64) + u) * (n / m)).to(torch.int64).clamp_max(n - 1)
