"""Parts whose own losses have one fault each, and parameters that learn nothing from the images."""

from __future__ import annotations

from dataclasses import replace

import torch
from radfield_hash.encoding import HashEncoding

from mutants.caught import caught_by
from radfield_core.ops import segments
from radfield_core.testing.toy_parts import ToyMlp
from radfield_core.testing.toys import ProposalSampler


class SmoothGrid(HashEncoding):
    """A grid with a regularizer."""

    def smoothness(self):
        return 1e-3 * sum(parameter.square().mean() for parameter in self.own_parameters())


@caught_by("part_losses_are_means_over_rays", "encoding:hash")
class MultipliesByTheNumberOfRays(SmoothGrid):
    def losses(self, outputs, batch, step):
        return {"smoothness": len(batch.rays) * self.smoothness()}


@caught_by("part_losses_are_not_negative", "encoding:hash")
class RewardsRoughness(SmoothGrid):
    def losses(self, outputs, batch, step):
        return {"smoothness": -100.0 * self.smoothness()}


@caught_by("resuming_is_bit_identical", "encoding:hash")
class WeightsItsLossByACounter(SmoothGrid):
    calls = 0

    def losses(self, outputs, batch, step):
        self.calls += 1
        return {"smoothness": 100.0 * self.smoothness() / self.calls}


LEVELS = {"provides": frozenset({"dense", "multilevel"}), "capabilities": None}


class Proposal(ProposalSampler):
    """A sampler with its own density on the first level."""

    def __init__(self, config, ctx):
        super().__init__()


PROPOSAL = {"impl": f"{__name__}:Proposal", **LEVELS}
"""Declaration of the sampler without a fault, as changes of that of sampler:importance."""


@caught_by("part_losses_are_means_over_rays", "sampler:importance", **LEVELS)
class SumsItsInterlevelLossOverRays(Proposal):
    def losses(self, outputs, batch, step):
        return {name: len(batch.rays) * loss for name, loss in super().losses(outputs, batch, step).items()}


@caught_by("part_losses_are_means_over_rays", "sampler:importance", **LEVELS)
class TakesTheMeanOfNoRays(Proposal):
    def losses(self, outputs, batch, step):
        first, last = (segments.sum(level.weights, level.samples.layout) for level in outputs.levels)
        return {"proposal": (first - last.detach()).square().mean()}


@caught_by("begin_step_depends_only_on_the_step", "sampler:importance", **LEVELS)
class AnnealsByACounter(Proposal):
    calls = 0

    def begin_step(self, step):
        self.calls += 1

    def propose(self, rays, level, prev, field):
        found = super().propose(rays, level, prev, field)
        if level == 0:
            return found
        share = found.samples_per_ray * (1.0 - 1.0 / (1 + self.calls))
        edges = found.edges()
        middle = edges[:, :1] + (edges - edges[:, :1]) * (1.0 - 0.1 * share / found.samples_per_ray)
        return found.from_edges(rays, middle)


@caught_by("three_steps_lower_the_loss", "sampler:importance", **LEVELS)
class ForgetsItsOwnFields(Proposal):
    def __init__(self, config, ctx):
        super().__init__(config, ctx)
        self.own_fields = {}


@caught_by("parameters_learn_from_the_images", "sampler:importance", **LEVELS)
class DetachesTheWrongSide(Proposal):
    def losses(self, outputs, batch, step):
        first, last = (segments.sum(level.weights, level.samples.layout) for level in outputs.levels)
        return {
            "proposal": segments.mean((first.detach() - last).square()),
            "decay": 1e-3 * sum(parameter.square().mean() for parameter in self.parameters()),
        }


@caught_by("parameters_learn_from_the_images", "field:toy")
class OnlyRegularizesItsPoses(ToyMlp):
    def __init__(self, config, ctx):
        super().__init__(config, ctx)
        self.twists = torch.nn.Parameter(torch.zeros(6))

    def losses(self, outputs, batch, step):
        return {"twists": 0.1 * self.twists.square().mean()}


@caught_by("parameters_learn_from_the_images", "field:toy")
class RegularizesTheEmbeddingsOfTheBatch(ToyMlp):
    def __init__(self, config, ctx):
        super().__init__(config, ctx)
        self.embeddings = torch.nn.Parameter(torch.zeros(6, 2))

    def losses(self, outputs, batch, step):
        return {"embeddings": segments.mean(self.embeddings[batch.rays.image_ids].square().sum(-1))}


@caught_by("three_steps_lower_the_loss", "field:toy")
class HasOneEmbeddingForAllImages(ToyMlp):
    def __init__(self, config, ctx):
        super().__init__(config, ctx)
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, samples):
        found = super().forward(samples)
        if samples.rays.image_ids is None:
            return found
        return replace(found, rgb=found.rgb * samples.per_sample(self.gain[samples.rays.image_ids])[:, None])
