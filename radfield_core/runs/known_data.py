"""A run's record of its data: the cameras of every split, and the names, sizes and times of the image files.

cameras.safetensors   every split without its images, so that a run can be rendered and exported without its data
data.json             the place of the data and its image files, so that a change is noticed
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch

from radfield_core.cameras import Cameras
from radfield_core.config.run import RunConfig
from radfield_core.data.scene import ImageSource, Scene
from radfield_core.errors import DatasetError, StorageError
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.files.untrusted import read_limited
from radfield_core.names import plural
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.stored_run import data_root, place_of_data
from radfield_core.runs.stored_scenes import LaterImages, packed, unpacked

MAX_CAMERA_BYTES = 2**30
SHOWN = 5
"""Number of names in a message."""

logger = logging.getLogger(__name__)

Files = Mapping[str, Sequence[int]]
"""Path of a file, relative to the data -> size of the file in bytes, and its modification time in nanoseconds."""


@dataclass(frozen=True)
class KnownData:
    """Facts about a run's data, read from the run's folder.

    Attributes:
        views: split -> scene without images.
        files: split -> the image and mask files.
    """

    views: Mapping[str, Scene] = field(default_factory=dict)
    files: Mapping[str, Files] = field(default_factory=dict)

    @staticmethod
    def read(folder: RunFolder) -> KnownData:
        """Read what a run's folder says about its data. If a file is missing or damaged, its part is empty."""
        views: dict[str, Scene] = {}
        if folder.cameras.exists():
            try:
                views = unpacked(read_limited(folder.cameras, MAX_CAMERA_BYTES, "file of cameras"))
            except (DatasetError, KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
                logger.warning("%s is damaged (%s), so the data are read instead", folder.cameras, error)
        try:
            files = folder.stored_data().get("files", {})
            return KnownData(views, {split: dict(known) for split, known in files.items()})
        except (StorageError, AttributeError, TypeError, ValueError):
            logger.warning("%s is damaged, so changes of the image files are not noticed", folder.data)
            return KnownData(views)

    def scene(self, split: str, load: Callable[[], Scene]) -> Scene | None:
        """Return a split whose images and masks are read only when they are used, or None if it is not stored.

        Args:
            split: name of the split.
            load: function that reads the split from the data.
        """
        stored = self.views.get(split)
        if stored is None:
            return None
        sizes, masks = stored.cameras.sizes, stored.masks
        later = LaterImages(stored.images.channels, sizes, lambda: load().images)
        later_masks = None if masks is None else LaterImages(1, sizes, lambda: _masks_of(load()))
        return replace(stored, images=later, masks=later_masks)

    def changes(self, split: str, scene: Scene, root: Path | None) -> tuple[list[str], list[str]]:
        """Compare a split with what the run's folder says about it.

        Returns:
            Two lists of messages. The first has differences of cameras and region, which prevent resuming the run. The
            second has all other differences: views that are missing or new, and changed files.
        """
        stored = self.views.get(split)
        geometry, views = ([], []) if stored is None else _compare_views(split, stored, scene)
        if split not in self.files:
            return geometry, views
        return geometry, [*views, *_compare_files(split, self.files[split], files_of(scene, root))]


def record_data(folder: RunFolder, run: RunConfig, scenes: Mapping[str, Scene]) -> None:
    """Write the files that `KnownData.read` reads."""
    root = data_root(run)
    content = {**place_of_data(run, folder), "files": {split: files_of(scene, root) for split, scene in scenes.items()}}
    write_durably(folder.data, dump_json(content) + "\n")
    write_durably(folder.cameras, packed(scenes))


def files_of(scene: Scene, root: Path | None) -> dict[str, list[int]]:
    """Return the size and the modification time of each image and mask file of a scene.

    Files below `root` are named relative to it.
    """
    found: dict[str, list[int]] = {}
    for source in (scene.images, scene.masks):
        for index in range(0 if source is None else len(source)):
            for path in _paths(source, index):
                try:
                    status = path.stat()
                    facts = [status.st_size, status.st_mtime_ns]
                except OSError:
                    facts = [-1, 0]
                inside = root is not None and path.is_relative_to(root)
                found[os.path.relpath(path, root) if inside else str(path)] = facts
    return found


def _paths(source: Any, index: int) -> Iterator[Path]:
    """Yield the files that an image is made of. A source that combines other sources has these as attributes."""
    path = source.path(index)
    if path is not None:
        yield path
        return
    for name in ("source", "images", "masks"):
        inner = getattr(source, name, None)
        if inner is not None and hasattr(inner, "path"):
            yield from _paths(inner, index)


def _masks_of(scene: Scene) -> ImageSource:
    if scene.masks is None:
        raise DatasetError("the data have no masks any more", path="data")
    return scene.masks


def _compare_views(split: str, stored: Scene, scene: Scene) -> tuple[list[str], list[str]]:
    """Compare the cameras and the region of a split.

    Return two lists of messages: about different cameras or another region, and about views that are missing or new.
    """
    old, new = _numbers(stored), _numbers(scene)
    shared = [name for name in old if name in new]
    gone, added = [name for name in old if name not in new], [name for name in new if name not in old]
    moved = [name for name in shared if not _same_camera(stored.cameras, old[name], scene.cameras, new[name])]
    matter, lines = [], []
    if moved or not shared:
        others = _listed(moved or added, "camera", "is not as when", "are not as when")
        matter.append(f"{split}: {others} the run was trained")
    same_region = (
        np.allclose([stored.near, stored.far, stored.box.radius], [scene.near, scene.far, scene.box.radius], rtol=1e-5)
        and torch.allclose(stored.box.center.double(), scene.box.center.double(), atol=1e-5 * stored.box.radius)
        and torch.allclose(stored.to_data.double(), scene.to_data.double(), rtol=1e-5, atol=1e-6)
    )
    if not same_region:
        matter.append(f"{split}: the scene has other coordinates, near and far limits, or another region")
    if gone and shared:
        lines.append(f"{split}: {_listed(gone, 'view', 'is', 'are')} no longer in the data")
    if added and shared:
        lines.append(f"{split}: {_listed(added, 'view', 'is', 'are')} new in the data")
    return matter, lines


def _numbers(scene: Scene) -> dict[str, int]:
    return {scene.name(index): index for index in range(len(scene.cameras))}


def _same_camera(a: Cameras, i: int, b: Cameras, j: int) -> bool:
    """Return whether two cameras are equal, up to rounding."""
    reach = max(1.0, float(a.c2w[i, :, 3].abs().max()))
    lens = (a.distortion is None) == (b.distortion is None) and a.model == b.model
    return (
        lens
        and torch.allclose(a.c2w[i].double(), b.c2w[j].double(), rtol=0, atol=1e-5 * reach)
        and torch.allclose(a.intrinsics[i], b.intrinsics[j], rtol=1e-5, atol=1e-4)
        and torch.equal(a.sizes[i], b.sizes[j])
        and (a.distortion is None or b.distortion is None or torch.allclose(a.distortion[i], b.distortion[j]))
    )


def _compare_files(split: str, old: Files, new: Files) -> Iterator[str]:
    """Yield one line for each way in which image and mask files of a split have changed."""
    gone, added = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    shared = sorted(old.keys() & new.keys())
    resized = [name for name in shared if list(old[name])[:1] != list(new[name])[:1]]
    touched = [name for name in shared if name not in set(resized) and list(old[name]) != list(new[name])]
    since = "since the run was trained"
    if gone:
        yield f"{split}: {_listed(gone, 'file', 'is', 'are')} no longer part of the data"
    if added:
        yield f"{split}: {_listed(added, 'file', 'is', 'are')} new in the data"
    if resized:
        yield f"{split}: {_listed(resized, 'file', 'has', 'have')} changed {since}"
    if touched and len(touched) == len(old):
        yield f"{split}: all files have other modification times than when the run was trained, as after a copy"
    elif touched:
        yield f"{split}: {_listed(touched, 'file', 'was', 'were')} written {since}"


def _listed(names: Sequence[str], noun: str, one: str, many: str) -> str:
    """Return a count and the first names, such as "2 files (a.png, b.png) have"."""
    shown = ", ".join([*names[:SHOWN], *(["…"] if len(names) > SHOWN else [])])
    return f"{plural(len(names), noun)} ({shown}) {one if len(names) == 1 else many}"
