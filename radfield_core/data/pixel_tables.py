"""The decoded pixels of many images in one flat table, which is stored in memory or in a memory-mapped file.

Training reads random pixels from the whole mapped file. Every page that is read counts as resident memory of the
process, until it is released with `madvise(MADV_DONTNEED)`. `MappedTable` releases all pages before they can exceed
`MAX_RESIDENT_BYTES`. This costs little: released pages stay in the system's page cache until the system needs the
memory, and reading them from there takes about a microsecond.
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
"""Largest number of bytes of a mapped table that may be resident in the memory of the process."""

BYTES_PER_TOUCH = 64 * 2**10
"""Largest number of bytes that one access can make resident: the system maps a page together with 15 neighbors."""

_HINT = "Set data.downscale=2, raise scene.image_cache_mb, or set RADFIELD_CACHE to a folder on a larger disk"

Pixels = npt.NDArray[np.uint8]


class PixelIndex:
    """Converts (image, row, column) to the index of a pixel in a flat list that holds the pixels of V images.

    The images may differ in size.

    Args:
        shapes: height and width of each image.

    Attributes:
        sizes: [V, 2] int64, width and height of each image.
        total: number of pixels of all images together.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]]):
        heights_widths = torch.tensor(shapes, dtype=torch.int64).reshape(-1, 2)
        counts = heights_widths.prod(-1)
        self.sizes = heights_widths.flip(-1)
        self.total = int(counts.sum())
        self._offsets = counts.cumsum(0) - counts
        self._widths = self.sizes[:, 0].contiguous()

    def rows(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the flat indices [n] of the pixels at the given image numbers, rows and columns, each [n] int64."""
        return self._offsets[images] + rows * self._widths[images] + columns

    def span(self, image: int) -> slice:
        """Return the range of flat indices that one image occupies."""
        start = int(self._offsets[image])
        return slice(start, start + int(self.sizes[image].prod()))


class MemoryTable:
    """A table of n pixels [n, C] uint8 in memory. C is `channels`."""

    def __init__(self, n: int, channels: int):
        self._pixels = torch.empty((n, channels), dtype=torch.uint8)

    def write(self, span: slice, pixels: Pixels) -> None:
        """Store the pixels [H, W, C] of one image."""
        self._pixels[span] = torch.from_numpy(pixels.copy()).flatten(0, 1)

    def read(self, span: slice) -> Tensor:
        """Return the pixels [m, C] of a range of m flat indices."""
        return self._pixels[span]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the pixels [m, C] at flat indices [m]."""
        return self._pixels[rows]


class MappedTable:
    """A table of n pixels [n, C] uint8 in a memory-mapped file. C is `channels`.

    The file is in the cache folder and has no name. The system deletes the file when the process ends.

    Raises StorageError if the file cannot be created or the disk does not have enough space.
    """

    def __init__(self, n: int, channels: int):
        self._channels = channels
        self._touched = 0
        self._create(n * channels)
        self._pixels = torch.frombuffer(self._map, dtype=torch.uint8).reshape(n, channels)

    def _create(self, n_bytes: int) -> None:
        """Create the file, reserve its space on the disk, and map it into memory."""
        try:
            folder = cache_dir("pixels")
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise StorageError(f"the folder for decoded images cannot be created: {error}", hint=_HINT) from None
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
        """Store the pixels [H, W, C] of one image.

        The pixels are written to the file, not to the mapped memory, because writing to the file makes no page
        resident. They are written in small pieces, because the system may cache a large piece as one large page.
        Reading any part of a large page would later make all of it resident.
        """
        rest, position = memoryview(np.ascontiguousarray(pixels).data).cast("B"), span.start * self._channels
        try:
            while rest:
                written = os.pwrite(self._file, rest[:BYTES_PER_TOUCH], position)
                rest, position = rest[written:], position + written
        except OSError as error:
            raise StorageError(
                f"decoded images cannot be stored: {error.strerror}", path=str(cache_dir("pixels")), hint=_HINT
            ) from None

    def read(self, span: slice) -> Tensor:
        """Return the pixels [m, C] of a range of m flat indices."""
        self._touch((span.stop - span.start) * self._channels)
        return self._pixels[span]

    def gather(self, rows: Tensor) -> Tensor:
        """Return the pixels [m, C] at flat indices [m]."""
        self._touch(len(rows) * BYTES_PER_TOUCH)
        return self._pixels[rows]

    def _touch(self, n_bytes: int) -> None:
        """Call this before reading `n_bytes`. If reading could make more than `MAX_RESIDENT_BYTES` resident, release
        all pages."""
        self._touched += n_bytes
        if self._touched > MAX_RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = n_bytes
