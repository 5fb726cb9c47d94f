"""Reduce the size of a scene's images, and adapt its masks, depths, normals and intrinsics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radfield_core.cameras import Cameras
from radfield_core.data.area_average import Array, area_average, average_known
from radfield_core.data.decoding import DecodedImages, decoded
from radfield_core.data.pixel_tables import Pixels
from radfield_core.data.scene import ImageSource, Scene, is_known
from radfield_core.errors import UsageError
from radfield_core.names import plural
from radfield_core.runtime.progress import ProgressCallback


def smaller_sizes(sizes: Tensor, downscale: float, longest: int | None) -> Tensor:
    """Return the sizes of reduced images.

    Args:
        sizes: [V, 2] int64, width and height of each image.
        downscale: the factor by which width and height are divided. The results are rounded to whole pixels.
        longest: if given, `downscale` is ignored, and the longer side of each image is reduced to this number of
            pixels. Images that are not larger keep their size.

    Raises:
        UsageError: an image would have less than one pixel.

    Example:
        >>> smaller_sizes(torch.tensor([[101, 50], [20, 40]]), 2.0, None).tolist()
        [[50, 25], [10, 20]]
        >>> smaller_sizes(torch.tensor([[100, 50], [20, 40]]), 1.0, 40).tolist()
        [[40, 20], [20, 40]]
    """
    factors = torch.full((len(sizes), 1), downscale, dtype=torch.float64)
    if longest is not None:
        factors = (sizes.amax(-1, keepdim=True) / longest).clamp_min(1.0).to(torch.float64)
    exact = sizes / factors
    present = sizes.amin(-1) > 0  # an image whose header cannot be read has the size 0×0
    if bool((exact[present] < 1.0).any()):
        width, height = sizes[present][exact[present].amin(-1).argmin()].tolist()
        option, hint = ("data.downscale", "data.downscale=2") if longest is None else ("data.size", "data.size=400")
        raise UsageError(
            f"an image of {width}×{height} is too small for this: less than one pixel would remain",
            path=option,
            hint=hint,
        )
    return exact.round().to(torch.int64)


def resized(scene: Scene, sizes: Tensor) -> Scene:
    """Return the same scene with reduced images.

    Images and masks are replaced by area averages when they are decoded. Depths and normals are averaged over the
    pixels in which they are known. The intrinsics are scaled so that the geometry of rays and points does not change.

    Args:
        scene: the scene.
        sizes: [V, 2] int64, the new width and height of each image. They are at most as large as the old ones.
    """
    old = scene.cameras.sizes
    if torch.equal(old, sizes):
        return scene
    names = sorted({f"{width}×{height}" for width, height in old.tolist()}) if len(old) else []
    before = names[0] if len(names) == 1 else plural(len(names), "size")
    after = sorted({f"{width}×{height}" for width, height in sizes.tolist()})
    seen = scene.observations
    note = f"images are reduced from {before} to {after[0] if len(after) == 1 else plural(len(after), 'size')}"
    return replace(
        scene,
        cameras=resized_cameras(scene.cameras, sizes),
        images=ResizedImages(scene.images, sizes),
        masks=None if scene.masks is None else ResizedImages(scene.masks, sizes),
        depths=None if scene.depths is None else _Reduced(scene.depths, sizes, _reduced_depth),
        normals=None if scene.normals is None else _Reduced(scene.normals, sizes, _reduced_normals),
        observations=seen and seen.resized(old, sizes, scene.cameras.pixel_center),
        chosen=(*scene.chosen, note),
    )


def resized_cameras(cameras: Cameras, sizes: Tensor) -> Cameras:
    """Return the cameras of images that were reduced or enlarged to the given sizes [V, 2].

    A point is still projected to the same shares of an image's width and height. Lens parameters do not depend on the
    size, because they are applied before the focal length.
    """
    scale = (sizes / cameras.sizes.clamp_min(1)).to(torch.float64)
    return replace(cameras, intrinsics=cameras.intrinsics * scale.repeat(1, 2), sizes=sizes)


class ResizedImages(DecodedImages):
    """An `ImageSource` of area averages of the images of another source. Only the averages are kept in memory.

    Args:
        source: V images.
        sizes: [V, 2] int64, width and height of each average.
    """

    def __init__(self, source: ImageSource, sizes: Tensor, cache_mb: int = 1024):
        super().__init__([(height, width) for width, height in sizes.tolist()], source.channels, cache_mb)
        self.source = source

    def path(self, index: int) -> Path | None:
        """Return the file of an image that keeps its size, or None for any other image."""
        return self.source.path(index) if self._keeps_size(index) else None

    def label(self, index: int) -> str:
        """Return the name of an image for messages."""
        return str(self.source.path(index) or f"view {index}")

    def _keeps_size(self, index: int) -> bool:
        return bool(torch.equal(self.sizes[index], self.source.sizes[index]))

    def decode(self, index: int) -> Pixels:
        """Decode an image and return its area average [h, w, C] uint8. Raises ImageFault if it cannot be decoded."""
        pixels = decoded(self.source, index)
        width, height = self.sizes[index].tolist()
        return pixels if pixels.shape[:2] == (height, width) else area_average(pixels, width, height)

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Decode all images once, and keep their averages. See `ImageSource.prepare`."""
        if self._table is None and not hasattr(self.source, "decode"):
            self.source.prepare(cache_mb)  # such a source is faster if it makes all images at once
        super().prepare(cache_mb, progress)

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Return the number of each image that cannot be decoded, with the reason. See `ImageSource.check`."""
        return super().check(progress) if self._faults is not None else self.source.check(progress)

    def only(self, kept: Sequence[int]) -> ResizedImages:
        """Return an image source of the images with the numbers `kept`, in this order."""
        return ResizedImages(self.source.only(kept), self.sizes[list(kept)], self.cache_mb)


def stored(images: ImageSource) -> ImageSource:
    """Return the source of the original images if `images` are reduced ones. Otherwise, return `images`."""
    return images.source if isinstance(images, ResizedImages) else images


class _Reduced(Sequence[Tensor]):
    """A sequence of maps [H, W, ...]. Each map is reduced when it is accessed."""

    def __init__(self, maps: Sequence[Tensor], sizes: Tensor, reduce: Callable[[Array, int, int], Array]):
        self._maps, self._sizes, self._reduce = maps, sizes, reduce

    def __len__(self) -> int:
        return len(self._maps)

    def known(self, index: int) -> bool:
        """Return True if a view has a map."""
        return is_known(self._maps, index)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        values: Tensor = self._maps[index]
        width, height = self._sizes[index].tolist()
        if values.shape[:2] == (height, width):
            return values
        return torch.from_numpy(self._reduce(values.double().numpy(), width, height)).to(values.dtype)


def _reduced_depth(depth: Array, width: int, height: int) -> Array:
    """Return the mean depth [h, w] over the part of each pixel's area that has a depth.

    If this part is less than half of the area, the depth is infinite or unknown (NaN), whichever covers more.
    """
    mean: Array = average_known(depth[..., None], np.isfinite(depth), width, height, np.nan)[..., 0]
    everywhere = np.ones(depth.shape, dtype=np.bool_)
    empty, unknown = (
        average_known(other(depth)[..., None].astype(np.float64), everywhere, width, height, 0.0)[..., 0]
        for other in (np.isinf, np.isnan)
    )
    mean[np.isnan(mean) & (empty >= unknown)] = np.inf
    return mean


def _reduced_normals(normals: Array, width: int, height: int) -> Array:
    """Return the mean normal [h, w, 3] over each pixel's area, as a unit vector. It is zero if most of the area has no
    surface."""
    mean = average_known(normals, (normals != 0).any(-1), width, height, 0.0)
    length = np.linalg.norm(mean, axis=-1, keepdims=True)
    unit: Array = np.divide(mean, length, out=np.zeros_like(mean), where=length > 0)
    return unit
