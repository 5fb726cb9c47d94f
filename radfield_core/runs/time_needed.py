"""Estimate how long rendering will take, by measuring the time of a small picture before the work begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from radfield_core.cameras import Camera
from radfield_core.names import plural
from radfield_core.render.look import Look
from radfield_core.render.views import framed, of_kind, render_view, scaled
from radfield_core.runs.reports import chosen_views
from radfield_core.runs.trained import Trained
from radfield_core.runtime.progress import roughly

WARM_UP_SIDE, PROBE_SIDE = 8, 32
"""Pixels along the longer side of two small pictures: one that compiles kernels, and one whose time is measured."""

VIDEO_SIDE = 400
"""If the user sets no size, the longer side of a video has at most this many pixels."""


def picture_cameras(trained: Trained, split: str, views: str | None, look: Look) -> list[Camera]:
    """Return the cameras of the pictures that `render_split` makes."""
    scene = trained.scenes.views(split)
    return [framed(scene.cameras.camera(index), look) for index in chosen_views(scene, views)]


def small(trained: Trained, look: Look) -> Look:
    """Return a look that makes a video small enough to be rendered soon: at most `VIDEO_SIDE` pixels wide and high."""
    camera = of_kind(trained.scenes.views("train").cameras.camera(0), look.camera)
    return replace(look, scale=min(1.0, VIDEO_SIDE / max(camera.width, camera.height)), width=None)


def seconds_per_ray(trained: Trained) -> float:
    """Return the time to render a ray, in seconds, measured on a small picture of the middle training view."""
    scene = trained.scenes.views("train")
    view = scene.cameras.view(len(scene.cameras) // 2)
    seconds = 0.0
    for side in (WARM_UP_SIDE, PROBE_SIDE):
        camera = scaled(view.camera, side / max(view.camera.width, view.camera.height))
        started = time.perf_counter()
        render_view(trained.model, trained.method, scene, replace(view, camera=camera), trained.run.eval.rays_per_chunk)
        seconds = (time.perf_counter() - started) / (camera.width * camera.height)
    return seconds


def announcement(per_ray: float, pictures: Sequence[Camera], frame: Camera | None, n_frames: int) -> str:
    """Return text that says what is rendered and about how long it takes.

    Example:
        >>> camera = Camera(8, 6, 10.0, 10.0, 4.0, 3.0)
        >>> announcement(0.1, [camera], camera, 30)
        '1 view of 8×6 and a video of 30 frames of 8×6 (about 2 min)'

    Args:
        per_ray: time to render a ray, in seconds.
        pictures: cameras of the pictures.
        frame: camera of each frame of the video; None for no video.
        n_frames: number of frames.
    """
    parts, rays = [], 0
    if pictures:
        sizes = {_size(camera) for camera in pictures}
        parts.append(f"{plural(len(pictures), 'view')} of {sizes.pop() if len(sizes) == 1 else 'several sizes'}")
        rays += sum(camera.width * camera.height for camera in pictures)
    if frame is not None:
        parts.append(f"a video of {plural(n_frames, 'frame')} of {_size(frame)}")
        rays += n_frames * frame.width * frame.height
    return f"{' and '.join(parts)} (about {roughly(per_ray * rays)})"


def _size(camera: Camera) -> str:
    return f"{camera.width}×{camera.height}"
