"""Laws of samplers. R is the number of rays."""

from __future__ import annotations

from dataclasses import replace

import torch

from radfield_core.interfaces import Sampler
from radfield_core.ops import segments
from radfield_core.testing.inputs import STEP, at_step, samples_of_levels, toy_field_for
from radfield_core.testing.law import expect, expect_close, expect_shape, law
from radfield_core.testing.toys import toy_rays
from radfield_core.testing.under_test import PartUnderTest
from radfield_core.types import RayBundle, RaySamples


def _levels(tested: PartUnderTest, sampler: Sampler, rays: RayBundle) -> list[RaySamples]:
    """The samples of every level of a sampler, with the toy field that the sampler requires."""
    return samples_of_levels(sampler, rays, toy_field_for(tested))


def first_samples(tested: PartUnderTest, sampler: Sampler, rays: RayBundle) -> RaySamples:
    """The samples of the first level."""
    with torch.no_grad():
        return sampler.propose(rays, 0, None, sampler.own_fields.get(0) or toy_field_for(tested))


def _samplers_by_mode(tested: PartUnderTest) -> list[tuple[str, Sampler]]:
    """A new sampler in evaluation mode and one in training mode. Each comes with the name of its mode for messages."""
    return [("in evaluation", at_step(tested.build())), ("in training", at_step(tested.build()).train())]


@law("sampler", fix="Sort intervals along each ray. They may touch but not overlap. Place t_eval inside its interval.")
def samples_are_sorted(tested: PartUnderTest) -> None:
    """The intervals of a ray are sorted and do not overlap. No interval ends before it starts, and each interval
    contains its t_eval. All values are finite."""
    for mode, sampler in _samplers_by_mode(tested):
        for number, samples in enumerate(_levels(tested, sampler, toy_rays(40))):
            starts, ends, t_eval, rays = samples.t_starts, samples.t_ends, samples.t_eval, samples.ray_indices
            where = f"on level {number} {mode}"
            expect(bool(torch.cat([starts, ends, t_eval]).isfinite().all()), f"a value of t is not finite {where}")
            expect(bool((ends >= starts).all()), f"an interval ends before it starts {where}")
            inside = (t_eval >= starts - 1e-5) & (t_eval <= ends + 1e-5)
            expect(bool(inside.all()), f"t_eval of a sample lies outside its interval {where}")
            expect(bool((rays[1:] >= rays[:-1]).all()), f"the samples are not ordered by ray {where}")
            overlap = (ends[:-1] - starts[1:])[rays[1:] == rays[:-1]]
            apart = not len(overlap) or float(overlap.max()) < 1e-4
            expect(apart, f"intervals of a ray overlap or are not sorted {where}")


@law("sampler", fix="Clamp t to the range of self.extent(rays) after adding jitter.")
def samples_are_inside_the_extent(tested: PartUnderTest) -> None:
    """Every interval lies between the limits near and far that the sampler's extent(rays) returns."""
    for mode, sampler in _samplers_by_mode(tested):
        rays = toy_rays(40)
        near, far = sampler.extent(rays)
        for number, samples in enumerate(_levels(tested, sampler, rays)):
            before = float((samples.per_sample(near) - samples.t_starts).clamp_min(0).sum())
            beyond = float((samples.t_ends - samples.per_sample(far)).clamp_min(0).sum())
            inside = before < 1e-3 and beyond < 1e-3
            expect(inside, f"an interval lies outside the extent on level {number} {mode}")


@law("sampler", fix="Return finite limits with near ≤ far, even for rays that miss the scene.")
def near_is_before_far(tested: PartUnderTest) -> None:
    """extent(rays) returns finite limits near [R] and far [R] with near ≤ far, even for rays that miss the scene."""
    sampler: Sampler = at_step(tested.build())
    rays = toy_rays(40)
    away = replace(rays, directions=-rays.directions, viewdirs=-rays.viewdirs)
    for bundle in (rays, away, toy_rays(0)):
        near, far = sampler.extent(bundle)
        expect_shape("near", near, (len(bundle),))
        expect_shape("far", far, (len(bundle),))
        expect(bool(near.isfinite().all() and far.isfinite().all()), "near or far is not finite")
        expect(bool((near <= far).all()), "near is greater than far")


