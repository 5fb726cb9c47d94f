"""Views to render: scaled cameras, views along a path, even choices, and pixels whatever the memory allows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from radfield_core.render.views import evenly_spread, path_views, render_view, scaled, view_names
from radfield_core.testing.training import ToyField, ToyMethod, toy_scene, toy_trainer
from radfield_core.types import RaySamples


@pytest.mark.parametrize(("n", "count", "expected"), [(10, 1, [5]), (10, 2, [2, 7]), (3, 9, [0, 1, 2]), (0, 4, [])])
def test_views_are_spread_evenly(n: int, count: int, expected: list[int]) -> None:
    assert evenly_spread(n, count) == expected


def test_running_out_of_memory_while_rendering_changes_no_pixel(tmp_path: Path) -> None:
    scene, method = toy_scene(), ToyMethod()
    model = toy_trainer(tmp_path).model
    whole = render_view(model, method, scene, scene.cameras.view(0), 1000)
    sizes: list[int] = []

    def need_much(field: object, inputs: tuple[RaySamples]) -> None:
        sizes.append(len(inputs[0].rays))
        if sizes[-1] > 60:
            raise torch.OutOfMemoryError("made up")

    next(part for part in model.modules() if isinstance(part, ToyField)).register_forward_pre_hook(need_much)
    parts = render_view(model, method, scene, scene.cameras.view(0), 200)
    assert sizes[:3] == [200, 100, 50] and max(sizes[2:]) == 50
    assert whole.rgb is not None and parts.rgb is not None
    torch.testing.assert_close(parts.rgb, whole.rgb, rtol=0, atol=1e-6)
    torch.testing.assert_close(parts.depth, whole.depth, rtol=0, atol=1e-5)


def test_every_chunk_of_a_view_is_reported(tmp_path: Path) -> None:
    trainer, scene, reported = toy_trainer(tmp_path, ToyMethod(noise=False)), toy_scene(2, size=16), []
    render_view(trainer.model, trainer.method, scene, scene.cameras.view(0), 100, lambda *pair: reported.append(pair))
    assert reported == [(100, 256), (200, 256), (256, 256)]


@pytest.mark.parametrize("scale", [2.0, 0.5])
def test_a_scaled_camera_sees_the_same_field_of_view(scale: float) -> None:
    camera = toy_scene().cameras.camera(0)
    other = scaled(camera, scale)
    assert (other.width, other.height) == (round(16 * scale), round(16 * scale))
    assert other.fx / other.width == camera.fx / camera.width and other.cx / other.width == camera.cx / camera.width
    assert other.fy / other.height == camera.fy / camera.height and other.cy / other.height == camera.cy / camera.height


def test_a_path_s_camera_has_no_distortion_and_sides_of_two_pixels_at_least() -> None:
    poses = torch.eye(4, dtype=torch.float64)[None, :3].repeat(2, 1, 1)
    small, other = path_views(toy_scene(size=16), poses, 0.001)
    assert (small.camera.width, small.camera.height) == (2, 2)
    assert small.camera.model == "pinhole" and small.camera.distortion == ()
    assert torch.equal(small.c2w, poses[0]) and torch.equal(other.c2w, poses[1])


def test_names_of_views_are_equally_wide() -> None:
    assert view_names(toy_scene(6), "test", [0, 5]) == ["test-000", "test-005"]
