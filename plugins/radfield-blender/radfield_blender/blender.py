"""dataparser:blender — NeRF-synthetic folders (Mildenhall et al. 2020)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from radfield_blender import sniff
from radfield_blender.config import BlenderConfig
from radfield_blender.limits import UP, limits_of
from radfield_core import DataParser, DatasetError, NoSuchSplit, Problems, Scene
from radfield_core.data import (
    CAMERA_KEYS,
    IMAGE_SUFFIXES,
    Capture,
    check_poses,
    present_in_all,
    read_json_cameras,
    read_pose,
    unknown_key_notes,
    unknown_keys,
)
from radfield_core.files import missing_files, read_json, safe_join

FRAME_KEYS = frozenset({"file_path", "transform_matrix", "mask_path", "rotation", *CAMERA_KEYS})


class BlenderParser(DataParser):
    """Parser of NeRF-synthetic folders.

    Poses are camera-to-world matrices with OpenGL axes. The focal length is f = W / (2 tan(camera_angle_x / 2)), and
    the principal point is the image center. Keys that other programs write into the file or its frames are used too:
    fl_x, fl_y, cx, cy, k1 … p2, camera_angle_y and mask_path. The alpha channel is kept, so that the method chooses the
    background.
    """

    config: BlenderConfig

    @staticmethod
    def sniff(path: Path) -> str | None:
        """Return the reason why a folder is recognized as NeRF-synthetic, or None if it is not."""
        return sniff.blender(path)

    def parse(self, split: str) -> Scene:
        """Return the split "train", "val" or "test". Raises a DatasetError that lists every faulty file and pose."""
        root = Path(self.config.root)
        file = self._split_file(root, split)
        problems = Problems()
        meta = _read(file)
        listed = meta["frames"][:: getattr(self.config, f"{split}_skip")]
        frames, poses = _frames(listed, root, file, problems)
        c2w, notes = check_poses([pose for _, pose in poses], [name for name, _ in poses], problems, self.config)
        if len(c2w) != len(frames):
            c2w = np.zeros((len(frames), 3, 4))  # there are problems, so the poses are not used
        capture = _capture(meta, frames, c2w, root, file, problems).fitted(problems)
        problems.raise_as(DatasetError)
        limits = limits_of(c2w)
        scene = capture.scene(
            range(len(frames)), np.eye(4), near=limits.near, far=limits.far, box=limits.box,
            notes=[*notes, *limits.notes, *unknown_key_notes(_unknown_keys(meta))],
        )  # fmt: skip
        cameras = replace(scene.cameras, pixel_center=self.config.pixel_center)
        return replace(scene, cameras=cameras, limits_along="axis", up=UP)

    def _split_file(self, root: Path, split: str) -> Path:
        if split not in self.splits:
            raise DatasetError(f"no split {split!r}; there are {', '.join(self.splits)}", path=str(root))
        file = root / f"transforms_{split}.json"
        if not root.is_dir():
            problem = missing_files([root / "transforms_train.json"], root.parent)[0]
            raise DatasetError("there is no such folder", path=str(root), hint=problem.hint)
        if not file.is_file():
            inside = sorted(found.parent.name for found in root.glob(f"*/{file.name}"))
            hint = f"Pass a scene inside: {', '.join(inside[:8])}" if inside else "Pass a NeRF-synthetic folder"
            kind = NoSuchSplit if split != "train" else DatasetError
            raise kind("there is no such file", path=str(file), hint=hint)
        return safe_join(root, file.name)


class _Frame(NamedTuple):
    """A frame with a usable file name. It has a name, an image file, a mask file or None, and the keys of the frame."""

    name: str
    image: Path
    mask: Path | None
    table: dict[str, Any]


def _read(file: Path) -> dict[str, Any]:
    """Return the keys of a file. Raises DatasetError unless "frames" is a list with at least one entry."""
    meta = read_json(file)
    if not isinstance(meta, dict):
        raise DatasetError("is not a JSON object", path=str(file))
    if not isinstance(meta.get("frames"), list):
        raise DatasetError("has no list of frames", path=str(file))
    if not meta["frames"]:
        kind = DatasetError if file.name == "transforms_train.json" else NoSuchSplit
        raise kind("has no frames: the split is empty", path=str(file))
    return meta


def _frames(
    listed: list[Any], root: Path, file: Path, problems: Problems
) -> tuple[list[_Frame], list[tuple[str, np.ndarray]]]:
    """Return two lists: the frames with usable file names, and (name, pose [4, 4]) of all frames. Add faults to
    `problems`."""
    frames, poses = [], []
    for i, table in enumerate(listed):
        if not isinstance(table, dict):
            problems.add(f"{file.name} frame {i}", "is not a JSON object")
            continue
        stated = table.get("file_path")
        name = stated.removeprefix("./") if isinstance(stated, str) else f"{file.name} frame {i}"
        if not isinstance(stated, str):
            problems.add(name, f"file_path is {stated!r:.80}, not a file name")
        else:
            try:
                image = safe_join(root, stated if stated.lower().endswith(IMAGE_SUFFIXES) else f"{stated}.png")
                mask = safe_join(root, table["mask_path"]) if table.get("mask_path") else None
                frames.append(_Frame(name, image, mask, table))
            except DatasetError as error:
                problems.found += error.problems
        try:
            poses.append((name, read_pose(table.get("transform_matrix"))))
        except ValueError as error:
            problems.add(f"{file.name} {name:.200}" if isinstance(stated, str) else name, str(error))
    return frames, poses


def _capture(
    meta: dict[str, Any], frames: list[_Frame], c2w: np.ndarray, root: Path, file: Path, problems: Problems
) -> Capture:
    """Return the frames as a capture. Add faults of their cameras to `problems`."""
    names, tables = [frame.name for frame in frames], [frame.table for frame in frames]
    images = [frame.image for frame in frames]
    cameras = read_json_cameras([(meta, table) for table in tables], images, names, str(file), root, problems)
    masked = present_in_all(tables, "mask_path", names, problems)
    return Capture(
        root=root.resolve(), names=names, images=images, c2w=c2w, intrinsics=cameras.intrinsics, sizes=cameras.sizes,
        model=cameras.model, distortion=cameras.distortion,
        masks=[frame.mask for frame in frames if frame.mask is not None] if masked and frames else None,
        notes=tuple(cameras.notes),
    )  # fmt: skip


def _unknown_keys(meta: dict[str, Any]) -> list[str]:
    frames = [table for table in meta["frames"] if isinstance(table, dict)]
    return unknown_keys([meta], {"frames", *CAMERA_KEYS}) + unknown_keys(frames, FRAME_KEYS)
