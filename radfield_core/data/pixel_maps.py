"""Maps with floating-point values for every pixel, such as depth images, prepared for reading random pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from radfield_core.data.decoding import DecodedImages
from radfield_core.data.image_files import ImageFault
from radfield_core.data.pixel_tables import Pixels
from radfield_core.errors import DatasetError


class PixelMaps(DecodedImages):
    """Values of random pixels of V maps. Maps that exceed the memory limit are kept in a memory-mapped file.

    The values are stored like the colors of an image: four bytes of float32 count as four channels.

    Args:
        maps: V maps [H, W] or [H, W, C]. Each is computed or read only once.
        sizes: width and height of each map [V, 2] int64.
        channels: number of values C of a pixel; None for maps [H, W].
        names: names of the maps for messages.
        cache_mb: memory for the maps, in MiB.

    Example:
        >>> maps = PixelMaps([torch.tensor([[1.0, 2.5]])], torch.tensor([[2, 1]]), None, ["a depth"], cache_mb=16)
        >>> zero = torch.zeros(1, dtype=torch.int64)
        >>> maps.values(zero, zero, zero + 1)
        tensor([2.5000])
    """

    def __init__(
        self, maps: Sequence[Tensor], sizes: Tensor, channels: int | None, names: Sequence[str], cache_mb: int
    ):
        super().__init__([(height, width) for width, height in sizes.tolist()], 4 * (channels or 1), cache_mb)
        self._maps, self._channels, self._names = maps, channels, names

    def decode(self, index: int) -> Pixels:
        """Return the bytes of a map [H, W, 4 C]. Raises ImageFault if the map cannot be read or has the wrong size."""
        try:
            values = self._maps[index].to(torch.float32)
        except DatasetError as error:
            raise ImageFault(error.problems[0].message) from None
        width, height = self.sizes[index].tolist()
        shape = (height, width) if self._channels is None else (height, width, self._channels)
        if tuple(values.shape) != shape:
            raise ImageFault(f"has the shape {list(values.shape)}, but its image needs {list(shape)}")
        pixels: Pixels = values.reshape(height, width, -1).contiguous().view(torch.uint8).numpy()
        return pixels

    def label(self, index: int) -> str:
        """Return the name of a map."""
        return self._names[index]

    def path(self, index: int) -> Path | None:
        """Return None: no image file has exactly these bytes as its pixels."""
        return None

    def only(self, kept: Sequence[int]) -> PixelMaps:
        """Return the maps with the numbers `kept`, in this order."""
        maps, names = [self._maps[i] for i in kept], [self._names[i] for i in kept]
        return PixelMaps(maps, self.sizes[list(kept)], self._channels, names, self.cache_mb)

    def values_of(self, index: int) -> Tensor:
        """Return the values [H, W] or [H, W, C] float32 of one map."""
        found = self[index].view(torch.float32)
        return found[..., 0] if self._channels is None else found

    def values(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the values [n] or [n, C] float32 at the given map numbers, rows and columns, each [n] int64."""
        found = self.gather(images, rows, columns).view(torch.float32)
        return found[:, 0] if self._channels is None else found
