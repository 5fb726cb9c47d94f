"""method:mipnerf: the photometric losses, the learning rate and the background of mip-NeRF."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from radfield_core import Batch, Method, Model, ModelOutputs, Step, background_color
from radfield_core.ops.segments import mean
from radfield_mipnerf.config import MipNerfConfig


class MipNerf(Method):
    """mip-NeRF: the colors of every level are trained to match the pixels (equation 17).

    By default, there are two levels of samples, and a single network evaluates the Gaussians of both.
    """

    def __init__(self, config: MipNerfConfig):
        super().__init__(config)
        self.n_fields = 1 if config.single_mlp else 2

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Background colors [n, 3]. They are the same in training and in evaluation.

        Return None if the option `background` is "none".
        """
        return background_color(self.config.background, step, n, device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Mean squared color error of each level that has colors.

        The loss of the last level is named "fine". The losses of earlier levels are multiplied by `coarse_loss`.
        """
        weights = batch.loss_weights if self.config.multiscale_loss else None
        pixels = [rgb for level in outputs.levels if level.rendered and (rgb := level.rendered.rgb) is not None]
        losses = [mean_squared_error(rgb, batch.rgb, weights) for rgb in pixels]
        coarse = {f"coarse{i or ''}": self.config.coarse_loss.value(step) * loss for i, loss in enumerate(losses[:-1])}
        return {**coarse, "fine": losses[-1]}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group with all parameters. They share the learning rate, betas and epsilon of Adam."""
        adam = {"lr": self.config.lr, "betas": self.config.adam_betas, "eps": self.config.adam_eps}
        return [{"name": "all", "params": list(model.parameters()), **adam}]

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor by which `lr` is multiplied: the product of a decay and a warm-up.

        The decay is exponential, so that the learning rate is `lr_final` at the end of the run. The warm-up rises to 1
        like the first quarter of a sine wave.
        """
        config, warm = self.config, 1.0
        if config.lr_delay_steps:
            rise = math.sin(0.5 * math.pi * min(step.index / config.lr_delay_steps, 1.0))
            warm = config.lr_delay_mult + (1.0 - config.lr_delay_mult) * rise
        return float(warm * (config.lr_final / next(config.lr.values())) ** step.progress)


def mean_squared_error(rgb: Tensor, pixels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of (rgb − pixel)² over rays and channels, for rgb and pixels [R, 3].

    If `weights` [R] are given, each ray's error is multiplied by the ray's weight.
    """
    squared = (rgb - pixels).square().mean(-1)
    return mean(squared if weights is None else squared * weights)
