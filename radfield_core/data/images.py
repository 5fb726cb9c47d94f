"""Images as uint8: read lazily from files, or held in memory. Straight alpha when there are four channels.

Training draws random pixels from all images at once, so `FileImages.prepare` decodes every image once into one flat
table of pixels: in memory if it fits, else in a file that is mapped, so that sets larger than memory train too.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from radfield_core.data.pixel_tables import MappedTable, MemoryTable, Places
from radfield_core.errors import DatasetError, Problem
from radfield_core.runtime.progress import ProgressCallback

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
MAX_PIXELS = 64_000_000

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ORIENTATION_TAG = 0x0112


class ImageFault(Exception):
    """Why one image cannot be used."""


class Header(NamedTuple):
    """What a file says before it is decoded; `orientation` is EXIF's, 1 for upright. It is never applied.

    fault: why there is no header; width and height are then 0.
    """

    width: int
    height: int
    channels: int
    orientation: int = 1
    fault: str = ""


def read_header(path: Path) -> Header:
    """Size, channels and orientation of an image; ImageFault says why there is none."""
    with warnings.catch_warnings():  # here and not in `_opened`: decoding threads must not touch the filters
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        opened = _opened(path)
    with opened as image:
        alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        channels = 4 if alpha else 1 if image.mode in ("1", "L") or image.mode.startswith("I;16") else 3
        try:
            orientation = int(image.getexif().get(_ORIENTATION_TAG, 1))
        except Exception:  # a mangled EXIF block says nothing about the pixels
            orientation = 1
        return Header(image.width, image.height, channels, orientation)


def decode(path: Path, channels: int) -> np.ndarray:
    """The pixels [H, W, channels] uint8; 16-bit gray is scaled. ImageFault if the file is truncated or no image."""
    with _opened(path) as image:
        try:
            if image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image).astype(np.uint32) * 255 // 65535).astype(np.uint8))
            elif image.mode in ("I", "F"):
                raise ImageFault(f"its pixels are {image.mode} (32 bits each); 8 or 16 bits are read")
            pixels = np.asarray(image.convert(_MODES[channels]))
        except ImageFault:
            raise
        except Exception as error:  # decoders raise many kinds on mangled input
            raise ImageFault(f"cannot be decoded: {error}") from None
    return pixels.reshape(pixels.shape[0], pixels.shape[1], channels)


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageFault(f"has more than the {MAX_PIXELS / 1e6:.0f} million pixels allowed") from None
    except Image.UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise ImageFault("is empty" if empty else f"is no {', '.join(FORMATS)} image") from None
    except Exception as error:  # as in decode
        raise ImageFault(f"cannot be opened: {error}") from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ImageFault(f"has {image.width}×{image.height} pixels; {MAX_PIXELS / 1e6:.0f} million are allowed")
    return image


class MemoryImages:
    """Images already decoded: a tensor [V, H, W, C] uint8, or one tensor [H, W, C] per image."""

    def __init__(self, images: Tensor | Sequence[Tensor]):
        self._images = list(images)
        if any(image.dtype != torch.uint8 or image.ndim != 3 for image in self._images):
            raise TypeError("images are [H, W, C] uint8")
        self._places = Places([(image.shape[0], image.shape[1]) for image in self._images])
        self._stacked = images.flatten(0, 2) if isinstance(images, Tensor) else None

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        return self._images[index]

    @property
    def channels(self) -> int:
        """Channels of every image."""
        return self._images[0].shape[-1]

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image, [V, 2] int64."""
        return self._places.sizes

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels [n, C] uint8."""
        if self._stacked is None:
            self._stacked = torch.cat([image.flatten(0, 1) for image in self._images])
        return self._stacked[self._places.rows(images, rows, columns)]

    def check(self) -> list[tuple[int, str]]:
        """Nothing: what is in memory is decoded."""
        return []

    def only(self, kept: Sequence[int]) -> MemoryImages:
        """The images at these places alone."""
        return MemoryImages([self._images[index] for index in kept])

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Nothing to do."""


