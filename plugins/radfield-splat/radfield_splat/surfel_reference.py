"""Definition of the rasterizer of disks in plain torch (Huang et al. 2024, 2D Gaussian Splatting).

A disk is a Gaussian whose third scale is left out: it lies in the plane of the first two axes of its rotation, and the
third axis is its normal. The ray of a pixel, whatever the lens, meets the plane of a disk at the distance t, at (u, v)
in the disk's coordinates, each divided by its scale. There, the Gaussian is exp(−(u² + v²)/2).

So that disks are not lost between pixels, this is at least exp(−|x − c|²/(2 low_pass)), where x is the pixel and c the
image of the center (eq. 11). Where this applies, t is the distance to the center.

Symbols in shapes: N disks, M drawn disks in order of the distance to their centers, P pixels, H×W image.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from radfield_core import View, directions
from radfield_splat.camera import FLIP
from radfield_splat.gaussians import Gaussians, rotations
from radfield_splat.lens import widest_angle
from radfield_splat.reference import (
    ALPHA_MAX,
    ALPHA_MIN,
    TRANSMITTANCE_MIN,
    check_finite,
    check_parameters,
    color,
    through_lens,
)

SMALLEST = 1e-12
"""Scales below this count as this."""

_PIXELS_AT_ONCE = 1 << 13


class Surface(NamedTuple):
    """An image of disks.

    Attributes:
        rgb: colors [H, W, 3], composited on the background.
        depth: Σ w t [H, W].
        opacity: Σ w [H, W].
        normals: Σ w n [H, W, 3] in world coordinates, where n is the normal of a disk on the side of the camera.
        distortion: Σ_{i<j} w_i w_j (s/t_i − s/t_j)² [H, W], where s is the given size of the scene.
        median_depth: the t at which the opacity reaches ½ [H, W], without gradient; infinite if it does not.
    """

    rgb: Tensor
    depth: Tensor
    opacity: Tensor
    normals: Tensor
    distortion: Tensor
    median_depth: Tensor


class Disks(NamedTuple):
    """The drawn disks, nearest first, in the camera's axes: x right, y down, z forward.

    Attributes:
        ids: indices of the disks [M].
        positions: vectors from the camera to the centers [M, 3].
        tangents: the two axes, divided by their scales [M, 2, 3].
        normals: unit normals on the side of the camera [M, 3].
        centers: columns and rows of the centers [M, 2].
        opacities: [M].
        colors: [M, 3].
        distances: to the centers [M].
    """

    ids: Tensor
    positions: Tensor
    tangents: Tensor
    normals: Tensor
    centers: Tensor
    opacities: Tensor
    colors: Tensor
    distances: Tensor


def rasterize(
    gaussians: Gaussians, view: View, background: Tensor | None, degree: int, near: float, low_pass: float, size: float
) -> Surface:
    """Draw disks. `radfield_splat.rasterize_disks` describes the arguments."""
    drawn = project(gaussians, view, degree, near)
    height, width = view.camera.height, view.camera.width
    columns, rows = (torch.arange(n, device=drawn.ids.device) for n in (width, height))
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).reshape(-1, 2)
    rays = camera_rays(view).to(drawn.positions)
    parts = [
        _composite(drawn, *part, near, low_pass, size)
        for part in zip(torch.split(pixels.to(rays), _PIXELS_AT_ONCE), torch.split(rays, _PIXELS_AT_ONCE), strict=True)
    ]
    rgb, depth, opacity, normals, distortion, median = (torch.cat(part) for part in zip(*parts, strict=True))
    if background is not None:
        rgb = rgb + (1 - opacity)[:, None] * background.reshape(-1, 3).to(rgb)
    shape = height, width
    return Surface(
        rgb.reshape(*shape, 3), depth.reshape(shape), opacity.reshape(shape),
        in_world(normals, view).reshape(*shape, 3), distortion.reshape(shape), median.reshape(shape),
    )  # fmt: skip


def in_world(normals: Tensor, view: View) -> Tensor:
    """Turn vectors [..., 3] from the camera's axes, with y down and z forward, to the world's."""
    return normals * normals.new_tensor(FLIP) @ view.c2w[:, :3].to(normals).T


def camera_rays(view: View) -> Tensor:
    """Return the unit directions [H·W, 3] float64 of all pixels in the camera's axes, with y down and z forward."""
    camera = view.camera
    rows, columns = torch.meshgrid(torch.arange(camera.height), torch.arange(camera.width), indexing="ij")
    pixels, lens = torch.stack([columns, rows], -1).reshape(-1, 2), torch.tensor(camera.distortion).double()
    local = directions(pixels, camera.intrinsics, camera.pixel_center, camera.model, lens)
    return torch.nn.functional.normalize(local, dim=-1) * local.new_tensor(FLIP)


