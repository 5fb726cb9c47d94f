"""sampler:proposal is compared with nested loops over the formulas of mip-NeRF 360, in float64."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import attrs
import pytest
import torch
from radfield_capture.proposal import ProposalSampler, interlevel
from radfield_capture.spacing import Warp

from radfield_core import Batch, FieldOutputs, Level, RaySamples, Step, get_registry
from radfield_core.config.layers import compose_part
from radfield_core.model.level_loop import LevelLoop
from radfield_core.testing.inputs import at_step
from radfield_core.testing.toys import BlobField, toy_context, toy_rays, volume_renderer

TINY = ["encoding.n_levels=2", "encoding.log2_table_size=9", "encoding.finest_resolution=32"]


def sampler(*options: str, n_proposals=(12, 9), **values) -> ProposalSampler:
    config = compose_part(get_registry(), "sampler", "proposal", [*TINY, *options]).config
    config = attrs.evolve(config, n_proposals=n_proposals, **values)
    torch.manual_seed(0)
    return ProposalSampler(config, toy_context()).double()


def edges_and_weights(n_rays: int, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    edges = 2 + 4 * torch.rand(n_rays, n + 1, generator=generator, dtype=torch.float64).sort(-1).values
    weights = torch.rand(n_rays, n, generator=generator, dtype=torch.float64)
    return edges, weights / weights.sum(-1, keepdim=True)


def test_the_interlevel_loss_is_that_of_the_paper():
    (edges, weights), (proposed_edges, proposed) = edges_and_weights(5, 7, 1), edges_and_weights(5, 4, 2)
    edges[:, 2] = proposed_edges[:, 2]  # intervals that only touch do not overlap
    edges, found = edges.sort(-1).values, []
    for ray in range(5):
        loss = 0.0
        for (start, end), weight in zip(pairwise(edges[ray].tolist()), weights[ray].tolist(), strict=True):
            bound = 0.0
            for (begin, stop), mass in zip(pairwise(proposed_edges[ray].tolist()), proposed[ray].tolist(), strict=True):
                if begin < end and stop > start:
                    bound += mass
            loss += max(0.0, weight - bound) ** 2 / (weight + 2.220446049250313e-16)
        found.append(loss)
    assert max(found) > 1e-3
    result = interlevel(edges, weights, proposed_edges, proposed)
    torch.testing.assert_close(result, torch.tensor(found, dtype=torch.float64), rtol=1e-12, atol=1e-14)


def test_proposals_that_cover_the_last_level_have_no_loss_and_no_gradient():
    edges, weights = edges_and_weights(3, 8, 3)
    covering = (2 * weights[:, 0::2] + weights[:, 1::2]).requires_grad_()
    loss = interlevel(edges, weights, edges[:, ::2], covering).sum()
    loss.backward()
    assert float(loss.detach()) == 0.0 and not covering.grad.any()


@pytest.mark.parametrize(("blur", "power"), [(False, 1.0), (True, 1.0), (False, 0.5)])
def test_new_edges_invert_the_distribution_of_the_weights(blur, power):
    part = sampler(blur=blur, padding=0.02, n_samples=6).eval()
    part.power.fill_(power)
    rays = toy_rays(4, dtype=torch.float64)
    first = part.propose(rays, 0, None, None)
    weights = edges_and_weights(4, 12, 4)[1]
    second = part.propose(rays, 1, Level(first, FieldOutputs(density=weights.flatten()), weights.flatten(), None), None)
    for ray in range(4):
        heights = [w**power for w in weights[ray].tolist()]
        last = len(heights) - 1
        if blur:
            larger = [max(heights[max(i - 1, 0)], heights[min(i, last)]) for i in range(len(heights) + 1)]
            heights = [(a + b) / 2 for a, b in pairwise(larger)]
        heights = [h + 0.02 for h in heights]
        edges = first.edges()[ray].tolist()
        for number, edge in enumerate(second.edges()[ray].tolist()):
            u, below = sum(heights) * min(number / 9, 1 - 2.3e-16), 0.0
            for (start, end), height in zip(pairwise(edges), heights, strict=True):  # noqa: B007
                if u < below + height or end == edges[-1]:
                    break
                below += height
            assert edge == pytest.approx(start + (u - below) / height * (end - start), abs=1e-9)


@pytest.mark.parametrize("name", ["linear", "disparity", "log", "contraction"])
def test_first_edges_are_even_in_the_quantity_of_the_spacing(name):
    near, far = torch.tensor([0.5, 1.0, 3.0]).double(), torch.tensor([40.0, 1.0, 4.0]).double()
    warp, s = Warp(name, 2.0), torch.linspace(0, 1, 9, dtype=torch.float64).expand(3, -1)
    t = warp.distances(s, near, far)

    def quantity(t: float) -> float:
        contracted = t / 2 if t <= 2 else 2 - 2 / t
        return {"linear": t, "disparity": 1 / t, "log": math.log(t), "contraction": contracted}[name]

    for ray in (0, 2):
        steps = [b - a for a, b in pairwise(map(quantity, t[ray].tolist()))]
        assert steps == pytest.approx([steps[0]] * 8, rel=1e-9)
    assert torch.equal(t[1], torch.ones(9).double())  # an empty ray has no length
    torch.testing.assert_close(t[:, [0, -1]], torch.stack([near, far], 1))
    torch.testing.assert_close(warp.shares(t, near, far)[[0, 2]], s[[0, 2]], rtol=0, atol=1e-9)


def test_ndc_are_not_contracted_because_they_are_bounded():
    config = compose_part(get_registry(), "sampler", "proposal", [*TINY, "contraction=sphere", "spacing=contraction"])
    for ndc in (False, True):
        part = ProposalSampler(config.config, dataclasses.replace(toy_context(), ndc=ndc)).eval()
        rays = toy_rays(5)
        far = rays.origins.norm(dim=-1) + 8.0  # far outside the scene's box, whose half side is 1.5
        edges = part.propose(dataclasses.replace(rays, far=far), 0, None, None).edges()
        lengths = edges.diff(dim=-1)
        assert ndc == bool((lengths.amax(-1) < 1.001 * lengths.amin(-1)).all())
        assert ndc == bool((edges[:, -1] < far - 1.0).all())
        assert part.own_fields[0].encoding.radius == (1.5 if ndc else 2.0)


def test_the_power_of_the_weights_depends_on_the_step_alone():
    part = sampler(annealing=10.0, annealing_end=0.5)
    powers = {}
    for index in (300, 0, 100, 500, 100, 1000):
        part.begin_step(Step(index, 1000, 0))
        powers[index] = float(part.power)
    assert powers == pytest.approx({0: 0.0, 100: 10 * 0.2 / (9 * 0.2 + 1), 300: 6 / 6.4, 500: 1.0, 1000: 1.0})


def model_of(part: ProposalSampler) -> LevelLoop:
    return LevelLoop([BlobField(peak=40.0, size=0.3)], part, volume_renderer()).double()


def batch_of(n: int) -> Batch:
    rays = toy_rays(n, dtype=torch.float64)
    return Batch(rays, None, torch.zeros(n, 3, dtype=torch.float64))


def test_the_loss_is_a_mean_over_rays_that_reaches_only_the_density_networks():
    part = sampler().eval()
    model, batch, step = model_of(part), batch_of(6), Step(0, 10, 0)
    model.begin_step(step)
    whole = model.part_losses(model(batch), batch, step)["interlevel"]
    halves = [model.part_losses(model(half), half, step)["interlevel"] for half in (batch[:3], batch[3:])]
    assert whole.item() > 0 and whole.item() == pytest.approx(sum(half.item() for half in halves) / 2, rel=1e-12)
    whole.backward()
    assert all(parameter.grad is not None for parameter in part.parameters())
    assert all(parameter.grad is None for parameter in model.main_field.parameters())


def test_positions_of_proposals_give_no_gradient_to_rays():
    part = sampler(update_warmup_steps=0, update_every=1)
    batch, step = batch_of(3), Step(0, 10, 0)
    rays = batch.rays
    moved = type(rays)(rays.origins.requires_grad_(), *[getattr(rays, n) for n in
                       ("directions", "viewdirs", "near", "far", "radii")])  # fmt: skip
    model = model_of(part)
    model.begin_step(step)
    outputs = model(Batch(moved, None, batch.rgb))
    (gradient,) = torch.autograd.grad(
        model.part_losses(outputs, batch, step)["interlevel"], [rays.origins], allow_unused=True
    )
    assert gradient is None


def test_density_networks_train_once_in_update_every_steps_after_the_warmup():
    part = sampler(update_warmup_steps=3, update_every=4)
    model, batch, trained = model_of(part).train(), batch_of(2), []
    for index in range(10):
        step = Step(index, 10, 0)
        model.begin_step(step)
        outputs = model(batch)
        losses = model.part_losses(outputs, batch, step)
        assert outputs.levels[0].weights.requires_grad == ("interlevel" in losses)
        trained += [index] if losses else []
    assert trained == [0, 1, 2, 3, 7]


def test_training_moves_samples_to_the_surface():
    part = sampler(n_proposals=(24,), n_samples=8, annealing=0.0, lr=None)
    model, batch = model_of(part).train(), batch_of(64)
    optimizer = torch.optim.Adam(part.parameters(), lr=3e-2)

    def near_the_blob() -> float:
        """The share of the last level's samples that lie in the blob."""
        at_step(model.sampler, Step(0, 1, 0))
        samples: RaySamples = model.trace(batch.rays).levels[-1].samples
        return float(((samples.positions() - model.main_field.center).norm(dim=-1) < 0.6).double().mean())

    before = near_the_blob()
    for index in range(60):
        model.train()
        step = Step(index, 60, 0)
        model.begin_step(step)
        optimizer.zero_grad()
        model.part_losses(model(batch), batch, step)["interlevel"].backward()
        optimizer.step()
    assert near_the_blob() > 1.5 * before
