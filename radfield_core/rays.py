"""Pixels -> rays: directions, cone radii and limits in the space that samplers work in. R rays.

Made in float64 from the cameras and handed out in float32 (or what is asked). Papers that leave directions unnormalized
measure t along the optical axis; here directions are unit, so near and far are multiplied, and cone radii divided, by
the length that the direction has at unit depth, which is the same thing. NDC is the last change of the rays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from radfield_core.cameras import View, corner_directions, directions
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError
from radfield_core.ops.ndc import Ndc
from radfield_core.types import RayBundle, SceneBox

_FOOTPRINT = 2.0 / math.sqrt(12.0)  # a pixel's width -> radius of the cone with the variance of the square pixel
_TABLE_PIXELS = 1 << 24  # distorted pixels whose directions are kept: 16 bytes each


@dataclass(frozen=True, eq=False)
class RaySpace:
    """What it takes, besides a camera, to make a ray: the scene's limits and its warp, if it has one."""

    near: float
    far: float
    limits_along: Literal["ray", "axis"] = "ray"
    warp: Ndc | None = None

    @staticmethod
    def of(scene: Scene) -> RaySpace:
        """The ray space of a scene."""
        return RaySpace(scene.near, scene.far, scene.limits_along, scene.warp)

    def distances(self, view: View, rays: RayBundle, t: Tensor) -> Tensor:
        """Distances [R] in the scene, from the view's center, of the points at t [R] on its rays.

        Under NDC the end of a ray is infinitely far; what lies beyond 10⁴ times the near plane counts as there.
        """
        if self.warp is None:
            return t
        t = torch.minimum(t, (1.0 - 1e-4) * rays.far)
        points = self.warp.unwarp(rays.origins + t[:, None] * rays.directions)
        return (points - view.c2w[:, 3].to(points)).norm(dim=-1)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """R pixels with the camera of each: pixels [R, 2] (column, row), sizes [R, 2] (width, height), c2w [R, 3, 4]."""

    pixels: Tensor
    c2w: Tensor
    intrinsics: Tensor
    sizes: Tensor
    pixel_center: float
    model: str
    distortion: Tensor | None

    def local(self, pixels: Tensor) -> Tensor:
        """Directions [R, 3] in the cameras' axes."""
        return directions(pixels, self.intrinsics, self.pixel_center, self.model, self.distortion)

    def neighbors(self, axis: int) -> tuple[Tensor, Tensor]:
        """Each pixel and the next one along an axis (0 columns, 1 rows), both [R, 2]; the last pixel takes the pair
        before it."""
        last = (self.sizes[..., axis] - 2).clamp_min(0)
        step = self.pixels.new_zeros(2)
        step[axis] = 1
        first = self.pixels.clone()
        first[:, axis] = torch.minimum(first[:, axis], last)
        return first, first + step

    def widths(self) -> Tensor:
        """Distance [R] between neighboring directions along the rows' axis, in the cameras' axes."""
        if self.model == "pinhole":
            return (1.0 / self.intrinsics[..., 1]).expand(self.pixels.shape[0])
        first, second = self.neighbors(1)
        return (self.local(first) - self.local(second)).norm(dim=-1)


class PixelRays:
    """Rays of any pixels of a scene's views; keeps what can be worked out once."""

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
        """The pixels with their cameras."""
        return _Pixels(
            torch.stack([columns, rows], -1), self.c2w.index_select(0, images),
            self.intrinsics.index_select(0, images), self.sizes.index_select(0, images), self.cameras.pixel_center,
            self.cameras.model, None if self.distortion is None else self.distortion.index_select(0, images),
        )  # fmt: skip

    def __call__(self, images: Tensor, rows: Tensor, columns: Tensor) -> RayBundle:
        """Rays of the pixels at images, rows, columns [R] int64; carries gradient to the cameras' c2w."""
        drawn = self.pixels(images, rows, columns)
        looked_up = None
        if self._table is not None:
            table, starts, widths = self._table
            entry = table.index_select(0, starts[images] + rows * widths[images] + columns).to(torch.float64)
            looked_up = entry[:, :3], entry[:, 3]
        return _rays(drawn, self.space, images, self.dtype, looked_up)


def pixel_rays(
    scene: Scene, images: Tensor, rows: Tensor, columns: Tensor, dtype: torch.dtype = torch.float32
) -> RayBundle:
    """Rays of pixels [R] int64 of a scene. To draw again and again keep a `PixelRays`."""
    return PixelRays(scene, images.device, dtype)(images, rows, columns)


