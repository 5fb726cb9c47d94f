"""Rays of pixels: origins, directions, near and far limits, and radii of the pixels' cones.

Rays are computed in float64 and returned in float32 or another type. Directions have unit length, so t is a distance
along the ray. In some papers, directions have unit depth, so t is a depth along the optical axis. To get the same
samples as in those papers, near and far are multiplied by the length that the direction would have at unit depth, and
the radius of the cone is divided by this length. The NDC warp is applied last.

Symbols in shapes: R rays, V views, P pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from radfield_core.cameras import View, corner_directions, directions
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.ops.distortion import PANORAMIC
from radfield_core.ops.ndc import Ndc
from radfield_core.types import RayBundle, SceneBox

_FOOTPRINT = 2.0 / math.sqrt(12.0)  # radius of the cone / width of the pixel; cone and pixel then have equal variance
_MAX_TABLE_PIXELS = 1 << 24  # number of pixels in the largest table of ray directions; a pixel takes 16 bytes


@dataclass(frozen=True, eq=False)
class RaySpace:
    """The properties of a scene, apart from its cameras, that determine its rays.

    Attributes:
        near: near limit of the rays.
        far: far limit of the rays.
        limits_along: "ray" if the limits are distances along rays, "axis" if they are depths along the optical axis.
        warp: NDC warp of a forward-facing scene; None if the scene is not warped.
    """

    near: float
    far: float
    limits_along: Literal["ray", "axis"] = "ray"
    warp: Ndc | None = None

    @staticmethod
    def of(scene: Scene) -> RaySpace:
        """Return the ray space of a scene."""
        return RaySpace(scene.near, scene.far, scene.limits_along, scene.warp)

    def distances(self, view: View, rays: RayBundle, t: Tensor) -> Tensor:
        """Return the distances [R] in the scene from the camera to the points at t [R] on the rays.

        In NDC, the far end of a ray is infinitely far away. Its distance is taken to be 10⁴ times that of the near
        plane.
        """
        if self.warp is None:
            return t
        t = torch.minimum(t, (1.0 - 1e-4) * rays.far)
        points = self.warp.unwarp(rays.origins + t[:, None] * rays.directions)
        distances: Tensor = (points - view.c2w[:, 3].to(points)).norm(dim=-1)
        return distances

    def parameters(self, centers: Tensor, rays: RayBundle, distances: Tensor) -> Tensor:
        """Return t [R] of the points at given distances on rays, the inverse of `distances`.

        Args:
            centers: centers of the cameras [R, 3] in the scene.
            rays: R rays.
            distances: distances [R] in the scene from the cameras to the points. In NDC, an infinite distance is the
                far end of the ray. NaN remains NaN.
        """
        if self.warp is None:
            return distances
        apart = distances.double()[:, None] * rays.viewdirs.double()
        points = self.warp.points(centers.to(apart) + apart) - rays.origins
        t = (points * rays.directions).sum(-1).to(rays.far)
        return torch.where(distances.isinf(), rays.far, t)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """R pixels, each with the camera that sees it.

    Attributes:
        pixels: columns and rows [R, 2].
        c2w: camera-to-world matrices [R, 3, 4].
        intrinsics: fx, fy, cx, cy [R, 4].
        sizes: width and height of the images [R, 2].
    """

    pixels: Tensor
    c2w: Tensor
    intrinsics: Tensor
    sizes: Tensor
    pixel_center: float
    model: str
    distortion: Tensor | None

    def directions(self, pixels: Tensor | None = None) -> Tensor:
        """Return the directions [R, 3] of pixels [R, 2] in the cameras' axes. By default, use `self.pixels`."""
        pixels = self.pixels if pixels is None else pixels
        return directions(pixels, self.intrinsics, self.pixel_center, self.model, self.distortion)

    def neighbors(self, axis: int) -> tuple[Tensor, Tensor]:
        """Return each pixel and the next pixel along an axis (0 for columns, 1 for rows), both [R, 2].

        Pixels in the last column or row, n − 1, have no next pixel. For them, return the pixels n − 3 and n − 2, as in
        the code of mip-NeRF. If n is 2, return the only pair.
        """
        size, step = self.sizes[..., axis], self.pixels.new_zeros(2)
        step[axis] = 1
        first = self.pixels.clone()
        first[:, axis] = torch.where(first[:, axis] < size - 1, first[:, axis], (size - 3).clamp_min(0))
        return first, first + step

    def widths(self) -> Tensor:
        """Return the width [R] of each pixel: the distance between its direction and that of its vertical neighbor.

        The pixels of a panorama become narrower toward the poles, but not lower. Their width is that of a square of the
        same area: the geometric mean of the distances to both neighbors.
        """
        if self.model == "pinhole":
            return (1.0 / self.intrinsics[..., 1]).expand(self.pixels.shape[0])
        heights = self._apart(1)
        return (heights * self._apart(0)).sqrt() if self.model in PANORAMIC else heights

    def _apart(self, axis: int) -> Tensor:
        """Return the distance [R] between the directions of each pixel and its neighbor along an axis."""
        first, second = self.neighbors(axis)
        distances: Tensor = (self.directions(first) - self.directions(second)).norm(dim=-1)
        return distances


