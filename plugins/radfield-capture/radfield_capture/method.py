"""method:capture. It trains on photographs that are not perfect, with schedules that end with the run.

Shapes: R rays.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from radfield_capture.method_config import CaptureConfig
from radfield_core import Batch, Method, Model, ModelOutputs, Step, background_color
from radfield_core.ops import segments


class Capture(Method):
    """Training of one field by a photometric loss. By default, the learning rate falls until the end of the run."""

    config: CaptureConfig

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Background colors [n, 3], as set by the options."""
        return background_color(self.config.background, step, n, device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Photometric loss. If the batch has loss weights, each ray's loss is multiplied by the ray's weight."""
        assert outputs.rendered.rgb is not None
        function = F.smooth_l1_loss if self.config.loss == "smooth_l1" else F.mse_loss
        error = function(outputs.rendered.rgb, batch.rgb, reduction="none").mean(-1)
        if batch.loss_weights is not None:
            error = error * batch.loss_weights
        return {"rgb": segments.mean(error)}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return one group with all parameters. Parts set their own rates and decays."""
        config = self.config
        adam = {"lr": config.lr, "betas": config.betas, "eps": config.eps, "weight_decay": config.weight_decay}
        return [{"name": "networks", "params": list(model.parameters()), **adam}]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the fused variant of AdamW, which takes a step with one kernel."""
        return torch.optim.AdamW(groups, fused=True)
