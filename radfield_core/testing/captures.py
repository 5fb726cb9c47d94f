"""Small scenes with known cameras. A test writes such a scene in a format, reads it again and compares the rays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from radfield_core.cameras import Cameras, directions
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import transform_cameras
from radfield_core.types import SceneBox

FloatArray = npt.NDArray[np.float64]
_CENTER = np.array([1.0, 2.0, 3.0])


def toy_capture(
    n: int = 9,
    *,
    model: str = "pinhole",
    distortion: tuple[float, ...] = (),
    size: tuple[int, int] = (32, 24),
    forward: bool = False,
    masks: bool = False,
    seed: int = 0,
) -> Scene:
    """Make a scene of n views with random pixels. The cameras surround 60 points near (1, 2, 3).

    Args:
        n: number of views.
        model: lens model of all cameras. Those of "equirectangular" take panoramas as high as `size` says.
        distortion: distortion parameters of the lens model.
        size: width and height of the images in pixels. The focal length equals the width.
        forward: True to place all cameras in front of the points, looking along −z. False to place them all around the
            points.
        masks: True to add random masks.
        seed: seed of the random numbers.

    Example:
        >>> toy_capture(3, size=(8, 6)).images[0].shape
        torch.Size([6, 8, 3])
    """
    draw = np.random.default_rng(seed)
    width, height = size
    c2w = torch.from_numpy(_poses(draw, n, forward))
    cameras = Cameras.pinhole(c2w, float(width), width, height)
    if model == "equirectangular":
        width = 2 * height
        cameras = Cameras.equirectangular(c2w, height)
    parameters = torch.tensor(distortion, dtype=torch.float64).expand(n, -1).clone() if distortion else None
    pixels = torch.from_numpy(draw.integers(0, 256, size=(n, height, width, 3), dtype=np.uint8))
    black_and_white = torch.from_numpy(255 * draw.integers(0, 2, size=(n, height, width, 1), dtype=np.uint8))
    return Scene(
        cameras=replace(cameras, model=model, distortion=parameters),
        images=MemoryImages(pixels),
        masks=MemoryImages(black_and_white) if masks else None,
        near=2.0,
        far=6.0,
        box=SceneBox(torch.from_numpy(_CENTER).float(), 1.5),
        points=torch.from_numpy(_CENTER + 0.4 * draw.normal(size=(60, 3))),
        names=[f"view_{i:03d}" for i in range(n)],
    )


def _poses(draw: np.random.Generator, n: int, forward: bool) -> FloatArray:
    """Draw n cameras that look at points near `_CENTER`. Return their camera-to-world matrices [n, 3, 4]."""
    centers = 3.0 * draw.normal(size=(n, 3))
    centers = 4.0 * centers / np.linalg.norm(centers, axis=1, keepdims=True) * (1.0, 1.0, 0.3) + _CENTER
    if forward:
        centers = 0.4 * draw.normal(size=(n, 3)) + _CENTER + (0.0, 0.0, 5.0)
    return np.stack([_looking_at(center, _CENTER + 0.1 * draw.normal(size=3)) for center in centers])


def _looking_at(center: FloatArray, target: FloatArray) -> FloatArray:
    """Return the camera-to-world matrix [3, 4] of a camera at `center` that looks at `target`."""
    z = (center - target) / np.linalg.norm(center - target)
    x = np.cross([0.1, 1.0, 0.2], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z, center], axis=1)


def data_rays(scene: Scene, name: str, step: int = 5) -> tuple[Tensor, Tensor]:
    """Return the origin [3] and unit directions [R, 3] of a view's rays, in the data's own coordinates.

    There is one ray for every `step`-th pixel of every `step`-th row of the image.
    """
    view = scene.cameras.view(scene.names.index(name))
    c2w = torch.from_numpy(transform_cameras(scene.to_data.numpy(), view.c2w[None].numpy())[0])
    width, height = view.camera.width, view.camera.height
    columns, rows = torch.meshgrid(torch.arange(0, width, step), torch.arange(0, height, step), indexing="xy")
    pixels = torch.stack([columns, rows], -1).reshape(-1, 2)
    parameters = torch.tensor(view.camera.distortion, dtype=torch.float64)
    local = directions(pixels, view.camera.intrinsics, view.camera.pixel_center, view.camera.model, parameters)
    return c2w[:, 3], torch.nn.functional.normalize(local @ c2w[:, :3].T, dim=-1)


def ray_difference(one: Scene, other: Scene, name: str, other_name: str | None = None) -> float:
    """Compare the rays of one view in two scenes, in the data's own coordinates.

    Args:
        one: a scene.
        other: the scene to compare with.
        name: name of the view in the scene `one`.
        other_name: name of the view in the scene `other`; by default, the same name.

    Returns:
        The larger of two numbers: the largest distance between two ray origins, and the largest distance between two
        unit directions. The latter is approximately an angle in radians.
    """
    (origin, seen), (other_origin, other_seen) = data_rays(one, name), data_rays(other, other_name or name)
    return max(float((origin - other_origin).abs().max()), float((seen - other_seen).norm(dim=-1).max()))


def pixel_difference(one: Scene, other: Scene, name: str, other_name: str | None = None) -> float:
    """Compare the ray directions of one view in two scenes.

    Return the largest difference, converted to pixels at the image center.
    """
    (_, seen), (_, other_seen) = data_rays(one, name), data_rays(other, other_name or name)
    focal = float(one.cameras.intrinsics[one.names.index(name), 0])
    return focal * float((seen - other_seen).norm(dim=-1).max())
