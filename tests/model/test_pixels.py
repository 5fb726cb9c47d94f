"""Operations on pixels, against closed forms. The level loop's tests use them in whole renderings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from radfield_core.cameras import Camera, View
from radfield_core.model.pixels import concatenated, on_background, with_median_depth, with_scene_depths
from radfield_core.ops.ndc import Ndc
from radfield_core.rays import RaySpace, view_rays
from radfield_core.testing.toys import toy_rays
from radfield_core.types import FieldOutputs, Level, RaySamples, Rendered


def pixels(n: int, rgb: bool = True) -> Rendered:
    opacity = torch.linspace(0.25, 1.0, n)
    rendered = Rendered(0.5 * torch.ones(n, 3) if rgb else None, 2.0 * opacity, opacity, extras={"a": opacity * 3})
    return replace(rendered, median_depth=7 * opacity)


def test_a_background_is_seen_as_far_as_the_pixel_is_transparent() -> None:
    samples = RaySamples.from_edges(toy_rays(4), torch.zeros(4, 3))
    level = Level(samples, FieldOutputs(density=torch.zeros(8)), torch.zeros(8), pixels(4))
    found = on_background(level, torch.full((4, 3), 0.8)).rendered
    assert found is not None and found.rgb is not None
    torch.testing.assert_close(
        found.rgb[:, 1], torch.tensor([0.5 + 0.75 * 0.8, 0.5 + 0.5 * 0.8, 0.5 + 0.25 * 0.8, 0.5])
    )
    assert on_background(level, None) is level


def test_depths_of_a_warped_scene_are_distances_in_the_scene() -> None:
    """A point on the axis at NDC depth z = 1 + 2 / Z lies at the depth Z; here Z = −4."""
    view = View(torch.eye(4, dtype=torch.float64)[:3], Camera(1, 1, 1.0, 1.0, 0.5, 0.5))
    space = RaySpace(0.0, 1.0, warp=Ndc(2.0, 2.0))
    rays = view_rays(space, view, dtype=torch.float64)
    t = (1 + 2 / -4 + 1) / 2 * rays.far  # the ray goes from z = −1 to z = 1
    opacity = torch.tensor([0.5], dtype=torch.float64)
    found = with_scene_depths(Rendered(None, opacity * t, opacity, median_depth=t), space, view, rays)
    torch.testing.assert_close(found.depth, torch.tensor([0.5 * 4.0], dtype=torch.float64))
    assert found.median_depth is not None and float(found.median_depth) == pytest.approx(4.0)
    nowhere = with_scene_depths(Rendered(None, t, opacity, median_depth=t + torch.inf), space, view, rays)
    assert nowhere.median_depth is not None and float(nowhere.median_depth) == torch.inf


def test_the_median_depth_of_two_layers_lies_on_the_one_that_hides_the_other() -> None:
    """The mean, 0.7 · 1.5 + 0.3 · 4.5, lies where there is nothing."""
    rays = toy_rays(2)
    samples = RaySamples.from_edges(rays, torch.tensor([[1.0, 2.0, 4.0, 5.0]]).expand(2, 4))
    weights = torch.tensor([0.7, 0.0, 0.3, 0.1, 0.0, 0.2])
    rendered = Rendered(None, torch.zeros(2), torch.tensor([1.0, 0.3]))
    found = with_median_depth(Level(samples, FieldOutputs(density=weights), weights, rendered)).median_depth
    assert found is not None and found.tolist() == pytest.approx([1 + 5 / 7, torch.inf])


def test_pieces_are_joined_in_order() -> None:
    joined = concatenated([pixels(2), pixels(3)])
    assert joined.rgb is not None and joined.rgb.shape == (5, 3) and joined.normals is None
    assert joined.opacity.tolist() == [0.25, 1.0, 0.25, 0.625, 1.0] and joined.extras["a"].shape == (5,)
    assert joined.median_depth is not None and joined.median_depth.tolist() == [1.75, 7.0, 1.75, 4.375, 7.0]
    assert concatenated([pixels(2, rgb=False)]).rgb is None
