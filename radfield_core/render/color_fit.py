"""Fit a color map to the left half of an image, and measure the right half.

The exposure of a test image is not known, so a rendered view can differ from the image in brightness although the scene
is right. Fitting the map to one half and measuring the other keeps the measured pixels out of the fit (Martin-Brualla
et al. 2021, section 4.1, fit an embedding in the same way).

Symbols in shapes: H × W pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from radfield_core.errors import UsageError
from radfield_core.interfaces import ColorMap, Model
from radfield_core.model.colors import color_map_of, pixel_positions, with_map

PROTOCOLS = {
    "none": "colors not mapped",
    "half": "color map fitted to the left half of each image, metrics of the right half",
}
"""Meaning of each value of `eval.fit_color`, for files with results."""

IN_WORDS = {"none": "", "half": "right halves, colors fitted to the left halves"}
"""Short form of the same, for lines with metrics."""

_OPAQUE = 0.9  # a map is fitted to pixels whose opacity is larger than this, in the rendering and in the image


def required_color_map(model: Model) -> ColorMap:
    """Return the color map of a model. Raises UsageError if its run has none."""
    color_map = color_map_of(model)
    if color_map is None:
        message = "the run has no color map that could be fitted to a half of each image"
        raise UsageError(message, path="eval.fit_color", hint="Set eval.fit_color=none, or leave out --fit-color")
    return color_map


class Pair(NamedTuple):
    """A rendered view and its true image.

    Attributes:
        rgb: rendered colors [H, W, 3].
        truth: true colors [H, W, 3].
        mask: mask [H, W] of the pixels to measure; None for all.
    """

    rgb: Tensor
    truth: Tensor
    mask: Tensor | None

    def right_half(self) -> Pair:
        """Return the right half of the view. The middle column of an odd number of columns belongs to it."""
        start = self.truth.shape[1] // 2
        return Pair(*(None if x is None else x[:, start:] for x in self))  # type: ignore[arg-type]


class Transparency(NamedTuple):
    """Which pixels of a rendered view, and of its true image, are opaque.

    Attributes:
        opacity: opacity of the rendered pixels [H, W], including the background model.
        background: the background color [3] behind both; None for black.
        usable: share [H, W] of each true pixel that shows the scene, such as its alpha; None if all pixels do.
    """

    opacity: Tensor
    background: Tensor | None
    usable: Tensor | None


def with_fitted_colors(model: Model, pair: Pair, transparency: Transparency) -> Pair:
    """Return a view whose colors are mapped by a color map that was fitted to its left half.

    Args:
        model: the trained model, which has a color map.
        pair: the rendered view, on the background that evaluation uses, and its true image on the same background.
        transparency: which pixels are opaque.

    Raises:
        UsageError: the model has no color map.
    """
    color_map = required_color_map(model)
    opacity, background, usable = transparency
    height, width = opacity.shape
    pixels = pixel_positions(width, height)
    chosen = torch.zeros(height, width, dtype=torch.bool)
    chosen[:, : width // 2] = True
    if usable is not None:
        chosen &= usable > _OPAQUE
    if color_map.keeps_background:
        chosen &= opacity > _OPAQUE
    device = next((p.device for p in color_map.parameters()), torch.device("cpu"))
    everywhere = (pair.rgb.flatten(0, 1), pair.truth.flatten(0, 1), pixels)
    rgb, truth, where = (x[chosen.flatten()].to(device) for x in everywhere)
    with torch.no_grad():
        fitted = color_map.fit(rgb, truth, where)
        mapped = with_map(
            lambda rgb: fitted(rgb, pixels.to(rgb)),
            pair.rgb.to(device),
            1.0 - opacity.to(device),
            None if background is None else background.to(device),
            straight=color_map.keeps_background,
        )
    return pair._replace(rgb=mapped.to(pair.rgb))
