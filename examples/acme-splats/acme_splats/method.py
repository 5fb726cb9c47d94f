"""method:splats: the mean error of all pixels of an image."""

from typing import Any, Literal

import torch
from torch import Tensor

from acme_splats.config import SplatsConfig
from acme_splats.model import Splats
from radfield_core import Batch, BuildContext, Method, Model, ModelOutputs, Step
from radfield_core.ops.segments import mean


class TrainSplats(Method):
    """Mean absolute error of the pixels on a white background."""

    batching: Literal["rays", "images"] = "images"
    config: SplatsConfig

    def build(self, ctx: BuildContext) -> Model:
        """The Gaussians, at random places."""
        return Splats(self.config, ctx)

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor:
        """White background [n, 3]."""
        return torch.ones(n, 3, device=device)

    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Mean absolute error over the pixels."""
        assert outputs.rendered.rgb is not None
        return {"rgb": mean((outputs.rendered.rgb - batch.rgb).abs().mean(-1))}

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """One group with all parameters."""
        return [{"name": "splats", "params": list(model.parameters()), "lr": self.config.lr}]
