"""The decoded pixels of many images as one flat table: in memory, or in a file that is mapped.

Pixels drawn at random lie all over a mapped file, and every page that was touched counts as the process's own until it
is let go of. `MappedTable` lets go of them all whenever they may have come to `_RESIDENT` bytes: they stay in the
system's page cache, from where touching them again costs about a microsecond, and which gives way when memory is short.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from radfield_core.errors import StorageError
from radfield_core.files.durable import cache_dir

_RESIDENT = 128 * 2**20
_PAGES_PER_TOUCH = 64 * 2**10  # bytes: the system maps the pages around a touched one as well, 16 of them
_HINT = "a larger scene.image_cache_mb, or RADFIELD_CACHE on a larger disk"


class Places:
    """Where pixel (image, row, column) stands in the flat list of all pixels; images may differ in size.

    shapes: height and width of each image.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]]):
        heights_widths = torch.tensor(shapes, dtype=torch.int64).reshape(-1, 2)
        counts = heights_widths.prod(-1)
        self.sizes = heights_widths.flip(-1)
        self.total = int(counts.sum())
        self._offsets = counts.cumsum(0) - counts
        self._widths = self.sizes[:, 0].contiguous()

    def rows(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Flat index [n] of each pixel."""
        return self._offsets[images] + rows * self._widths[images] + columns

    def span(self, image: int) -> slice:
        """The flat indices of one image."""
        start = int(self._offsets[image])
        return slice(start, start + int(self.sizes[image].prod()))


class MemoryTable:
    """Pixels [n, C] uint8 in memory."""

    def __init__(self, n: int, channels: int):
        self._pixels = torch.empty((n, channels), dtype=torch.uint8)

    def write(self, span: slice, pixels: np.ndarray) -> None:
        """Set the pixels of one image [H, W, C]."""
        self._pixels[span] = torch.from_numpy(pixels.copy()).flatten(0, 1)

    def read(self, span: slice) -> Tensor:
        """Pixels [m, C] that stand together."""
        return self._pixels[span]

    def gather(self, rows: Tensor) -> Tensor:
        """Pixels [m, C] at flat indices [m]."""
        return self._pixels[rows]


class MappedTable:
    """Pixels [n, C] uint8 in a nameless file of the cache folder, which vanishes with the process.

    Raises StorageError if the disk has no room.
    """

    def __init__(self, n: int, channels: int):
        needed = n * channels
        try:
            folder = cache_dir("pixels")
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise StorageError(f"there is no folder for decoded images: {error}", hint=_HINT) from None
        if needed > free:
            raise StorageError(
                f"{needed / 2**20:.0f} MiB of decoded images do not fit in the {free / 2**20:.0f} MiB free",
                path=str(folder), hint=_HINT,
            )  # fmt: skip
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, needed)
                else:
                    file.truncate(needed)
                self._map = mmap.mmap(file.fileno(), needed)
                if hasattr(mmap, "MADV_RANDOM"):
                    self._map.madvise(mmap.MADV_RANDOM)
                self._file = os.dup(file.fileno())
        except OSError as error:
            raise StorageError(f"cannot make room for decoded images: {error}", path=str(folder), hint=_HINT) from None
        self._channels = channels
        self._pixels = torch.frombuffer(self._map, dtype=torch.uint8).reshape(n, channels)
        self._touched = 0

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def write(self, span: slice, pixels: np.ndarray) -> None:
        """Set the pixels of one image [H, W, C]: by way of the file, which makes no page the process's own.

        In small pieces: what is written at once may be cached as one large page, which a touch then maps whole.
        """
        rest, place = memoryview(np.ascontiguousarray(pixels).data).cast("B"), span.start * self._channels
        try:
            while rest:
                written = os.pwrite(self._file, rest[:_PAGES_PER_TOUCH], place)
                rest, place = rest[written:], place + written
        except OSError as error:
            raise StorageError(f"cannot keep decoded images: {error.strerror}", hint=_HINT) from None

    def read(self, span: slice) -> Tensor:
        """Pixels [m, C] that stand together."""
        self._touch((span.stop - span.start) * self._channels)
        return self._pixels[span]

    def gather(self, rows: Tensor) -> Tensor:
        """Pixels [m, C] at flat indices [m]."""
        self._touch(len(rows) * _PAGES_PER_TOUCH)
        return self._pixels[rows]

    def _touch(self, n_bytes: int) -> None:
        """Let go of all pages if with `n_bytes` more there may be too many."""
        self._touched += n_bytes
        if self._touched > _RESIDENT and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = n_bytes
