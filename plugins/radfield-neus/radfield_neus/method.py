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

        The absolute error is summed over the color channels, as in the paper's code. The squared error is a mean over
        them, as in instant-nsr-pl.
        """
        config = self.config
        assert outputs.rendered.rgb is not None
        difference = outputs.rendered.rgb - batch.rgb
        errors = {"l1": (config.l1, difference.abs().sum(-1)), "mse": (config.mse, difference.square().mean(-1))}
        error = sum(weight.value(step) * each for weight, each in errors.values() if weight.constant != 0)
        weights = torch.ones_like(difference[:, 0])
        if batch.loss_weights is not None:
            weights = weights * batch.loss_weights
        if config.mask.constant != 0 and batch.mask is not None and batch.background is None:
            weights = weights * (batch.mask > 0.5)  # without a background, pixels outside the mask have no target color
        if config.hit_rays_only:
            weights = weights * outputs.hit_rays
        losses = {"rgb": (error * weights).sum() / (weights.sum() + 1e-5)}
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
        """Return the groups "sharpness", "color" and "background", and "networks" with all other parameters.

        Each group may have its own learning rate. Groups without parameters are left out.
        """
        config = self.config
        common = {"betas": config.betas, "eps": config.eps, "weight_decay": config.weight_decay}
        background = getattr(model, "background", None)
        behind = [] if background is None else list(background.parameters())
        taken = set(map(id, behind))  # the background's field may have groups of the same names
        own = [group for group in model.parameter_groups() if taken.isdisjoint(map(id, group.params))]
        named = {group.name: group.params for group in own}
        apart = {
            "sharpness": (config.lr_sharpness, named.get("sharpness", [])),
            "color": (config.lr_color, named.get("color", [])),
            "background": (config.lr_background, behind),
        }
        taken.update(id(parameter) for _, params in apart.values() for parameter in params)
        others = [parameter for parameter in model.parameters() if id(parameter) not in taken]
        groups = {"networks": (None, others), **apart}
        return [
            {"name": name, "params": list(params), "lr": config.lr if lr is None else lr, **common}
            for name, (lr, params) in groups.items()
            if params
        ]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return Adam with decoupled weight decay. With a decay of 0, it is Adam."""
        return torch.optim.AdamW(groups, fused=True)

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
