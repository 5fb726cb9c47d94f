"""method:ngp. The losses and schedules are taken from instant-nsr-pl, from its NeRF configurations for hash grids."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from radfield_core import Batch, Method, Model, ModelOutputs, Step, background_color
from radfield_core.ops import segments, volume
from radfield_ngp.config import NgpConfig


class Ngp(Method):
    """Training of one field by a photometric loss, with decoupled weight decay of the field's networks."""

    config: NgpConfig

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Background colors [n, 3], as set by the options. Evaluation uses white instead of random colors."""
        return background_color(self.config.background, step, n, device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Photometric loss, plus the distortion loss if its weight is positive.

        If the batch has loss weights, each ray's photometric loss is multiplied by the ray's weight. With the option
        `hit_rays_only`, the photometric loss is a mean over the rays with an opacity above 0.
        """
        function = F.smooth_l1_loss if self.config.loss == "smooth_l1" else F.mse_loss
        assert outputs.rendered.rgb is not None
        error = function(outputs.rendered.rgb, batch.rgb, reduction="none").mean(-1)
        if batch.loss_weights is not None:
            error = error * batch.loss_weights
        if self.config.hit_rays_only:
            counted = outputs.hit_rays
            losses = {"rgb": (error * counted).sum() / counted.sum().clamp_min(1)}
        else:
            losses = {"rgb": segments.mean(error)}
        if self.config.distortion.constant != 0:
            level = outputs.levels[-1]
            samples = level.samples
            per_ray = volume.distortion(level.weights, samples.t_starts, samples.t_ends, samples.layout)
            losses["distortion"] = self.config.distortion.value(step) * segments.mean(per_ray)
        return losses

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group with all parameters. The encodings themselves turn off their weight decay."""
        config = self.config
        adam = {"lr": config.lr, "betas": config.betas, "eps": config.eps, "weight_decay": config.weight_decay}
        return [{"name": "networks", "params": list(model.parameters()), **adam}]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the fused variant of AdamW, which takes a step with one kernel."""
        return torch.optim.AdamW(groups, fused=True)

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor by which `lr` is multiplied.

        The factor rises linearly from 1 % to 1 during the warm-up. It is multiplied by `lr_gamma` at each milestone.
        """
        warmup = 1.0
        if step.index < self.config.warmup_steps:
            warmup = 0.01 + 0.99 * step.index / self.config.warmup_steps
        return warmup * self.config.lr_gamma ** bisect_right(sorted(self.config.lr_milestones), step.index)