def view_rays(
    space: Scene | RaySpace, view: View, start: int = 0, stop: int | None = None,
    device: torch.device | str | None = None, dtype: torch.dtype = torch.float32,
) -> RayBundle:  # fmt: skip
    """Rays of the pixels start:stop of a view, row by row from the top left; all H·W by default."""
    space = RaySpace.of(space) if isinstance(space, Scene) else space
    camera, c2w = view.camera, view.c2w.to(device or view.c2w.device, torch.float64)
    last = camera.width * camera.height
    places = torch.arange(start, last if stop is None else min(stop, last), device=c2w.device)
    n = places.shape[0]
    pixels = torch.stack([places % camera.width, places.div(camera.width, rounding_mode="floor")], -1)
    parameters = c2w.new_tensor(camera.distortion).expand(n, -1)
    drawn = _Pixels(
        pixels, c2w.expand(n, 3, 4), camera.intrinsics.to(c2w).expand(n, 4),
        places.new_tensor([camera.width, camera.height]).expand(n, 2), camera.pixel_center, camera.model, parameters,
    )  # fmt: skip
    image_ids = None if view.image_id is None else places.new_full((n,), view.image_id)
    return _rays(drawn, space, image_ids, dtype)


def _rays(
    drawn: _Pixels, space: RaySpace, image_ids: Tensor | None, dtype: torch.dtype,
    looked_up: tuple[Tensor, Tensor] | None = None,
) -> RayBundle:  # fmt: skip
    local, widths = looked_up or (drawn.local(drawn.pixels), None)
    origins, along = drawn.c2w[:, :, 3], _rotate(drawn.c2w, local)
    viewdirs = along / along.norm(dim=-1, keepdim=True)
    if space.warp is None:
        radii = _FOOTPRINT * (drawn.widths() if widths is None else widths) / along.norm(dim=-1)
        scaled = space.limits_along == "axis"
    else:
        radii = _FOOTPRINT * _warped_widths(drawn, space.warp)
        origins, along = space.warp.rays(origins, along)
        scaled = True
    length = along.norm(dim=-1)
    unit = length if scaled else torch.ones_like(length)
    return RayBundle(
        origins.to(dtype), (along / length[:, None]).to(dtype), viewdirs.to(dtype), (space.near * unit).to(dtype),
        (space.far * unit).to(dtype), radii.to(dtype), image_ids,
    )  # fmt: skip


def _rotate(c2w: Tensor, local: Tensor) -> Tensor:
    return (c2w[:, :, :3] * local[:, None, :]).sum(-1)


def _warped_widths(drawn: _Pixels, warp: Ndc) -> Tensor:
    """Mean distance [R] between the origins, on the near plane, of neighboring rays along both axes of the image."""
    widths = []
    for axis in (0, 1):
        first, second = (
            warp.rays(drawn.c2w[:, :, 3], _rotate(drawn.c2w, drawn.local(pixels)))[0]
            for pixels in drawn.neighbors(axis)
        )
        widths.append((first - second).norm(dim=-1))
    return 0.5 * (widths[0] + widths[1])


def _direction_table(rays: PixelRays) -> tuple[Tensor, Tensor, Tensor] | None:
    """Directions and widths [P, 4] float32 of all pixels of every distinct camera, where each view's begin [V], and its
    width [V]; None if that is too much. Undoing a distortion takes iterations, which a step need not repeat."""
    keys = [rays.intrinsics, rays.sizes.to(torch.float64)] + ([] if rays.distortion is None else [rays.distortion])
    distinct, which = torch.unique(torch.cat(keys, 1), dim=0, return_inverse=True)
    example = torch.stack([(which == i).nonzero()[0, 0] for i in range(distinct.shape[0])])
    areas = rays.sizes[example].prod(-1)
    if int(areas.sum()) > _TABLE_PIXELS:
        return None
    entries = []
    for index, area in zip(example.tolist(), areas.tolist(), strict=True):
        places = torch.arange(area, device=example.device)
        width = rays.sizes[index, 0]
        images = torch.full_like(places, index)
        drawn = rays.pixels(images, places.div(width, rounding_mode="floor"), places % width)
        entries.append(torch.cat([drawn.local(drawn.pixels), drawn.widths()[:, None]], -1).to(torch.float32))
    starts = areas.cumsum(0) - areas
    return torch.cat(entries), starts[which], rays.sizes[:, 0]


def warped_box(scene: Scene) -> SceneBox:
    """The cube about the origin that holds every ray of an NDC scene; it is [-1, 1]³ for the reference camera alone."""
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
    """Raise DatasetError naming the views that see anything but what lies before the near plane."""
    views = [scene.cameras.view(index) for index in range(len(scene.cameras))]
    bad = [index for index, view in enumerate(views) if bool((corner_directions(view)[:, 2] >= 0).any())]
    if bad:
        names = ", ".join(scene.name(index) for index in bad)
        raise DatasetError(f"NDC needs every view to look along -z; these do not: {names}", path="data",
                           hint="data.ndc=false")  # fmt: skip