def project(gaussians: Gaussians, view: View, degree: int, near: float) -> Disks:
    """Return the disks that the view can show.

    Raises:
        ValueError: a parameter is not finite, or a quaternion is zero.
    """
    camera, c2w = view.camera, view.c2w.to(gaussians.means)
    flip = c2w.new_tensor(FLIP)
    from_camera = gaussians.means - c2w[:, 3]
    distances = from_camera.norm(dim=-1)
    local = from_camera @ c2w[:, :3] * flip
    check_parameters(gaussians)
    in_front = (
        (distances.detach() >= near)
        & (distances.detach() > 0)
        & (local[:, 2] >= math.cos(widest_angle(camera)) * distances).detach()
    )
    opacities = gaussians.opacity_logits.sigmoid()
    ids = (in_front & (opacities.detach() >= ALPHA_MIN)).nonzero()[:, 0]
    ids = ids[distances.detach()[ids].argsort(stable=True)]
    turned = (rotations(gaussians.quaternions[ids]).transpose(1, 2) @ c2w[:, :3]) * flip  # [M, axis, 3]
    scales = gaussians.log_scales[ids, :2].exp().clamp_min(SMALLEST)
    facing = -(turned[:, 2] * local[ids]).sum(-1, keepdim=True).detach().sign()
    centers, _ = through_lens(camera, local[ids])
    check_finite("harmonics", gaussians.harmonics[ids, : (degree + 1) ** 2], ids)
    colors = color(gaussians.harmonics[ids], from_camera[ids] / distances[ids, None], degree)
    tangents = turned[:, :2] / scales[..., None]
    return Disks(ids, local[ids], tangents, facing * turned[:, 2], centers, opacities[ids], colors, distances[ids])


def _composite(
    drawn: Disks, pixels: Tensor, rays: Tensor, near: float, low_pass: float, size: float
) -> tuple[Tensor, ...]:
    """Return the sums at pixels [P, 2] with rays [P, 3]: those of `Surface`, with normals in the camera's axes."""
    plane = (drawn.normals * drawn.positions).sum(-1)[:, None]
    slope = drawn.normals @ rays.T  # [M, P]
    t = plane / torch.where(slope == 0, 1.0, slope)
    offsets = t[..., None] * rays - drawn.positions[:, None]
    squared = (offsets @ drawn.tangents.transpose(1, 2)).square().sum(-1)
    filtered = (pixels - drawn.centers[:, None]).square().sum(-1) / low_pass
    met = ((slope != 0) & (t > near) & (squared <= filtered)).detach()
    t = torch.where(met, t, drawn.distances[:, None])
    alpha = drawn.opacities[:, None] * (-0.5 * torch.where(met, squared, filtered)).exp()
    alpha = torch.where(alpha.detach() >= ALPHA_MIN, alpha, 0.0)
    alpha = torch.where(alpha.detach() > ALPHA_MAX, ALPHA_MAX, alpha)
    behind = (1 - alpha).cumprod(0)
    before = torch.cat([torch.ones_like(behind[:1]), behind[:-1]])
    weights = torch.where(behind.detach() >= TRANSMITTANCE_MIN, alpha * before, 0.0)
    nearness, opacity = size / t, weights.sum(0)
    first, second = (weights * nearness).sum(0), (weights * nearness.square()).sum(0)
    halfway = (weights.detach().cumsum(0) >= 0.5).cumsum(0) == 1  # the disk at which the sum reaches ½
    median = torch.where(halfway.any(0), (halfway * t.detach()).sum(0), torch.inf)
    return (
        weights.T @ drawn.colors, (weights * t).sum(0), opacity, weights.T @ drawn.normals,
        opacity * second - first.square(), median,
    )  # fmt: skip
