"""Scenes stored without their images: the file cameras.safetensors of a run.

With this file, a run can be rendered and exported without its data. Pixels are read from the data when they are first
used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from radfield_core.cameras import Cameras
from radfield_core.data.scene import EstimatedUp, ImageSource, Scene
from radfield_core.errors import DatasetError
from radfield_core.files.json_files import dump_json
from radfield_core.ops.distortion import MODELS
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.types import SceneBox

MAX_POINTS = 2**20
"""A scene with more known points is stored without them."""

_TENSORS = (
    "c2w", "intrinsics", "sizes", "distortion", "to_data", "center", "render_path", "points", "point_colors",
    "loss_weights",
)  # fmt: skip
_VALUES = ("masks_mean", "limits_along", "ndc", "unit", "up", "estimated_up", "background", "names", "groups")


class LaterImages:
    """An `ImageSource` whose images are read when they are first used.

    Args:
        channels: number of channels C.
        sizes: width and height of each image [V, 2] int64.
        load: function that returns the images.
    """

    def __init__(self, channels: int, sizes: Tensor, load: Callable[[], ImageSource]):
        self.channels, self.sizes, self._load = channels, sizes, load

    def __len__(self) -> int:
        return len(self.sizes)

    def _images(self) -> ImageSource:
        """Return the images. Raises DatasetError if their number or their sizes have changed."""
        images = self._load()
        if not torch.equal(images.sizes, self.sizes):
            message = "the number or the sizes of the images have changed since the run was trained"
            raise DatasetError(message, path="data")
        return images

    def __getitem__(self, index: int) -> Tensor:
        return self._images()[index]

    def path(self, index: int) -> Path | None:
        """Return the file of an image, if there is one."""
        return self._images().path(index)

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the pixels [n, C] uint8 at the given image numbers, rows and columns, each [n] int64."""
        return self._images().gather(images, rows, columns)

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Return the number of each image that cannot be used, with the reason."""
        return self._images().check(progress)

    def only(self, kept: Sequence[int]) -> LaterImages:
        """Return an image source of some of the images. `kept` has their numbers, in the order of the result."""
        rows = list(kept)
        return LaterImages(self.channels, self.sizes[rows], lambda: self._images().only(rows))

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images once. See `ImageSource.prepare`."""
        self._images().prepare(cache_mb, progress)


def _no_images() -> ImageSource:
    raise AssertionError("a stored scene gets its images from the data")


def packed(scenes: Mapping[str, Scene]) -> bytes:
    """Return the content of cameras.safetensors."""
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for split, scene in scenes.items():
        cameras, box = scene.cameras, scene.box
        few = scene.points is not None and len(scene.points) <= MAX_POINTS
        points, colors = (scene.points, scene.point_colors) if few else (None, None)
        found = (
            cameras.c2w, cameras.intrinsics, cameras.sizes, cameras.distortion, scene.to_data, box.center,
            scene.render_path, points, colors, scene.loss_weights,
        )  # fmt: skip
        for name, tensor in zip(_TENSORS, found, strict=True):
            if tensor is not None:
                tensors[f"{split}/{name}"] = tensor.detach().cpu().clone().contiguous()
        values[split] = {name: getattr(scene, name) for name in _VALUES} | {
            "near": repr(scene.near), "far": repr(scene.far),  # as text, because JSON has no infinity
            "pixel_center": cameras.pixel_center, "model": cameras.model, "radius": box.radius, "shape": box.shape,
            "measured": box.measured, "channels": scene.images.channels, "has_masks": scene.masks is not None,
        }  # fmt: skip
    described = np.frombuffer(dump_json(values).encode(), dtype=np.uint8).copy()
    tensors["values"] = torch.from_numpy(described)
    return bytes(safetensors.torch.save(tensors))


def unpacked(data: bytes) -> dict[str, Scene]:
    """Return the scenes that `packed` has stored. Raises KeyError, TypeError or ValueError if the data are damaged."""
    tensors = safetensors.torch.load(data)
    values = json.loads(bytes(tensors["values"].numpy()))
    return {split: _scene(split, known, tensors) for split, known in values.items()}


def _scene(split: str, known: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Scene:
    found = _checked(split, known, {name: tensors.get(f"{split}/{name}") for name in _TENSORS})
    c2w, intrinsics, sizes, center = (_present(split, found[name]) for name in ("c2w", "intrinsics", "sizes", "center"))
    background = known["background"]
    return Scene(
        cameras=Cameras(
            c2w, intrinsics, sizes, float(known["pixel_center"]), known["model"], distortion=found["distortion"]
        ),
        images=LaterImages(int(known["channels"]), sizes, _no_images),
        near=float(known["near"]),
        far=float(known["far"]),
        box=SceneBox(center, float(known["radius"]), known["shape"], bool(known["measured"])),
        masks=LaterImages(1, sizes, _no_images) if known["has_masks"] else None,
        masks_mean=known["masks_mean"],
        limits_along=known["limits_along"],
        ndc=bool(known["ndc"]),
        to_data=_present(split, found["to_data"]),
        unit=known["unit"],
        up=known["up"],
        estimated_up=_estimated_up(known.get("estimated_up")),  # older runs have none
        background=None if background is None else (background[0], background[1], background[2]),
        points=found["points"],
        point_colors=found["point_colors"],
        names=[str(name) for name in known["names"]],
        groups=[str(group) for group in known["groups"]],
        loss_weights=found["loss_weights"],
        render_path=found["render_path"],
    )


def _estimated_up(stored: Any) -> EstimatedUp | None:
    """Return a stored estimate of the upward direction. Raises ValueError if it is none."""
    if stored is None:
        return None
    (x, y, z), how = stored
    if not math.isclose(math.hypot(x, y, z), 1.0, rel_tol=1e-3):
        raise ValueError(f"the upward direction {stored[0]} is no unit vector")
    return EstimatedUp((float(x), float(y), float(z)), str(how))


def _checked(split: str, known: Mapping[str, Any], found: Mapping[str, Tensor | None]) -> Mapping[str, Tensor | None]:
    """Return the tensors of a split if their shapes and values are possible. Raises ValueError if they are not."""
    n, points = len(_present(split, found["c2w"])), found["points"]
    shapes = {
        "c2w": (n, 3, 4), "intrinsics": (n, 4), "sizes": (n, 2), "distortion": (n, MODELS[known["model"]]),
        "to_data": (4, 4), "center": (3,), "loss_weights": (n,),
        "render_path": (-1, 3, 4), "points": (-1, 3), "point_colors": (0 if points is None else len(points), 3),
    }  # fmt: skip
    for name, tensor in found.items():
        if tensor is None:
            continue
        same = tensor.ndim == len(shapes[name]) and all(
            wanted in (-1, size) for wanted, size in zip(shapes[name], tensor.shape, strict=True)
        )
        if not same or not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{split}/{name} has the shape {tuple(tensor.shape)} or values that are not finite")
    if n == 0 or bool((_present(split, found["sizes"]) < 1).any()):
        raise ValueError(f"split {split} has no views, or sizes that are not possible")
    if any(len(known[name]) not in (0, n) for name in ("names", "groups")):
        raise ValueError(f"split {split} has another number of names than of views")
    return found


def _present(split: str, tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError(f"split {split} is incomplete")
    return tensor
