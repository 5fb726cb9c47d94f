"""Images whose transparency comes from masks kept beside them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from radfield_core.errors import DatasetError, Problems
from radfield_core.images import FileImages, Progress


class WithAlpha:
    """An ImageSource: V colour images, each with its mask as fourth channel."""

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
        return self.images.check() + [(index, f"mask: {reason}") for index, reason in self.masks.check()]

    def only(self, kept: Sequence[int]) -> WithAlpha:
        """The images at these places alone, with their masks."""
        return WithAlpha(self.images.only(kept), self.masks.only(kept))

    def prepare(self, cache_mb: int, progress: Progress | None = None) -> None:
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
