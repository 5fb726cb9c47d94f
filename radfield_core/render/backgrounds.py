"""The background behind the pixels, the same in training, evaluation and rendering."""

from __future__ import annotations

import torch
from torch import Tensor

from radfield_core.data.scene import Scene
from radfield_core.interfaces import Method
from radfield_core.types import Step


def background_for(scene: Scene, method: Method, step: Step | None, n: int, device: torch.device) -> Tensor | None:
    """Background [n, 3] of training or, with step None, of evaluation: the method's, unless the images are said to be
    on a color already."""
    if scene.background is not None:
        return torch.tensor(scene.background, device=device).expand(n, 3)
    return method.background(step, n, device)


def on_background(pixels: Tensor, background: Tensor | None) -> Tensor:
    """Colors [..., 3] in [0, 1] of uint8 pixels [..., 1, 3 or 4]; straight alpha is laid over `background` [..., 3].

    No background adds nothing to what shines through, as when rendering.
    """
    values = pixels.to(torch.float32) / 255.0
    if values.shape[-1] == 1:
        return values.expand(*values.shape[:-1], 3)
    rgb = values[..., :3]
    if values.shape[-1] == 3:
        return rgb
    alpha = values[..., 3:]
    return rgb * alpha if background is None else torch.lerp(background, rgb, alpha)
