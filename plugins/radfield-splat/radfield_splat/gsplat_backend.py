"""CUDA backend that composites with the kernels of gsplat, if gsplat is installed.

Projection is that of the definition, so all lenses, the order by distance and the low-pass filter are too. gsplat gets
the projected Gaussians and the list of each tile. Its kernels depart from the definition in one way: they limit alpha
to 0.999 instead of 0.99. They give no median depth, and they sum gradients in no particular order, so the last bits
differ between runs. gsplat compiles its kernels when they are first used, which needs nvcc.
"""

from __future__ import annotations

from typing import Any

import torch
from gsplat.cuda._wrapper import rasterize_to_pixels
from torch import Tensor

from radfield_core import View
from radfield_splat import pairs, reference
from radfield_splat.gaussians import Gaussians
from radfield_splat.reference import Raster


def rasterize(
    gaussians: Gaussians, view: View, background: Tensor | None, degree: int, near: float, low_pass: float
) -> Raster:
    """Draw Gaussians. `radfield_splat.rasterize` describes the arguments.

    Unless all tensors are float32, and if there is nothing to draw, the torch reference draws.
    """
    tensors = (*gaussians.tensors(), *(() if background is None else (background,)))
    if any(tensor.dtype != torch.float32 for tensor in tensors):
        return reference.rasterize(gaussians, view, background, degree, near, low_pass)
    drawn = reference.project(gaussians, view, degree, near, low_pass)
    height, width = view.camera.height, view.camera.width
    listed = pairs.listed(drawn, width, height)
    down, across = -(-height // pairs.TILE), -(-width // pairs.TILE)
    values = torch.cat([drawn.colors, drawn.distances[:, None]], 1)
    run: Any = rasterize_to_pixels
    sums, opacity = run(
        drawn.centers[None] + 0.5,  # gsplat counts from the edge of the first pixel
        pairs.conics(drawn.covariances)[None],
        values[None],
        drawn.opacities[None],
        width,
        height,
        pairs.TILE,
        listed.starts[:-1].reshape(1, down, across),
        listed.ids,
    )
    return pairs.image_of(torch.cat([sums[0], opacity[0]], -1).reshape(-1, 5), None, background, height, width)


def warm_up() -> None:
    """Self-test: compare a small image and its gradients with the definition. This also compiles gsplat's kernels."""
    pairs.check(rasterize, "cuda")
