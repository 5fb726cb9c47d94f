"""Cameras: poses, intrinsics and lenses, and the conversion between pixels, directions and points.

Axes are OpenGL's: x right, y up, z backward. A pixel is a column and a row, counted from 0 at the top left. The ray of
a pixel passes through the point (column + pixel_center, row + pixel_center), measured from the top left corner of the
image. `project` returns pixels in the same convention: a point on the ray of the top left pixel is projected to (0, 0).
All values are float64.

Symbols in shapes: V views, M points, K lens parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from radfield_core.ops import distortion
from radfield_core.ops.distortion import PANORAMIC, PERSPECTIVE

_FLIP_YZ = (1.0, -1.0, -1.0)  # in `ops.distortion`, y points down and z points forward


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of one view.

    Attributes:
        width: number of columns.
        height: number of rows.
        fx: horizontal focal length in pixels. For an equirectangular image, the number of pixels per radian.
        fy: vertical focal length in pixels, or pixels per radian.
        cx: distance of the principal point from the left edge in pixels.
        cy: distance of the principal point from the top edge in pixels.
        pixel_center: distance of a ray from the left edge and the top edge of its pixel, in pixels. 0.5 is the middle.
        model: a key of `ops.distortion.MODELS`.
        distortion: parameters of the lens model.

    Example:
        >>> Camera(width=800, height=600, fx=700.0, fy=700.0, cx=400.0, cy=300.0).intrinsics
        tensor([700., 700., 400., 300.], dtype=torch.float64)
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    pixel_center: float = 0.5
    model: str = "pinhole"
    distortion: tuple[float, ...] = ()

    @staticmethod
    def equirectangular(height: int) -> Camera:
        """Return the camera of a 360° panorama, which is twice as wide as it is high.

        The middle of the image looks along −z, and the top row looks up, along +y.

        Example:
            >>> camera = Camera.equirectangular(height=90)
            >>> camera.width, round(camera.fx * math.pi / 180, 3)  # pixels per degree
            (180, 0.5)
        """
        return Camera(
            2 * height, height, height / math.pi, height / math.pi, height, height / 2, 0.5, "equirectangular"
        )

    @property
    def intrinsics(self) -> Tensor:
        """The tensor (fx, fy, cx, cy) [4] float64."""
        return torch.tensor([self.fx, self.fy, self.cx, self.cy], dtype=torch.float64)

    @property
    def panoramic(self) -> bool:
        """True if the camera sees in all directions, so that it has no optical axis and no field of view."""
        return self.model in PANORAMIC


@dataclass(frozen=True, eq=False)
class View:
    """A camera with its pose.

    Attributes:
        c2w: camera-to-world matrix [3, 4].
        camera: intrinsics.
        image_id: number of the view's image, which selects its embedding in a field with one embedding per image. None
            if the view has no embedding.
    """

    c2w: Tensor
    camera: Camera
    image_id: int | None = None


@dataclass(frozen=True, eq=False)
class Cameras:
    """The cameras of V views, which share one lens model.

    Attributes:
        c2w: camera-to-world matrices [V, 3, 4] float64.
        intrinsics: fx, fy, cx, cy in pixels [V, 4] float64.
        sizes: width and height of the images [V, 2] int64.
        pixel_center: distance of a ray from the left edge and the top edge of its pixel, in pixels. 0.5 is the middle.
        model: a key of `ops.distortion.MODELS`.
        distortion: parameters of the lens model [V, K] float64; None for a model without parameters.

    Example:
        >>> c2w = torch.eye(4)[:3].expand(2, 3, 4)
        >>> cameras = Cameras.pinhole(c2w, focal=700.0, width=800, height=600)
        >>> len(cameras), cameras.camera(1).cx
        (2, 400.0)
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
        """Return the intrinsics of one view."""
        fx, fy, cx, cy = self.intrinsics[index].tolist()
        width, height = self.sizes[index].tolist()
        distortion = () if self.distortion is None else tuple(self.distortion[index].tolist())
        return Camera(width, height, fx, fy, cx, cy, self.pixel_center, self.model, distortion)

    def view(self, index: int, image_id: int | None = None) -> View:
        """Return the camera and the pose of one view."""
        return View(self.c2w[index], self.camera(index), image_id)

    def only(self, kept: Sequence[int]) -> Cameras:
        """Return the cameras of the views with the indices `kept`, in this order."""
        rows = list(kept)
        distortion = None if self.distortion is None else self.distortion[rows]
        return replace(
            self, c2w=self.c2w[rows], intrinsics=self.intrinsics[rows], sizes=self.sizes[rows], distortion=distortion
        )

    @property
    def panoramic(self) -> bool:
        """True if the cameras see in all directions, so that they have no optical axis and no field of view."""
        return self.model in PANORAMIC

    @staticmethod
    def equirectangular(c2w: Tensor, height: int) -> Cameras:
        """Build the cameras of 360° panoramas, which are twice as wide as they are high.

        Example:
            >>> Cameras.equirectangular(torch.eye(4)[:3][None], height=90).sizes
            tensor([[180,  90]])
        """
        n, one = c2w.shape[0], Camera.equirectangular(height)
        sizes = torch.tensor([one.width, one.height]).expand(n, 2).clone()
        return Cameras(c2w.to(torch.float64), one.intrinsics.expand(n, 4).clone(), sizes, model=one.model)

    @staticmethod
    def pinhole(c2w: Tensor, focal: float, width: int, height: int, pixel_center: float = 0.5) -> Cameras:
        """Build pinhole cameras with one focal length in pixels. The principal point is the middle of the image."""
        n = c2w.shape[0]
        intrinsics = torch.tensor([focal, focal, width / 2, height / 2], dtype=torch.float64).expand(n, 4).clone()
        sizes = torch.tensor([width, height]).expand(n, 2).clone()
        return Cameras(c2w.to(torch.float64), intrinsics, sizes, pixel_center)


