"""Fixed inputs are the same in every call, and outputs of every kind of part are collected."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radfield_core.interfaces import Encoding, HasSDF
from radfield_core.testing.inputs import (
    at_step,
    dense_samples,
    fixed_outputs,
    inputs_for,
    packed_samples,
    random_outputs,
    toy_field_for,
)
from radfield_core.testing.kit import part_under_test
from radfield_core.testing.toys import toy_rays
from radfield_core.types import Step

KEYS = {
    "radfield-toys:encoding:toy": 1,
    "radfield-toys:field:toy": 2,
    "radfield-toys:field:toy-surface": 5,
    "sampler:importance": 6,  # two levels
    "renderer:volume": 4,
}


class Diary(Encoding):
    """An encoding that notes the steps of which it is told."""

    def __init__(self, notes: list[tuple[str, int]], name: str, inner: nn.Module | None = None):
        super().__init__()
        self.notes, self.name, self.inner = notes, name, inner

    def begin_step(self, step: Step) -> None:
        self.notes.append((self.name, step.index))

    def forward(self, x: torch.Tensor, cov: torch.Tensor | None = None) -> torch.Tensor:
        return x


def test_inner_parts_are_told_of_a_step_before_outer_ones() -> None:
    notes: list[tuple[str, int]] = []
    part = Diary(notes, "outer", nn.Sequential(Diary(notes, "inner")))
    assert at_step(part, Step(4, 10, 0)) is part and not part.training
    assert notes == [("inner", 4), ("outer", 4)]


def test_dense_samples_have_equal_lengths_from_near_to_far() -> None:
    samples = dense_samples(toy_rays(3, near=1.0, far=3.0), 4)
    assert samples.samples_per_ray == 4 and samples.lengths.tolist() == pytest.approx([0.5] * 12)
    assert float(samples.t_starts.min()) == 1.0 and float(samples.t_ends.max()) == 3.0


def test_packed_samples_include_a_ray_without_samples() -> None:
    packing = packed_samples(toy_rays(5)).packing
    assert packing is not None and packing.counts.tolist() == [5, 0, 8, 3, 5]


def test_random_outputs_have_densities_of_zero_and_above() -> None:
    outputs = random_outputs(dense_samples(toy_rays(40)))
    assert outputs.density is not None and outputs.rgb is not None
    share = float((outputs.density == 0).double().mean())
    assert 0.3 < share < 0.7 and float(outputs.density.min()) == 0.0
    assert float(outputs.rgb.min()) >= 0.0 and float(outputs.rgb.max()) <= 1.0


def test_a_sampler_that_requires_a_signed_distance_gets_one() -> None:
    assert not isinstance(toy_field_for(part_under_test("sampler:importance")), HasSDF)
    assert isinstance(toy_field_for(part_under_test("sampler:neus")), HasSDF)


@pytest.mark.parametrize("key", KEYS)
def test_the_outputs_of_each_kind_are_collected_and_the_same_every_time(key: str) -> None:
    tested = part_under_test(key)
    part = at_step(tested.build())
    first, second = fixed_outputs(tested, part), fixed_outputs(tested, part)
    assert len(first) == KEYS[key] and all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_inputs_have_the_dtype_that_is_asked_for() -> None:
    inputs = inputs_for(part_under_test("radfield-toys:field:toy"), dtype=torch.float64)
    assert {inputs.x.dtype, inputs.rays.origins.dtype, inputs.samples.t_eval.dtype} == {torch.float64}
    assert {parameter.dtype for parameter in inputs.field.parameters()} == {torch.float64}
