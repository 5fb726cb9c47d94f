"""Writer of NeRF-synthetic folders."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core import Scene, UsageError
from radfield_core.data import transform_cameras
from radfield_core.files import write_durably, write_picture


def write_blender(scenes: Mapping[str, Scene], folder: Path) -> list[Path]:
    """Write each split, in data coordinates, as transforms_{split}.json and PNG images. Return the files written.

    Raises:
        UsageError: the cameras are not pinholes with one size, one field of view and a centered principal point.
    """
    angle = _field_of_view(scenes)
    written = []
    for split, scene in scenes.items():
        poses = transform_cameras(scene.to_data.double().numpy(), scene.cameras.c2w.detach().double().numpy())
        frames: list[dict[str, Any]] = []
        (folder / split).mkdir(parents=True, exist_ok=True)
        for i, pose in enumerate(poses):
            path = folder / split / f"r_{i}.png"
            write_picture(path, scene.images[i].numpy())
            matrix = [*pose.tolist(), [0.0, 0.0, 0.0, 1.0]]
            frames.append({"file_path": f"./{split}/r_{i}", "transform_matrix": matrix})
            written.append(path)
        file = folder / f"transforms_{split}.json"
        write_durably(file, json.dumps({"camera_angle_x": angle, "frames": frames}, indent=1, allow_nan=False))
        written.append(file)
    return written


def _field_of_view(scenes: Mapping[str, Scene]) -> float:
    """Return the horizontal field of view in radians. Raises UsageError unless the format can store all cameras."""
    cameras = [scene.cameras for scene in scenes.values()]
    fx, fy, cx, cy = np.concatenate([each.intrinsics.numpy() for each in cameras]).T
    width, height = np.concatenate([each.sizes.numpy() for each in cameras]).T
    shift = np.concatenate([np.full(len(each), 0.5 - each.pixel_center) for each in cameras])
    off_center = np.abs(cx + shift - width / 2) + np.abs(cy + shift - height / 2)
    if (
        any(each.model != "pinhole" for each in cameras)
        or len({*width}) * len({*height}) > 1
        or max(off_center.max(), np.ptp(fx), np.abs(fx - fy).max()) > 1e-6
    ):
        raise UsageError(
            "the format supports only pinholes of one size and focal length with a centered principal point",
            path="--format blender", hint="Write another format, such as transforms or colmap",
        )  # fmt: skip
    return 2 * math.atan(0.5 * float(width[0]) / float(fx[0]))
