"""The background behind the pixels, the same in training, evaluation and rendering."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method
from radfield_core.types import Step


def background_for(scene: Scene, method: Method, step: Step | None, n: int, device: torch.device) -> Tensor | None:
    """The background colors [n, 3] of n rays: the scene's if its images were made on a color, else the method's.

    Args:
        scene: the scene, whose `background` is a color or None.
        method: the method; it may give None, for no background.
        step: the training step, or None in evaluation.
        n: number of rays.
        device: device of the colors.
    """
    if scene.background is not None:
        return torch.tensor(scene.background, device=device).expand(n, 3)
    return method.background(step, n, device)


def on_background(pixels: Tensor, background: Tensor | None) -> Tensor:
    """Composite pixels with straight alpha over a background.

    Args:
        pixels: uint8 [..., C]; C is 1 (gray), 3 (RGB) or 4 (RGBA). Only RGBA is transparent.
        background: colors [..., 3] in [0, 1]. Without one, transparent pixels become rgb · alpha: darker.

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
