"""Encodings with one fault each, and options of encodings."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from radfield_hash.encoding import HashEncoding

from mutants.caught import caught_by
from mutants.gradients import with_gradient
from radfield_core import ParameterGroup
from radfield_core.config.slots import option
from radfield_core.testing.toy_parts import ToyEncoding
from radfield_core.types import Step

# Encodings


@caught_by("one_row_of_features_per_input", "encoding:toy")
class ForgetsRowsWhenThereAreNone(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x, cov) if len(x) else x.new_zeros(self.out_dim)


@caught_by("parameter_groups_hold_own_parameters", "encoding:toy")
class ClaimsAParameterOfNobody(ToyEncoding):
    def parameter_groups(self):
        return [ParameterGroup("poses", [torch.nn.Parameter(torch.zeros(2))], lr=1e-3)]


@caught_by("parameter_groups_hold_own_parameters", "encoding:hash")
class LearnsBackwards(HashEncoding):
    def parameter_groups(self):
        return [ParameterGroup("table", self.own_parameters(), lr_factor=-1.0)]


@caught_by("any_dimension_is_encoded", "encoding:toy")
class CountsOnThreeCoordinates(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x * x.new_ones(3), cov)


@caught_by("features_vary_everywhere_in_the_bounds", "encoding:toy")
class IgnoresTheBounds(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward((5.0 * x).clamp(-1.0, 1.0), cov)


@caught_by("features_vary_everywhere_in_the_bounds", "encoding:toy")
class AssumesTheUsualBox(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.clamp(-1.5, 1.5), cov)


@caught_by("rows_are_independent", "encoding:toy")
class NormalizesOverTheBatch(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward((x - x.mean(0)) if len(x) else x, cov)


@caught_by("grad_matches_finite_differences", "encoding:toy")
class DetachesPositions(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.detach(), cov)


@caught_by("grad_matches_finite_differences", "encoding:toy")
class HasTwiceTheDerivative(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(with_gradient(2.0, x), cov)


class _OnceOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(3.0 * x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3.0 * torch.cos(3.0 * x).detach() * g


@caught_by("grad2_matches_finite_differences", "encoding:toy")
class CannotBeDifferentiatedTwice(ToyEncoding):
    def __init__(self, config, ctx, *, in_dim=3):
        super().__init__(config, ctx, in_dim=in_dim)
        self.out_dim = in_dim

    def forward(self, x, cov=None):
        return _OnceOnly.apply(x)


@caught_by("gaussians_agree_with_monte_carlo", "encoding:toy")
class TakesVariancesForDeviations(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x, None if cov is None else cov.square())


@caught_by("zero_covariance_gives_the_point", "encoding:toy")
class FadesEveryGaussian(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x, None if cov is None else cov + 0.01)


@caught_by("dtype_is_preserved", "encoding:toy")
class AlwaysWorksInSinglePrecision(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.float(), cov)


@caught_by("device_is_preserved", "encoding:toy")
class MakesConstantsOnTheDefaultDevice(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x + torch.zeros(3), cov)


@caught_by("state_survives_a_round_trip", "encoding:toy")
class KeepsItsOffsetInAnAttribute(ToyEncoding):
    def __init__(self, config, ctx, *, in_dim=3):
        super().__init__(config, ctx, in_dim=in_dim)
        self.offset = float(torch.rand(()))

    def forward(self, x, cov=None):
        return super().forward(x + self.offset, cov)


@caught_by("same_seed_gives_the_same_part", "encoding:toy")
class DrawsItsOffsetFromTheClock(KeepsItsOffsetInAnAttribute):
    def __init__(self, config, ctx, *, in_dim=3):
        super().__init__(config, ctx, in_dim=in_dim)
        self.offset = float(np.random.default_rng().random())


@caught_by("inputs_are_not_modified", "encoding:toy")
class WritesOnItsInput(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x.add_(0.1), cov)


@caught_by("begin_step_depends_only_on_the_step", "encoding:toy")
class CountsItsSteps(ToyEncoding):
    strength = 1.0

    def begin_step(self, step: Step) -> None:
        self.strength *= 0.5

    def forward(self, x, cov=None):
        return super().forward(self.strength * x, cov)


@caught_by("evaluation_is_deterministic", "encoding:toy")
class IsNoisyInEvaluation(ToyEncoding):
    def forward(self, x, cov=None):
        return super().forward(x + 1e-3 * torch.randn_like(x), cov)


# Options


@caught_by("options_survive_a_round_trip", "encoding:toy")
@attrs.frozen(kw_only=True)
class RoundingConfig:
    n_frequencies: int = attrs.field(default=4, converter=lambda n: n - n % 2, metadata={"help": "an even number"})


@caught_by("options_survive_a_round_trip", "encoding:toy")
@attrs.frozen(kw_only=True)
class ForgetfulConfig:
    n_frequencies: int = option(3, help="frequencies")
    derived: int = attrs.field(init=False, default=7, metadata={"help": "set afterward"})

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "derived", id(self) % 1000)


@caught_by("options_are_documented", "encoding:toy")
@attrs.frozen(kw_only=True)
class SilentConfig:
    n_frequencies: int = attrs.field(default=3)


@caught_by("options_are_documented", "encoding:toy")
@attrs.frozen(kw_only=True)
class OutsideConfig:
    n_frequencies: int = option(3, help="frequencies", min=5)


@caught_by("declared_names_exist", "encoding:toy")
class IsNoEncoding(torch.nn.Module):
    pass