def directions(
    pixels: Tensor, intrinsics: Tensor, pixel_center: float, model: str = "pinhole", parameters: Tensor | None = None
) -> Tensor:
    """Return the directions of pixels in the camera's axes.

    Args:
        pixels: columns and rows [..., 2].
        intrinsics: fx, fy, cx, cy [..., 4].
        pixel_center: distance of a ray from the left edge and the top edge of its pixel, in pixels.
        model: a key of `ops.distortion.MODELS`.
        parameters: parameters of the lens [..., K]; None for a model without parameters.

    Returns:
        Directions [..., 3] float64. They have unit depth (z = −1) for a lens model in `ops.distortion.PERSPECTIVE`. For
        any other model they have unit length, because it can see 90° or more away from the optical axis.

    Example:
        >>> intrinsics = torch.tensor([100.0, 100.0, 4.0, 3.0])
        >>> directions(torch.tensor([3.5, 2.5]), intrinsics, pixel_center=0.5).tolist()
        [0.0, -0.0, -1.0]
    """
    plane = (pixels.to(torch.float64) + pixel_center - intrinsics[..., 2:]) / intrinsics[..., :2]
    if model == "pinhole":
        return torch.cat([plane[..., :1], -plane[..., 1:], -torch.ones_like(plane[..., :1])], -1)
    parameters = plane.new_zeros(0) if parameters is None else parameters
    local = distortion.undistort(model, plane, parameters) * plane.new_tensor(_FLIP_YZ)
    return local / -local[..., 2:] if model in PERSPECTIVE else local


def corner_directions(view: View) -> Tensor:
    """Return the directions [4, 3] of the four corners of a view's image, in world axes and in order around the image.

    The vectors have the same length as those that `directions` returns.
    """
    camera, width, height = view.camera, view.camera.width, view.camera.height
    corners = torch.tensor([[0, 0], [width, 0], [width, height], [0, height]], dtype=torch.float64)
    parameters = torch.tensor(camera.distortion, dtype=torch.float64)
    local = directions(corners, camera.intrinsics, 0.0, camera.model, parameters)
    return local @ view.c2w[:, :3].detach().to(local).T


