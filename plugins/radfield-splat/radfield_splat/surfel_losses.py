"""Losses that make disks form a surface (Huang et al. 2024, eqs. 13 to 15)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from radfield_core import View
from radfield_splat.surfel_reference import camera_rays, in_world

OPAQUE = 0.5
"""A depth is compared with its neighbors only where all of them have at least this opacity."""


def normal_consistency(normals: Tensor, depth: Tensor, opacity: Tensor, view: View) -> Tensor:
    """Return the mean over all pixels of Σ w (1 − n · N), where N is the normal of the mean depths.

    It is Σ w − (Σ w n) · N. Pixels on the border of the image, and those beside one that is not opaque, count as 0.

    Args:
        normals: Σ w n [H, W, 3] in world coordinates.
        depth: Σ w t [H, W].
        opacity: Σ w [H, W].
        view: camera and pose.
    """
    surface, known = depth_normals(depth, opacity, view)
    difference = opacity[1:-1, 1:-1] - (normals[1:-1, 1:-1] * surface).sum(-1)
    return torch.where(known, difference, 0.0).sum() / opacity.numel()


def depth_normals(depth: Tensor, opacity: Tensor, view: View) -> tuple[Tensor, Tensor]:
    """Return the unit normals [H−2, W−2, 3] of the points at the mean depths, in world coordinates, and where they are
    known [H−2, W−2].

    A normal is the cross product of the differences between the neighbors to the right and left, and below and above.
    """
    rays = camera_rays(view).to(depth).view(*depth.shape, 3)
    points = rays * (depth / opacity.clamp_min(1e-6))[..., None]
    across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    normals = F.normalize(torch.linalg.cross(down, across), dim=-1, eps=1e-20)
    opaque = opacity.detach() >= OPAQUE
    known = opaque[1:-1, 2:] & opaque[1:-1, :-2] & opaque[2:, 1:-1] & opaque[:-2, 1:-1] & opaque[1:-1, 1:-1]
    return in_world(normals, view), known
