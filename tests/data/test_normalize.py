"""Preparing scenes: the cameras' common point moves to the unit sphere; the transform to data coordinates is exact."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from radfield_core.cameras import Cameras, project
from radfield_core.config.run import SceneConfig
from radfield_core.data.images import MemoryImages
from radfield_core.data.normalize import prepare_scene
from radfield_core.data.scene import Mesh, Scene
from radfield_core.errors import DatasetError, UsageError
from radfield_core.types import SceneBox

CENTER = torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64)
DISTANCE, HALF_VIEW = 5.0, 0.4


def look_at(place: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    back = torch.nn.functional.normalize(place - target, dim=0)
    right = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([0.1, 0.2, 1.0]).double(), back), dim=0)
    return torch.stack([right, torch.linalg.cross(back, right), back, place], 1)


def ring(n: int, seed: int = 0, **changes: object) -> Scene:
    """n cameras around CENTER, at DISTANCE, whose pictures are HALF_VIEW radians from middle to edge."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1)
    c2w = torch.stack([look_at(CENTER + DISTANCE * place, CENTER) for place in places])
    cameras = Cameras.pinhole(c2w, 10 / math.tan(HALF_VIEW), 30, 20)
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3] = torch.tensor([[0, -2, 0, 1], [2, 0, 0, 2], [0, 0, 2, 3]])
    made = Scene(
        cameras, MemoryImages(torch.zeros(n, 20, 30, 3, dtype=torch.uint8)), 2.0, 8.0, SceneBox(CENTER.float(), 4.0),
        to_data=to_data, points=CENTER + torch.randn(6, 3, generator=generator, dtype=torch.float64),
        ground_truth=Mesh(torch.randn(4, 3, generator=generator), torch.tensor([[0, 1, 2]])),
        depths=[torch.full((20, 30), 5.0)] * n,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def test_normalizing_puts_what_fills_the_pictures_into_the_unit_sphere() -> None:
    made = prepare_scene(ring(8), SceneConfig(normalize="unit_sphere", normalize_margin=1.25))
    places = made.cameras.c2w[:, :, 3]
    radius = DISTANCE * math.sin(HALF_VIEW) * 1.25
    torch.testing.assert_close(places.norm(dim=-1), torch.full((8,), DISTANCE / radius, dtype=torch.float64))
    assert made.near == pytest.approx(2 / radius) and made.far == pytest.approx(8 / radius)
    assert made.box.shape == "sphere" and made.box.radius == 1.0 and made.box.center.tolist() == [0, 0, 0]
    assert made.depths is not None
    torch.testing.assert_close(made.depths[3], torch.full((20, 30), 5.0 / radius))


def test_normalizing_keeps_pixels_and_the_way_back_to_the_data() -> None:
    before = ring(5)
    after = prepare_scene(before, SceneConfig(normalize="unit_sphere"))
    assert before.points is not None and after.points is not None
    for index in range(5):
        pixels = [project(s.cameras.view(index), s.points)[0] for s in (before, after) if s.points is not None]
        torch.testing.assert_close(pixels[0], pixels[1], atol=1e-9, rtol=0)
    torch.testing.assert_close(after.data_points(after.points), before.data_points(before.points), rtol=0, atol=1e-12)
    assert before.ground_truth is not None and after.ground_truth is not None
    vertices = [s.data_points(s.ground_truth.vertices) for s in (before, after) if s.ground_truth is not None]
    torch.testing.assert_close(vertices[0], vertices[1], rtol=0, atol=1e-5)


def test_another_split_is_normalized_by_the_training_cameras() -> None:
    config, train, test = SceneConfig(normalize="unit_sphere"), ring(6), ring(6, seed=1)
    test.cameras.c2w[:, :, 3] += 1.0
    expected = prepare_scene(train, config).to_data
    torch.testing.assert_close(prepare_scene(test, config, train).to_data, expected)
    assert not torch.allclose(prepare_scene(test, config).to_data, expected)


def test_limits_and_radius_given_are_taken_in_scene_units_after_normalizing() -> None:
    made = prepare_scene(ring(4), SceneConfig(normalize="unit_sphere", near=0.5, far=3.5, radius=0.8))
    assert (made.near, made.far, made.box.radius) == (0.5, 3.5, 0.8)


def test_without_options_a_scene_of_a_usual_size_is_left_as_it_is() -> None:
    made = ring(3, box=SceneBox(CENTER.float(), 1.5))
    prepared = prepare_scene(made, SceneConfig())
    assert all(getattr(prepared, f.name) is getattr(made, f.name) for f in dataclasses.fields(Scene))


@pytest.mark.parametrize(
    ("radius", "usual", "factor"),
    [(0.81, None, 1), (1.0, None, 1), (6.06, None, 1), (7.99, None, 1), (8.1, None, 0.1), (150.0, None, 0.01),
     (1.5e6, None, 1e-6), (0.79, None, 10), (0.015, None, 100), (606.0, None, 0.01), (55.5, None, 0.1),
     (55.5, 1.5, 1 / 37), (1.5, 1.5, 1), (12.0, 24.0, 2), (24.0, 24.0, 1)],
)  # fmt: skip
def test_a_scene_is_brought_to_the_size_of_published_ones(radius: float, usual: float | None, factor: float) -> None:
    made = ring(4, box=SceneBox(CENTER.float(), radius, usual_radius=usual))
    found = prepare_scene(made, SceneConfig())
    assert found.box.radius == pytest.approx(factor * radius)
    assert 0.8 <= found.box.radius < 8 if usual is None else found.box.radius == pytest.approx(usual)
    assert (found.near, found.far) == pytest.approx((2 * factor, 8 * factor))
    torch.testing.assert_close(found.cameras.c2w[:, :, 3], factor * made.cameras.c2w[:, :, 3])
    assert torch.equal(found.cameras.c2w[:, :, :3], made.cameras.c2w[:, :, :3])
    assert found.points is not None and made.points is not None and found.depths is not None
    torch.testing.assert_close(found.data_points(found.points), made.data_points(made.points))
    assert float(found.depths[1][0, 0]) == pytest.approx(5 * factor)
    assert bool(found.notes) == (factor != 1)
    assert prepare_scene(made, SceneConfig(normalize="none")).box.radius == pytest.approx(radius)


def test_limits_and_radius_given_are_those_before_scaling() -> None:
    made = ring(4, box=SceneBox(CENTER.float(), 4.0, usual_radius=4.0))
    found = prepare_scene(made, SceneConfig(near=200.0, far=600.0, radius=150.0))
    assert (found.near, found.far, found.box.radius) == pytest.approx((2.0, 6.0, 1.5))


def test_the_training_split_decides_the_scale_and_ndc_has_none() -> None:
    train, test = ring(4, box=SceneBox(CENTER.float(), 150.0)), ring(4, box=SceneBox(CENTER.float(), 5.0))
    assert prepare_scene(test, SceneConfig(), train).box.radius == pytest.approx(0.05)
    assert prepare_scene(ring(4, ndc=True, box=SceneBox(torch.zeros(3), 12.0)), SceneConfig()).box.radius == 12.0


def test_options_that_contradict_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match="near is 9 and far is 8"):
        prepare_scene(ring(3), SceneConfig(near=9.0))
    with pytest.raises(UsageError, match="NDC"):
        prepare_scene(ring(3, ndc=True), SceneConfig(normalize="unit_sphere"))
    still = ring(3)
    still.cameras.c2w[:] = still.cameras.c2w[0]
    with pytest.raises(DatasetError, match="a common point"):
        prepare_scene(still, SceneConfig(normalize="unit_sphere"))
