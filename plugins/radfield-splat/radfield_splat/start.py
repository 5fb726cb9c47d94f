"""Choose the first positions and colors of the Gaussians: the known points of the scene, or random positions."""

from __future__ import annotations

import math

import torch
from scipy.spatial import KDTree
from torch import Tensor

from radfield_core import BuildContext

CONSTANT_HARMONIC = 0.5 / math.sqrt(math.pi)
"""Value of the spherical harmonic of degree 0."""


def start_points(n: int, ctx: BuildContext) -> tuple[Tensor, Tensor]:
    """Return up to n means [M, 3] and their sRGB colors [M, 3] in [0, 1].

    They are known points of the scene, or n random points in the scene's bounds. Unknown colors are gray.
    """
    if ctx.points is None or not len(ctx.points):
        center, radius = ctx.bounds.center.to(torch.float32), ctx.bounds.radius
        return center + radius * (2 * torch.rand(n, 3) - 1), torch.full((n, 3), 0.5)
    chosen = torch.randperm(len(ctx.points))[:n] if len(ctx.points) > n else torch.arange(len(ctx.points))
    means = ctx.points[chosen].to(torch.float32)
    if ctx.point_colors is None:
        return means, torch.full_like(means, 0.5)
    return means, ctx.point_colors[chosen].to(torch.float32) / 255


def harmonics_of(colors: Tensor) -> Tensor:
    """Return the coefficients [M, 1, 3] of the constant harmonic with which Gaussians have the colors [M, 3].

    All color maps of a run take and return the sRGB values of images, so these are the values of the harmonics too.
    """
    return ((colors - 0.5) / CONSTANT_HARMONIC)[:, None]


def start_scales(means: Tensor) -> Tensor:
    """Return the root of the mean squared distance from each mean to its three nearest neighbors [N], as 3DGS does."""
    n = len(means)
    if n < 2:
        return torch.full((n,), 0.1)
    points = means.numpy()
    distances = KDTree(points).query(points, k=min(4, n))[0][:, 1:]
    return torch.from_numpy(distances).square().mean(-1).clamp_min(1e-14).sqrt().to(means.dtype)
