"""The distortion loss of mip-NeRF 360."""

from __future__ import annotations

from torch import Tensor

from radfield_core.builtin.config import DistortionConfig
from radfield_core.errors import UsageError
from radfield_core.interfaces import BuildContext, Loss, Model
from radfield_core.ops import volume
from radfield_core.types import Batch, ModelOutputs, Step


class Distortion(Loss):
    """The distortion of the weights on each ray (mip-NeRF 360, equation 15).

    This loss concentrates the weights of a ray in few short intervals, which removes floating specks and
    semitransparent layers. Distances are divided by the scene's radius, so that the weight of the loss does not depend
    on the scale of the scene.
    """

    def __init__(self, config: DistortionConfig, ctx: BuildContext):
        super().__init__()
        self.radius = ctx.bounds.radius
        self.behind = config.of == "background"

    def forward(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> Tensor:
        """Return the distortion [R] of the last level, of the background model if the options say so.

        Raises:
            UsageError: the model has no levels, because its method does not march rays, or it has no background model.
        """
        if self.behind:
            if outputs.background is None:
                raise UsageError(
                    "loss 'distortion' is to apply to the background, and the run has no background model",
                    path="losses",
                    hint="Set of=foreground for this loss, or leave it out",
                )
            outputs = outputs.background
        if not outputs.levels:
            raise UsageError(
                "loss 'distortion' needs samples on rays, and the model of this method has none",
                path="losses",
                hint="Leave out losses.distortion, or choose a method that marches rays",
            )
        level = outputs.levels[-1]
        starts, ends = (t / self.radius for t in (level.samples.t_starts, level.samples.t_ends))
        return volume.distortion(level.weights, starts, ends, level.samples.layout)
