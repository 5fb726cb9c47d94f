"""The rasterizer of disks on a CPU: numba kernels applied to tensors.

All sums have a fixed order, so the results have the same bits for any number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from radfield_core import Camera, View
from radfield_splat import raster, surfel_projection, surfel_raster, surfel_reference
from radfield_splat.camera import FLIP, HEIGHT, WIDTH, packed
from radfield_splat.cpu import Drawn, chunks, flat, in_parallel, padded_ids, raise_faults
from radfield_splat.gaussians import Gaussians
from radfield_splat.projection import POSE, ROW
from radfield_splat.surfel_projection import DISK
from radfield_splat.surfel_raster import CHANNELS
from radfield_splat.surfel_reference import Surface, in_world


def rasterize(
    gaussians: Gaussians, view: View, background: Tensor | None, degree: int, near: float, low_pass: float, size: float
) -> Surface:
    """Draw disks. `radfield_splat.rasterize_disks` describes the arguments.

    Unless all tensors are float32, the torch reference draws.
    """
    tensors = (*gaussians.tensors(), *(() if background is None else (background,)))
    if any(tensor.dtype != torch.float32 for tensor in tensors):
        return surfel_reference.rasterize(gaussians, view, background, degree, near, low_pass, size)
    apply: Any = _Rasterize.apply
    images, opacity, median = apply(*gaussians.tensors(), view.c2w, view, degree, near, low_pass, size)
    rgb, depth, normals, first, second = images.split([3, 1, 3, 1, 1], -1)
    if background is not None:
        rgb = rgb + (1 - opacity)[..., None] * (background if background.dim() == 1 else background.reshape_as(rgb))
    distortion = opacity * second[..., 0] - first[..., 0].square()
    return Surface(rgb, depth[..., 0], opacity, in_world(normals, view), distortion, median)


def warm_up() -> None:
    """Self-test: draw one disk and compute its gradients. This also compiles the kernels or loads them."""
    view = View(torch.eye(4)[:3], Camera(4, 4, 4.0, 4.0, 2.0, 2.0))
    means = torch.tensor([[0.0, 0.0, -2.0]], requires_grad=True)
    one = Gaussians(means, torch.zeros(1, 3), torch.ones(1, 4), torch.zeros(1), torch.zeros(1, 1, 3))
    torch.autograd.backward(rasterize(one, view, None, 0, 0.01, 0.5, 1.0).rgb.sum())


class _Rasterize(Function):
    @staticmethod
    def forward(
        ctx: Any, means: Tensor, log_scales: Tensor, quaternions: Tensor, logits: Tensor, harmonics: Tensor,
        c2w: Tensor, view: View, degree: int, near: float, low_pass: float, size: float,
    ) -> Any:  # fmt: skip
        tensors = (means, log_scales, quaternions, logits, harmonics)
        camera, shape = packed(view, near, low_pass), (view.camera.height, view.camera.width)
        disks = np.empty(len(means) * DISK, np.float32)
        drawn = _project(tuple(flat(x) for x in tensors), camera, degree, disks)
        images, opacity = means.new_empty(*shape, CHANNELS), means.new_empty(shape)
        median, origin = means.new_empty(shape), np.empty(opacity.numel(), np.float32)
        rays, masks = _tiled_rays(view.camera), np.empty(len(drawn.pairs), np.uint16)

        def run(first: int, last: int) -> None:
            surfel_raster.composite_disks(
                drawn.rows, disks, drawn.starts, drawn.pairs, rays, first, last, shape[1], shape[0], near, low_pass,
                size, masks, flat(images), flat(opacity), flat(median), origin,
            )  # fmt: skip

        in_parallel(run, drawn.parts())
        ctx.mark_non_differentiable(median)
        ctx.save_for_backward(*tensors, c2w, images, opacity)
        ctx.rest = drawn, disks, masks, rays, origin, camera, degree, near, low_pass, size
        return images, opacity, median

    @staticmethod
    def backward(ctx: Any, by_images: Tensor | None, by_opacity: Tensor | None, by_median: Tensor | None) -> Any:
        *tensors, c2w, images, opacity = ctx.saved_tensors
        drawn, disks, masks, rays, origin, camera, degree, near, low_pass, size = ctx.rest
        gradients = [
            flat(torch.zeros_like(x) if by is None else by) for x, by in ((images, by_images), (opacity, by_opacity))
        ]
        height, width = opacity.shape
        sums = [np.empty(len(drawn.pairs) * ROW, np.float32) for _ in range(2)]

        def run(first: int, last: int) -> None:
            surfel_raster.composite_disks_backward(
                disks, drawn.starts, drawn.pairs, masks, rays, first, last, width, height, near, low_pass, size,
                flat(images), flat(opacity), origin, *gradients, *sums,
            )  # fmt: skip

        in_parallel(run, drawn.parts())
        results = [torch.zeros_like(x) for x in tensors]
        pose = _project_backward(
            tuple(map(flat, tensors)), camera, degree, drawn, _summed(drawn, masks, sums), tuple(map(flat, results))
        )
        by_c2w = None
        if ctx.needs_input_grad[5]:
            turned = torch.from_numpy(pose.reshape(3, 3)) * torch.tensor(FLIP, dtype=torch.float64)[:, None]
            by_c2w = torch.cat([turned.T, -results[0].double().sum(0)[:, None]], 1).to(c2w)
        return *results, by_c2w, None, None, None, None, None


def _project(parameters: tuple[Any, ...], camera: Any, degree: int, disks: Any) -> Drawn:
    n = len(parameters[3])
    rows, n_tiles = np.empty(n * ROW, np.float32), np.empty(n, np.int32)
    parts = chunks(n)
    faults = {start: np.zeros(2, np.int64) for start, _ in parts}

    def run(start: int, stop: int) -> None:
        surfel_projection.project_disks(*parameters, camera, degree, start, stop, rows, disks, n_tiles, faults[start])

    in_parallel(run, parts)
    raise_faults(faults.values())
    return Drawn(rows, n_tiles, int(camera[WIDTH]), int(camera[HEIGHT]))


def _summed(drawn: Drawn, masks: Any, sums: list[Any]) -> list[Any]:
    """Return the sums over the pairs of each disk."""
    totals = [np.empty(len(drawn.n_tiles) * ROW, np.float32) for _ in sums]

    def add(start: int, stop: int) -> None:
        for part, total in zip(sums, totals, strict=True):
            raster.sum_pairs(drawn.ids, start, stop, drawn.first, drawn.n_tiles, drawn.places, masks, part, total)

    in_parallel(add, chunks(len(drawn.ids)))
    return totals


def _project_backward(
    parameters: tuple[Any, ...], camera: Any, degree: int, drawn: Drawn, sums: list[Any], out: tuple[Any, ...]
) -> Any:
    """Write the gradients to `out`. Return the gradient for the rotation from the world to the camera [9]."""
    ids, parts = padded_ids(drawn), chunks(len(drawn.ids))
    poses = {start: np.zeros(POSE * 16, np.float32) for start, _ in parts}

    def run(start: int, stop: int) -> None:
        surfel_projection.project_disks_backward(
            *parameters, camera, degree, *sums, ids, start, stop, *out, poses[start]
        )

    in_parallel(run, parts)
    total = np.zeros(POSE)
    for start, _ in parts:
        total += poses[start].astype(np.float64).reshape(POSE, 16).sum(1)
    return total


def _tiled_rays(camera: Camera) -> Any:
    """Return the rays of all pixels in the order that the kernels read."""
    key = (camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy, camera.pixel_center, camera.model)
    return _rays_of(*key, camera.distortion)


@lru_cache(maxsize=8)
def _rays_of(*key: Any) -> Any:
    camera = Camera(*key)
    view = View(torch.eye(4, dtype=torch.float64)[:3], camera)
    down, across = -(-camera.height // 16), -(-camera.width // 16)
    padded = torch.zeros(16 * down, 16 * across, 3)
    rays = surfel_reference.camera_rays(view).view(camera.height, camera.width, 3)
    padded[: camera.height, : camera.width] = rays.float()
    # [tile row, block row, row, tile column, block column, column, axis] -> tile, axis, block, lane
    tiled = padded.view(down, 4, 4, across, 4, 4, 3).permute(0, 3, 6, 1, 4, 2, 5)
    return tiled.contiguous().numpy().reshape(-1)
