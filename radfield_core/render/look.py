"""The look of pictures: their size, their background and their crop. This module imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from radfield_core.errors import UsageError

MAX_SCALE = 16
CAMERAS = ("data", "perspective", "equirectangular")
"""Cameras of pictures: that of the data, one without lens distortion, or one that takes 360° panoramas."""

COLORS = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0), "gray": (0.5, 0.5, 0.5)}


@dataclass(frozen=True)
class Look:
    """The look of pictures.

    Attributes:
        scale: size of the pictures divided by the size of the data's images.
        width: width of the pictures in pixels, which replaces `scale`. The height keeps the proportions.
        background: color in [0, 1]; None for the background that evaluation uses.
        transparent: True to make pictures with an alpha channel and without a background.
        window: left, top, right and bottom edge in pixels of the part of the picture to keep.
        camera: kind of the camera; see `--camera` in `CAMERAS`.
        box: box to render, in the data's own coordinates: the smallest x, y and z, and the largest x, y and z.
    """

    scale: float = 1.0
    width: int | None = None
    background: tuple[float, float, float] | None = None
    transparent: bool = False
    window: tuple[int, int, int, int] | None = None
    box: tuple[float, ...] | None = None
    camera: str = "data"

    def scale_of(self, width: int) -> float:
        """Return the scale of a view's picture. `width` is the width in pixels of the view's image.

        Raises:
            UsageError: the picture would be too large.
        """
        scale = self.scale if self.width is None else self.width / width
        if scale > MAX_SCALE:
            raise UsageError(
                f"{self.width} pixels are more than {MAX_SCALE} times the {width} of the data's images",
                path="--width",
                hint=f"--width {MAX_SCALE * width}",
            )
        return scale


def read_color(text: str) -> tuple[float, float, float]:
    """Return the color in [0, 1] that a text describes.

    Example:
        >>> read_color("white"), read_color("#ff0000"), read_color("0,0.5,1")
        ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0), (0.0, 0.5, 1.0))

    Raises:
        UsageError: the text does not describe a color.
    """
    if text in COLORS:
        return COLORS[text]
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        red, green, blue = (int(text[start : start + 2], 16) / 255 for start in (1, 3, 5))
        return red, green, blue
    numbers = _numbers(text)
    if len(numbers) == 3 and all(0.0 <= number <= 1.0 for number in numbers):
        return numbers[0], numbers[1], numbers[2]
    raise UsageError(
        f'{text!r} is no color; use "transparent", {", ".join(COLORS)}, #RRGGBB, or three numbers between 0 and 1',
        path="--background",
        hint="--background white",
    )


def read_crop(text: str) -> tuple[tuple[int, int, int, int] | None, tuple[float, ...] | None]:
    """Return a window and a box, one of which is None. Four numbers in the text describe a window, six numbers a box.

    Example:
        >>> read_crop("10,20,110,120")
        ((10, 20, 110, 120), None)
        >>> read_crop("-1,-1,0,1,1,0.5")
        (None, (-1.0, -1.0, 0.0, 1.0, 1.0, 0.5))

    Raises:
        UsageError: the text does not have four or six numbers, or the window or box is empty.
    """
    numbers = _numbers(text)
    half = len(numbers) // 2
    if len(numbers) not in (4, 6):
        raise UsageError(
            f"{text!r} has neither four nor six numbers",
            path="--crop",
            hint="--crop LEFT,TOP,RIGHT,BOTTOM in pixels, or --crop X0,Y0,Z0,X1,Y1,Z1 in the data's coordinates",
        )
    if not all(low < high for low, high in zip(numbers[:half], numbers[half:], strict=True)):
        message = f"{text} keeps nothing: number i must be less than number i + {half}, for the first {half} numbers"
        raise UsageError(message, path="--crop", hint="Give the smaller corner first")
    if half == 3:
        return None, tuple(numbers)
    if any(number != int(number) or number < 0 for number in numbers):
        raise UsageError(
            f"{text}: edges must be whole numbers of pixels, at least 0", path="--crop", hint="--crop 0,0,100,100"
        )
    left, top, right, bottom = map(int, numbers)
    return (left, top, right, bottom), None


def _numbers(text: str) -> list[float]:
    """Return the numbers in a text, which are separated by commas. If one is not a finite number, return an empty
    list."""
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        return []
    return numbers if all(abs(number) < 1e30 for number in numbers) else []
