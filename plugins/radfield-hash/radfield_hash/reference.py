"""The definition of the encoding, in plain torch: any float dtype, and exact derivatives of any order by autograd.

Positions outside the box are moved to its surface: their features are those of the nearest point inside, and their
gradient by position is zero along each axis that was moved. A position that is NaN gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from radfield_hash.levels import PRIMES, Grid, Level, build

CORNERS = tuple((corner & 1, corner >> 1 & 1, corner >> 2) for corner in range(8))


def encode(x: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """Features [M, L·F] of positions x [M, 3], in [0, 1]³, from the table [n_entries, F]; level by level.

    Trilinear in the eight entries around each point: Σ_c Π_k (f_k if c_k else 1 − f_k) · table[number(cell + c)].
    """
    inside = moved_inside(x)
    entries = table.split([level.size for level in grid.levels])
    return torch.cat([_level(inside, part, level) for part, level in zip(entries, grid.levels, strict=True)], -1)


def moved_inside(x: Tensor) -> Tensor:
    """The nearest points in [0, 1]³. Borders are inside; on the gradient of clamp there, versions of torch differ."""
    return x.masked_fill(x < 0.0, 0.0).masked_fill(x > 1.0, 1.0)


def _level(x: Tensor, entries: Tensor, level: Level) -> Tensor:
    position = x * level.scale + 0.5
    cell = position.detach().floor()
    fraction = position - cell
    weights = torch.stack([1 - fraction, fraction], -1)
    corner = cell.long()
    total = x.new_zeros(x.shape[0], entries.shape[1])
    for i, j, k in CORNERS:
        number = entry_number(corner + torch.tensor([i, j, k], device=x.device), level)
        weight = weights[:, 0, i] * weights[:, 1, j] * weights[:, 2, k]
        total = total + weight[:, None] * entries.index_select(0, number)
    return total


def entry_number(vertex: Tensor, level: Level) -> Tensor:
    """Which entry of its level belongs to each grid vertex [M, 3] int64: [M] int64, below `level.size`."""
    i, j, k = vertex.unbind(-1)
    if level.hashed:
        return (i * PRIMES[0] ^ j * PRIMES[1] ^ k * PRIMES[2]) % level.size
    return (i + j * level.resolution + k * level.resolution**2) % level.size


def check(encode: Callable[[Tensor, Tensor, Grid], Tensor], device: str) -> None:
    """Take one point through a kernel and its gradient back, so that a kernel that cannot work fails here."""
    grid = build(2, 2, 10, 4, 16)
    table = torch.zeros(grid.n_entries, 2, device=device, requires_grad=True)
    with torch.enable_grad():
        encode(torch.zeros(1, 3, device=device), table, grid).sum().backward()
