"""The frames of a transforms file: their names, images, masks, poses and cameras."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from radfield_core import DatasetError, Problems, natural_key
from radfield_core.data import (
    IMAGE_SUFFIXES,
    INTRINSIC_KEYS,
    LENS_KEYS,
    Capture,
    camera_box,
    check_poses,
    present_in_all,
    read_json_cameras,
    read_ply_points,
    read_pose,
    unused_points,
    usable_points,
)
from radfield_core.files import display_path, safe_join
from radfield_transforms.config import TransformsConfig
from radfield_transforms.surface import surface_files


class Frame(NamedTuple):
    """One frame, and the keys of the file that lists the frame.

    Attributes:
        name: the frame's `file_path`.
        table: the keys of the frame itself.
        meta: the keys of the file. A key in `table` overrides the same key in `meta`.
        own_split: the split of the frame, if each split has its own file. Otherwise None.
    """

    name: str
    table: dict[str, Any]
    meta: dict[str, Any]
    own_split: str | None


def list_frames(metas: dict[str | None, dict[str, Any]]) -> list[Frame]:
    """Return the frames of all files, sorted by name.

    Raises:
        DatasetError: a frame has no usable name, or a name occurs twice.
    """
    problems = Problems()
    frames = []
    for own, meta in metas.items():
        for i, table in enumerate(meta["frames"]):
            name = table.get("file_path")
            if not isinstance(name, str) or not name.strip():
                problems.add(f"frame {i}", f"file_path is {name!r:.60}, not a file name")
            else:
                frames.append(Frame(name, table, meta, own))
    for name, times in sorted(Counter(frame.name for frame in frames).items()):
        if times > 1:
            problems.add(name, f"is listed {times} times")
    problems.raise_as(DatasetError)
    return sorted(frames, key=lambda frame: natural_key(frame.name))


def make_capture(frames: list[Frame], folder: Path, problems: Problems, stored: TransformsConfig) -> Capture:
    """Return the frames as a `Capture`. Every fault is added to `problems`. `stored` says what the poses, depths
    and normals mean.

    Raises:
        DatasetError: the faults are so severe that nothing else can be checked.
    """
    names, tables = [frame.name for frame in frames], [frame.table for frame in frames]
    for key in sorted(set(INTRINSIC_KEYS).difference(LENS_KEYS, ["camera_angle_y"], frames[0].meta)):
        present_in_all(tables, key, names, problems)
    images, masks, poses = _files_and_poses(frames, folder, problems)
    c2w, notes = check_poses(poses, names, problems, stored)
    problems.raise_as(DatasetError)
    cameras = read_json_cameras(
        [(frame.meta, frame.table) for frame in frames], images, names, display_path(folder, folder.parent), folder,
        problems,
    )  # fmt: skip
    problems.raise_as(DatasetError)
    points, colors, more = _points(frames[0].meta, folder)
    surface, found = surface_files(tables, folder, frames[0].meta, stored, camera_box(c2w)[1], problems)
    return Capture(
        root=folder.resolve(), names=names, images=images, c2w=c2w, intrinsics=cameras.intrinsics,
        sizes=cameras.sizes, model=cameras.model, distortion=cameras.distortion, masks=masks, points=points,
        point_colors=colors, surface=surface, notes=(*notes, *cameras.notes, *more, *found),
    )  # fmt: skip


def _files_and_poses(
    frames: list[Frame], folder: Path, problems: Problems
) -> tuple[list[Path], list[Path] | None, list[np.ndarray]]:
    """Return the images, the masks (None if the frames have no masks) and the camera-to-world matrices [4, 4]."""
    has_masks = present_in_all([f.table for f in frames], "mask_path", [f.name for f in frames], problems)
    images, masks, poses = [], [], []
    for frame in frames:
        try:
            images.append(_image_path(folder, frame.name))
            if has_masks:
                masks.append(safe_join(folder, frame.table["mask_path"]))
        except DatasetError as error:
            problems.found.extend(error.problems)
        try:
            poses.append(read_pose(frame.table.get("transform_matrix")))
        except (ValueError, OverflowError) as error:
            problems.add(frame.name, f"transform_matrix: {error}", "Give a 4×4 camera-to-world matrix")
    problems.raise_as(DatasetError)
    return images, masks if has_masks else None, poses


def _image_path(folder: Path, name: str) -> Path:
    """Return the image of a frame.

    If the name lacks an image suffix, return the first existing file with this name and any image suffix. If there is
    none, append the suffix .png.
    """
    path = safe_join(folder, name)
    if path.suffix.lower() in IMAGE_SUFFIXES or path.is_file():
        return path
    endings = (path.with_name(path.name + suffix) for suffix in IMAGE_SUFFIXES)
    return next((candidate for candidate in endings if candidate.is_file()), path.with_name(path.name + ".png"))


def _points(meta: dict[str, Any], folder: Path) -> tuple[np.ndarray | None, np.ndarray | None, list[str]]:
    """Return the sparse points [P, 3] in the file that `ply_file_path` names, their colors, and messages for the user.

    The file is optional. The points are None if no file is named. They are also None if the file is missing or damaged,
    and a message says so.
    """
    name = meta.get("ply_file_path")
    if name is None:
        return None, None, []
    try:
        points, colors = read_ply_points(safe_join(folder, name))
    except DatasetError as error:
        return None, None, [unused_points(error)]
    usable, notes = usable_points(points, name)
    if not usable.any():
        return None, None, notes
    return points[usable], None if colors is None else colors[usable], notes
