"""Losses with one fault each."""

from __future__ import annotations

import attrs

from mutants.caught import caught_by
from radfield_core.builtin.config import DistortionConfig
from radfield_core.builtin.distortion import Distortion
from radfield_core.config.slots import option


@caught_by("losses_are_means_over_rays", "loss:distortion")
class SumsOverTheRays(Distortion):
    def forward(self, outputs, batch, model, step):
        return super().forward(outputs, batch, model, step).sum()


@caught_by("loss_is_not_negative", "loss:distortion")
class RewardsDistortion(Distortion):
    def forward(self, outputs, batch, model, step):
        return -super().forward(outputs, batch, model, step)


@caught_by("weight_is_applied_by_core", "loss:distortion")
class MultipliesByItsWeightAsWell(Distortion):
    def __init__(self, config, ctx):
        super().__init__(config, ctx)
        self.weight = config.weight

    def forward(self, outputs, batch, model, step):
        return self.weight.value(step) * super().forward(outputs, batch, model, step)


@attrs.frozen(kw_only=True)
class PlainWeightConfig:
    """A loss with options of its own."""

    strength: float = option(1.0, help="weight of the loss", min=0)


@caught_by("weight_is_applied_by_core", "loss:distortion", config=f"{__name__}:PlainWeightConfig")
class HasNoWeight(Distortion):
    def __init__(self, config, ctx):
        super().__init__(DistortionConfig(), ctx)