@law(
    "sampler",
    fix="Provide 'dense' if propose uses RaySamples.from_edges or from_points, and 'packed' if it uses packed.",
)
def layout_matches_the_declaration(tested: PartUnderTest) -> None:
    """A sampler that provides `dense` gives each ray the same number of samples. A sampler that provides `packed`
    stores the ray of each sample. A sampler has several levels if and only if it provides `multilevel`. This also holds
    for one ray and for no rays."""
    sampler: Sampler = at_step(tested.build())
    several = "multilevel" in tested.provides
    expect(
        (sampler.n_levels > 1) == several,
        f"n_levels is {sampler.n_levels}, but 'multilevel' must be provided for more than one level only",
    )
    for n in (0, 1, 9):
        for samples in _levels(tested, sampler, toy_rays(n)):
            _check_layout(tested, samples, n)


def _check_layout(tested: PartUnderTest, samples: RaySamples, n_rays: int) -> None:
    """Raise LawBroken unless the layout of the samples is declared and their tensors have the sizes of this layout."""
    packing = samples.packing
    word = "dense" if packing is None else "packed"
    expect(word in tested.provides, f"the samples have the {word} layout, which is not declared")
    count = n_rays * (samples.samples_per_ray or 0) if packing is None else samples.n
    for name in ("t_starts", "t_ends", "t_eval"):
        expect_shape(f"{name} of {n_rays} rays", getattr(samples, name), (count,))
    expect(bool((samples.ray_indices < max(n_rays, 1)).all()), "the ray index of a sample is too large")
    if packing is not None:
        expect(int(packing.offsets[-1]) == samples.n, "the last offset is not the number of samples")
        largest = int(packing.offsets.diff().max()) if n_rays else 0
        expect(largest <= packing.max_per_ray, f"a ray has {largest} samples, but max_per_ray is {packing.max_per_ray}")


@law("sampler", fix="Make one generator per step and level in begin_step, and do not depend on the number of rays.")
def chunking_rays_changes_no_sample(tested: PartUnderTest) -> None:
    """A batch of rays gets the same samples whether it is sampled at once or in two chunks. In training, this holds for
    chunks of the same step. Splitting a batch into micro-batches therefore changes nothing."""
    for mode, sampler in _samplers_by_mode(tested):
        rays, training = toy_rays(12), mode == "in training"
        whole = first_samples(tested, at_step(sampler).train(training), rays)
        at_step(sampler, STEP).train(training)
        chunks = [first_samples(tested, sampler, chunk) for chunk in (rays[:5], rays[5:])]
        together = torch.cat([chunk.t_starts for chunk in chunks])
        expect_close(f"t_starts of two chunks {mode}", together, whole.t_starts, 1e-5)


@law("sampler", fix="Draw from step.generator(salt), created in begin_step, and never from torch's global generator.")
def same_step_draws_the_same_samples(tested: PartUnderTest) -> None:
    """In training, two samplers draw the same samples at the same step. This does not depend on the state of torch's
    global generator."""
    rays = toy_rays(12)
    first = first_samples(tested, at_step(tested.build()).train(), rays)
    torch.rand(17)
    second = first_samples(tested, at_step(tested.build()).train(), rays)
    expect_close("t_eval of the same step", second.t_eval, first.t_eval, 0.0)


@law("sampler", fix="Detach t. Gradients must reach the rays through samples.positions() only.")
def samples_carry_no_gradient(tested: PartUnderTest) -> None:
    """t_starts and t_ends do not require gradients, even if the rays do."""
    sampler, rays = at_step(tested.build()), toy_rays(6)
    rays.origins.requires_grad_()
    for samples in _levels(tested, sampler, rays):
        expect(
            not (samples.t_starts.requires_grad or samples.t_ends.requires_grad),
            "t_starts or t_ends requires gradients",
        )


@law("sampler", fix="Place samples from near to far, because a part of a ray without samples is invisible.")
def samples_cover_the_extent(tested: PartUnderTest) -> None:
    """In a scene that is dense everywhere, the intervals cover at least half of the ray from near to far."""
    sampler, rays = at_step(tested.build()), toy_rays(20)
    samples = first_samples(tested, sampler, rays)
    covered = segments.sum(samples.lengths, samples.layout)
    near, far = sampler.extent(rays)
    crossing = (far - near) > 0.5
    short = covered[crossing] < 0.5 * (far - near)[crossing]
    message = f"on {int(short.sum())} of {int(crossing.sum())} rays the intervals cover less than half of the extent"
    expect(not bool(short.any()), message)
