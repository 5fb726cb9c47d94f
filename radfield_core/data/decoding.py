"""The base class of image sources that decode each image when it is needed.

Training draws random pixels from all images at once. `DecodedImages.prepare` therefore decodes every image once, into
one flat table of pixels. A table that exceeds the memory limit is stored in a memory-mapped file.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from radfield_core.data.image_files import ImageFault
from radfield_core.data.pixel_tables import MappedTable, MemoryTable, PixelIndex, Pixels
from radfield_core.data.scene import ImageSource
from radfield_core.errors import DatasetError, Problem
from radfield_core.runtime.progress import ProgressCallback

MAX_DECODING_THREADS = 8


class DecodedImages(ABC):
    """An `ImageSource` that decodes V images when they are needed. The most recently used images stay in memory.

    Args:
        shapes: height and width of each image.
        channels: number of channels of every image: 1, 3 or 4.
        cache_mb: memory for decoded images, in MiB.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], channels: int, cache_mb: int):
        self.channels = channels
        self.cache_mb = cache_mb
        self._index = PixelIndex(shapes)
        self._latest: OrderedDict[int, Tensor] = OrderedDict()
        self._latest_bytes = 0
        self._lock = threading.Lock()
        self._table: MemoryTable | MappedTable | None = None
        self._faults: list[tuple[int, str]] | None = None

    @abstractmethod
    def decode(self, index: int) -> Pixels:
        """Decode an image and return its pixels [H, W, C] uint8. Several threads may call this at the same time.

        Raises ImageFault if the image cannot be decoded.
        """

    @abstractmethod
    def label(self, index: int) -> str:
        """Return the name of an image for messages: its file, or another description."""

    @abstractmethod
    def path(self, index: int) -> Path | None:
        """Return the file whose pixels are exactly this image, or None if the image has no such file."""

    def __len__(self) -> int:
        return len(self._index.sizes)

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image [V, 2] int64."""
        return self._index.sizes

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
            image = torch.from_numpy(self.decode(index).copy())
        except ImageFault as fault:
            raise DatasetError(str(fault), path=self.label(index)) from None
        self._keep(index, image)
        return image

    def _keep(self, index: int, image: Tensor) -> None:
        """Keep an image in memory. While the images in memory exceed `cache_mb`, drop the least recently used one."""
        with self._lock:
            self._latest[index] = image
            self._latest_bytes = sum(kept.numel() for kept in self._latest.values())
            while self._latest_bytes > self.cache_mb * 2**20 and len(self._latest) > 1:
                self._latest_bytes -= self._latest.popitem(last=False)[1].numel()

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
            raise DatasetError(problems=[Problem(self.label(index), reason) for index, reason in faults])
        with self._lock:
            self._latest.clear()
            self._latest_bytes = 0
        self._table = table

    def _decoded(self) -> Iterator[tuple[int, Pixels | ImageFault]]:
        """Decode every image, with a few threads in parallel. Yield each image's number and its pixels or its fault.

        The images are yielded in order.
        """

        def attempt(index: int) -> Pixels | ImageFault:
            try:
                return self.decode(index)
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


def decoded(source: ImageSource, index: int) -> Pixels:
    """Return one image of a source [H, W, C] uint8. If the source decodes images on demand, do not keep the image in
    memory.

    Raises ImageFault if the image cannot be decoded.
    """
    decode = getattr(source, "decode", None)
    if decode is not None:
        pixels: Pixels = decode(index)
        return pixels
    try:
        return source[index].numpy()
    except DatasetError as error:
        raise ImageFault(error.problems[0].message) from None
