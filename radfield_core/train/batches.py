"""Training batches. A batch consists of pixels drawn uniformly from all views, or of one whole view."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from radfield_core.config.run import TrainerConfig
from radfield_core.data.resized import resized, smaller_sizes
from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method
from radfield_core.rays import PixelRays, view_rays
from radfield_core.render.backgrounds import background_for, on_background
from radfield_core.train.extras import Drawn, Extras, of_mean_one
from radfield_core.types import Batch, Step

KEPT_STEPS = 200
"""Reduced images that no step has drawn from for longer are dropped."""


class Draw(NamedTuple):
    """What random pixels are drawn from.

    Attributes:
        one_image: True to draw all pixels of a step from one image.
        center: share of each side of the images, around their centers, from which the first steps draw pixels.
        center_steps: number of these steps.
    """

    one_image: bool = False
    center: float = 0.5
    center_steps: int = 0

    @staticmethod
    def of(config: TrainerConfig) -> Draw:
        """Return what the options of a run say."""
        return Draw(config.pixels == "one_image", config.center, config.center_steps)


class PixelDrawer:
    """Draws a method's training batches from a scene.

    Each batch depends only on the step. A resumed run therefore draws the same batches as an uninterrupted run, and a
    checkpoint need not store a position in the data.

    Args:
        scene: the training split.
        method: the run's method.
        device: device of the batches.
        extras: the data other than colors that the run's parts require; None if they require none.
        draw: what random pixels are drawn from; by default, all pixels of all images.
    """

    def __init__(
        self,
        scene: Scene,
        method: Method,
        device: torch.device,
        extras: Extras | None = None,
        draw: Draw = Draw(),  # noqa: B008 (a tuple does not change)
    ):
        self.scene, self.method, self.device, self.extras = scene, method, device, extras
        self.options = draw
        self.rays = PixelRays(scene, device) if method.batching == "rays" else None
        widths, heights = scene.cameras.sizes.unbind(-1)
        self._widths = widths.contiguous()
        self._smaller: dict[float, tuple[PixelDrawer, int]] = {}  # with the last step that drew from it
        self._ends = (widths * heights).cumsum(0)
        self._total = int(self._ends[-1])
        uniform = bool((scene.cameras.sizes == scene.cameras.sizes[0]).all())
        self._size: tuple[int, int] | None = (int(widths[0]), int(heights[0])) if uniform else None

    def draw(self, step: Step, n: int) -> Batch:
        """Draw a batch: `n` pixels with their rays. For a method that trains on images, draw one whole view instead.

        If a loss asks for a share of the rays, these are the last rays of the batch.
        """
        if self.rays is None:
            return self.draw_view(step)
        background = background_for(self.scene, self.method, step, n, self.device)
        images, rows, columns, own = self._drawn(step, n)
        rays = self.rays(images.to(self.device), rows.to(self.device), columns.to(self.device))
        pixels = self.scene.images.gather(images, rows, columns).to(self.device, non_blocking=True)
        masks = self.scene.masks
        mask = None if masks is None else masks.gather(images, rows, columns)
        weights = self._loss_weights(images, mask)
        return Batch(
            rays=rays,
            view=None,
            rgb=on_background(pixels, background),
            mask=_object_mask(pixels, self._object(mask)),
            background=background,
            loss_weights=None if weights is None else of_mean_one(weights).to(self.device, torch.float32),
            extras={} if self.extras is None else self.extras.of_pixels(Drawn(images, rows, columns, rays, own)),
        )

    def _drawn(self, step: Step, n: int) -> tuple[Tensor, Tensor, Tensor, dict[str, tuple[slice, Tensor]]]:
        """Draw n pixels: first the random pixels of all views, then those that losses ask for."""
        if self.extras is None:
            return *self.draw_pixels(step, n), {}
        own = self.extras.draw(step, n)
        pixels = self.draw_pixels(step, n - sum(map(len, own.values())))
        found, slices = self.extras.with_own(pixels, own)
        return *found, slices

    def draw_pixels(self, step: Step, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw n pixels uniformly from all views, or from what the options say, with replacement.

        Returns:
            Three tensors [n] int64: the image number, the row and the column of each pixel.
        """
        flat = torch.randint(self._total, (n,), generator=step.generator("pixels"))
        centered = step.index < self.options.center_steps
        if self.options.one_image or centered:
            return self._drawn_from(self._images_of(flat), step, self.options.center if centered else 1.0)
        if self._size is not None:
            width, height = self._size
            images = flat.div(width * height, rounding_mode="floor")
            inside = flat - images * (width * height)
            rows = inside.div(width, rounding_mode="floor")
            return images, rows, inside - rows * width
        images = self._images_of(flat)
        widths = self._widths[images]
        inside = flat - (self._ends[images] - widths * self.scene.cameras.sizes[images, 1])
        rows = inside.div(widths, rounding_mode="floor")
        return images, rows, inside - rows * widths

    def _images_of(self, flat: Tensor) -> Tensor:
        """Return the images [n] of pixels, which are counted through all images."""
        return torch.searchsorted(self._ends, flat, right=True)

    def _drawn_from(self, images: Tensor, step: Step, share: float) -> tuple[Tensor, Tensor, Tensor]:
        """Draw a pixel from the center of each of the images [n], or all pixels from one image, drawn at random."""
        if self.options.one_image:
            images = torch.randint(len(self._ends), (1,), generator=step.generator("image")).expand(len(images))
        sizes = self.scene.cameras.sizes[images]
        windows = (sizes * share).round().long().clamp_min(1)
        places = torch.rand(len(images), 2, dtype=torch.float64, generator=step.generator("places"))
        columns, rows = ((sizes - windows) // 2 + (places * windows).long()).unbind(-1)
        return images, rows, columns

    def draw_view(self, step: Step) -> Batch:
        """Draw one view uniformly and return all its pixels as a batch, row by row. The method may reduce the image."""
        return self._reduced(self.method.reduction(step), step.index)._whole_view(step)

    def _reduced(self, reduction: float, index: int) -> PixelDrawer:
        """Return the drawer of images whose sides are divided by a factor, for the step with an index."""
        kept = {factor: old for factor, old in self._smaller.items() if abs(index - old[1]) <= KEPT_STEPS}
        drawer = self
        if reduction > 1:
            drawer = kept[reduction][0] if reduction in kept else self._with_smaller(reduction)
            kept[reduction] = drawer, index
        self._smaller = kept
        return drawer

    def _with_smaller(self, reduction: float) -> PixelDrawer:
        """Return a new drawer of images whose sides are divided by a factor."""
        sizes = smaller_sizes(self.scene.cameras.sizes, reduction, None)
        extras = None if self.extras is None else self.extras.reduced(sizes)
        return PixelDrawer(resized(self.scene, sizes), self.method, self.device, extras)

    def _whole_view(self, step: Step) -> Batch:
        index = int(torch.randint(len(self.scene.cameras), (1,), generator=step.generator("pixels")))
        pixels = self.scene.images[index].to(self.device).flatten(0, 1)
        background = background_for(self.scene, self.method, step, len(pixels), self.device)
        mask = None if self.scene.masks is None else self.scene.masks[index].flatten(0, 1)
        weights = self._loss_weights(torch.full((len(pixels),), index), mask)
        view, extras = self.scene.cameras.view(index, image_id=index), {}
        if self.extras is not None:
            rays = partial(view_rays, self.scene, view, device=self.device)
            extras = self.extras.of_view(index, rays, self.device)
        return Batch(
            rays=None,
            view=view,
            rgb=on_background(pixels, background),
            mask=_object_mask(pixels, self._object(mask)),
            background=background,
            loss_weights=None if weights is None else weights.to(self.device, torch.float32),
            extras=extras,
        )

    def _object(self, mask: Tensor | None) -> Tensor | None:
        """Return `mask` if the scene's masks mark the object, or None if they mark the pixels to train on."""
        return mask if self.scene.masks_mean == "object" else None

    def _loss_weights(self, images: Tensor, mask: Tensor | None) -> Tensor | None:
        """Return the loss weight of each pixel, or None if every weight is 1.

        `images` holds the image number of each pixel. A pixel has the weight of its image. If the mask excludes the
        pixel, its weight is 0.
        """
        weights = None if self.scene.loss_weights is None else self.scene.loss_weights[images]
        if mask is None or self.scene.masks_mean == "object":
            return weights
        counted = (mask[..., -1] >= 128).to(torch.float64 if weights is None else weights.dtype)
        return counted if weights is None else weights * counted


def _object_mask(pixels: Tensor, mask: Tensor | None) -> Tensor | None:
    """Return the object mask [...], with values in [0, 1].

    It is the last channel of `mask` [..., C]. If `mask` is None, it is the alpha channel of the pixels. If the pixels
    have no alpha channel either, return None.
    """
    source = mask if mask is not None else pixels if pixels.shape[-1] == 4 else None
    return None if source is None else source[..., -1].to(pixels.device, torch.float32) / 255.0


def save_batch(batch: Batch, path: Path) -> None:
    """Write a batch to a safetensors file: rgb, mask, background, extras, and the rays' origins, directions, near and
    far."""
    tensors = {"rgb": batch.rgb, "mask": batch.mask, "background": batch.background, **batch.extras}
    if batch.rays is not None:
        tensors |= {name: getattr(batch.rays, name) for name in ("origins", "directions", "near", "far")}
    present = {name: tensor.contiguous().cpu() for name, tensor in tensors.items() if tensor is not None}
    safetensors.torch.save_file(present, path)
