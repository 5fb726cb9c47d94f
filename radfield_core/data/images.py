"""Two sources of images as uint8: `MemoryImages` holds them in memory, `FileImages` decodes files when needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from radfield_core.data.decoding import DecodedImages
from radfield_core.data.image_files import ImageFault, ImageHeader, decode, read_headers
from radfield_core.data.pixel_tables import PixelIndex, Pixels
from radfield_core.runtime.progress import ProgressCallback


class MemoryImages:
    """An `ImageSource` of decoded images in memory.

    Args:
        images: a tensor [V, H, W, C] uint8, or V tensors [H, W, C] uint8 whose sizes may differ.

    Raises:
        TypeError: an image is not a uint8 tensor with three dimensions.

    Example:
        >>> images = MemoryImages(torch.zeros(2, 3, 4, 3, dtype=torch.uint8))
        >>> len(images), images.channels, images.sizes.tolist()
        (2, 3, [[4, 3], [4, 3]])
    """

    def __init__(self, images: Tensor | Sequence[Tensor]):
        self._images: list[Tensor] = list(images)
        if any(image.dtype != torch.uint8 or image.ndim != 3 for image in self._images):
            raise TypeError("images must be uint8 tensors [H, W, C]")
        self._index = PixelIndex([(image.shape[0], image.shape[1]) for image in self._images])
        self._stacked = images.flatten(0, 2) if isinstance(images, Tensor) else None

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        return self._images[index]

    @property
    def channels(self) -> int:
        """Number of channels C, which is the same for every image."""
        return int(self._images[0].shape[-1])

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64."""
        return self._index.sizes

    def path(self, index: int) -> Path | None:
        """Return None, because the images do not come from files."""
        return None

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the pixels [n, C] uint8 at the given image numbers, rows and columns, each [n] int64."""
        if self._stacked is None:
            self._stacked = torch.cat([image.flatten(0, 1) for image in self._images])
        return self._stacked[self._index.rows(images, rows, columns)]

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Return an empty list: the images are decoded already, so none can be unreadable."""
        return []

    def only(self, kept: Sequence[int]) -> MemoryImages:
        """Return an image source of the images with the numbers `kept`, in this order."""
        return MemoryImages([self._images[index] for index in kept])

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Do nothing: the images are in memory already."""


class FileImages(DecodedImages):
    """An `ImageSource` that decodes images from files when they are needed.

    The most recently used images stay in memory. If the header of a file cannot be read, the image has the size 0×0,
    and no error is raised until `check` or `prepare` reports the file.

    Args:
        paths: V files.
        channels: number of channels to which every image is converted: 1, 3 or 4.
        headers: V headers. If they are None, they are read from the files.
        cache_mb: memory for decoded images, in MiB.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (4, 3)).save(Path(folder) / "a.png")
        ...     tuple(FileImages([Path(folder) / "a.png"], channels=3)[0].shape)
        (3, 4, 3)
    """

    def __init__(
        self,
        paths: Sequence[Path],
        channels: int,
        *,
        headers: Sequence[ImageHeader] | None = None,
        cache_mb: int = 1024,
    ):
        self.paths = list(paths)
        self.headers = list(headers) if headers is not None else read_headers(self.paths)[0]
        super().__init__([(header.height, header.width) for header in self.headers], channels, cache_mb)

    def path(self, index: int) -> Path | None:
        """Return the file of an image."""
        return self.paths[index]

    def label(self, index: int) -> str:
        """Return the file of an image as text."""
        return str(self.paths[index])

    def decode(self, index: int) -> Pixels:
        """Decode an image and return its pixels [H, W, C] uint8. Raises ImageFault if it cannot be decoded."""
        if self.headers[index].fault:
            raise ImageFault(self.headers[index].fault)
        pixels = self._pixels(index)
        width, height = self.sizes[index].tolist()
        if pixels.shape[:2] != (height, width):
            raise ImageFault(f"has {pixels.shape[1]}×{pixels.shape[0]} pixels, but its header states {width}×{height}")
        return pixels

    def _pixels(self, index: int) -> Pixels:
        """Decode a file. A subclass can override this for another kind of image."""
        return decode(self.paths[index], self.channels)

    def only(self, kept: Sequence[int]) -> FileImages:
        """Return an image source of the images with the numbers `kept`, in this order.

        The result has not decoded any image yet.
        """
        headers = [self.headers[index] for index in kept]
        return FileImages([self.paths[index] for index in kept], self.channels, headers=headers, cache_mb=self.cache_mb)
