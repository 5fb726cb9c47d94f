"""The base class of every trainable part."""

from __future__ import annotations

from torch import Tensor, nn

from radfield_core.types import Batch, ModelOutputs, Step


class Part(nn.Module):
    """An encoding, field, sampler or renderer. Subclasses take `(config, ctx, **sizes)`."""

    def begin_step(self, step: Step) -> None:
        """Set what is scheduled, as a pure function of the step, into non-persistent buffers. Children go first."""

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Losses that this part's own parameters need, weighted; each a mean over the rays or samples given."""
        return {}

    def scalars(self) -> dict[str, Tensor]:
        """0-dim tensors worth logging; asked only at the log interval."""
        return {}
