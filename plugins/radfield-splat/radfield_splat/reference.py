"""Definition of the rasterizer in plain torch. It supports any float dtype, and autograd gives exact gradients.

Symbols in shapes: N Gaussians, M drawn Gaussians in order of their distance, P pixels, H×W image, K harmonics.

A Gaussian is projected like 3DGS does it: its mean goes through the lens, and its covariance Σ becomes J Σ Jᵀ, where J
is the derivative of the pixel by the mean. The pixels' own extent is added as a variance (`low_pass`), and the opacity
is multiplied by √(|J Σ Jᵀ| / |J Σ Jᵀ + low_pass|), so that the low-pass filter changes no total (Yu et al. 2024,
Mip-Splatting, eq. 9). Pixels are composited front to back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from radfield_core import Camera, View
from radfield_core.ops import distortion
from radfield_splat.gaussians import Gaussians, rotations
from radfield_splat.lens import widest_angle

ALPHA_MIN = 1 / 255
"""At a pixel, a Gaussian with a smaller alpha is left out (3DGS)."""

ALPHA_MAX = 0.99
"""Alpha is limited to this value (3DGS)."""

TRANSMITTANCE_MIN = 1e-4
"""A pixel ends before the Gaussian that would reduce its transmittance below this value (3DGS)."""

COMPENSATION_MIN = 2.5e-5
"""Lower limit of the square of the factor that compensates the opacity for the low-pass filter (Mip-Splatting)."""

_PIXELS_AT_ONCE = 1 << 14


class Raster(NamedTuple):
    """A rasterized image.

    Attributes:
        rgb: colors [H, W, 3], composited on the background.
        depth: Σ w t [H, W], where t is the distance from the camera to the mean of a Gaussian, and w its weight.
        opacity: Σ w [H, W].
        median: distance [H, W] of the Gaussian at which the opacity reaches ½; infinite if it never does. It has no
            gradient. None if the backend does not give it.
    """

    rgb: Tensor
    depth: Tensor
    opacity: Tensor
    median: Tensor | None = None


class Projected(NamedTuple):
    """The drawn Gaussians, nearest first.

    Attributes:
        ids: indices of the Gaussians [M].
        centers: columns and rows of their means [M, 2]. The middle of the first pixel is (0, 0).
        covariances: (σ_xx, σ_xy, σ_yy) [M, 3] in pixels², with the low-pass filter.
        opacities: compensated for the low-pass filter [M].
        colors: [M, 3].
        distances: from the camera to the means [M].
    """

    ids: Tensor
    centers: Tensor
    covariances: Tensor
    opacities: Tensor
    colors: Tensor
    distances: Tensor


def rasterize(
    gaussians: Gaussians, view: View, background: Tensor | None, degree: int, near: float, low_pass: float
) -> Raster:
    """Draw Gaussians. `radfield_splat.rasterize` describes the arguments."""
    drawn = project(gaussians, view, degree, near, low_pass)
    height, width = view.camera.height, view.camera.width
    columns, rows = (torch.arange(size, device=drawn.ids.device) for size in (width, height))
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).reshape(-1, 2)
    parts = [composite(drawn, chunk.to(drawn.centers)) for chunk in torch.split(pixels, _PIXELS_AT_ONCE)]
    rgb, depth, opacity, median = (torch.cat(part) for part in zip(*parts, strict=True))
    if background is not None:
        rgb = rgb + (1 - opacity)[:, None] * background.reshape(-1, 3).to(rgb)
    return Raster(rgb.reshape(height, width, 3), *(x.reshape(height, width) for x in (depth, opacity, median)))


def project(gaussians: Gaussians, view: View, degree: int, near: float, low_pass: float) -> Projected:
    """Return the Gaussians that the view can show.

    Raises:
        ValueError: a parameter is not finite, a quaternion is zero, or a Gaussian is too large for the view.
    """
    camera, c2w = view.camera, view.c2w.to(gaussians.means)
    from_camera = gaussians.means - c2w[:, 3]
    distances = from_camera.norm(dim=-1)
    local = from_camera @ c2w[:, :3] * from_camera.new_tensor([1.0, -1.0, -1.0])
    check_parameters(gaussians)
    seen = (distances >= near) & (distances > 0) & (local[:, 2] >= math.cos(widest_angle(camera)) * distances)
    ids = seen.detach().nonzero()[:, 0]
    centers, jacobians = through_lens(camera, local[ids])
    spread = jacobians @ (c2w[:, :3] * c2w.new_tensor([1.0, -1.0, -1.0])).T @ _axes(gaussians, ids)
    covariances, compensation = filtered(spread, low_pass)
    opacities = gaussians.opacity_logits[ids].sigmoid() * compensation
    colors = color(gaussians.harmonics[ids], from_camera[ids] / distances[ids, None], degree)
    large = (opacities.detach() >= ALPHA_MIN).nonzero()[:, 0]
    order = large[distances.detach()[ids[large]].argsort(stable=True)]
    check_finite("harmonics", gaussians.harmonics[ids[order], : (degree + 1) ** 2], ids[order])
    picked = (x[order] for x in (centers, covariances, opacities, colors, distances[ids]))
    return Projected(ids[order], *picked)


def check_finite(name: str, values: Tensor, ids: Tensor | None = None) -> None:
    """Raise ValueError if a row of the values [M, ...] is not finite. The Gaussian of row m is ids[m], or m."""
    finite = values.detach().isfinite().flatten(1).all(-1) if values.dim() > 1 else values.detach().isfinite()
    if not bool(finite.all()):
        row = int(finite.logical_not().nonzero()[0])
        raise ValueError(f"{name} of Gaussian {row if ids is None else int(ids[row])} is not finite")


def check_parameters(gaussians: Gaussians) -> None:
    """Raise ValueError if a parameter is not finite, or a quaternion is zero.

    Harmonics are checked where they are evaluated, because most of the memory is theirs.
    """
    for name in ("means", "log_scales", "quaternions", "opacity_logits"):
        check_finite(name, getattr(gaussians, name))
    zero = gaussians.quaternions.detach().norm(dim=-1) == 0
    if bool(zero.any()):
        raise ValueError(f"the quaternion of Gaussian {int(zero.nonzero()[0])} is zero")


def through_lens(camera: Camera, local: Tensor) -> tuple[Tensor, Tensor]:
    """Return pixels [M, 2] and their derivatives [M, 2, 3] by the points.

    Args:
        camera: intrinsics.
        local: points in the camera's axes [M, 3]: x right, y down, z forward.
    """
    focal = local.new_tensor([camera.fx, camera.fy])
    middle = local.new_tensor([camera.cx, camera.cy]) - camera.pixel_center
    with torch.enable_grad():
        points = local if local.requires_grad else local.detach().requires_grad_()
        if camera.model == "pinhole":
            plane = points[:, :2] / points[:, 2:]
        else:
            plane = distortion.distort(camera.model, points, points.new_tensor(camera.distortion)).to(points)
        rows = [torch.autograd.grad(plane[:, axis].sum(), points, create_graph=True)[0] for axis in range(2)]
    jacobians = torch.stack(rows, 1)
    if not torch.is_grad_enabled() or not local.requires_grad:
        plane, jacobians = plane.detach(), jacobians.detach()
    return plane * focal + middle, jacobians * focal[:, None]


def _axes(gaussians: Gaussians, ids: Tensor) -> Tensor:
    """Return the axes of Gaussians [M, 3, 3] in world coordinates. Column k has the length of scale k."""
    return rotations(gaussians.quaternions[ids]) * gaussians.log_scales[ids].exp()[:, None, :]


def filtered(spread: Tensor, low_pass: float) -> tuple[Tensor, Tensor]:
    """Return the covariances [M, 3] with the low-pass filter, and the factors [M] that compensate the opacities.

    Args:
        spread: images of the Gaussians' axes [M, 2, 3] in pixels.
        low_pass: variance of the filter in pixels².
    """
    u, v = spread.unbind(1)
    xx, xy, yy = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    # The determinant of u uᵀ … is |u × v|² (Cauchy and Binet). xx·yy − xy² would lose digits for needles.
    before = torch.linalg.cross(u, v).square().sum(-1)
    after = before + low_pass * (xx + yy) + low_pass**2
    if not bool(after.detach().isfinite().all()):
        raise ValueError("a Gaussian is too large for the view: the determinant of its image is not finite")
    covariances = torch.stack([xx + low_pass, xy, yy + low_pass], -1)
    ratio = before / after
    return covariances, torch.where(
        ratio > COMPENSATION_MIN, ratio.clamp_min(COMPENSATION_MIN), COMPENSATION_MIN
    ).sqrt()


def color(harmonics: Tensor, directions: Tensor, degree: int) -> Tensor:
    """Return colors [M, 3] from coefficients [M, K, 3] of spherical harmonics and unit directions [M, 3]."""
    basis = spherical_harmonics(directions, degree)
    value = 0.5 + (harmonics[:, : basis.shape[1]] * basis[..., None]).sum(1)
    return torch.where(value > 0, value, 0.0)


def spherical_harmonics(directions: Tensor, degree: int) -> Tensor:
    """Return the real spherical harmonics [M, (degree + 1)²] of directions, in the order and with the signs of 3DGS."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    basis = [torch.full_like(x, 0.28209479177387814)]
    if degree > 0:
        basis += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree > 1:
        basis += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * zz - xx - yy),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
        ]
    if degree > 2:
        basis += [
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * zz - xx - yy),
            0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
            -0.4570457994644658 * x * (4 * zz - xx - yy),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
        ]
    return torch.stack(basis, -1)


