"""CPU backend of ray marching, compiled by numba. Rays jump over empty cells and over empty bricks of 8³ cells.

This backend keeps the same steps as the definition in `march.reference`. Each jump is shortened by the largest possible
rounding error, so that it never goes beyond the empty block. The end points of a kept step are computed from the step's
number, by the same float32 operations, in the same order, as in the definition.
"""

# mypy: allow-untyped-defs
# numba infers the types of its kernels' parameters.

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from radfield_core.ops import inlined, kernel
from radfield_occupancy.march import ROUNDING, Grid, StepLengths, check

F = np.float32


def march(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, n_even: Tensor, grid: Grid, steps: StepLengths
) -> tuple[Tensor, Tensor, Tensor]:
    """Return t_starts [N] and t_ends [N] of the kept steps, and counts [R]. `march.reference` gives the same result."""
    counts = torch.zeros(origins.shape[0], dtype=torch.int64)
    center = tuple(map(F, grid.center))
    cells = grid.bits.numpy(), grid.bricks.numpy(), grid.resolution, grid.n_levels
    space = center, F(1.0 / grid.radius), F(grid.radius), grid.contracted, grid.skips_bricks
    lengths = F(steps.step), F(steps.cone_angle), steps.growth.numpy(), steps.n_steps
    rays = origins.numpy(), directions.numpy(), t_first.numpy(), far.numpy(), n_even.numpy()
    starts, ends = _march(*rays, cells, space, lengths, steps.max_samples, counts.numpy())
    return torch.from_numpy(starts), torch.from_numpy(ends), counts


def warm_up() -> None:
    """Compile the kernel or load it from the cache, and run its self-test."""
    check(march, "cpu")


@kernel
def _edge(i, t_first, n_even, step, growth):
    """Return the distance t at which step i starts."""
    return (t_first + F(min(i, n_even)) * step) * growth[min(max(i - n_even, 0), len(growth) - 1)]


@kernel
def _locate(x, y, z, n_levels, contracted):
    """Return the level of a point, and the coordinates of the point within that level, from −1 to 1.

    The arguments x, y and z are relative to the center, in units of the radius.
    """
    if contracted:
        norm = np.sqrt(x * x + y * y + z * z)
        scale = F(1.0)
        if norm > F(1.0):
            scale = (F(2.0) - F(1.0) / norm) / norm
        return 0, x * scale * F(0.5), y * scale * F(0.5), z * scale * F(0.5)
    largest = max(abs(x), max(abs(y), abs(z)))
    level, scale, bound = 0, F(1.0), F(1.0)
    for _ in range(n_levels - 1):
        if largest > bound:
            level += 1
            scale *= F(0.5)
        bound *= F(2.0)
    return level, x * scale, y * scale, z * scale


@kernel
def _cell(x, half, last):
    """Return the number of the cell, from 0 to `last`, that contains a coordinate in [−1, 1].

    `half` is half the number of cells along the axis.
    """
    return min(max(int((x + F(1.0)) * half), 0), last)


@kernel
def _exit(x, cell, shift, width, inverse, forwards):
    """Return the distance at which the ray leaves a block along one axis.

    The block is 2^shift cells long along the axis. The distance is in units of the level's radius.
    """
    return (F(((cell >> shift) + forwards) << shift) * width - F(1.0) - x) * inverse


@inlined
def _empty_block(cells, use_bricks, level, cx, cy, cz):
    """Return log2 of the side, in cells, of the largest block around a cell that is known to be empty.

    The value is 3 for a brick, 2 for an octant (an eighth of a brick), and 0 for the cell alone. If the cell is
    occupied, the value is −1.
    """
    bits, bricks, n, _ = cells
    side = n >> 3
    brick = np.uint64(((level * side + (cx >> 3)) * side + (cy >> 3)) * side + (cz >> 3))
    octant = (cx & 4) | (cy & 4) >> 1 | (cz & 4) >> 2
    if use_bricks and not bricks[brick] >> octant & 1:
        return 2 if bricks[brick] else 3
    index = ((level * n + cx) * n + cy) * n + cz
    return -1 if (bits[np.uint64(index >> 3)] >> (index & 7)) & 1 else 0


