"""Background colors of rays, chosen by the same rule in training, evaluation and rendering."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method
from radfield_core.types import Step


def background_for(scene: Scene, method: Method, step: Step | None, n: int, device: torch.device) -> Tensor | None:
    """Return the background colors [n, 3] of n rays, or None if there is no background.

    If the data states the color of the background, that color is used. Otherwise, the method chooses the colors.

    Args:
        scene: the scene. Its `background` is the color that the data states, or None.
        method: the method. Its function `background` chooses the colors, or returns None if the method uses no
            background.
        step: the training step, or None in evaluation.
        n: number of rays.
        device: device of the returned colors.
    """
    if scene.background is not None:
        return torch.tensor(scene.background, device=device).expand(n, 3)
    return method.background(step, n, device)


def on_background(pixels: Tensor, background: Tensor | None) -> Tensor:
    """Composite pixels over a background. Alpha is straight (not premultiplied).

    Args:
        pixels: uint8 [..., C], where C is 1 (gray), 3 (RGB) or 4 (RGBA). Gray and RGB pixels are opaque.
        background: colors [..., 3] in [0, 1]. None has the same effect as black: RGBA pixels become rgb · alpha.

    Returns:
        Colors [..., 3] float32 in [0, 1].
    """
    values = pixels.to(torch.float32) / 255.0
    if values.shape[-1] == 1:
        return values.expand(*values.shape[:-1], 3)
    rgb = values[..., :3]
    if values.shape[-1] == 3:
        return rgb
    alpha = values[..., 3:]
    return rgb * alpha if background is None else torch.lerp(background, rgb, alpha)
