"""Definition of the encoding in plain torch. It supports any float dtype, and autograd gives derivatives of any order.

A position outside the box [0, 1]³ is clamped to the box, so its features are those of the nearest point in the box. The
gradient with respect to position is zero along each clamped axis. If a coordinate is NaN, all features are NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from radfield_hash.levels import PRIMES, Grid, Level, build

CORNERS = tuple((corner & 1, corner >> 1 & 1, corner >> 2) for corner in range(8))


def encode(x: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """Return features [M, L·F]. On each level, they are interpolated trilinearly between eight entries.

    The eight entries belong to the corners c of the cell that holds the point. A feature is
    Σ_c Π_k (f_k if c_k else 1 − f_k) · table[entry_index(cell + c)], where f are the fractions within the cell (Müller
    et al. 2022, section 3).

    Args:
        x: positions [M, 3] in [0, 1]³.
        table: entries [n_entries, F].
        grid: levels of the grid.

    Example:
        >>> grid = build(4, 2, 10, 4, 32)
        >>> encode(torch.rand(5, 3), torch.zeros(grid.n_entries, 2), grid).shape
        torch.Size([5, 8])
    """
    inside = clamped(x)
    entries = torch.split(table, [level.size for level in grid.levels])
    return torch.cat([_level(inside, part, level) for part, level in zip(entries, grid.levels, strict=True)], -1)


def clamped(x: Tensor) -> Tensor:
    """Return the nearest points in [0, 1]³.

    Unlike torch.clamp, this function gives the same gradient at the borders of the box in all versions of torch.
    """
    return x.masked_fill(x < 0.0, 0.0).masked_fill(x > 1.0, 1.0)


def _level(x: Tensor, entries: Tensor, level: Level) -> Tensor:
    position = x * level.scale + 0.5
    cell = position.detach().floor()
    fraction = position - cell
    weights = torch.stack([1 - fraction, fraction], -1)
    corner = cell.long()
    total = x.new_zeros(x.shape[0], entries.shape[1])
    for i, j, k in CORNERS:
        index = entry_index(corner + torch.tensor([i, j, k], device=x.device), level)
        weight = weights[:, 0, i] * weights[:, 1, j] * weights[:, 2, k]
        total = total + weight[:, None] * entries.index_select(0, index)
    return total


def entry_index(vertex: Tensor, level: Level) -> Tensor:
    """Return the index of each vertex's entry within the level, int64 [M]. `vertex` is int64 [M, 3]."""
    i, j, k = vertex.unbind(-1)
    if level.hashed:
        return (i * PRIMES[0] ^ j * PRIMES[1] ^ k * PRIMES[2]) % level.size
    return (i + j * level.resolution + k * level.resolution**2) % level.size


def check(encode: Callable[[Tensor, Tensor, Grid], Tensor], device: str) -> None:
    """Self-test on loading: encode one point and compute a gradient. A broken kernel then fails here, not later."""
    grid = build(2, 2, 10, 4, 16)
    table = torch.zeros(grid.n_entries, 2, device=device, requires_grad=True)
    with torch.enable_grad():
        torch.autograd.backward(encode(torch.zeros(1, 3, device=device), table, grid).sum())
