"""Use masks as the alpha channel of images, and check whether another data format can store the masks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radfield_core.data.decoding import decoded
from radfield_core.data.image_files import ImageFault
from radfield_core.data.pixel_tables import Pixels
from radfield_core.data.scene import ImageSource, MaskMeaning, Scene
from radfield_core.errors import DatasetError, Problems
from radfield_core.runtime.progress import ProgressCallback

_log = logging.getLogger(__name__)

COLOR_SHARE = 0.75
"""Share of the memory limit for color images, because three of the four channels are color. The rest is for masks."""


def all_have_masks(meaning: MaskMeaning, scenes: Iterable[Scene]) -> bool:
    """Return True if every scene has masks, and all these masks have the given meaning.

    Args:
        meaning: a value of `Scene.masks_mean`: "object" or "counted".
        scenes: the splits of a data set.

    Example:
        >>> from radfield_core.testing.captures import toy_capture
        >>> all_have_masks("object", [toy_capture(3, masks=True)]), all_have_masks("object", [toy_capture(3)])
        (True, False)
    """
    return all(scene.masks is not None and scene.masks_mean == meaning for scene in scenes)


def warn_about_lost_masks(meaning: MaskMeaning, scenes: Iterable[Scene]) -> None:
    """Log a warning if the masks of a data set cannot be written to another format.

    Masks are lost if masks have another meaning in that format. There is one exception: if the images have an alpha
    channel, masks that mark the object are not needed, because alpha marks the object too.

    Args:
        meaning: the meaning of masks in the format to write.
        scenes: the splits of the data set.

    Example:
        >>> from radfield_core.testing.captures import toy_capture
        >>> warn_about_lost_masks("object", [toy_capture(3, masks=True)])  # nothing is lost, so nothing is logged
    """
    others = [scene for scene in scenes if scene.masks is not None and scene.masks_mean != meaning]
    if any(scene.masks_mean == "counted" for scene in others):
        _log.warning(
            "masks that mark the pixels to train on are not written, because masks mark the object in this format"
        )
    elif any(scene.images.channels < 4 for scene in others):
        _log.warning(
            "masks that mark the object are not written, because black mask pixels are ignored in training in this "
            "format; set data.apply_mask=true when reading the data to store the masks as transparency instead"
        )


class WithAlpha:
    """An `ImageSource` that adds masks to color images as their alpha channel.

    Args:
        images: V images with three channels.
        masks: V masks with one channel. Each has the same size as its image.

    Example:
        >>> from radfield_core.data.images import MemoryImages
        >>> color, mask = (MemoryImages(torch.zeros(1, 2, 2, n, dtype=torch.uint8)) for n in (3, 1))
        >>> tuple(WithAlpha(color, mask)[0].shape)
        (2, 2, 4)
    """

    channels = 4

    def __init__(self, images: ImageSource, masks: ImageSource):
        self.images, self.masks = images, masks

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64."""
        return self.images.sizes

    def path(self, index: int) -> Path | None:
        """Return None, because the color and the mask come from two files."""
        return None

    def __getitem__(self, index: int) -> Tensor:
        return torch.cat([self.images[index], self.masks[index]], dim=-1)

    def decode(self, index: int) -> Pixels:
        """Decode an image and its mask, and return their pixels [H, W, 4] uint8 without keeping them in memory.

        Raises ImageFault if one of them cannot be decoded.
        """
        color = decoded(self.images, index)
        try:
            mask = decoded(self.masks, index)
        except ImageFault as fault:
            raise ImageFault(f"its mask {fault}") from None
        return np.concatenate([color, mask], axis=-1)

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the pixels [n, 4] uint8 at the given image numbers, rows and columns, each [n] int64."""
        both = self.images.gather(images, rows, columns), self.masks.gather(images, rows, columns)
        return torch.cat(both, dim=-1)

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Return the number of each view whose image or mask cannot be decoded, with the reason.

        See `ImageSource.check`.
        """
        images = self.images.check(_part(progress, 0))
        return images + [(index, f"its mask {reason}") for index, reason in self.masks.check(_part(progress, 1))]

    def only(self, kept: Sequence[int]) -> WithAlpha:
        """Return an image source of the images with the numbers `kept` and their masks, in this order."""
        return WithAlpha(self.images.only(kept), self.masks.only(kept))

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images and masks. See `ImageSource.prepare`.

        Raises a DatasetError that lists every image and mask that cannot be decoded.
        """
        problems = Problems()
        color_mb = int(cache_mb * COLOR_SHARE)
        for part, (source, share) in enumerate([(self.images, color_mb), (self.masks, cache_mb - color_mb)]):
            try:
                source.prepare(share, _part(progress, part))
            except DatasetError as error:
                problems.found += error.problems
        problems.raise_as(DatasetError)


def _part(progress: ProgressCallback | None, part: int) -> ProgressCallback | None:
    """Return a progress callback for the first half (`part` = 0) or the second half (`part` = 1) of a job."""
    if progress is None:
        return None
    return lambda done, of: progress(part * of + done, 2 * of)
