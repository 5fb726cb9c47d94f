"""CUDA backend of the encoding, in Triton. It computes the same values and derivatives as the torch reference.

All numbers are float32. For values and table gradients, one program handles one block of points on one level. For
position gradients and second derivatives, one program handles one block of points on all levels. Table gradients are
summed with atomics in no particular order, so their last bits may differ between runs. Products and sums are not fused.
Therefore x·scale + 0.5 is rounded as in the reference, and a point is assigned to the same cell.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# Triton infers the types of its kernels, and torch leaves `device_of` without types.

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime import driver

from radfield_hash import autograd, reference
from radfield_hash.levels import PRIMES, Grid

BLOCK = 128
VECTOR = 4
"""Largest number of float32 values that one instruction can read from memory or add to memory."""

ANY_SIZE = {"do_not_specialize": ["n"], "do_not_specialize_on_alignment": ["x_ptr", "v_ptr"]}
"""Arguments for which Triton must not specialize kernels. So a single variant of a kernel serves any number of points,
and any part of a tensor of points.

Otherwise, Triton would compile another variant when, during training, a number is first divisible by 16.
"""
PRIME_Y, PRIME_Z = (tl.constexpr(prime) for prime in PRIMES[1:])


def encode(x: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """Return the features [M, L·F] of positions x [M, 3], computed from the table [n_entries, F].

    If x or the table is float64, the torch reference computes the features.
    """
    if x.dtype != torch.float32 or table.dtype != torch.float32:
        return reference.encode(x, table, grid)
    return autograd.encode(x, table, grid, _KERNELS)


def warm_up() -> None:
    """Self-test: run the kernels of a training step on a single point. This also compiles the kernels or loads them
    from the cache.
    """
    reference.check(encode, "cuda")


class _Triton:
    """The four Triton kernels, applied to tensors. See `autograd.Kernels`."""

    def values(self, x: Tensor, table: Tensor, grid: Grid) -> Tensor:
        y = x.new_empty(x.shape[0], grid.out_dim)
        _launch(_values, x, grid, True, table, y, width=min(grid.n_features, VECTOR))
        return y

    def table_gradient(self, x: Tensor, g: Tensor, grid: Grid, v: Tensor | None = None) -> Tensor:
        result = x.new_zeros(grid.n_entries, grid.n_features)
        width = min(grid.n_features, VECTOR) if adds_vectors(x) else 1
        _launch(_table_gradient, x, grid, True, x if v is None else v, g, result, width=width, directed=v is not None)
        return result

    def position_gradient(self, x: Tensor, table: Tensor, g: Tensor, grid: Grid) -> Tensor:
        result = torch.empty_like(x)
        _launch(_position_gradient, x, grid, False, table, g, result)
        return result

    def second(self, x: Tensor, table: Tensor, g: Tensor, v: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        by_g, by_x = torch.empty_like(g), torch.empty_like(x)
        _launch(_second, x, grid, False, table, g, v, by_g, by_x)
        return by_g, by_x


_KERNELS = _Triton()


def adds_vectors(x: Tensor) -> bool:
    """Return True if the GPU that holds x can add several numbers to memory in one atomic instruction."""
    try:
        with torch.cuda.device_of(x):
            arch = driver.active.get_current_target().arch
    except RuntimeError:  # without a GPU, Triton's interpreter runs the kernels
        return True
    return isinstance(arch, int) and arch >= 90


def _launch(kernel: Any, x: Tensor, grid: Grid, level_by_level: bool, *tensors: Tensor, **constants: Any) -> None:
    if x.shape[0] == 0:
        return
    n_levels = len(grid.levels)
    programs = (triton.cdiv(x.shape[0], BLOCK), n_levels if level_by_level else 1)
    constants |= {"n_levels": n_levels, "n_features": grid.n_features, "block": BLOCK}
    with torch.cuda.device_of(x):
        kernel[programs](x, *tensors, *_geometry(grid, x.device), x.shape[0], enable_fp_fusion=False, **constants)


@cache
def _geometry(grid: Grid, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the arguments that describe the grid to the kernels: scales [L] and levels [L, 4].

    A row of `levels` holds resolution, offset, size and hashed.
    """
    rows = [(level.resolution, level.offset, level.size, level.hashed) for level in grid.levels]
    scales = torch.tensor([level.scale for level in grid.levels], device=device)
    return scales, torch.tensor(rows, dtype=torch.int32, device=device)


@triton.jit
def _coordinate(x_ptr, rows, valid, axis: tl.constexpr):
    """Load one coordinate of each point. Return the coordinate clamped to [0, 1], and two masks.

    The first mask is true where the coordinate was in [0, 1] before clamping, and the second where it was NaN. NaN is
    clamped to 0.
    """
    value = tl.load(x_ptr + rows * 3 + axis, mask=valid, other=0.0)
    clamped = tl.where(value > 0.0, value, 0.0)
    return tl.where(clamped < 1.0, clamped, 1.0), (value >= 0.0) & (value <= 1.0), value != value


