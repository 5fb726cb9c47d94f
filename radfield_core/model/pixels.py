"""Operations on rendered pixels: composite them on a background, measure their depths in the scene, join them.

Symbols in shapes: R rays.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from radfield_core.cameras import View
from radfield_core.ops import volume
from radfield_core.rays import RaySpace
from radfield_core.types import Level, RayBundle, Rendered


def on_background(level: Level, background: Tensor | None) -> Level:
    """Return the level with its color C composited on `background` B [R, 3]: C + (1 − Σ w) B."""
    rendered = level.rendered
    if rendered is None or rendered.rgb is None or background is None:
        return level
    rgb = rendered.rgb + (1.0 - rendered.opacity)[:, None] * background.to(rendered.rgb)
    return dataclasses.replace(level, rendered=dataclasses.replace(rendered, rgb=rgb))


def with_median_depth(level: Level) -> Rendered:
    """Return the pixels of a level with the median t of each ray as their median depth (see `Rendered`)."""
    samples = level.samples
    median = volume.median(level.weights, samples.t_starts, samples.t_ends, samples.layout)
    assert level.rendered is not None
    return dataclasses.replace(level.rendered, median_depth=median)


def with_scene_depths(rendered: Rendered, space: RaySpace, view: View, rays: RayBundle) -> Rendered:
    """Return the pixels with depths measured in the scene.

    The mean point of a ray lies at t = Σ w t / Σ w. The depth of a pixel is the opacity times the distance of this
    point. Without a warp, the depth equals Σ w t. In NDC it differs from this sum, because there t is not a distance.
    The median depth is the distance of the point at the median t.
    """
    mean = rendered.depth / rendered.opacity.clamp_min(torch.finfo(rendered.opacity.dtype).tiny)
    depth, median = rendered.opacity * space.distances(view, rays, mean), rendered.median_depth
    if median is not None:
        median = torch.where(median.isinf(), median, space.distances(view, rays, median))
    return dataclasses.replace(rendered, depth=depth, median_depth=median)


def concatenated(pieces: list[Rendered]) -> Rendered:
    """Join the pixels of all pieces, in order."""

    def joined(parts: list[Tensor | None]) -> Tensor | None:
        tensors = [part for part in parts if part is not None]
        return torch.cat(tensors) if tensors else None

    return Rendered(
        rgb=joined([piece.rgb for piece in pieces]),
        depth=torch.cat([piece.depth for piece in pieces]),
        opacity=torch.cat([piece.opacity for piece in pieces]),
        normals=joined([piece.normals for piece in pieces]),
        extras={key: torch.cat([piece.extras[key] for piece in pieces]) for key in pieces[0].extras},
        median_depth=joined([piece.median_depth for piece in pieces]),
    )
