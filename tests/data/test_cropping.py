"""A box keeps what lies in it: points, the part of each ray, and the opacity of what is rendered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from radfield_core.data.cropping import Crop
from radfield_core.model import LevelLoop
from radfield_core.ops.ndc import Ndc
from radfield_core.testing.toys import ConstantField, RaggedSampler, SphereField, toy_rays, volume_renderer
from radfield_core.types import FieldOutputs

TURN = np.array([[0.0, -2.0, 0.0, 0.5], [2.0, 0.0, 0.0, -1.0], [0.0, 0.0, 2.0, 0.25], [0.0, 0.0, 0.0, 1.0]])
LOW, HIGH = (-1.5, -2.0, -1.0), (2.0, 0.5, 1.5)


def crop(low=LOW, high=HIGH, to_data=TURN, warp=None) -> Crop:
    return Crop(*(torch.tensor(corner, dtype=torch.float64) for corner in (low, high)), torch.tensor(to_data), warp)


def in_box(points: np.ndarray) -> np.ndarray:
    """Whether scene points [n, 3] lie in the box, by the definition in the data's coordinates."""
    data = np.stack([TURN[:3, :3] @ point + TURN[:3, 3] for point in points])
    return np.all((data >= LOW) & (data <= HIGH), axis=-1)


def test_points_are_inside_if_their_data_coordinates_are() -> None:
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (500, 3))
    expected = in_box(points)
    assert 40 < expected.sum() < 450
    assert crop().inside(torch.from_numpy(points)).tolist() == expected.tolist()


def test_a_ray_is_limited_to_its_part_in_the_box() -> None:
    rays = toy_rays(200, dtype=torch.float64)
    limited = crop().limited(rays)
    t = np.linspace(2.0, 6.0, 401)[1:-1]
    for index in range(len(rays)):
        origin, direction = rays.origins[index].numpy(), rays.directions[index].numpy()
        expected = in_box(origin + t[:, None] * direction)
        near, far = float(limited.near[index]), float(limited.far[index])
        assert (np.abs(t - near) < 0.011).any() or not expected.any()
        assert ((t > near + 1e-9) & (t < far - 1e-9)).tolist() == expected.tolist()
    missed = (limited.far == limited.near).sum()
    assert 5 < missed < 195, "some rays meet the box, others do not"


@pytest.mark.parametrize("opaque_far", [False, True])
def test_fog_in_a_box_has_the_opacity_of_the_part_of_the_ray_in_it(opaque_far: bool) -> None:
    rays, density = toy_rays(50), 0.5
    model = LevelLoop([ConstantField(density)], RaggedSampler((3000,)), volume_renderer(opaque_far))
    model.crop = crop()
    inside = model.crop.limited(rays)
    expected = 1.0 - torch.exp(-density * (inside.far - inside.near) * rays.directions.norm(dim=-1))
    rendered = model.render_rays(rays)
    torch.testing.assert_close(rendered.opacity, expected, atol=2e-3, rtol=0)
    assert (expected == 0).any() and (expected > 0.3).any()
    model.crop = None
    assert (model.render_rays(rays).opacity > expected + 0.05).all(), "all of the fog is seen again"


def test_a_surface_outside_the_box_does_not_hide_the_background() -> None:
    rays = toy_rays(50)
    model = LevelLoop([SphereField()], RaggedSampler((64,)), volume_renderer())
    whole = model.render_rays(rays, torch.ones(3))
    model.crop = crop((50.0, 50.0, 50.0), (51.0, 51.0, 51.0))
    empty = model.render_rays(rays, torch.ones(3))
    assert whole.opacity.max() > 0.9 and empty.opacity.max() < 1e-6
    torch.testing.assert_close(empty.rgb, torch.ones(50, 3))


def test_a_crop_hides_a_learned_background() -> None:
    rays = toy_rays(20)
    behind = LevelLoop([ConstantField(5.0, (1.0, 0.0, 0.0))], RaggedSampler((64,)), volume_renderer())
    model = LevelLoop([ConstantField(0.0)], RaggedSampler((8,)), volume_renderer(), behind)
    model.sampler.extent = lambda rays: (rays.near, rays.near + 1.0)  # type: ignore[method-assign]
    assert (model.render_rays(rays, torch.zeros(3)).rgb[:, 0] > 0.9).all()
    model.crop = crop()
    assert model.render_rays(rays, torch.zeros(3)).rgb.abs().max() < 1e-6


def test_in_ndc_points_are_compared_in_the_scene_and_rays_are_kept() -> None:
    warp = Ndc(1.0, 1.0)
    cut = crop((-1.0, -1.0, -4.0), (1.0, 1.0, -2.0), np.eye(4), warp)
    scene = torch.tensor([[0.5, 0.5, -3.0], [0.5, 0.5, -5.0], [0.5, 0.5, -1.5], [3.0, 0.0, -3.0]], dtype=torch.float64)
    assert cut.inside(warp.points(scene)).tolist() == [True, False, False, False]
    rays = toy_rays(3)
    assert cut.limited(rays) is rays


@pytest.mark.parametrize("kind", ["density", "alpha"])
def test_outputs_outside_are_emptied_and_others_kept(kind: str) -> None:
    x, values = torch.tensor([[0.5, 0.5, 0.5], [9.0, 0.0, 0.0]]), torch.tensor([0.25, 0.75])
    outputs = replace(FieldOutputs(rgb=torch.rand(2, 3), density=values), **{"density": None, kind: values})
    kept = crop((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(4)).applied(outputs, x)
    assert getattr(kept, kind).tolist() == [0.25, 0.0] and kept.rgb is outputs.rgb
