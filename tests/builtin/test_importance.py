"""Hierarchical sampling against the paper's description written as loops, and its random numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from radfield_core.builtin.importance import Importance
from radfield_core.ops.layout import LayoutError
from radfield_core.testing.toys import BlobField, RaggedSampler, importance_sampler, toy_rays, volume_renderer
from radfield_core.types import Level, RaySamples, Step

STEP = Step(3, 10, 0)


def level_of(samples: RaySamples, field: BlobField) -> Level:
    outputs = field(samples)
    return Level(samples, outputs, volume_renderer().weights(samples, outputs), None)


def test_in_evaluation_samples_are_even_and_then_where_the_weights_are() -> None:
    sampler, field, rays = importance_sampler(8, 5).eval(), BlobField(), toy_rays(3, dtype=torch.float64)
    with torch.no_grad():
        coarse = level_of(sampler.propose(rays, 0, None, field), field)
        fine = sampler.propose(rays, 1, coarse, field)
    weights = coarse.weights.view(3, 8).numpy()
    for ray in range(3):
        t = np.linspace(2.0, 6.0, 8)
        np.testing.assert_allclose(coarse.samples.t_eval.view(3, 8)[ray], t, atol=1e-12)
        middles = [(a + b) / 2 for a, b in itertools.pairwise(t)]
        share = [(w + 1e-5) for w in weights[ray][1:-1]]
        share = [s / sum(share) for s in share]
        drawn = []
        for u in [0.0, 0.25, 0.5, 0.75, 1.0]:
            before, i = 0.0, 0
            while i < len(share) - 1 and before + share[i] <= u:
                before, i = before + share[i], i + 1
            way = (u - before) / (share[i] if share[i] > 1e-5 else 1.0)
            drawn.append(middles[i] + way * (middles[i + 1] - middles[i]))
        np.testing.assert_allclose(fine.t_eval.view(3, 13)[ray], sorted([*t, *drawn]), atol=1e-9)


def test_each_interval_ends_at_the_next_sample_and_the_last_at_far() -> None:
    sampler, field, rays = importance_sampler(8, 5), BlobField(), toy_rays(4)
    sampler.begin_step(STEP)
    coarse = level_of(sampler.propose(rays, 0, None, field), field)
    for samples in (coarse.samples, sampler.propose(rays, 1, coarse, field)):
        t, ends = samples.dense(samples.t_eval), samples.dense(samples.t_ends)
        assert torch.equal(samples.t_starts, samples.t_eval) and torch.equal(ends[:, :-1], t[:, 1:])
        assert torch.equal(ends[:, -1], rays.far) and bool((samples.lengths >= 0).all())


def test_random_samples_are_a_function_of_the_step_and_evaluation_has_none() -> None:
    sampler, field, rays = importance_sampler(8, 5), BlobField(), toy_rays(4)

    def places(index: int) -> torch.Tensor:
        sampler.begin_step(Step(index, 10, 0))
        return sampler.propose(rays, 0, None, field).t_eval

    first = places(1)
    assert torch.equal(first, places(1)) and not torch.equal(first, places(2))
    sampler.eval()
    assert torch.equal(places(1), places(2))


def test_without_perturb_training_has_the_samples_of_evaluation() -> None:
    field, rays = BlobField(), toy_rays(4)

    def places(sampler: Importance) -> list[torch.Tensor]:
        coarse = level_of(sampler.propose(rays, 0, None, field), field)
        return [coarse.samples.t_eval, sampler.propose(rays, 1, coarse, field).t_eval]

    even, fixed, moving = (
        importance_sampler(8, 5).eval(),
        importance_sampler(8, 5, perturb=False),
        importance_sampler(8, 5),
    )
    moving.begin_step(STEP)
    for wanted, found, moved in zip(places(even), places(fixed.train()), places(moving.train()), strict=True):
        assert torch.equal(found, wanted) and (moved - wanted).abs().max() > 0.05


def test_every_level_draws_numbers_of_its_own() -> None:
    salts = []

    class Spy(Step):
        def generator(self, salt: str, device: torch.device | str = "cpu") -> torch.Generator:
            salts.append(salt)
            return super().generator(salt, device)

    sampler, field, rays = importance_sampler(8, 5), BlobField(), toy_rays(4)
    sampler.begin_step(Spy(3, 10, 0))
    sampler.propose(rays, 1, level_of(sampler.propose(rays, 0, None, field), field), field)
    assert len(salts) == len(set(salts)) == 2


def test_rays_in_chunks_get_the_samples_of_the_whole() -> None:
    sampler, field, rays = importance_sampler(8, 5), BlobField(), toy_rays(30)

    def two_levels(pieces: list[slice]) -> list[torch.Tensor]:
        sampler.begin_step(STEP)
        found: list[list[torch.Tensor]] = [[], []]
        for piece in pieces:
            coarse = level_of(sampler.propose(rays[piece], 0, None, field), field)
            fine = sampler.propose(rays[piece], 1, coarse, field)
            found[0].append(coarse.samples.t_eval)
            found[1].append(fine.t_eval)
        return [torch.cat(level) for level in found]

    for whole, parts in zip(two_levels([slice(0, 30)]), two_levels([slice(0, 7), slice(7, 30)]), strict=True):
        torch.testing.assert_close(whole, parts, rtol=0, atol=1e-6)


def test_without_importance_there_is_one_level_and_after_a_packed_one_none() -> None:
    assert importance_sampler(8, 0).n_levels == 1 and importance_sampler(8, 1).n_levels == 2
    field, rays = BlobField(), toy_rays(4)
    packed = level_of(RaggedSampler().propose(rays, 0, None, field), field)
    with pytest.raises(LayoutError, match="packed"):
        importance_sampler(8, 5).propose(rays, 1, packed, field)


def test_drawing_at_random_before_any_step_is_refused() -> None:
    with pytest.raises(RuntimeError, match="begin_step"):
        importance_sampler(8).propose(toy_rays(1), 0, None, BlobField())
