"""Fusion of depth images on a CPU: numba kernels. Module `fusion` defines the sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from radfield_core import Camera, View
from radfield_core.ops import inlined, kernel
from radfield_mesh.fusion import DepthView, Sums, seen_pixels

Array = Any


def observe(points: Tensor, seen: DepthView, truncation: float, sums: Sums) -> None:
    """Add what one view observes at points [M, 3] float64 to the sums."""
    camera, c2w = seen.view.camera, seen.view.c2w.double()
    pinhole = camera.model == "pinhole"
    pixels = np.zeros((0, 2)) if pinhole else seen_pixels(seen.view, points).numpy()
    _observe(
        points.numpy(), pixels, c2w.numpy(), camera.intrinsics.numpy(), camera.pixel_center, seen.depths.numpy(),
        seen.rgb.numpy(), truncation, sums.distance.numpy(), sums.count.numpy(), sums.color.numpy(),
        sums.weight.numpy(),
    )  # fmt: skip


def warm_up() -> None:
    """Self-test: fuse one pixel. This also compiles the kernel or loads it."""
    view = View(torch.eye(4, dtype=torch.float64)[:3].contiguous(), Camera(1, 1, 1.0, 1.0, 0.5, 0.5))
    seen, sums = DepthView(view, torch.ones(1, 1), torch.zeros(1, 1, 3, dtype=torch.uint8)), Sums.zero(1)
    observe(torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64), seen, 1.0, sums)
    assert float(sums.count) == 1.0


@kernel
def _observe(
    points: Array,
    pixels: Array,
    c2w: Array,
    intrinsics: Array,
    pixel_center: float,
    depths: Array,
    rgb: Array,
    truncation: float,
    distances: Array,
    counts: Array,
    colors: Array,
    weights: Array,
) -> None:
    """Add to the sums. If there are no `pixels` [M, 2], points are projected by a pinhole."""
    given = len(pixels) > 0
    for m in range(len(points)):
        dx, dy, dz = points[m, 0] - c2w[0, 3], points[m, 1] - c2w[1, 3], points[m, 2] - c2w[2, 3]
        u, v = (pixels[m, 0], pixels[m, 1]) if given else _pinhole(dx, dy, dz, c2w, intrinsics, pixel_center)
        depth = _depth_at(depths, u, v)
        in_front = depth - np.sqrt(dx * dx + dy * dy + dz * dz)
        if not in_front >= -truncation:
            continue
        share = min(in_front / truncation, 1.0)
        distances[m] += share
        counts[m] += 1.0
        nearness = 1.0 - abs(share)
        if nearness > 0.0:
            weights[m] += nearness
            column, row, right, below, x, y = _neighbors(depths, u, v)
            for channel in range(3):
                color = (1.0 - x) * (1.0 - y) * rgb[row, column, channel] + x * (1.0 - y) * rgb[row, right, channel]
                color += (1.0 - x) * y * rgb[below, column, channel] + x * y * rgb[below, right, channel]
                colors[m, channel] += nearness * color


@inlined
def _pinhole(
    dx: float, dy: float, dz: float, c2w: Array, intrinsics: Array, pixel_center: float
) -> tuple[float, float]:
    """Return the column and the row of a point, given from the camera on; NaN behind the camera."""
    z = -(dx * c2w[0, 2] + dy * c2w[1, 2] + dz * c2w[2, 2])
    if not z > 0.0:
        return np.nan, np.nan
    x = dx * c2w[0, 0] + dy * c2w[1, 0] + dz * c2w[2, 0]
    y = -(dx * c2w[0, 1] + dy * c2w[1, 1] + dz * c2w[2, 1])
    u, v = x / z * intrinsics[0] + intrinsics[2], y / z * intrinsics[1] + intrinsics[3]
    return u - pixel_center, v - pixel_center


@inlined
def _neighbors(depths: Array, u: float, v: float) -> tuple[int, int, int, int, float, float]:
    """Return the columns and rows of the four pixels around a place, and the place between them."""
    height, width = depths.shape
    column, row = max(0, min(int(u), width - 2)), max(0, min(int(v), height - 2))
    return column, row, min(column + 1, width - 1), min(row + 1, height - 1), u - column, v - row


@inlined
def _depth_at(depths: Array, u: float, v: float) -> float:
    """Return the depth at a place: infinite between four infinite ones, and NaN where it is unknown."""
    height, width = depths.shape
    if not (u >= 0.0 and v >= 0.0 and u <= width - 1 and v <= height - 1):
        return np.nan
    column, row, right, below, x, y = _neighbors(depths, u, v)
    a, b, c, d = depths[row, column], depths[row, right], depths[below, column], depths[below, right]
    if np.isinf(a) and np.isinf(b) and np.isinf(c) and np.isinf(d):
        return np.inf
    depth = (1.0 - x) * (1.0 - y) * a + x * (1.0 - y) * b + (1.0 - x) * y * c + x * y * d
    return depth if np.isfinite(depth) else np.nan
