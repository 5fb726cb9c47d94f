"""Cameras: intrinsics and places, and the way between pixels and directions. OpenGL axes (x right, y up, z back).

A pixel is its column and row, counted from 0 at the top left; it is looked through at `pixel_center` in its cell, so
(column + pixel_center) is the distance from the image's left edge. Results of `project` are in the same count: the
middle of the top left pixel is (0, 0). Everything is float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from radfield_core.ops import distortion

PERSPECTIVE = frozenset({"pinhole", "simple_radial", "radial", "opencv", "full_opencv", "fov"})
"""Lens models whose directions are given at unit depth; the others see sideways too and give unit directions."""

_FLIP_YZ = (1.0, -1.0, -1.0)  # lenses are modeled with y down and z forward


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of one view: fx, fy, cx, cy in pixels; a pixel is looked through at `pixel_center` in its cell."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    pixel_center: float = 0.5
    model: str = "pinhole"
    distortion: tuple[float, ...] = ()

    @property
    def intrinsics(self) -> Tensor:
        """fx, fy, cx, cy [4] float64."""
        return torch.tensor([self.fx, self.fy, self.cx, self.cy], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Cameras:
    """V cameras: c2w [V, 3, 4] and intrinsics [V, 4] (fx, fy, cx, cy) float64; sizes [V, 2] int64 (width, height).

    model: one of `ops.distortion.MODELS`, with its parameters `distortion` [V, K] float64 where it has any.
    """

    c2w: Tensor
    intrinsics: Tensor
    sizes: Tensor
    pixel_center: float = 0.5
    model: str = "pinhole"
    distortion: Tensor | None = None

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def camera(self, index: int) -> Camera:
        """Intrinsics of one view."""
        fx, fy, cx, cy = self.intrinsics[index].tolist()
        width, height = self.sizes[index].tolist()
        distortion = () if self.distortion is None else tuple(self.distortion[index].tolist())
        return Camera(width, height, fx, fy, cx, cy, self.pixel_center, self.model, distortion)

    def only(self, kept: Sequence[int]) -> Cameras:
        """The cameras at these places alone."""
        rows = list(kept)
        distortion = None if self.distortion is None else self.distortion[rows]
        return replace(
            self, c2w=self.c2w[rows], intrinsics=self.intrinsics[rows], sizes=self.sizes[rows], distortion=distortion
        )

    def view(self, index: int, image_id: int | None = None) -> View:
        """One camera in its place."""
        return View(self.c2w[index], self.camera(index), image_id)

    @staticmethod
    def pinhole(c2w: Tensor, focal: float, width: int, height: int, pixel_center: float = 0.5) -> Cameras:
        """Cameras that share one focal length in pixels and have their principal point in the middle."""
        n = c2w.shape[0]
        intrinsics = torch.tensor([focal, focal, width / 2, height / 2], dtype=torch.float64).expand(n, 4).clone()
        sizes = torch.tensor([width, height]).expand(n, 2).clone()
        return Cameras(c2w.to(torch.float64), intrinsics, sizes, pixel_center)


def directions(
    pixels: Tensor, intrinsics: Tensor, pixel_center: float, model: str = "pinhole", parameters: Tensor | None = None
) -> Tensor:
    """Directions [..., 3] in the camera's axes of pixels [..., 2] (column, row), for intrinsics [..., 4].

    At unit depth, that is with z = −1, for a perspective lens; unit for the others. parameters [..., K]: of the lens.
    """
    plane = (pixels.to(torch.float64) + pixel_center - intrinsics[..., 2:]) / intrinsics[..., :2]
    if model == "pinhole":
        return torch.cat([plane[..., :1], -plane[..., 1:], -torch.ones_like(plane[..., :1])], -1)
    seen = distortion.undistort(model, plane, _parameters(parameters, plane)) * plane.new_tensor(_FLIP_YZ)
    return seen / -seen[..., 2:] if model in PERSPECTIVE else seen


def corner_directions(view: View) -> Tensor:
    """Directions [4, 3] in the scene of a view's corners, as they go round the image; see `directions` for length."""
    camera, width, height = view.camera, view.camera.width, view.camera.height
    corners = torch.tensor([[0, 0], [width, 0], [width, height], [0, height]], dtype=torch.float64)
    parameters = torch.tensor(camera.distortion, dtype=torch.float64)
    local = directions(corners, camera.intrinsics, 0.0, camera.model, parameters)
    return local @ view.c2w[:, :3].detach().to(local).T


def project(view: View, points: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels [M, 2] (column, row) at which points [M, 3] are seen, and their depths [M] along the optical axis.

    A point that the camera cannot see, such as one behind a pinhole, has depth <= 0 or NaN pixels.
    """
    camera, c2w = view.camera, view.c2w.to(torch.float64)
    local = (points.to(torch.float64) - c2w[:, 3]) @ c2w[:, :3]
    local = local * local.new_tensor(_FLIP_YZ)
    if camera.model == "pinhole":
        plane = local[:, :2] / local[:, 2:]
    else:
        plane = distortion.distort(camera.model, local, local.new_tensor(camera.distortion))
    intrinsics = camera.intrinsics.to(local)
    return plane * intrinsics[:2] + intrinsics[2:] - camera.pixel_center, local[:, 2]


def unproject(view: View, pixels: Tensor, depths: Tensor) -> Tensor:
    """Points [M, 3] that pixels [M, 2] (column, row) see at depths [M] along the optical axis."""
    camera, c2w = view.camera, view.c2w.to(torch.float64)
    parameters = c2w.new_tensor(camera.distortion)
    local = directions(pixels, camera.intrinsics.to(c2w), camera.pixel_center, camera.model, parameters)
    return (local / -local[:, 2:] * depths[:, None]) @ c2w[:, :3].T + c2w[:, 3]


def _parameters(parameters: Tensor | None, like: Tensor) -> Tensor:
    return like.new_zeros(0) if parameters is None else parameters


@dataclass(frozen=True, eq=False)
class View:
    """One camera in its place: c2w [3, 4], OpenGL axes."""

    c2w: Tensor
    camera: Camera
    image_id: int | None = None
