"""Laws of samplers. R rays, N samples."""

from __future__ import annotations

from typing import Any

import torch

from radfield_core.ops import segments
from radfield_core.testing.law import expect, expect_close, expect_shape, law
from radfield_core.testing.laws.parts import STEP, begun, toy_field_for
from radfield_core.testing.subject import Subject
from radfield_core.testing.toys import toy_rays, volume
from radfield_core.types import Level, RayBundle, RaySamples


def levels(subject: Subject, sampler: Any, rays: RayBundle) -> list[RaySamples]:
    """The samples of every level, each after one made with a toy field and core's renderer."""
    found: list[RaySamples] = []
    previous: Level | None = None
    renderer = volume()
    for number in range(sampler.n_levels):
        field = sampler.own_fields.get(number) or toy_field_for(subject)
        with torch.no_grad():
            samples = sampler.propose(rays, number, previous, field)
            outputs = field(samples)
            previous = Level(samples, outputs, renderer.weights(samples, outputs), None)
        found.append(samples)
    return found


def _modes(subject: Subject) -> list[tuple[str, Any]]:
    return [("in evaluation", begun(subject.build())), ("in training", begun(subject.build()).train())]


@law("sampler", mend="sort along each ray; intervals of one ray may touch, not overlap; t_eval inside its interval")
def samples_are_sorted(subject: Subject) -> None:
    """Along every ray intervals follow each other, none ends before it starts, each is asked inside itself, and all is
    finite."""
    for mode, sampler in _modes(subject):
        for number, samples in enumerate(levels(subject, sampler, toy_rays(40))):
            starts, ends, middle = samples.t_starts, samples.t_ends, samples.t_eval
            where = f"on level {number} {mode}"
            expect(bool(torch.cat([starts, ends, middle]).isfinite().all()), f"t is not finite {where}")
            expect(bool((ends >= starts).all()), f"an interval ends before it starts {where}")
            inside = (middle >= starts - 1e-5) & (middle <= ends + 1e-5)
            expect(bool(inside.all()), f"a sample is asked outside its interval {where}")
            same = samples.ray_indices[1:] == samples.ray_indices[:-1]
            expect(bool((samples.ray_indices[1:] >= samples.ray_indices[:-1]).all()), f"rays are out of order {where}")
            overlap = (ends[:-1] - starts[1:])[same]
            expect(
                not len(overlap) or float(overlap.max()) < 1e-4, f"intervals of a ray overlap or are unsorted {where}"
            )


@law("sampler", mend="clamp t to self.extent(rays), also after jittering")
def samples_are_inside_the_extent(subject: Subject) -> None:
    """Every sample lies between the near and far that the sampler's own extent(rays) gives."""
    for mode, sampler in _modes(subject):
        rays = toy_rays(40)
        near, far = sampler.extent(rays)
        for number, samples in enumerate(levels(subject, sampler, rays)):
            early = float((samples.per_sample(near) - samples.t_starts).clamp_min(0).sum())
            late = float((samples.t_ends - samples.per_sample(far)).clamp_min(0).sum())
            expect(early < 1e-3 and late < 1e-3, f"samples leave the extent on level {number} {mode}")


@law("sampler", mend="extent returns near <= far [R], finite, for rays that miss as well")
def extent_is_in_order(subject: Subject) -> None:
    """extent(rays) gives near [R] and far [R], finite, near not behind far, also for rays that miss everything."""
    sampler, rays = begun(subject.build()), toy_rays(40)
    away = RayBundle(rays.origins, -rays.directions, -rays.viewdirs, rays.near, rays.far, rays.radii)
    for bundle in (rays, away, toy_rays(0)):
        near, far = sampler.extent(bundle)
        expect_shape("near", near, (len(bundle),))
        expect_shape("far", far, (len(bundle),))
        expect(bool(near.isfinite().all() and far.isfinite().all()), "near or far is not finite")
        expect(bool((near <= far).all()), "near lies behind far")


