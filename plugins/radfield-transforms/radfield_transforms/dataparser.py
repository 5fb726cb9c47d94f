"""dataparser:transforms — nerfstudio's and instant-ngp's transforms.json."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from radfield_core import DataParser, DatasetError, Problems, Scene, visible
from radfield_core.data import (
    IMAGE_SUFFIXES,
    Capture,
    ImageFault,
    camera_box,
    check_poses,
    choose_split,
    common_lens,
    content_box,
    holdout_splits,
    near_far_limits,
    normalizing_similarity,
    pose_fault,
    read_header,
    read_pose,
    scene_box,
    similarity_scale,
    split_notes,
)
from radfield_core.files import display_path, missing_files, read_json, safe_join
from radfield_transforms import meta as keys
from radfield_transforms.config import TransformsConfig
from radfield_transforms.depths import depth_notes, depth_paths
from radfield_transforms.ply import read_points
from radfield_transforms.sniff import sniff


class _Frame(NamedTuple):
    """One frame with what it inherits from its file; `own_split` is that of a file for one split."""

    name: str
    table: dict[str, Any]
    meta: dict[str, Any]
    own_split: str | None


class Transforms(DataParser):
    """Frames sorted by name; the box from instant-ngp's keys, else from the points, else guessed from the cameras."""

    config: TransformsConfig
    sniff = staticmethod(sniff)

    def parse(self, split: str) -> Scene:
        """One split. Raises DatasetError with every fault found."""
        folder, files = keys.folder_and_files(Path(self.config.root))
        metas = {own: _read(path) for own, path in files.items()}
        frames = _frames(metas, folder)
        problems = Problems()
        splits = _splits(frames, metas, self.config.holdout, folder, problems)
        chosen = choose_split(splits, split, folder)
        capture = _capture(frames, folder, problems).fitted(problems)
        first = next(iter(metas.values()))
        ngp_box = _ngp_box(first, capture.c2w[:, :, 3], problems)
        to_original = _to_original(first, problems)
        problems.raise_as(DatasetError)
        config, keep = self.config, ngp_box is not None
        to_scene = normalizing_similarity(
            capture.c2w,
            config.orientation or ("none" if keep else "up"),
            config.center or ("none" if keep else "focus"),
            not keep if config.auto_scale is None else config.auto_scale,
        )
        center, radius, measured, near, far = ngp_box or _measure(capture)
        scale = similarity_scale(to_scene)
        notes = [*_key_notes(metas), *split_notes(splits)]
        return capture.scene(
            chosen, to_scene, near=near * scale, far=far * scale, box=scene_box(center, radius, to_scene, measured),
            to_original=to_original, notes=notes,
        )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("frames"), list):
        raise DatasetError("holds no list of frames", path=str(path), hint='a transforms.json with "frames"')
    if not all(isinstance(frame, dict) for frame in value["frames"]):
        raise DatasetError("holds frames that are no objects", path=str(path))
    return value


def _frames(metas: dict[str | None, dict[str, Any]], folder: Path) -> list[_Frame]:
    """Every frame of every file, sorted by name; DatasetError for frames without a usable name or listed twice."""
    problems = Problems()
    frames = []
    for own, meta in metas.items():
        for i, table in enumerate(meta["frames"]):
            name = table.get("file_path")
            if not isinstance(name, str) or not name.strip():
                problems.add(f"frame {i}", f"file_path is {name!r:.60}, not a name")
            else:
                frames.append(_Frame(name, table, meta, own))
    for name, times in sorted(Counter(frame.name for frame in frames).items()):
        if times > 1:
            problems.add(name, "is listed twice")
    problems.raise_as(DatasetError)
    return sorted(frames, key=lambda frame: frame.name)


