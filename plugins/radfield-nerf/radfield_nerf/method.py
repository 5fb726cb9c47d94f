"""method:nerf and method:tiny-nerf: the photometric losses, the learning rate and the background of NeRF and
tiny-NeRF."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from radfield_core import Batch, BuildContext, Method, Model, ModelOutputs, Step, background_color
from radfield_core.ops.segments import mean


class Nerf(Method):
    """NeRF: a coarse and a fine network. The colors of both are trained to match the pixels (equation 6)."""

    n_fields = 2

    def build(self, ctx: BuildContext) -> Model:
        """Build the model, with another coarse network if the option `coarse_field` names one."""
        return ctx.level_loop(self.n_fields, getattr(self.config, "coarse_field", None))

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Background colors [n, 3]. They are the same in training and in evaluation.

        Return None if the option `background` is "none".
        """
        return background_color(self.config.background, step, n, device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Mean squared color error of each level that has colors.

        The loss of the last level is named "fine". The losses of earlier levels are multiplied by `coarse_loss`.
        """
        pixels = [rgb for level in outputs.levels if level.rendered and (rgb := level.rendered.rgb) is not None]
        losses = [mean_squared_error(rgb, batch) for rgb in pixels]
        coarse = {f"coarse{i or ''}": self.config.coarse_loss.value(step) * loss for i, loss in enumerate(losses[:-1])}
        return {**coarse, "fine": losses[-1]}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group with all parameters. They share the learning rate, betas and epsilon of Adam."""
        adam = {"lr": self.config.lr, "betas": self.config.adam_betas, "eps": self.config.adam_eps}
        return [{"name": "all", "params": list(model.parameters()), **adam}]

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor by which `lr` is multiplied. It decays exponentially: lr_decay ^ (step /
        lr_decay_steps)."""
        return float(self.config.lr_decay ** (step.index / self.config.lr_decay_steps))


def mean_squared_error(rgb: Tensor, batch: Batch) -> Tensor:
    """Mean of (rgb − pixel)² over rays and channels, for rgb [R, 3].

    If the batch has loss weights, each ray's error is multiplied by the ray's weight.
    """
    squared = (rgb - batch.rgb).square().mean(-1)
    return mean(squared if batch.loss_weights is None else squared * batch.loss_weights)


class TinyNerf(Nerf):
    """NeRF with a single network and a single level of samples."""

    n_fields = 1
