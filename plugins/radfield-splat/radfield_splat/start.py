"""Choose the first positions of the Gaussians: the known points of the scene, or random positions."""

from __future__ import annotations

import torch
from scipy.spatial import KDTree
from torch import Tensor

from radfield_core import BuildContext


def start_means(n: int, ctx: BuildContext) -> Tensor:
    """Return up to n means [M, 3]: known points of the scene, or n random points in the scene's bounds."""
    if ctx.points is not None and len(ctx.points):
        chosen = torch.randperm(len(ctx.points))[:n] if len(ctx.points) > n else slice(None)
        return ctx.points[chosen].to(torch.float32).clone()
    center, radius = ctx.bounds.center.to(torch.float32), ctx.bounds.radius
    return center + radius * (2 * torch.rand(n, 3) - 1)


def start_scales(means: Tensor) -> Tensor:
    """Return the root of the mean squared distance from each mean to its three nearest neighbors [N], as 3DGS does."""
    n = len(means)
    if n < 2:
        return torch.full((n,), 0.1)
    points = means.numpy()
    distances = KDTree(points).query(points, k=min(4, n))[0][:, 1:]
    return torch.from_numpy(distances).square().mean(-1).clamp_min(1e-14).sqrt().to(means.dtype)
