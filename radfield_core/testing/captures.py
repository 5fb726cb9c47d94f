"""Small captures with known cameras, to write in a format and read back, and the rays to compare."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from radfield_core.cameras import Cameras, directions
from radfield_core.data.images import MemoryImages
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import transform_cameras
from radfield_core.types import SceneBox


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
    """n views of nothing in particular: random pixels, cameras round 60 points near (1, 2, 3), or before them.

    One focal length, equal to the image's width; every camera has the same lens. forward: all look along −z.
    """
    draw = np.random.default_rng(seed)
    middle = np.array([1.0, 2.0, 3.0])
    places = 3.0 * draw.normal(size=(n, 3))
    places = 4.0 * places / np.linalg.norm(places, axis=1, keepdims=True) * (1.0, 1.0, 0.3) + middle
    if forward:
        places = 0.4 * draw.normal(size=(n, 3)) + middle + (0.0, 0.0, 5.0)
    c2w = np.stack([_looking(place, middle + 0.1 * draw.normal(size=3)) for place in places])
    width, height = size
    cameras = Cameras.pinhole(torch.from_numpy(c2w), float(width), width, height)
    cameras = Cameras(
        cameras.c2w, cameras.intrinsics, cameras.sizes, model=model,
        distortion=torch.tensor(distortion, dtype=torch.float64).expand(n, -1).clone() if distortion else None,
    )  # fmt: skip
    pixels = torch.from_numpy(draw.integers(0, 256, size=(n, height, width, 3), dtype=np.uint8))
    black_and_white = torch.from_numpy(255 * draw.integers(0, 2, size=(n, height, width, 1), dtype=np.uint8))
    return Scene(
        cameras=cameras, images=MemoryImages(pixels), masks=MemoryImages(black_and_white) if masks else None,
        near=2.0, far=6.0, box=SceneBox(torch.from_numpy(middle).float(), 1.5),
        points=torch.from_numpy(middle + 0.4 * draw.normal(size=(60, 3))),
        names=[f"view_{i:03d}" for i in range(n)],
    )  # fmt: skip


def _looking(place: np.ndarray, target: np.ndarray) -> np.ndarray:
    z = (place - target) / np.linalg.norm(place - target)
    x = np.cross([0.1, 1.0, 0.2], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z, place], axis=1)


def data_rays(scene: Scene, name: str, step: int = 5) -> tuple[Tensor, Tensor]:
    """Origin [3] and unit directions [R, 3] in the data's own coordinates of every step-th pixel of a named view."""
    index = scene.names.index(name)
    view = scene.cameras.view(index)
    c2w = transform_cameras(scene.to_data.numpy(), view.c2w[None].numpy())[0]
    width, height = view.camera.width, view.camera.height
    columns, rows = torch.meshgrid(torch.arange(0, width, step), torch.arange(0, height, step), indexing="xy")
    pixels = torch.stack([columns, rows], -1).reshape(-1, 2)
    parameters = torch.tensor(view.camera.distortion, dtype=torch.float64)
    local = directions(pixels, view.camera.intrinsics, view.camera.pixel_center, view.camera.model, parameters)
    seen = torch.nn.functional.normalize(local @ torch.from_numpy(c2w[:, :3]).T, dim=-1)
    return torch.from_numpy(c2w[:, 3]), seen


def ray_difference(one: Scene, other: Scene, name: str, other_name: str | None = None) -> float:
    """Largest difference between two scenes' rays of one view: of origins, and of directions in radians."""
    (origin, seen), (other_origin, other_seen) = data_rays(one, name), data_rays(other, other_name or name)
    return max(float((origin - other_origin).abs().max()), float((seen - other_seen).norm(dim=-1).max()), 0.0)


def pixel_difference(one: Scene, other: Scene, name: str, other_name: str | None = None) -> float:
    """Largest difference of directions of one view in two scenes, in pixels at the image's middle."""
    (_, seen), (_, other_seen) = data_rays(one, name), data_rays(other, other_name or name)
    focal = float(one.cameras.intrinsics[one.names.index(name), 0])
    return focal * float((seen - other_seen).norm(dim=-1).max())
