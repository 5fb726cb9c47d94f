"""dataparser:transforms — captures described by transforms.json, the format of nerfstudio and instant-ngp."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radfield_core import DataParser, DatasetError, Problems, Scene, visible
from radfield_core.data import (
    Capture,
    camera_box,
    choose_split,
    content_box,
    holdout_splits,
    near_far_limits,
    normalizing_similarity,
    number,
    pose_fault,
    read_pose,
    scene_box,
    similarity_scale,
    split_notes,
    unknown_key_notes,
    unknown_keys,
)
from radfield_core.files import read_json
from radfield_transforms import meta as keys
from radfield_transforms.config import TransformsConfig
from radfield_transforms.frames import Frame, list_frames, make_capture
from radfield_transforms.sniff import sniff

NGP_SCALE = 0.33
"""Scale of instant-ngp's scenes if the file states no scale. The scenes published with instant-ngp have this scale."""

NGP_NEAR = 0.1
"""Distance from the camera at which instant-ngp's rays start, in its own units."""


class Transforms(DataParser):
    """Parser of transforms.json. The frames are sorted by name.

    The scene box comes from instant-ngp's keys if the file has them. Otherwise it comes from the sparse points, or from
    the cameras if there are too few points.
    """

    config: TransformsConfig
    sniff = staticmethod(sniff)

    def parse(self, split: str) -> Scene:
        """Return one split. Raises a DatasetError that lists every fault found."""
        folder, files = keys.folder_and_files(Path(self.config.root))
        metas = {own: _read(path) for own, path in files.items()}
        frames = list_frames(metas)
        problems = Problems()
        splits = _splits(frames, metas, self.config.holdout, folder, problems)
        chosen = choose_split(splits, split, folder)
        capture = make_capture(frames, folder, problems, self.config).fitted(problems)
        first = next(iter(metas.values()))
        ngp_box = _ngp_box(first, capture.c2w[:, :, 3], problems)
        to_original = _to_original(first, problems)
        problems.raise_as(DatasetError)
        config, keep = self.config, ngp_box is not None
        auto_scale = not keep if config.auto_scale is None else config.auto_scale
        orientation = config.orientation or ("none" if keep else "up")
        to_scene = normalizing_similarity(
            capture.c2w,
            orientation,
            config.center or ("none" if keep else "focus"),
            auto_scale,
            panoramic=capture.panoramic,
        )
        center, radius, measured, near, far = ngp_box or _measure(capture)
        scale = similarity_scale(to_scene)
        notes = [*_key_notes(metas), *split_notes(splits)]
        box = scene_box(center, radius, to_scene, measured)
        if keep and not auto_scale:
            box = replace(box, usual_radius=radius * (NGP_NEAR / near) / NGP_SCALE)
        return capture.scene(
            chosen, to_scene, near=near * scale, far=far * scale, box=box, to_original=to_original,
            orientation=orientation, notes=notes,
        )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("frames"), list):
        raise DatasetError("has no list of frames", path=str(path), hint='Pass a transforms.json with a "frames" list')
    if not all(isinstance(frame, dict) for frame in value["frames"]):
        raise DatasetError("has frames that are not JSON objects", path=str(path))
    return value


