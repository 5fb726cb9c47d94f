"""Read the header or the pixels (as uint8) of an image file that may come from an untrusted source.

Only four formats are allowed. The format of a file is recognized by its content, not by its name. Pillow's decoders for
other formats are not used, because they run external programs or have had more security faults.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from radfield_core.errors import Problem
from radfield_core.names import plural

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
"""The image formats that can be read, by their names in Pillow."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""Endings that image files of these formats have in their names."""

MAX_IMAGE_PIXELS = 64_000_000
"""Largest number of pixels of one image. Without this limit, a small file could claim billions of pixels."""

MIN_SHARE_OF_ONES = 0.01
"""If the largest alpha value is 1, and at least this share of the values is 1, the values 0 and 1 are read as 0 and
255."""

UPRIGHT = 1
"""EXIF orientation of an image that is displayed as it is stored, without a rotation."""

_ONE_CHANNEL = ("1", "L", "I", "F")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ORIENTATION_TAG = 0x0112


class ImageFault(Exception):
    """Raised if an image file cannot be used. The message says why."""


class ImageHeader(NamedTuple):
    """The header of an image file: size, channels and EXIF orientation.

    Attributes:
        width: width in pixels.
        height: height in pixels.
        channels: number of channels: 1, 3 or 4.
        orientation: EXIF orientation; 1 for an upright image. Images are never rotated; other orientations are only
            reported.
        fault: the reason why the header cannot be read, or "" if it can. If it cannot, width and height are 0.
    """

    width: int
    height: int
    channels: int
    orientation: int = UPRIGHT
    fault: str = ""


def read_header(path: Path) -> ImageHeader:
    """Read the header of an image file.

    Args:
        path: a PNG, JPEG, WebP or TIFF file.

    Raises:
        ImageFault: the file cannot be opened, is in another format, or has too many pixels.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("RGB", (4, 3)).save(Path(folder) / "a.png")
        ...     read_header(Path(folder) / "a.png")[:3]
        (4, 3, 3)
    """
    with warnings.catch_warnings():  # not in `opened`, which also runs in threads, where changing filters is unsafe
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image_file = opened(path)
    with image_file as image:
        alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        channels = 4 if alpha else 1 if image.mode in _ONE_CHANNEL or image.mode.startswith("I;16") else 3
        try:
            orientation = int(image.getexif().get(_ORIENTATION_TAG, UPRIGHT))
        except Exception:  # a damaged EXIF block does not make the pixels unusable
            orientation = UPRIGHT
        return ImageHeader(image.width, image.height, channels, orientation)


def read_headers(paths: Sequence[Path]) -> tuple[list[ImageHeader], list[Problem]]:
    """Read the headers of image files.

    An unreadable header is replaced by a header of size 0×0, whose `fault` gives the reason. So the dataparser can
    continue, and `ImageSource.check` reports the file before training.

    Args:
        paths: V files.

    Returns:
        V headers, and a list with one problem for each unreadable header.

    Example:
        >>> headers, problems = read_headers([Path("/nowhere/a.png")])
        >>> headers[0].width, len(problems)
        (0, 1)
    """
    headers, problems = [], []
    for path in paths:
        try:
            headers.append(read_header(path))
        except ImageFault as fault:
            headers.append(ImageHeader(0, 0, 3, fault=str(fault)))
            problems.append(Problem(str(path), str(fault)))
    return headers, problems


def orientation_notes(headers: Sequence[ImageHeader]) -> list[str]:
    """Return a list with one message for the user if some images have an EXIF rotation. Otherwise, return [].

    The rotation is not applied, because camera poses are estimated for the pixels as they are stored.

    Example:
        >>> orientation_notes([ImageHeader(4, 3, 3)])
        []
    """
    rotated = sum(header.orientation != UPRIGHT for header in headers)
    if not rotated:
        return []
    carry = "carries" if rotated == 1 else "carry"
    images = plural(rotated, "image")
    return [f"{images} {carry} an EXIF rotation, which is not applied: the poses must fit the stored pixels"]


def decode(path: Path, channels: int) -> npt.NDArray[np.uint8]:
    """Decode an image file. Return its pixels [H, W, channels] uint8. Gray values of 16 or 32 bits are scaled to 8
    bits.

    Floating-point values are taken to be in [0, 1], or in [0, 255] if one of them is larger than 1. NaN becomes black.
    If the alpha channel has only the values 0 and 1, they are read as transparent and opaque.

    Raises ImageFault if the file is damaged, is not an image, or has values outside of these ranges.
    """
    with opened(path) as image:
        try:
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                image = Image.fromarray(_eight_bits(np.asarray(image), image.mode.startswith("I;16")))
            pixels: npt.NDArray[Any] = np.asarray(image.convert(_MODES[channels]))
        except ImageFault:
            raise
        except Exception as error:  # for damaged files, decoders raise exceptions of many classes
            raise ImageFault(f"cannot be decoded: {error}") from None
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], channels)
    return _visible(pixels) if channels == 4 else pixels


def _eight_bits(values: npt.NDArray[Any], is_16_bit: bool) -> npt.NDArray[np.uint8]:
    """Scale gray values [H, W] of 16 or 32 bits to 8 bits. Raises ImageFault for values that are out of range."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    highest = 65535 if values.dtype.kind != "f" else 255
    if low < 0 or high > highest:
        raise ImageFault(f"has values from {low:g} to {high:g}; 0 to {highest} are expected")
    if values.dtype.kind == "f":
        return np.round(values * (255.0 if high <= 1 else 1.0)).astype(np.uint8)
    if not is_16_bit and high <= 255:
        return values.astype(np.uint8)
    return (values.astype(np.uint32) * 255 // 65535).astype(np.uint8)


def _visible(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return RGBA pixels. If their alpha values are only 0 and 1, replace them by 0 and 255."""
    alpha = pixels[..., 3]
    if alpha.size == 0 or alpha.max() != 1 or alpha.mean() < MIN_SHARE_OF_ONES:
        return pixels
    return np.concatenate([pixels[..., :3], 255 * alpha[..., None]], axis=-1)


def _unidentified(path: Path) -> str:
    """Return the reason why Pillow does not recognize a file."""
    with path.open("rb") as stream:
        start = stream.read(4)
    if not start:
        return "is empty"
    if start in (b"II*\0", b"MM\0*"):
        return "is a TIFF image with pixels that cannot be decoded, such as colors of 32 bits; 8 or 16 bits can be read"
    return "is not a PNG, JPEG, WebP or TIFF image"


def opened(path: Path) -> Image.Image:
    """Open an image file with one of the allowed decoders. Its pixels are not decoded yet.

    Raises ImageFault if the file cannot be opened, is in another format, or has too many pixels.
    """
    if path.exists() and not path.is_file():
        raise ImageFault("is not a regular file")  # opening a pipe would wait forever
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageFault(f"has too many pixels; at most {MAX_IMAGE_PIXELS / 1e6:.0f} million are allowed") from None
    except UnidentifiedImageError:
        raise ImageFault(_unidentified(path)) from None
    except Exception as error:  # for damaged files, decoders raise exceptions of many classes
        raise ImageFault(f"cannot be opened: {error}") from None
    if image.width * image.height > MAX_IMAGE_PIXELS:
        image.close()
        raise ImageFault(
            f"has {image.width}×{image.height} pixels; at most {MAX_IMAGE_PIXELS / 1e6:.0f} million are allowed"
        )
    return image
