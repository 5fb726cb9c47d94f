"""Photographs and where they see a mesh, in the layout that the kernels take.

Every view is brought to an ideal pinhole camera of the same focal length, so that lines stay straight. Pixels of all
views lie in one flat array, one view after the other. A pixel is a column and a row, and its middle has whole numbers.

Symbols in shapes: V views, P pixels of all views, N vertices, F faces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from radfield_core import Cameras, Progress, Scene, UsageError, View, project
from radfield_core.ops.distortion import PERSPECTIVE
from radfield_mesh.texture import _raster

Array = NDArray[Any]

SHARPEST = 4.0
"""Largest weight of a photograph for its sharpness; 1 is the weight of the median photograph."""


@dataclass(frozen=True, eq=False)
class Views:
    """Pinhole cameras, and the depths of the mesh that they see.

    Attributes:
        poses: world-to-camera matrices [V, 3, 4] float64. In the camera, x points right, y down and z forward.
        intrinsics: focal lengths and the principal point in pixels [V, 4] float64.
        sizes: columns and rows [V, 2] int64.
        offsets: first pixel of each view [V + 1] int64.
        depths: least depth of the mesh [P] float32 in the 3 × 3 pixels around each pixel, along the optical axis;
            infinite where one of these pixels shows no mesh.
    """

    poses: Array
    intrinsics: Array
    sizes: Array
    offsets: Array
    depths: Array

    def __len__(self) -> int:
        return len(self.poses)


@dataclass(frozen=True, eq=False)
class Photos:
    """The photographs of `Views`.

    Attributes:
        rgb: sRGB colors [P, 3] uint8.
        counted: False for pixels [P] that show something else than the mesh.
        sharpness: weight of each view [V] float64; 1 for the median view.
    """

    rgb: Array
    counted: Array
    sharpness: Array


def views_of(cameras: Cameras, vertices: Array, faces: Array) -> Views:
    """Return the views of cameras on a mesh, whose vertices [N, 3] are in world coordinates.

    Raises:
        UsageError: the cameras are panoramas or fisheyes, which no pinhole camera can replace.
    """
    if cameras.model not in ("pinhole", *PERSPECTIVE):
        raise UsageError(
            f"photographs of the lens {cameras.model!r} cannot become a texture", path="texture",
            hint="Set texture=field, or texture=none",
        )  # fmt: skip
    poses = np.zeros((len(cameras), 3, 4))
    for index, c2w in enumerate(cameras.c2w.double().numpy()):
        turn = (c2w[:, :3] * [1.0, -1.0, -1.0]).T
        poses[index] = np.concatenate([turn, -(turn @ c2w[:, 3:])], 1)
    intrinsics = cameras.intrinsics.double().numpy().copy()
    intrinsics[:, 2:] -= cameras.pixel_center
    sizes = cameras.sizes.numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes.prod(1))]).astype(np.int64)
    depths = np.full(offsets[-1], np.inf, np.float32)
    faces, vertices = np.ascontiguousarray(faces, np.int64), np.ascontiguousarray(vertices, np.float64)
    with Progress("visibility", len(cameras)) as bar:
        for index, (width, height) in enumerate(sizes.tolist()):
            image = depths[offsets[index] : offsets[index + 1]].reshape(height, width)
            shown = np.full((height, width), -1, np.int32)
            _raster.draw(vertices, faces, poses[index], intrinsics[index], image, shown)
            image[:] = _least(image)
            if bar.due():
                bar.update(index + 1, f"{index + 1}/{len(cameras)} views")
    return Views(poses, intrinsics, sizes, offsets, depths)


def _least(depths: Array) -> Array:
    """Return the least depth in the 3 × 3 pixels around each pixel [H, W], or infinity if one of them is infinite."""
    image = torch.from_numpy(depths)[None, None]
    empty = F.max_pool2d(image.isinf().float(), 3, 1, 1) > 0
    least = -F.max_pool2d(-image, 3, 1, 1)
    return torch.where(empty, torch.inf, least)[0, 0].numpy()


def photos_of(scene: Scene, views: Views) -> Photos:
    """Return the photographs of a scene, undistorted, and which of their pixels count."""
    n, total = len(views), int(views.offsets[-1])
    rgb, counted, sharpness = np.zeros((total, 3), np.uint8), np.zeros(total, bool), np.ones(n)
    with Progress("photographs", n) as bar:
        for index in range(n):
            view, part = scene.cameras.view(index), slice(views.offsets[index], views.offsets[index + 1])
            image = scene.images[index]
            mask = _mask(scene, index, image)
            image = image[..., :3].expand(-1, -1, 3)
            if view.camera.model != "pinhole":
                image, mask = undistorted(view, image), undistorted(view, 255 * mask[..., None])[..., 0] == 255
            rgb[part], counted[part] = image.reshape(-1, 3).numpy(), mask.reshape(-1).numpy() > 0
            seen = counted[part] & np.isfinite(views.depths[part])
            sharpness[index] = _detail(image, torch.from_numpy(seen.reshape(image.shape[:2])))
            if bar.due():
                bar.update(index + 1, f"{index + 1}/{n} photographs")
    known = sharpness[sharpness > 0]
    middle = float(np.median(known)) if len(known) else 1.0
    return Photos(rgb, counted, np.clip((sharpness / middle) ** 2, 1 / SHARPEST, SHARPEST))


def _mask(scene: Scene, index: int, image: Tensor) -> Tensor:
    """Return where a photograph counts [H, W] uint8: inside its mask and where it is opaque, without their edges."""
    mask = torch.ones(image.shape[:2])
    if scene.masks is not None:
        mask = mask * (scene.masks[index][..., 0] > 127)
    if image.shape[-1] == 4:
        mask = mask * (image[..., 3] == 255)
    inner = 1.0 - F.max_pool2d(1.0 - mask[None, None], 3, 1, 1)[0, 0]
    return inner.to(torch.uint8)


def undistorted(view: View, image: Tensor) -> Tensor:
    """Return an image [H, W, C] uint8 as a pinhole camera with the view's focal length sees it.

    Pixels that the lens did not see are 0. Between pixels, values are interpolated linearly.
    """
    camera = view.camera
    rows, columns = torch.meshgrid(
        torch.arange(camera.height, dtype=torch.float64), torch.arange(camera.width, dtype=torch.float64), indexing="ij"
    )
    fx, fy, cx, cy = camera.intrinsics
    x, y = (columns + camera.pixel_center - cx) / fx, (rows + camera.pixel_center - cy) / fy
    points = torch.stack([x, -y, -torch.ones_like(x)], -1).reshape(-1, 3)
    still = replace(view, c2w=torch.eye(4, dtype=torch.float64)[:3])
    pixels, _ = project(still, points)
    size = pixels.new_tensor([camera.width, camera.height])
    grid = ((2.0 * pixels + 1.0) / size - 1.0).float().nan_to_num(2.0).reshape(1, camera.height, camera.width, 2)
    moved = F.grid_sample(image.permute(2, 0, 1)[None].float(), grid, padding_mode="zeros", align_corners=False)
    return moved[0].permute(1, 2, 0).round().to(torch.uint8)


def _detail(image: Tensor, seen: Tensor) -> float:
    """Return the mean size of the second differences of an image's brightness where it sees the mesh, or 0."""
    gray = image.float().mean(-1)
    second = (4 * gray[1:-1, 1:-1] - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]).abs()
    inner = seen[1:-1, 1:-1]
    return float(second[inner].mean()) if bool(inner.any()) else 0.0
