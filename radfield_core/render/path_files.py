"""Read camera paths from JSON files of strangers: radfield's own, and nerfstudio's `camera_path.json`.

nerfstudio's file lists one camera per frame. Its function `get_path_from_json` defines the cameras: `camera_to_world`
is a 4 × 4 matrix with OpenGL axes, row by row, and `fov` is the vertical field of view in degrees. Both focal lengths
are render_height / 2 / tan(fov / 2), and the principal point is the middle of the image. The matrices are in
nerfstudio's own coordinates. `dataparser_transforms.json`, in the folder of nerfstudio's run, says how these follow
from the data's: with its matrix [R, t] and its scale s, a point x of the data is at s·(R·x + t).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.data.poses import pose_fault, read_pose
from radfield_core.data.similarity import Array, transform_cameras
from radfield_core.errors import DatasetError, Problems, UsageError
from radfield_core.files.json_files import read_json
from radfield_core.render.trajectories import (
    FORMAT,
    MAX_FOV,
    MAX_FPS,
    MAX_FRAMES,
    MAX_SIDE,
    MIN_FOV,
    MIN_FPS,
    Trajectory,
    frame_list,
    own_path,
    poses,
    whole,
    within,
)

MAX_BYTES = 64 * 2**20
TRANSFORMS = "dataparser_transforms.json"
"""File in which nerfstudio stores the transform from the data's coordinates to its own."""

SAME = "none"
"""Given in place of such a file for a path that is already in the data's own coordinates."""

_CAMERAS = {"perspective": "perspective", "equirectangular": "equirectangular"}


def read_path(file: Path, transform: str | None = None) -> Trajectory:
    """Read a camera path of radfield or of nerfstudio.

    Args:
        file: the JSON file.
        transform: path of nerfstudio's `dataparser_transforms.json`, or "none" if the path is in the data's own
            coordinates. By default, it is the file of this name beside the path. Only for paths of nerfstudio.

    Raises:
        DatasetError: a file is not valid. The error lists every fault.
        UsageError: the path is nerfstudio's, and the transform is not stated, or it is radfield's, and one is.
    """
    value = read_json(file, MAX_BYTES)
    if isinstance(value, dict) and value.get("format") == FORMAT:
        if transform is not None:
            message = "a path of radfield is in the data's own coordinates and needs no transform"
            raise UsageError(message, path="--path-transform", hint="Leave out --path-transform")
        return own_path(value, file)
    if not isinstance(value, dict) or "camera_path" not in value:
        message = "is neither a camera path of radfield nor one of nerfstudio, which has a list camera_path"
        raise DatasetError(message, path=str(file), hint="Save a path in the viewer: radfield view RUN")
    found = nerfstudio_path(value, file)
    to_data = _to_data(file, transform)
    return Trajectory(**{**vars(found), "c2w": transform_cameras(to_data, found.c2w)})


def nerfstudio_path(value: Mapping[str, Any], file: Path) -> Trajectory:
    """Return the path that the parsed content of nerfstudio's `camera_path.json` describes, in its own coordinates.

    Raises:
        DatasetError: the content is not valid. The error lists every fault.

    Example:
        >>> frame = {"camera_to_world": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 4, 0, 0, 0, 1], "fov": 50, "aspect": 1}
        >>> table = {"camera_path": [frame], "render_width": 64, "render_height": 64, "seconds": 1}
        >>> nerfstudio_path(table, Path("camera_path.json")).c2w[0, :, 3].tolist()
        [0.0, 0.0, 4.0]
    """
    problems, where = Problems(), str(file)
    kind = str(value.get("camera_type", "perspective")).lower()
    if kind not in _CAMERAS:
        problems.add(where, f"camera_type {kind!r:.40} is not supported", f"Use one of {', '.join(_CAMERAS)}")
    width, height = (whole(value, f"render_{side}", MAX_SIDE, where, problems) for side in ("width", "height"))
    rows = frame_list(value["camera_path"], "camera_path", MAX_FRAMES, file, problems)
    panoramas = kind == "equirectangular"
    fov = [
        90.0 if panoramas else within(row, "fov", MIN_FOV, MAX_FOV, f"{file}: frame {i}", problems)
        for i, row in enumerate(rows)
    ]
    c2w = poses([row.get("camera_to_world") for row in rows], f"{file}: frame", problems)
    fps = _frames_per_second(value, len(rows), where, problems)
    problems.raise_as(DatasetError)
    gaps = np.full(len(rows), 1.0 / fps)
    return Trajectory(file.stem, c2w, np.array(fov), gaps, width, height, fps, smooth=False, camera=_CAMERAS[kind])


def _frames_per_second(value: Mapping[str, Any], n: int, where: str, problems: Problems) -> float:
    """Return the number of frames divided by `seconds`, as nerfstudio does, or `fps`, or 30."""
    if "seconds" in value:
        seconds = within(value, "seconds", 1e-3, 1e6, where, problems)
        return float(np.clip(n / seconds, MIN_FPS, MAX_FPS))
    return within(value, "fps", MIN_FPS, MAX_FPS, where, problems) if "fps" in value else 30.0


def _to_data(file: Path, transform: str | None) -> Array:
    """Return the similarity [4, 4] from nerfstudio's coordinates to the data's own."""
    if transform == SAME:
        return np.eye(4)
    beside = file.with_name(TRANSFORMS)
    if transform is None and not beside.is_file():
        raise UsageError(
            f"{file} is a path of nerfstudio, in coordinates that its {TRANSFORMS} defines, and that is not beside it",
            path="--path-transform",
            hint=f"--path-transform outputs/…/{TRANSFORMS}, from the folder of nerfstudio's run, or --path-transform "
            f"{SAME} if the path is in the data's own coordinates",
        )
    return read_transform(beside if transform is None else Path(transform))


def read_transform(file: Path) -> Array:
    """Return the similarity [4, 4] from nerfstudio's coordinates to the data's own, from `dataparser_transforms.json`.

    Raises:
        DatasetError: the file cannot be read, or is not valid.
    """
    value = read_json(file, MAX_BYTES)
    problems = Problems()
    table = value if isinstance(value, dict) else {}
    scale = within(table, "scale", 1e-6, 1e6, str(file), problems)
    matrix = np.eye(4)
    try:
        matrix = read_pose(table.get("transform"))
        if fault := pose_fault(matrix):
            problems.add(file, f"transform: {fault[0]}", "Copy the file again from the folder of nerfstudio's run")
    except (ValueError, OverflowError) as error:
        problems.add(file, f"transform: {error}", "Give a 3×4 matrix")
    problems.raise_as(DatasetError)
    matrix[:3] *= scale
    return np.asarray(np.linalg.inv(matrix), np.float64)