class _DirectionTable(NamedTuple):
    """A table with the direction and the width of each pixel. Views with equal cameras share their entries.

    Attributes:
        entries: direction and width of each pixel [P, 4] float32.
        starts: index [V] in `entries` of each view's first pixel.
        columns: width of each view's image [V].
    """

    entries: Tensor
    starts: Tensor
    columns: Tensor

    def look_up(self, images: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the directions [R, 3] and the widths [R] of pixels, both float64."""
        index = self.starts[images] + rows * self.columns[images] + columns
        entry = self.entries.index_select(0, index).to(torch.float64)
        return entry[:, :3], entry[:, 3]


class PixelRays:
    """Computes the rays of any pixels in a scene's views.

    For a lens with distortion, the directions of all pixels are computed once and kept in a table. If the table would
    be too large, each call computes the directions of the pixels that it needs.
    """

    def __init__(self, scene: Scene, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32):
        cameras = scene.cameras
        self.space, self.cameras, self.dtype = RaySpace.of(scene), cameras, dtype
        self.c2w = cameras.c2w.to(device, torch.float64)
        self.intrinsics = cameras.intrinsics.to(device, torch.float64)
        self.sizes = cameras.sizes.to(device)
        self.distortion = None if cameras.distortion is None else cameras.distortion.to(device, torch.float64)
        self._table = _direction_table(self) if cameras.model != "pinhole" and self.space.warp is None else None
        if self.space.warp is not None:
            _check_forward_facing(scene)

    def pixels(self, images: Tensor, rows: Tensor, columns: Tensor) -> _Pixels:
        """Return the R pixels, each with the camera of its view."""
        return _Pixels(
            pixels=torch.stack([columns, rows], -1),
            c2w=self.c2w.index_select(0, images),
            intrinsics=self.intrinsics.index_select(0, images),
            sizes=self.sizes.index_select(0, images),
            pixel_center=self.cameras.pixel_center,
            model=self.cameras.model,
            distortion=None if self.distortion is None else self.distortion.index_select(0, images),
        )

    def __call__(self, images: Tensor, rows: Tensor, columns: Tensor) -> RayBundle:
        """Return the rays of the pixels at images, rows and columns, each [R] int64, with gradient to the cameras'
        c2w."""
        pixels = self.pixels(images, rows, columns)
        if self.space.warp is not None:
            return _warped_rays(pixels, self.space, self.space.warp, images, self.dtype)
        if self._table is None:
            local, widths = pixels.directions(), pixels.widths()
        else:
            local, widths = self._table.look_up(images, rows, columns)
        return _straight_rays(pixels, local, widths, self.space, images, self.dtype)


def pixel_rays(
    scene: Scene, images: Tensor, rows: Tensor, columns: Tensor, dtype: torch.dtype = torch.float32
) -> RayBundle:
    """Return the rays of any pixels in a scene's views.

    Args:
        scene: the scene.
        images: index of the view that each pixel belongs to [R] int64.
        rows: row of each pixel [R] int64.
        columns: column of each pixel [R] int64.
        dtype: type of the result.

    Returns:
        R rays, with gradient to the cameras' c2w.

    Raises:
        DatasetError: the scene is in NDC, and a view does not look along -z.

    Example:
        >>> from radfield_core import Cameras, SceneBox
        >>> from radfield_core.data import MemoryImages
        >>> cameras = Cameras.pinhole(torch.eye(4)[:3][None], focal=5.0, width=4, height=3)
        >>> images = MemoryImages(torch.zeros(1, 3, 4, 3, dtype=torch.uint8))
        >>> scene = Scene(cameras, images, near=2.0, far=6.0, box=SceneBox(torch.zeros(3), 1.0))
        >>> first = torch.zeros(1, dtype=torch.int64)
        >>> pixel_rays(scene, images=first, rows=first + 1, columns=first + 2).directions
        tensor([[ 0.0995,  0.0000, -0.9950]])
    """
    return PixelRays(scene, images.device, dtype)(images, rows, columns)


def view_rays(
    space: Scene | RaySpace,
    view: View,
    start: int = 0,
    stop: int | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> RayBundle:
    """Return the rays of the pixels start:stop of a view. Pixels are counted row by row from the top left.

    Args:
        space: scene or ray space that gives the limits and the NDC warp.
        view: camera and pose.
        start: index of the first pixel.
        stop: index after the last pixel; None for all H·W pixels.
        device: device of the result; None for the device of the view's c2w.
        dtype: type of the result.

    Returns:
        `stop − start` rays, with gradient to the view's c2w.

    Example:
        >>> from radfield_core import Camera
        >>> view = View(torch.eye(4)[:3], Camera(4, 3, 5.0, 5.0, 2.0, 1.5))
        >>> rays = view_rays(RaySpace(near=2.0, far=6.0), view, start=4, stop=8)  # the second row
        >>> rays.near
        tensor([2., 2., 2., 2.])
    """
    space = RaySpace.of(space) if isinstance(space, Scene) else space
    camera, c2w = view.camera, view.c2w.to(device or view.c2w.device, torch.float64)
    n_pixels = camera.width * camera.height
    index = torch.arange(start, n_pixels if stop is None else min(stop, n_pixels), device=c2w.device)
    n = index.shape[0]
    pixels = _Pixels(
        pixels=torch.stack([index % camera.width, index.div(camera.width, rounding_mode="floor")], -1),
        c2w=c2w.expand(n, 3, 4),
        intrinsics=camera.intrinsics.to(c2w).expand(n, 4),
        sizes=index.new_tensor([camera.width, camera.height]).expand(n, 2),
        pixel_center=camera.pixel_center,
        model=camera.model,
        distortion=c2w.new_tensor(camera.distortion).expand(n, -1),
    )
    image_ids = None if view.image_id is None else index.new_full((n,), view.image_id)
    if space.warp is not None:
        return _warped_rays(pixels, space, space.warp, image_ids, dtype)
    return _straight_rays(pixels, pixels.directions(), pixels.widths(), space, image_ids, dtype)


def _straight_rays(
    pixels: _Pixels, local: Tensor, widths: Tensor, space: RaySpace, image_ids: Tensor | None, dtype: torch.dtype
) -> RayBundle:
    """Return rays without a warp.

    `local` holds the directions [R, 3] in the cameras' axes, and `widths` holds the widths [R] of the pixels.
    """
    along = _rotated(pixels.c2w, local)
    length = along.norm(dim=-1)
    t_scale = length if space.limits_along == "axis" else torch.ones_like(length)
    unit = (along / length[:, None]).to(dtype)
    return RayBundle(
        origins=pixels.c2w[:, :, 3].to(dtype),
        directions=unit,
        viewdirs=unit,
        near=(space.near * t_scale).to(dtype),
        far=(space.far * t_scale).to(dtype),
        radii=(_FOOTPRINT * widths / length).to(dtype),
        image_ids=image_ids,
    )


def _warped_rays(
    pixels: _Pixels, space: RaySpace, warp: Ndc, image_ids: Tensor | None, dtype: torch.dtype
) -> RayBundle:
    """Return rays in NDC. The directions are divided by their lengths, and near and far multiplied by these lengths."""
    straight = _rotated(pixels.c2w, pixels.directions())
    origins, along = warp.rays(pixels.c2w[:, :, 3], straight)
    length = along.norm(dim=-1)
    return RayBundle(
        origins=origins.to(dtype),
        directions=(along / length[:, None]).to(dtype),
        viewdirs=(straight / straight.norm(dim=-1, keepdim=True)).to(dtype),
        near=(space.near * length).to(dtype),
        far=(space.far * length).to(dtype),
        radii=(_FOOTPRINT * _warped_widths(pixels, warp)).to(dtype),
        image_ids=image_ids,
    )


def _rotated(c2w: Tensor, local: Tensor) -> Tensor:
    return (c2w[:, :, :3] * local[:, None, :]).sum(-1)


def _warped_widths(pixels: _Pixels, warp: Ndc) -> Tensor:
    """Return the distance [R] between the NDC origins of the rays of two neighboring pixels.

    It is the mean of the distances to the neighbor in the row and to the neighbor in the column.
    """
    widths: list[Tensor] = []
    for axis in (0, 1):
        first, second = (
            warp.rays(pixels.c2w[:, :, 3], _rotated(pixels.c2w, pixels.directions(neighbors)))[0]
            for neighbors in pixels.neighbors(axis)
        )
        widths.append((first - second).norm(dim=-1))
    return 0.5 * (widths[0] + widths[1])


def _direction_table(rays: PixelRays) -> _DirectionTable | None:
    """Build the table of directions for a lens with distortion. Return None if the table would be too large.

    Finding the direction of a pixel takes several iterations. The table saves repeating them in every training step.
    """
    keys = [rays.intrinsics, rays.sizes.to(torch.float64)] + ([] if rays.distortion is None else [rays.distortion])
    distinct, camera_of_view = torch.unique(torch.cat(keys, 1), dim=0, return_inverse=True)
    example = torch.stack([(camera_of_view == i).nonzero()[0, 0] for i in range(distinct.shape[0])])
    areas = rays.sizes[example].prod(-1)
    if int(areas.sum()) > _MAX_TABLE_PIXELS:
        return None
    entries = []
    for view, area in zip(example.tolist(), areas.tolist(), strict=True):
        index = torch.arange(area, device=example.device)
        width = rays.sizes[view, 0]
        pixels = rays.pixels(torch.full_like(index, view), index.div(width, rounding_mode="floor"), index % width)
        entries.append(torch.cat([pixels.directions(), pixels.widths()[:, None]], -1).to(torch.float32))
    starts = areas.cumsum(0) - areas
    return _DirectionTable(torch.cat(entries), starts[camera_of_view], rays.sizes[:, 0])


def warped_box(scene: Scene) -> SceneBox:
    """Return the smallest cube around the origin that contains every ray of an NDC scene.

    The cube is [-1, 1]³ if the reference camera is the only camera.

    Raises:
        ValueError: the scene is not in NDC.
        DatasetError: a view does not look along -z.

    Example:
        >>> from radfield_core import Cameras, SceneBox
        >>> from radfield_core.data import MemoryImages
        >>> cameras = Cameras.pinhole(torch.eye(4)[:3][None], focal=5.0, width=4, height=3)
        >>> images = MemoryImages(torch.zeros(1, 3, 4, 3, dtype=torch.uint8))
        >>> scene = Scene(cameras, images, near=0.0, far=1.0, box=SceneBox(torch.zeros(3), 1.0), ndc=True)
        >>> warped_box(scene).radius
        1.0
    """
    warp = scene.warp
    if warp is None:
        raise ValueError("the scene is not in NDC")
    _check_forward_facing(scene)
    reach = [torch.ones(1, dtype=torch.float64)]
    for index in range(len(scene.cameras)):
        view = scene.cameras.view(index)
        c2w = view.c2w.detach().to(torch.float64)
        origins, along = warp.rays(c2w[:, 3].expand(4, 3), corner_directions(view))
        reach.append(torch.cat([origins, origins + along]).abs().amax(0))
    return SceneBox(torch.zeros(3), float(torch.cat(reach).max()))


def _check_forward_facing(scene: Scene) -> None:
    """Check that the rays of each view's image corners point toward -z.

    Raises:
        DatasetError: some of these rays do not point toward -z. The error names their views.
    """
    if scene.cameras.panoramic:
        message = "NDC needs every view to look along -z, but panoramas look in all directions"
        raise DatasetError(message, path="data", hint="Set data.ndc=false")
    views = [scene.cameras.view(index) for index in range(len(scene.cameras))]
    bad = [index for index, view in enumerate(views) if bool((corner_directions(view)[:, 2] >= 0).any())]
    if bad:
        names = ", ".join(scene.name(index) for index in bad)
        raise DatasetError(
            f"NDC needs every view to look along -z; these do not: {names}", path="data", hint="Set data.ndc=false"
        )
