"""exporter:cameras: the training cameras of a run, as transforms.json and as a COLMAP model.

The cameras are those that the model was trained with, so they include corrections of their poses. Positions are in the
data's own coordinates. Images are not copied; their names are those of the data set. Symbols in shapes: V views,
P points.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from radfield_capture.cameras_config import CamerasConfig
from radfield_core import Camera, Exporter, Model, Scene, UsageError, View, project, visible
from radfield_core.data import parameters_of, rotation_quaternion, transform_cameras, transform_points
from radfield_core.ops.distortion import widen

Array = npt.NDArray[np.float64]

ONE_FOCAL = ("simple_radial", "radial", "simple_radial_fisheye", "radial_fisheye", "division", "fisheye")
"""Lenses that have one focal length in a COLMAP model of the same name."""

COLUMNS = {
    "cameras.txt": "CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]",
    "images.txt": "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of X Y POINT3D_ID",
    "points3D.txt": "POINT3D_ID X Y Z R G B ERROR TRACK[] as (IMAGE_ID, POINT2D_IDX)",
}
"""The comment at the top of each file of a COLMAP model in text files."""


class CamerasExporter(Exporter):
    """Writes transforms.json, points.ply, and cameras.txt, images.txt and points3D.txt in the folder sparse/0."""

    config: CamerasConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write the training cameras and the surface points of a scene. Return the files written.

        Raises:
            UsageError: transforms.json does not support the lens.
        """
        to_data = scene.to_data.double().numpy()
        c2w = transform_cameras(to_data, scene.cameras.c2w.detach().cpu().double().numpy())
        cameras = [_with_standard_center(scene.cameras.camera(index)) for index in range(len(c2w))]
        names = [scene.names[index] if scene.names else f"train_{index:05d}.png" for index in range(len(c2w))]
        points, written = self._points(scene), []
        if self.config.files != "colmap":
            written += _write_transforms(path, names, cameras, c2w, points)
        if self.config.files != "transforms":
            written += _write_colmap(path / "sparse" / "0", names, cameras, c2w, points)
        return written

    def _points(self, scene: Scene) -> Array:
        """Return at most `max_points` surface points [P, 3] in data coordinates."""
        if scene.points is None or not self.config.max_points:
            return np.zeros((0, 3))
        n = min(len(scene.points), self.config.max_points)
        chosen = torch.linspace(0, len(scene.points) - 1, n).long()
        points: Array = transform_points(scene.to_data, scene.points[chosen].double()).numpy()
        return points


def _with_standard_center(camera: Camera) -> Camera:
    """Return the same camera, with cx and cy converted so that the center of the first pixel is at 0.5."""
    shift = 0.5 - camera.pixel_center
    return replace(camera, cx=camera.cx + shift, cy=camera.cy + shift, pixel_center=0.5)


def _write_transforms(
    folder: Path, names: Sequence[str], cameras: Sequence[Camera], c2w: Array, points: Array
) -> list[Path]:
    """Write transforms.json and, if there are points, points.ply. Return the files written."""
    shared = len({astuple(camera) for camera in cameras}) == 1
    frames: list[dict[str, Any]] = []
    for name, camera, pose in zip(names, cameras, c2w, strict=True):
        frame: dict[str, Any] = {"file_path": name, "transform_matrix": [*pose.tolist(), [0.0, 0.0, 0.0, 1.0]]}
        frames.append(frame if shared else {**_intrinsics(camera), **frame})
    meta: dict[str, Any] = _intrinsics(cameras[0]) if shared else {}
    written = [folder / "transforms.json"]
    if len(points):
        meta["ply_file_path"] = "points.ply"
        written.append(folder / "points.ply")
        written[1].write_bytes(_ply(points))
    written[0].write_text(json.dumps({**meta, "frames": frames}, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return written


def _intrinsics(camera: Camera) -> dict[str, Any]:
    keys = parameters_of(camera.model)
    if keys is None:
        message = f"transforms.json does not support the lens {camera.model!r}"
        raise UsageError(message, path="files", hint="files=colmap")
    unit = math.pi if camera.panoramic else 1.0  # the focal length of a panorama is the number of pixels in 180°
    return {
        "camera_model": camera.model.upper(), "w": camera.width, "h": camera.height, "fl_x": unit * camera.fx,
        "fl_y": unit * camera.fy, "cx": camera.cx, "cy": camera.cy, **dict(zip(keys, camera.distortion, strict=True)),
    }  # fmt: skip


def _ply(points: Array) -> bytes:
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(points)}\nproperty double x\nproperty double y\nproperty double z\nend_header\n"
    )
    return header.encode() + points.astype("<f8").tobytes()


