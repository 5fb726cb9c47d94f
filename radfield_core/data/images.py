"""Two sources of a scene's images as uint8. `MemoryImages` holds them in memory; `FileImages` decodes files on demand.

Training draws random pixels from all images at once. `FileImages.prepare` therefore decodes every image once, into one
flat table of pixels. A table that exceeds the memory limit is stored in a memory-mapped file.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from radfield_core.data.image_files import ImageFault, ImageHeader, decode, read_headers
from radfield_core.data.pixel_tables import MappedTable, MemoryTable, PixelIndex, Pixels
from radfield_core.errors import DatasetError, Problem
from radfield_core.runtime.progress import ProgressCallback

MAX_DECODING_THREADS = 8


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


class FileImages:
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
        self.channels = channels
        self.cache_mb = cache_mb
        self._headers = list(headers) if headers is not None else read_headers(self.paths)[0]
        self._index = PixelIndex([(header.height, header.width) for header in self._headers])
        self._latest: OrderedDict[int, Tensor] = OrderedDict()
        self._latest_bytes = 0
        self._lock = threading.Lock()
        self._table: MemoryTable | MappedTable | None = None
        self._faults: list[tuple[int, str]] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64, as stated in its header."""
        return self._index.sizes

    def path(self, index: int) -> Path | None:
        """Return the file of an image."""
        return self.paths[index]

    @property
    def mapped(self) -> bool:
        """True if the decoded pixels of all images need more than `cache_mb`.

        In this case, `prepare` stores the pixels in a memory-mapped file.
        """
        return self._index.total * self.channels > self.cache_mb * 2**20

    def __getitem__(self, index: int) -> Tensor:
        """Return one image [H, W, C] uint8. Raises DatasetError if the image cannot be decoded."""
        if index < 0:
            index += len(self)
        if self._table is not None:
            width, height = self.sizes[index].tolist()
            return self._table.read(self._index.span(index)).reshape(height, width, self.channels)
        with self._lock:
            if index in self._latest:
                self._latest.move_to_end(index)
                return self._latest[index]
        try:
            image = torch.from_numpy(self._decode(index).copy())
        except ImageFault as fault:
            raise DatasetError(str(fault), path=str(self.paths[index])) from None
        self._keep(index, image)
        return image

    def _keep(self, index: int, image: Tensor) -> None:
        """Keep an image in memory. While the images in memory exceed `cache_mb`, drop the least recently used one."""
        with self._lock:
            self._latest[index] = image
            self._latest_bytes = sum(kept.numel() for kept in self._latest.values())
            while self._latest_bytes > self.cache_mb * 2**20 and len(self._latest) > 1:
                self._latest_bytes -= self._latest.popitem(last=False)[1].numel()

    def _decode(self, index: int) -> Pixels:
        if self._headers[index].fault:
            raise ImageFault(self._headers[index].fault)
        pixels = self._pixels(index)
        width, height = self.sizes[index].tolist()
        if pixels.shape[:2] != (height, width):
            raise ImageFault(f"has {pixels.shape[1]}×{pixels.shape[0]} pixels, but its header states {width}×{height}")
        return pixels

    def _pixels(self, index: int) -> Pixels:
        """Decode a file. A subclass can override this for another kind of image."""
        return decode(self.paths[index], self.channels)

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the pixels [n, C] uint8 at the given image numbers, rows and columns, each [n] int64.

        If the images have not been prepared yet, `prepare` is called first.
        """
        if self._table is None:
            self.prepare(self.cache_mb)
        assert self._table is not None
        return self._table.gather(self._index.rows(images, rows, columns))

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images into one table of pixels, so that `gather` need not decode anything.

        Args:
            cache_mb: size in MiB of the largest table that is held in memory. A larger table is stored in a
                memory-mapped file in the cache folder. The system deletes this file when the process ends.
            progress: called after each image as progress(number of decoded images, number of images).

        Raises:
            DatasetError: some images cannot be decoded. The problems list all of them.
            StorageError: the disk has no space for the memory-mapped file.
        """
        self.cache_mb = cache_mb
        if self._table is not None:
            return
        table = (MappedTable if self.mapped else MemoryTable)(self._index.total, self.channels)
        faults = []
        for index, result in self._decoded():
            if isinstance(result, ImageFault):
                faults.append((index, str(result)))
            else:
                table.write(self._index.span(index), result)
            if progress is not None:
                progress(index + 1, len(self))
        self._faults = faults
        if faults:
            raise DatasetError(problems=[Problem(str(self.paths[index]), reason) for index, reason in faults])
        with self._lock:
            self._latest.clear()
            self._latest_bytes = 0
        self._table = table

    def _decoded(self) -> Iterator[tuple[int, Pixels | ImageFault]]:
        """Decode every image, with a few threads in parallel. Yield each image's number, and its pixels or its fault,
        in order.
        """

        def attempt(index: int) -> Pixels | ImageFault:
            try:
                return self._decode(index)
            except ImageFault as fault:
                return fault

        workers = min(MAX_DECODING_THREADS, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            for start in range(0, len(self), 2 * workers):
                block = range(start, min(start + 2 * workers, len(self)))
                yield from zip(block, pool.map(attempt, block), strict=True)

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Return the number of each image that cannot be decoded, with the reason.

        If `prepare` has run, return its findings. Otherwise decode each image once, without keeping it in memory.

        Args:
            progress: called after each image as progress(number of decoded images, number of images).
        """
        if self._faults is not None:
            return list(self._faults)
        faults = []
        for index, result in self._decoded():
            if isinstance(result, ImageFault):
                faults.append((index, str(result)))
            if progress is not None:
                progress(index + 1, len(self))
        return faults

    def only(self, kept: Sequence[int]) -> FileImages:
        """Return an image source of the images with the numbers `kept`, in this order.

        The result has not decoded any image yet.
        """
        headers = [self._headers[index] for index in kept]
        return FileImages([self.paths[index] for index in kept], self.channels, headers=headers, cache_mb=self.cache_mb)
