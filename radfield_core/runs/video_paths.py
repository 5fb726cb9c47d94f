"""The views of a video of a trained run: along a named camera path, between two images, or along a path in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import torch

from radfield_core.cameras import View
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import transform_cameras
from radfield_core.errors import NoSuchSplit, UsageError
from radfield_core.names import nearest
from radfield_core.render.camera_paths import between, camera_path
from radfield_core.render.look import Look
from radfield_core.render.trajectories import MAX_FPS, MIN_FPS, Trajectory
from radfield_core.render.videos import FRAMES_PER_SECOND
from radfield_core.render.views import SMALLEST_VIDEO_SIDE, framed, path_views, stated_camera, view_names
from radfield_core.runs.scenes import Scenes

FRAMES = 60
FRAMES_PER_CAMERA, MOST_FRAMES = 10, 300
"""By default, a path through the cameras has this many frames per camera, and at most so many frames in all."""


@dataclass(frozen=True, eq=False)
class VideoPath:
    """The frames of a video.

    Attributes:
        name: name of the path, and of the video.
        views: the view of each frame.
        fps: frames per second.
    """

    name: str
    views: list[View]
    fps: float = FRAMES_PER_SECOND


def video_path(scenes: Scenes, path: str | tuple[str, str] | Trajectory, n: int | None, look: Look) -> VideoPath:
    """Return the frames of a video.

    Args:
        scenes: the splits of the run's data.
        path: the name of a camera path, two images to move between, or the path that a file describes.
        n: number of frames; None for a usual number, or for the number that the file states.
        look: size, background and crop of the frames. Its scale multiplies the size that a file states.

    Raises:
        UsageError: there is no such path or image.
    """
    scene = scenes.views("train")
    if isinstance(path, Trajectory):
        return _along(scene, path, n, look)
    if isinstance(path, tuple):
        ends = torch.stack([image_pose(scenes, name) for name in path])
        return VideoPath("between", path_views(scene, between(ends, n or FRAMES), look))
    usual = FRAMES if path != "cameras" else min(MOST_FRAMES, FRAMES_PER_CAMERA * len(scene.cameras))
    name, c2w = camera_path(scene, path, n or usual)
    return VideoPath(name, path_views(scene, c2w, look))


def _along(scene: Scene, path: Trajectory, n: int | None, look: Look) -> VideoPath:
    """Return the frames of the path in a file. If another number of frames is given, the duration stays."""
    to_scene = np.linalg.inv(scene.to_data.double().numpy())
    poses, fov = path.frames(n)
    c2w = torch.from_numpy(transform_cameras(to_scene, poses))
    cameras = (
        framed(stated_camera(path.width, path.height, float(angle), path.camera), look, SMALLEST_VIDEO_SIDE)
        for angle in fov
    )
    views = [View(pose, camera) for pose, camera in zip(c2w, cameras, strict=True)]
    fps = path.fps if n is None or not path.duration else n / path.duration
    return VideoPath(path.name, views, min(max(fps, MIN_FPS), MAX_FPS))


def image_pose(scenes: Scenes, name: str) -> torch.Tensor:
    """Return the pose [3, 4] of the view whose image has a name, in any split.

    The name may lack its folder or its suffix. Names of rendered pictures, such as "test-007", are also understood.

    Raises:
        UsageError: no image has the name, or images with different poses have it.
    """
    found: dict[str, torch.Tensor] = {}
    known: list[str] = []
    for picture, names, pose in _images(scenes):
        known += [names[0], picture]
        if name in (picture, *names) and not any(torch.equal(pose, other) for other in found.values()):
            found[picture] = pose
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        message = f"{name!r:.200} is the name of {len(found)} images: {', '.join(list(found)[:5])}"
        raise UsageError(message, path="--between", hint=f"Write {next(iter(found))} in place of {name:.200}")
    near = nearest(name, known)
    hint = f"Write {near}" if near else f"--between {known[1]} {known[-1]}"
    raise UsageError(f"no image has the name {name!r:.200}", path="--between", hint=hint)


def _images(scenes: Scenes) -> Iterator[tuple[str, list[str], torch.Tensor]]:
    """Yield for every view the name of its picture, such as "test-007", the names of its image, and its pose."""
    for split in scenes.splits:
        try:
            scene = scenes.views(split)
        except NoSuchSplit:
            continue
        pictures = view_names(scene, split, range(len(scene.cameras)))
        for picture, own, pose in zip(pictures, scene.names or pictures, scene.cameras.c2w, strict=True):
            base = PurePosixPath(own.replace("\\", "/"))
            yield picture, [own, base.name, base.stem], pose