def _splits(
    frames: list[_Frame], metas: dict[str | None, dict[str, Any]], every: int, folder: Path, problems: Problems
) -> dict[str, list[int]]:
    """By the lists of names in the file, by one file per split, or every so many."""
    named: dict[str, list[str]] = {}
    meta = next(iter(metas.values()))
    for split in ("train", "val", "test"):
        listed = meta.get(f"{split}_filenames")
        if listed is not None and not (isinstance(listed, list) and all(isinstance(name, str) for name in listed)):
            problems.add(f"{split}_filenames", "is no list of names")
        elif listed is not None:
            named[split] = listed
    if None not in metas:
        splits = {own: [i for i, frame in enumerate(frames) if frame.own_split == own] for own in metas if own}
    elif named:
        if "train" not in named:
            problems.add("train_filenames", "is missing, though other splits are listed", "all three lists or none")
        place_of = {_plain(frame.name): i for i, frame in enumerate(frames)}
        for split, listed in named.items():
            for name in listed:
                if _plain(name) not in place_of:
                    problems.add(f"{split}_filenames", f"{name!r:.200} is no frame")
        splits = {
            split: sorted({place_of[_plain(name)] for name in listed if _plain(name) in place_of})
            for split, listed in named.items()
        }
    else:
        return holdout_splits(len(frames), every, folder)
    problems.raise_as(DatasetError)
    splits["val"] = splits.get("val") or splits.get("test", [])
    splits["test"] = splits.get("test") or splits["val"]
    return splits


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _capture(frames: list[_Frame], folder: Path, problems: Problems) -> Capture:
    """The frames as a capture; faults go to `problems`, and are raised here if nothing can be made of the frames."""
    root = folder.resolve()
    names, tables = [frame.name for frame in frames], [frame.table for frame in frames]
    per_frame = {key for key in keys.INTRINSIC_KEYS if any(key in table for table in tables)}
    for key in sorted(per_frame & {"fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x"}):
        keys.present_in_all(tables, key, names, problems)
    depths = depth_paths(tables, names, folder, problems)
    has_masks = keys.present_in_all(tables, "mask_path", names, problems)
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
            problems.add(frame.name, f"transform_matrix: {error}", "a 4×4 camera-to-world matrix")
    problems.raise_as(DatasetError)
    problems.found.extend(missing_files(images, root))
    c2w, notes = check_poses(poses, names, problems)
    problems.raise_as(DatasetError)
    lenses, rows = [], []
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
            break  # every frame would say the same
    problems.raise_as(DatasetError)
    model, distortion = common_lens(lenses, folder)
    return Capture(
        root=root, names=names, images=images, c2w=c2w, intrinsics=np.array(rows),
        sizes=np.array(sizes).round().astype(np.int64), model=model, distortion=distortion,
        masks=masks if has_masks else None, points=_points(frames[0].meta, folder),
        notes=(*notes, *depth_notes(depths, frames[0].meta, camera_box(c2w)[1], problems)),
    )  # fmt: skip


def _image_path(folder: Path, name: str) -> Path:
    """The frame's file; a name without a known ending means the first file that has one."""
    path = safe_join(folder, name)
    if path.suffix.lower() in IMAGE_SUFFIXES or path.is_file():
        return path
    endings = (path.with_name(path.name + suffix) for suffix in IMAGE_SUFFIXES)
    return next((candidate for candidate in endings if candidate.is_file()), path.with_name(path.name + ".png"))


def _size(table: dict[str, Any], path: Path, root: Path, problems: Problems) -> tuple[float, float] | None:
    """Width and height by the file's keys, else by the image itself; None if that cannot be read, as others say."""
    where = display_path(path, root)
    width, height = (keys.number(table, key, where, problems) for key in ("w", "h"))
    if width is not None and height is not None:
        if not (1 <= width <= 1e6 and 1 <= height <= 1e6):
            problems.add(where, f"the size is {width:g}×{height:g}")
        return width, height
    try:
        header = read_header(path)
    except ImageFault:
        return None
    return float(header.width), float(header.height)


def _points(meta: dict[str, Any], folder: Path) -> np.ndarray | None:
    name = meta.get("ply_file_path")
    if name is None:
        return None
    points = read_points(safe_join(folder, name))
    return points if len(points) else None


