"""Writer of images and a binary COLMAP model, in the folders images and sparse/0."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch

from radfield_colmap.model import MODEL_NAMES, ONE_FOCAL
from radfield_core import Camera, Scene, UsageError, View, project, visible
from radfield_core.data import (
    StoredView,
    all_have_masks,
    rotation_quaternion,
    transform_points,
    views_to_store,
    warn_about_lost_masks,
)
from radfield_core.files import write_durably
from radfield_core.ops.distortion import widen

_MOST_POINTS = 100_000
_MOST_VERTICES = 2000
_GRAY = 128


def write(scenes: Mapping[str, Scene], folder: Path) -> list[Path]:
    """Write the views of all splits as one reconstruction in data coordinates. Return the files written.

    The points are the sparse points of the scene or, if it has none, vertices of its ground-truth surface. A view
    observes a point that projects into its image. If the view has a depth image, the depth must also agree with the
    distance to the point.

    In this format, masks mark the pixels that count in the loss. Masks that show an object are therefore not written,
    and a warning is logged.
    """
    views = views_to_store(scenes)
    points, colors = _points(next(iter(scenes.values())))
    numbers = {key: i + 1 for i, key in enumerate(dict.fromkeys(astuple(view.camera) for view in views))}
    cameras = {numbers[astuple(view.camera)]: view.camera for view in views}
    images, observed = [], [[] for _ in points]  # type: ignore[var-annotated]
    for image_id, view in enumerate(views, start=1):
        seen, pixels = _observations(view, points)
        for keypoint, point in enumerate(seen):
            observed[point].append((image_id, keypoint))
        images.append(_image(image_id, numbers[astuple(view.camera)], view, seen, pixels))
        view.write_image(folder / "images" / view.file_name)
    written = [folder / "images" / view.file_name for view in views]
    warn_about_lost_masks("counted", scenes.values())
    if all_have_masks("counted", scenes.values()):
        for view in views:
            written.append(folder / "masks" / f"{view.file_name}.png")
            view.write_mask(written[-1])
    kept = [i for i, track in enumerate(observed) if track]
    tables = {
        "cameras": [_camera(number, camera) for number, camera in cameras.items()],
        "images": images,
        "points3D": [_point(i, points[i], colors[i], observed[i]) for i in kept],
    }
    for name, entries in tables.items():
        path = folder / "sparse" / "0" / f"{name}.bin"
        write_durably(path, struct.pack("<Q", len(entries)) + b"".join(entries))
        written.append(path)
    return written


def _points(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return points [P, 3] in data coordinates, and their colors [P, 3] uint8, which are gray if they are unknown."""
    points, most = scene.points, _MOST_POINTS
    if points is None and scene.ground_truth is not None:
        points, most = scene.ground_truth.vertices, _MOST_VERTICES
    if points is None:
        return np.zeros((0, 3)), np.zeros((0, 3), np.uint8)
    chosen = torch.linspace(0, len(points) - 1, min(len(points), most), dtype=torch.float64).long()
    colors = np.full((len(chosen), 3), _GRAY, np.uint8)
    if scene.points is not None and scene.point_colors is not None:
        colors = scene.point_colors[chosen].numpy()
    return transform_points(scene.to_data, points[chosen].double()).numpy(), colors


def _observations(view: StoredView, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices [n] of the points that a view observes, and the pixels [n, 2] at which it observes them.

    The center of the first pixel is (0.5, 0.5).
    """
    if not len(points):
        return np.zeros(0, np.int64), np.zeros((0, 2))
    camera_view = View(torch.from_numpy(view.c2w), view.camera)
    inside = visible(camera_view, torch.from_numpy(points))
    pixels, _ = project(camera_view, torch.from_numpy(points))
    truth = view.view_depth
    if truth is not None:
        scale = float(np.cbrt(np.linalg.det(view.scene.to_data[:3, :3].double().numpy())))
        columns, rows = pixels.nan_to_num(0.0).round().long().clamp_min(0).unbind(-1)
        rows, columns = rows.clamp_max(view.camera.height - 1), columns.clamp_max(view.camera.width - 1)
        distance = torch.from_numpy(np.linalg.norm(points - view.c2w[:, 3], axis=-1))
        inside &= (truth[rows, columns].double() * scale - distance).abs() < 0.02 * distance
    seen = inside.nonzero()[:, 0].numpy()
    return seen, pixels[inside].numpy() + 0.5


def _camera(number: int, camera: Camera) -> bytes:
    name = camera.model.upper()
    distortion = camera.distortion
    if name in ONE_FOCAL and camera.fx != camera.fy:
        wider = "opencv_fisheye" if name.endswith("FISHEYE") else "opencv"
        widened = widen(camera.model, torch.tensor(distortion, dtype=torch.float64), wider)
        assert widened is not None  # the wider model can express every lens with one or two radial terms
        name, distortion = wider.upper(), tuple(widened.tolist())
    if camera.panoramic:
        return _panorama(number, camera)
    focal = (camera.fx,) if name in ONE_FOCAL else (camera.fx, camera.fy)
    parameters = (*focal, camera.cx, camera.cy, *distortion)
    head = struct.pack("<IiQQ", number, MODEL_NAMES.index(name), camera.width, camera.height)
    return head + struct.pack(f"<{len(parameters)}d", *parameters)


def _panorama(number: int, camera: Camera) -> bytes:
    """Return a panorama, whose parameters are the numbers of pixels in 360° and in 180°."""
    around, upward = 2 * math.pi * camera.fx, math.pi * camera.fy
    if abs(camera.cx - around / 2) > 1e-6 * around or abs(camera.cy - upward / 2) > 1e-6 * upward:
        raise UsageError(
            "COLMAP supports only panoramas whose middle is the principal point", path="--format colmap",
            hint="Write another format, such as transforms",
        )  # fmt: skip
    head = struct.pack("<IiQQ", number, MODEL_NAMES.index("EQUIRECTANGULAR"), camera.width, camera.height)
    return head + struct.pack("<2d", around, upward)


def _image(number: int, camera: int, view: StoredView, seen: np.ndarray, pixels: np.ndarray) -> bytes:
    rotation = (view.c2w[:, :3] * (1.0, -1.0, -1.0)).T
    translation = -rotation @ view.c2w[:, 3]
    head = struct.pack("<I7dI", number, *rotation_quaternion(rotation), *translation, camera)
    table = np.zeros(len(seen), np.dtype([("xy", "<f8", 2), ("point", "<i8")]))
    table["xy"], table["point"] = pixels, seen + 1
    return head + view.file_name.encode() + b"\0" + struct.pack("<Q", len(seen)) + table.tobytes()


def _point(index: int, position: np.ndarray, color: np.ndarray, track: list[tuple[int, int]]) -> bytes:
    head = struct.pack("<Q3d3BdQ", index + 1, *position, *color, 0.0, len(track))
    return head + np.array(track, dtype="<u4").tobytes()
