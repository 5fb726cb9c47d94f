"""Toy parts have the closed forms that tests rely on."""

from __future__ import annotations

import math

import pytest
import torch

from radfield_core.testing.toys import (
    BlobField,
    ConstantField,
    ProposalSampler,
    RaggedSampler,
    SphereField,
    importance_sampler,
    toy_context,
    toy_rays,
    volume_renderer,
)
from radfield_core.types import RaySamples


def test_rays_start_at_distance_four_and_pass_near_the_origin() -> None:
    rays = toy_rays(50, near=1.0, far=7.0, dtype=torch.float64)
    torch.testing.assert_close(rays.origins.norm(dim=-1), torch.full((50,), 4.0, dtype=torch.float64))
    torch.testing.assert_close(rays.directions.norm(dim=-1), torch.ones(50, dtype=torch.float64))
    closest = torch.linalg.cross(rays.origins, rays.directions).norm(dim=-1)
    assert float(closest.max()) < 2.0 and rays.near[0] == 1.0 and rays.far[0] == 7.0


def test_the_context_is_a_cube_around_the_origin() -> None:
    bounds = toy_context().bounds
    assert bounds.center.tolist() == [0.0, 0.0, 0.0] and bounds.radius == 1.5


def test_a_constant_field_is_as_opaque_as_the_formula_says() -> None:
    samples = RaySamples.from_edges(toy_rays(2), torch.tensor([2.0, 3.0, 4.5]).expand(2, 3))
    outputs = ConstantField(0.5, (0.2, 0.4, 0.6))(samples)
    weights = volume_renderer().weights(samples, outputs)
    expected = [1 - math.exp(-0.5), math.exp(-0.5) - math.exp(-1.25)] * 2
    assert weights.tolist() == pytest.approx(expected)
    assert outputs.rgb[0].tolist() == pytest.approx([0.2, 0.4, 0.6])


def test_the_density_of_a_blob_is_a_gaussian() -> None:
    field = BlobField(peak=3.0, size=0.5)
    center = torch.tensor([0.1, -0.2, 0.05])
    x = torch.stack([center, center + torch.tensor([0.5, 0.0, 0.0]), center + torch.tensor([0.0, 0.0, 1.0])])
    expected = [3.0, 3.0 * math.exp(-0.5), 3.0 * math.exp(-2.0)]
    assert field.density(x).tolist() == pytest.approx(expected)


def test_the_sphere_has_the_signed_distance_of_a_stretched_sphere() -> None:
    field = SphereField(radius=0.8)
    x = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.3]])
    assert field.sdf(x).tolist() == pytest.approx([1.1 * 1.2, 1.1 * -0.5])
    torch.testing.assert_close(field.gradient(x), torch.tensor([[1.1, 0.0, 0.0], [0.0, 0.0, 1.1]]))


def test_ragged_samples_divide_each_ray_into_its_own_number_of_intervals() -> None:
    samples = RaggedSampler((2, 0, 3)).propose(toy_rays(4), 0, None, ConstantField())
    assert samples.packing is not None and samples.packing.counts.tolist() == [2, 0, 3, 2]
    assert samples.t_starts[:2].tolist() == pytest.approx([2.0, 4.0])
    assert samples.t_ends[2:5].tolist() == pytest.approx([2.0 + 4 / 3, 2.0 + 8 / 3, 6.0])


def test_the_proposal_sampler_doubles_its_samples_on_the_second_level() -> None:
    sampler = ProposalSampler(12)
    counts = [sampler.propose(toy_rays(3), level, None, ConstantField()).samples_per_ray for level in (0, 1)]
    assert counts == [12, 24] and sampler.n_levels == 2 and list(sampler.own_fields) == [0]


def test_the_importance_sampler_has_a_second_level_only_with_importance_samples() -> None:
    assert importance_sampler(8).n_levels == 1 and importance_sampler(8, 4).n_levels == 2
