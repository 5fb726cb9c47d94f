"""Apply a color map to the outputs of a model. The rules for transparent pixels are in one place here.

The map applies to what a camera photographed. If the images have no alpha channel, this is the whole pixel. If they
have one, the pixel c of the image is composited on the background color B afterward, as α c + (1 − α) B, so B is not
mapped: with the share T of the background in the rendered pixel, the pixel C + T B becomes (1 − T) map(C / (1 − T))
+ T B. Otherwise a random background, which has the same color in the rendered pixel and in the true one, would pull
every map toward the identity.

Symbols in shapes: R pixels, H × W pixels of an image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from radfield_core.interfaces import ColorMap, Model
from radfield_core.types import Batch, ModelOutputs, Rendered

PIXELS = "pixels"
"""Name of the positions of the pixels [R, 2] in `Batch.extras`, in shares of the width and the height."""

_LEAST_OPACITY = 1e-4  # below it, a color is not divided by the opacity, because the quotient would be noise


def color_map_of(model: Model) -> ColorMap | None:
    """Return the color map of a model, or None if its run has none."""
    return getattr(model, "color_map", None)


def map_colors(model: Model, outputs: ModelOutputs, batch: Batch) -> ModelOutputs:
    """Return the outputs of a model for a training batch, with the model's color map applied to the pixels.

    The pixels of every level are mapped, because methods compare the pixels of every level with the images. Colors of
    samples and the outputs of the background model stay as they are.
    """
    color_map = color_map_of(model)
    ids = _image_ids(batch)
    if color_map is None or ids is None:
        return outputs

    def mapped(rendered: Rendered) -> Rendered:
        if rendered.rgb is None:
            return rendered
        kept = batch.background if color_map.keeps_background else None
        share = _transmitted(rendered, outputs.background)
        colors = with_map(lambda rgb: color_map(rgb, ids, batch.extras[PIXELS]), rendered.rgb, share,
                          kept, straight=color_map.keeps_background)  # fmt: skip
        return dataclasses.replace(rendered, rgb=colors)

    last, levels = mapped(outputs.rendered), []
    for level in outputs.levels:
        if level.rendered is not None:
            level = dataclasses.replace(
                level, rendered=last if level.rendered is outputs.rendered else mapped(level.rendered)
            )
        levels.append(level)
    return dataclasses.replace(outputs, rendered=last, levels=tuple(levels))


def with_map(
    function: Callable[[Tensor], Tensor], rgb: Tensor, share: Tensor, background: Tensor | None, *, straight: bool
) -> Tensor:
    """Apply a map of colors [R, 3] to rendered colors [..., 3].

    Args:
        function: the map.
        rgb: colors, composited on `background`.
        share: share [...] of the background color in each pixel.
        background: background colors [..., 3] that are not mapped; None for black.
        straight: if False, map the whole pixel, and ignore `share` and `background`.
    """
    if not straight:
        return function(rgb.reshape(-1, 3)).view_as(rgb)
    behind = 0.0 if background is None else share[..., None] * background.to(rgb)
    opacity = (1.0 - share).clamp_min(0.0)[..., None]
    color = (rgb - behind).clamp_min(0.0) / opacity.clamp_min(_LEAST_OPACITY)
    return opacity * function(color.reshape(-1, 3)).view_as(rgb) + behind


def _transmitted(rendered: Rendered, behind: ModelOutputs | None) -> Tensor:
    """Return the share of the background color in each pixel: the light that passes the foreground and the background
    model."""
    share = 1.0 - rendered.opacity
    return share if behind is None else share * _transmitted(behind.rendered, behind.background)


def _image_ids(batch: Batch) -> Tensor | None:
    """Return the number of each pixel's image [R], or None if the batch states no image."""
    if batch.rays is not None:
        return batch.rays.image_ids
    if batch.view is None or batch.view.image_id is None:
        return None
    return torch.full((len(batch.rgb),), batch.view.image_id, device=batch.rgb.device)


def pixel_positions(width: int, height: int) -> Tensor:
    """Return the positions of the centers of an image's pixels [H·W, 2], row by row, in shares of width and height.

    Example:
        >>> pixel_positions(2, 1)
        tensor([[0.2500, 0.5000],
                [0.7500, 0.5000]])
    """
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (torch.stack([columns, rows], -1).flatten(0, 1) + 0.5) / torch.tensor([width, height])