def angle_across(camera: Camera) -> float:
    """Return the horizontal field of view of a camera in radians: the angle from the left edge to the right edge.

    Example:
        >>> round(math.degrees(angle_across(Camera(200, 100, 100.0, 100.0, 100.0, 50.0))))
        90
        >>> round(math.degrees(angle_across(Camera.equirectangular(90))))
        360
    """
    if camera.panoramic:
        return camera.width / camera.fx
    edges = torch.tensor([[0.0, camera.cy], [camera.width, camera.cy]], dtype=torch.float64)
    parameters = torch.tensor(camera.distortion, dtype=torch.float64)
    local = torch.nn.functional.normalize(directions(edges, camera.intrinsics, 0.0, camera.model, parameters), dim=-1)
    left, right = torch.atan2(local[:, 0], -local[:, 2]).tolist()
    return float(right - left)


def project(view: View, points: Tensor) -> tuple[Tensor, Tensor]:
    """Project points into a view. Return the pixels and the depths of the points.

    Args:
        view: camera and pose.
        points: [M, 3] in world coordinates.

    Returns:
        Columns and rows [M, 2], and depths along the optical axis [M], all float64. For a point that the lens cannot
        see, such as one behind a pinhole camera, the depth is <= 0, or column and row are NaN. A panoramic camera has
        no optical axis, so its depths are distances. Its columns lie in one turn that begins at the left edge.

    Example:
        >>> view = View(torch.eye(4)[:3], Camera(8, 6, 100.0, 100.0, 4.0, 3.0))  # at the origin, looking along -z
        >>> project(view, torch.tensor([[0.0, 0.0, -2.0]]))
        (tensor([[3.5000, 2.5000]], dtype=torch.float64), tensor([2.], dtype=torch.float64))
    """
    camera, c2w = view.camera, view.c2w.to(torch.float64)
    local = (points.to(torch.float64) - c2w[:, 3]) @ c2w[:, :3]
    local = local * local.new_tensor(_FLIP_YZ)
    if camera.model == "pinhole":
        plane = local[:, :2] / local[:, 2:]
    else:
        plane = distortion.distort(camera.model, local, local.new_tensor(camera.distortion))
    intrinsics = camera.intrinsics.to(local)
    pixels = plane * intrinsics[:2] + intrinsics[2:] - camera.pixel_center
    if not camera.panoramic:
        return pixels, local[:, 2]
    turn = 2.0 * math.pi * camera.fx
    column = torch.remainder(pixels[:, 0] + 0.5, turn)
    column = torch.where(column < turn, column, 0.0) - 0.5  # a remainder may be rounded up to a whole turn
    return torch.stack([column, pixels[:, 1]], -1), local.norm(dim=-1)


def visible(view: View, points: Tensor) -> Tensor:
    """Return a mask that is True for each point that lies in front of the camera and projects into the image.

    A point counts as visible even if something else hides it.

    Args:
        view: camera and pose.
        points: [M, 3] in world coordinates.

    Returns:
        Mask [M] bool. Where the mask is True, `project(view, points)[0].round()` is a pixel of the image.

    Example:
        >>> view = View(torch.eye(4)[:3], Camera(8, 6, 100.0, 100.0, 4.0, 3.0))
        >>> visible(view, torch.tensor([[0.0, 0.0, -2.0], [0.0, 0.0, 2.0], [1.0, 0.0, -2.0]]))
        tensor([ True, False, False])
    """
    pixels, depths = project(view, points)
    size = pixels.new_tensor([view.camera.width, view.camera.height])
    return ((pixels >= -0.5) & (pixels < size - 0.5)).all(-1) & (depths > 0)
