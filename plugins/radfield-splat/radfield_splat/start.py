"""Choose the first positions and colors of the Gaussians: known points of the scene, or estimated ones."""

from __future__ import annotations

import logging
import math
import shlex
from typing import NamedTuple

import torch
from scipy.spatial import KDTree
from torch import Tensor

from radfield_core import BuildContext

CONSTANT_HARMONIC = 0.5 / math.sqrt(math.pi)
"""Value of the spherical harmonic of degree 0."""


class Start(NamedTuple):
    """The first M Gaussians.

    Attributes:
        means: [M, 3].
        colors: sRGB colors [M, 3] in [0, 1]. Unknown colors are gray.
        log: what the user is told about where the Gaussians start: the level of the message in `logging`, and its
            text. None if the data has points.
    """

    means: Tensor
    colors: Tensor
    log: tuple[int, str] | None = None


def start_points(n: int, ctx: BuildContext) -> Start:
    """Return the first Gaussians, at most n.

    They are at known points of the scene. If the data has none, they are at points that are estimated from the images
    or, if that is impossible, at n random places in the scene's bounds.
    """
    if ctx.points is not None and len(ctx.points):
        return Start(*_chosen(n, ctx.points, ctx.point_colors))
    advice = f"; for points of the surface: radfield data points {_data_path(ctx)}"
    found = None if ctx.estimate_points is None else ctx.estimate_points(n, torch.initial_seed())
    if found is not None:
        text = f"the data has no points, so {len(found.points)} Gaussians start {found.how}"
        hull = "hull" in found.how
        return Start(
            *_chosen(n, found.points, found.colors), (logging.INFO, text) if hull else (logging.WARNING, text + advice)
        )
    center, radius = ctx.bounds.center.to(torch.float32), ctx.bounds.radius
    means = center + radius * (2 * torch.rand(n, 3) - 1)
    if ctx.cameras is None:
        return Start(means, torch.full((n, 3), 0.5))
    text = f"the data has no points, so {n} Gaussians start at random places in the scene's bounds"
    return Start(means, torch.full((n, 3), 0.5), (logging.WARNING, text + advice))


def _chosen(n: int, points: Tensor, colors: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return at most n of the points, and their colors in [0, 1]."""
    chosen = torch.randperm(len(points))[:n] if len(points) > n else torch.arange(len(points))
    means = points[chosen].to(torch.float32)
    return means, torch.full_like(means, 0.5) if colors is None else colors[chosen].to(torch.float32) / 255


def _data_path(ctx: BuildContext) -> str:
    """Return the path of the run's data, or its format if it has no path."""
    if ctx.run is None or ctx.run.data is None:
        return "DATA"
    root = getattr(ctx.run.data.config, "root", None)
    return shlex.quote(str(root)) if root is not None else ctx.run.data.name


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
