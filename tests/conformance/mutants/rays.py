"""Samplers and renderers with one fault each."""

from __future__ import annotations

from dataclasses import replace

import torch

from mutants.caught import caught_by
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.ops import segments, volume

# Samplers


@caught_by("samples_are_sorted", "sampler:importance")
class GoesFromFarToNear(Importance):
    def propose(self, rays, level, prev, field):
        found = super().propose(rays, level, prev, field)
        names = ("t_starts", "t_ends", "t_eval")
        return replace(found, **{name: found.dense(getattr(found, name)).flip(1).reshape(-1) for name in names})


@caught_by("samples_are_sorted", "sampler:importance")
class DoesNotSortWhatItMerges(Importance):
    def _refined(self, prev, level):
        t = super()._refined(prev, level)
        return torch.cat([t[:, ::2], t[:, 1::2]], 1)


@caught_by("samples_are_inside_the_extent", "sampler:importance")
class RunsPastFar(Importance):
    def propose(self, rays, level, prev, field):
        found = super().propose(rays, level, prev, field)
        return replace(found, t_ends=found.t_ends * 1.3)


@caught_by("near_is_before_far", "sampler:importance")
class TurnsItsLimitsRound(Importance):
    def extent(self, rays):
        return rays.far, rays.near


@caught_by("layout_matches_the_declaration", "sampler:importance", provides=frozenset({"packed"}), capabilities=None)
class SaysThatItPacks(Importance):
    pass


@caught_by("chunking_rays_changes_no_sample", "sampler:importance")
class StartsItsNumbersAnewWithEveryChunk(Importance):
    def propose(self, rays, level, prev, field):
        self._generators.clear()
        return super().propose(rays, level, prev, field)


@caught_by("same_step_draws_the_same_samples", "sampler:importance")
class DrawsFromTheGlobalGenerator(Importance):
    def generator(self, salt, device):
        return None


@caught_by("samples_carry_no_gradient", "sampler:importance")
class LetsGradientsThrough(Importance):
    def propose(self, rays, level, prev, field):
        found = super().propose(rays, level, prev, field)
        with torch.enable_grad():
            return replace(found, t_starts=found.t_starts + 0.0 * rays.origins.sum())


@caught_by("samples_cover_the_extent", "sampler:importance")
class StopsAtAThird(Importance):
    def propose(self, rays, level, prev, field):
        return super().propose(replace(rays, far=rays.near + (rays.far - rays.near) / 3), level, prev, field)


# Renderers


@caught_by("weights_sum_to_at_most_one", "renderer:volume")
class ForgetsTransmittance(Volume):
    def weights(self, samples, outputs):
        return 1 - torch.exp(-outputs.density * samples.lengths)


@caught_by("constant_density_has_the_closed_form", "renderer:volume")
class ForgetsLengths(Volume):
    def weights(self, samples, outputs):
        return super().weights(samples, replace(outputs, density=outputs.density / samples.lengths.clamp_min(1e-9)))


@caught_by("dense_equals_packed", "renderer:volume")
class SumsWhateverLiesSideBySide(Volume):
    def weights(self, samples, outputs):
        found = super().weights(samples, outputs)
        return found if samples.packing is None else found.flip(0)


@caught_by("empty_intervals_have_no_weight", "renderer:volume")
class GivesEveryIntervalALittle(Volume):
    def weights(self, samples, outputs):
        lengths = samples.lengths + 1e-3
        return volume.weights_from_density(outputs.density, lengths, samples.layout, False)


@caught_by("pixels_are_weighted_sums", "renderer:volume")
class DividesDepthByOpacity(Volume):
    def composite(self, samples, outputs, weights):
        found = super().composite(samples, outputs, weights)
        return replace(found, depth=found.depth / found.opacity.clamp_min(1e-6))


@caught_by("near_samples_occlude_far_ones", "renderer:volume")
class RendersFromTheBack(Volume):
    def weights(self, samples, outputs):
        alpha = 1 - torch.exp(-outputs.density * samples.lengths)
        behind = segments.sum(alpha, samples.layout)[samples.ray_indices]
        return alpha / (1.0 + behind - alpha)


@caught_by("weight_gradients_match_finite_differences", "renderer:volume")
class DetachesTransmittance(Volume):
    def weights(self, samples, outputs):
        alpha = 1 - torch.exp(-outputs.density * samples.lengths)
        full = super().weights(samples, outputs)
        return alpha * (full / alpha.clamp_min(1e-9)).detach()
