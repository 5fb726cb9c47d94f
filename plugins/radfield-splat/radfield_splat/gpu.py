"""CUDA backend of the rasterizer, in Triton. `reference` defines the image.

Projection is that of the definition, with its autograd. The kernels composite: one program for each tile of 16 × 16
pixels, front to back, until all its pixels have ended. The backward pass repeats the forward pass, and gets the sum
behind a Gaussian by subtraction. It writes the sums over a tile for each pair of a Gaussian and a tile. The pairs of a
Gaussian are added in a fixed order, so the kernels give the same bits in every run.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# Triton infers the types of its kernels, and torch leaves `device_of` without types.

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function

from radfield_core import View
from radfield_splat import pairs, reference
from radfield_splat.gaussians import Gaussians
from radfield_splat.reference import Raster

BATCH = 16
"""Gaussians between two checks whether all pixels of a tile have ended."""

ROW = 10
"""Numbers of a Gaussian: column and row of its mean, conic (3), opacity, color (3) and distance."""

SUMS = 5
"""Numbers of a pixel: red, green, blue, depth and opacity."""

WARPS = 2
"""Warps of a program. Sums over a tile's pixels are cheap within few warps."""

_TILE = tl.constexpr(pairs.TILE)
_ROW, _SUMS, _BATCH = tl.constexpr(ROW), tl.constexpr(SUMS), tl.constexpr(BATCH)
_ALPHA_MIN, _ALPHA_MAX = tl.constexpr(reference.ALPHA_MIN), tl.constexpr(reference.ALPHA_MAX)
_TRANSMITTANCE_MIN = tl.constexpr(reference.TRANSMITTANCE_MIN)
_ANY_SIZE = ["width", "height"]


def rasterize(
    gaussians: Gaussians, view: View, background: Tensor | None, degree: int, near: float, low_pass: float
) -> Raster:
    """Draw Gaussians. `radfield_splat.rasterize` describes the arguments.

    Unless all tensors are float32, the torch reference draws.
    """
    tensors = (*gaussians.tensors(), *(() if background is None else (background,)))
    if any(tensor.dtype != torch.float32 for tensor in tensors):
        return reference.rasterize(gaussians, view, background, degree, near, low_pass)
    drawn = reference.project(gaussians, view, degree, near, low_pass)
    height, width = view.camera.height, view.camera.width
    rows = torch.cat([
        drawn.centers, pairs.conics(drawn.covariances), drawn.opacities[:, None], drawn.colors, drawn.distances[:, None]
    ], 1)  # fmt: skip
    apply: Any = _Composite.apply
    sums, median = apply(rows, pairs.listed(drawn, width, height), height, width)
    return pairs.image_of(sums, median, background, height, width)


def warm_up() -> None:
    """Self-test: compare a small image and its gradients with the definition. This also compiles the kernels."""
    pairs.check(rasterize, "cuda")


class _Composite(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, listed: pairs.Pairs, height: int, width: int) -> tuple[Tensor, Tensor]:
        rows = rows.contiguous()
        sums, median = rows.new_empty(height * width, SUMS), rows.new_empty(height * width)
        _launch(_composite, listed, rows, height, width, sums, median)
        ctx.save_for_backward(rows, sums)
        ctx.rest = listed, height, width
        ctx.mark_non_differentiable(median)
        return sums, median

    @staticmethod
    def backward(ctx: Any, by_sums: Tensor, _: Tensor) -> Any:
        (rows, sums), (listed, height, width) = ctx.saved_tensors, ctx.rest
        totals = rows.new_zeros(len(listed.ids), ROW)
        _launch(_composite_backward, listed, rows, height, width, sums, by_sums.contiguous(), totals)
        by_rows = torch.segment_reduce(totals, "sum", lengths=listed.counts, axis=0, unsafe=True)
        return by_rows, None, None, None


def _launch(kernel: Any, listed: pairs.Pairs, rows: Tensor, height: int, width: int, *tensors: Tensor) -> None:
    n_tiles = len(listed.starts) - 1
    with torch.cuda.device_of(rows):
        kernel[(n_tiles,)](listed.starts, listed.ids, listed.places, rows, *tensors, width, height, num_warps=WARPS)