@triton.jit
def _cell(coordinate, scale):
    """Return the number of the cell along one axis, and the fraction within that cell."""
    position = coordinate * scale + 0.5
    cell = position.to(tl.int32)
    return cell, position - cell.to(tl.float32)


@triton.jit
def _weights(fx, fy, fz, corner: tl.constexpr):
    """Return three factors, along x, y and z. Their product is the trilinear weight of a corner."""
    wx = fx if corner & 1 else 1.0 - fx
    wy = fy if (corner >> 1) & 1 else 1.0 - fy
    wz = fz if corner >> 2 else 1.0 - fz
    return wx, wy, wz


@triton.jit
def _signs(corner: tl.constexpr):
    """Return the derivatives of the three factors from `_weights()` with respect to fx, fy and fz.

    Each derivative is −1 or 1.
    """
    sx = 1.0 if corner & 1 else -1.0
    sy = 1.0 if (corner >> 1) & 1 else -1.0
    sz = 1.0 if corner >> 2 else -1.0
    return sx, sy, sz


@triton.jit
def _level(scale_ptr, level_ptr, level):
    """Return the scale, resolution, first entry and number of entries of a level, and True if the level is hashed."""
    resolution = tl.load(level_ptr + level * 4).to(tl.uint32)
    offset = tl.load(level_ptr + level * 4 + 1).to(tl.uint32)
    size = tl.load(level_ptr + level * 4 + 2).to(tl.uint32)
    return tl.load(scale_ptr + level), resolution, offset, size, tl.load(level_ptr + level * 4 + 3) != 0


@triton.jit
def _row(i, j, k, corner: tl.constexpr, resolution, offset, size, hashed):
    """Return the table row that holds the entry for one corner of cell (i, j, k). See `_level()` for the arguments."""
    i, j, k = i + (corner & 1), j + ((corner >> 1) & 1), k + (corner >> 2)
    i, j, k = i.to(tl.uint32), j.to(tl.uint32), k.to(tl.uint32)
    by_hash = (i ^ (j * PRIME_Y) ^ (k * PRIME_Z)) & (size - 1)
    dense = i + j * resolution + k * resolution * resolution
    dense = tl.where(dense < size, dense, dense - size)
    return (tl.where(hashed, by_hash, dense) + offset).to(tl.int64)


