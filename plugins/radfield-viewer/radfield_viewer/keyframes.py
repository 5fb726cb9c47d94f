"""The keyframes of a camera path: adding, changing, removing, and saving them in the run's folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from radfield_core import UsageError
from radfield_core.data import transform_cameras
from radfield_core.files import write_durably
from radfield_core.render import Trajectory, path_json
from radfield_viewer.poses import Array

FOLDER = "camera_paths"
MOST_KEYFRAMES, MOST_FILES = 1000, 999
WIDTH = 960
"""Width of the frames of a saved path in pixels. Its file can be edited."""


@dataclass(frozen=True, eq=False)
class Keyframe:
    """One keyframe.

    Attributes:
        c2w: camera-to-world matrix [3, 4] in scene coordinates.
        fov: angle in degrees from the top edge to the bottom edge.
        seconds: time to the next keyframe.
    """

    c2w: Array
    fov: float
    seconds: float


@dataclass
class Keyframes:
    """A camera path that is being made.

    Attributes:
        frames: the keyframes in their order.
        aspect: width of the frames divided by their height.
        fps: frames per second.
        loop: True if the path returns to the first keyframe.
    """

    frames: list[Keyframe] = field(default_factory=list)
    aspect: float = 16 / 9
    fps: float = 30.0
    loop: bool = False

    def add(self, frame: Keyframe) -> None:
        """Add a keyframe at the end.

        Raises:
            UsageError: there are too many.
        """
        if len(self.frames) >= MOST_KEYFRAMES:
            raise UsageError(f"a path has at most {MOST_KEYFRAMES} keyframes")
        self.frames.append(frame)

    def change(self, index: int, **changed: object) -> None:
        """Change a keyframe. Do nothing if there is none with this index."""
        if 0 <= index < len(self.frames):
            self.frames[index] = replace(self.frames[index], **changed)  # type: ignore[arg-type]

    def remove(self, index: int) -> None:
        """Remove a keyframe. Do nothing if there is none with this index."""
        if 0 <= index < len(self.frames):
            del self.frames[index]

    def move(self, index: int, by: int) -> int:
        """Exchange a keyframe with the one before or after it, and return its new index."""
        other = index + by
        if min(index, other) < 0 or max(index, other) >= len(self.frames):
            return index
        self.frames[index], self.frames[other] = self.frames[other], self.frames[index]
        return other

    def trajectory(self, to_data: Array | None = None) -> Trajectory:
        """Return the path in scene coordinates, or in those to which the similarity [4, 4] `to_data` leads.

        Raises:
            UsageError: there are no keyframes.
        """
        if not self.frames:
            raise UsageError("the path has no keyframes; add one")
        c2w = np.stack([frame.c2w for frame in self.frames])
        fov, seconds = (np.array([getattr(frame, name) for frame in self.frames]) for name in ("fov", "seconds"))
        height = max(2, round(WIDTH / self.aspect))
        moved = c2w if to_data is None else transform_cameras(to_data, c2w)
        return Trajectory("path", moved, fov, seconds, WIDTH, height, self.fps, self.loop)

    def save(self, folder: Path, to_data: Array) -> Path:
        """Write the path to the next free file `camera_paths/path-NNN.json` of a run's folder, and return the file.

        Raises:
            UsageError: there are no keyframes, or no free names.
            OSError: the file cannot be written.
        """
        text = path_json(self.trajectory(to_data))
        place = folder / FOLDER
        if place.is_symlink():
            raise UsageError(f"{FOLDER} in the run's folder is a link; replace it by a folder")
        for number in range(1, MOST_FILES + 1):
            file = place / f"path-{number:03d}.json"
            if not file.exists() and not file.is_symlink():
                place.mkdir(exist_ok=True)
                write_durably(file, text)
                return file
        raise UsageError(f"{FOLDER} holds {MOST_FILES} paths; remove some")
