"""Defaults that every sampler inherits: random numbers of the step, its extent, and fields of its own."""

from __future__ import annotations

import pytest
import torch

from radfield_core.interfaces import Field, Sampler
from radfield_core.testing.toys import toy_rays
from radfield_core.types import RayBundle, RaySamples, Step

CPU = torch.device("cpu")


class Whole(Sampler):
    """One interval from near to far."""

    def propose(self, rays: RayBundle, level: int, prev: object, field: Field) -> RaySamples:
        return RaySamples.from_edges(rays, torch.stack(self.extent(rays), 1))


def test_chunks_of_a_step_continue_one_sequence_of_random_numbers() -> None:
    sampler = Whole()
    sampler.begin_step(Step(3, 10, 0))
    chunks = [torch.rand(n, generator=sampler.generator("jitter", CPU)) for n in (2, 0, 5)]
    assert torch.equal(torch.cat(chunks), torch.rand(7, generator=Step(3, 10, 0).generator("jitter")))


def test_random_numbers_depend_on_purpose_and_step_alone() -> None:
    def numbers(index: int, salt: str) -> list[float]:
        sampler = Whole()
        sampler.begin_step(Step(index, 10, 0))
        return torch.rand(3, generator=sampler.generator(salt, CPU)).tolist()

    assert numbers(3, "a") == numbers(3, "a")
    assert numbers(3, "a") != numbers(3, "b") and numbers(3, "a") != numbers(4, "a")


def test_random_numbers_before_a_step_are_an_error_that_names_the_sampler() -> None:
    with pytest.raises(RuntimeError, match=r"Whole.*begin_step"):
        Whole().generator("jitter", CPU)


def test_by_default_there_is_one_level_between_the_limits_of_the_rays() -> None:
    rays = toy_rays(3)
    near, far = Whole().extent(rays)
    assert torch.equal(near, rays.near) and torch.equal(far, rays.far)
    assert Whole().n_levels == 1 and len(Whole().own_fields) == 0
    with pytest.raises(TypeError):
        Whole().own_fields[0] = None  # type: ignore[index]


def test_a_sampler_without_propose_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="propose"):
        type("Incomplete", (Sampler,), {})()
