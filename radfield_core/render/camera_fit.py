"""Fit the camera of a held-out view to the left half of its image, and measure the right half.

Learned camera poses move the scene a little, because images do not tell where the scene is. Held-out cameras that are
known only in the data's coordinates are then off by a fraction of a pixel, although the scene is right. As in BARF (Lin
et al. 2021, section 4), each held-out camera is therefore fitted to its image, while the model stays as it is. Here
only one half is used for this, and the other half is measured.

The squared error of a few thousand pixels is minimized by Levenberg and Marquardt's method, with derivatives by central
differences. Models that render only whole views, such as rasterizers, render them, and the pixels are picked.

Symbols in shapes: H × W pixels, R rays, 3R residuals, 6 parameters (rotation vector and shift in scene axes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from radfield_core.cameras import View
from radfield_core.errors import UsageError
from radfield_core.interfaces import Model
from radfield_core.ops.backend import device_of
from radfield_core.rays import RaySpace, view_rays
from radfield_core.types import RayBundle, Rendered

PROTOCOL = "cameras fitted to the left half of each image, metrics of the right half"
"""The meaning of `fit_cameras="half"`, for files with results."""

IN_WORDS = "right halves, cameras fitted to the left halves"
"""Short form of the same, for lines with metrics."""

_RAYS, _ITERATIONS, _LEAST_MOVE = 4096, 20, 0.01  # pixels
_SEED = 0


def fitted_view(
    model: Model,
    space: RaySpace,
    view: View,
    truth: Tensor,
    background: Tensor | None = None,
    usable: Tensor | None = None,
    chunk: int = 4096,
) -> View:
    """Return a view whose camera is moved such that the model renders the left half of its image best.

    Args:
        model: the trained model.
        space: limits of the rays.
        view: camera and pose as the data set states them. The error may be a few pixels.
        truth: true colors [H, W, 3], on the background.
        background: color [3] behind the pixels; None for black.
        usable: [H, W], True for pixels that show the scene; None for all.
        chunk: number of rays that are rendered at once.

    Raises:
        UsageError: the rays are in NDC.
    """
    if space.warp is not None:
        raise UsageError("cameras cannot be fitted to images if rays are in NDC", path="--fit-cameras")
    height, width = truth.shape[:2]
    chosen = torch.ones(height, width, dtype=torch.bool) if usable is None else usable.clone()
    chosen[:, width // 2 :] = False
    index = chosen.flatten().nonzero()[:, 0]
    if not len(index):
        return view
    order = torch.randperm(len(index), generator=torch.Generator().manual_seed(_SEED))
    index, device = index[order[:_RAYS]].sort().values, device_of(model)
    wanted = truth.flatten(0, 1)[index].to(device)
    picked = index.to(device)
    rays, whole = view_rays(space, view, device=device)[picked], type(model).render_rays is Model.render_rays

    def rendered(c2w: Tensor) -> tuple[Tensor, Tensor]:
        """Render the chosen pixels from the poses c2w [K, 3, 4]. Return colors [K, R, 3] and the mean depth."""
        if whole:
            views = [model.render(replace(view, c2w=pose.to(view.c2w)), background, chunk) for pose in c2w]
            colors, depth, opacity = (
                torch.stack([x[picked] for x in found]) for found in zip(*map(_images, views), strict=True)
            )
        else:
            found = model.render_rays(_joined([_from_pose(rays, view.c2w, pose) for pose in c2w]), background, chunk)
            colors, depth, opacity = _images(found)
        return colors.view(len(c2w), -1, 3), depth.sum() / opacity.sum().clamp_min(1e-6)

    pixel = float(rays.radii.median()) * 3**0.5  # the radius of a cone is 1/√3 of its pixel's width
    return replace(view, c2w=_minimized(rendered, wanted, view.c2w.double(), pixel).to(view.c2w))


def movement(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Return by how many degrees a camera was turned, and how far its center was moved.

    Args:
        before: pose c2w [3, 4].
        after: pose c2w [3, 4].

    Example:
        >>> pose = torch.eye(4)[:3]
        >>> moved = torch.tensor([[0.0, -1.0, 0.0, 3.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 4.0]])
        >>> [round(number, 3) for number in movement(pose, moved)]
        [90.0, 5.0]
    """
    before, after = before.double(), after.double()
    turn = before[:, :3].T @ after[:, :3]
    sine = torch.stack([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]).norm() / 2
    angle = torch.atan2(sine, (turn.trace() - 1) / 2)  # the arc cosine of the trace is inexact for small angles
    return float(angle.rad2deg()), float((after - before)[:, 3].norm())


