"""Masks in files. The pixels of a mask are read as black (0) and white (255), whatever values the file stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from radfield_core.data.image_files import ImageFault, ImageHeader, opened
from radfield_core.data.images import FileImages
from radfield_core.data.pairing import listed
from radfield_core.data.pixel_tables import Pixels
from radfield_core.data.resized import stored
from radfield_core.data.scene import Scene
from radfield_core.names import plural

WHITE_NOISE = 16
"""A mask is all white if its values are all bright and differ by at most this much. Compression can change white by a
few values."""

MIN_WHITE_SHARE = 0.01
"""There is a warning if less than this share of the pixels is white, in one mask or in all masks together."""

WHITE_FROM = 128
"""A pixel of a mask is white if its value is at least this."""


class FileMasks(FileImages):
    """An `ImageSource` of masks with one channel, which are decoded by `decode_mask` when they are needed.

    A mask without any white pixel counts as unusable.

    Args:
        paths: V files.
        headers: V headers. If they are None, they are read from the files.
        cache_mb: memory for decoded masks, in MiB.

    Attributes:
        white: dictionary: number of a mask -> share of its white pixels. It lists only decoded masks.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (4, 3), 1).save(Path(folder) / "a.png")
        ...     int(FileMasks([Path(folder) / "a.png"])[0].max())
        255
    """

    def __init__(self, paths: Sequence[Path], *, headers: Sequence[ImageHeader] | None = None, cache_mb: int = 1024):
        super().__init__(paths, 1, headers=headers, cache_mb=cache_mb)
        self.white: dict[int, float] = {}

    def _pixels(self, index: int) -> Pixels:
        pixels = decode_mask(self.paths[index])
        self.white[index] = float((pixels >= WHITE_FROM).mean()) if pixels.size else 0.0
        if not pixels.any():
            raise ImageFault("is all black: no pixel counts")
        return pixels

    def only(self, kept: Sequence[int]) -> FileMasks:
        """Return an image source of the masks with the numbers `kept`, in this order."""
        headers = [self.headers[index] for index in kept]
        return FileMasks([self.paths[index] for index in kept], headers=headers, cache_mb=self.cache_mb)


def mask_facts(scene: Scene) -> list[tuple[str, str]]:
    """Return a list with one pair (name, text), which states the share of white pixels in the masks of a scene.

    If the share is unknown, return [].
    """
    shares = dict(_white_shares(scene))
    if not shares:
        return []
    means = "count in training" if scene.masks_mean == "counted" else "show the object"
    return [("masks", f"{100 * sum(shares.values()) / len(shares):.3g} % of the pixels {means}")]


def mask_warnings(scene: Scene) -> list[str]:
    """Return warnings about masks of a scene that are almost completely black.

    Masks in files are checked only if they have been decoded before.
    """
    shares = dict(_white_shares(scene))
    if not shares:
        return []
    means = "count" if scene.masks_mean == "counted" else "show the object"
    total = sum(shares.values()) / len(shares)
    if total < MIN_WHITE_SHARE:
        return [f"only {100 * total:.2g} % of the pixels {means} according to the masks: the masks may be wrong"]
    few = [f"{scene.name(view)} ({100 * share:.2g} %)" for view, share in shares.items() if share < MIN_WHITE_SHARE]
    if not few:
        return []
    verb = "counts" if scene.masks_mean == "counted" else "shows the object in"
    return [f"{plural(len(few), 'mask')} {verb} less than {MIN_WHITE_SHARE:.0%} of its pixels: {listed(few)}"]


def _white_shares(scene: Scene) -> Iterator[tuple[int, float]]:
    """Yield the number of each view and the share of white pixels of its mask, if the mask has been decoded."""
    masks = None if scene.masks is None else stored(scene.masks)
    if isinstance(masks, FileMasks):
        yield from sorted(masks.white.items())
    elif scene.masks is not None:
        for view in range(len(scene.masks)):
            if scene.masks.path(view) is None:
                yield view, float((scene.masks[view] >= WHITE_FROM).double().mean())


def decode_mask(path: Path) -> npt.NDArray[np.uint8]:
    """Decode a mask file. Return its pixels [H, W, 1] uint8, where 0 is black and 255 is white.

    Masks are stored in many ways. If a mask has two values, such as 0 and 1, or 0 and 200, they are read as black and
    white. If it has more values but none is bright, for example because the values are numbers of objects, all values
    above 0 are white. If the whole image has one color, its alpha channel is the mask.

    Raises ImageFault if the file is damaged or is not an image.
    """
    with opened(path) as image:
        try:
            values = _mask_values(image)
        except Exception as error:  # for damaged files, decoders raise exceptions of many classes
            raise ImageFault(f"cannot be decoded: {error}") from None
    return black_and_white(values)[..., None]


def _mask_values(image: Image.Image) -> npt.NDArray[Any]:
    """Return the values [H, W] of a mask in the range that the file stores."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        alpha: npt.NDArray[Any] = pixels[..., 3]
        if alpha.min() < alpha.max() and np.ptp(pixels[alpha > 0][:, :3], axis=0).max() == 0:
            return alpha
    return np.asarray(image.convert("L"))


def black_and_white(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the values [H, W] of a mask as uint8, where 0 is black and 255 is white. See `decode_mask`.

    Example:
        >>> black_and_white(np.array([[0, 1]])).tolist(), black_and_white(np.array([[0, 99, 255]])).tolist()
        ([[0, 255]], [[0, 99, 255]])
    """
    values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0) if values.dtype.kind == "f" else values
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if low == high or (low >= 128 and high <= 255 and high - low < WHITE_NOISE):
        return np.full(values.shape, 255 if high > 0 else 0, np.uint8)
    if ((values == low) | (values == high)).all():
        return np.where(values == high, 255, 0).astype(np.uint8)
    scale = 255.0 if values.dtype.kind == "f" and high <= 1 else 255.0 / 65535.0 if high > 255 else 1.0
    scaled = np.round(np.clip(values * scale, 0, 255)).astype(np.uint8)
    return scaled if scaled.max() >= 128 else np.where(values > 0, 255, 0).astype(np.uint8)