@triton.jit
def _pixels(width, height):
    """Return columns and rows of the pixels of a program's tile, their numbers, and whether they are in the image."""
    tile = tl.program_id(0)
    across = (width + _TILE - 1) // _TILE
    lane = tl.arange(0, _TILE * _TILE)
    x = (tile % across) * _TILE + lane % _TILE
    y = (tile // across) * _TILE + lane // _TILE
    return x.to(tl.float32), y.to(tl.float32), y.to(tl.int64) * width + x, (x < width) & (y < height)


@triton.jit
def _reached(row_ptr, valid, x, y):
    """Return offsets from the mean of a Gaussian, and the share of its opacity at each pixel and alpha itself."""
    dx = x - tl.load(row_ptr, mask=valid, other=0.0)
    dy = y - tl.load(row_ptr + 1, mask=valid, other=0.0)
    a = tl.load(row_ptr + 2, mask=valid, other=0.0)
    b = tl.load(row_ptr + 3, mask=valid, other=0.0)
    c = tl.load(row_ptr + 4, mask=valid, other=0.0)
    share = tl.exp(-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy)
    return dx, dy, share, tl.load(row_ptr + 5, mask=valid, other=0.0) * share


@triton.jit(do_not_specialize=_ANY_SIZE)
def _composite(starts_ptr, ids_ptr, places_ptr, rows_ptr, sums_ptr, median_ptr, width, height):
    """Write the sums [H·W, 5] and the median distances [H·W] of the pixels of a tile."""
    x, y, pixels, inside = _pixels(width, height)
    pair, end = tl.load(starts_ptr + tl.program_id(0)), tl.load(starts_ptr + tl.program_id(0) + 1)
    light = tl.where(inside, 1.0, 0.0)
    alive = inside
    red, green, blue, depth, opacity = light * 0.0, light * 0.0, light * 0.0, light * 0.0, light * 0.0
    median = light * 0.0 + float("inf")
    while pair < end:
        for _ in range(_BATCH):
            valid = pair < end
            row_ptr = rows_ptr + tl.load(ids_ptr + pair, mask=valid, other=0).to(tl.int64) * _ROW
            _dx, _dy, _share, alpha = _reached(row_ptr, valid, x, y)
            seen = alive & (alpha >= _ALPHA_MIN)
            alpha = tl.minimum(alpha, _ALPHA_MAX)
            behind = light * (1.0 - alpha)
            counts = seen & (behind >= _TRANSMITTANCE_MIN)
            weight = tl.where(counts, light * alpha, 0.0)
            distance = tl.load(row_ptr + 9, mask=valid, other=0.0)
            red += weight * tl.load(row_ptr + 6, mask=valid, other=0.0)
            green += weight * tl.load(row_ptr + 7, mask=valid, other=0.0)
            blue += weight * tl.load(row_ptr + 8, mask=valid, other=0.0)
            depth += weight * distance
            opacity += weight
            median = tl.where(counts & (light > 0.5) & (behind <= 0.5), distance, median)
            light = tl.where(counts, behind, light)
            alive = alive & (counts | (seen == 0))
            pair += 1
        pair = tl.where(tl.max(alive.to(tl.int32), 0) > 0, pair, end)
    tl.store(sums_ptr + pixels * _SUMS, red, mask=inside)
    tl.store(sums_ptr + pixels * _SUMS + 1, green, mask=inside)
    tl.store(sums_ptr + pixels * _SUMS + 2, blue, mask=inside)
    tl.store(sums_ptr + pixels * _SUMS + 3, depth, mask=inside)
    tl.store(sums_ptr + pixels * _SUMS + 4, opacity, mask=inside)
    tl.store(median_ptr + pixels, median, mask=inside)


@triton.jit
def _five(ptr, valid):
    """Return five consecutive numbers."""
    return (
        tl.load(ptr, mask=valid, other=0.0),
        tl.load(ptr + 1, mask=valid, other=0.0),
        tl.load(ptr + 2, mask=valid, other=0.0),
        tl.load(ptr + 3, mask=valid, other=0.0),
        tl.load(ptr + 4, mask=valid, other=0.0),
    )


@triton.jit
def _by_shape(row_ptr, valid, dx, dy, by_exponent):
    """Return the gradients of the mean (2) and the conic (3), summed over pixels."""
    _, _, a, b, c = _five(row_ptr, valid)
    s_x, s_y = tl.sum(by_exponent * dx, 0), tl.sum(by_exponent * dy, 0)
    by_a, by_c = -0.5 * tl.sum(by_exponent * dx * dx, 0), -0.5 * tl.sum(by_exponent * dy * dy, 0)
    return a * s_x + b * s_y, b * s_x + c * s_y, by_a, -tl.sum(by_exponent * dx * dy, 0), by_c


@triton.jit(do_not_specialize=_ANY_SIZE)
def _composite_backward(starts_ptr, ids_ptr, places_ptr, rows_ptr, sums_ptr, by_sums_ptr, totals_ptr, width, height):
    """Write the gradients of the rows of Gaussians, summed over the pixels of a tile, to the places of its pairs."""
    x, y, pixels, inside = _pixels(width, height)
    pair, end = tl.load(starts_ptr + tl.program_id(0)), tl.load(starts_ptr + tl.program_id(0) + 1)
    by_red, by_green, by_blue, by_depth, by_opacity = _five(by_sums_ptr + pixels * _SUMS, inside)
    red, green, blue, depth, opacity = _five(sums_ptr + pixels * _SUMS, inside)
    # What lies behind the Gaussians seen so far, as the loss counts it. At first, that is everything.
    left = by_red * red + by_green * green + by_blue * blue + by_depth * depth + by_opacity * opacity
    light = tl.where(inside, 1.0, 0.0)
    alive = inside
    while pair < end:
        for _ in range(_BATCH):
            valid = pair < end
            row_ptr = rows_ptr + tl.load(ids_ptr + pair, mask=valid, other=0).to(tl.int64) * _ROW
            dx, dy, share, whole = _reached(row_ptr, valid, x, y)
            seen = alive & (whole >= _ALPHA_MIN)
            alpha = tl.minimum(whole, _ALPHA_MAX)
            behind = light * (1.0 - alpha)
            counts = seen & (behind >= _TRANSMITTANCE_MIN)
            weight = tl.where(counts, light * alpha, 0.0)
            _, r, g, b, distance = _five(row_ptr + 5, valid)
            value = by_red * r + by_green * g + by_blue * b + by_depth * distance + by_opacity
            left -= weight * value
            by_alpha = tl.where(counts & (whole <= _ALPHA_MAX), light * value - left / (1.0 - alpha), 0.0)
            by_x, by_y, by_a, by_b, by_c = _by_shape(row_ptr, valid, dx, dy, by_alpha * whole)
            total_ptr = totals_ptr + tl.load(places_ptr + pair, mask=valid, other=0).to(tl.int64) * _ROW
            tl.store(total_ptr, by_x, mask=valid)
            tl.store(total_ptr + 1, by_y, mask=valid)
            tl.store(total_ptr + 2, by_a, mask=valid)
            tl.store(total_ptr + 3, by_b, mask=valid)
            tl.store(total_ptr + 4, by_c, mask=valid)
            tl.store(total_ptr + 5, tl.sum(by_alpha * share, 0), mask=valid)
            tl.store(total_ptr + 6, tl.sum(weight * by_red, 0), mask=valid)
            tl.store(total_ptr + 7, tl.sum(weight * by_green, 0), mask=valid)
            tl.store(total_ptr + 8, tl.sum(weight * by_blue, 0), mask=valid)
            tl.store(total_ptr + 9, tl.sum(weight * by_depth, 0), mask=valid)
            light = tl.where(counts, behind, light)
            alive = alive & (counts | (seen == 0))
            pair += 1
        pair = tl.where(tl.max(alive.to(tl.int32), 0) > 0, pair, end)