def _splits(
    frames: list[Frame], metas: dict[str | None, dict[str, Any]], every: int, folder: Path, problems: Problems
) -> dict[str, list[int]]:
    """Return the indices of the frames of each split.

    If there is one file per split, each file lists the frames of its split. If there is a single file, its lists
    train_filenames, val_filenames and test_filenames name the frames. Without such lists, `holdout_splits` divides the
    frames.
    """
    named: dict[str, list[str]] = {}
    meta = next(iter(metas.values()))
    for split in ("train", "val", "test"):
        listed = meta.get(f"{split}_filenames")
        if listed is not None and not (isinstance(listed, list) and all(isinstance(name, str) for name in listed)):
            problems.add(f"{split}_filenames", "is not a list of file names")
        elif listed is not None:
            named[split] = listed
    if None not in metas:
        splits = {own: [i for i, frame in enumerate(frames) if frame.own_split == own] for own in metas if own}
    elif named:
        if "train" not in named:
            problems.add(
                "train_filenames",
                "is missing, but other splits are listed",
                "List the frames of every split, or of none",
            )
        index_of = {_plain(frame.name): i for i, frame in enumerate(frames)}
        for split, listed in named.items():
            for name in listed:
                if _plain(name) not in index_of:
                    problems.add(f"{split}_filenames", f"{name!r:.200} is not the name of a frame")
        splits = {
            split: sorted({index_of[_plain(name)] for name in listed if _plain(name) in index_of})
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


def _ngp_box(
    meta: dict[str, Any], positions: np.ndarray, problems: Problems
) -> tuple[np.ndarray, float, bool, float, float] | None:
    """Return (center, half side, True, near, far) of instant-ngp's box, or None if the file has none of its keys.

    The third value means that the box is measured, not estimated. instant-ngp maps a position x to x · scale + offset.
    It renders the cube of side aabb_scale around (½, ½, ½). Its rays start at a distance of 0.1 from the camera.

    Args:
        meta: keys of the file.
        positions: [V, 3], the camera centers.
        problems: gets the faults of the keys. If it is not empty, the result is None.
    """
    if not {"aabb_scale", "scale", "offset"} & set(meta):
        return None
    side = number(meta, "aabb_scale", "aabb_scale", problems)
    side, scale = 1.0 if side is None else side, number(meta, "scale", "scale", problems)
    scale = NGP_SCALE if scale is None else scale
    offset = meta.get("offset", [0.5, 0.5, 0.5])
    numbers = isinstance(offset, list) and all(type(x) in (int, float) and abs(x) < 1e6 for x in offset)
    if not numbers or len(offset) != 3:
        problems.add("offset", "is not a list of three numbers")
        offset = [0.5, 0.5, 0.5]
    if not 0 < side <= 128:
        problems.add("aabb_scale", f"is {side:g}", "Set a power of two up to 128")
    if not 1e-6 < scale < 1e6:
        problems.add("scale", f"is {scale:g}", "Set a positive number such as 0.33")
    if problems:
        return None
    center, radius = (0.5 - np.array(offset, dtype=np.float64)) / scale, 0.5 * side / scale
    furthest = float(np.linalg.norm(positions - center, axis=-1).max())
    return center, radius, True, NGP_NEAR / scale, furthest + 3**0.5 * radius


def _measure(capture: Capture) -> tuple[np.ndarray, float, bool, float, float]:
    """Return the center and half the side of the scene box, True if the box is measured, and the near and far limits.

    With at least 10 sparse points, the box is measured from them. Otherwise it is estimated from the cameras.
    """
    if capture.points is None or len(capture.points) < 10:
        center, radius = camera_box(capture.c2w, capture.panoramic)
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
    """Return the transform [4, 4] that undoes applied_transform and applied_scale.

    The result is None if the file has neither key, or if a key is faulty. Faults are added to `problems`.
    """
    value, scale = meta.get("applied_transform"), number(meta, "applied_scale", "applied_scale", problems)
    if value is None and scale is None:
        return None
    try:
        matrix = np.eye(4) if value is None else read_pose(value)
    except (ValueError, OverflowError) as error:
        problems.add("applied_transform", str(error), "Give a 3×4 matrix")
        return None
    if scale is not None and not 1e-6 < scale < 1e6:
        problems.add("applied_scale", f"is {scale:g}", "Set a positive number")
        return None
    if found := _similarity_fault(matrix):
        problems.add("applied_transform", *found)
        return None
    matrix[:3] *= 1.0 if scale is None else scale
    return np.linalg.inv(matrix)


def _similarity_fault(matrix: np.ndarray) -> tuple[str, str] | None:
    """Return None if a matrix [4, 4] is a similarity. Otherwise return the fault and a hint."""
    usable = np.isfinite(matrix).all() and np.abs(matrix).max() < 1e6
    scale = similarity_scale(matrix) if usable else 0.0
    if scale <= 1e-6 or np.abs(matrix[:3, :3].T @ matrix[:3, :3] / scale**2 - np.eye(3)).max() >= 1e-3:
        return "is not a rotation with a uniform scale and a translation", ""
    return pose_fault(np.block([[matrix[:3, :3] / scale, matrix[:3, 3:]], [matrix[3:]]]))


def _key_notes(metas: dict[str | None, dict[str, Any]]) -> list[str]:
    tables = [frame for meta in metas.values() for frame in meta["frames"]]
    unknown = unknown_keys(metas.values(), keys.FILE_KEYS) + unknown_keys(tables, keys.FRAME_KEYS)
    return unknown_key_notes(unknown)
