"""The views of a data set's splits in the data's own coordinates, as writers of formats need them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from radfield_core.cameras import Camera
from radfield_core.data.images import FileImages
from radfield_core.data.placement import move_cameras
from radfield_core.data.scene import ImageSource, Scene
from radfield_core.errors import UsageError
from radfield_core.files.pictures import write_picture


@dataclass(frozen=True, eq=False)
class StoredView:
    """One view: its file name, the splits it belongs to, c2w [3, 4] in the data's coordinates, and its pixels.

    cx and cy of the camera are measured with the middle of the first pixel at 0.5.
    """

    file_name: str
    splits: tuple[str, ...]
    c2w: np.ndarray
    camera: Camera
    scene: Scene
    index: int

    @property
    def view_depth(self) -> Tensor | None:
        """Ground-truth distance along the rays [H, W], if known."""
        return None if self.scene.depths is None else self.scene.depths[self.index]

    def write_image(self, path: Path) -> None:
        """The image as a file: the original one if there is one, else a PNG."""
        _write(self.scene.images, self.index, path)

    def write_mask(self, path: Path) -> None:
        """The mask as a file; the scene must have masks."""
        assert self.scene.masks is not None
        _write(self.scene.masks, self.index, path)


def views_to_store(scenes: Mapping[str, Scene]) -> list[StoredView]:
    """Every view of every split once, sorted by file name. A view of two splits is known by its name and place.

    UsageError for a scene whose views have no names that could become distinct file names.
    """
    found: dict[str, StoredView] = {}
    for split, scene in scenes.items():
        places = move_cameras(scene.to_data.double().numpy(), scene.cameras.c2w.detach().double().numpy())
        for index in range(len(scene.cameras)):
            name = scene.names[index] if scene.names else f"{split}_{index:05d}"
            file_name = _file_name(name, scene.images, index)
            splits: tuple[str, ...] = (split,)
            if (known := found.get(file_name)) is not None:
                if np.abs(known.c2w - places[index]).max() > 1e-6:
                    raise UsageError(
                        f"two views would both be stored as {file_name}", path=name, hint="other file names"
                    )
                splits = (*known.splits, split)
            camera = _standard_center(scene.cameras.camera(index))
            found[file_name] = StoredView(file_name, splits, places[index], camera, scene, index)
    return [found[name] for name in sorted(found)]


def _file_name(name: str, images: ImageSource, index: int) -> str:
    suffix = images.paths[index].suffix.lower() if isinstance(images, FileImages) else ".png"
    stem = str(Path(name).with_suffix("")) if Path(name).suffix.lower() in (suffix, ".png", ".jpg") else name
    return re.sub(r"[^\w.-]+", "_", stem).strip("_.") + suffix


def _standard_center(camera: Camera) -> Camera:
    shift = 0.5 - camera.pixel_center
    return Camera(
        camera.width, camera.height, camera.fx, camera.fy, camera.cx + shift, camera.cy + shift, 0.5, camera.model,
        camera.distortion,
    )  # fmt: skip


def _write(source: ImageSource, index: int, path: Path) -> None:
    if isinstance(source, FileImages) and source.paths[index].suffix.lower() == path.suffix:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.paths[index], path)
        return
    write_picture(path, source[index].numpy())
