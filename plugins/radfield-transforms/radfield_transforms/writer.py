"""Writer of transforms.json with images, masks and points. nerfstudio and instant-ngp can read the result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core import Camera, Scene, UsageError
from radfield_core.data import (
    StoredView,
    all_have_masks,
    parameters_of,
    ply_points,
    similarity_scale,
    transform_points,
    views_to_store,
    warn_about_lost_masks,
)
from radfield_core.files import write_durably


def write(scenes: Mapping[str, Scene], folder: Path) -> list[Path]:
    """Write all splits as one transforms.json in data coordinates. Return the files written.

    Intrinsics are written once if all views share them, and in every frame otherwise. In this format, masks mark the
    pixels that count in the loss. Masks that show an object are therefore not written, and a warning is logged.

    Raises:
        UsageError: the format does not support the lens.
    """
    views = views_to_store(scenes)
    first = next(iter(scenes.values()))
    written = []
    frames = []
    shared = len({astuple(view.camera) for view in views}) == 1
    warn_about_lost_masks("counted", scenes.values())
    masked = all_have_masks("counted", scenes.values())
    for view in views:
        frame: dict[str, Any] = {"file_path": f"images/{view.file_name}"}
        view.write_image(folder / "images" / view.file_name)
        written.append(folder / "images" / view.file_name)
        if masked:
            mask = Path("masks") / Path(view.file_name).with_suffix(".png")
            view.write_mask(folder / mask)
            written.append(folder / mask)
            frame["mask_path"] = mask.as_posix()
        frame["transform_matrix"] = [*view.c2w.tolist(), [0.0, 0.0, 0.0, 1.0]]
        frames.append(frame if shared else frame | _intrinsics(view.camera))
    meta: dict[str, Any] = _intrinsics(views[0].camera) if shared else {}
    meta |= _box(first) | _split_lists(views)
    if first.points is not None and len(first.points):
        points = transform_points(first.to_data, first.points.double()).numpy()
        colors = None if first.point_colors is None else first.point_colors.numpy()
        write_durably(folder / "sparse_pc.ply", ply_points(points, colors))
        written.append(folder / "sparse_pc.ply")
        meta["ply_file_path"] = "sparse_pc.ply"
    meta["frames"] = frames
    write_durably(folder / "transforms.json", json.dumps(meta, indent=1, allow_nan=False))
    return [folder / "transforms.json", *written]


def _intrinsics(camera: Camera) -> dict[str, Any]:
    keys = parameters_of(camera.model)
    if keys is None:
        raise UsageError(
            f"transforms.json does not support the lens {camera.model}",
            path="--format transforms",
            hint="Write another format, such as colmap",
        )
    unit = math.pi if camera.panoramic else 1.0  # the focal length of a panorama is the number of pixels in 180°
    return {
        "camera_model": camera.model.upper(), "w": camera.width, "h": camera.height, "fl_x": unit * camera.fx,
        "fl_y": unit * camera.fy, "cx": camera.cx, "cy": camera.cy, **dict(zip(keys, camera.distortion, strict=True)),
    }  # fmt: skip


def _box(scene: Scene) -> dict[str, Any]:
    """Return the keys of instant-ngp's box.

    The result is {} if the scene uses NDC, or if its box is estimated or not aligned with the axes of the data.
    """
    to_data = scene.to_data.double().numpy()
    scale_to_data = similarity_scale(to_data)
    if scene.ndc or not scene.box.measured or np.abs(to_data[:3, :3] / scale_to_data - np.eye(3)).max() > 1e-9:
        return {}
    center = transform_points(scene.to_data, scene.box.center.double())
    scale = 0.5 / (scene.box.radius * scale_to_data)
    return {"aabb_scale": 1, "scale": scale, "offset": (0.5 - center * scale).tolist()}


def _split_lists(views: list[StoredView]) -> dict[str, list[str]]:
    splits = sorted({split for view in views for split in view.splits})
    if "train" not in splits or len(splits) == 1:
        return {}
    return {
        f"{split}_filenames": [f"images/{view.file_name}" for view in views if split in view.splits] for split in splits
    }
