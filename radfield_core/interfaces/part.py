"""The base class of the parts of a model."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from radfield_core.config.schedules import Schedule
from radfield_core.interfaces.parameters import TrainedParameters
from radfield_core.types import Batch, ModelOutputs, Step


class ParameterGroup(NamedTuple):
    """Parameters of a part, with their own learning rate or weight decay. A setting that is None is set by the method.

    Attributes:
        name: name of the group, such as "encodings" or "poses". It appears in the log.
        params: the parameters.
        lr: learning rate, which replaces the method's learning rate and its schedule; None for the method's rate.
        lr_factor: factor by which the method's learning rate is multiplied; ignored if `lr` is given.
        weight_decay: weight decay; None for the method's weight decay.
    """

    name: str
    params: Sequence[nn.Parameter]
    lr: Schedule | float | None = None
    lr_factor: float = 1.0
    weight_decay: float | None = None


class Part(nn.Module, ABC):
    """An encoding, field, sampler or renderer. Constructed as `Part(config, ctx, **sizes)`.

    Attributes:
        growing: names of the parameters and buffers whose shape `adapt` may change. A checkpoint stores them in the
            shape that they have, and a model that is built again takes this shape.

    Example:
        >>> import torch
        >>> class Annealed(Part):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.register_buffer("share", torch.zeros(()), persistent=False)
        ...
        ...     def begin_step(self, step):
        ...         self.share.fill_(step.progress)
        >>> part = Annealed()
        >>> part.begin_step(Step(index=5, max_steps=10, seed=0))
        >>> part.share
        tensor(0.5000)
    """

    growing: tuple[str, ...] = ()

    def begin_step(self, step: Step) -> None:
        """Set all values that follow a schedule. They must depend only on the step.

        Called once before every training step, first for contained parts and then for the part that contains them. Keep
        the values in non-persistent buffers, because a resumed run sets them again.
        """

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return groups of this part's own parameters that need their own learning rate or weight decay.

        By default, there are none. Every method must respect these groups. Leave out the parameters of contained parts,
        which return their own groups.

        Example:
            >>> import torch
            >>> class Poses(Part):
            ...     def __init__(self):
            ...         super().__init__()
            ...         self.twists = nn.Parameter(torch.zeros(10, 6))
            ...
            ...     def parameter_groups(self):
            ...         rate = Schedule.of({"curve": "exponential", "values": [1e-3, 1e-5]})
            ...         return [ParameterGroup("poses", [self.twists], lr=rate, weight_decay=0.0)]
            >>> Poses().parameter_groups()[0].name
            'poses'
        """
        return []

    def own_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of this part, without those of the parts that it contains."""
        inner = {id(p) for module in self.modules() if module is not self and isinstance(module, Part)
                 for p in module.parameters()}  # fmt: skip
        return [parameter for parameter in self.parameters() if id(parameter) not in inner]

    def adapt(self, step: Step, parameters: TrainedParameters) -> None:
        """Replace some of this part's parameters by others of another shape: more points, a finer grid.

        Called after every step of the optimizer, without gradients, first for contained parts and then for the part
        that contains them. `parameter.grad` still holds the gradient of this step. What an override does must depend
        only on the step and on parameters and buffers, so that a resumed run repeats it; draw random numbers from
        `step.generator`. Modules that are not parts have no `adapt`.

        Args:
            step: the step that was taken.
            parameters: `parameters.replace(self, name, value, state)` replaces a parameter and keeps the optimizer's
                state of it.

        Example:
            >>> import torch
            >>> from torch.nn.functional import interpolate
            >>> class Grid(Part):
            ...     growing = ("values",)
            ...
            ...     def __init__(self):
            ...         super().__init__()
            ...         self.values = nn.Parameter(torch.zeros(1, 4, 8, 8, 8))
            ...
            ...     def adapt(self, step, parameters):
            ...         if step.index + 1 == step.max_steps // 2:
            ...             finer = lambda values: interpolate(values, size=(16, 16, 16), mode="trilinear")
            ...             parameters.replace(self, "values", finer(self.values), state=finer)
            >>> from radfield_core import TrainedParameters
            >>> grid = Grid()
            >>> grid.adapt(Step(index=4, max_steps=10, seed=0), TrainedParameters(grid))
            >>> grid.values.shape
            torch.Size([1, 4, 16, 16, 16])
        """

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return a dictionary of weighted losses that train this part's own parameters.

        Each loss is a mean over rays or samples. Called for contained parts too.
        """
        return {}

    def scalars(self) -> dict[str, Tensor]:
        """Return the scalar tensors to log, by name. Called only for steps at which the log writes an entry."""
        return {}
