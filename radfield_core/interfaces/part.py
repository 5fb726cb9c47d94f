"""The base class of the parts of a model."""

from __future__ import annotations

from abc import ABC

from torch import Tensor, nn

from radfield_core.types import Batch, ModelOutputs, Step


class Part(nn.Module, ABC):
    """An encoding, field, sampler or renderer, constructed as `Part(config, ctx, **sizes)`.

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
        """Set all scheduled values. They must depend on the step alone.

        Called once before every training step. If a part contains other parts, theirs is called first. Keep the values
        in non-persistent buffers, because a resumed run sets them again.
        """

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Weighted losses, by name, that train this part's own parameters. Each is a mean over rays or samples."""
        return {}

    def scalars(self) -> dict[str, Tensor]:
        """Scalar tensors to log, by name. Called only when the log writes an entry."""
        return {}
