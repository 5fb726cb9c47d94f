"""The images of a scene as uint8: in memory, or decoded from files when they are needed.

Training draws random pixels from all images at once. `FileImages.prepare` therefore decodes every image once into one
flat table of pixels. If the table does not fit into memory, it is stored in a memory-mapped file.
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
        """Channels C of every image."""
        return int(self._images[0].shape[-1])

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64."""
        return self._index.sizes

    def path(self, index: int) -> Path | None:
        """Always None, because the images do not come from files."""
        return None

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels [n, C] uint8 at images, rows, columns [n] int64."""
        if self._stacked is None:
            self._stacked = torch.cat([image.flatten(0, 1) for image in self._images])
        return self._stacked[self._index.rows(images, rows, columns)]

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Always an empty list, because the images are decoded already."""
        return []

    def only(self, kept: Sequence[int]) -> MemoryImages:
        """The images with these numbers, in this order."""
        return MemoryImages([self._images[index] for index in kept])

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Do nothing: the images are in memory already."""


class FileImages:
    """An `ImageSource` that decodes images from files when they are needed.

    It keeps the most recently used images in memory. A file whose header cannot be read is no error here: its image has
    the size 0×0, and `check` and `prepare` report the file.

    Args:
        paths: V files.
        channels: number of channels to which every image is converted: 1, 3 or 4.
        headers: V headers, if they are known. Otherwise they are read from the files.
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
        """Width and height of each image [V, 2] int64, according to its header."""
        return self._index.sizes

    def path(self, index: int) -> Path | None:
        """The file of an image."""
        return self.paths[index]

    @property
    def mapped(self) -> bool:
        """True if the decoded pixels need more than `cache_mb`. Then `prepare` stores them in a memory-mapped file."""
        return self._index.total * self.channels > self.cache_mb * 2**20

    def __getitem__(self, index: int) -> Tensor:
        """One image [H, W, C] uint8. Raises DatasetError if it cannot be decoded."""
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
        """Add an image to those in memory. While they exceed `cache_mb`, drop the least recently used image."""
        with self._lock:
            self._latest[index] = image
            self._latest_bytes = sum(kept.numel() for kept in self._latest.values())
            while self._latest_bytes > self.cache_mb * 2**20 and len(self._latest) > 1:
                self._latest_bytes -= self._latest.popitem(last=False)[1].numel()

    def _decode(self, index: int) -> Pixels:
        if self._headers[index].fault:
            raise ImageFault(self._headers[index].fault)
        pixels = decode(self.paths[index], self.channels)
        width, height = self.sizes[index].tolist()
        if pixels.shape[:2] != (height, width):
            raise ImageFault(f"has {pixels.shape[1]}×{pixels.shape[0]} pixels, but its header states {width}×{height}")
        return pixels

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels [n, C] uint8 at images, rows, columns [n] int64. The first call prepares the images."""
        if self._table is None:
            self.prepare(self.cache_mb)
        assert self._table is not None
        return self._table.gather(self._index.rows(images, rows, columns))

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images into one table, so that `gather` only looks pixels up.

        Args:
            cache_mb: largest table in MiB that is kept in memory. A larger table is stored in a memory-mapped file in
                the cache folder. The system deletes the file when the process ends.
            progress: called as progress(done, of) after each image.

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
        """The number and the pixels (or the fault) of every image, in order. A few threads decode them in parallel."""

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
        """The number of each image that cannot be decoded, with the reason.

        If `prepare` has run, return its findings. Otherwise decode each image once, without keeping it in memory.

        Args:
            progress: called as progress(done, of) after each image.
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
        """The images with these numbers, in this order. None of them is decoded yet."""
        headers = [self._headers[index] for index in kept]
        return FileImages([self.paths[index] for index in kept], self.channels, headers=headers, cache_mb=self.cache_mb)
