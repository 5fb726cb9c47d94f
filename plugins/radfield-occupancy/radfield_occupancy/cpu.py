"""Marching on a CPU, compiled by numba: empty cells and empty bricks are skipped, the steps kept are the reference's.

Skipping only ever jumps to a step that certainly still lies in the empty cell or at its border, and every kept step is
computed from its number, in the reference's order of float32 operations.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from radfield_core.ops import kernel
from radfield_occupancy.march import ROUNDING, Grid, Lattice, check

F = np.float32


def march(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, n_even: Tensor, grid: Grid, lattice: Lattice
) -> tuple[Tensor, Tensor, Tensor]:
    """Kernel of `radfield_occupancy.march.reference`."""
    counts = torch.zeros(origins.shape[0], dtype=torch.int64)
    starts, ends = _march(
        origins.numpy(), directions.numpy(), t_first.numpy(), far.numpy(), n_even.numpy(),
        grid.bits.numpy(), grid.bricks.numpy(), grid.resolution, grid.n_levels,
        (F(grid.center[0]), F(grid.center[1]), F(grid.center[2])),
        F(1.0 / grid.radius), F(grid.radius), grid.contracted, grid.bricks_hold,
        F(lattice.step), F(lattice.cone_angle), lattice.growth.numpy(), lattice.n_steps, lattice.max_samples,
        counts.numpy(),
    )  # fmt: skip
    return torch.from_numpy(starts), torch.from_numpy(ends), counts


def warm_up() -> None:
    """March one ray through one full brick."""
    check(march, "cpu")


@kernel
def _edge(i, t_first, n_even, step, growth):
    return (t_first + F(min(i, n_even)) * step) * growth[min(max(i - n_even, 0), len(growth) - 1)]


@kernel
def _locate(x, y, z, n_levels, contracted):
    """Level and position in [-1, 1] of a point in units of the radius around the center."""
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
def _cell(x, half, top):
    """Cell of a coordinate in [-1, 1], of cells numbered up to `top`; `half` is half their number."""
    return min(max(int((x + F(1.0)) * half), 0), top)


@kernel
def _leave(x, cell, shift, width, inverse, forwards):
    """How far along the ray, in radii of the level, the side is by which an axis leaves a block of 2^shift cells."""
    return (F(((cell >> shift) + forwards) << shift) * width - F(1.0) - x) * inverse


@kernel
def _march_ray(
    origin, direction, first, last, even, bits, bricks, n, n_levels, center, inverse_radius, radius, contracted,
    use_bricks, step, cone_angle, growth, n_steps, starts, ends,
):  # fmt: skip
    """Write one ray's steps into starts and ends until they are full; returns how many."""
    ox, oy, oz = origin
    dx, dy, dz = direction
    mx, my, mz = center
    # A component of zero never leaves a block: its inverse is large, not infinite, so that 0 · inverse is no NaN.
    ix = F(1.0) / dx if dx != 0 else F(1e30)
    iy = F(1.0) / dy if dy != 0 else F(1e30)
    iz = F(1.0) / dz if dz != 0 else F(1e30)
    fx, fy, fz = int(dx >= 0), int(dy >= 0), int(dz >= 0)
    half, top, width, side = F(0.5 * n), n - 1, F(2.0 / n), n >> 3
    far_off = max(abs(ox) + abs(mx), max(abs(oy) + abs(my), abs(oz) + abs(mz)))
    slack = F(0.1) + F(ROUNDING) * (abs(first) + far_off) / step
    kept, room, i = np.uint64(0), np.uint64(len(starts)), 0
    start = _edge(i, first, even, step, growth)
    while i < n_steps and start < last and kept < room:
        end = _edge(i + 1, first, even, step, growth)
        middle = (start + min(end, last)) * F(0.5)
        level, x, y, z = _locate(
            (ox + dx * middle - mx) * inverse_radius, (oy + dy * middle - my) * inverse_radius,
            (oz + dz * middle - mz) * inverse_radius, n_levels, contracted,
        )  # fmt: skip
        cx, cy, cz = _cell(x, half, top), _cell(y, half, top), _cell(z, half, top)
        brick = np.uint64(((level * side + (cx >> 3)) * side + (cy >> 3)) * side + (cz >> 3))
        octant = (cx & 4) | (cy & 4) >> 1 | (cz & 4) >> 2
        shift = 3
        if not use_bricks or bricks[brick] >> octant & 1:
            shift = 0
            index = ((level * n + cx) * n + cy) * n + cz
            if (bits[np.uint64(index >> 3)] >> (index & 7)) & 1:
                if end > start:
                    starts[kept], ends[kept] = start, min(end, last)
                    kept += np.uint64(1)
                start, i = end, i + 1
                continue
        elif bricks[brick]:
            shift = 2
        if contracted:
            start, i = end, i + 1
            continue
        away = (
            radius
            * F(1 << level)
            * min(
                _leave(x, cx, shift, width, ix, fx),
                min(_leave(y, cy, shift, width, iy, fy), _leave(z, cz, shift, width, iz, fz)),
            )
        )
        longest = max(step, cone_angle * (middle + away) * (F(1.0) + cone_angle))
        i += max(1, int(np.ceil(away / longest - slack)))
        start = _edge(i, first, even, step, growth)
    return kept


@kernel
def _march(
    origins, directions, t_first, far, n_even, bits, bricks, n, n_levels, center, inverse_radius, radius, contracted,
    use_bricks, step, cone_angle, growth, n_steps, max_samples, counts,
):  # fmt: skip
    room = min(n_steps, max_samples)
    starts, ends, kept = np.empty(room + 64 * len(origins), F), np.empty(room + 64 * len(origins), F), 0
    for r in range(len(origins)):
        if kept + room > len(starts):
            starts = np.concatenate((starts, np.empty(len(starts), F)))
            ends = np.concatenate((ends, np.empty(len(ends), F)))
        counts[r] = _march_ray(
            (origins[r, 0], origins[r, 1], origins[r, 2]), (directions[r, 0], directions[r, 1], directions[r, 2]),
            t_first[r], far[r], n_even[r], bits, bricks, n, n_levels, center, inverse_radius, radius, contracted,
            use_bricks, step, cone_angle, growth, n_steps, starts[kept : kept + room], ends[kept : kept + room],
        )  # fmt: skip
        kept += counts[r]
    return starts[:kept], ends[:kept]