@law("sampler", mend="declare 'dense' for RaySamples.from_edges or from_points, 'packed' for RaySamples.packed")
def layout_is_as_declared(subject: Subject) -> None:
    """A `dense` sampler gives every ray the same number of samples, a `packed` one says which sample is whose, and
    `multilevel` means more than one level; also for no rays and one ray."""
    sampler = begun(subject.build())
    expect((sampler.n_levels > 1) == ("multilevel" in subject.provides), f"n_levels is {sampler.n_levels}")
    for n in (0, 1, 9):
        for samples in levels(subject, sampler, toy_rays(n)):
            word = "dense" if samples.packing is None else "packed"
            expect(word in subject.provides, f"samples are {word}, which is not declared")
            count = samples.n if samples.packing is not None else n * (samples.samples_per_ray or 0)
            for name in ("t_starts", "t_ends", "t_eval"):
                expect_shape(f"{name} of {n} rays", getattr(samples, name), (count,))
            expect(bool((samples.ray_indices < max(n, 1)).all()), "a sample belongs to no ray")
            if samples.packing is not None:
                counts = samples.packing.offsets.diff()
                expect(int(samples.packing.offsets[-1]) == samples.n, "offsets do not end at the number of samples")
                expect(
                    not n or int(counts.max()) <= samples.packing.max_per_ray, "a ray has more than max_per_ray samples"
                )


@law("sampler", mend="one generator per step and level, made in begin_step; nothing that depends on how many rays come")
def chunks_of_rays_give_the_same_samples(subject: Subject) -> None:
    """Rays in two chunks give the samples of all at once, in evaluation and, with the random numbers of one step, in
    training: micro-batches change nothing."""
    for mode, sampler in _modes(subject):
        rays = toy_rays(12)
        whole = sampler_first(subject, begun(sampler).train(mode == "in training"), rays)
        begun(sampler, STEP).train(mode == "in training")
        pieces = [sampler_first(subject, sampler, piece) for piece in (rays[:5], rays[5:])]
        together = torch.cat([piece.t_starts for piece in pieces])
        expect_close(f"t_starts of two chunks {mode}", together, whole.t_starts, 1e-5)


def sampler_first(subject: Subject, sampler: Any, rays: RayBundle) -> RaySamples:
    """The first level's samples."""
    with torch.no_grad():
        return sampler.propose(rays, 0, None, sampler.own_fields.get(0) or toy_field_for(subject))


@law("sampler", mend="draw from step.generator(salt) made in begin_step, never from torch's global generator")
def the_same_step_draws_the_same(subject: Subject) -> None:
    """In training two samplers told of the same step draw the same samples, whatever was drawn elsewhere meanwhile."""
    rays = toy_rays(12)
    first = sampler_first(subject, begun(subject.build()).train(), rays)
    torch.rand(17)
    second = sampler_first(subject, begun(subject.build()).train(), rays)
    expect_close("t_eval of the same step", second.t_eval, first.t_eval, 0.0)


@law("sampler", mend="detach t; gradients reach rays through samples.positions() only")
def samples_carry_no_gradient(subject: Subject) -> None:
    """t has no gradient, also on rays that are learned."""
    sampler, rays = begun(subject.build()), toy_rays(6)
    rays.origins.requires_grad_()
    for samples in levels(subject, sampler, rays):
        expect(not (samples.t_starts.requires_grad or samples.t_ends.requires_grad), "t requires gradients")


@law("sampler", mend="cover the way from near to far: what is not sampled is never seen")
def something_opaque_is_seen(subject: Subject) -> None:
    """Through a field that is dense everywhere in the bounds every ray that crosses them is opaque."""
    sampler, rays = begun(subject.build()), toy_rays(20)
    samples = sampler_first(subject, sampler, rays)
    lengths = segments.sum(samples.lengths, samples.layout)
    near, far = sampler.extent(rays)
    crossing = (far - near) > 0.5
    short = lengths[crossing] < 0.5 * (far - near)[crossing]
    expect(
        not bool(short.any()),
        f"{int(short.sum())} of {int(crossing.sum())} rays are sampled over less than half their way",
    )
