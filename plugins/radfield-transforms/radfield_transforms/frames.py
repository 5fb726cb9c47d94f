"""The frames of a transforms file: their names, images, masks, poses and cameras."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from radfield_core import DatasetError, Problems
from radfield_core.data import (
    IMAGE_SUFFIXES,
    Capture,
    ImageFault,
    camera_box,
    check_poses,
    common_lens,
    read_header,
    read_pose,
    unused_points,
    usable_points,
)
from radfield_core.files import display_path, missing_files, safe_join
from radfield_transforms import meta as keys
from radfield_transforms.depths import depth_notes
from radfield_transforms.ply import read_points


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
    return sorted(frames, key=lambda frame: frame.name)


def make_capture(frames: list[Frame], folder: Path, problems: Problems) -> Capture:
    """Return the frames as a `Capture`. Every fault is added to `problems`.

    Raises:
        DatasetError: the faults are so severe that nothing else can be checked.
    """
    names, tables = [frame.name for frame in frames], [frame.table for frame in frames]
    for key in sorted(_keys_in_frames(frames) - set(keys.LENS_KEYS) - {"camera_angle_y"}):
        keys.present_in_all(tables, key, names, problems)
    images, masks, poses = _files_and_poses(frames, folder, problems)
    problems.found.extend(missing_files(images, folder.resolve()))
    c2w, notes = check_poses(poses, names, problems)
    problems.raise_as(DatasetError)
    intrinsics, sizes, lenses = _cameras(frames, images, folder, problems)
    model, distortion = common_lens(lenses, folder)
    points, more = _points(frames[0].meta, folder)
    return Capture(
        root=folder.resolve(), names=names, images=images, c2w=c2w, intrinsics=intrinsics,
        sizes=sizes, model=model, distortion=distortion,
        masks=masks, points=points,
        notes=(*notes, *more, *depth_notes(tables, folder, frames[0].meta, camera_box(c2w)[1], problems)),
    )  # fmt: skip


def _keys_in_frames(frames: list[Frame]) -> set[str]:
    """Return the keys of intrinsics that at least one frame overrides."""
    return {key for key in keys.INTRINSIC_KEYS if any(key in frame.table for frame in frames)}


def _files_and_poses(
    frames: list[Frame], folder: Path, problems: Problems
) -> tuple[list[Path], list[Path] | None, list[np.ndarray]]:
    """Return the images, the masks (None if the frames have no masks) and the camera-to-world matrices [4, 4]."""
    has_masks = keys.present_in_all([f.table for f in frames], "mask_path", [f.name for f in frames], problems)
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


def _cameras(
    frames: list[Frame], images: list[Path], folder: Path, problems: Problems
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, list[float]]]]:
    """Return intrinsics [V, 4] (fx, fy, cx, cy), sizes [V, 2] (width, height), and (lens, parameters) of each view."""
    root, per_frame = folder.resolve(), bool(_keys_in_frames(frames))
    rows, lenses = [], []
    sizes: list[tuple[float, float]] = []
    for frame, path in zip(frames, images, strict=True):
        own = {**{key: frame.meta[key] for key in keys.INTRINSIC_KEYS if key in frame.meta}, **frame.table}
        where = frame.name if per_frame else display_path(folder, folder.parent)
        size = _size(own, path, root, problems) or (sizes[-1] if sizes else (1.0, 1.0))
        sizes.append(size)
        rows.append(keys.intrinsics(own, size, where, problems))
        lens = keys.lens_of(frame.meta, own, where, problems)
        lenses.append((lens, [keys.number(own, key, where, problems) or 0.0 for key in keys.parameters_of(lens) or ()]))
        if problems and not per_frame:
            break  # all frames share the keys of the file, so every frame would repeat the same problem
    problems.raise_as(DatasetError)
    return np.array(rows), np.array(sizes).round().astype(np.int64), lenses


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


def _size(table: dict[str, Any], path: Path, root: Path, problems: Problems) -> tuple[float, float] | None:
    """Return the width and height. They come from the keys `w` and `h`, or from the image if a key is missing.

    If the image cannot be read, return None. This fault is not added to `problems`, because the check of images reports
    it.
    """
    where = display_path(path, root)
    width, height = (keys.number(table, key, where, problems) for key in ("w", "h"))
    if width is not None and height is not None:
        if not (1 <= width <= 1e6 and 1 <= height <= 1e6):
            problems.add(where, f"the size is {width:g}×{height:g}; 1 to 1000000 pixels per side are supported")
        return width, height
    try:
        header = read_header(path)
    except ImageFault:
        return None
    return float(header.width), float(header.height)


def _points(meta: dict[str, Any], folder: Path) -> tuple[np.ndarray | None, list[str]]:
    """Return the sparse points [P, 3] in the file that `ply_file_path` names, and messages for the user.

    The file is optional. The points are None if no file is named, or if the file is missing or damaged, which a message
    states.
    """
    name = meta.get("ply_file_path")
    if name is None:
        return None, []
    try:
        points = read_points(safe_join(folder, name))
    except DatasetError as error:
        return None, [unused_points(error)]
    usable, notes = usable_points(points, name)
    return points[usable] if usable.any() else None, notes