def _write_colmap(
    folder: Path, names: Sequence[str], cameras: Sequence[Camera], c2w: Array, points: Array
) -> list[Path]:
    """Write a COLMAP model in text files. A view observes each point that projects into its image."""
    folder.mkdir(parents=True)
    distinct = {astuple(camera): camera for camera in cameras}
    numbers = {key: number for number, key in enumerate(distinct, start=1)}
    tracks: list[list[str]] = [[] for _ in points]
    images = []
    for number, (name, camera, pose) in enumerate(zip(names, cameras, c2w, strict=True), start=1):
        seen, pixels = _observed(View(torch.from_numpy(pose), camera), points)
        for keypoint, point in enumerate(seen):
            tracks[point].append(f"{number} {keypoint}")
        rotation = (pose[:, :3] * (1.0, -1.0, -1.0)).T
        words = [*map(repr, map(float, rotation_quaternion(rotation))), *map(repr, (-rotation @ pose[:, 3]).tolist())]
        images.append(f"{number} {' '.join(words)} {numbers[astuple(camera)]} {name}")
        images.append(" ".join(f"{x!r} {y!r} {point + 1}" for (x, y), point in zip(pixels.tolist(), seen, strict=True)))
    tables = {
        "cameras.txt": [_camera_line(numbers[key], camera) for key, camera in distinct.items()],
        "images.txt": images,
        "points3D.txt": [
            f"{index + 1} {' '.join(map(repr, points[index].tolist()))} 128 128 128 0 {' '.join(track)}"
            for index, track in enumerate(tracks)
            if track
        ],
    }
    for file, lines in tables.items():
        text = "".join(f"{line}\n" for line in (f"# {COLUMNS[file]}", *lines))
        (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in tables]


def _observed(view: View, points: Array) -> tuple[list[int], Array]:
    """Return the indices of the points inside a view's image, and their pixels [n, 2].

    The center of the first pixel is (0.5, 0.5).
    """
    if not len(points):
        return [], np.zeros((0, 2))
    inside = visible(view, torch.from_numpy(points))
    pixels, _ = project(view, torch.from_numpy(points[inside.numpy()]))
    return inside.nonzero()[:, 0].tolist(), pixels.numpy() + 0.5


def _camera_line(number: int, camera: Camera) -> str:
    """Return the line of a camera. If its lens has one focal length in COLMAP but two here, use a wider lens."""
    if camera.panoramic:
        return _panorama_line(number, camera)
    lens, distortion = camera.model, list(camera.distortion)
    if lens in ONE_FOCAL and camera.fx != camera.fy:
        wider = "opencv_fisheye" if "fisheye" in lens else "opencv"
        widened = widen(lens, torch.tensor(distortion, dtype=torch.float64), wider)
        if widened is None:
            message = f"a COLMAP camera with the lens {lens!r} has one focal length, and these cameras have two"
            raise UsageError(message, path="files", hint="files=transforms")
        lens, distortion = wider, widened.tolist()
    name = {"division": "SIMPLE_DIVISION", "fisheye": "SIMPLE_FISHEYE"}.get(lens, lens.upper())
    focal = [camera.fx] if lens in ONE_FOCAL else [camera.fx, camera.fy]
    numbers = " ".join(map(repr, [*focal, camera.cx, camera.cy, *distortion]))
    return f"{number} {name} {camera.width} {camera.height} {numbers}"


def _panorama_line(number: int, camera: Camera) -> str:
    """Return the line of a panorama, whose parameters are the numbers of pixels in 360° and in 180°."""
    around, upward = 2 * math.pi * camera.fx, math.pi * camera.fy
    if abs(camera.cx - around / 2) > 1e-6 * around or abs(camera.cy - upward / 2) > 1e-6 * upward:
        message = "COLMAP supports only panoramas whose middle is the principal point"
        raise UsageError(message, path="files", hint="files=transforms")
    return f"{number} EQUIRECTANGULAR {camera.width} {camera.height} {around!r} {upward!r}"
