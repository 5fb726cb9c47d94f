"""The base class of the parts of a model."""

from __future__ import annotations

from abc import ABC

from torch import Tensor, nn

from radfield_core.types import Batch, ModelOutputs, Step


class Part(nn.Module, ABC):
    """An encoding, field, sampler or renderer. Constructed as `Part(config, ctx, **sizes)`.

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

    def begin_step(self, step: Step) -> None:
        """Set all values that follow a schedule. They must depend only on the step.

        Called once before every training step, first for contained parts and then for the part that contains them. Keep
        the values in non-persistent buffers, because a resumed run sets them again.
        """

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return a dictionary of weighted losses that train this part's own parameters.

        Each loss is a mean over rays or samples.
        """
        return {}

    def scalars(self) -> dict[str, Tensor]:
        """Return the scalar tensors to log, by name. Called only for steps at which the log writes an entry."""
        return {}
