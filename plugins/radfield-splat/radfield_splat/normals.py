"""Normals of Gaussians: their shortest axes, turned to the camera."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from radfield_core import View
from radfield_splat.gaussians import Gaussians, rotations
from radfield_splat.rasterizer import rasterize

_HARMONIC = 0.28209479177387814
_SHIFT = 2.0  # colors must not be negative


def facing_axes(gaussians: Gaussians, center: Tensor) -> Tensor:
    """Return the shortest axis of each Gaussian as a unit vector [N, 3] that points to the side of a camera's center.

    Gradients flow to the quaternions.

    Args:
        gaussians: N Gaussians.
        center: [3].

    Example:
        >>> import torch
        >>> means, scales = torch.zeros(1, 3), torch.tensor([[0.0, 0.0, -3.0]])
        >>> disk = Gaussians(means, scales, torch.tensor([[1.0, 0, 0, 0]]), torch.zeros(1), torch.zeros(1, 1, 3))
        >>> facing_axes(disk, torch.tensor([1.0, 1.0, -5.0]))
        tensor([[-0., -0., -1.]])
    """
    shortest = gaussians.log_scales.detach().argmin(-1)
    axes = rotations(gaussians.quaternions).gather(2, shortest[:, None, None].expand(-1, 3, 1))[:, :, 0]
    behind = (axes.detach() * (center.to(axes) - gaussians.means.detach())).sum(-1) < 0
    return torch.where(behind[:, None], -axes, axes)


def render_normals(gaussians: Gaussians, view: View, *, near: float, low_pass: float) -> Tensor:
    """Return Σ w n [H, W, 3] with the weights of `rasterize` and the normals n of the Gaussians.

    The normals are drawn as colors, so every backend has them, with all gradients. The arguments are those of
    `rasterize`.
    """
    colors = facing_axes(gaussians, view.c2w.detach()[:, 3]) + _SHIFT
    painted = replace(gaussians, harmonics=((colors - 0.5) / _HARMONIC)[:, None])
    image = rasterize(painted, view, None, degree=0, near=near, low_pass=low_pass)
    return image.rgb - _SHIFT * image.opacity[..., None]
