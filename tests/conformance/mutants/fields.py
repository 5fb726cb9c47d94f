"""Fields with one fault each."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from mutants.caught import caught_by
from mutants.gradients import with_gradient
from radfield_core.testing.toy_parts import ToyMlp, ToySurface


def _with(outputs, **changes):
    return replace(outputs, **changes)


@caught_by("one_output_per_sample", "field:toy")
class KeepsATrailingDimension(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, density=found.density[:, None])


@caught_by("outputs_are_in_range", "field:toy")
class HasNegativeDensity(ToyMlp):
    def _density(self, features):
        return self.density_head(features)[:, 0] - 1.0


@caught_by("outputs_match_the_declaration", "field:toy")
class PromisesColor(ToyMlp):
    def forward(self, samples):
        return _with(super().forward(samples), rgb=None)


@caught_by("ray_order_does_not_matter", "field:toy")
class TilesDirections(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        encoded = self.direction_encoding(samples.rays.viewdirs)
        times = samples.n // max(len(samples.rays), 1)
        features = self._features(*(samples.gaussians() if self.gaussian else (samples.positions(), None)))
        return _with(found, rgb=self._color(features, encoded.repeat(times, 1)))


@caught_by("rays_are_independent", "field:toy")
class DividesByTheLargestDensity(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, density=found.density / found.density.max()) if samples.n else found


@caught_by("dense_equals_packed", "field:toy")
class TreatsPackedSamplesOtherwise(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return found if samples.packing is None else _with(found, density=0.9 * found.density)


@caught_by("density_query_matches_forward", "field:toy")
class RendersTwiceItsDensity(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, density=2.0 * found.density)


@caught_by("density_query_matches_forward", "field:toy")
class AnswersWithTheRawDensity(ToyMlp):
    def density(self, x, cov=None):
        return self.density_head(self._features(x, cov))[:, 0]


@caught_by("occupancy_is_an_opacity", "field:toy")
class ForgetsTheLength(ToyMlp):
    def occupancy(self, x, length, cov=None):
        return 1 - torch.exp(-self.density(x, cov))


@caught_by("point_color_matches_forward", "field:toy")
class AnswersWithRawColor(ToyMlp):
    def point_color(self, x, viewdirs=None, image_ids=None):
        return torch.logit(super().point_color(x, viewdirs))


@caught_by("evaluation_keeps_no_graph", "field:toy")
class KeepsTheGraphInEvaluation(ToyMlp):
    def forward(self, samples):
        with torch.enable_grad():
            return super().forward(samples)


@caught_by("three_steps_lower_the_loss", "field:toy")
class NeverLearns(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, rgb=found.rgb.detach(), density=found.density.detach())


@caught_by("three_steps_lower_the_loss", "field:toy")
class LearnsBackwards(ToyMlp):
    def forward(self, samples):
        found = super().forward(samples)
        return _with(found, rgb=with_gradient(-1.0, found.rgb), density=with_gradient(-1.0, found.density))


@caught_by("resuming_is_bit_identical", "field:toy")
class CountsForwardsInAnAttribute(ToyMlp):
    calls = 0

    def forward(self, samples):
        self.calls += self.training
        found = super().forward(samples)
        return _with(found, rgb=0.9 * found.rgb + 0.1 / (1 + self.calls))


@caught_by("sdf_has_the_right_sign_and_slope", "field:toy-surface")
class IsInsideOut(ToySurface):
    def sdf(self, x):
        return -super().sdf(x)


@caught_by("sdf_has_the_right_sign_and_slope", "field:toy-surface")
class MeasuresInMillimeters(ToySurface):
    def sdf(self, x):
        return 1000.0 * super().sdf(x)


@caught_by("gradient_matches_finite_differences", "field:toy-surface")
class AlwaysNormalizesItsGradient(ToySurface):
    def gradient(self, x):
        return F.normalize(super().gradient(x), dim=-1)
