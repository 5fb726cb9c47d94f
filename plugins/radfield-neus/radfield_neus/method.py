"""method:neus: the photometric, mask and opacity losses and the learning rates of NeuS."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from radfield_core import Batch, Method, Model, ModelOutputs, Step, background_color
from radfield_core.ops import segments
from radfield_neus.config import NeuSConfig


class NeuS(Method):
    """Training of one field by photometric, mask and opacity losses.

    The field itself adds the eikonal, sparsity and curvature losses.
    """

    config: NeuSConfig

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Background colors [n, 3], as set by the options. Evaluation uses white instead of random colors."""
        return background_color(self.config.background, step, n, device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Photometric, mask and opacity losses, each multiplied by its weight from the options.

        The L1 loss is summed over the color channels, as in the paper's code.
        """
        config = self.config
        assert outputs.rendered.rgb is not None
        difference = outputs.rendered.rgb - batch.rgb
        error = difference.abs().sum(-1) if config.loss == "l1" else difference.square().mean(-1)
        weights = torch.ones_like(error)
        if batch.loss_weights is not None:
            weights = weights * batch.loss_weights
        if config.mask.constant != 0 and batch.mask is not None and batch.background is None:
            weights = weights * (batch.mask > 0.5)  # without a background, pixels outside the mask have no target color
        if config.hit_rays_only:
            weights = weights * outputs.hit_rays
        losses = {"rgb": config.loss_weight.value(step) * (error * weights).sum() / (weights.sum() + 1e-5)}
        opacity = outputs.rendered.opacity.clamp(1e-3, 1.0 - 1e-3)
        if config.mask.constant != 0 and batch.mask is not None:
            wrong = F.binary_cross_entropy(opacity, (batch.mask > 0.5).to(opacity), reduction="none")
            losses["mask"] = config.mask.value(step) * segments.mean(wrong)
        if config.opaque.constant != 0:
            losses["opaque"] = config.opaque.value(step) * segments.mean(
                F.binary_cross_entropy(opacity, opacity, reduction="none")
            )
        return losses

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one parameter group for the networks and one for the sharpness. Empty groups are left out.

        The sharpness may have its own learning rate.
        """
        common = {"betas": self.config.betas, "eps": self.config.eps}
        sharpness = [p for group in model.parameter_groups() if group.name == "sharpness" for p in group.params]
        apart = set(map(id, sharpness))
        others = [parameter for parameter in model.parameters() if id(parameter) not in apart]
        lr = self.config.lr if self.config.lr_sharpness is None else self.config.lr_sharpness
        groups = [
            {"name": "networks", "params": others, "lr": self.config.lr, **common},
            {"name": "sharpness", "params": sharpness, "lr": lr, **common},
        ]
        return [group for group in groups if group["params"]]

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor by which the learning rate is multiplied.

        The factor rises linearly to 1 during the warm-up. It then decays to `lr_final`, along a cosine or
        exponentially.
        """
        config = self.config
        if step.index < config.warmup_steps:
            if config.warmup_start is None:
                return (step.index + 1) / config.warmup_steps
            return config.warmup_start + (1.0 - config.warmup_start) * step.index / config.warmup_steps
        share = min(1.0, (step.index - config.warmup_steps) / max(1, step.max_steps - config.warmup_steps))
        if config.decay == "exponential":
            return float(config.lr_final**share)
        return (math.cos(math.pi * share) + 1.0) * 0.5 * (1.0 - config.lr_final) + config.lr_final
