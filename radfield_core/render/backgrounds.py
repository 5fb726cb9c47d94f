"""Background colors, which training, evaluation and rendering choose by the same rule."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method
from radfield_core.types import Step


def background_for(scene: Scene, method: Method, step: Step | None, n: int, device: torch.device) -> Tensor | None:
    """The background colors [n, 3] of n rays; None if there is no background.

    If the scene's images were made on a background of one color, that color is used. Otherwise the method chooses.

    Args:
        scene: the scene. Its `background` is the color that its images were made on, or None.
        method: the method. Its `background` may return None, for no background.
        step: the training step; None in evaluation.
        n: number of rays.
        device: device of the returned colors.
    """
    if scene.background is not None:
        return torch.tensor(scene.background, device=device).expand(n, 3)
    return method.background(step, n, device)


def on_background(pixels: Tensor, background: Tensor | None) -> Tensor:
    """Composite pixels with straight alpha over a background.

    Args:
        pixels: uint8 [..., C], where C is 1 (gray), 3 (RGB) or 4 (RGBA). Gray and RGB pixels are opaque.
        background: colors [..., 3] in [0, 1]. If it is None, RGBA pixels become rgb · alpha, as on black.

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