def _minimized(
    rendered: Callable[[Tensor], tuple[Tensor, Tensor]], wanted: Tensor, c2w: Tensor, pixel: float
) -> Tensor:
    """Return the pose [3, 4] at which the rendered colors come closest to the wanted ones [R, 3].

    Args:
        rendered: function of poses [K, 3, 4], which returns their colors [K, R, 3] and the mean depth.
        wanted: the true colors.
        c2w: the pose to begin with.
        pixel: width of a pixel in radians.
    """
    colors, depth = rendered(c2w[None])
    distance = float(depth)
    error, damping = float((colors[0] - wanted).square().mean()), 1e-3
    half_steps = 0.5 * pixel * torch.tensor([1.0, 1.0, 1.0, distance, distance, distance], dtype=torch.float64)
    residual = (colors[0] - wanted).flatten().double()
    normal: Tensor | None = None
    for _ in range(_ITERATIONS):
        if normal is None:
            signs = torch.cat([torch.eye(6), -torch.eye(6)]).double() * half_steps
            probes, _ = rendered(torch.stack([_moved(c2w, step) for step in signs]))
            slopes = (probes[:6] - probes[6:]).flatten(1).double().T / 2  # per half step
            normal, gradient = slopes.T @ slopes, slopes.T @ residual
        damped = normal + damping * torch.diag(normal.diagonal() + 1e-12 * normal.diagonal().max() + 1e-30)
        step = -torch.linalg.solve(damped, gradient) * half_steps.to(damped)
        trial = _moved(c2w, step.cpu())
        colors, _ = rendered(trial[None])
        found = float((colors[0] - wanted).square().mean())
        if found < error:
            c2w, error, damping, normal = trial, found, max(damping / 5, 1e-6), None
            residual = (colors[0] - wanted).flatten().double()
            if float((step.cpu() / half_steps).abs().max()) * 0.5 < _LEAST_MOVE:
                break
        else:
            damping *= 5
            if damping > 1e6:
                break
    return c2w


def _images(rendered: Rendered) -> tuple[Tensor, Tensor, Tensor]:
    """Return the colors, depths and opacities of pixels."""
    assert rendered.rgb is not None
    return rendered.rgb, rendered.depth, rendered.opacity


def _moved(c2w: Tensor, step: Tensor) -> Tensor:
    """Return a pose [3, 4] turned about its own center by a rotation vector, and then shifted: `step` [6]."""
    x, y, z = step[:3].tolist()
    turn = torch.linalg.matrix_exp(c2w.new_tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]))
    return torch.cat([turn @ c2w[:, :3], c2w[:, 3:] + step[3:, None].to(c2w)], 1)


def _from_pose(rays: RayBundle, given: Tensor, pose: Tensor) -> RayBundle:
    """Return rays of a camera with the pose `given`, as they are after the camera has moved to another pose."""
    turn = (pose[:, :3] @ given[:, :3].to(pose).T).to(rays.directions)
    shift = (pose[:, 3] - given[:, 3].to(pose)).to(rays.origins)
    directions = rays.directions @ turn.T
    return replace(rays, origins=rays.origins + shift, directions=directions, viewdirs=directions)


def _joined(bundles: list[RayBundle]) -> RayBundle:
    """Return the rays of several bundles as one bundle, without image ids."""
    names = ("origins", "directions", "viewdirs", "near", "far", "radii")
    return RayBundle(*(torch.cat([getattr(bundle, name) for bundle in bundles]) for name in names))
