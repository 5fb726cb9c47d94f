"""Pictures and videos of a trained model: color, depth, opacity and, where the field has them, normals."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from radfield_core.cameras import Camera, View
from radfield_core.data.scene import Scene
from radfield_core.files.durable import atomic_path, write_atomic
from radfield_core.interfaces import Method, Model
from radfield_core.ops.backend import device_of
from radfield_core.render.backgrounds import background_for
from radfield_core.render.image_metrics import to_uint8
from radfield_core.runtime.memory import with_smaller_chunks
from radfield_core.runtime.progress import ProgressCallback
from radfield_core.types import Rendered

FRAMES_PER_SECOND = 30
_CODECS = (("h264", {"crf": "18"}), ("mpeg4", {"qscale": "3"}))


def render(
    model: Model, method: Method, scene: Scene, view: View, chunk: int, report: ProgressCallback | None = None
) -> Rendered:
    """Pixels [H·W, ...] of a view as in evaluation, in smaller chunks where memory runs out.

    report(done, of) is called after each chunk with the pixels that are done and those that there are.
    """
    device = device_of(model)
    background = background_for(scene, method, None, 1, device)
    color = None if background is None else background[0]
    rendered, _ = with_smaller_chunks(lambda chunk: model.render(view, color, chunk, report), chunk)
    return rendered


def scaled(camera: Camera, scale: float, least: int = 1) -> Camera:
    """The same camera with images `scale` times as large, and no side shorter than `least` pixels."""
    width, height = max(least, round(camera.width * scale)), max(least, round(camera.height * scale))
    across, down = width / camera.width, height / camera.height
    return dataclasses.replace(
        camera, width=width, height=height, fx=camera.fx * across, fy=camera.fy * down, cx=camera.cx * across,
        cy=camera.cy * down,
    )  # fmt: skip


def path_views(scene: Scene, c2w: Tensor, scale: float) -> list[View]:
    """Views along a path, through an undistorted camera like the scene's first, at least as large as a video can be."""
    camera = dataclasses.replace(scaled(scene.cameras.camera(0), scale, least=2), model="pinhole", distortion=())
    return [View(pose, camera) for pose in c2w]


def pictures(rendered: Rendered, width: int, height: int) -> dict[str, np.ndarray]:
    """8-bit pictures [H, W, 3] by name: rgb, depth (near is red, far is blue, nothing is black), opacity, normals."""
    shape = (height, width)
    shown = {}
    if rendered.rgb is not None:
        shown["rgb"] = to_uint8(rendered.rgb.float().cpu().view(*shape, 3)).numpy()
    opacity = rendered.opacity.float().cpu().view(shape)
    shown["depth"] = _depth_picture(rendered.depth.float().cpu().view(shape), opacity)
    shown["opacity"] = to_uint8(opacity)[..., None].expand(*shape, 3).numpy()
    if rendered.normals is not None:
        normals = rendered.normals.float().cpu().view(*shape, 3)
        shown["normals"] = to_uint8((0.5 + 0.5 * normals) * opacity[..., None]).numpy()
    return shown


def save_pictures(shown: dict[str, np.ndarray], folder: Path, name: str) -> list[Path]:
    """Write pictures as `<name>_<kind>.png`, each whole or not at all; returns the files. Raises OSError."""
    paths = []
    for kind, picture in shown.items():
        path = folder / f"{name}_{kind}.png"
        png = BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(png, format="png")
        write_atomic(path, png.getvalue())
        paths.append(path)
    return paths


def save_video(frames: Iterable[np.ndarray], path: Path, fps: int = FRAMES_PER_SECOND) -> Path:
    """Write frames [H, W, 3] uint8 as an MP4 file, H.264 where the library can and else MPEG-4; returns the path.

    Odd sizes lose their last row or column, since both formats store color at half the resolution. The file appears
    when it is whole: whatever ends this early leaves the one that was there before. Raises OSError.
    """
    import av  # loads a megabyte of codecs, which only videos need

    name, options = next((name, options) for name, options in _CODECS if _can_encode(name))
    iterator: Iterator[np.ndarray] = iter(frames)
    first = next(iterator)
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    with atomic_path(path) as beside, av.open(str(beside), "w") as container:
        stream: Any = container.add_stream(name, rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in _chained(first, iterator):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def _chained(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _can_encode(name: str) -> bool:
    import av

    try:
        av.codec.Codec(name, "w")
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _depth_picture(depth: Tensor, opacity: Tensor) -> np.ndarray:
    """Mean depth in false colors between the 2nd and 98th hundredths of what is opaque."""
    from matplotlib import colormaps

    solid = opacity > 0.5
    mean = depth / opacity.clamp_min(1e-6)
    if not bool(solid.any()):
        return np.zeros((*depth.shape, 3), dtype=np.uint8)
    low, high = np.quantile(mean[solid].numpy(), [0.02, 0.98])
    share = ((mean - low) / max(float(high - low), 1e-9)).clamp(0.0, 1.0)
    colors = torch.from_numpy(colormaps["turbo"](1.0 - share.numpy())[..., :3]).float()
    return to_uint8(colors * opacity.clamp(0.0, 1.0)[..., None]).numpy()


def view_names(scene: Scene, split: str, indices: Sequence[int]) -> list[str]:
    """File names of views: split and number."""
    width = max(3, len(str(len(scene.cameras) - 1)))
    return [f"{split}-{index:0{width}d}" for index in indices]
