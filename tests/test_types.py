"""The tensors that parts exchange: slicing, intervals, layouts, random numbers and the scene's region."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats

from radfield_core.ops.layout import LayoutError, Packing
from radfield_core.testing.toys import toy_rays
from radfield_core.types import Batch, FieldOutputs, RayBundle, RaySamples, SceneBox, Step


def bundle(n: int) -> RayBundle:
    return dataclasses.replace(toy_rays(n, dtype=torch.float64), image_ids=torch.arange(n))


def test_a_slice_of_rays_has_the_rows_of_every_tensor() -> None:
    rays, some = bundle(5), bundle(5)[1:3]
    assert len(some) == 2
    for field in dataclasses.fields(RayBundle):
        assert torch.equal(getattr(some, field.name), getattr(rays, field.name)[1:3]), field.name
    assert toy_rays(5)[1:3].image_ids is None


def test_rays_move_to_a_device_whole() -> None:
    moved = bundle(3).to("meta")
    assert {getattr(moved, field.name).device.type for field in dataclasses.fields(RayBundle)} == {"meta"}


def test_intervals_between_edges_are_evaluated_at_their_midpoints() -> None:
    edges = torch.tensor([[1.0, 2.0, 4.0], [0.0, 3.0, 3.0]], dtype=torch.float64)
    samples = RaySamples.from_edges(bundle(2), edges)
    assert samples.n == 4 and samples.samples_per_ray == 2
    assert samples.t_starts.tolist() == [1, 2, 0, 3] and samples.t_ends.tolist() == [2, 4, 3, 3]
    assert samples.t_eval.tolist() == [1.5, 3, 1.5, 3] and samples.lengths.tolist() == [1, 2, 3, 0]
    assert torch.equal(samples.edges(), edges) and samples.ray_indices.tolist() == [0, 0, 1, 1]


def test_the_interval_of_a_point_ends_at_the_next_and_the_last_at_far() -> None:
    t, far = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([4.0, 4.0])
    samples = RaySamples.from_points(toy_rays(2), t, far)
    assert samples.t_eval.tolist() == samples.t_starts.tolist() == [1, 2, 3, 5]
    assert samples.t_ends.tolist() == [2, 4, 5, 5]


def test_positions_are_origin_plus_t_direction_in_both_layouts() -> None:
    rays, starts = bundle(2), torch.tensor([2.0, 3.0, 2.5, 5.0], dtype=torch.float64)
    uniform = RaySamples.from_points(rays, starts.view(2, 2), rays.far)
    packing = Packing.from_counts(torch.tensor([2, 2]))
    packed = RaySamples.packed(rays, starts, starts, packing)
    for samples in (uniform, packed):
        for i, t in enumerate(starts.tolist()):
            expected = rays.origins[i // 2] + t * rays.directions[i // 2]
            torch.testing.assert_close(samples.positions()[i], expected)


@pytest.mark.parametrize("footprint", ["cone", "cylinder"])
def test_gaussians_are_the_moments_of_points_drawn_in_the_frustum(footprint: str) -> None:
    """Monte Carlo: uniform points of the cone (radius r t) or cylinder (radius r) between two distances."""
    direction = torch.nn.functional.normalize(torch.tensor([[1.0, 2.0, -2.0]], dtype=torch.float64), dim=-1)
    one = torch.ones(1, dtype=torch.float64)
    rays = RayBundle(torch.zeros(1, 3, dtype=torch.float64), direction, direction, one, one, 0.2 * one)
    edges = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    mean, cov = RaySamples.from_edges(rays, edges, footprint).gaussians()  # type: ignore[arg-type]
    draw = np.random.default_rng(0)
    n = 400_000
    u = draw.random(n)
    t = np.cbrt(1 + u * 26) if footprint == "cone" else 1 + 2 * u
    radius = 0.2 * np.sqrt(draw.random(n)) * (t if footprint == "cone" else 1)
    angle = 2 * math.pi * draw.random(n)
    d = direction[0].numpy()
    side = np.cross(d, [0.0, 0.0, 1.0]) / np.linalg.norm(np.cross(d, [0.0, 0.0, 1.0]))
    points = t[:, None] * d + radius[:, None] * (
        np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(d, side)
    )
    np.testing.assert_allclose(mean[0], points.mean(0), atol=5e-3)
    np.testing.assert_allclose(cov[0], points.var(0), rtol=1e-2)


@pytest.mark.parametrize("both", [True, False])
def test_samples_need_exactly_one_layout(both: bool) -> None:
    packing = Packing.from_counts(torch.tensor([1])) if both else None
    with pytest.raises(ValueError, match="exactly one of samples_per_ray and packing"):
        RaySamples(toy_rays(1), torch.zeros(1), torch.ones(1), torch.ones(1), 1 if both else None, packing)


def test_packed_samples_have_no_dense_view() -> None:
    samples = RaySamples.packed(toy_rays(2), torch.zeros(4), torch.ones(4), Packing.from_counts(torch.tensor([2, 2])))
    with pytest.raises(LayoutError, match="packed"):
        samples.dense(samples.t_eval)


@pytest.mark.parametrize("values", [{}, {"density": torch.ones(2), "alpha": torch.ones(2)}])
def test_field_outputs_need_exactly_one_of_density_and_alpha(values: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="exactly one of density and alpha"):
        FieldOutputs(**values)  # type: ignore[arg-type]


def test_a_slice_of_a_batch_has_the_rows_of_every_tensor_and_an_image_has_none() -> None:
    numbers = torch.arange(5.0)
    batch = Batch(
        bundle(5), None, numbers[:, None].expand(5, 3), numbers, numbers[:, None].expand(5, 3) / 10, 2 * numbers
    )
    some = batch[2:4]
    assert some.rays is not None and torch.equal(some.rays.image_ids, torch.tensor([2, 3]))
    assert some.rgb[:, 0].tolist() == some.mask.tolist() == [2, 3] and some.loss_weights.tolist() == [4, 6]
    torch.testing.assert_close(some.background[:, 0], torch.tensor([0.2, 0.3]))
    bare = Batch(bundle(5), None, torch.zeros(5, 3))[:2]
    assert bare.mask is None and bare.background is None and bare.loss_weights is None
    with pytest.raises(TypeError, match="whole images"):
        Batch(None, None, torch.zeros(4, 6, 3))[:2]


def test_progress_is_the_share_of_the_steps_and_at_most_one() -> None:
    assert [Step(index, 200, 0).progress for index in (0, 50, 200, 500)] == [0, 0.25, 1, 1]


def test_random_numbers_depend_on_seed_step_and_purpose_alone() -> None:
    def numbers(seed: int, index: int, salt: str) -> tuple[float, ...]:
        return tuple(torch.rand(4, generator=Step(index, 10, seed).generator(salt)).tolist())

    cases = [(seed, index, salt) for seed in (0, 1) for index in (0, 1, 10) for salt in ("a", "b")]
    assert len({numbers(*case) for case in cases}) == len(cases)
    assert all(numbers(*case) == numbers(*case) for case in cases)


def test_first_random_numbers_of_many_steps_are_uniform() -> None:
    """Neighboring seeds of a generator must not give related numbers."""
    first = [float(torch.rand(1, generator=Step(index, 10_000, 0).generator("x"))) for index in range(2000)]
    assert stats.kstest(first, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("shape", ["box", "sphere"])
def test_a_ray_is_inside_the_region_exactly_between_enter_and_leave(shape: str) -> None:
    """Every t on a fine grid is tested by the definition of the region."""
    box = SceneBox(torch.tensor([0.3, -0.2, 0.1]), 1.1, shape)  # type: ignore[arg-type]
    rays = toy_rays(60, dtype=torch.float64)
    rays = dataclasses.replace(
        rays, origins=torch.cat([rays.origins[:40], 0.2 * rays.origins[40:]])
    )  # some start inside
    enter, leave = box.intersect(rays)
    t = torch.linspace(0, 8, 4001, dtype=torch.float64)
    points = rays.origins[:, None] + t[:, None] * rays.directions[:, None] - box.center.double()
    inside = (points.abs().amax(-1) if shape == "box" else points.norm(dim=-1)) < 1.1
    found = (t > enter[:, None]) & (t < leave[:, None])
    clear = (t - enter[:, None]).abs().minimum((t - leave[:, None]).abs()) > 1e-6
    assert bool((found == inside)[clear].all()) and int(inside.any(1).sum()) > 10
    assert bool((enter >= 0).all() and (leave >= enter).all())


def test_a_ray_that_misses_gets_zero_for_a_box_and_the_nearest_t_for_a_sphere() -> None:
    origins = torch.tensor([[3.0, 0.0, 5.0], [3.0, 0.0, -5.0]])
    forward = torch.tensor([[0.0, 0.0, -1.0]]).expand(2, 3)
    one = torch.ones(2)
    rays = RayBundle(origins, forward, forward, one, one, one)
    assert [t.tolist() for t in SceneBox(torch.zeros(3), 1.0).intersect(rays)] == [[0, 0], [0, 0]]
    assert [t.tolist() for t in SceneBox(torch.zeros(3), 1.0, "sphere").intersect(rays)] == [[5, 0], [5, 0]]