def composite(drawn: Projected, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return Σ w color [P, 3], Σ w distance, Σ w and the median distance [P] at pixels [P, 2], columns and rows."""
    offset = pixels - drawn.centers[:, None]  # [M, P, 2]
    xx, xy, yy = (x[:, None] for x in drawn.covariances.unbind(-1))
    dx, dy = offset.unbind(-1)
    squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    alpha = drawn.opacities[:, None] * (-0.5 * squared).exp()
    alpha = torch.where(alpha.detach() >= ALPHA_MIN, alpha, 0.0)
    alpha = torch.where(alpha.detach() > ALPHA_MAX, ALPHA_MAX, alpha)
    behind = (1 - alpha).cumprod(0)
    before = torch.cat([torch.ones_like(behind[:1]), behind[:-1]])
    weights = torch.where(behind.detach() >= TRANSMITTANCE_MIN, alpha * before, 0.0)
    with torch.no_grad():
        reaches = (weights > 0) & (before > 0.5) & (behind <= 0.5)
        never = weights.new_full((1, len(pixels)), torch.inf)
        median = torch.cat([torch.where(reaches, drawn.distances[:, None], torch.inf), never]).amin(0)
    return weights.T @ drawn.colors, weights.T @ drawn.distances, weights.sum(0), median
