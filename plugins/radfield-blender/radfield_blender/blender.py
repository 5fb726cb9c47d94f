"""dataparser:blender — folders in the layout of NeRF's synthetic scenes (Mildenhall et al. 2020)."""

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
"""The format's limits, along the optical axis: NeRF's code leaves its ray directions unnormalized."""

RADIUS = 1.5
"""Half the side of the box that holds every scene of the format."""


class BlenderParser(DataParser):
    """Cameras c2w in OpenGL axes, f = W / (2 tan(camera_angle_x / 2)), principal point in the middle, straight alpha.

    Alpha is kept: what shows through is the method's choice, made when pixels are composited.
    """

    config: BlenderConfig

    @staticmethod
    def sniff(path: Path) -> str | None:
        """See `radfield_blender.sniff.blender`."""
        return sniff.blender(path)

    def parse(self, split: str) -> Scene:
        """One of train, val, test. DatasetError names every missing or odd file and every bad pose."""
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
                    "images of one size: the file gives one field of view for all",
                )  # fmt: skip
        factor = shrink_factor(stated, (width, height)) if stated is not None and width else 1
        if factor is None and stated is not None:
            problems.add(
                file, f"says w {stated[0]} and h {stated[1]}, the images are {width}×{height}",
                "images of that size or an integer factor smaller",
            )  # fmt: skip
        if problems or not width:  # else what can be read is used, and the images name the others
            problems.found += faults
        problems.raise_as(DatasetError)
        if factor != 1:
            notes.append(f"images are 1/{factor} of the size in the file; the focal length is scaled to match")
        names, paths = [name for name, _ in files], [path for _, path in files]
        headers = [found[path] for path in paths]
        focal = 0.5 * width / math.tan(0.5 * angle)
        channels = 4 if any(header.channels == 4 for header in headers) else 3
        return Scene(
            cameras=Cameras.pinhole(torch.from_numpy(c2w), focal, width, height, self.config.pixel_center),
            images=FileImages(paths, channels, headers=headers), near=NEAR, far=FAR, limits_along="axis",
            box=SceneBox(torch.zeros(3), RADIUS), names=names, notes=(*notes, *orientation_notes(headers)),
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
            hint = f"one of the scenes inside: {', '.join(inside[:8])}" if inside else "a NeRF-synthetic folder"
            kind = NoSuchSplit if split != "train" else DatasetError
            raise kind("there is no such file", path=str(file), hint=hint)
        return safe_join(root, file.name)


def _read(file: Path, problems: Problems) -> tuple[float, tuple[int, int] | None, list[Any]]:
    """Horizontal field of view, radians, width and height if the file states them, and the frames."""
    data = read_json(file)
    if not isinstance(data, dict):
        raise DatasetError("is not a JSON object", path=str(file))
    angle = data.get("camera_angle_x")
    if not isinstance(angle, (int, float)) or not 1e-3 < angle < math.pi - 1e-3:
        problems.add(file, f"camera_angle_x is {angle!r:.80}; radians between 0 and π are expected")
    frames = data.get("frames")
    if not isinstance(frames, list):
        problems.add(file, "has no list of frames")
    size = [data[key] for key in ("w", "h") if data.get(key) is not None]
    if any(type(value) not in (int, float) or not 1 <= value <= 1e6 or value % 1 for value in size) or len(size) == 1:
        problems.add(file, f"w is {data.get('w')!r:.40} and h is {data.get('h')!r:.40}; both in whole pixels, or none")
    problems.raise_as(DatasetError)
    assert isinstance(angle, (int, float)) and isinstance(frames, list)
    if not frames:
        kind = DatasetError if file.name == "transforms_train.json" else NoSuchSplit
        raise kind("lists no frames: the split is empty", path=str(file))
    return float(angle), (int(size[0]), int(size[1])) if size else None, frames


def _frames(
    frames: list[Any], root: Path, file: Path, problems: Problems
) -> tuple[list[tuple[str, Path]], list[tuple[str, np.ndarray]]]:
    """Each frame's name with its image file, and with its pose [4, 4]; what is neither is added to the problems."""
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
