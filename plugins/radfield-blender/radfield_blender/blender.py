"""dataparser:blender — NeRF-synthetic folders (Mildenhall et al. 2020)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radfield_blender import sniff
from radfield_blender.config import BlenderConfig
from radfield_core import Cameras, DataParser, DatasetError, NoSuchSplit, Problems, Scene, SceneBox
from radfield_core.data import (
    IMAGE_SUFFIXES,
    FileImages,
    check_poses,
    orientation_notes,
    read_available_headers,
    read_pose,
    shrink_factor,
)
from radfield_core.files import missing_files, read_json, safe_join

NEAR, FAR = 2.0, 6.0
"""Near and far limits of every scene in the format, as depths along the optical axis.

NeRF's code does not normalize ray directions, so its limits are depths and not distances along rays.
"""

UP = "z"
"""Upward axis of Blender's scenes."""

RADIUS = 1.5
"""Half the side of a cube around the origin. The cube contains every scene in the format."""


class BlenderParser(DataParser):
    """Parser of NeRF-synthetic folders.

    Poses are camera-to-world in OpenGL axes. The focal length is f = W / (2 tan(camera_angle_x / 2)), and the principal
    point is the image center. The alpha channel is kept, so that the method chooses the background.
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
        angle, stated, frames = _read(file, problems)
        frames = frames[:: getattr(self.config, f"{split}_skip")]
        files, poses = _frames(frames, root, file, problems)
        c2w, notes = check_poses([pose for _, pose in poses], [name for name, _ in poses], problems)
        found, faults = read_available_headers([path for _, path in files], root.resolve(), problems)
        width, height = next((header[:2] for header in found.values() if not header.fault), (0, 0))
        for name, path in files:
            header = found.get(path)
            if header is not None and not header.fault and header[:2] != (width, height):
                problems.add(
                    name, f"the image is {header.width}×{header.height}, the first one is {width}×{height}",
                    "Give all images the same size; the file has one field of view for all of them",
                )  # fmt: skip
        factor = shrink_factor(stated, (width, height)) if stated is not None and width else 1
        if factor is None and stated is not None:
            problems.add(
                file, f"w is {stated[0]} and h is {stated[1]}, but the images are {width}×{height}",
                "Use images of that size, or smaller by an integer factor",
            )  # fmt: skip
        if problems or not width:  # otherwise `images.check` reports the unreadable images
            problems.found += faults
        problems.raise_as(DatasetError)
        if factor != 1:
            notes.append(f"images are 1/{factor} of the size in the file; the focal length is scaled accordingly")
        names, paths = [name for name, _ in files], [path for _, path in files]
        headers = [found[path] for path in paths]
        focal = 0.5 * width / math.tan(0.5 * angle)
        channels = 4 if any(header.channels == 4 for header in headers) else 3
        return Scene(
            cameras=Cameras.pinhole(torch.from_numpy(c2w), focal, width, height, self.config.pixel_center),
            images=FileImages(paths, channels, headers=headers), near=NEAR, far=FAR, limits_along="axis",
            box=SceneBox(torch.zeros(3), RADIUS), up=UP, names=names, notes=(*notes, *orientation_notes(headers)),
        )  # fmt: skip

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


def _read(file: Path, problems: Problems) -> tuple[float, tuple[int, int] | None, list[Any]]:
    """Return three entries of a file: the horizontal field of view in radians, the size (width, height) if it is
    stated, and the list of frames."""
    data = read_json(file)
    if not isinstance(data, dict):
        raise DatasetError("is not a JSON object", path=str(file))
    angle = data.get("camera_angle_x")
    if not isinstance(angle, (int, float)) or not 1e-3 < angle < math.pi - 1e-3:
        problems.add(file, f"camera_angle_x is {angle!r:.80}; an angle in radians between 0 and π is needed")
    frames = data.get("frames")
    if not isinstance(frames, list):
        problems.add(file, "has no list of frames")
    size = [data[key] for key in ("w", "h") if data.get(key) is not None]
    if any(type(value) not in (int, float) or not 1 <= value <= 1e6 or value % 1 for value in size) or len(size) == 1:
        problems.add(
            file, f"w is {data.get('w')!r:.40} and h is {data.get('h')!r:.40}; give both in whole pixels, or neither"
        )
    problems.raise_as(DatasetError)
    assert isinstance(angle, (int, float)) and isinstance(frames, list)
    if not frames:
        kind = DatasetError if file.name == "transforms_train.json" else NoSuchSplit
        raise kind("has no frames: the split is empty", path=str(file))
    return float(angle), (int(size[0]), int(size[1])) if size else None, frames


def _frames(
    frames: list[Any], root: Path, file: Path, problems: Problems
) -> tuple[list[tuple[str, Path]], list[tuple[str, np.ndarray]]]:
    """Return two lists with a pair for each frame: (name, image file) and (name, pose [4, 4]). Add faults to
    `problems`."""
    files, poses = [], []
    for i, frame in enumerate(frames):
        if not isinstance(frame, dict):
            problems.add(f"{file.name} frame {i}", "is not a JSON object")
            continue
        stated = frame.get("file_path")
        name = stated.removeprefix("./") if isinstance(stated, str) else f"{file.name} frame {i}"
        if not isinstance(stated, str):
            problems.add(name, f"file_path is {stated!r:.80}, not a file name")
        else:
            try:
                files.append(
                    (name, safe_join(root, stated if stated.lower().endswith(IMAGE_SUFFIXES) else f"{stated}.png"))
                )
            except DatasetError as error:
                problems.found += error.problems
        try:
            poses.append((name, read_pose(frame.get("transform_matrix"))))
        except ValueError as error:
            problems.add(f"{file.name} {name:.200}" if isinstance(stated, str) else name, str(error))
    return files, poses
