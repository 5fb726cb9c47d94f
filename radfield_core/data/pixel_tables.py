"""The decoded pixels of many images in one flat table: in memory, or in a mapped file.

Random pixels are spread over a whole mapped file, and every touched page counts toward the resident memory of the
process until `madvise(MADV_DONTNEED)`. `MappedTable` therefore releases all pages before they can exceed
`MAX_RESIDENT_BYTES`. Released pages stay in the system's page cache: touching one again costs about a microsecond, and
the system reclaims them when memory is short.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from radfield_core.errors import StorageError
from radfield_core.files.cache import cache_dir

MAX_RESIDENT_BYTES = 128 * 2**20
"""Most bytes of a mapped table that count toward the memory of the process."""

BYTES_PER_TOUCH = 64 * 2**10
"""Bytes that one touch maps at most: the system maps the neighbors of a touched page too, 16 pages in all."""

_HINT = "Raise scene.image_cache_mb, or set RADFIELD_CACHE to a folder on a larger disk"

Pixels = npt.NDArray[np.uint8]


class PixelIndex:
    """Index of pixel (image, row, column) in the flat list of all pixels of V images, which may differ in size.

    shapes: height and width of each image. sizes [V, 2] int64: width and height of each image. total: number of pixels.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]]):
        heights_widths = torch.tensor(shapes, dtype=torch.int64).reshape(-1, 2)
        counts = heights_widths.prod(-1)
        self.sizes = heights_widths.flip(-1)
        self.total = int(counts.sum())
        self._offsets = counts.cumsum(0) - counts
        self._widths = self.sizes[:, 0].contiguous()

    def rows(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Flat index [n] of each pixel; images, rows, columns [n] int64."""
        return self._offsets[images] + rows * self._widths[images] + columns

    def span(self, image: int) -> slice:
        """The range of flat indices of one image."""
        start = int(self._offsets[image])
        return slice(start, start + int(self.sizes[image].prod()))


class MemoryTable:
    """Pixels [n, C] uint8 in memory."""

    def __init__(self, n: int, channels: int):
        self._pixels = torch.empty((n, channels), dtype=torch.uint8)

    def write(self, span: slice, pixels: Pixels) -> None:
        """Store the pixels [H, W, C] of one image."""
        self._pixels[span] = torch.from_numpy(pixels.copy()).flatten(0, 1)

    def read(self, span: slice) -> Tensor:
        """A range of pixels [m, C]."""
        return self._pixels[span]

    def gather(self, rows: Tensor) -> Tensor:
        """Pixels [m, C] at flat indices [m]."""
        return self._pixels[rows]


class MappedTable:
    """Pixels [n, C] uint8 in an unnamed file of the cache folder; the system deletes it when the process ends.

    Raises StorageError if the file cannot be created or the disk has not enough space.
    """

    def __init__(self, n: int, channels: int):
        self._channels = channels
        self._touched = 0
        self._create(n * channels)
        self._pixels = torch.frombuffer(self._map, dtype=torch.uint8).reshape(n, channels)

    def _create(self, n_bytes: int) -> None:
        """Create and map the file, with its space on the disk reserved."""
        try:
            folder = cache_dir("pixels")
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise StorageError(f"there is no folder for decoded images: {error}", hint=_HINT) from None
        if n_bytes > free:
            raise StorageError(
                f"{n_bytes / 2**20:.0f} MiB of decoded images do not fit into the {free / 2**20:.0f} MiB free",
                path=str(folder),
                hint=_HINT,
            )
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, n_bytes)
                else:
                    file.truncate(n_bytes)
                self._map = mmap.mmap(file.fileno(), n_bytes)
                if hasattr(mmap, "MADV_RANDOM"):
                    self._map.madvise(mmap.MADV_RANDOM)
                self._file = os.dup(file.fileno())
        except OSError as error:
            raise StorageError(
                f"space for decoded images cannot be reserved: {error}", path=str(folder), hint=_HINT
            ) from None

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def write(self, span: slice, pixels: Pixels) -> None:
        """Store the pixels [H, W, C] of one image, by writing to the file: that makes no page resident.

        The pieces are small because the system may cache one large write as one large page, and a later touch would
        then map all of it.
        """
        rest, position = memoryview(np.ascontiguousarray(pixels).data).cast("B"), span.start * self._channels
        try:
            while rest:
                written = os.pwrite(self._file, rest[:BYTES_PER_TOUCH], position)
                rest, position = rest[written:], position + written
        except OSError as error:
            raise StorageError(f"decoded images cannot be stored: {error.strerror}", hint=_HINT) from None

    def read(self, span: slice) -> Tensor:
        """A range of pixels [m, C]."""
        self._touch((span.stop - span.start) * self._channels)
        return self._pixels[span]

    def gather(self, rows: Tensor) -> Tensor:
        """Pixels [m, C] at flat indices [m]."""
        self._touch(len(rows) * BYTES_PER_TOUCH)
        return self._pixels[rows]

    def _touch(self, n_bytes: int) -> None:
        """Release all pages if `n_bytes` more could exceed the limit."""
        self._touched += n_bytes
        if self._touched > MAX_RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = n_bytes
