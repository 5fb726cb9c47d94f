"""Render the views of a split, or views along a camera path, at any scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from radfield_core.cameras import Camera, View
from radfield_core.data.cropping import Crop
from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError
from radfield_core.interfaces import Method, Model
from radfield_core.model import LevelLoop
from radfield_core.ops.backend import device_of
from radfield_core.render.backgrounds import background_for
from radfield_core.render.camera_paths import level, upward_axis
from radfield_core.render.look import Look
from radfield_core.runtime.memory import with_smaller_chunks
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.types import Rendered

SMALLEST_VIDEO_SIDE = 2  # pixels; a smaller video is impossible because MP4 stores color at half the resolution


def render_view(
    model: Model,
    method: Method,
    scene: Scene,
    view: View,
    chunk: int,
    report: ProgressCallback | None = None,
    look: Look | None = None,
) -> Rendered:
    """Render a view on the background that evaluation uses, or on the one that `look` sets.

    If memory runs out, the view is rendered again with fewer rays at a time. The number of rays at a time does not
    change the pixels.

    Args:
        model: the trained model, in evaluation mode.
        method: the method that the model was trained with. It chooses the background.
        scene: the scene that the view belongs to.
        view: pose and camera of the view, which has H × W pixels.
        chunk: number of rays that are rendered at a time.
        report: called after each chunk as report(number of rendered pixels, number of pixels).

    Returns:
        The rendered pixels [H·W, ...], row by row.
    """
    look = look or Look()
    color = None
    if look.background is not None:
        color = torch.tensor(look.background, device=device_of(model))
    elif not look.transparent and (usual := background_for(scene, method, None, 1, device_of(model))) is not None:
        color = usual[0]
    with _cropped(model, None if look.box is None else Crop.of(scene, look.box)):
        rendered, _ = with_smaller_chunks(lambda chunk: model.render(view, color, chunk, report), chunk)
    return rendered


@contextmanager
def _cropped(model: Model, crop: Crop | None) -> Iterator[None]:
    """Inside the `with` block, make a model render only what is inside the box of `crop`. Raises UsageError for models
    that cannot."""
    if crop is None:
        yield
        return
    if not isinstance(model, LevelLoop):
        message = f"{type(model).__name__} renders whole views only, so no box can be cut out"
        raise UsageError(message, path="--crop", hint="--crop LEFT,TOP,RIGHT,BOTTOM, in pixels")
    model.crop = crop
    try:
        yield
    finally:
        model.crop = None


def framed(camera: Camera, look: Look, smallest_side: int = 1) -> Camera:
    """Return the camera of a picture, with the size and the window that `look` sets.

    Raises:
        UsageError: the picture would be too large, or the window reaches beyond the picture.
    """
    camera = of_kind(camera, look.camera)
    camera = scaled(camera, look.scale_of(camera.width), smallest_side)
    if look.window is None:
        return camera
    left, top, right, bottom = look.window
    if right > camera.width or bottom > camera.height:
        raise UsageError(
            f"the window ends at {right},{bottom}, but the picture has {camera.width} × {camera.height} pixels",
            path="--crop",
            hint=f"--crop 0,0,{camera.width},{camera.height}, or a larger --width",
        )
    return replace(camera, width=right - left, height=bottom - top, cx=camera.cx - left, cy=camera.cy - top)


def of_kind(camera: Camera, kind: str) -> Camera:
    """Return a camera of a kind in `look.CAMERAS` for the pictures of a data set.

    A panorama is as high as the data's images. A perspective view of a panorama is as wide as the panorama is high. It
    is 90° wide, and its sides have the ratio 4:3.

    Example:
        >>> of_kind(Camera(40, 30, 25.0, 25.0, 20.0, 15.0), "equirectangular").width
        60
        >>> of_kind(Camera.equirectangular(40), "perspective").intrinsics.tolist()
        [20.0, 20.0, 20.0, 15.0]
    """
    if kind == "equirectangular" and not camera.panoramic:
        return Camera.equirectangular(camera.height)
    if kind == "perspective" and camera.panoramic:
        width, height = camera.height, max(1, round(0.75 * camera.height))
        return Camera(width, height, width / 2, width / 2, width / 2, height / 2)
    return replace(camera, model="pinhole", distortion=()) if kind == "perspective" else camera


def posed(scene: Scene, c2w: Tensor, camera: Camera, given: Camera) -> View:
    """Return a view. If its camera takes panoramas, but the given camera of the data does not, the view stands level.

    A panorama is shown on a sphere whose poles are above and below, so a tilted one would be shown tilted.
    """
    if camera.panoramic and not given.panoramic:
        c2w = level(c2w[None], upward_axis(scene))[0]
    return View(c2w, camera)


def scaled(camera: Camera, scale: float, smallest_side: int = 1) -> Camera:
    """Return the camera of an image whose sides are multiplied by `scale`, but at least `smallest_side` pixels long."""
    width = max(smallest_side, round(camera.width * scale))
    height = max(smallest_side, round(camera.height * scale))
    scale_x, scale_y = width / camera.width, height / camera.height
    return replace(
        camera,
        width=width,
        height=height,
        fx=camera.fx * scale_x,
        fy=camera.fy * scale_y,
        cx=camera.cx * scale_x,
        cy=camera.cy * scale_y,
    )


def stated_camera(width: int, height: int, fov: float, kind: str = "perspective") -> Camera:
    """Return the camera of a frame of a path.

    Args:
        width: width in pixels.
        height: height in pixels.
        fov: angle in degrees from the top edge to the bottom edge. Panoramas do not use it.
        kind: "perspective" or "equirectangular".

    Example:
        >>> camera = stated_camera(64, 48, 90.0)
        >>> round(camera.fx, 6), camera.cx
        (24.0, 32.0)
    """
    if kind == "equirectangular":
        whole = Camera.equirectangular(height)
        return replace(whole, width=width, fx=width / (2 * math.pi), cx=width / 2)
    focal = height / 2 / math.tan(math.radians(fov) / 2)
    return Camera(width, height, focal, focal, width / 2, height / 2)


def path_views(scene: Scene, c2w: Tensor, look: Look) -> list[View]:
    """Return n views along a camera path c2w [n, 3, 4].

    All views use the first camera of the scene, without lens distortion, and with the size and the window that `look`
    sets. Panoramas stand level.
    """
    camera = framed(scene.cameras.camera(0), look, SMALLEST_VIDEO_SIDE)
    if camera.panoramic:
        return [View(pose, camera) for pose in level(c2w, upward_axis(scene))]
    return [View(pose, of_kind(camera, "perspective")) for pose in c2w]


def view_names(scene: Scene, split: str, indices: Sequence[int]) -> list[str]:
    """Return file names for views, without a suffix, such as `test-007`.

    The numbers have leading zeros, so that files sorted by name are also sorted by number.
    """
    width = max(3, len(str(len(scene.cameras) - 1)))
    return [f"{split}-{index:0{width}d}" for index in indices]


def evenly_spread(n: int, count: int) -> list[int]:
    """Return the indices of `count` evenly spread views out of n. If `count` is larger than n, return all n indices.

    The views are divided into `count` equal parts, and the middle view of each part is chosen.

    Example:
        >>> evenly_spread(10, 2)
        [2, 7]
    """
    count = min(n, count)
    return [(2 * i + 1) * n // (2 * count) for i in range(count)]
