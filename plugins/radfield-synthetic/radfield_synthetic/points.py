"""Sparse points like those of a reconstruction: triangulated from noisy pixels of the views that see them.

V views, P points, M observations.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from radfield_core import Cameras, directions, project, visible
from radfield_core.data import Observations, depth_sigmas
from radfield_synthetic.shading import encode, matte
from radfield_synthetic.tracing import trace
from radfield_synthetic.worlds import STILL_LIFE, World

_TOLERANCE = 2e-3
"""A view sees a point if its ray meets the surface at most this far from the point."""


def sparse_points(
    cameras: Cameras, vertices: Tensor, n: int, noise: float, seed: int, world: World = STILL_LIFE
) -> tuple[Tensor, Observations]:
    """Return sparse points [P, 3] of the surface, at most n, and their observations.

    Random vertices of the surface are projected into the views that see them. Each pixel gets normally distributed
    noise. From these pixels, the points are triangulated: each is the point nearest to its rays, where distances are
    divided by the distance to the camera. Vertices that fewer than two views see are left out.

    Args:
        cameras: V cameras.
        vertices: points of the surface [K, 3].
        n: number of vertices to draw.
        noise: standard deviation of the column and the row of a pixel.
        seed: random seed.
        world: the scene.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(vertices), (n,), generator=generator)
    truth = vertices[chosen].double()
    views, points, pixels = _observed(cameras, truth, world)
    pixels = pixels + noise * torch.randn(pixels.shape, generator=generator, dtype=torch.float64)
    often = torch.bincount(points, minlength=n) >= 2
    kept = often[points]
    views, points, pixels = views[kept], (often.cumsum(0) - 1)[points[kept]], pixels[kept]
    positions = _triangulated(cameras, truth[often], views, points, pixels)
    errors = torch.full((len(positions),), max(noise, 0.1), dtype=torch.float64)
    centers, focals = cameras.c2w[:, :, 3], cameras.intrinsics[:, 0]
    sigmas = depth_sigmas(views, points, positions, centers, focals, errors)
    return positions.float(), Observations(views, points, pixels, sigmas)


def matte_colors(points: Tensor, world: World = STILL_LIFE) -> Tensor:
    """Return the colors [P, 3] uint8 that points near the surface have without reflections."""
    return (encode(matte(points, world)) * 255).round().to(torch.uint8)


def _observed(cameras: Cameras, points: Tensor, world: World) -> tuple[Tensor, Tensor, Tensor]:
    """Return the view, the point and the exact pixel of each observation: [M], [M] and [M, 2]."""
    views, numbers, pixels = [], [], []
    for index in range(len(cameras)):
        view = cameras.view(index)
        inside = visible(view, points).nonzero()[:, 0]
        offsets = points[inside] - view.c2w[:, 3].double()
        distances = offsets.norm(dim=-1)
        origins = view.c2w[:, 3].expand_as(offsets)
        met = trace(origins.float(), normalize(offsets, dim=-1).float(), world=world)
        seen = inside[(met - distances).abs() < _TOLERANCE]
        views.append(torch.full_like(seen, index))
        numbers.append(seen)
        pixels.append(project(view, points[seen])[0])
    return torch.cat(views), torch.cat(numbers), torch.cat(pixels)


def _triangulated(cameras: Cameras, truth: Tensor, views: Tensor, points: Tensor, pixels: Tensor) -> Tensor:
    """Return the points [P, 3] that are nearest to their rays."""
    distortion = None if cameras.distortion is None else cameras.distortion[views]
    local = directions(pixels, cameras.intrinsics[views], cameras.pixel_center, cameras.model, distortion)
    c2w = cameras.c2w.double()[views]
    along = normalize((c2w[:, :, :3] @ local.double()[:, :, None])[..., 0], dim=-1)
    weights = 1.0 / (truth[points] - c2w[:, :, 3]).square().sum(-1)
    across = weights[:, None, None] * (torch.eye(3, dtype=torch.float64) - along[:, :, None] * along[:, None, :])
    matrix = torch.zeros(len(truth), 3, 3, dtype=torch.float64).index_add(0, points, across)
    right = torch.zeros(len(truth), 3, dtype=torch.float64)
    right.index_add_(0, points, (across @ c2w[:, :, 3:])[..., 0])
    positions: Tensor = torch.linalg.solve(matrix, right)
    return positions
