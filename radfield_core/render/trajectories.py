"""Camera paths that a user made: keyframes with times and fields of view, in JSON files. No torch is imported.

radfield's own files hold keyframes, between which the camera moves smoothly. `docs/runs.md` describes the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.data.poses import check_poses, read_pose
from radfield_core.data.similarity import Array
from radfield_core.errors import DatasetError, Problems
from radfield_core.files.json_files import dump_json
from radfield_core.names import nearest
from radfield_core.render.pose_splines import interpolated_poses, interpolated_values

FORMAT, VERSION = "radfield-camera-path", 1
CAMERAS = ("perspective", "equirectangular")
MAX_KEYFRAMES = 10_000
MAX_FRAMES = 100_000
MAX_SIDE = 16_384
MAX_SECONDS = 3600.0
MIN_FOV, MAX_FOV = 0.1, 179.0
MIN_FPS, MAX_FPS = 0.1, 240.0
_KEYS = ("format", "version", "camera", "width", "height", "fps", "loop", "keyframes")
_KEYFRAME_KEYS = ("camera_to_world", "fov", "seconds")


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The cameras of a video.

    Attributes:
        name: name of the video.
        c2w: [K, 3, 4], camera-to-world matrices of K keyframes in the data's own coordinates. Axes are OpenGL's.
        fov: [K], angles in degrees from the top edge of the picture to the bottom edge. Panoramas do not use them.
        seconds: [K], time from each keyframe to the next one. The last one counts only if the path is closed.
        width: width of the frames in pixels.
        height: height of the frames in pixels.
        fps: frames per second.
        loop: True if the camera returns to the first keyframe.
        smooth: True if the camera moves smoothly between keyframes; False if each keyframe is a frame.
        camera: "perspective" or "equirectangular".

    Example:
        >>> c2w = np.eye(3, 4)[None].repeat(2, 0)
        >>> path = Trajectory("path", c2w, np.array([40.0, 40.0]), np.array([2.0, 2.0]), 64, 48)
        >>> path.duration, path.n_frames
        (2.0, 60)
    """

    name: str
    c2w: Array
    fov: Array
    seconds: Array
    width: int
    height: int
    fps: float = 30.0
    loop: bool = False
    smooth: bool = True
    camera: str = "perspective"

    @property
    def duration(self) -> float:
        """Length of the video in seconds."""
        return float((self.seconds if self.loop or not self.smooth else self.seconds[:-1]).sum())

    @property
    def n_frames(self) -> int:
        """Number of frames of the video."""
        return max(1, round(self.duration * self.fps)) if self.smooth else len(self.c2w)

    def frames(self, n: int | None = None) -> tuple[Array, Array]:
        """Return the poses [n, 3, 4] and the fields of view [n] of n frames, or of all frames of the video."""
        n = self.n_frames if n is None else n
        if not self.smooth:
            kept = np.arange(n) * len(self.c2w) // n
            return self.c2w[kept], self.fov[kept]
        at = self.duration * (np.arange(n) / n if self.loop else np.linspace(0.0, 1.0, n))
        slope = np.log(np.tan(np.radians(self.fov) / 2))  # the logarithm of the focal length, which stays possible
        fov = np.degrees(2 * np.arctan(np.exp(interpolated_values(slope, self.seconds, at, self.loop))))
        return interpolated_poses(self.c2w, self.seconds, at, self.loop), fov


def path_json(path: Trajectory) -> str:
    """Return the content of the JSON file of a path with keyframes.

    Example:
        >>> path = Trajectory("path", np.eye(3, 4)[None], np.array([40.0]), np.array([2.0]), 64, 48)
        >>> print(path_json(path)[:52])
        {
          "format": "radfield-camera-path",
          "version": 1
    """
    keyframes = [
        {"camera_to_world": c2w, "fov": fov, "seconds": seconds}
        for c2w, fov, seconds in zip(path.c2w.tolist(), path.fov.tolist(), path.seconds.tolist(), strict=True)
    ]
    head = {"camera": path.camera, "width": path.width, "height": path.height, "fps": path.fps, "loop": path.loop}
    return dump_json({"format": FORMAT, "version": VERSION, **head, "keyframes": keyframes}, indent=2) + "\n"