class FileImages:
    """Images decoded when asked for, the latest of them kept, up to `cache_mb` MiB.

    paths: V files. channels: 1, 3 or 4, to which every image is converted. headers: of each file, if known already.
    A file without a readable header is no reason not to build: `check` and `prepare` name it, and its size is 0×0.
    """

    def __init__(
        self, paths: Sequence[Path], channels: int, *, headers: Sequence[Header] | None = None, cache_mb: int = 1024
    ):
        self.paths = list(paths)
        self.channels = channels
        self.cache_mb = cache_mb
        self._headers = list(headers) if headers is not None else read_headers(self.paths)[0]
        self._places = Places([(header.height, header.width) for header in self._headers])
        self._latest: OrderedDict[int, Tensor] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        self._pixels: MemoryTable | MappedTable | None = None
        self._faults: list[tuple[int, str]] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def sizes(self) -> Tensor:
        """Width and height of each image as its header says, [V, 2] int64."""
        return self._places.sizes

    @property
    def mapped(self) -> bool:
        """Whether the decoded pixels are in a mapped file rather than in memory."""
        return self._places.total * self.channels > self.cache_mb * 2**20

    def __getitem__(self, index: int) -> Tensor:
        if index < 0:
            index += len(self)
        if self._pixels is not None:
            width, height = self.sizes[index].tolist()
            return self._pixels.read(self._places.span(index)).reshape(height, width, self.channels)
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
        with self._lock:
            self._latest[index] = image
            self._held = sum(kept.numel() for kept in self._latest.values())
            while self._held > self.cache_mb * 2**20 and len(self._latest) > 1:
                self._held -= self._latest.popitem(last=False)[1].numel()

    def _decode(self, index: int) -> np.ndarray:
        if self._headers[index].fault:
            raise ImageFault(self._headers[index].fault)
        pixels = decode(self.paths[index], self.channels)
        width, height = self.sizes[index].tolist()
        if pixels.shape[:2] != (height, width):
            raise ImageFault(f"decodes to {pixels.shape[1]}×{pixels.shape[0]}, its header said {width}×{height}")
        return pixels

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels [n, C] uint8; prepares first if that has not been done."""
        if self._pixels is None:
            self.prepare(self.cache_mb)
        assert self._pixels is not None
        return self._pixels.gather(self._places.rows(images, rows, columns))

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images, so that `gather` is one lookup; `progress(done, of)` is called after each.

        Up to `cache_mb` MiB they stay in memory, else they go to a file in the cache folder which is mapped, and which
        vanishes with the process. Raises DatasetError naming every image that cannot be used.
        """
        self.cache_mb = cache_mb
        if self._pixels is not None:
            return
        table = (MappedTable if self.mapped else MemoryTable)(self._places.total, self.channels)
        faults = []
        for done, (index, result) in enumerate(self._decoded(), start=1):
            if isinstance(result, ImageFault):
                faults.append((index, str(result)))
            else:
                table.write(self._places.span(index), result)
            if progress is not None:
                progress(done, len(self))
        self._faults = faults
        if faults:
            raise DatasetError(problems=[Problem(str(self.paths[index]), reason) for index, reason in faults])
        with self._lock:
            self._latest.clear()
            self._held = 0
        self._pixels = table

    def _decoded(self) -> Iterator[tuple[int, np.ndarray | ImageFault]]:
        """Every image or its fault, in order, decoded by a few threads that run only a little ahead."""

        def attempt(index: int) -> np.ndarray | ImageFault:
            try:
                return self._decode(index)
            except ImageFault as fault:
                return fault

        workers = min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            for start in range(0, len(self), 2 * workers):
                block = range(start, min(start + 2 * workers, len(self)))
                yield from zip(block, pool.map(attempt, block), strict=True)

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Every image that cannot be decoded, with the reason; decodes each once and keeps none, or remembers what
        `prepare` found."""
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
        """The images at these places alone, not decoded yet."""
        headers = [self._headers[index] for index in kept]
        return FileImages([self.paths[index] for index in kept], self.channels, headers=headers, cache_mb=self.cache_mb)


def read_headers(paths: Sequence[Path]) -> tuple[list[Header], list[Problem]]:
    """The header of each image, and a problem for each that has none.

    A parser goes on with what can be read: whoever uses the images decides about the others, by `ImageSource.check`.
    Its caller names the problems beside those that it finds itself, and where no header can be read at all.
    """
    headers, problems = [], []
    for path in paths:
        try:
            headers.append(read_header(path))
        except ImageFault as fault:
            headers.append(Header(0, 0, 3, fault=str(fault)))
            problems.append(Problem(str(path), str(fault)))
    return headers, problems


def orientation_notes(headers: Sequence[Header]) -> list[str]:
    """A remark if photographs carry an EXIF turn, which is not applied since poses belong to pixels as stored."""
    turned = sum(header.orientation != 1 for header in headers)
    if not turned:
        return []
    return [
        f"{turned} images carry an EXIF rotation, which is not applied: poses are taken to fit the pixels as stored"
    ]
