"""Methods: the training procedures of papers.

A method defines the model, the photometric losses, the parameter groups and the learning rates.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from radfield_core.errors import PluginError, RadfieldError
from radfield_core.interfaces.context import BuildContext
from radfield_core.interfaces.model import Model
from radfield_core.types import Batch, ModelOutputs, Step

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice


class Method(ABC):
    """The training procedure of a paper, constructed as `Method(config)`.

    Attributes:
        config: the method's options.
        batching: "rays" trains on random pixels of all images; "images" trains on one whole image per step.
        n_fields: number of separate fields. Level l uses field l, or the last field if there is no field l.

    Example:
        >>> class Photometric(Method):
        ...     def losses(self, outputs, batch, model, step):
        ...         return {"rgb": (outputs.rendered.rgb - batch.rgb).square().mean()}
        >>> Photometric(config=None).lr_scale(Step(0, 100, 0), "all")
        1.0
    """

    batching: Literal["rays", "images"] = "rays"
    n_fields: int = 1

    def __init__(self, config: Any):
        self.config = config

    def build(self, ctx: BuildContext) -> Model:
        """Build the model. By default it is assembled from the sampler, field and renderer that the config selects."""
        return ctx.level_loop(self.n_fields)

    def reduction(self, step: Step) -> float:
        """Return the factor by which the sides of a step's image are divided, if the method trains on images.

        The images are area averages, as are depths and normals, and the cameras are scaled with them.
        """
        return 1.0

    def forward(self, model: Model, batch: Batch) -> ModelOutputs:
        """Render a batch with the model."""
        outputs: ModelOutputs = model(batch)
        return outputs

    def background(self, step: Step | None, n: int, device: torch.device | str) -> Tensor | None:
        """Return the background colors of n pixels.

        Args:
            step: training step; None in evaluation.
            n: number of pixels.
            device: device of the result.

        Returns:
            Colors [n, 3], or None for no background.
        """
        return None

    @abstractmethod
    def losses(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> dict[str, Tensor]:
        """Return the weighted photometric losses by name. Each loss is a mean over the rays of the batch."""

    def param_groups(self, model: Model) -> list[dict[str, Any]]:
        """Return the parameter groups of the optimizer. Each group has the keys "name", "params" and "lr".

        The learning rate "lr" is a number or a `Schedule`. A number, or a constant schedule, is multiplied by
        `lr_scale`. Any other schedule is used as it is.
        """
        return [{"name": "all", "params": list(model.parameters()), "lr": 5e-4}]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Build the optimizer. The default is Adam, fused because this is several times faster on large tables."""
        return torch.optim.Adam(groups, fused=True)

    def lr_scale(self, step: Step, group: str) -> float:
        """Return the factor by which a group's learning rate is multiplied at a step."""
        return 1.0

    def after_step(self, model: Model, optimizer: torch.optim.Optimizer, step: Step) -> None:
        """Called after every step of the optimizer. An override may change the model or the optimizer."""


def method_of(choice: Choice) -> Method:
    """Return the method that was chosen for a run.

    Raises:
        PluginError: its code cannot be imported, its constructor fails, or it does not derive from `Method`.
    """
    component = choice.component
    name = f"{component.key} ({component.distribution})"
    implementation = choice.load()
    try:
        method = implementation(choice.config)
    except RadfieldError:
        raise
    except Exception as error:  # code of a third party may raise anything
        if os.environ.get("RADFIELD_DEBUG") == "1":
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "Set RADFIELD_DEBUG=1 to see the traceback"
        raise PluginError(f"building the method failed in __init__: {text}", path=name, hint=hint) from error
    if not isinstance(method, Method):
        built = type(method).__name__
        message = f"builds {built}, which does not derive from Method"
        raise PluginError(message, path=name, hint=f"Derive {built} from radfield_core.Method")
    return method


def background_color(
    name: Literal["none", "black", "white", "random", "random_step"],
    step: Step | None,
    n: int,
    device: torch.device | str,
) -> Tensor | None:
    """Return the background colors that an option names. `Method.background` can call this function.

    Args:
        name: "black" and "white" return this color, and "none" returns None. In training, "random" draws a color for
            every pixel, and "random_step" draws one color for all pixels of a step. Both are white in evaluation.
        step: training step; None in evaluation.
        n: number of pixels.
        device: device of the result.

    Returns:
        Colors [n, 3] in [0, 1], or None.

    Example:
        >>> background_color("random", None, 2, "cpu")
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    if name == "none":
        return None
    if name in ("random", "random_step") and step is not None:
        n_colors = n if name == "random" else 1
        return torch.rand(n_colors, 3, generator=step.generator("background", device), device=device).expand(n, 3)
    return torch.full((1, 3), 0.0 if name == "black" else 1.0, device=device).expand(n, 3)
