"""method:siren: the squared error of the pixels, with an exponentially falling learning rate."""

from typing import Any

import torch
from torch import Tensor

from acme_siren.config import TrainSirenConfig
from radfield_core import Batch, Method, Model, ModelOutputs, Step
from radfield_core.ops.segments import mean


class TrainSiren(Method):
    """Squared error of the pixels on a white background."""

    config: TrainSirenConfig

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor:
        """White background [n, 3]."""
        return torch.ones(n, 3, device=device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Mean squared error over the rays."""
        assert outputs.rendered.rgb is not None
        return {"rgb": mean((outputs.rendered.rgb - batch.rgb).square().mean(-1))}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """One group with all parameters."""
        return [{"name": "all", "params": list(model.parameters()), "lr": self.config.lr}]

    def lr_scale(self, step: Step, group: str) -> float:
        """Factor on the learning rate: lr_final ^ progress, where progress goes from 0 to 1."""
        return float(self.config.lr_final**step.progress)
