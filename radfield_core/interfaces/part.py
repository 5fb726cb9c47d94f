"""What every trainable part has in common, and what its constructor is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from radfield_core.types import Batch, ModelOutputs, SceneBox, Step

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice
    from radfield_core.rays import RaySpace
    from radfield_core.schema import RunConfig


@dataclass(frozen=True, eq=False)
class BuildContext:
    """What a constructor gets besides its options.

    bounds: the region to model, in the space that fields live in (the cube under NDC). run, space: the run's options
    and what it takes to make rays of a view; None when a part is built alone (tests, queries).
    """

    bounds: SceneBox
    n_images: int = 0
    has_masks: bool = False
    ndc: bool = False
    max_steps: int = 1
    run: RunConfig | None = None
    space: RaySpace | None = None

    def make(self, choice: Choice, **sizes: Any) -> Part:
        """The chosen part, built: `ctx.make(config.encoding, in_dim=3)`."""
        return choice.load()(choice.config, self, **sizes)


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