@kernel
def _inverse(direction):
    """Return 1/direction, or 1e30 if the direction is 0.

    If a ray's direction is 0 along an axis, the ray never leaves a block along that axis. The value is not infinity,
    because infinity times 0 is NaN.
    """
    return F(1.0) / direction if direction != 0 else F(1e30)


@kernel
def _march_ray(origin, direction, first, last, n_even, cells, space, lengths, starts, ends):
    """March along one ray, and return the number of kept steps.

    The kept steps are written to `starts` and `ends`. Marching ends when these arrays are full.
    """
    (ox, oy, oz), (dx, dy, dz), n, n_levels = origin, direction, cells[2], cells[3]
    (mx, my, mz), inverse_radius, radius, contracted, use_bricks = space
    step, cone_angle, growth, n_steps = lengths
    ix, iy, iz = _inverse(dx), _inverse(dy), _inverse(dz)
    fx, fy, fz = int(dx >= 0), int(dy >= 0), int(dz >= 0)
    half, top, width = F(0.5 * n), n - 1, F(2.0 / n)
    distance = max(abs(ox) + abs(mx), max(abs(oy) + abs(my), abs(oz) + abs(mz)))
    slack = F(0.1) + F(ROUNDING) * (abs(first) + distance) / step
    kept, capacity, i = np.uint64(0), np.uint64(len(starts)), 0
    start = _edge(i, first, n_even, step, growth)
    while i < n_steps and start < last and kept < capacity:
        end = _edge(i + 1, first, n_even, step, growth)
        middle = (start + min(end, last)) * F(0.5)
        x, y, z = ox + dx * middle - mx, oy + dy * middle - my, oz + dz * middle - mz
        level, x, y, z = _locate(x * inverse_radius, y * inverse_radius, z * inverse_radius, n_levels, contracted)
        cx, cy, cz = _cell(x, half, top), _cell(y, half, top), _cell(z, half, top)
        shift = _empty_block(cells, use_bricks, level, cx, cy, cz)
        if shift < 0 and end > start:
            starts[kept], ends[kept] = start, min(end, last)
            kept += np.uint64(1)
        if shift < 0 or contracted:
            start, i = end, i + 1
            continue
        exit_x, exit_y = _exit(x, cx, shift, width, ix, fx), _exit(y, cy, shift, width, iy, fy)
        away = radius * F(1 << level) * min(exit_x, min(exit_y, _exit(z, cz, shift, width, iz, fz)))
        longest = max(step, cone_angle * (middle + away) * (F(1.0) + cone_angle))
        i += max(1, int(np.ceil(away / longest - slack)))
        start = _edge(i, first, n_even, step, growth)
    return kept


@kernel
def _march(origins, directions, t_first, far, n_even, cells, space, lengths, max_samples, counts):
    """Return the starts and ends of the kept steps of all rays.

    The number of kept steps of each ray is written to `counts`.
    """
    largest = min(lengths[3], max_samples)
    starts, ends, kept = np.empty(largest + 64 * len(origins), F), np.empty(largest + 64 * len(origins), F), 0
    for r in range(len(origins)):
        if kept + largest > len(starts):
            starts = np.concatenate((starts, np.empty(len(starts), F)))
            ends = np.concatenate((ends, np.empty(len(ends), F)))
        origin = origins[r, 0], origins[r, 1], origins[r, 2]
        direction = directions[r, 0], directions[r, 1], directions[r, 2]
        free = slice(kept, kept + largest)
        counts[r] = _march_ray(
            origin, direction, t_first[r], far[r], n_even[r], cells, space, lengths, starts[free], ends[free]
        )
        kept += counts[r]
    return starts[:kept], ends[:kept]
