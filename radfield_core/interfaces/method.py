"""Methods: photometric losses, learning rates, parameter groups and a preset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor

from radfield_core.interfaces.context import BuildContext
from radfield_core.interfaces.model import Model
from radfield_core.types import Batch, ModelOutputs, Step


class Method(ABC):
    """What a paper calls its method. Subclasses take their options as `Method(config)`.

    batching: "rays" draws pixels; "images" hands over whole images with their view.
    n_fields: how many fields the levels share; level l uses the field min(l, n_fields − 1).
    """

    batching: Literal["rays", "images"] = "rays"
    n_fields: int = 1

    def __init__(self, config: Any):
        self.config = config

    def build(self, ctx: BuildContext) -> Model:
        """Build the model; by default the level loop with the parts in the run's slots."""
        return ctx.level_loop(self.n_fields)

    def forward(self, model: Model, batch: Batch) -> ModelOutputs:
        """Render a batch with the model."""
        outputs: ModelOutputs = model(batch)
        return outputs

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Background color [n, 3] in training or, with step None, in evaluation; None means black is not assumed."""
        return None

    @abstractmethod
    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Photometric losses, weighted, by name; each a mean over the rays given."""

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Optimizer groups, each with "name" and "lr" beside "params"."""
        return [{"name": "all", "params": list(model.parameters()), "lr": 5e-4}]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimizer; fused Adam by default, several times faster than the loop over tensors on large tables."""
        return torch.optim.Adam(groups, fused=True)

    def lr_scale(self, step: Step, group: str) -> float:
        """Factor on the group's learning rate at a step."""
        return 1.0

    def after_step(self, model: Model, optimizer: torch.optim.Optimizer, step: Step) -> None:
        """Called after every optimizer step."""


def background_color(
    name: Literal["none", "black", "white", "random"], step: Step | None, n: int, device: torch.device | str
) -> Tensor | None:
    """The colors [n, 3] that a method's option names, for `Method.background`; none is None.

    random is another color for every ray in training, and white in evaluation (step None).
    """
    if name == "none":
        return None
    if name == "random" and step is not None:
        return torch.rand(n, 3, generator=step.generator("background", device), device=device)
    return torch.full((n, 3), 0.0 if name == "black" else 1.0, device=device)
