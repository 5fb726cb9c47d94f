"""Images whose transparency comes from masks kept beside them, and masks on their way into another format."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from radfield_core.data.images import FileImages
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, Problems
from radfield_core.runtime.progress import ProgressCallback

_SAID = {
    "object": "masks that show the object are not written: in this format what is black would not count; "
    "as transparency (dtu: data.apply_mask=true) they are kept",
    "counted": "masks that say which pixels count are not written: in this format they would show the object",
}


def have_masks_that_mean(meaning: Literal["object", "counted"], scenes: Iterable[Scene]) -> bool:
    """Whether all scenes have masks, of the meaning that a format's masks have; warns of those that mean another.

    Masks of objects whose images are transparent elsewhere are not missed.
    """
    scenes = list(scenes)
    others = [scene for scene in scenes if scene.masks is not None and scene.masks_mean != meaning]
    if any(scene.masks_mean == "counted" or scene.images[0].shape[-1] < 4 for scene in others):
        print(f"warning: {_SAID[others[0].masks_mean]}", file=sys.stderr)
    return not others and all(scene.masks is not None for scene in scenes)


class WithAlpha:
    """An ImageSource: V color images, each with its mask as fourth channel."""

    channels = 4

    def __init__(self, images: FileImages, masks: FileImages):
        self.images, self.masks = images, masks

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64."""
        return self.images.sizes

    def __getitem__(self, index: int) -> Tensor:
        return torch.cat([self.images[index], self.masks[index]], dim=-1)

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels [n, 4] uint8."""
        both = self.images.gather(images, rows, columns), self.masks.gather(images, rows, columns)
        return torch.cat(both, dim=-1)

    def check(self) -> list[tuple[int, str]]:
        """Every image or mask that cannot be decoded, with the reason."""
        return self.images.check() + [(index, f"its mask {reason}") for index, reason in self.masks.check()]

    def only(self, kept: Sequence[int]) -> WithAlpha:
        """The images at these places alone, with their masks."""
        return WithAlpha(self.images.only(kept), self.masks.only(kept))

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images and masks; three quarters of the memory are for the images, which have three channels.

        Raises DatasetError naming every one of both that cannot be used.
        """
        problems = Problems()
        for source, share in ((self.images, cache_mb * 3 // 4), (self.masks, cache_mb // 4)):
            try:
                source.prepare(share, progress)
            except DatasetError as error:
                problems.found += error.problems
        problems.raise_as(DatasetError)
