"""The rasterizer on a CPU: numba kernels applied to tensors.

All sums have a fixed order, so the results have the same bits for any number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from radfield_core import Camera, View
from radfield_splat import projection, raster, reference, tiles
from radfield_splat.camera import FLIP, HEIGHT, WIDTH, packed
from radfield_splat.gaussians import Gaussians
from radfield_splat.reference import Raster

_CHUNK = 4096  # Gaussians; a multiple of 16. Sums over Gaussians are sums over chunks, for any number of threads.
_MOST_PAIRS = 2**31 - 1  # pairs of a Gaussian and a tile
_PARTS = 8  # groups of tiles per thread


def rasterize(
    gaussians: Gaussians, view: View, background: Tensor | None, degree: int, near: float, low_pass: float
) -> Raster:
    """Draw Gaussians. `radfield_splat.rasterize` describes the arguments.

    Unless all tensors are float32, the torch reference draws.
    """
    tensors = (*gaussians.tensors(), *(() if background is None else (background,)))
    if any(tensor.dtype != torch.float32 for tensor in tensors):
        return reference.rasterize(gaussians, view, background, degree, near, low_pass)
    background = gaussians.means.new_zeros(3) if background is None else background
    apply: Any = _Rasterize.apply
    return Raster(*apply(*gaussians.tensors(), view.c2w, background, view, degree, near, low_pass))


def warm_up() -> None:
    """Self-test: draw one Gaussian and compute its gradients. This also compiles the kernels or loads them."""
    view = View(torch.eye(4)[:3], Camera(4, 4, 4.0, 4.0, 2.0, 2.0))
    means = torch.tensor([[0.0, 0.0, -2.0]], requires_grad=True)
    one = Gaussians(means, torch.zeros(1, 3), torch.ones(1, 4), torch.zeros(1), torch.zeros(1, 1, 3))
    torch.autograd.backward(rasterize(one, view, None, 0, 0.01, 0.3).rgb.sum())


class _Rasterize(Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        log_scales: Tensor,
        quaternions: Tensor,
        logits: Tensor,
        harmonics: Tensor,
        c2w: Tensor,
        background: Tensor,
        view: View,
        degree: int,
        near: float,
        low_pass: float,
    ) -> Any:
        parameters = tuple(flat(x) for x in (means, log_scales, quaternions, logits, harmonics))
        camera = packed(view, near, low_pass)
        drawn = _project(parameters, camera, degree)
        shape = view.camera.height, view.camera.width
        rgb = means.new_empty(*shape, 3)
        depth, opacity, median = (means.new_empty(shape) for _ in range(3))
        behind = flat(_one_color(background))
        images = tuple(flat(x) for x in (rgb, depth, opacity, median))
        masks = _composite(drawn, shape, behind, images)
        ctx.save_for_backward(means, log_scales, quaternions, logits, harmonics, c2w, background, rgb, depth, opacity)
        ctx.rest = drawn, masks, camera, degree
        ctx.mark_non_differentiable(median)
        return rgb, depth, opacity, median

    @staticmethod
    def backward(ctx: Any, by_rgb: Tensor | None, by_depth: Tensor | None, by_opacity: Tensor | None, _: Any) -> Any:
        *parameters, c2w, background, rgb, depth, opacity = ctx.saved_tensors
        drawn, masks, camera, degree = ctx.rest
        by_rgb = torch.zeros_like(rgb) if by_rgb is None else by_rgb
        images = tuple(flat(x) for x in (rgb, depth, opacity))
        grads = flat(by_rgb), *(flat(x) if x is not None else np.zeros(1, np.float32) for x in (by_depth, by_opacity))
        sums = _composite_backward(drawn, masks, tuple(depth.shape), flat(_one_color(background)), images, grads)
        results = [torch.zeros_like(x) for x in parameters]
        pose = _project_backward(tuple(map(flat, parameters)), camera, degree, drawn, sums, results)
        by_c2w = by_background = None
        if ctx.needs_input_grad[5]:
            turned = torch.from_numpy(pose.reshape(3, 3)) * torch.tensor(FLIP, dtype=torch.float64)[:, None]
            by_c2w = torch.cat([turned.T, -results[0].double().sum(0)[:, None]], 1).to(c2w)
        if ctx.needs_input_grad[6]:
            by_background = (1 - opacity)[..., None] * by_rgb
            by_background = by_background.sum((0, 1)) if background.dim() == 1 else by_background.reshape_as(background)
        return *results, by_c2w, by_background, None, None, None, None


class Drawn:
    """Projected Gaussians and their pairs. Module `tiles` describes the arrays."""

    def __init__(self, rows: Any, n_tiles: Any, width: int, height: int) -> None:
        self.rows, self.n_tiles = rows, n_tiles
        ids = np.empty(len(n_tiles) + 1, np.int32)
        self.ids = ids[: tiles.drawn(n_tiles, ids)]
        order = np.empty_like(self.ids)
        tiles.by_distance(self.ids.copy(), rows.view(np.uint32), order)
        self.first = np.empty(len(n_tiles), np.int32)
        self._list_pairs(order, width, height)

    def _list_pairs(self, order: Any, width: int, height: int) -> None:
        """List the pairs of the Gaussians `order`, which are sorted by distance. Each thread lists a part of them."""
        threads, n_tiles = torch.get_num_threads(), -(-width // 16) * -(-height // 16)
        bounds = np.linspace(0, len(order), threads + 1).astype(int).tolist()
        counts, totals = np.empty((threads, n_tiles), np.int32), np.zeros(threads + 1, int)

        def count(part: int, _: int) -> None:
            begin, end = bounds[part : part + 2]
            totals[part + 1] = tiles.count_pairs(self.rows, order, begin, end, width, height, counts[part])

        parts = [(part, part + 1) for part in range(threads)]
        in_parallel(count, parts)
        if totals.sum() > _MOST_PAIRS:
            raise ValueError(f"the Gaussians are too large for the view: they meet {totals.sum():,} tiles in all")
        ends = counts.T.reshape(-1).cumsum(dtype=np.int32)  # the pairs of one tile are next to each other
        cursors = np.ascontiguousarray((ends - counts.T.reshape(-1)).reshape(n_tiles, threads).T)
        before, n_pairs = totals.cumsum().tolist(), int(ends[-1])
        self.starts = np.append(cursors[0], np.int32(n_pairs))
        self.pairs, self.places = np.empty(n_pairs, np.int32), np.empty(n_pairs, np.int32)

        def write(part: int, _: int) -> None:
            tiles.list_pairs(
                self.rows, order, *bounds[part : part + 2], width, height, before[part], cursors[part], self.first,
                self.pairs, self.places,
            )  # fmt: skip

        in_parallel(write, parts)

    def parts(self) -> list[tuple[int, int]]:
        """Return groups of tiles with about equally many pairs."""
        threads = torch.get_num_threads()
        goals = np.linspace(0, len(self.pairs), (_PARTS * threads if threads > 1 else 1) + 1)[1:-1]
        bounds = [0, *np.searchsorted(self.starts, goals).clip(0, len(self.starts) - 1).tolist(), len(self.starts) - 1]
        return [(a, b) for a, b in pairwise(bounds) if b > a]


def _project(parameters: tuple[Any, ...], camera: Any, degree: int) -> Drawn:
    n = len(parameters[3])
    rows, n_tiles, fault = np.empty(n * projection.ROW, np.float32), np.empty(n, np.int32), np.zeros(2, np.int64)
    faults = [fault.copy() for _ in range(0, n, _CHUNK)]

    def run(start: int, stop: int) -> None:
        projection.project_gaussians(*parameters, camera, degree, start, stop, rows, n_tiles, faults[start // _CHUNK])

    in_parallel(run, chunks(n))
    raise_faults(faults)
    return Drawn(rows, n_tiles, int(camera[WIDTH]), int(camera[HEIGHT]))


def _composite(drawn: Drawn, shape: tuple[int, int], background: Any, images: tuple[Any, ...]) -> Any:
    masks = np.empty(len(drawn.pairs), np.uint16)

    def run(first: int, last: int) -> None:
        raster.composite_tiles(
            drawn.rows, drawn.starts, drawn.pairs, first, last, shape[1], shape[0], background, masks, *images
        )

    in_parallel(run, drawn.parts())
    return masks


def _composite_backward(
    drawn: Drawn, masks: Any, shape: tuple[int, int], background: Any, images: tuple[Any, ...], grads: tuple[Any, ...]
) -> Any:
    totals = np.empty(len(drawn.pairs) * projection.ROW, np.float32)
    sums = np.empty(len(drawn.n_tiles) * projection.ROW, np.float32)

    def run(first: int, last: int) -> None:
        raster.composite_tiles_backward(
            drawn.rows, drawn.starts, drawn.pairs, masks, first, last, shape[1], shape[0], background, *images, *grads,
            totals,
        )  # fmt: skip

    def add(start: int, stop: int) -> None:
        raster.sum_pairs(drawn.ids, start, stop, drawn.first, drawn.n_tiles, drawn.places, masks, totals, sums)

    in_parallel(run, drawn.parts())
    in_parallel(add, chunks(len(drawn.ids)))
    return sums


def _project_backward(
    parameters: tuple[Any, ...], camera: Any, degree: int, drawn: Drawn, sums: Any, results: list[Tensor]
) -> Any:
    """Write the gradients to `results`. Return the gradient for the rotation from the world to the camera [9]."""
    n = len(drawn.ids)
    ids = padded_ids(drawn)
    out = tuple(map(flat, results))
    poses = np.zeros((max(1, -(-n // _CHUNK)), projection.POSE * 16), np.float32)

    def run(start: int, stop: int) -> None:
        projection.project_backward(
            *parameters, camera, degree, drawn.rows, sums, ids, start, stop, *out, poses[start // _CHUNK]
        )

    in_parallel(run, chunks(n))
    return poses.astype(np.float64).reshape(-1, projection.POSE, 16).sum((0, 2))


def raise_faults(faults: Iterable[Any]) -> None:
    """Raise ValueError for the first fault [kind, index] that a kernel reported."""
    for kind, index in faults:
        if kind == projection.NOT_FINITE:
            raise ValueError(f"a parameter of Gaussian {index} is not finite, or its quaternion is zero")
        if kind == projection.TOO_LARGE:
            raise ValueError(f"Gaussian {index} is too large for the view: its image is not finite")


def padded_ids(drawn: Drawn) -> Any:
    """Return the indices of the drawn Gaussians, padded to a multiple of 16 by repeating the last one."""
    return np.concatenate([drawn.ids, np.repeat(drawn.ids[-1:], -len(drawn.ids) % 16)])


def chunks(n: int) -> list[tuple[int, int]]:
    """Return the ranges (start, stop) of n Gaussians that are processed together."""
    return [(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]


def _one_color(background: Tensor) -> Tensor:
    """Return the color [3] of a background that repeats one color for all pixels. Return any other one unchanged."""
    repeated = background.dim() == 2 and background.stride(0) == 0 and len(background) > 0
    return background[0] if repeated else background


def flat(x: Tensor) -> Any:
    """Return the numbers of a tensor as an array of one axis, without a copy if the tensor is contiguous."""
    return x.detach().contiguous().numpy().reshape(-1)


def in_parallel(run: Callable[[int, int], object], parts: list[tuple[int, int]]) -> None:
    """Run all parts on as many threads as torch uses. Kernels run in parallel, because they release the GIL."""
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) == 1:
        for part in parts:
            run(*part)
    else:
        list(_pool(threads).map(run, *zip(*parts, strict=True)))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="radfield-splat")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked child process has no threads, so it needs a new pool
