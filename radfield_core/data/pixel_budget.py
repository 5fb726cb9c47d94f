"""Count the pixels of a whole data set before any image is decoded, and refuse a set that would take hours.

A file of a few bytes can claim 64 million pixels, and a data set can list thousands of such files. The headers state
the sizes, so the pixels can be counted first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from radfield_core.data.masks import WithAlpha
from radfield_core.data.resized import stored
from radfield_core.data.scene import ImageSource, Scene
from radfield_core.errors import DatasetError
from radfield_core.names import plural


def pixels_to_decode(scenes: Mapping[str, Scene]) -> tuple[int, int]:
    """Return the number of pixels and of files that have to be decoded to use a data set, given as split -> scene.

    Images and masks count with the size in which they are stored. A file in several splits counts once. Images that do
    not come from files, such as those of the synthetic scene, do not count.
    """
    pixels: dict[Path, int] = {}
    for scene in scenes.values():
        for source in (scene.images, scene.masks):
            if source is not None:
                _count(stored(source), pixels)
    return sum(pixels.values()), len(pixels)


def _count(source: ImageSource, pixels: dict[Path, int]) -> None:
    """Add the number of pixels of each file of a source to `pixels`."""
    if isinstance(source, WithAlpha):
        _count(source.images, pixels)
        _count(source.masks, pixels)
        return
    for index, (width, height) in enumerate(source.sizes.tolist()):
        if (path := source.path(index)) is not None:
            pixels[path] = width * height


def check_pixels(scenes: Mapping[str, Scene], max_gigapixels: float) -> None:
    """Raise DatasetError if the images and masks of a data set have more pixels than `max_gigapixels` billions.

    Args:
        scenes: split -> scene.
        max_gigapixels: the limit, which is an option of every data format.
    """
    pixels, files = pixels_to_decode(scenes)
    total = pixels / 1e9
    if total > max_gigapixels:
        every = math.ceil(total / max_gigapixels)
        raise DatasetError(
            f"{plural(files, 'image or mask', 'images and masks')} have {total:.3g} billion pixels, more than "
            f"data.max_gigapixels={max_gigapixels:g}; decoding them would take hours",
            path="data",
            hint=f"Add data.every={every} to use fewer views, or data.max_gigapixels={math.ceil(total)} to go on",
        )
