"""List the views of a data set, so that an exporter can write them in another format.

Each view is listed once, even if several splits contain the view. Poses are given in the data's own coordinates.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from radfield_core.cameras import Camera
from radfield_core.data.scene import ImageSource, Scene
from radfield_core.data.similarity import Array, transform_cameras
from radfield_core.errors import UsageError
from radfield_core.files.pictures import write_picture

MAX_POSE_DIFFERENCE = 1e-6
"""Two views with the same name count as one view if the entries of their poses differ by at most this."""


@dataclass(frozen=True, eq=False)
class StoredView:
    """One view of a data set, to be written in another format.

    Attributes:
        file_name: name of the image file to write.
        splits: the splits that the view belongs to.
        c2w: [3, 4], camera-to-world matrix in the data's own coordinates.
        camera: the camera. Its cx and cy follow the convention that the center of the first pixel is at 0.5.
        scene: the scene of one of the splits that contain the view.
        index: number of the view in `scene`.
    """

    file_name: str
    splits: tuple[str, ...]
    c2w: Array
    camera: Camera
    scene: Scene
    index: int

    @property
    def view_depth(self) -> Tensor | None:
        """The true distance along each ray [H, W], or None if the distances are unknown."""
        return None if self.scene.depths is None else self.scene.depths[self.index]

    def write_image(self, path: Path) -> None:
        """Write the image to a file. If the image comes from a file with the same ending as `path`, copy that file."""
        _write(self.scene.images, self.index, path)

    def write_mask(self, path: Path) -> None:
        """Write the mask to a file, always in black and white. The scene must have masks."""
        assert self.scene.masks is not None
        write_picture(path, self.scene.masks[self.index].numpy())


def views_to_store(scenes: Mapping[str, Scene]) -> list[StoredView]:
    """Return all views of a data set, sorted by file name.

    Views of different splits that have the same name and pose are listed as one view.

    Args:
        scenes: split -> scene.

    Raises:
        UsageError: two different views would get the same file name.

    Example:
        >>> from radfield_core.testing.captures import toy_capture
        >>> scene = toy_capture(2)
        >>> [(view.file_name, view.splits) for view in views_to_store({"train": scene, "test": scene})]
        [('view_000.png', ('train', 'test')), ('view_001.png', ('train', 'test'))]
    """
    found: dict[str, StoredView] = {}
    for split, scene in scenes.items():
        c2w = transform_cameras(scene.to_data.double().numpy(), scene.cameras.c2w.detach().double().numpy())
        for index in range(len(scene.cameras)):
            name = scene.names[index] if scene.names else f"{split}_{index:05d}"
            file_name = _file_name(name, scene.images, index)
            splits: tuple[str, ...] = (split,)
            if (known := found.get(file_name)) is not None:
                if np.abs(known.c2w - c2w[index]).max() > MAX_POSE_DIFFERENCE:
                    raise UsageError(
                        f"two views would both be stored as {file_name}",
                        path=name,
                        hint="Rename the images so that their names differ",
                    )
                splits = (*known.splits, split)
            camera = _with_standard_center(scene.cameras.camera(index))
            found[file_name] = StoredView(file_name, splits, c2w[index], camera, scene, index)
    return [found[name] for name in sorted(found)]


def _file_name(name: str, images: ImageSource, index: int) -> str:
    """Return a portable file name for a view.

    It ends like the view's image file, or in .png if the image does not come from a file.
    """
    path = images.path(index)
    suffix = ".png" if path is None else path.suffix.lower()
    stem = str(Path(name).with_suffix("")) if Path(name).suffix.lower() in (suffix, ".png", ".jpg") else name
    return re.sub(r"[^\w.-]+", "_", stem).strip("_.") + suffix


def _with_standard_center(camera: Camera) -> Camera:
    """Return the same camera, with cx and cy converted so that the center of the first pixel is at 0.5."""
    shift = 0.5 - camera.pixel_center
    return replace(camera, cx=camera.cx + shift, cy=camera.cy + shift, pixel_center=0.5)


def _write(source: ImageSource, index: int, path: Path) -> None:
    original = source.path(index)
    if original is not None and original.suffix.lower() == path.suffix:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, path)
        return
    write_picture(path, source[index].numpy())