@triton.jit(**ANY_SIZE)
def _values(
    x_ptr, table_ptr, y_ptr, scale_ptr, level_ptr, n,
    n_levels: tl.constexpr, n_features: tl.constexpr, block: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    level = tl.program_id(1)
    valid = rows < n
    scale, resolution, offset, size, hashed = _level(scale_ptr, level_ptr, level)
    x, _, nan_x = _coordinate(x_ptr, rows, valid, 0)
    y, _, nan_y = _coordinate(x_ptr, rows, valid, 1)
    z, _, nan_z = _coordinate(x_ptr, rows, valid, 2)
    i, fx = _cell(x, scale)
    j, fy = _cell(y, scale)
    k, fz = _cell(z, scale)
    invalid = nan_x | nan_y | nan_z
    for first in tl.static_range(0, n_features, width):
        f = first + tl.arange(0, width)[None, :]
        total = tl.zeros([block, width], tl.float32)
        for corner in tl.static_range(8):
            row = _row(i, j, k, corner, resolution, offset, size, hashed)
            wx, wy, wz = _weights(fx, fy, fz, corner)
            entry = tl.load(table_ptr + row[:, None] * n_features + f, mask=valid[:, None], other=0.0)
            total += (wx * wy * wz)[:, None] * entry
        out = y_ptr + rows[:, None] * (n_levels * n_features) + level * n_features + f
        tl.store(out, tl.where(invalid[:, None], float("nan"), total), mask=valid[:, None])


@triton.jit(**ANY_SIZE)
def _table_gradient(
    x_ptr, v_ptr, g_ptr, result_ptr, scale_ptr, level_ptr, n,
    n_levels: tl.constexpr, n_features: tl.constexpr, block: tl.constexpr, width: tl.constexpr,
    directed: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    level = tl.program_id(1)
    valid = rows < n
    scale, resolution, offset, size, hashed = _level(scale_ptr, level_ptr, level)
    x, in_x, _ = _coordinate(x_ptr, rows, valid, 0)
    y, in_y, _ = _coordinate(x_ptr, rows, valid, 1)
    z, in_z, _ = _coordinate(x_ptr, rows, valid, 2)
    i, fx = _cell(x, scale)
    j, fy = _cell(y, scale)
    k, fz = _cell(z, scale)
    if directed:
        ux = scale * tl.load(v_ptr + rows * 3, mask=valid & in_x, other=0.0)
        uy = scale * tl.load(v_ptr + rows * 3 + 1, mask=valid & in_y, other=0.0)
        uz = scale * tl.load(v_ptr + rows * 3 + 2, mask=valid & in_z, other=0.0)
    for first in tl.static_range(0, n_features, width):
        f = first + tl.arange(0, width)[None, :]
        features = g_ptr + rows[:, None] * (n_levels * n_features) + level * n_features + f
        g = tl.load(features, mask=valid[:, None], other=0.0)
        for corner in tl.static_range(8):
            row = _row(i, j, k, corner, resolution, offset, size, hashed)
            wx, wy, wz = _weights(fx, fy, fz, corner)
            weight = wx * wy * wz
            if directed:
                sx, sy, sz = _signs(corner)
                weight = sx * ux * wy * wz + sy * uy * wx * wz + sz * uz * wx * wy
            entry = result_ptr + row[:, None] * n_features + f
            tl.atomic_add(entry, weight[:, None] * g, mask=valid[:, None], sem="relaxed")


@triton.jit(**ANY_SIZE)
def _position_gradient(
    x_ptr, table_ptr, g_ptr, result_ptr, scale_ptr, level_ptr, n,
    n_levels: tl.constexpr, n_features: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    valid = rows < n
    x, in_x, _ = _coordinate(x_ptr, rows, valid, 0)
    y, in_y, _ = _coordinate(x_ptr, rows, valid, 1)
    z, in_z, _ = _coordinate(x_ptr, rows, valid, 2)
    px = tl.zeros([block], tl.float32)
    py = tl.zeros([block], tl.float32)
    pz = tl.zeros([block], tl.float32)
    for level in range(n_levels):
        scale, resolution, offset, size, hashed = _level(scale_ptr, level_ptr, level)
        i, fx = _cell(x, scale)
        j, fy = _cell(y, scale)
        k, fz = _cell(z, scale)
        features = g_ptr + rows * (n_levels * n_features) + level * n_features
        for corner in tl.static_range(8):
            row = _row(i, j, k, corner, resolution, offset, size, hashed)
            wx, wy, wz = _weights(fx, fy, fz, corner)
            sx, sy, sz = _signs(corner)
            along = tl.zeros([block], tl.float32)
            for f in tl.static_range(n_features):
                entry = tl.load(table_ptr + row * n_features + f, mask=valid, other=0.0)
                along += entry * tl.load(features + f, mask=valid, other=0.0)
            along = along * scale
            px += sx * along * wy * wz
            py += sy * along * wx * wz
            pz += sz * along * wx * wy
    tl.store(result_ptr + rows * 3, tl.where(in_x, px, 0.0), mask=valid)
    tl.store(result_ptr + rows * 3 + 1, tl.where(in_y, py, 0.0), mask=valid)
    tl.store(result_ptr + rows * 3 + 2, tl.where(in_z, pz, 0.0), mask=valid)


@triton.jit(**ANY_SIZE)
def _second(
    x_ptr, table_ptr, g_ptr, v_ptr, by_g_ptr, by_x_ptr, scale_ptr, level_ptr, n,
    n_levels: tl.constexpr, n_features: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    valid = rows < n
    x, in_x, _ = _coordinate(x_ptr, rows, valid, 0)
    y, in_y, _ = _coordinate(x_ptr, rows, valid, 1)
    z, in_z, _ = _coordinate(x_ptr, rows, valid, 2)
    vx = tl.load(v_ptr + rows * 3, mask=valid & in_x, other=0.0)
    vy = tl.load(v_ptr + rows * 3 + 1, mask=valid & in_y, other=0.0)
    vz = tl.load(v_ptr + rows * 3 + 2, mask=valid & in_z, other=0.0)
    hx = tl.zeros([block], tl.float32)
    hy = tl.zeros([block], tl.float32)
    hz = tl.zeros([block], tl.float32)
    for level in range(n_levels):
        scale, resolution, offset, size, hashed = _level(scale_ptr, level_ptr, level)
        i, fx = _cell(x, scale)
        j, fy = _cell(y, scale)
        k, fz = _cell(z, scale)
        ux, uy, uz = scale * vx, scale * vy, scale * vz
        at = rows * (n_levels * n_features) + level * n_features
        for f in tl.static_range(n_features):
            g = scale * tl.load(g_ptr + at + f, mask=valid, other=0.0)
            slope = tl.zeros([block], tl.float32)
            for corner in tl.static_range(8):
                row = _row(i, j, k, corner, resolution, offset, size, hashed)
                wx, wy, wz = _weights(fx, fy, fz, corner)
                sx, sy, sz = _signs(corner)
                entry = tl.load(table_ptr + row * n_features + f, mask=valid, other=0.0)
                slope += entry * (sx * ux * wy * wz + sy * uy * wx * wz + sz * uz * wx * wy)
                along = entry * g
                hx += along * (sx * sy * uy * wz + sx * sz * uz * wy)
                hy += along * (sx * sy * ux * wz + sy * sz * uz * wx)
                hz += along * (sx * sz * ux * wy + sy * sz * uy * wx)
            tl.store(by_g_ptr + at + f, slope, mask=valid)
    tl.store(by_x_ptr + rows * 3, tl.where(in_x, hx, 0.0), mask=valid)
    tl.store(by_x_ptr + rows * 3 + 1, tl.where(in_y, hy, 0.0), mask=valid)
    tl.store(by_x_ptr + rows * 3 + 2, tl.where(in_z, hz, 0.0), mask=valid)