def _ngp_box(
    meta: dict[str, Any], places: np.ndarray, problems: Problems
) -> tuple[np.ndarray, float, bool, float, float] | None:
    """Center, half side, measured, near, far of instant-ngp's box, or None if the file does not speak of one.

    instant-ngp looks at x · scale + offset in a cube of side aabb_scale round 1/2, from 0.1 in front of the camera on.
    """
    if not {"aabb_scale", "scale", "offset"} & set(meta):
        return None
    side = keys.number(meta, "aabb_scale", "aabb_scale", problems)
    side, scale = 1.0 if side is None else side, keys.number(meta, "scale", "scale", problems)
    scale = 0.33 if scale is None else scale
    offset = meta.get("offset", [0.5, 0.5, 0.5])
    numbers = isinstance(offset, list) and all(type(x) in (int, float) and abs(x) < 1e6 for x in offset)
    if not numbers or len(offset) != 3:
        problems.add("offset", "is not a list of three numbers")
        offset = [0.5, 0.5, 0.5]
    if not 0 < side <= 128:
        problems.add("aabb_scale", f"is {side:g}", "a power of two up to 128")
    if not 1e-6 < scale < 1e6:
        problems.add("scale", f"is {scale:g}", "a positive number such as 0.33")
    if problems:
        return None
    center, radius = (0.5 - np.array(offset, dtype=np.float64)) / scale, 0.5 * side / scale
    furthest = float(np.linalg.norm(places - center, axis=-1).max())
    return center, radius, True, 0.1 / scale, furthest + 3**0.5 * radius


def _measure(capture: Capture) -> tuple[np.ndarray, float, bool, float, float]:
    """Center, half side, measured, near, far from the points and cameras."""
    if capture.points is None or len(capture.points) < 10:
        center, radius = camera_box(capture.c2w)
        return center, radius, False, 0.05 * radius, 4.0 * radius
    center, radius = content_box(capture.points, capture.c2w[:, :, 3])
    cameras = capture.cameras(np.eye(4), range(len(capture.names)))
    points, distances = torch.from_numpy(capture.points), []
    for i in range(len(cameras)):
        inside = visible(cameras.view(i), points).numpy()
        distances.append(np.linalg.norm(capture.points[inside] - capture.c2w[i, :, 3], axis=-1))
    near, far = near_far_limits(np.concatenate(distances)) or (0.05 * radius, 4.0 * radius)
    return center, radius, True, near, far


def _to_original(meta: dict[str, Any], problems: Problems) -> np.ndarray | None:
    """The inverse of applied_transform and applied_scale: from the file's coordinates to those before it was made.

    Either may be absent, and both, which gives None.
    """
    value, scale = meta.get("applied_transform"), keys.number(meta, "applied_scale", "applied_scale", problems)
    if value is None and scale is None:
        return None
    try:
        matrix = np.eye(4) if value is None else read_pose(value)
    except (ValueError, OverflowError) as error:
        problems.add("applied_transform", str(error), "a 3×4 matrix")
        return None
    if scale is not None and not 1e-6 < scale < 1e6:
        problems.add("applied_scale", f"is {scale:g}", "a positive number")
        return None
    if found := _similarity_fault(matrix):
        problems.add("applied_transform", *found)
        return None
    matrix[:3] *= 1.0 if scale is None else scale
    return np.linalg.inv(matrix)


def _similarity_fault(matrix: np.ndarray) -> tuple[str, str] | None:
    """What is wrong with a matrix [4, 4] that is no rotation with a scale and a move, and what to try."""
    usable = np.isfinite(matrix).all() and np.abs(matrix).max() < 1e6
    lengthens = similarity_scale(matrix) if usable else 0.0
    if lengthens <= 1e-6 or np.abs(matrix[:3, :3].T @ matrix[:3, :3] / lengthens**2 - np.eye(3)).max() >= 1e-3:
        return "is no rotation with a scale and a move", ""
    return pose_fault(np.block([[matrix[:3, :3] / lengthens, matrix[:3, 3:]], [matrix[3:]]]))


def _key_notes(metas: dict[str | None, dict[str, Any]]) -> list[str]:
    tables = [frame for meta in metas.values() for frame in meta["frames"]]
    unknown = keys.unknown_keys(metas.values(), keys.FILE_KEYS) + keys.unknown_keys(tables, keys.FRAME_KEYS)
    return [f"keys that are not understood and not used: {', '.join(unknown)[:300]}"] if unknown else []
