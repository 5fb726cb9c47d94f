"""NeRF and tiny-NeRF: photometric losses, learning rate and background."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from radfield_core import Batch, Method, Model, ModelOutputs, Step, background_color
from radfield_core.ops.segments import mean


class Nerf(Method):
    """A coarse and a fine network, each compared with the pixels (NeRF, equation 6)."""

    n_fields = 2

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """The same color [n, 3] in training and evaluation."""
        return background_color(self.config.background, step, n, device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Mean squared error of every level that has a color; the last is "fine", those before it are weighted."""
        pixels = [rgb for level in outputs.levels if level.rendered and (rgb := level.rendered.rgb) is not None]
        losses = [mean_squared_error(rgb, batch) for rgb in pixels]
        coarse = {f"coarse{i or ''}": self.config.coarse_loss * loss for i, loss in enumerate(losses[:-1])}
        return {**coarse, "fine": losses[-1]}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """All parameters at one learning rate, with the options' betas and epsilon for Adam."""
        adam = {"lr": self.config.lr, "betas": self.config.adam_betas, "eps": self.config.adam_eps}
        return [{"name": "all", "params": list(model.parameters()), **adam}]

    def lr_scale(self, step: Step, group: str) -> float:
        """lr_decay ^ (step / lr_decay_steps)."""
        return float(self.config.lr_decay ** (step.index / self.config.lr_decay_steps))


def mean_squared_error(rgb: Tensor, batch: Batch) -> Tensor:
    """Mean over rays and channels of (rgb − pixel)² for rgb [R, 3], weighted by the batch's loss weights if any."""
    squared = (rgb - batch.rgb).square().mean(-1)
    return mean(squared if batch.loss_weights is None else squared * batch.loss_weights)


class TinyNerf(Nerf):
    """One network and one level."""

    n_fields = 1
