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
        """Set everything scheduled, as a pure function of the step.

        Called once before every training step, for children before the parts that contain them. Keep the values in
        non-persistent buffers, so that a resumed run sets them again.
        """

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Weighted losses by name that this part's own parameters need; each a mean over the rays or samples."""
        return {}

    def scalars(self) -> dict[str, Tensor]:
        """Scalars by name [] for the log; computed only when the log writes an entry."""
        return {}
