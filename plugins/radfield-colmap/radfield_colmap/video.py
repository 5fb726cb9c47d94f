"""Sharp frames of a video as image files. PyAV decodes the video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from radfield_core import DatasetError, plural
from radfield_core.data import MAX_IMAGE_PIXELS

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".3gp", ".wmv")
"""File name endings of videos. If the user names a file with another ending, it is also tried as a video."""

DEFAULT_FRAMES = 100
"""Number of frames that are cut from a video if the user sets no other number."""

_JUDGED_WIDTH = 640  # frames are reduced to this width before their sharpness is compared
_QUALITY = 95


def cut(video: Path, folder: Path, n: int, progress: Callable[[int, int], None]) -> tuple[list[str], list[str]]:
    """Divide a video into n intervals of equal numbers of frames, and write the sharpest frame of each as a JPEG file.

    A frame is written upright if the video states how it is to be rotated.

    Args:
        video: the file.
        folder: an existing folder to write to.
        n: number of intervals. If the video has fewer than n frames, all of them are written.
        progress: called as progress(frames decoded, all frames).

    Returns:
        The names of the files, and remarks for the user.

    Raises:
        DatasetError: the file is no video, none of its frames can be decoded, or its frames are too large.
    """
    import av

    try:
        with av.open(str(video), metadata_errors="ignore") as container:
            total = _count(container)
        with av.open(str(video), metadata_errors="ignore") as container:
            names, fault = _write_sharpest(container, folder, n, total, progress)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _not_a_video(video, getattr(error, "strerror", None) or str(error)) from None
    if not names:
        raise _not_a_video(video, fault or "it has no frames")
    remarks = [f"took {plural(len(names), 'frame')} of {total} from the video, the sharpest of each interval"]
    return names, remarks + ([f"the video breaks off: {fault}"] if fault else [])


def _not_a_video(video: Path, reason: str) -> DatasetError:
    return DatasetError(
        f"this file cannot be read as a video: {reason}",
        path=str(video),
        hint="Give a video that plays from start to end, or a folder of photographs",
    )


def _count(container: Any) -> int:
    """Count the frames of a video without decoding them. Raises ValueError if there is none, or if it is too large."""
    if not container.streams.video:
        raise ValueError("it has no pictures")
    stream = container.streams.video[0]
    if stream.width * stream.height > MAX_IMAGE_PIXELS:
        limit = f"{MAX_IMAGE_PIXELS / 1e6:.0f} million are allowed"
        raise ValueError(f"frames have {stream.width}×{stream.height} pixels; at most {limit}")
    return sum(packet.size > 0 for packet in container.demux(stream))


def _write_sharpest(
    container: Any, folder: Path, n: int, total: int, progress: Callable[[int, int], None]
) -> tuple[list[str], str]:
    """Write the sharpest frame of each interval. Return the file names, and "" or the reason why decoding ended
    early."""
    import av

    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    n, names, fault = min(n, total), list[str](), ""
    best: tuple[float, int, Any] | None = None
    interval, index = 0, 0
    try:
        for index, frame in enumerate(container.decode(stream)):
            progress(index, total)
            current = min(index * n // max(total, 1), n - 1)
            if best is not None and current > interval:
                names.append(_write(best, folder))
                best = None
            interval, score = current, sharpness(_gray(frame))
            if best is None or score > best[0]:
                best = (score, index, frame)
    except av.error.FFmpegError as error:
        fault = f"frame {index + 2} of {total} cannot be decoded ({error.strerror})"
    if best is not None:
        names.append(_write(best, folder))
    progress(total, total)
    return names, fault


def _gray(frame: Any) -> npt.NDArray[np.float32]:
    """Return the brightness of a frame [H, W], reduced to the width at which frames are compared."""
    width = min(_JUDGED_WIDTH, frame.width)
    height = max(1, round(frame.height * width / frame.width))
    gray: npt.NDArray[np.uint8] = frame.reformat(width=width, height=height, format="gray").to_ndarray()
    return gray.astype(np.float32)


def sharpness(gray: npt.NDArray[np.float32]) -> float:
    """Return the variance of the Laplacian of an image [H, W]. Of two images of a scene, the sharper has the larger
    one.

    The Laplacian here is the sum of the four neighbors minus four times the pixel (Pech-Pacheco et al. 2000).

    Example:
        >>> step = np.repeat(np.array([[0, 0, 0, 9, 9, 9]], np.float32), 5, axis=0)
        >>> ramp = np.repeat(np.array([[0, 2, 4, 5, 7, 9]], np.float32), 5, axis=0)
        >>> sharpness(step) > sharpness(ramp)
        True
    """
    if min(gray.shape) < 3:
        return 0.0
    center = gray[1:-1, 1:-1]
    return float((gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:] - 4 * center).var())


def _write(best: tuple[float, int, Any], folder: Path) -> str:
    _, index, frame = best
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(getattr(frame, "rotation", 0) / 90) % 4)
    name = f"frame-{index:06d}.jpg"
    Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name, quality=_QUALITY, subsampling=0)
    return name