def own_path(value: Mapping[str, Any], file: Path) -> Trajectory:
    """Return the path that the parsed content of a file of radfield's format describes.

    Raises:
        DatasetError: the content is not valid. The error lists every fault.

    Example:
        >>> path = Trajectory("path", np.eye(3, 4)[None], np.array([40.0]), np.array([2.0]), 64, 48)
        >>> import json
        >>> own_path(json.loads(path_json(path)), Path("path.json")).fov.tolist()
        [40.0]
    """
    if value.get("version") != VERSION:
        version = f"has version {value.get('version')!r:.20} of the format, and this radfield reads {VERSION}"
        raise DatasetError(version, path=str(file), hint="Upgrade radfield-core, or save the path again")
    problems = Problems()
    _check_keys(value, _KEYS, str(file), problems)
    keyframes = value.get("keyframes")
    width, height = (whole(value, side, MAX_SIDE, str(file), problems) for side in ("width", "height"))
    fps = within(value, "fps", MIN_FPS, MAX_FPS, str(file), problems)
    camera, loop = value.get("camera"), value.get("loop")
    if camera not in CAMERAS:
        problems.add(file, f"camera is {camera!r:.40}", f"Use one of {', '.join(CAMERAS)}")
    if type(loop) is not bool:
        problems.add(file, f"loop is {loop!r:.40}", "Write true or false")
    rows = frame_list(keyframes, "keyframes", MAX_KEYFRAMES, file, problems)
    for i, row in enumerate(rows):
        _check_keys(row, _KEYFRAME_KEYS, f"{file}: keyframe {i}", problems)
    fov = [within(row, "fov", MIN_FOV, MAX_FOV, f"{file}: keyframe {i}", problems) for i, row in enumerate(rows)]
    seconds = [
        within(row, "seconds", 1e-3, MAX_SECONDS, f"{file}: keyframe {i}", problems) for i, row in enumerate(rows)
    ]
    c2w = poses([row.get("camera_to_world") for row in rows], f"{file}: keyframe", problems)
    problems.raise_as(DatasetError)
    path = Trajectory(
        file.stem, c2w, np.array(fov), np.array(seconds), width, height, fps, bool(loop), camera=str(camera)
    )
    if path.n_frames > MAX_FRAMES:
        raise DatasetError(f"lasts {path.duration:.0f} s; at most {MAX_FRAMES} frames are allowed", path=str(file))
    return path


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str, problems: Problems) -> None:
    for key in sorted(set(table) - set(known)):
        near = nearest(key, known)
        problems.add(where, f"has an unknown key {key!r:.60}", f"Write {near}" if near else f"Use {', '.join(known)}")


def frame_list(value: Any, key: str, most: int, file: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the list of objects under a key. If it is none, or empty or too long, add a problem and return [].

    Example:
        >>> frame_list([{"fov": 40}], "keyframes", 10, Path("path.json"), Problems())
        [{'fov': 40}]
    """
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        problems.add(file, f"{key} is not a list of at least one object", "Save the path again")
        return []
    if len(value) > most:
        problems.add(file, f"{key} has {len(value)} entries; at most {most} are allowed")
        return []
    return value


def poses(values: list[Any], where: str, problems: Problems) -> Array:
    """Return rigid camera-to-world matrices [K, 3, 4] from K values of JSON: rows of numbers, or 12 or 16 numbers.

    Example:
        >>> poses([[1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7, 0, 0, 0, 1]], "frame", Problems())[0, :, 3].tolist()
        [5.0, 6.0, 7.0]
    """
    found: list[Array] = []
    for i, value in enumerate(values):
        if isinstance(value, list) and len(value) in (12, 16):
            value = [value[start : start + 4] for start in range(0, len(value), 4)]
        try:
            found.append(read_pose(value))
        except (ValueError, OverflowError) as error:
            problems.add(f"{where} {i}", str(error), "Give a 4×4 camera-to-world matrix")
            found.append(np.eye(4))
    c2w, _ = check_poses(found, [f"{where} {i}" for i in range(len(found))], problems)
    return c2w


def within(table: Mapping[str, Any], key: str, low: float, high: float, where: str, problems: Problems) -> float:
    """Return the number under a key. If it is none, or outside its limits, add a problem and return `low`.

    Example:
        >>> within({"fov": 40}, "fov", 1, 179, "keyframe 0", Problems())
        40.0
    """
    value: Any = table.get(key)
    if type(value) in (int, float) and low <= value <= high:
        return float(value)
    problems.add(where, f"{key} is {value!r:.40}", f"Give a number from {low:g} to {high:g}")
    return low


def whole(table: Mapping[str, Any], key: str, most: int, where: str, problems: Problems) -> int:
    """Return the whole number from 2 to `most` under a key. If it is none, add a problem and return 2.

    Example:
        >>> whole({"width": 64}, "width", 1000, "path.json", Problems())
        64
    """
    value: Any = table.get(key)
    if type(value) in (int, float) and 2 <= value <= most and value % 1 == 0:
        return int(value)
    problems.add(where, f"{key} is {value!r:.40}", f"Give a whole number from 2 to {most}")
    return 2
