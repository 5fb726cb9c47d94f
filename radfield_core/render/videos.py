"""Write videos. MP4 files are written frame by frame. GIF and WebP animations are built in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from radfield_core.errors import UsageError
from radfield_core.files.durable import atomic_path

FORMATS = ("mp4", "gif", "webp")
FRAMES_PER_SECOND = 30
MAX_ANIMATION_PIXELS = 100_000_000  # of all frames together; encoding this many takes about 1 GB of memory
_MP4_CODECS = ("h264", "mpeg4")  # the first one that the installed FFmpeg can encode is used


def check_format(name: str, n_frames: int, width: int, height: int) -> None:
    """Check that a video of this format and size can be written.

    An MP4 is encoded frame by frame, so it may have any length. A GIF or WebP animation needs all its frames in memory
    at once, so all frames together may have at most MAX_ANIMATION_PIXELS pixels.

    Raises:
        UsageError: the format is unknown, or the animation is too large.
    """
    if name not in FORMATS:
        raise UsageError(f"unknown video format {name!r}", path="--video", hint="--video mp4")
    pixels = n_frames * width * height
    if name != "mp4" and pixels > MAX_ANIMATION_PIXELS:
        raise UsageError(
            f"a {name.upper()} of {n_frames} frames of {width} × {height} has {pixels / 1e6:.0f} million pixels; "
            f"the limit is {MAX_ANIMATION_PIXELS / 1e6:.0f} million",
            path="--video",
            hint=f"--frames {max(1, MAX_ANIMATION_PIXELS // (width * height))}, or --video mp4",
        )


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float = FRAMES_PER_SECOND) -> Path:
    """Write frames as a video and return the path. The suffix of the path decides the format.

    The file appears only when it is complete. After an error or an interruption, an earlier file of the same name is
    unchanged. GIF and WebP animations loop forever. A GIF stores the duration of a frame in hundredths of a second, so
    30 frames per second become 33. An MP4 is encoded as H.264, or as MPEG-4 if FFmpeg has no H.264 encoder. Both codecs
    store color at half the resolution and need even sizes, so the last row or column of an odd size is cut off.

    Args:
        path: a file ending in .mp4, .gif or .webp. Missing parent folders are created.
        frames: at least one uint8 array [H, W, 3]. All frames must have the same size, at least 2 × 2 pixels.
        fps: frames per second.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        if path.suffix == ".mp4":
            _write_mp4(temporary, frames, fps)
        else:
            _write_animation(temporary, list(frames), fps)
    return path


def _write_mp4(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    import imageio.v3 as iio  # takes long to import, and few commands write videos

    rest: Iterator[np.ndarray] = iter(frames)
    first = next(rest)
    height, width = (size // 2 * 2 for size in first.shape[:2])
    with iio.imopen(path, "w", plugin="pyav") as file:
        file.init_video_stream(_mp4_codec(), fps=float(fps), pixel_format="yuv420p")
        for frame in chain([first], rest):
            file.write_frame(frame[:height, :width])


def _mp4_codec() -> str:
    import av

    def can_encode(name: str) -> bool:
        try:
            av.codec.Codec(name, "w")
        except (ValueError, av.error.FFmpegError):
            return False
        return True

    return next(name for name in _MP4_CODECS if can_encode(name))


def _write_animation(path: Path, frames: list[np.ndarray], fps: float) -> None:
    import imageio.v3 as iio

    options: dict[str, Any] = {"quality": 90} if path.suffix == ".webp" else {}
    iio.imwrite(path, frames, plugin="pillow", is_batch=True, duration=1000 / fps, loop=0, **options)
