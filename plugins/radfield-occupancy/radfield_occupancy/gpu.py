"""CUDA backend of ray marching, in Triton.

Each lane walks along one ray twice: first to count the kept steps, then to write them. Products and sums are not fused,
and divisions and roots are rounded correctly, so the kept steps are the same as in `march.reference`.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# Triton infers the types of its kernels, and torch leaves `device_of` without types.

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from radfield_occupancy.march import BRICK, ROUNDING, Grid, StepLengths, check

LANES = 32
"""Number of rays of a program. It is the number of threads of a warp, so that no thread repeats the work of another."""


def march(
    origins: Tensor, directions: Tensor, t_first: Tensor, far: Tensor, n_even: Tensor, grid: Grid, steps: StepLengths
) -> tuple[Tensor, Tensor, Tensor]:
    """Return t_starts [N] and t_ends [N] of the kept steps, and counts [R]. `march.reference` gives the same result.

    The CPU waits for the GPU once, to read the total number of kept steps.
    """
    growth, nothing = steps.growth.to(origins.device), t_first.new_empty(0)
    rays = (origins, directions, t_first, far, n_even)
    counts = torch.zeros(origins.shape[0], dtype=torch.int64, device=origins.device)
    walk(rays, grid, steps, growth, (counts, counts, nothing, nothing), write=False)
    offsets = counts.cumsum(0) - counts
    total = int(counts.sum())
    starts, ends = t_first.new_empty(total), t_first.new_empty(total)
    if total:
        walk(rays, grid, steps, growth, (counts, offsets, starts, ends), write=True)
    return starts, ends, counts


def walk(
    rays: tuple[Tensor, ...], grid: Grid, steps: StepLengths, growth: Tensor, out: tuple[Tensor, ...], write: bool
) -> None:
    """Start one lane per ray. Each lane counts the kept steps of its ray or, if `write` is True, writes their limits.

    Args:
        rays: origins [R, 3], directions [R, 3], t_first [R], far [R] and n_even [R].
        grid: occupied cells.
        steps: lengths of the steps.
        growth: `steps.growth` on the device of the rays.
        out: counts [R], offsets [R], starts [N] and ends [N]. If `write` is False, only the counts are written.
            Otherwise, a ray's offset is the index of its first step in `starts` and `ends`.
        write: False to count steps, True to write them.
    """
    n_rays = rays[0].shape[0]
    if n_rays == 0:
        return
    arguments = (
        *rays, grid.bits, grid.bricks, growth, *grid.center, 1.0 / grid.radius, grid.radius, steps.step,
        steps.cone_angle, n_rays, steps.n_steps, steps.max_samples, len(growth), *out,
    )  # fmt: skip
    options = {
        "RES": grid.resolution, "LEVELS": grid.n_levels, "CONTRACTED": grid.contracted, "BRICKS": grid.skips_bricks,
        "BRICK": BRICK, "ROUNDING": ROUNDING, "SIZE": LANES, "WRITE": write,
        "num_warps": 1, "enable_fp_fusion": False,
    }  # fmt: skip
    with torch.cuda.device_of(rays[0]):
        _march[(triton.cdiv(n_rays, LANES),)](*arguments, **options)


def warm_up() -> None:
    """Compile the kernel or load it from the cache, and run its self-test."""
    check(march, "cuda")


@triton.jit
def _vector(pointer, r, lane, other: tl.constexpr):
    """Return the three numbers in row r of an array [R, 3]."""
    x = tl.load(pointer + 3 * r, mask=lane, other=other)
    y = tl.load(pointer + 3 * r + 1, mask=lane, other=other)
    z = tl.load(pointer + 3 * r + 2, mask=lane, other=other)
    return x, y, z


@triton.jit
def _inverse(direction):
    """Return 1/direction, or 1e30 if the direction is 0.

    If a ray's direction is 0 along an axis, the ray never leaves a block along that axis. The value is not infinity,
    because infinity times 0 is NaN.
    """
    return tl.where(direction != 0, 1.0 / tl.where(direction != 0, direction, 1.0), 1e30)


@triton.jit
def _edge(i, first, even, step, growth, n_growth, lane):
    """Return the distance t at which step i starts."""
    grown = tl.minimum(tl.maximum(i - even, 0), n_growth - 1)
    return (first + tl.minimum(i, even).to(tl.float32) * step) * tl.load(growth + grown, mask=lane, other=1.0)


@triton.jit
def _locate(x, y, z, LEVELS: tl.constexpr, CONTRACTED: tl.constexpr, SIZE: tl.constexpr):
    """Return the level of a point, its coordinates within that level (from −1 to 1), and the factor that scaled them.

    The arguments x, y and z are relative to the center, in units of the radius.
    """
    level = tl.zeros([SIZE], tl.int32)
    scale = tl.full([SIZE], 1.0, tl.float32)
    if CONTRACTED:
        norm = tl.sqrt_rn(x * x + y * y + z * z)
        outside = norm > 1.0
        norm = tl.where(outside, norm, 1.0)
        scale = tl.where(outside, tl.div_rn(2.0 - tl.div_rn(scale, norm), norm), scale)
        x, y, z = x * scale * 0.5, y * scale * 0.5, z * scale * 0.5
    else:
        largest = tl.maximum(tl.abs(x), tl.maximum(tl.abs(y), tl.abs(z)))
        for finer in tl.static_range(LEVELS - 1):
            beyond = largest > (1 << finer)
            level += beyond.to(tl.int32)
            scale = tl.where(beyond, scale * 0.5, scale)
        x, y, z = x * scale, y * scale, z * scale
    return level, x, y, z, scale


@triton.jit
def _cell(x, RES: tl.constexpr):
    """Return the number of the cell that contains a coordinate in [−1, 1]."""
    return tl.minimum(tl.maximum(((x + 1.0) * (0.5 * RES)).to(tl.int32), 0), RES - 1)


@triton.jit
def _low_bits(bricks, level, cx, cy, cz, active, RES: tl.constexpr, BRICK: tl.constexpr):
    """Find the largest block around an empty cell that is known to be empty. Return its side in cells, minus 1.

    The block is a brick of 8³ cells, an octant (an eighth of a brick), or the cell alone.
    """
    side: tl.constexpr = RES // BRICK
    brick = ((level * side + (cx >> 3)) * side + (cy >> 3)) * side + (cz >> 3)
    octant = (cx & 4) | ((cy & 4) >> 1) | ((cz & 4) >> 2)
    octants = tl.load(bricks + brick, mask=active, other=0).to(tl.int32)
    low_bits = tl.where(((octants >> octant) & 1) == 0, BRICK // 2 - 1, 0)
    return tl.where(octants == 0, BRICK - 1, low_bits)


@triton.jit
def _exit(x, cell, low_bits, inverse, RES: tl.constexpr):
    """Return the distance at which the ray leaves a block along one axis.

    The distance is in units of the level's radius.
    """
    side = tl.where(inverse > 0, (cell | low_bits) + 1, cell - (cell & low_bits)).to(tl.float32) * (2.0 / RES) - 1.0
    return (side - x) * inverse


# One variant serves any number of rays and steps. Otherwise, Triton would compile another one for numbers divisible by
# 16, in the middle of training.
@triton.jit(do_not_specialize=["n_rays", "n_steps", "max_samples", "n_growth"])
def _march(
    origins, directions, t_first, far, n_even, bits, bricks, growth, mx, my, mz, inverse_radius, radius, step,
    cone_angle, n_rays, n_steps, max_samples, n_growth, counts, offsets, starts, ends,
    RES: tl.constexpr, LEVELS: tl.constexpr, CONTRACTED: tl.constexpr, BRICKS: tl.constexpr, BRICK: tl.constexpr,
    ROUNDING: tl.constexpr, SIZE: tl.constexpr, WRITE: tl.constexpr,
):  # fmt: skip
    """Walk along the rays, one ray per lane.

    If WRITE is set, write the starts and ends of the kept steps. Otherwise, write the number of kept steps per ray.
    There is only one loop, and its variables hold the whole state of the rays.
    """
    r = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    lane = r < n_rays
    ox, oy, oz = _vector(origins, r, lane, 0.0)
    dx, dy, dz = _vector(directions, r, lane, 1.0)
    ix, iy, iz = _inverse(dx), _inverse(dy), _inverse(dz)
    first = tl.load(t_first + r, mask=lane, other=0.0)
    last = tl.load(far + r, mask=lane, other=0.0)
    even = tl.load(n_even + r, mask=lane, other=0)
    offset = tl.load(offsets + r, mask=lane, other=0)
    distance = tl.maximum(tl.abs(ox) + tl.abs(mx), tl.maximum(tl.abs(oy) + tl.abs(my), tl.abs(oz) + tl.abs(mz)))
    slack = 0.1 + ROUNDING * (tl.abs(first) + distance) / step
    i = tl.zeros([SIZE], tl.int32)
    kept = tl.zeros([SIZE], tl.int64)
    start = _edge(i, first, even, step, growth, n_growth, lane)
    active = lane & (start < last) & (i < n_steps) & (kept < max_samples)
    while tl.max(active.to(tl.int32), 0) > 0:
        end = tl.minimum(_edge(i + 1, first, even, step, growth, n_growth, active), last)
        middle = (start + end) * 0.5
        x = (ox + dx * middle - mx) * inverse_radius
        y = (oy + dy * middle - my) * inverse_radius
        z = (oz + dz * middle - mz) * inverse_radius
        level, x, y, z, scale = _locate(x, y, z, LEVELS, CONTRACTED, SIZE)
        cx, cy, cz = _cell(x, RES), _cell(y, RES), _cell(z, RES)
        base = level.to(tl.int64)
        index = ((base * RES + cx) * RES + cy) * RES + cz
        byte = tl.load(bits + (index >> 3), mask=active, other=0).to(tl.int32)
        full = active & (((byte >> (index & 7).to(tl.int32)) & 1) == 1)
        keep = full & (end > start)
        if WRITE:
            tl.store(starts + offset + kept, start, mask=keep)
            tl.store(ends + offset + kept, end, mask=keep)
        kept += keep.to(tl.int64)
        if CONTRACTED:
            i += 1
        else:
            low_bits = tl.zeros([SIZE], tl.int32)
            if BRICKS:
                low_bits = _low_bits(bricks, base, cx, cy, cz, active, RES, BRICK)
            away = tl.minimum(_exit(x, cx, low_bits, ix, RES), _exit(y, cy, low_bits, iy, RES))
            away = tl.minimum(away, _exit(z, cz, low_bits, iz, RES)) * radius / scale
            longest = tl.maximum(step, cone_angle * (middle + away) * (1.0 + cone_angle))
            skipped = tl.maximum(tl.ceil(tl.minimum(away / longest, 1e6) - slack).to(tl.int32), 1)
            i += tl.where(full | (active == 0), 1, skipped)
        start = _edge(i, first, even, step, growth, n_growth, active)
        active = active & (start < last) & (i < n_steps) & (kept < max_samples)
    if not WRITE:
        tl.store(counts + r, kept, mask=lane)
